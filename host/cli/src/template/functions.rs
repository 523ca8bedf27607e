//! The functions of Go's templates, and docker's.

use std::cmp::Ordering;

use super::Data;
use super::printf;

/// Text that `pad` may add to one side.
const PAD: i64 = 10_000;

/// Bytes of text that may be split.
const SPLIT: usize = 1 << 20;

const NAMES: &[&str] = &[
    "and", "eq", "ge", "gt", "index", "join", "json", "le", "len", "lower", "lt", "ne", "not",
    "or", "pad", "print", "printf", "println", "slice", "split", "title", "truncate", "upper",
];

/// Whether there is such a function.
pub(super) fn is_known(name: &str) -> bool {
    NAMES.contains(&name)
}

/// Whether a table's title passes through unchanged.
pub(super) fn keeps_titles(name: &str) -> bool {
    matches!(
        name,
        "json" | "split" | "join" | "title" | "lower" | "upper" | "pad" | "truncate"
    )
}

type Result<T> = std::result::Result<T, String>;

/// Calls a function; the error says what is wrong with its arguments.
pub(super) fn call(name: &str, arguments: Vec<Data>) -> Result<Data> {
    let args = arguments.as_slice();
    Ok(match (name, args) {
        ("and", [.., last]) => args.iter().find(|v| !v.is_true()).unwrap_or(last).clone(),
        ("or", [.., last]) => args.iter().find(|v| v.is_true()).unwrap_or(last).clone(),
        ("not", [value]) => Data::Bool(!value.is_true()),
        ("eq", [first, rest @ ..]) if !rest.is_empty() => {
            let mut found = false;
            for other in rest {
                found |= equal(first, other)?;
            }
            Data::Bool(found)
        }
        ("eq", [_]) => return Err("missing argument for comparison".into()),
        ("ne", [a, b]) => Data::Bool(!equal(a, b)?),
        ("lt", [a, b]) => Data::Bool(order(a, b)? == Ordering::Less),
        ("le", [a, b]) => Data::Bool(order(a, b)? != Ordering::Greater),
        ("gt", [a, b]) => Data::Bool(order(a, b)? == Ordering::Greater),
        ("ge", [a, b]) => Data::Bool(order(a, b)? != Ordering::Less),
        ("len", [value]) => Data::Int(length(value)?),
        ("index", [value, keys @ ..]) => index(value, keys)?,
        ("slice", [value, bounds @ ..]) if bounds.len() <= 3 => slice(value, bounds)?,
        ("print", values) => Data::Text(printf::print(values)),
        ("println", values) => Data::Text(printf::println(values)),
        ("printf", [Data::Text(format), values @ ..]) => Data::Text(printf::printf(format, values)),
        ("json", [value]) => Data::Text(value.to_json()),
        ("join", [value, Data::Text(separator)]) => Data::Text(join(value, separator)?),
        ("split", [Data::Text(text), Data::Text(separator)]) => split(text, separator)?,
        ("lower", [Data::Text(text)]) => Data::Text(text.to_lowercase()),
        ("upper", [Data::Text(text)]) => Data::Text(text.to_uppercase()),
        ("title", [Data::Text(text)]) => Data::Text(title(text)),
        ("pad", [Data::Text(text), Data::Int(before), Data::Int(after)]) => {
            pad(text, *before, *after)?
        }
        ("truncate", [Data::Text(text), Data::Int(length)]) => {
            let length = usize::try_from(*length).map_err(|_| "negative length".to_owned())?;
            Data::Text(text.chars().take(length).collect())
        }
        (_, args) => {
            let kinds: Vec<&str> = args.iter().map(Data::type_name).collect();
            return Err(format!("wrong arguments: ({})", kinds.join(", ")));
        }
    })
}

/// Text without its key among the maps' own: numbers as numbers, others by kind.
fn equal(a: &Data, b: &Data) -> Result<bool> {
    let nothing = |value: &Data| matches!(value, Data::Null | Data::Missing);
    match (a, b) {
        (a, b) if nothing(a) || nothing(b) => Ok(nothing(a) && nothing(b)),
        (Data::List(_) | Data::Map(_) | Data::Struct(_), _) => {
            Err(format!("non-comparable type {}", a.type_name()))
        }
        _ => order(a, b)
            .map(|order| order == Ordering::Equal)
            .or_else(|error| match (a, b) {
                (Data::Bool(a), Data::Bool(b)) => Ok(a == b),
                _ => Err(error),
            }),
    }
}

fn order(a: &Data, b: &Data) -> Result<Ordering> {
    match (a, b) {
        (Data::Int(a), Data::Int(b)) => Ok(a.cmp(b)),
        (Data::Float(a), Data::Float(b)) => Ok(a.total_cmp(b)),
        (Data::Text(a), Data::Text(b)) => Ok(a.cmp(b)),
        _ => Err("incompatible types for comparison".into()),
    }
}

fn length(value: &Data) -> Result<i64> {
    let length = match value {
        Data::Text(text) => text.len(),
        Data::List(items) => items.len(),
        Data::Map(entries) => entries.len(),
        Data::NoList | Data::NoMap => 0,
        Data::Null | Data::Missing => return Err("len of nil pointer".into()),
        other => return Err(format!("len of type {}", other.type_name())),
    };
    Ok(i64::try_from(length).unwrap_or(i64::MAX))
}

