//! Filters that several lists and prunes share.

use std::collections::BTreeMap;

use bulkhead_api::Filters;
use bulkhead_api::filters::InvalidFilter;
use bulkhead_api::time::moment;

/// Whether something with these labels is chosen by `label` and `label!`.
pub fn has_labels(labels: &BTreeMap<String, String>, filters: &Filters) -> bool {
    let has = |wanted: &str| match wanted.split_once('=') {
        Some((key, value)) => labels.get(key).is_some_and(|l| l == value),
        None => labels.contains_key(wanted),
    };
    filters.values("label").all(has) && !filters.values("label!").any(has)
}

/// The moment before which something must have been made, nanoseconds since
/// the epoch.
pub fn until(filters: &Filters) -> Result<Option<u64>, InvalidFilter> {
    let mut values = filters.values("until");
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(text), None) => moment(text, super::now())
            .map(Some)
            .map_err(|_| InvalidFilter::Value("until", text.to_owned())),
        (Some(_), Some(_)) => Err(InvalidFilter::Malformed),
    }
}

/// A filter that is true or false; `None` when it was not given.
pub fn flag(filters: &Filters, name: &'static str) -> Result<Option<bool>, InvalidFilter> {
    let Some(text) = filters.values(name).next() else {
        return Ok(None);
    };
    match text {
        "1" | "true" => Ok(Some(true)),
        "0" | "false" => Ok(Some(false)),
        _ => Err(InvalidFilter::Value(name, format!("[{text}]"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filters(json: &str) -> Filters {
        Filters::parse(json).unwrap()
    }

    #[test]
    fn every_label_asked_for_must_be_there_and_none_of_the_others() {
        let labels = [("a".to_owned(), "1".to_owned())].into();
        for (json, chosen) in [
            (r#"{"label":["a"]}"#, true),
            (r#"{"label":["a=1"]}"#, true),
            (r#"{"label":["a","b"]}"#, false),
            (r#"{"label!":["a=2"]}"#, true),
            (r#"{"label!":["a"]}"#, false),
        ] {
            assert_eq!(has_labels(&labels, &filters(json)), chosen, "{json}");
        }
    }

    #[test]
    fn flags_are_true_or_false_and_nothing_else() {
        assert_eq!(flag(&filters("{}"), "all"), Ok(None));
        assert_eq!(flag(&filters(r#"{"all":["1"]}"#), "all"), Ok(Some(true)));
        assert!(flag(&filters(r#"{"all":["maybe"]}"#), "all").is_err());
    }
}
