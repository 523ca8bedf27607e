//! The error a plugin returns: a code the host acts on, and words a person reads.

use std::fmt;

use crate::bindings::storage::bulkhead::plugin::types;

/// What went wrong, as far as the host needs to tell cases apart.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Code {
    /// What was asked for is not there.
    NotFound,
    /// The name is taken.
    Exists,
    /// In use just now.
    Busy,
    /// A grant or a policy forbids it.
    Denied,
    /// Credentials are missing or were refused.
    Unauthorized,
    /// This kernel, filesystem or driver cannot do it.
    Unsupported,
    /// The request, or a document that was read, is malformed.
    Invalid,
    /// A peer could not be reached or broke off.
    Unavailable,
    /// A deadline passed.
    Timeout,
    /// A limit or a pool is exhausted.
    Exhausted,
    /// A bug.
    Internal,
    /// A code of a newer host that this version of the crate does not know.
    Unlisted(String),
}

const KNOWN: [(Code, &str); 11] = [
    (Code::NotFound, "not-found"),
    (Code::Exists, "exists"),
    (Code::Busy, "busy"),
    (Code::Denied, "denied"),
    (Code::Unauthorized, "unauthorized"),
    (Code::Unsupported, "unsupported"),
    (Code::Invalid, "invalid"),
    (Code::Unavailable, "unavailable"),
    (Code::Timeout, "timeout"),
    (Code::Exhausted, "exhausted"),
    (Code::Internal, "internal"),
];

impl Code {
    /// The word the contract uses.
    pub fn as_str(&self) -> &str {
        if let Code::Unlisted(text) = self {
            return text;
        }
        KNOWN
            .iter()
            .find(|(code, _)| code == self)
            .map_or("internal", |(_, text)| text)
    }
}

impl From<&str> for Code {
    fn from(text: &str) -> Self {
        let known = KNOWN.iter().find(|(_, word)| *word == text);
        known.map_or_else(|| Code::Unlisted(text.to_owned()), |(code, _)| code.clone())
    }
}

/// A failure. Errors of the host arrive as this type too, so `?` passes them
/// on with the words that name, for example, the missing grant.
///
/// ```
/// use bulkhead_plugin_api::{Code, Error};
///
/// let error = Error::unavailable("registry.example: 503 Service Unavailable").retryable();
/// assert_eq!(error.code, Code::Unavailable);
/// assert_eq!(error.context("resolve").message, "resolve: registry.example: 503 Service Unavailable");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    /// What the host acts on.
    pub code: Code,
    /// What a person reads. The host keeps 1,000 characters.
    pub message: String,
    /// Whether the same call may succeed later.
    pub retryable: bool,
}

/// What calls of the host and exports return.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// An error that trying again does not help.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            retryable: false,
        }
    }

    /// [`Code::NotFound`]
    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(Code::NotFound, message)
    }

    /// [`Code::Denied`]
    pub fn denied(message: impl Into<String>) -> Self {
        Self::new(Code::Denied, message)
    }

    /// [`Code::Unauthorized`]
    pub fn unauthorized(message: impl Into<String>) -> Self {
        Self::new(Code::Unauthorized, message)
    }

    /// [`Code::Unsupported`]
    pub fn unsupported(message: impl Into<String>) -> Self {
        Self::new(Code::Unsupported, message)
    }

    /// [`Code::Invalid`]
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(Code::Invalid, message)
    }

    /// [`Code::Unavailable`]
    pub fn unavailable(message: impl Into<String>) -> Self {
        Self::new(Code::Unavailable, message)
    }

    /// [`Code::Internal`]
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(Code::Internal, message)
    }

    /// Says that trying again later may help.
    #[must_use]
    pub fn retryable(mut self) -> Self {
        self.retryable = true;
        self
    }

    /// Puts what was being done in front of the message.
    #[must_use]
    pub fn context(mut self, doing: &str) -> Self {
        self.message.insert_str(0, ": ");
        self.message.insert_str(0, doing);
        self
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}

impl From<types::Error> for Error {
    fn from(error: types::Error) -> Self {
        Self {
            code: Code::from(error.code.as_str()),
            message: error.message,
            retryable: error.retryable,
        }
    }
}

impl From<Error> for types::Error {
    fn from(error: Error) -> Self {
        Self {
            code: error.code.as_str().to_owned(),
            message: error.message,
            retryable: error.retryable,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_survives_the_crossing() {
        for (code, text) in KNOWN {
            assert_eq!(code.as_str(), text);
            assert_eq!(Code::from(text), code);
        }
        assert_eq!(Code::from("novel").as_str(), "novel");
    }

    #[test]
    fn an_error_keeps_its_parts_across_the_contract() {
        let error = Error::unavailable("gone").retryable();
        assert_eq!(Error::from(types::Error::from(error.clone())), error);
    }
}
