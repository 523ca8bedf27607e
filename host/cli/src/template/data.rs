//! JSON that keeps the order of its fields, printed as Go prints its values.

use std::fmt;

use bulkhead_api::json::DecodeError;
use serde::de::{MapAccess, SeqAccess, Visitor};
use serde::ser::{SerializeMap, SerializeSeq};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A value.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) enum Data {
    /// A pointer to nothing.
    #[default]
    Null,
    /// A map's value for a key that it does not have.
    Missing,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(String),
    List(Vec<Data>),
    /// A list that JSON has as `null`.
    NoList,
    /// Named fields, of which a missing one is an error.
    Struct(Vec<(String, Data)>),
    Map(Vec<(String, Data)>),
    /// A map that JSON has as `null`.
    NoMap,
}

impl Data {
    /// The value of a field or key. Docker's own names of fields differ from
    /// JSON's in case only: `.ID` is `Id`, and an event's `.Status` is `status`.
    pub(crate) fn get(&self, name: &str) -> Option<&Data> {
        let (Data::Struct(fields) | Data::Map(fields)) = self else {
            return None;
        };
        let exact = fields.iter().find(|(key, _)| key == name);
        let alike = || match self {
            Data::Struct(_) => fields
                .iter()
                .find(|(key, _)| key.eq_ignore_ascii_case(name)),
            _ => None,
        };
        exact.or_else(alike).map(|(_, value)| value)
    }

    /// What `if` makes of it.
    pub(crate) fn is_true(&self) -> bool {
        match self {
            Data::Null | Data::Missing | Data::NoList | Data::NoMap => false,
            Data::Bool(truth) => *truth,
            Data::Int(number) => *number != 0,
            Data::Float(number) => *number != 0.0,
            Data::Text(text) => !text.is_empty(),
            Data::List(items) => !items.is_empty(),
            Data::Struct(_) => true,
            Data::Map(entries) => !entries.is_empty(),
        }
    }

    /// The name of its type in errors.
    pub(crate) fn type_name(&self) -> &'static str {
        match self {
            Data::Null | Data::Missing => "nil",
            Data::Bool(_) => "bool",
            Data::Int(_) => "int",
            Data::Float(_) => "float64",
            Data::Text(_) => "string",
            Data::List(_) | Data::NoList => "slice",
            Data::Struct(_) => "struct",
            Data::Map(_) | Data::NoMap => "map",
        }
    }

    pub(crate) fn from_json(text: &[u8]) -> Result<Self, DecodeError> {
        serde_json::from_slice(text).map_err(DecodeError::Syntax)
    }

    pub(crate) fn to_json(&self) -> String {
        serde_json::to_string(self).expect("text, numbers and lists always serialize")
    }
}

impl From<&str> for Data {
    fn from(text: &str) -> Self {
        Data::Text(text.to_owned())
    }
}

impl From<String> for Data {
    fn from(text: String) -> Self {
        Data::Text(text)
    }
}

/// As `%v`.
impl fmt::Display for Data {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Data::Null => f.write_str("<nil>"),
            Data::Missing => f.write_str("<no value>"),
            Data::Bool(truth) => write!(f, "{truth}"),
            Data::Int(number) => write!(f, "{number}"),
            Data::Float(number) => f.write_str(&super::printf::general(*number)),
            Data::Text(text) => f.write_str(text),
            Data::List(items) => sequence(f, "[", items.iter(), "]"),
            Data::NoList => f.write_str("[]"),
            Data::Struct(fields) => sequence(f, "{", fields.iter().map(|(_, value)| value), "}"),
            Data::Map(entries) => {
                let mut sorted: Vec<_> = entries.iter().collect();
                sorted.sort_by(|(a, _), (b, _)| a.cmp(b));
                let pairs: Vec<String> = sorted
                    .iter()
                    .map(|(key, value)| format!("{key}:{value}"))
                    .collect();
                write!(f, "map[{}]", pairs.join(" "))
            }
            Data::NoMap => f.write_str("map[]"),
        }
    }
}

fn sequence<'a>(
    f: &mut fmt::Formatter<'_>,
    open: &str,
    items: impl Iterator<Item = &'a Data>,
    close: &str,
) -> fmt::Result {
    f.write_str(open)?;
    for (i, item) in items.enumerate() {
        if i > 0 {
            f.write_str(" ")?;
        }
        write!(f, "{item}")?;
    }
    f.write_str(close)
}

impl Serialize for Data {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Data::Null | Data::Missing | Data::NoList | Data::NoMap => serializer.serialize_unit(),
            Data::Bool(truth) => serializer.serialize_bool(*truth),
            Data::Int(number) => serializer.serialize_i64(*number),
            Data::Float(number) => serializer.serialize_f64(*number),
            Data::Text(text) => serializer.serialize_str(text),
            Data::List(items) => {
                let mut list = serializer.serialize_seq(Some(items.len()))?;
                for item in items {
                    list.serialize_element(item)?;
                }
                list.end()
            }
            Data::Struct(fields) | Data::Map(fields) => {
                let mut map = serializer.serialize_map(Some(fields.len()))?;
                for (name, value) in fields {
                    map.serialize_entry(name, value)?;
                }
                map.end()
            }
        }
    }
}

/// Objects come as structs; `shape` knows which of docker's are maps.
impl<'de> Deserialize<'de> for Data {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Values;

        impl<'de> Visitor<'de> for Values {
            type Value = Data;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("any value")
            }

            fn visit_unit<E>(self) -> Result<Data, E> {
                Ok(Data::Null)
            }

            fn visit_bool<E>(self, truth: bool) -> Result<Data, E> {
                Ok(Data::Bool(truth))
            }

            fn visit_i64<E>(self, number: i64) -> Result<Data, E> {
                Ok(Data::Int(number))
            }

            fn visit_u64<E>(self, number: u64) -> Result<Data, E> {
                Ok(i64::try_from(number).map_or(Data::Float(number as f64), Data::Int))
            }

            fn visit_f64<E>(self, number: f64) -> Result<Data, E> {
                Ok(Data::Float(number))
            }

            fn visit_str<E>(self, text: &str) -> Result<Data, E> {
                Ok(Data::Text(text.to_owned()))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Data, A::Error> {
                let mut list = Vec::new();
                while let Some(item) = items.next_element()? {
                    list.push(item);
                }
                Ok(Data::List(list))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Data, A::Error> {
                let mut fields = Vec::new();
                while let Some(entry) = entries.next_entry()? {
                    fields.push(entry);
                }
                Ok(Data::Struct(fields))
            }
        }

        deserializer.deserialize_any(Values)
    }
}
