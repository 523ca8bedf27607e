//! Text and actions; inside actions, tokens.

use super::SyntaxError;

/// One token of an action.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token {
    /// `name`, a function or a keyword.
    Word(String),
    /// `.Name`, directly after what it belongs to or on its own.
    Field(String),
    Dot,
    /// `$` or `$name`.
    Variable(String),
    Int(i64),
    Float(f64),
    Text(String),
    Pipe,
    Open,
    Close,
    Comma,
    Declare,
    Assign,
    /// White space parts a field from what stands before it.
    Space,
}

/// A piece of a template.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Piece {
    Text(String),
    Action(Vec<(Token, usize)>, usize),
}

/// Takes a template apart; comments and trimmed space are gone.
pub(super) fn lex(text: &str) -> Result<Vec<Piece>, SyntaxError> {
    let mut pieces = Vec::new();
    let mut at = 0;
    let mut trim_next = false;
    while let Some(found) = text[at..].find("{{") {
        let open = at + found;
        let mut start = open + 2;
        let trims_left = is_trim(&text[start..], "-", true);
        start += if trims_left { 2 } else { 0 };
        push_text(&mut pieces, &text[at..open], trim_next, trims_left);
        let inner = Inner::new(text, start, open);
        let (tokens, end, trims_right) = match text[start..].starts_with("/*") {
            true => comment(text, start, open).map(|(end, trims)| (None, end, trims))?,
            false => inner
                .tokens()
                .map(|(t, end, trims)| (Some(t), end, trims))?,
        };
        if let Some(tokens) = tokens {
            pieces.push(Piece::Action(tokens, start));
        }
        (at, trim_next) = (end, trims_right);
    }
    push_text(&mut pieces, &text[at..], trim_next, false);
    Ok(pieces)
}

fn push_text(pieces: &mut Vec<Piece>, text: &str, trim_start: bool, trim_end: bool) {
    const SPACE: [char; 4] = [' ', '\t', '\r', '\n'];
    let text = if trim_start {
        text.trim_start_matches(SPACE)
    } else {
        text
    };
    let text = if trim_end {
        text.trim_end_matches(SPACE)
    } else {
        text
    };
    if !text.is_empty() {
        pieces.push(Piece::Text(text.to_owned()));
    }
}

/// `{{- ` needs its space, as `{{-3}}` is a number.
fn is_trim(rest: &str, marker: &str, space_after: bool) -> bool {
    let after = rest.strip_prefix(marker);
    after.is_some_and(|after| !space_after || after.starts_with([' ', '\t', '\r', '\n']))
}

fn comment(text: &str, start: usize, open: usize) -> Result<(usize, bool), SyntaxError> {
    let unclosed = || SyntaxError::new(open, "unclosed comment");
    let end = start + text[start..].find("*/").ok_or_else(unclosed)? + 2;
    if text[end..].starts_with("}}") {
        return Ok((end + 2, false));
    }
    match text[end..]
        .strip_prefix(' ')
        .is_some_and(|rest| rest.starts_with("-}}"))
    {
        true => Ok((end + 4, true)),
        false => Err(SyntaxError::new(
            open,
            "comment ends before closing delimiter",
        )),
    }
}

/// Tokens, the offset after `}}`, and whether the text after it is trimmed.
type Action = (Vec<(Token, usize)>, usize, bool);

struct Inner<'a> {
    text: &'a str,
    at: usize,
    open: usize,
    tokens: Vec<(Token, usize)>,
}

impl<'a> Inner<'a> {
    fn new(text: &'a str, at: usize, open: usize) -> Self {
        Self {
            text,
            at,
            open,
            tokens: Vec::new(),
        }
    }

    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn tokens(mut self) -> Result<Action, SyntaxError> {
        loop {
            let rest = self.rest();
            if rest.starts_with("}}") {
                return Ok((self.tokens, self.at + 2, false));
            }
            let trimmed = rest.trim_start_matches([' ', '\t', '\r', '\n']);
            if trimmed.len() < rest.len() {
                let at = self.at;
                self.at += rest.len() - trimmed.len();
                if trimmed.starts_with("-}}") {
                    return Ok((self.tokens, self.at + 3, true));
                }
                self.tokens.push((Token::Space, at));
                continue;
            }
            let Some(first) = rest.chars().next() else {
                return Err(SyntaxError::new(self.open, "unclosed action"));
            };
            let start = self.at;
            let token = self.token(first)?;
            self.tokens.push((token, start));
        }
    }

