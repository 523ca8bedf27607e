//! One record of the `local` log driver's files.
//!
//! ```text
//! length u32 │ flags u8 │ time u64 │ text … │ length u32
//! ```
//!
//! Numbers are little-endian. The length is that of flags, time and text; it
//! stands at both ends, so that a file is read from either. Flag 1: standard
//! error. Time: nanoseconds since the epoch. The text ends with its newline
//! unless the line goes on in the stream's next record, or never ended.

/// The longest text of one record, bytes; longer lines take several.
pub const LONGEST: usize = 16 * 1024;

/// Bytes of a record beside its text.
pub const OVERHEAD: usize = HEAD + 4;

const STDERR: u8 = 1;
const FLAGS_AND_TIME: usize = 9;
const HEAD: usize = 4 + FLAGS_AND_TIME;

/// One piece of output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record<'a> {
    /// Whether it is standard error's.
    pub stderr: bool,
    /// Nanoseconds since the epoch.
    pub time: u64,
    /// At most [`LONGEST`] bytes.
    pub text: &'a [u8],
}

/// What the beginning of some bytes is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decoded<'a> {
    /// A record, and the bytes it takes.
    Record(Record<'a>, usize),
    /// The beginning of one.
    Incomplete,
    /// No record.
    Invalid,
}

impl Record<'_> {
    /// What a file has before its text, and after it.
    pub fn ends(&self) -> ([u8; HEAD], [u8; 4]) {
        let length = u32::try_from(FLAGS_AND_TIME + self.text.len()).unwrap_or(u32::MAX);
        let length = length.to_le_bytes();
        let mut head = [0; HEAD];
        head[..4].copy_from_slice(&length);
        head[4] = if self.stderr { STDERR } else { 0 };
        head[5..].copy_from_slice(&self.time.to_le_bytes());
        (head, length)
    }
}

/// Reads the record at the beginning of `bytes`.
pub fn decode(bytes: &[u8]) -> Decoded<'_> {
    let Some(length) = number(bytes) else {
        return Decoded::Incomplete;
    };
    if !(FLAGS_AND_TIME..=FLAGS_AND_TIME + LONGEST).contains(&length) {
        return Decoded::Invalid;
    }
    let Some((record, rest)) = bytes[4..].split_at_checked(length) else {
        return Decoded::Incomplete;
    };
    match number(rest) {
        None => Decoded::Incomplete,
        Some(again) if again == length => {
            let (head, text) = record.split_at(FLAGS_AND_TIME);
            let mut time = [0; 8];
            time.copy_from_slice(&head[1..]);
            let record = Record {
                stderr: head[0] & STDERR != 0,
                time: u64::from_le_bytes(time),
                text,
            };
            Decoded::Record(record, length + 8)
        }
        Some(_) => Decoded::Invalid,
    }
}

/// The bytes that the last record of a file takes, given the file's last four
/// bytes; `None` when no record ends so.
pub fn last_length(end: [u8; 4]) -> Option<usize> {
    let length = u32::from_le_bytes(end) as usize;
    let fits = (FLAGS_AND_TIME..=FLAGS_AND_TIME + LONGEST).contains(&length);
    fits.then_some(length + 8)
}

fn number(bytes: &[u8]) -> Option<usize> {
    let bytes = bytes.first_chunk::<4>()?;
    Some(u32::from_le_bytes(*bytes) as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(record: &Record<'_>) -> Vec<u8> {
        let (head, tail) = record.ends();
        [&head, record.text, &tail].concat()
    }

    #[test]
    fn records_are_read_from_either_end_and_only_whole() {
        let record = Record {
            stderr: true,
            time: 7,
            text: b"\xff\0\n",
        };
        let bytes = bytes(&record);
        assert_eq!(bytes.len(), record.text.len() + OVERHEAD);
        assert_eq!(decode(&bytes), Decoded::Record(record, bytes.len()));
        for cut in 0..bytes.len() {
            assert_eq!(decode(&bytes[..cut]), Decoded::Incomplete);
        }
        let end = *bytes.last_chunk().unwrap();
        assert_eq!(last_length(end), Some(bytes.len()));
    }

    #[test]
    fn what_is_no_record_is_said_to_be_none() {
        assert_eq!(decode(b"{\"log\":\"x\"}"), Decoded::Invalid);
        assert_eq!(decode(&[0; 20]), Decoded::Invalid);
        let record = Record {
            stderr: false,
            time: 0,
            text: b"x",
        };
        let mut bytes = bytes(&record);
        *bytes.last_mut().unwrap() ^= 1;
        assert_eq!(decode(&bytes), Decoded::Invalid);
        assert_eq!(last_length([255; 4]), None);
    }
}
