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

/// One whole line.
pub(super) fn write(text: &[u8], end: &End, out: &mut impl Write) -> io::Result<()> {
    out.write_all(HEAD)?;
    let (line, end) = match text.strip_suffix(b"\n") {
        Some(line) => (line, &end.0[..]),
        None => (text, &end.0[NEWLINE.len()..]),
    };
    if is_plain(line) {
        out.write_all(line)?;
    } else {
        escape(line, out)?;
    }
    out.write_all(end)
}

/// Whether nothing is to be escaped and all is ASCII, as in most lines.
fn is_plain(line: &[u8]) -> bool {
    let (blocks, rest) = line.as_chunks::<BLOCK>();
    let mut last = [b'a'; BLOCK];
    last[..rest.len()].copy_from_slice(rest);
    blocks.iter().chain([&last]).all(is_plain_block)
}

/// Without a branch, so that it is compiled to wide instructions.
#[inline]
fn is_plain_block(block: &[u8; BLOCK]) -> bool {
    let special = |byte: u8| {
        // As a signed number, what is not ASCII is below zero. Two of the
        // characters differ from two others in one bit each.
        u8::from(byte.cast_signed() < 0x20)
            | u8::from(byte & !0x04 == b'"')
            | u8::from(byte & !0x02 == b'<')
            | u8::from(byte == b'\\')
    };
    block.iter().fold(0, |any, byte| any | special(*byte)) == 0
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

/// The same for UTF-8.
fn escape_text(mut text: &[u8], out: &mut impl Write) -> io::Result<()> {
    let mut escaped = Piece::default();
    while !text.is_empty() {
        let plain = escaped.push_plain(text);
        text = &text[plain..];
        if plain < WORD
            && let Some((special, after)) = text.split_first()
        {
            text = match special {
                b'"' | b'\\' => escaped.push(&[b'\\', *special], after),
                b'\n' => escaped.push(NEWLINE, after),
                b'\r' => escaped.push(b"\\r", after),
                // U+2028 and U+2029 end lines in JavaScript.
                0xe2 => match after {
                    [0x80, 0xa8, rest @ ..] => escaped.push(b"\\u2028", rest),
                    [0x80, 0xa9, rest @ ..] => escaped.push(b"\\u2029", rest),
                    _ => escaped.push(&[0xe2], after),
                },
                other => {
                    escaped.write_to(out)?;
                    escape_run(*other, text, out)?
                }
            };
        }
        if !escaped.has_room() {
            escaped.write_to(out)?;
        }
    }
    escaped.write_to(out)
}

/// Escaped text is gathered in pieces: a write for each few bytes would take
/// longer than they do.
struct Piece {
    bytes: [u8; Self::ROOM],
    len: usize,
}

impl Default for Piece {
    fn default() -> Self {
        Self {
            bytes: [0; Self::ROOM],
            len: 0,
        }
    }
}

impl Piece {
    const ROOM: usize = 256;

    /// Whether a word and an escape fit.
    fn has_room(&self) -> bool {
        self.len + 2 * WORD <= Self::ROOM
    }

    /// Takes what needs no escape of the first word, and tells how much it is.
    #[inline]
    fn push_plain(&mut self, text: &[u8]) -> usize {
        let mut word = [b'a'; WORD];
        let length = match text.first_chunk::<WORD>() {
            Some(whole) => {
                word = *whole;
                WORD
            }
            None => {
                word[..text.len()].copy_from_slice(text);
                text.len()
            }
        };
        let marks = in_text(u64::from_le_bytes(word)) & HIGHEST;
        let plain = length.min(marks.trailing_zeros() as usize / 8);
        // What is too much is written over.
        self.bytes[self.len..][..WORD].copy_from_slice(&word);
        self.len += plain;
        plain
    }

    /// Takes what stands for text, of which `rest` is left.
    #[inline]
    fn push<'a>(&mut self, escape: &[u8], rest: &'a [u8]) -> &'a [u8] {
        self.bytes[self.len..][..escape.len()].copy_from_slice(escape);
        self.len += escape.len();
        rest
    }

    fn write_to(&mut self, out: &mut impl Write) -> io::Result<()> {
        out.write_all(&self.bytes[..std::mem::take(&mut self.len)])
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

    /// The plain way to say what the words and blocks tell.
    fn needs_escape(byte: u8) -> bool {
        byte < 0x20 || b"\"\\<>&".contains(&byte)
    }

    fn escape_of(byte: u8) -> String {
        match byte {
            b'"' | b'\\' => format!("\\{}", char::from(byte)),
            b'\n' => "\\n".to_owned(),
            b'\r' => "\\r".to_owned(),
            byte if needs_escape(byte) => format!("\\u{byte:04x}"),
            byte if byte >= 0x80 => "\\ufffd".to_owned(),
            byte => char::from(byte).to_string(),
        }
    }

    #[test]
    fn every_byte_that_needs_an_escape_is_found_at_every_place_and_no_other() {
        for byte in 0..=255 {
            for at in 0..70 {
                let mut text = [b'!'; 70];
                text[at] = byte;
                let plain = !needs_escape(byte) && byte < 0x80;
                assert_eq!(is_plain(&text), plain, "{byte} at {at}");
                let (before, after) = ("!".repeat(at), "!".repeat(69 - at));
                let expected = [before, escape_of(byte), after].concat();
                assert_eq!(escaped(&text), expected, "{byte} at {at}");
            }
        }
    }

    #[test]
    fn neighbours_of_bytes_that_need_an_escape_stay_as_they_are() {
        for first in 0..0x80 {
            for second in 0..0x80 {
                let text = [b'a', first, second, b'"', b'\x7f', b'a', b'"'];
                let expected: String = text.iter().map(|byte| escape_of(*byte)).collect();
                assert_eq!(escaped(&text), expected, "{first} {second}");
            }
        }
    }

    #[test]
    fn long_lines_full_of_escapes_are_whole() {
        for length in 0..600 {
            let text: Vec<u8> = (0..length).map(|at| b"ab\"c\\\t"[at % 6]).collect();
            let expected: String = text.iter().map(|byte| escape_of(*byte)).collect();
            assert_eq!(escaped(&text), expected);
        }
    }

    #[test]
    fn attributes_come_sorted_between_stream_and_time() {
        let pair = |k: &str, v: &str| (k.to_owned(), v.to_owned());
        let mut out = Vec::new();
        let lines = Lines::new(&[pair("tag", "x\""), pair("a", "b")]);
        write(b"hi\n", &lines.end(1, b"T"), &mut out).unwrap();
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "{\"log\":\"hi\\n\",\"stream\":\"stderr\",\"attrs\":{\"a\":\"b\",\"tag\":\"x\\\"\"},\"time\":\"T\"}\n"
        );
    }
}
