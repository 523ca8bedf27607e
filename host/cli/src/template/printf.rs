//! Go's `fmt`, as far as templates use it.

use super::Data;

/// Columns that a verb may be widened to.
const WIDTH: usize = 10_000;

/// Spaces only between operands of which neither is text.
pub(super) fn print(values: &[Data]) -> String {
    let mut out = String::new();
    for (i, value) in values.iter().enumerate() {
        let apart = |value: &Data| !matches!(value, Data::Text(_));
        if i > 0 && apart(value) && apart(&values[i - 1]) {
            out.push(' ');
        }
        out += &value.to_string();
    }
    out
}

/// Spaces between all operands, and a line's end.
pub(super) fn println(values: &[Data]) -> String {
    let words: Vec<String> = values.iter().map(ToString::to_string).collect();
    words.join(" ") + "\n"
}

/// The flags, width and precision before a verb.
#[derive(Clone, Copy, Debug, Default)]
struct Spec {
    left: bool,
    plus: bool,
    zero: bool,
    space: bool,
    sharp: bool,
    width: usize,
    precision: Option<usize>,
}

/// Fills a format; what does not fit is shown in the text, as Go does.
pub(super) fn printf(format: &str, values: &[Data]) -> String {
    let mut out = String::new();
    let mut values = values.iter();
    let mut chars = format.chars().peekable();
    while let Some(c) = chars.next() {
        if c != '%' {
            out.push(c);
            continue;
        }
        let mut spec = Spec::default();
        while let Some(flag) = chars.next_if(|c| "-+# 0".contains(*c)) {
            match flag {
                '-' => spec.left = true,
                '+' => spec.plus = true,
                '#' => spec.sharp = true,
                ' ' => spec.space = true,
                _ => spec.zero = true,
            }
        }
        spec.width = number(&mut chars, &mut values).unwrap_or(0);
        if chars.next_if_eq(&'.').is_some() {
            spec.precision = Some(number(&mut chars, &mut values).unwrap_or(0));
        }
        match chars.next() {
            None => out += "%!(NOVERB)",
            Some('%') => out.push('%'),
            Some(verb) => match values.next() {
                None => out += &format!("%!{verb}(MISSING)"),
                Some(value) => out += &spec.show(verb, value),
            },
        }
        if out.len() > super::eval::BYTES {
            return out;
        }
    }
    let extra: Vec<String> = values
        .map(|value| format!("{}={value}", value.type_name()))
        .collect();
    if !extra.is_empty() {
        out += &format!("%!(EXTRA {})", extra.join(", "));
    }
    out
}

/// Digits, or `*` for the next operand.
fn number<'a>(
    chars: &mut std::iter::Peekable<std::str::Chars<'_>>,
    values: &mut impl Iterator<Item = &'a Data>,
) -> Option<usize> {
    if chars.next_if_eq(&'*').is_some() {
        return match values.next() {
            Some(Data::Int(width)) => usize::try_from(*width).ok().map(|width| width.min(WIDTH)),
            _ => None,
        };
    }
    let mut number = None;
    while let Some(digit) = chars.peek().and_then(|c| c.to_digit(10)) {
        chars.next();
        let so_far: usize = number.unwrap_or(0);
        number = Some((so_far * 10 + digit as usize).min(WIDTH));
    }
    number
}

