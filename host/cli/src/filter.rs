//! `--filter name=value`, as every list and prune takes it.

use bulkhead_api::Filters;

use crate::flags::{InvalidValue, invalid};

/// One filter: a name and a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FilterFlag {
    name: String,
    value: String,
}

impl std::str::FromStr for FilterFlag {
    type Err = InvalidValue;

    fn from_str(text: &str) -> Result<Self, InvalidValue> {
        let (name, value) = text
            .split_once('=')
            .ok_or_else(|| invalid("bad format of filter (expected name=value)"))?;
        Ok(Self {
            name: name.trim().to_ascii_lowercase(),
            value: value.trim().to_owned(),
        })
    }
}

impl std::fmt::Display for FilterFlag {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}={}", self.name, self.value)
    }
}

/// The filters of a call.
pub(crate) fn filters(flags: &[FilterFlag]) -> Filters {
    let mut filters = Filters::default();
    for flag in flags {
        filters.add(&flag.name, &flag.value);
    }
    filters
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_is_a_name_and_a_value() {
        let flag: FilterFlag = "Status = running".parse().unwrap();
        assert_eq!(
            (flag.name.as_str(), flag.value.as_str()),
            ("status", "running")
        );
        assert_eq!(
            "x".parse::<FilterFlag>().unwrap_err().to_string(),
            "bad format of filter (expected name=value)"
        );
    }
}
