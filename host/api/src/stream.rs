//! The framing of output without a terminal ("stdcopy").
//!
//! Each frame is an 8-byte header and a payload: byte 0 is the stream, bytes
//! 1 to 3 are zero, bytes 4 to 7 are the payload's length, big-endian.
//! Source: Docker's API description, `ContainerAttach`, "Stream format".

/// The length of a frame's header.
pub const HEADER_LEN: usize = 8;

/// Which stream a frame belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    /// Echoed input; read as standard output.
    Stdin,
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
    /// An error of the engine in the middle of a stream.
    System,
}

/// The bytes are not frames.
#[derive(Clone, Copy, Debug, thiserror::Error, PartialEq, Eq)]
#[error("unrecognized stream {0} in the header of an output frame")]
pub struct UnknownStream(pub u8);

/// The header for a payload of `len` bytes.
pub fn header(stream: Stream, len: u32) -> [u8; HEADER_LEN] {
    let [a, b, c, d] = len.to_be_bytes();
    [stream as u8, 0, 0, 0, a, b, c, d]
}

impl TryFrom<u8> for Stream {
    type Error = UnknownStream;

    fn try_from(byte: u8) -> Result<Self, UnknownStream> {
        match byte {
            0 => Ok(Stream::Stdin),
            1 => Ok(Stream::Stdout),
            2 => Ok(Stream::Stderr),
            3 => Ok(Stream::System),
            other => Err(UnknownStream(other)),
        }
    }
}

/// Takes frames apart as bytes arrive; it copies no payload and holds at most
/// one partial header.
///
/// ```
/// use bulkhead_api::stream::{Demux, Stream, header};
/// let mut bytes = header(Stream::Stderr, 2).to_vec();
/// bytes.extend(b"hi");
/// let mut seen = Vec::new();
/// Demux::default().feed(&bytes, |stream, part| seen.push((stream, part.to_vec()))).unwrap();
/// assert_eq!(seen, [(Stream::Stderr, b"hi".to_vec())]);
/// ```
#[derive(Debug, Default)]
pub struct Demux {
    header: [u8; HEADER_LEN],
    header_len: usize,
    current: Option<(Stream, usize)>,
}

impl Demux {
    /// Takes `bytes` in and gives each piece of payload to `each`, which may
    /// see one frame in several pieces.
    pub fn feed(
        &mut self,
        mut bytes: &[u8],
        mut each: impl FnMut(Stream, &[u8]),
    ) -> Result<(), UnknownStream> {
        while !bytes.is_empty() {
            match self.current {
                None => bytes = self.take_header(bytes)?,
                Some((stream, left)) => {
                    let (part, rest) = bytes.split_at(left.min(bytes.len()));
                    each(stream, part);
                    self.current = (left > part.len()).then_some((stream, left - part.len()));
                    bytes = rest;
                }
            }
        }
        Ok(())
    }

    /// Whether the input ended in the middle of a frame.
    pub fn is_partial(&self) -> bool {
        self.header_len > 0 || self.current.is_some()
    }

    fn take_header<'a>(&mut self, bytes: &'a [u8]) -> Result<&'a [u8], UnknownStream> {
        let take = (HEADER_LEN - self.header_len).min(bytes.len());
        self.header[self.header_len..][..take].copy_from_slice(&bytes[..take]);
        self.header_len += take;
        if self.header_len == HEADER_LEN {
            let [stream, _, _, _, a, b, c, d] = self.header;
            let len = u32::from_be_bytes([a, b, c, d]) as usize;
            self.header_len = 0;
            self.current = (len > 0).then_some((Stream::try_from(stream)?, len));
        }
        Ok(&bytes[take..])
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn bytes_that_are_no_frames_are_refused() {
        assert_eq!(
            Demux::default().feed(b"hello, world", |_, _| {}),
            Err(UnknownStream(b'h'))
        );
    }

    proptest! {
        #[test]
        fn frames_come_out_as_they_went_in_however_they_are_cut(
            frames in prop::collection::vec((0u8..4, prop::collection::vec(any::<u8>(), 0..40)), 0..10),
            cut in 1usize..30,
        ) {
            let mut bytes = Vec::new();
            let mut expected: [Vec<u8>; 4] = Default::default();
            for (stream, payload) in &frames {
                bytes.extend(header(Stream::try_from(*stream).unwrap(), payload.len() as u32));
                bytes.extend(payload);
                expected[*stream as usize].extend(payload);
            }
            let mut got: [Vec<u8>; 4] = Default::default();
            let mut demux = Demux::default();
            for chunk in bytes.chunks(cut) {
                demux.feed(chunk, |stream, part| got[stream as usize].extend(part)).unwrap();
            }
            prop_assert_eq!(got, expected);
            prop_assert!(!demux.is_partial());
        }
    }
}
