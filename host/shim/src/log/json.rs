//! Docker's json-file: one object a line.
//!
//! `{"log":"text\n","stream":"stdout","attrs":{"tag":"x"},"time":"…"}`

use std::io::{self, Write};

/// Bytes compared together in a run: as many as the widest registers in common
/// use have.
const BLOCK: usize = 32;

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
                // A vector takes everything.
                let _ = escape(name.as_bytes(), &mut out);
                out.extend_from_slice(b"\":\"");
                let _ = escape(value.as_bytes(), &mut out);
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

    /// What follows the text of a line of that stream at that time, which many
    /// may share.
    pub(super) fn end(&self, stream: usize, time: &[u8]) -> End {
        let parts = [NEWLINE, &self.middle[stream], time, b"\"}\n"];
        End(parts.concat())
    }
}

const HEAD: &[u8] = b"{\"log\":\"";

/// A newline, escaped.
const NEWLINE: &[u8] = b"\\n";

/// The end of an entry, after a newline.
#[derive(Debug)]
pub(super) struct End(Vec<u8>);

impl End {
    /// Bytes of an entry beside its text.
    pub(super) fn overhead(&self) -> usize {
        HEAD.len() + self.0.len()
    }
}

/// One whole line, whose first `plain` bytes are known to need no escape.
pub(super) fn write(text: &[u8], plain: usize, end: &End, out: &mut impl Write) -> io::Result<()> {
    out.write_all(HEAD)?;
    let (plain, rest) = text.split_at(plain);
    out.write_all(plain)?;
    if rest == b"\n" {
        return out.write_all(&end.0);
    }
    match rest.strip_suffix(b"\n") {
        Some(line) => {
            escape(line, out)?;
            out.write_all(&end.0)
        }
        None => {
            escape(rest, out)?;
            out.write_all(&end.0[NEWLINE.len()..])
        }
    }
}

/// A JSON string's inside, with the characters Go's encoder escapes for HTML.
/// Each byte that is no UTF-8 becomes U+FFFD, as in Docker.
fn escape(bytes: &[u8], out: &mut impl Write) -> io::Result<()> {
    if std::str::from_utf8(bytes).is_ok() {
        return escape_text(bytes, out);
    }
    for chunk in bytes.utf8_chunks() {
        escape_text(chunk.valid().as_bytes(), out)?;
        for _ in chunk.invalid() {
            out.write_all(b"\\ufffd")?;
        }
    }
    Ok(())
}

/// In UTF-8 only [`special`] bytes and the first of U+2028 matter.
#[inline]
fn in_text(word: u64) -> u64 {
    special(word) | equal(word, 0xe2)
}

/// The same for UTF-8: runs of ordinary bytes are copied as they are.
fn escape_text(mut text: &[u8], out: &mut impl Write) -> io::Result<()> {
    loop {
        let (plain, rest) = text.split_at(length_without(in_text, text));
        out.write_all(plain)?;
        let Some((special, after)) = rest.split_first() else {
            return Ok(());
        };
        text = after;
        match special {
            b'"' => out.write_all(b"\\\"")?,
            b'\\' => out.write_all(b"\\\\")?,
            b'\n' => out.write_all(NEWLINE)?,
            b'\r' => out.write_all(b"\\r")?,
            // U+2028 and U+2029 end lines in JavaScript.
            0xe2 => match after {
                [0x80, last @ (0xa8 | 0xa9), rest @ ..] => {
                    write!(out, "\\u20{:02x}", last - 0x80)?;
                    text = rest;
                }
                _ => out.write_all(&[0xe2])?,
            },
            other => text = escape_run(*other, rest, out)?,
        }
    }
}

/// Escapes the run of `byte` that `text` begins with, and gives what comes
/// after it. Binary output has long ones, of zeros above all.
fn escape_run<'a>(byte: u8, text: &'a [u8], out: &mut impl Write) -> io::Result<&'a [u8]> {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    const WIDTH: usize = 6;
    const TOGETHER: usize = 256;
    let digits = [HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]];
    let one = [b'\\', b'u', b'0', b'0', digits[0], digits[1]];
    let run = run_length(byte, text);
    if run < TOGETHER {
        (0..run).try_for_each(|_| out.write_all(&one))?;
    } else {
        let many = [one; TOGETHER];
        let many = many.as_flattened();
        (0..run / TOGETHER).try_for_each(|_| out.write_all(many))?;
        out.write_all(&many[..run % TOGETHER * WIDTH])?;
    }
    Ok(&text[run..])
}

/// How many times `byte` stands at the beginning.
fn run_length(byte: u8, text: &[u8]) -> usize {
    let same = |block: &&[u8]| !block.iter().fold(false, |any, b| any | (*b != byte));
    let start = text.chunks_exact(BLOCK).take_while(same).count() * BLOCK;
    let rest = text[start..].iter().take_while(|b| **b == byte);
    start + rest.count()
}

