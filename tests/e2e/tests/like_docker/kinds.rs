//! Answers without their values: what is compared and recorded.

use std::collections::{BTreeMap, BTreeSet};

use bulkhead_test_support::Response;
use serde_json::{Value, json};

/// Objects whose keys are data, not names of fields.
const MAPS: &[&str] = &[
    "Attributes",
    "Containers",
    "Data",
    "Details",
    "DriverOpts",
    "ExposedPorts",
    "IndexConfigs",
    "Labels",
    "Networks",
    "Options",
    "PortBindings",
    "Ports",
    "Runtimes",
    "Status",
    "Volumes",
    "networks",
    "stats",
];

/// One answer.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    status: u16,
    content_type: String,
    /// Each path with the kinds of value that were seen there.
    kinds: BTreeMap<String, BTreeSet<String>>,
}

impl Answer {
    /// Takes an answer's values away. The body is JSON, JSON lines, or nothing
    /// that is compared.
    pub(crate) fn of(response: &Response) -> Self {
        let mut kinds = BTreeMap::new();
        let text = response.text();
        let lines = text.lines().map(serde_json::from_str::<Value>);
        if let Ok(values) = lines.collect::<Result<Vec<_>, _>>() {
            values.iter().for_each(|value| note(value, "", &mut kinds));
        }
        Self {
            status: response.status,
            content_type: response
                .header("content-type")
                .unwrap_or_default()
                .to_owned(),
            kinds,
        }
    }

    /// What `ours` has otherwise.
    pub(crate) fn differences(&self, ours: &Self) -> Vec<String> {
        let mut found = Vec::new();
        if self.status != ours.status {
            found.push(format!("status {}, ours {}", self.status, ours.status));
            return found;
        }
        if self.content_type != ours.content_type {
            let (theirs, ours) = (&self.content_type, &ours.content_type);
            found.push(format!("content type {theirs:?}, ours {ours:?}"));
        }
        for (path, kinds) in &self.kinds {
            match ours.kinds.get(path) {
                None if below_nothing(path, &ours.kinds) => {}
                None => found.push(format!("missing {path}")),
                Some(other) if other != kinds => {
                    found.push(format!(
                        "kind of {path}: {}, ours {}",
                        words(kinds),
                        words(other)
                    ));
                }
                Some(_) => {}
            }
        }
        let extra = ours
            .kinds
            .keys()
            .filter(|path| !self.kinds.contains_key(*path) && !below_nothing(path, &self.kinds));
        found.extend(extra.map(|path| format!("extra {path}")));
        found
    }
}

fn words(kinds: &BTreeSet<String>) -> String {
    let words: Vec<_> = kinds.iter().map(String::as_str).collect();
    words.join(" or ")
}

/// Whether the path is within something that the other side has empty: that is
/// told once, where it differs.
fn below_nothing(path: &str, kinds: &BTreeMap<String, BTreeSet<String>>) -> bool {
    let parents = path.char_indices().rev().filter(|(_, c)| *c == '.');
    let mut parents = parents.map(|(at, _)| &path[..at]);
    let Some(nearest) = parents.find(|parent| kinds.contains_key(*parent)) else {
        return false;
    };
    let nearest = &kinds[nearest];
    let inside = |path: &String| path.starts_with(&format!("{path}."));
    let hollow = ["null", "list of nothing", "map of nothing"];
    nearest.iter().all(|kind| hollow.contains(&kind.as_str())) && !kinds.keys().any(inside)
}

fn note(value: &Value, path: &str, kinds: &mut BTreeMap<String, BTreeSet<String>>) {
    let kind = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(items) if items.is_empty() => "list of nothing",
        Value::Array(_) => "list",
        Value::Object(fields) if is_map(path) && fields.is_empty() => "map of nothing",
        Value::Object(_) => "object",
    };
    kinds
        .entry(path.to_owned())
        .or_default()
        .insert(kind.to_owned());
    match value {
        Value::Array(items) => {
            for item in items {
                note(item, &format!("{path}.[]"), kinds);
            }
        }
        Value::Object(fields) => {
            for (name, value) in fields {
                let name = if is_map(path) { "*" } else { name };
                note(value, &format!("{path}.{name}"), kinds);
            }
        }
        _ => {}
    }
}

fn is_map(path: &str) -> bool {
    let last = path.rsplit('.').next().unwrap_or_default();
    MAPS.contains(&last)
}

/// For the recording.
pub(crate) fn to_json(answers: &BTreeMap<String, Answer>) -> Value {
    let one = |(name, answer): (&String, &Answer)| {
        let joined = |(path, kinds): (&String, &BTreeSet<String>)| (path.clone(), words(kinds));
        let kinds: BTreeMap<_, _> = answer.kinds.iter().map(joined).collect();
        let value = json!({
            "status": answer.status,
            "content type": answer.content_type,
            "kinds": kinds,
        });
        (name.clone(), value)
    };
    Value::Object(answers.iter().map(one).collect())
}

/// Out of the recording.
pub(crate) fn from_json(value: &Value) -> BTreeMap<String, Answer> {
    let split = |(path, kinds): (String, String)| {
        let kinds = kinds.split(" or ").map(str::to_owned).collect();
        (path, kinds)
    };
    let one = |(name, value): (&String, &Value)| {
        let kinds: BTreeMap<String, String> =
            serde_json::from_value(value["kinds"].clone()).unwrap();
        let answer = Answer {
            status: value["status"].as_u64().unwrap() as u16,
            content_type: value["content type"].as_str().unwrap().to_owned(),
            kinds: kinds.into_iter().map(split).collect(),
        };
        (name.clone(), answer)
    };
    value.as_object().unwrap().iter().map(one).collect()
}
