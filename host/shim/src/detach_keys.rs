//! The keys that detach a client, found in what it types. Pure.

use std::ops::Range;

/// Looks for the keys in a row, however the input is cut. What may be their
/// beginning is held back until it is known. As in Docker, a key that breaks
/// the row is not itself taken for the row's first one.
#[derive(Debug)]
pub(crate) struct DetachKeys {
    keys: Vec<u8>,
    /// How many of them have been seen.
    seen: usize,
}

/// What is left of a piece of input.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Scan {
    /// Where in the buffer it is.
    pub(crate) range: Range<usize>,
    /// The keys were in it; nothing behind them counts.
    pub(crate) detached: bool,
}

impl DetachKeys {
    /// Bytes before a piece of input that [`Self::scan`] may use. Keys beyond
    /// that are no keys.
    pub(crate) const ROOM: usize = 64;

    pub(crate) fn new(mut keys: Vec<u8>) -> Self {
        if keys.len() > Self::ROOM {
            keys = Vec::new();
        }
        Self { keys, seen: 0 }
    }

    /// Takes the keys out of `buffer[input]`. What was held back before and
    /// turned out to be no keys is put in front.
    pub(crate) fn scan(&mut self, buffer: &mut [u8], input: Range<usize>) -> Scan {
        let mut range = input.clone();
        if self.keys.is_empty() {
            return Scan {
                range,
                detached: false,
            };
        }
        // Of the row in progress, so many bytes are not in this buffer.
        let mut before = self.seen;
        for at in input {
            if buffer[at] == self.keys[self.seen] {
                self.seen += 1;
                if self.seen == self.keys.len() {
                    range.end = at + 1 - (self.seen - before);
                    self.seen = 0;
                    return Scan {
                        range,
                        detached: true,
                    };
                }
                continue;
            }
            range.start -= before;
            buffer[range.start..][..before].copy_from_slice(&self.keys[..before]);
            (self.seen, before) = (0, 0);
        }
        range.end -= self.seen - before;
        Scan {
            range,
            detached: false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What reaches the process of `pieces`, and whether the client detached.
    fn typed(keys: &[u8], pieces: &[&str]) -> (String, bool) {
        let mut scanner = DetachKeys::new(keys.to_vec());
        let mut out = Vec::new();
        for piece in pieces {
            let mut buffer = vec![0; DetachKeys::ROOM];
            buffer.extend_from_slice(piece.as_bytes());
            let input = DetachKeys::ROOM..buffer.len();
            let scan = scanner.scan(&mut buffer, input);
            out.extend_from_slice(&buffer[scan.range]);
            if scan.detached {
                return (String::from_utf8(out).unwrap(), true);
            }
        }
        (String::from_utf8(out).unwrap(), false)
    }

    #[test]
    fn keys_are_found_however_they_come_and_do_not_reach_the_process() {
        let found = ("ab".to_owned(), true);
        assert_eq!(typed(b"xyz", &["abxyz"]), found);
        assert_eq!(typed(b"xyz", &["abx", "y", "zcd"]), found);
        assert_eq!(typed(b"xyz", &["a", "bxy", "z"]), found);
        assert_eq!(typed(b"x", &["abxcd"]), found);
    }

    #[test]
    fn what_was_held_back_is_given_when_the_row_breaks() {
        for pieces in [
            &["axyb"][..],
            &["ax", "yb"],
            &["a", "x", "y", "b"],
            &["axy", "b"],
        ] {
            assert_eq!(
                typed(b"xyz", pieces),
                ("axyb".to_owned(), false),
                "{pieces:?}"
            );
        }
        assert_eq!(typed(b"xyz", &["ax", "xyz"]).0, "axxyz");
        assert_eq!(typed(b"xyz", &["xy"]).0, "");
        assert_eq!(typed(b"", &["xy", "z"]).0, "xyz");
    }
}
