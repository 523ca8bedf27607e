//! The keys that detach a client, as Docker writes them: single characters
//! and `ctrl-` with a letter or one of `@ [ \ ] ^ _`, separated by commas.

/// ctrl-p, ctrl-q.
pub const DEFAULT: [u8; 2] = [16, 17];

/// The bytes that the keys send; `None` for what is no such list. Empty text
/// means the default.
///
/// ```
/// use bulkhead_engine::detach_keys::parse;
/// assert_eq!(parse("ctrl-a,x"), Some(vec![1, b'x']));
/// assert_eq!(parse("ctrl-"), None);
/// ```
pub fn parse(text: &str) -> Option<Vec<u8>> {
    if text.is_empty() {
        return Some(DEFAULT.to_vec());
    }
    text.split(',').map(key).collect()
}

fn key(text: &str) -> Option<u8> {
    if let &[byte] = text.as_bytes() {
        return Some(byte);
    }
    match text.strip_prefix("ctrl-")?.as_bytes() {
        &[letter @ b'a'..=b'z'] => Some(letter - b'a' + 1),
        b"@" => Some(0),
        b"[" => Some(27),
        b"\\" => Some(28),
        b"]" => Some(29),
        b"^" => Some(30),
        b"_" => Some(31),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_read_as_docker_writes_them() {
        assert_eq!(parse(""), Some(vec![16, 17]));
        assert_eq!(parse("ctrl-p,ctrl-q"), Some(vec![16, 17]));
        assert_eq!(parse("ctrl-[,a,Z,ctrl-@"), Some(vec![27, b'a', b'Z', 0]));
        assert_eq!(
            parse("ctrl-_,ctrl-\\,ctrl-],ctrl-^"),
            Some(vec![31, 28, 29, 30])
        );
        for bad in [
            "ctrl", "ctrl-", "ctrl-A", "ctrl-ab", "ab", "a,,b", ",", "ctrl-1", "é",
        ] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }
}
