//! Values of directives that flags and JSON write differently.

use std::collections::BTreeMap;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// `name=value` as a flag, a member of an object in JSON.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pair(pub String, pub String);

/// `name=soft[:hard]` as a flag; in JSON Docker's object of objects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ulimit {
    /// As `getrlimit(2)` has it, without `RLIMIT_`, lower case.
    pub name: String,
    /// Soft limit; -1 is none.
    pub soft: i64,
    /// Hard limit; -1 is none.
    pub hard: i64,
}

/// A flag's value is malformed.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("invalid value {0:?}: expected {1}")]
pub struct Malformed(String, &'static str);

impl FromStr for Pair {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        let (name, value) = text
            .split_once('=')
            .filter(|(name, _)| !name.is_empty())
            .ok_or_else(|| Malformed(text.to_owned(), "name=value"))?;
        Ok(Self(name.to_owned(), value.to_owned()))
    }
}

impl FromStr for Ulimit {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        let parse = || {
            let (name, limits) = text.split_once('=')?;
            let (soft, hard) = limits.split_once(':').unwrap_or((limits, limits));
            let (soft, hard) = (soft.parse().ok()?, hard.parse().ok()?);
            let ordered = hard == -1 || (soft != -1 && soft <= hard);
            (ordered && !name.is_empty()).then(|| Self {
                name: name.to_owned(),
                soft,
                hard,
            })
        };
        parse().ok_or_else(|| {
            Malformed(
                text.to_owned(),
                "name=soft[:hard] with soft not above hard, such as nofile=1024:2048",
            )
        })
    }
}

/// Pairs as one JSON object.
pub(super) mod pairs {
    use super::{BTreeMap, Deserialize, Deserializer, Pair, Serialize, Serializer};

    pub(in super::super) fn serialize<S: Serializer>(
        all: &[Pair],
        out: S,
    ) -> Result<S::Ok, S::Error> {
        let map: BTreeMap<_, _> = all.iter().map(|Pair(name, value)| (name, value)).collect();
        map.serialize(out)
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(
        input: D,
    ) -> Result<Vec<Pair>, D::Error> {
        let map = BTreeMap::<String, String>::deserialize(input)?;
        Ok(map.into_iter().map(|(n, v)| Pair(n, v)).collect())
    }
}

/// `{"nofile": {"Name": "nofile", "Soft": 1024, "Hard": 2048}}`
pub(super) mod ulimits {
    use super::{BTreeMap, Deserialize, Deserializer, Serialize, Serializer, Ulimit};

    #[derive(Serialize, Deserialize)]
    struct Limits {
        #[serde(rename = "Name", default)]
        name: String,
        #[serde(rename = "Soft")]
        soft: i64,
        #[serde(rename = "Hard")]
        hard: i64,
    }

    pub(in super::super) fn serialize<S: Serializer>(
        all: &[Ulimit],
        out: S,
    ) -> Result<S::Ok, S::Error> {
        let limits = |u: &Ulimit| Limits {
            name: u.name.clone(),
            soft: u.soft,
            hard: u.hard,
        };
        let map: BTreeMap<_, _> = all.iter().map(|u| (u.name.clone(), limits(u))).collect();
        map.serialize(out)
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(
        input: D,
    ) -> Result<Vec<Ulimit>, D::Error> {
        let map = BTreeMap::<String, Limits>::deserialize(input)?;
        let ulimit = |(key, limits): (String, Limits)| Ulimit {
            name: if limits.name.is_empty() {
                key
            } else {
                limits.name
            },
            soft: limits.soft,
            hard: limits.hard,
        };
        Ok(map.into_iter().map(ulimit).collect())
    }
}

/// An address with its prefix length, as text.
pub(super) mod cidr {
    use super::{Deserialize, Deserializer, Serializer};
    use bulkhead_model::network::Cidr;
    use serde::de::Error;

    pub(in super::super) fn serialize<S: Serializer>(
        cidr: &Option<Cidr>,
        out: S,
    ) -> Result<S::Ok, S::Error> {
        match cidr {
            Some(cidr) => out.collect_str(cidr),
            None => out.serialize_none(),
        }
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(
        input: D,
    ) -> Result<Option<Cidr>, D::Error> {
        let text = Option::<String>::deserialize(input)?;
        let parse = |text: String| text.parse().map_err(D::Error::custom);
        text.filter(|t| !t.is_empty()).map(parse).transpose()
    }
}

/// Pairs that the file has as a list of `name=value`.
pub mod texts {
    use serde::de::Error as _;

    use super::*;

    /// As the file has them.
    pub fn serialize<S: Serializer>(pairs: &[Pair], output: S) -> Result<S::Ok, S::Error> {
        let texts = pairs
            .iter()
            .map(|Pair(name, value)| format!("{name}={value}"));
        output.collect_seq(texts)
    }

    /// Of a list of texts.
    pub fn deserialize<'de, D: Deserializer<'de>>(input: D) -> Result<Vec<Pair>, D::Error> {
        let texts = Vec::<String>::deserialize(input)?;
        let parse = |text: &String| text.parse().map_err(D::Error::custom);
        texts.iter().map(parse).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_read_as_docker_writes_them() {
        let limit: Ulimit = "nofile=1024".parse().unwrap();
        assert_eq!((limit.soft, limit.hard), (1024, 1024));
        assert!("nofile=10:-1".parse::<Ulimit>().is_ok());
        for bad in ["", "nofile", "nofile=", "nofile=2:1", "nofile=-1:1", "=1"] {
            assert!(bad.parse::<Ulimit>().is_err(), "{bad}");
        }
    }
}
