//! What a shim and its clients say to each other over its unix stream socket.
//!
//! A frame is one byte of type, the payload's length as a little-endian u32,
//! and the payload, at most [`MAX_PAYLOAD`] bytes. The module does no I/O but
//! in [`read_event`]: a [`Decoder`] takes bytes as they come and gives whole
//! messages, so that a blocking client and an asynchronous one use the same code.
//!
//! Only control goes this way. The streams of a process are sockets of their
//! own, whose descriptors come along with `Attach` (SCM_RIGHTS, on the frame's
//! first byte), or with the order to start.
//!
//! ```text
//! client ── Attach + descriptor ───▶ shim   from now on output goes to that socket
//! client ── Signal, Resize ────────▶ shim
//! client ◀─ Detached ─────────────── shim   an attached client pressed its keys
//! client ◀─ Exited ───────────────── shim   after all output; then it hangs up
//! ```

use std::collections::VecDeque;
use std::io::{self, Read};
use std::marker::PhantomData;

use bulkhead_model::ErrorKind;
use bulkhead_model::process::{ExitStatus, StartFailure};

use crate::order::AttachOrder;

/// Longest payload, bytes: what a client sent before its connection was
/// handed over is at most a server's read buffer.
pub const MAX_PAYLOAD: usize = 256 * 1024;

/// Bytes before the payload.
pub const HEADER: usize = 5;

/// From a client to the shim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// The socket that comes along is a client's.
    Attach(AttachOrder),
    /// The terminal's new size.
    Resize {
        /// Columns.
        columns: u16,
        /// Rows.
        rows: u16,
    },
    /// A signal for the process.
    Signal(i32),
    /// Answered by `Started` or `Exited`.
    GetState,
}

/// From the shim to a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The container's program runs.
    Started {
        /// Its pid in the host's pid namespace.
        pid: u32,
    },
    /// It could not be started; nothing is left of it.
    StartFailed(StartFailure),
    /// Something the plan asks for could not be had; before `Started`.
    Warning(String),
    /// A client left by its detach keys; the process goes on.
    Detached,
    /// It ended; its log is complete and its exit recorded.
    Exited(ExitStatus),
}

/// The peer broke the protocol.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ProtocolError {
    /// A frame longer than [`MAX_PAYLOAD`].
    #[error("a frame of {0} bytes exceeds the limit")]
    TooLong(usize),
    /// A type byte that does not exist in this direction.
    #[error("unknown frame type {0}")]
    UnknownType(u8),
    /// A payload of the wrong size.
    #[error("malformed frame of type {0}")]
    Malformed(u8),
}

/// A message that has a frame.
pub trait Message: Sized {
    /// Appends the frame to `out`.
    fn encode(&self, out: &mut Vec<u8>);
    /// Reads a frame's payload.
    ///
    /// # Errors
    /// An unknown type or a payload of the wrong size.
    fn decode(kind: u8, payload: &[u8]) -> Result<Self, ProtocolError>;
}

/// Appends one frame. Payloads are cut to [`MAX_PAYLOAD`].
pub fn frame(kind: u8, payload: &[u8], out: &mut Vec<u8>) {
    let payload = &payload[..payload.len().min(MAX_PAYLOAD)];
    out.push(kind);
    out.extend_from_slice(&(payload.len() as u32).to_le_bytes());
    out.extend_from_slice(payload);
}

