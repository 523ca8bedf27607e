//! The `filters` query parameter: `{"status":["running"]}`, or the older
//! `{"status":{"running":true}}` that clients send to API versions before
//! 1.22 and that the docker CLI still sends.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use crate::query::Query;

/// Filter names, each with its set of accepted values.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filters(BTreeMap<String, BTreeSet<String>>);

/// A filter that cannot be read or is not known.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum InvalidFilter {
    /// Neither of the two encodings.
    #[error("invalid filter")]
    Malformed,
    /// The call has no such filter.
    #[error("invalid filter '{0}'")]
    Unknown(String),
    /// A value that the filter cannot have.
    #[error("invalid filter '{0}={1}'")]
    Value(&'static str, String),
}

impl Filters {
    /// Reads the parameter out of a query.
    pub fn read(query: &Query) -> Result<Self, InvalidFilter> {
        Self::parse(query.get("filters").unwrap_or_default())
    }

    /// Writes the parameter, if there is a filter.
    pub fn write(&self, query: &mut Query) {
        if !self.is_empty() {
            query.push("filters", self.to_json());
        }
    }

    /// Adds a value to a filter.
    pub fn add(&mut self, name: impl Into<String>, value: impl Into<String>) {
        self.0.entry(name.into()).or_default().insert(value.into());
    }

    /// Whether there is no filter at all.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The values of a filter, empty if it was not given.
    pub fn values(&self, name: &str) -> impl Iterator<Item = &str> {
        self.0.get(name).into_iter().flatten().map(String::as_str)
    }

    /// Whether `name` was not given, or one of its values satisfies `accepts`.
    pub fn matches(&self, name: &str, accepts: impl Fn(&str) -> bool) -> bool {
        self.0
            .get(name)
            .is_none_or(|values| values.iter().any(|v| accepts(v)))
    }

    /// Refuses names outside `known`.
    pub fn only(&self, known: &[&str]) -> Result<(), InvalidFilter> {
        match self.0.keys().find(|name| !known.contains(&name.as_str())) {
            Some(name) => Err(InvalidFilter::Unknown(name.clone())),
            None => Ok(()),
        }
    }

    /// Reads the parameter's text; empty text is no filter.
    pub fn parse(text: &str) -> Result<Self, InvalidFilter> {
        if text.is_empty() {
            return Ok(Self::default());
        }
        let map: Map<String, Value> =
            serde_json::from_str(text).map_err(|_| InvalidFilter::Malformed)?;
        let mut filters = Self::default();
        for (name, values) in map {
            let set = filters.0.entry(name).or_default();
            match values {
                Value::Array(items) => {
                    for item in items {
                        set.insert(item.as_str().ok_or(InvalidFilter::Malformed)?.to_owned());
                    }
                }
                Value::Object(flags) => {
                    set.extend(
                        flags
                            .into_iter()
                            .filter(|(_, on)| on == &Value::Bool(true))
                            .map(|(value, _)| value),
                    );
                }
                Value::Null => {}
                _ => return Err(InvalidFilter::Malformed),
            }
        }
        Ok(filters)
    }

    /// The parameter's text, in the encoding every daemon since 1.22 reads.
    pub fn to_json(&self) -> String {
        let mut map = Map::new();
        for (name, values) in &self.0 {
            let flags = values.iter().map(|v| (v.clone(), Value::Bool(true)));
            map.insert(name.clone(), Value::Object(flags.collect()));
        }
        Value::Object(map).to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_encodings_mean_the_same() {
        let list = Filters::parse(r#"{"status":["exited","running"]}"#).unwrap();
        let map =
            Filters::parse(r#"{"status":{"exited":true,"running":true,"dead":false}}"#).unwrap();
        assert_eq!(list, map);
        assert_eq!(Filters::parse(&list.to_json()).unwrap(), list);
    }

    #[test]
    fn unknown_and_malformed_filters_are_refused() {
        let filters = Filters::parse(r#"{"colour":["red"]}"#).unwrap();
        assert_eq!(
            filters.only(&["status"]).unwrap_err().to_string(),
            "invalid filter 'colour'"
        );
        for bad in ["x", "[]", r#"{"a":1}"#, r#"{"a":[1]}"#] {
            assert_eq!(Filters::parse(bad), Err(InvalidFilter::Malformed), "{bad}");
        }
    }
}