/// How many bytes at the beginning are ASCII that needs no escape.
pub(super) fn plain_length(text: &[u8]) -> usize {
    length_without(|word| special(word) | word, text)
}

/// How many bytes at the beginning are not among those that `marked` marks by
/// their highest bits, in a word of eight.
#[inline]
fn length_without(marked: impl Fn(u64) -> u64, text: &[u8]) -> usize {
    let (words, rest) = text.as_chunks::<WORD>();
    let first = |word: &[u8; WORD]| {
        let marks = marked(u64::from_le_bytes(*word)) & HIGHEST;
        (marks != 0).then(|| marks.trailing_zeros() as usize / 8)
    };
    for (at, word) in words.iter().enumerate() {
        if let Some(inside) = first(word) {
            return at * WORD + inside;
        }
    }
    let mut last = [b'a'; WORD];
    last[..rest.len()].copy_from_slice(rest);
    text.len() - rest.len() + first(&last).unwrap_or(rest.len())
}

/// Bytes looked at together.
const WORD: usize = size_of::<u64>();

/// One in each byte of a word.
const ONES: u64 = u64::from_ne_bytes([1; WORD]);

/// The highest bit of each byte.
const HIGHEST: u64 = ONES << 7;

/// Marks the bytes that are escaped whatever is beside them. A borrow may mark
/// others too, but only ones after the first.
#[inline]
fn special(word: u64) -> u64 {
    let below = |limit: u64| word.wrapping_sub(ONES * limit) & !word;
    // Two of the characters differ in one bit each.
    below(0x20)
        | equal(word & !(ONES * 0x04), b'"')
        | equal(word & !(ONES * 0x02), b'<')
        | equal(word, b'\\')
}

/// Marks bytes that are `byte`, in the same way: they are zero when what they
/// are to be is taken away.
#[inline]
fn equal(word: u64, byte: u8) -> u64 {
    let difference = word ^ (ONES * u64::from(byte));
    difference.wrapping_sub(ONES) & !difference
}

#[cfg(test)]
mod tests {
    use super::*;

    fn escaped(bytes: &[u8]) -> String {
        let mut out = Vec::new();
        escape(bytes, &mut out).unwrap();
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
        for length in [1, 2, 3, 31, 255, 256, 257, 1000] {
            let expected = format!("a{}b", "\\u0000".repeat(length));
            let text = [&b"a"[..], &vec![0; length], b"b"].concat();
            assert_eq!(escaped(&text), expected);
        }
        assert_eq!(
            escaped(b"\0\x01\x01<\0"),
            "\\u0000\\u0001\\u0001\\u003c\\u0000"
        );
    }

    /// The plain way to say what the words tell.
    fn needs_escape(byte: u8) -> bool {
        byte < 0x20 || b"\"\\<>&".contains(&byte)
    }

    #[test]
    fn every_byte_that_needs_an_escape_is_found_at_every_place_and_no_other() {
        for byte in 0..=255 {
            for at in 0..20 {
                let mut text = [b'!'; 20];
                text[at] = byte;
                let length = |found| if found { at } else { text.len() };
                let plain = length(needs_escape(byte) || byte >= 0x80);
                assert_eq!(plain_length(&text), plain, "{byte} at {at}");
                let in_utf8 = length(needs_escape(byte) || byte == 0xe2);
                assert_eq!(length_without(in_text, &text), in_utf8, "{byte} at {at}");
            }
        }
    }

    #[test]
    fn neighbours_of_bytes_that_need_an_escape_do_not_move_the_first() {
        for first in 0..=255 {
            for second in 0..=255 {
                let text = [b'a', first, second, 0xff, 0, b'"', b'a', b'a'];
                let expected = match (first, second) {
                    (first, _) if needs_escape(first) || first >= 0x80 => 1,
                    (_, second) if needs_escape(second) || second >= 0x80 => 2,
                    _ => 3,
                };
                assert_eq!(plain_length(&text), expected, "{first} {second}");
            }
        }
    }

    #[test]
    fn attributes_come_sorted_between_stream_and_time() {
        let pair = |k: &str, v: &str| (k.to_owned(), v.to_owned());
        let mut out = Vec::new();
        let lines = Lines::new(&[pair("tag", "x\""), pair("a", "b")]);
        write(b"hi\n", 2, &lines.end(1, b"T"), &mut out).unwrap();
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "{\"log\":\"hi\\n\",\"stream\":\"stderr\",\"attrs\":{\"a\":\"b\",\"tag\":\"x\\\"\"},\"time\":\"T\"}\n"
        );
    }
}