fn index(value: &Data, keys: &[Data]) -> Result<Data> {
    let mut value = value.clone();
    for key in keys {
        value = match (&value, key) {
            (Data::List(items), Data::Int(at)) => {
                let found = usize::try_from(*at).ok().and_then(|at| items.get(at));
                found
                    .ok_or_else(|| format!("index out of range: {at}"))?
                    .clone()
            }
            (Data::NoList, Data::Int(at)) => return Err(format!("index out of range: {at}")),
            (Data::Text(text), Data::Int(at)) => {
                let found = usize::try_from(*at)
                    .ok()
                    .and_then(|at| text.as_bytes().get(at));
                let byte = found.ok_or_else(|| format!("index out of range: {at}"))?;
                Data::Int(i64::from(*byte))
            }
            (Data::Map(entries), Data::Text(name)) => match value.get(name) {
                Some(found) => found.clone(),
                None => absent(entries),
            },
            (Data::NoMap, Data::Text(_)) => Data::Text(String::new()),
            (Data::Struct(_), Data::Text(name)) => {
                let found = value.get(name);
                found
                    .ok_or_else(|| "can't index item of type struct".to_owned())?
                    .clone()
            }
            (Data::List(_) | Data::Text(_), key) => {
                return Err(format!(
                    "cannot index slice/array with type {}",
                    key.type_name()
                ));
            }
            (Data::Map(_), key) => {
                return Err(format!(
                    "value has type {}; should be string",
                    key.type_name()
                ));
            }
            (Data::Null | Data::Missing, _) => return Err("index of untyped nil".into()),
            (other, _) => return Err(format!("can't index item of type {}", other.type_name())),
        };
    }
    Ok(value)
}

/// What Go gives for a key that a map does not have: the type's empty value.
fn absent(entries: &[(String, Data)]) -> Data {
    match entries.first() {
        None | Some((_, Data::Text(_))) => Data::Text(String::new()),
        Some((_, Data::List(_) | Data::NoList)) => Data::NoList,
        Some(_) => Data::Null,
    }
}

fn slice(value: &Data, bounds: &[Data]) -> Result<Data> {
    let length = match value {
        Data::Text(text) => text.len(),
        Data::List(items) => items.len(),
        other => return Err(format!("can't slice item of type {}", other.type_name())),
    };
    let bound = |i: usize, default: usize| match bounds.get(i) {
        None => Ok(default),
        Some(Data::Int(at)) => usize::try_from(*at)
            .ok()
            .filter(|at| *at <= length)
            .ok_or_else(|| format!("index out of range: {at}")),
        Some(other) => Err(format!(
            "cannot index slice/array with type {}",
            other.type_name()
        )),
    };
    let (from, to) = (bound(0, 0)?, bound(1, length)?);
    if from > to {
        return Err(format!("invalid slice index: {from} > {to}"));
    }
    Ok(match value {
        // Go cuts between bytes; what is left of a cut letter cannot be shown.
        Data::Text(text) => {
            Data::Text(String::from_utf8_lossy(&text.as_bytes()[from..to]).into_owned())
        }
        Data::List(items) => Data::List(items[from..to].to_vec()),
        _ => Data::Null,
    })
}

fn join(value: &Data, separator: &str) -> Result<String> {
    match value {
        Data::List(items) => {
            let text = |item: &Data| match item {
                Data::Text(text) => Ok(text.clone()),
                other => Err(format!(
                    "wrong type for value; expected string; got {}",
                    other.type_name()
                )),
            };
            Ok(items
                .iter()
                .map(text)
                .collect::<Result<Vec<_>>>()?
                .join(separator))
        }
        Data::NoList => Ok(String::new()),
        other => Err(format!(
            "wrong type for value; expected []string; got {}",
            other.type_name()
        )),
    }
}

fn split(text: &str, separator: &str) -> Result<Data> {
    if text.len() > SPLIT {
        return Err("the text is too long".into());
    }
    let parts: Vec<Data> = match separator {
        // Go splits after each letter, without empty ends.
        "" => text.chars().map(|c| Data::Text(c.to_string())).collect(),
        separator => text.split(separator).map(Data::from).collect(),
    };
    Ok(Data::List(parts))
}

fn title(text: &str) -> String {
    let mut starts = true;
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match starts {
            true => out.extend(c.to_uppercase()),
            false => out.push(c),
        }
        starts = !(c.is_alphanumeric() || c == '_' || c == '\'');
    }
    out
}

fn pad(text: &str, before: i64, after: i64) -> Result<Data> {
    let spaces = |count: i64| {
        let count = usize::try_from(count.min(PAD)).map_err(|_| "negative width".to_owned())?;
        Ok::<_, String>(" ".repeat(count))
    };
    match text.is_empty() {
        true => Ok(Data::Text(String::new())),
        false => Ok(Data::Text(format!(
            "{}{text}{}",
            spaces(before)?,
            spaces(after)?
        ))),
    }
}