    fn token(&mut self, first: char) -> Result<Token, SyntaxError> {
        let rest = self.rest();
        let single = match first {
            '|' => Some(Token::Pipe),
            '(' => Some(Token::Open),
            ')' => Some(Token::Close),
            ',' => Some(Token::Comma),
            '=' => Some(Token::Assign),
            _ => None,
        };
        if let Some(token) = single {
            self.at += 1;
            return Ok(token);
        }
        if rest.starts_with(":=") {
            self.at += 2;
            return Ok(Token::Declare);
        }
        match first {
            '"' => self.quoted(),
            '`' => self.raw(),
            '\'' => self.character(),
            '.' if !rest[1..].starts_with(|c: char| c.is_ascii_digit()) => {
                self.at += 1;
                let name = self.name();
                Ok(match name.is_empty() {
                    true => Token::Dot,
                    false => Token::Field(name),
                })
            }
            '$' => {
                self.at += 1;
                Ok(Token::Variable(self.name()))
            }
            c if c.is_ascii_digit() || ".+-".contains(c) => self.number(),
            c if c.is_alphabetic() || c == '_' => Ok(Token::Word(self.name())),
            c => Err(self.error(format!("unexpected {:?} in command", c.to_string()))),
        }
    }

    fn error(&self, message: impl Into<String>) -> SyntaxError {
        SyntaxError::new(self.at, message)
    }

    fn name(&mut self) -> String {
        let rest = self.rest();
        let is_part = |c: char| c.is_alphanumeric() || c == '_';
        let end = rest.find(|c| !is_part(c)).unwrap_or(rest.len());
        self.at += end;
        rest[..end].to_owned()
    }

    fn number(&mut self) -> Result<Token, SyntaxError> {
        let rest = self.rest();
        let is_part = |c: char| c.is_alphanumeric() || "._+-".contains(c);
        let end = rest.find(|c| !is_part(c)).unwrap_or(rest.len());
        let text = &rest[..end];
        let plain = text.replace('_', "");
        let (sign, digits) = match plain.strip_prefix('-') {
            Some(digits) => (-1, digits),
            None => (1, plain.strip_prefix('+').unwrap_or(&plain)),
        };
        let radix = |prefix: &str, radix| {
            let digits = digits.strip_prefix(prefix)?;
            i64::from_str_radix(digits, radix).ok()
        };
        let whole = radix("0x", 16)
            .or_else(|| radix("0o", 8))
            .or_else(|| radix("0b", 2));
        let token = match (whole, plain.parse::<i64>(), plain.parse::<f64>()) {
            (Some(number), ..) => Token::Int(sign * number),
            (None, Ok(number), _) => Token::Int(number),
            (None, Err(_), Ok(number)) if number.is_finite() => Token::Float(number),
            _ => return Err(self.error(format!("bad number syntax: {text:?}"))),
        };
        self.at += end;
        Ok(token)
    }

    fn raw(&mut self) -> Result<Token, SyntaxError> {
        let rest = &self.rest()[1..];
        let Some(end) = rest.find('`') else {
            return Err(self.error("unterminated raw quoted string"));
        };
        self.at += end + 2;
        Ok(Token::Text(rest[..end].to_owned()))
    }

    fn quoted(&mut self) -> Result<Token, SyntaxError> {
        self.escaped('"', "unterminated quoted string")
            .map(Token::Text)
    }

    fn character(&mut self) -> Result<Token, SyntaxError> {
        const MESSAGE: &str = "unterminated character constant";
        let text = self.escaped('\'', MESSAGE)?;
        let mut chars = text.chars();
        match (chars.next(), chars.next()) {
            (Some(c), None) => Ok(Token::Int(i64::from(u32::from(c)))),
            _ => Err(self.error(format!("malformed character constant: '{text}'"))),
        }
    }

    fn escaped(&mut self, end: char, unterminated: &str) -> Result<String, SyntaxError> {
        let mut out = String::new();
        let mut chars = self.rest().char_indices().skip(1);
        while let Some((at, c)) = chars.next() {
            let escape = match c {
                c if c == end => {
                    self.at += at + 1;
                    return Ok(out);
                }
                '\n' => break,
                '\\' => chars.next().map(|(_, escape)| escape),
                c => {
                    out.push(c);
                    continue;
                }
            };
            let hex = |digits: usize, chars: &mut dyn Iterator<Item = (usize, char)>| {
                let text: String = chars.take(digits).map(|(_, digit)| digit).collect();
                let whole = text.len() == digits;
                u32::from_str_radix(&text, 16)
                    .ok()
                    .filter(|_| whole)
                    .and_then(char::from_u32)
            };
            let meant = match escape {
                Some('n') => Some('\n'),
                Some('t') => Some('\t'),
                Some('r') => Some('\r'),
                Some('a') => Some('\x07'),
                Some('x') => hex(2, &mut chars),
                Some('u') => hex(4, &mut chars),
                Some('U') => hex(8, &mut chars),
                Some(c @ ('\\' | '"' | '\'')) => Some(c),
                _ => None,
            };
            out.push(meant.ok_or_else(|| self.error("invalid syntax"))?);
        }
        Err(self.error(unterminated))
    }
}
