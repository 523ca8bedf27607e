//! Decoding as Go's `encoding/json` does it where clients depend on it: `null`
//! and a missing key are the same, unknown keys are ignored. A value of the
//! wrong kind or out of range is refused by the field's path.

use serde::de::DeserializeOwned;
use serde::ser::SerializeSeq;
use serde::{Deserializer, Serializer};
use serde_json::Value;

/// A body that is not what the call takes.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// Not JSON, or cut short.
    #[error("invalid JSON: {0}")]
    Syntax(#[source] serde_json::Error),
    /// JSON, but a field has the wrong kind or is out of range.
    #[error("invalid field {path}: {reason}")]
    Field {
        /// The field, such as `HostConfig.Memory`.
        path: String,
        /// What is wrong with it.
        reason: serde_json::Error,
    },
}

/// Decodes a whole body.
pub fn decode<T: DeserializeOwned>(body: &[u8]) -> Result<T, DecodeError> {
    decode_value(parse(body)?, "")
}

/// Parses a whole body and drops every key whose value is `null`.
pub fn parse(body: &[u8]) -> Result<Value, DecodeError> {
    let mut value = serde_json::from_slice(body).map_err(DecodeError::Syntax)?;
    drop_nulls(&mut value);
    Ok(value)
}

/// Decodes a parsed value found at `path` (empty for the whole body).
pub fn decode_value<T: DeserializeOwned>(value: Value, path: &str) -> Result<T, DecodeError> {
    serde_path_to_error::deserialize(value).map_err(|error| {
        let below = error.path().to_string();
        let path = match (path, below.as_str()) {
            ("", below) => below.to_owned(),
            (path, ".") => path.to_owned(),
            (path, below) => format!("{path}.{below}"),
        };
        DecodeError::Field {
            path,
            reason: error.into_inner(),
        }
    })
}

/// Decodes a parsed value that must be an object; serde alone would read a
/// list as a struct's fields in order.
pub(crate) fn decode_object<T: DeserializeOwned>(
    value: Value,
    path: &str,
) -> Result<T, DecodeError> {
    if value.is_object() {
        return decode_value(value, path);
    }
    let path = if path.is_empty() { "." } else { path };
    let reason = serde::de::Error::custom("expected an object");
    Err(DecodeError::Field {
        path: path.to_owned(),
        reason,
    })
}

fn drop_nulls(value: &mut Value) {
    match value {
        Value::Object(map) => {
            map.retain(|_, value| !value.is_null());
            for (key, value) in map.iter_mut() {
                // A port that is exposed but not published has `null` here, and means it.
                let is_port_map =
                    matches!(key.as_str(), "Ports" | "PortBindings") && value.is_object();
                if !is_port_map {
                    drop_nulls(value);
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(drop_nulls),
        _ => {}
    }
}

/// Writes an empty list as `null`, as a nil slice in Go is written: for the
/// fields where Docker's answers have it and clients compare with it.
pub(crate) fn null_when_empty<T, S>(items: &[T], serializer: S) -> Result<S::Ok, S::Error>
where
    T: serde::Serialize,
    S: Serializer,
{
    if items.is_empty() {
        return serializer.serialize_none();
    }
    let mut list = serializer.serialize_seq(Some(items.len()))?;
    items
        .iter()
        .try_for_each(|item| list.serialize_element(item))?;
    list.end()
}

/// The same for a map.
pub(crate) fn null_when_no_entries<K, V, S>(
    map: &std::collections::BTreeMap<K, V>,
    serializer: S,
) -> Result<S::Ok, S::Error>
where
    K: serde::Serialize,
    V: serde::Serialize,
    S: Serializer,
{
    if map.is_empty() {
        return serializer.serialize_none();
    }
    serializer.collect_map(map)
}

/// Docker takes a lone string where a command line is asked for.
pub(crate) fn string_or_list<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Vec<String>>, D::Error> {
    struct Words;
    impl<'de> serde::de::Visitor<'de> for Words {
        type Value = Vec<String>;

        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("a string or a list of strings")
        }

        fn visit_str<E>(self, word: &str) -> Result<Vec<String>, E> {
            Ok(vec![word.to_owned()])
        }

        fn visit_seq<A: serde::de::SeqAccess<'de>>(self, seq: A) -> Result<Vec<String>, A::Error> {
            serde::Deserialize::deserialize(serde::de::value::SeqAccessDeserializer::new(seq))
        }
    }
    deserializer.deserialize_any(Words).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::container::HostConfig;

    #[test]
    fn null_is_the_same_as_absent_at_every_depth() {
        let decoded: HostConfig =
            decode(br#"{"Binds":null,"LogConfig":{"Type":null},"Memory":null}"#).unwrap();
        assert_eq!(decoded, HostConfig::default());
    }

    #[test]
    fn a_bad_field_is_named_by_its_path() {
        for (body, path) in [
            (r#"{"Memory":"64m"}"#, "Memory"),
            (r#"{"Memory":9223372036854775808}"#, "Memory"),
            (r#"{"Memory":1.5}"#, "Memory"),
            (r#"{"BlkioWeight":-1}"#, "BlkioWeight"),
            (
                r#"{"LogConfig":{"Config":{"max-size":10}}}"#,
                "LogConfig.Config.max-size",
            ),
            (
                r#"{"Ulimits":[{"Name":"nofile","Soft":"x"}]}"#,
                "Ulimits[0].Soft",
            ),
        ] {
            let error = decode::<HostConfig>(body.as_bytes()).unwrap_err();
            assert!(
                error
                    .to_string()
                    .starts_with(&format!("invalid field {path}: ")),
                "{error}"
            );
        }
    }

    #[test]
    fn unknown_fields_are_tolerated_and_trailing_text_is_not() {
        assert!(decode::<HostConfig>(br#"{"Tomorrow":1}"#).is_ok());
        assert!(matches!(
            decode::<HostConfig>(b"{} x"),
            Err(DecodeError::Syntax(_))
        ));
        assert!(matches!(
            decode::<HostConfig>(b"{"),
            Err(DecodeError::Syntax(_))
        ));
    }
}