impl Message for Request {
    fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Request::Attach(order) => {
                // A structure of plain data in a growing vector cannot fail.
                frame(1, &postcard::to_stdvec(order).unwrap_or_default(), out);
            }
            Request::Resize { columns, rows } => {
                let [a, b] = columns.to_le_bytes();
                let [c, d] = rows.to_le_bytes();
                frame(4, &[a, b, c, d], out);
            }
            Request::Signal(signal) => frame(5, &signal.to_le_bytes(), out),
            Request::GetState => frame(6, &[], out),
        }
    }

    fn decode(kind: u8, payload: &[u8]) -> Result<Self, ProtocolError> {
        let malformed = ProtocolError::Malformed(kind);
        match (kind, payload) {
            (1, bytes) => Ok(Request::Attach(
                postcard::from_bytes(bytes).map_err(|_| malformed)?,
            )),
            (4, &[a, b, c, d]) => Ok(Request::Resize {
                columns: u16::from_le_bytes([a, b]),
                rows: u16::from_le_bytes([c, d]),
            }),
            (5, bytes) => Ok(Request::Signal(i32::from_le_bytes(
                bytes.try_into().map_err(|_| malformed)?,
            ))),
            (6, []) => Ok(Request::GetState),
            (4..=6, _) => Err(malformed),
            _ => Err(ProtocolError::UnknownType(kind)),
        }
    }
}

impl Message for Event {
    fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Event::Started { pid } => frame(128, &pid.to_le_bytes(), out),
            Event::StartFailed(failure) => {
                let mut payload = vec![kind_code(failure.kind)];
                payload.extend_from_slice(failure.message.as_bytes());
                frame(129, &payload, out);
            }
            Event::Warning(text) => frame(130, text.as_bytes(), out),
            Event::Detached => frame(131, &[], out),
            Event::Exited(status) => {
                let mut payload = status.code.to_le_bytes().to_vec();
                payload.push(status.oom_killed.into());
                payload.extend_from_slice(&status.finished_at.to_le_bytes());
                frame(133, &payload, out);
            }
        }
    }

    fn decode(kind: u8, payload: &[u8]) -> Result<Self, ProtocolError> {
        let malformed = || ProtocolError::Malformed(kind);
        match kind {
            128 => Ok(Event::Started {
                pid: u32::from_le_bytes(payload.try_into().map_err(|_| malformed())?),
            }),
            129 => {
                let (&code, message) = payload.split_first().ok_or_else(malformed)?;
                let message = String::from_utf8_lossy(message).into_owned();
                Ok(Event::StartFailed(StartFailure {
                    kind: kind_of(code),
                    message,
                }))
            }
            130 => Ok(Event::Warning(
                String::from_utf8_lossy(payload).into_owned(),
            )),
            131 => Ok(Event::Detached),
            133 => exit_status(payload)
                .map(Event::Exited)
                .ok_or_else(malformed),
            _ => Err(ProtocolError::UnknownType(kind)),
        }
    }
}

fn exit_status(payload: &[u8]) -> Option<ExitStatus> {
    let (code, rest) = payload.split_first_chunk::<4>()?;
    let (&oom, finished_at) = rest.split_first()?;
    Some(ExitStatus {
        code: i32::from_le_bytes(*code),
        oom_killed: oom != 0,
        finished_at: u64::from_le_bytes(finished_at.try_into().ok()?),
    })
}

/// The kinds a start can fail with.
const KINDS: [ErrorKind; 8] = [
    ErrorKind::Internal,
    ErrorKind::CommandNotFound,
    ErrorKind::CommandNotExecutable,
    ErrorKind::InvalidArgument,
    ErrorKind::NotFound,
    ErrorKind::Forbidden,
    ErrorKind::Unsupported,
    ErrorKind::ResourceExhausted,
];

fn kind_code(kind: ErrorKind) -> u8 {
    KINDS.iter().position(|k| *k == kind).unwrap_or(0) as u8
}

fn kind_of(code: u8) -> ErrorKind {
    KINDS
        .get(usize::from(code))
        .copied()
        .unwrap_or(ErrorKind::Internal)
}

/// Turns bytes, cut anywhere, into messages.
#[derive(Debug)]
pub struct Decoder<M> {
    buffer: VecDeque<u8>,
    messages: PhantomData<M>,
}

