//! Encoding requests.

/// `nlmsghdr` is 16 bytes: length, type, flags, sequence number, port id.
pub(crate) const HEADER: usize = 16;

/// Messages in one buffer, each aligned to four bytes.
pub(crate) struct Encoder {
    buffer: Vec<u8>,
    /// Where the message under construction starts.
    start: usize,
    first_sequence: u32,
    next_sequence: u32,
}

impl Encoder {
    /// An empty buffer; messages are numbered from `first_sequence`.
    pub(crate) fn new(first_sequence: u32) -> Self {
        Self {
            buffer: Vec::with_capacity(512),
            start: 0,
            first_sequence,
            next_sequence: first_sequence,
        }
    }

    /// Starts a message; `family_header` is the protocol's fixed part.
    pub(crate) fn begin(&mut self, kind: u16, flags: u16, family_header: &[u8]) -> &mut Self {
        self.start = self.buffer.len();
        self.buffer.extend_from_slice(&[0; 4]);
        self.buffer.extend_from_slice(&kind.to_ne_bytes());
        self.buffer.extend_from_slice(&flags.to_ne_bytes());
        self.buffer
            .extend_from_slice(&self.next_sequence.to_ne_bytes());
        self.buffer.extend_from_slice(&[0; 4]);
        self.next_sequence = self.next_sequence.wrapping_add(1);
        self.raw(family_header)
    }

    /// Appends bytes as they are, padded to four.
    pub(crate) fn raw(&mut self, bytes: &[u8]) -> &mut Self {
        self.buffer.extend_from_slice(bytes);
        self.buffer.resize(self.buffer.len().next_multiple_of(4), 0);
        self.patch_length(self.start);
        self
    }

    /// Appends an attribute.
    pub(crate) fn attribute(&mut self, kind: u16, payload: &[u8]) -> &mut Self {
        let length = u16::try_from(4 + payload.len()).expect("attributes here are small");
        self.buffer.extend_from_slice(&length.to_ne_bytes());
        self.buffer.extend_from_slice(&kind.to_ne_bytes());
        self.raw(payload)
    }

    /// Appends a NUL-terminated string.
    pub(crate) fn string(&mut self, kind: u16, value: &str) -> &mut Self {
        let mut bytes = Vec::with_capacity(value.len() + 1);
        bytes.extend_from_slice(value.as_bytes());
        bytes.push(0);
        self.attribute(kind, &bytes)
    }

    /// Appends a number in host byte order (rtnetlink).
    pub(crate) fn u32(&mut self, kind: u16, value: u32) -> &mut Self {
        self.attribute(kind, &value.to_ne_bytes())
    }

    /// Appends a number in network byte order (nfnetlink).
    pub(crate) fn be32(&mut self, kind: u16, value: u32) -> &mut Self {
        self.attribute(kind, &value.to_be_bytes())
    }

    /// Appends an attribute whose payload is what `content` appends.
    pub(crate) fn nest(&mut self, kind: u16, content: impl FnOnce(&mut Self)) -> &mut Self {
        const NLA_F_NESTED: u16 = 1 << 15;
        let at = self.buffer.len();
        self.attribute(kind | NLA_F_NESTED, &[]);
        content(self);
        let length = u16::try_from(self.buffer.len() - at).expect("attributes here are small");
        self.buffer[at..at + 2].copy_from_slice(&length.to_ne_bytes());
        self
    }

    /// The messages.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.buffer
    }

    /// The first message's sequence number.
    pub(crate) fn first_sequence(&self) -> u32 {
        self.first_sequence
    }

    /// The sequence number after the last message's.
    pub(crate) fn next_sequence(&self) -> u32 {
        self.next_sequence
    }

    fn patch_length(&mut self, start: usize) {
        let length = u32::try_from(self.buffer.len() - start).expect("messages here are small");
        self.buffer[start..start + 4].copy_from_slice(&length.to_ne_bytes());
    }
}
