//! The query string of each call: `application/x-www-form-urlencoded`, with
//! Docker's notion of a boolean.

mod container;
mod image;
mod process;
mod system;

use std::fmt::{self, Write};
use std::str::FromStr;

pub use container::{
    AttachQuery, Condition, CreateQuery, InspectQuery, KillQuery, ListQuery, LogsQuery,
    RemoveQuery, ResizeQuery, StartQuery, StopQuery, Tail, Timestamp, WaitQuery,
};
pub use image::{
    CommitQuery, ImageCreateQuery, ImageInspectQuery, ImageListQuery, ImageLoadQuery,
    ImagePushQuery, ImageRemoveQuery, ImageSaveQuery, ImageSearchQuery, ImageTagQuery,
};
pub use process::{ArchivePutQuery, ArchiveQuery, RenameQuery, StatsQuery, TopQuery};
pub use system::{
    DiskUsageQuery, EventsQuery, FiltersQuery, NetworkInspectQuery, SystemCheckQuery, TraceQuery,
    VolumeRemoveQuery,
};

use crate::filters::InvalidFilter;

/// A parameter that cannot be read.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum QueryError {
    /// A value of the wrong kind.
    #[error("invalid value {value:?} for {name}: expected {expected}")]
    Value {
        /// The parameter.
        name: &'static str,
        /// Its text, cut to 100 characters.
        value: String,
        /// What it should be.
        expected: &'static str,
    },
    /// The `filters` parameter.
    #[error(transparent)]
    Filter(#[from] InvalidFilter),
}

/// A call's parameters.
pub trait Params: Sized {
    /// Reads them; unknown parameters are ignored.
    fn read(query: &Query) -> Result<Self, QueryError>;
    /// Writes them, leaving defaults out.
    fn write(&self, query: &mut Query);

    /// Reads them from the text after `?`.
    fn parse(text: &str) -> Result<Self, QueryError> {
        Self::read(&Query::parse(text))
    }
}

/// Names and values, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Query(Vec<(String, String)>);

impl Query {
    /// Takes a query string apart. What is not valid UTF-8 after decoding is replaced.
    pub fn parse(text: &str) -> Self {
        let pair = |part: &str| {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            (form_decode(name), form_decode(value))
        };
        Self(
            text.split('&')
                .filter(|part| !part.is_empty())
                .map(pair)
                .collect(),
        )
    }

    /// The first value of `name`, `None` if absent or empty.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(n, _)| n == name)
            .map(|(_, v)| v.as_str())
            .filter(|v| !v.is_empty())
    }

    /// The value as text, empty if absent.
    pub fn text(&self, name: &str) -> String {
        self.get(name).unwrap_or_default().to_owned()
    }

    /// Docker's boolean: anything but an absent or empty value, `0`, `no`,
    /// `false` and `none` is true.
    pub fn flag(&self, name: &str) -> bool {
        self.get(name).is_some_and(|v| {
            !matches!(
                v.trim().to_ascii_lowercase().as_str(),
                "" | "0" | "no" | "false" | "none"
            )
        })
    }

    /// The same for a parameter that has another default: Docker takes it only
    /// when the name is absent.
    pub fn flag_or(&self, name: &str, default: bool) -> bool {
        match self.0.iter().any(|(n, _)| n == name) {
            true => self.flag(name),
            false => default,
        }
    }

    /// Every value of `name` that is not empty.
    pub fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.0
            .iter()
            .filter(move |(n, v)| n == name && !v.is_empty())
            .map(|(_, v)| v.as_str())
    }

    /// The value parsed, if there is one.
    pub fn parsed<T: FromStr>(
        &self,
        name: &'static str,
        expected: &'static str,
    ) -> Result<Option<T>, QueryError> {
        let Some(text) = self.get(name) else {
            return Ok(None);
        };
        text.parse()
            .map(Some)
            .map_err(|_| invalid(name, text, expected))
    }

    /// Adds a value unless it is empty.
    pub fn push(&mut self, name: &str, value: impl ToString) {
        let value = value.to_string();
        if !value.is_empty() {
            self.0.push((name.to_owned(), value));
        }
    }

    /// Adds `name=1` if `on`.
    pub fn push_flag(&mut self, name: &str, on: bool) {
        if on {
            self.push(name, "1");
        }
    }
}

impl fmt::Display for Query {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, (name, value)) in self.0.iter().enumerate() {
            let separator = if i == 0 { "" } else { "&" };
            write!(
                f,
                "{separator}{}={}",
                percent_encode(name, b""),
                percent_encode(value, b"")
            )?;
        }
        Ok(())
    }
}

fn invalid(name: &'static str, value: &str, expected: &'static str) -> QueryError {
    QueryError::Value {
        name,
        value: value.chars().take(100).collect(),
        expected,
    }
}

/// Encodes all but RFC 3986's unreserved characters and those in `also`.
pub fn percent_encode(text: &str, also: &[u8]) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) || also.contains(&byte) {
            out.push(byte as char);
        } else {
            write!(out, "%{byte:02X}").expect("writing to a String cannot fail");
        }
    }
    out
}

/// Decodes `%XX`; a `%` without two hex digits stays as it is.
pub(crate) fn percent_decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let digit = |offset: usize| {
            bytes
                .get(at + offset)
                .and_then(|b| (*b as char).to_digit(16))
        };
        match (bytes[at], digit(1), digit(2)) {
            (b'%', Some(high), Some(low)) => {
                out.push((high * 16 + low) as u8);
                at += 3;
            }
            (byte, ..) => {
                out.push(byte);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

fn form_decode(text: &str) -> String {
    percent_decode(&text.replace('+', " "))
}

#[cfg(test)]
mod tests;