impl<M> Default for Decoder<M> {
    fn default() -> Self {
        Self {
            buffer: VecDeque::new(),
            messages: PhantomData,
        }
    }
}

impl<M: Message> Decoder<M> {
    /// Takes bytes from the peer.
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend(bytes);
    }

    /// The next whole message.
    ///
    /// # Errors
    /// The peer broke the protocol: hang up.
    pub fn next_message(&mut self) -> Result<Option<M>, ProtocolError> {
        if self.buffer.len() < HEADER {
            return Ok(None);
        }
        let bytes = self.buffer.make_contiguous();
        let length = u32::from_le_bytes([bytes[1], bytes[2], bytes[3], bytes[4]]) as usize;
        if length > MAX_PAYLOAD {
            return Err(ProtocolError::TooLong(length));
        }
        if bytes.len() < HEADER + length {
            return Ok(None);
        }
        let message = M::decode(bytes[0], &bytes[HEADER..HEADER + length])?;
        self.buffer.drain(..HEADER + length);
        Ok(Some(message))
    }
}

/// Reads exactly one event from a blocking connection; nothing behind it is
/// consumed.
///
/// # Errors
/// `UnexpectedEof` when the shim is gone, `InvalidData` for a broken frame.
pub fn read_event(connection: &mut impl Read) -> io::Result<Event> {
    let mut header = [0; HEADER];
    connection.read_exact(&mut header)?;
    let length = u32::from_le_bytes([header[1], header[2], header[3], header[4]]) as usize;
    if length > MAX_PAYLOAD {
        return Err(io::Error::new(
            io::ErrorKind::InvalidData,
            ProtocolError::TooLong(length),
        ));
    }
    let mut payload = vec![0; length];
    connection.read_exact(&mut payload)?;
    Event::decode(header[0], &payload).map_err(|e| io::Error::new(io::ErrorKind::InvalidData, e))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_survive_being_cut_into_single_bytes() {
        let events = [
            Event::Started { pid: 7 },
            Event::StartFailed(StartFailure {
                kind: ErrorKind::CommandNotFound,
                message: "no".into(),
            }),
            Event::Warning("w".into()),
            Event::Detached,
            Event::Exited(ExitStatus {
                code: 137,
                oom_killed: true,
                finished_at: 1 << 60,
            }),
        ];
        let mut bytes = Vec::new();
        events.iter().for_each(|e| e.encode(&mut bytes));
        let mut decoder = Decoder::<Event>::default();
        let mut back = Vec::new();
        for byte in bytes {
            decoder.push(&[byte]);
            back.extend(decoder.next_message().unwrap());
        }
        assert_eq!(back, events);
    }

    #[test]
    fn requests_survive_the_wire() {
        let requests = [
            Request::Attach(AttachOrder {
                stdout: true,
                detach_keys: vec![16, 17],
                early: vec![0; 70_000],
                ..AttachOrder::default()
            }),
            Request::Resize {
                columns: 80,
                rows: 25,
            },
            Request::Signal(15),
            Request::GetState,
        ];
        let mut bytes = Vec::new();
        requests.iter().for_each(|r| r.encode(&mut bytes));
        let mut decoder = Decoder::<Request>::default();
        decoder.push(&bytes);
        for request in requests {
            assert_eq!(decoder.next_message().unwrap(), Some(request));
        }
        assert_eq!(decoder.next_message().unwrap(), None);
    }

    #[test]
    fn nonsense_is_refused_before_it_is_stored() {
        let mut decoder = Decoder::<Request>::default();
        decoder.push(&[1, 255, 255, 255, 255]);
        assert!(matches!(
            decoder.next_message(),
            Err(ProtocolError::TooLong(_))
        ));
        assert_eq!(
            Request::decode(4, &[1, 2]),
            Err(ProtocolError::Malformed(4))
        );
        assert_eq!(
            Request::decode(99, &[]),
            Err(ProtocolError::UnknownType(99))
        );
    }
}