impl Spec {
    fn show(self, verb: char, value: &Data) -> String {
        let text = match (verb, value) {
            ('v', Data::Text(text)) if self.sharp => Some(quote(text)),
            ('v' | 's', Data::Text(text)) => Some(self.cut(text)),
            ('s', Data::List(_) | Data::NoList | Data::Map(_) | Data::NoMap) => {
                Some(value.to_string())
            }
            ('d', Data::Int(n)) | ('v', Data::Int(n)) => return self.signed(*n, |n| n.to_string()),
            ('x', Data::Int(n)) => return self.signed(*n, |n| format!("{n:x}")),
            ('X', Data::Int(n)) => return self.signed(*n, |n| format!("{n:X}")),
            ('o', Data::Int(n)) => return self.signed(*n, |n| format!("{n:o}")),
            ('b', Data::Int(n)) => return self.signed(*n, |n| format!("{n:b}")),
            ('c', Data::Int(n)) => {
                let letter = u32::try_from(*n).ok().and_then(char::from_u32);
                Some(letter.unwrap_or(char::REPLACEMENT_CHARACTER).to_string())
            }
            ('q', Data::Text(text)) => Some(quote(text)),
            ('q', Data::List(items)) => {
                let quoted: Vec<String> = items
                    .iter()
                    .map(|item| self.bare().show('q', item))
                    .collect();
                Some(format!("[{}]", quoted.join(" ")))
            }
            ('x', Data::Text(text)) => Some(text.bytes().map(|b| format!("{b:02x}")).collect()),
            ('X', Data::Text(text)) => Some(text.bytes().map(|b| format!("{b:02X}")).collect()),
            ('t', Data::Bool(truth)) => Some(truth.to_string()),
            ('f' | 'F', Data::Float(n)) => return self.float(*n, |n, p| format!("{n:.p$}")),
            ('e' | 'E', Data::Float(n)) => return self.float(*n, exponent),
            ('g' | 'G', Data::Float(n)) => Some(general(*n)),
            ('v', value) => Some(value.to_string()),
            ('T', value) => Some(value.type_name().to_owned()),
            _ => None,
        };
        self.widen(text.unwrap_or_else(|| format!("%!{verb}({}={value})", value.type_name())))
    }

    fn bare(self) -> Self {
        Self { width: 0, ..self }
    }

    fn cut(self, text: &str) -> String {
        match self.precision {
            Some(length) => text.chars().take(length).collect(),
            None => text.to_owned(),
        }
    }

    fn signed(self, number: i64, digits: impl Fn(u64) -> String) -> String {
        let sign = self.sign(number < 0);
        let digits = digits(number.unsigned_abs());
        self.numeric(sign, digits)
    }

    fn float(self, number: f64, digits: impl Fn(f64, usize) -> String) -> String {
        let sign = self.sign(number < 0.0);
        let digits = digits(number.abs(), self.precision.unwrap_or(6).min(300));
        self.numeric(sign, digits)
    }

    fn sign(self, negative: bool) -> &'static str {
        match (negative, self.plus, self.space) {
            (true, ..) => "-",
            (false, true, _) => "+",
            (false, false, true) => " ",
            _ => "",
        }
    }

    fn numeric(self, sign: &str, digits: String) -> String {
        if self.zero && !self.left {
            let width = self.width.saturating_sub(sign.len());
            return format!("{sign}{digits:0>width$}");
        }
        self.widen(format!("{sign}{digits}"))
    }

    fn widen(self, text: String) -> String {
        let width = self.width;
        match self.left {
            true => format!("{text:<width$}"),
            false => format!("{text:>width$}"),
        }
    }
}

fn quote(text: &str) -> String {
    let mut out = String::from('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            '\n' => out += "\\n",
            '\t' => out += "\\t",
            '\r' => out += "\\r",
            c if c.is_control() => out += &format!("\\x{:02x}", u32::from(c)),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// `1.5e+06`
fn exponent(number: f64, precision: usize) -> String {
    let text = format!("{number:.precision$e}");
    let (digits, power) = text.split_once('e').unwrap_or((&text, "0"));
    let power: i32 = power.parse().unwrap_or(0);
    let sign = if power < 0 { '-' } else { '+' };
    format!("{digits}e{sign}{:02}", power.unsigned_abs())
}

/// The shortest digits that mean the number, with an exponent from 1e21 and below 1e-4.
pub(super) fn general(number: f64) -> String {
    let size = number.abs();
    if size != 0.0 && !(1e-4..1e21).contains(&size) {
        let text = format!("{number:e}");
        let (digits, power) = text.split_once('e').unwrap_or((&text, "0"));
        let power: i32 = power.parse().unwrap_or(0);
        let sign = if power < 0 { '-' } else { '+' };
        return format!("{digits}e{sign}{:02}", power.unsigned_abs());
    }
    number.to_string()
}
