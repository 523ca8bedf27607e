//! Docker's json-file: one object a line.
//!
//! `{"log":"text\n","stream":"stdout","attrs":{"tag":"x"},"time":"…"}`

use std::io::Write;

/// Bytes looked at together: as wide as the widest registers in common use.
const BLOCK: usize = 32;

/// The same for what is left of a line.
const SMALL_BLOCK: usize = 8;

/// Writes lines.
pub(super) struct Lines {
    /// What comes between text and time, for each stream.
    middle: [Vec<u8>; 2],
}

impl Lines {
    pub(super) fn new(attributes: &[(String, String)]) -> Self {
        let mut sorted: Vec<_> = attributes.iter().collect();
        sorted.sort();
        let middle = |stream: &str| {
            let mut out = Vec::new();
            let _ = write!(out, "\",\"stream\":\"{stream}\",");
            for (at, (name, value)) in sorted.iter().enumerate() {
                out.extend_from_slice(if at == 0 { b"\"attrs\":{\"" } else { b",\"" });
                escape(name.as_bytes(), &mut out);
                out.extend_from_slice(b"\":\"");
                escape(value.as_bytes(), &mut out);
                out.push(b'"');
            }
            if !sorted.is_empty() {
                out.extend_from_slice(b"},");
            }
            out.extend_from_slice(b"\"time\":\"");
            out
        };
        Self {
            middle: [middle("stdout"), middle("stderr")],
        }
    }

    /// The end of a line of that stream at that time, which many may share.
    pub(super) fn end(&self, stream: usize, time: &str) -> Vec<u8> {
        [&self.middle[stream][..], time.as_bytes(), b"\"}\n"].concat()
    }
}

/// One whole line.
pub(super) fn write(text: &[u8], end: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"log\":\"");
    if let Some(line) = text.strip_suffix(b"\n") {
        escape(line, out);
        out.extend_from_slice(b"\\n");
    } else {
        escape(text, out);
    }
    out.extend_from_slice(end);
}

/// A JSON string's inside, with the characters Go's encoder escapes for HTML.
/// Each byte that is no UTF-8 becomes U+FFFD, as in Docker.
pub(super) fn escape(bytes: &[u8], out: &mut Vec<u8>) {
    if std::str::from_utf8(bytes).is_ok() {
        return escape_text(bytes, out);
    }
    for chunk in bytes.utf8_chunks() {
        escape_text(chunk.valid().as_bytes(), out);
        for _ in chunk.invalid() {
            out.extend_from_slice(b"\\ufffd");
        }
    }
}

/// The same for UTF-8: runs of ordinary bytes are copied as they are.
fn escape_text(mut text: &[u8], out: &mut Vec<u8>) {
    loop {
        let (plain, rest) = text.split_at(plain_length(text));
        out.extend_from_slice(plain);
        let Some((special, after)) = rest.split_first() else {
            return;
        };
        text = after;
        match special {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            // U+2028 and U+2029 end lines in JavaScript.
            0xe2 => match after {
                [0x80, last @ (0xa8 | 0xa9), rest @ ..] => {
                    let _ = write!(out, "\\u20{:02x}", last - 0x80);
                    text = rest;
                }
                _ => out.push(0xe2),
            },
            other => text = escape_run(*other, rest, out),
        }
    }
}

/// Escapes the run of `byte` that `text` begins with, and gives what comes
/// after it. Binary output has long ones, of zeros above all.
fn escape_run<'a>(byte: u8, text: &'a [u8], out: &mut Vec<u8>) -> &'a [u8] {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    const WIDTH: usize = 6;
    let run = run_length(byte, text);
    let digits = [HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]];
    let start = out.len();
    out.extend_from_slice(&[b'\\', b'u', b'0', b'0', digits[0], digits[1]]);
    let mut done = 1;
    while done < run {
        let more = done.min(run - done);
        out.extend_from_within(start..start + more * WIDTH);
        done += more;
    }
    &text[run..]
}

/// How many times `byte` stands at the beginning.
fn run_length(byte: u8, text: &[u8]) -> usize {
    let same = |block: &&[u8]| !block.iter().fold(false, |any, b| any | (*b != byte));
    let start = text.chunks_exact(BLOCK).take_while(same).count() * BLOCK;
    let rest = text[start..].iter().take_while(|b| **b == byte);
    start + rest.count()
}

/// How many bytes at the beginning need no escape.
fn plain_length(text: &[u8]) -> usize {
    let start = clean_blocks::<BLOCK>(text);
    let start = start + clean_blocks::<SMALL_BLOCK>(&text[start..]);
    let rest = text[start..].iter().position(|b| is_special(*b));
    rest.map_or(text.len(), |at| start + at)
}

/// The length of the whole blocks at the beginning that need no escape.
/// Without a branch for each byte the compiler compares a block at once.
fn clean_blocks<const LENGTH: usize>(text: &[u8]) -> usize {
    let (blocks, _) = text.as_chunks::<LENGTH>();
    let clean = |block: &&[u8; LENGTH]| !block.iter().fold(false, |any, b| any | is_special(*b));
    blocks.iter().take_while(clean).count() * LENGTH
}

fn is_special(byte: u8) -> bool {
    (byte < 0x20)
        | (byte == b'"')
        | (byte == b'\\')
        | (byte == b'<')
        | (byte == b'>')
        | (byte == b'&')
        | (byte == 0xe2)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn escaped(bytes: &[u8]) -> String {
        let mut out = Vec::new();
        escape(bytes, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn text_is_escaped_as_docker_does() {
        assert_eq!(
            escaped(b"x\xff\xfey\t\x01\xe2\x82z\n"),
            "x\\ufffd\\ufffdy\\u0009\\u0001\\ufffd\\ufffdz\\n"
        );
        assert_eq!(
            escaped("<ü…\u{2028}\"\\&>".as_bytes()),
            "\\u003cü…\\u2028\\\"\\\\\\u0026\\u003e"
        );
    }

    #[test]
    fn runs_of_one_byte_are_escaped_one_by_one() {
        for length in [1, 2, 3, 31, 32, 33, 1000] {
            let expected = format!("a{}b", "\\u0000".repeat(length));
            let text = [&b"a"[..], &vec![0; length], b"b"].concat();
            assert_eq!(escaped(&text), expected);
        }
        assert_eq!(
            escaped(b"\0\x01\x01<\0"),
            "\\u0000\\u0001\\u0001\\u003c\\u0000"
        );
    }

    #[test]
    fn special_bytes_are_found_at_every_place_of_a_block() {
        for at in 0..3 * BLOCK {
            let mut text = vec![b'a'; 3 * BLOCK];
            text[at] = b'"';
            assert_eq!(plain_length(&text), at);
        }
        assert_eq!(plain_length(&[b'a'; 3 * BLOCK + 5]), 3 * BLOCK + 5);
    }

    #[test]
    fn attributes_come_sorted_between_stream_and_time() {
        let pair = |k: &str, v: &str| (k.to_owned(), v.to_owned());
        let mut out = Vec::new();
        let lines = Lines::new(&[pair("tag", "x\""), pair("a", "b")]);
        write(b"hi\n", &lines.end(1, "T"), &mut out);
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "{\"log\":\"hi\\n\",\"stream\":\"stderr\",\"attrs\":{\"a\":\"b\",\"tag\":\"x\\\"\"},\"time\":\"T\"}\n"
        );
    }
}
