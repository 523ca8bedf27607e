//! Just enough of Rust's lexical structure (Rust Reference, chapters
//! "Comments" and "Tokens") to tell code from comments and literals.

/// `text` with comments and the insides of literals blanked; every line stays
/// where it was.
pub(super) fn code_only(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = bytes.to_vec();
    let mut at = 0;
    while at < bytes.len() {
        let end = skipped(bytes, at);
        match end {
            Some(end) => {
                blank(&mut out, at, end);
                at = end;
            }
            None => at = after_word(bytes, at),
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

fn blank(out: &mut [u8], from: usize, to: usize) {
    for byte in &mut out[from..to] {
        if *byte != b'\n' {
            *byte = b' ';
        }
    }
}

/// The end of the comment or literal that starts at `at`, if one does.
fn skipped(bytes: &[u8], at: usize) -> Option<usize> {
    let rest = &bytes[at..];
    match rest {
        [b'/', b'/', ..] => Some(at + line_end(rest)),
        [b'/', b'*', ..] => Some(at + block_comment(rest)),
        [b'"', ..] => Some(at + quoted(rest)),
        [b'b' | b'c', b'"', ..] => Some(at + 1 + quoted(&rest[1..])),
        [b'\'', ..] => character(rest).map(|length| at + length),
        [b'b', b'\'', ..] => character(&rest[1..]).map(|length| at + 1 + length),
        [b'r', b'"' | b'#', ..] => raw(&rest[1..]).map(|length| at + 1 + length),
        [b'b' | b'c', b'r', b'"' | b'#', ..] => raw(&rest[2..]).map(|length| at + 2 + length),
        _ => None,
    }
}

/// Past one token: words go whole, so that their last letter is not taken for
/// the prefix of a literal.
fn after_word(bytes: &[u8], at: usize) -> usize {
    let is_word = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_' || !byte.is_ascii();
    let length = bytes[at..].iter().take_while(|byte| is_word(byte)).count();
    at + length.max(1)
}

fn line_end(rest: &[u8]) -> usize {
    rest.iter()
        .position(|byte| *byte == b'\n')
        .unwrap_or(rest.len())
}

/// Block comments nest.
fn block_comment(rest: &[u8]) -> usize {
    let mut depth = 0;
    let mut at = 0;
    while at < rest.len() {
        match &rest[at..] {
            [b'/', b'*', ..] => (depth, at) = (depth + 1, at + 2),
            [b'*', b'/', ..] => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            break;
        }
    }
    at
}

fn quoted(rest: &[u8]) -> usize {
    let mut at = 1;
    while at < rest.len() {
        match rest[at] {
            b'\\' => at += 2,
            b'"' => return at + 1,
            _ => at += 1,
        }
    }
    rest.len()
}

/// A character literal; `None` for a lifetime.
fn character(rest: &[u8]) -> Option<usize> {
    let text = std::str::from_utf8(rest).ok()?;
    let mut letters = text.char_indices().skip(1);
    let (_, first) = letters.next()?;
    if first == '\\' {
        let close = rest.iter().skip(3).position(|byte| *byte == b'\'')?;
        return Some(close + 4);
    }
    let (at, close) = letters.next()?;
    (close == '\'').then_some(at + 1)
}

/// A raw string after its `r`; `None` for a raw identifier.
fn raw(rest: &[u8]) -> Option<usize> {
    let hashes = rest.iter().take_while(|byte| **byte == b'#').count();
    if rest.get(hashes) != Some(&b'"') {
        return None;
    }
    let mut close = vec![b'"'];
    close.resize(hashes + 1, b'#');
    let body = &rest[hashes + 1..];
    let end = body
        .windows(close.len())
        .position(|window| window == close)?;
    Some(hashes + 1 + end + close.len())
}

#[cfg(test)]
mod tests {
    use super::code_only;

    #[test]
    fn comments_and_literals_are_blanked_and_code_stays() {
        let text = "let a = \"{ \\\" unsafe\"; // unsafe {\nlet b = '{'; /* /* } */ } */ let c: &'a str = r#\"}\"#;";
        let code = code_only(text);
        assert!(
            !code.contains("unsafe") && !code.contains('{') && !code.contains('}'),
            "{code}"
        );
        assert!(code.contains("&'a str") && code.contains("let b"), "{code}");
        assert_eq!(code.lines().count(), text.lines().count());
    }

    #[test]
    fn escaped_quotes_as_characters_do_not_open_a_string() {
        assert!(
            code_only("match c { '\\'' => 1, '\"' => 2, b'\\\\' => 3 } fn after() {}")
                .contains("fn after() {}")
        );
    }
}
