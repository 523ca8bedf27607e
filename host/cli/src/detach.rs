//! The keys that leave a container running: `ctrl-p,ctrl-q` unless chosen.

use std::str::FromStr;

/// Takes the detach keys out of typed input. Keys that only began to match
/// are held back until the next one decides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DetachKeys {
    keys: Vec<u8>,
    matched: usize,
}

/// The text names no keys.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
#[error("invalid detach keys {0:?}: expected keys such as ctrl-p,ctrl-q or a single letter")]
pub(crate) struct InvalidKeys(String);

impl Default for DetachKeys {
    fn default() -> Self {
        Self {
            keys: vec![16, 17],
            matched: 0,
        }
    }
}

impl FromStr for DetachKeys {
    type Err = InvalidKeys;

    fn from_str(text: &str) -> Result<Self, InvalidKeys> {
        let keys: Option<Vec<u8>> = text.split(',').map(key).collect();
        keys.map(|keys| Self { keys, matched: 0 })
            .ok_or_else(|| InvalidKeys(text.to_owned()))
    }
}

fn key(text: &str) -> Option<u8> {
    match (
        text.strip_prefix("ctrl-").map(str::as_bytes),
        text.as_bytes(),
    ) {
        (Some([c @ b'a'..=b'z']), _) => Some(c - b'a' + 1),
        // `@` is 0, and `[` to `_` are 27 to 31.
        (Some([c @ (b'@' | b'['..=b'_')]), _) => Some(c - b'@'),
        (None, [c]) if c.is_ascii() => Some(*c),
        _ => None,
    }
}

impl DetachKeys {
    /// Appends to `out` what is not part of the keys; true once they are complete.
    pub(crate) fn filter(&mut self, typed: &[u8], out: &mut Vec<u8>) -> bool {
        for &byte in typed {
            if byte != self.keys[self.matched] {
                out.extend_from_slice(&self.keys[..self.matched]);
                self.matched = 0;
            }
            if byte != self.keys[self.matched] {
                out.push(byte);
                continue;
            }
            self.matched += 1;
            if self.matched == self.keys.len() {
                return true;
            }
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(keys: &mut DetachKeys, bytes: &[u8]) -> (Vec<u8>, bool) {
        let mut out = Vec::new();
        let detached = keys.filter(bytes, &mut out);
        (out, detached)
    }

    #[test]
    fn the_sequence_detaches_even_in_two_reads() {
        let mut keys = DetachKeys::default();
        assert_eq!(typed(&mut keys, b"ls\x10"), (b"ls".to_vec(), false));
        assert_eq!(typed(&mut keys, b"\x11rest"), (vec![], true));
    }

    #[test]
    fn half_a_sequence_is_passed_on_with_the_next_key() {
        let mut keys = DetachKeys::default();
        assert_eq!(
            typed(&mut keys, b"\x10x\x10\x10"),
            (b"\x10x\x10".to_vec(), false)
        );
        assert_eq!(typed(&mut keys, b"\x11"), (vec![], true));
    }

    #[test]
    fn other_keys_can_be_chosen() {
        let mut keys: DetachKeys = "ctrl-a,d".parse().unwrap();
        assert_eq!(typed(&mut keys, b"\x01d"), (vec![], true));
        assert_eq!("ctrl-@".parse::<DetachKeys>().unwrap().keys, [0]);
        for bad in ["", "ctrl-", "ctrl-1", "ab", "ctrl-p,"] {
            assert!(bad.parse::<DetachKeys>().is_err(), "{bad}");
        }
    }
}
