//! A registry and the host before it, scripted.

use std::cell::RefCell;
use std::collections::BTreeMap;

use crate::registry::{Method, Response, Scheme, Session};
use crate::{Digest, Error, Result};

/// A request that was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// The method.
    pub method: Method,
    /// The URL.
    pub url: String,
    /// The headers.
    pub headers: Vec<(String, String)>,
    /// What was sent along.
    pub body: Vec<u8>,
}

/// A scripted answer.
#[derive(Clone, Debug, Default)]
pub struct FakeResponse {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl FakeResponse {
    /// An answer without headers and body.
    pub fn new(status: u16) -> Self {
        Self {
            status,
            ..Self::default()
        }
    }

    /// Adds a header.
    #[must_use]
    pub fn with_header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Sets the body.
    #[must_use]
    pub fn with_body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }
}

impl Response for FakeResponse {
    fn status(&self) -> u16 {
        self.status
    }

    fn header(&self, name: &str) -> Option<String> {
        self.headers
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.clone())
    }

    fn body(&self) -> Vec<u8> {
        self.body.clone()
    }
}

/// A challenge that was answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answered {
    /// host or host:port.
    pub registry: String,
    /// The scheme.
    pub scheme: Scheme,
    /// The parameters.
    pub params: Vec<(String, String)>,
}

/// A scripted registry. Each URL has answers of its own; the last one stays.
#[derive(Default)]
pub struct FakeRegistry {
    answers: RefCell<BTreeMap<String, Vec<Result<FakeResponse>>>>,
    files: BTreeMap<String, Vec<u8>>,
    plain: Vec<String>,
    refusal: Option<Error>,
    requests: RefCell<Vec<Request>>,
    answered: RefCell<Vec<Answered>>,
}

impl FakeRegistry {
    /// A registry that has nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an answer to a URL, after those it has.
    #[must_use]
    pub fn answer(self, url: &str, response: FakeResponse) -> Self {
        self.answers
            .borrow_mut()
            .entry(url.to_owned())
            .or_default()
            .push(Ok(response));
        self
    }

    /// Adds a failure of the connection to a URL.
    #[must_use]
    pub fn fail(self, url: &str, error: Error) -> Self {
        self.answers
            .borrow_mut()
            .entry(url.to_owned())
            .or_default()
            .push(Err(error));
        self
    }

    /// Adds a file of the source's directory, or a member of its archive.
    #[must_use]
    pub fn with_file(mut self, path: &str, bytes: impl Into<Vec<u8>>) -> Self {
        self.files.insert(path.to_owned(), bytes.into());
        self
    }

    /// Allows plain HTTP for a registry.
    #[must_use]
    pub fn with_plain_http(mut self, registry: &str) -> Self {
        self.plain.push(registry.to_owned());
        self
    }

    /// Lets every authentication fail.
    #[must_use]
    pub fn refusing_login(mut self, error: Error) -> Self {
        self.refusal = Some(error);
        self
    }

    /// Everything sent.
    pub fn requests(&self) -> Vec<Request> {
        self.requests.borrow().clone()
    }

    /// The challenges answered.
    pub fn answered(&self) -> Vec<Answered> {
        self.answered.borrow().clone()
    }
}

impl Session for FakeRegistry {
    type Response = FakeResponse;

    fn request(&self, method: Method, url: &str, headers: &[(&str, &str)]) -> Result<FakeResponse> {
        self.send(method, url, headers, &[])
    }

    /// One URL has one queue of answers, whatever the method.
    fn send(
        &self,
        method: Method,
        url: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Result<FakeResponse> {
        let headers = headers
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        self.requests.borrow_mut().push(Request {
            method,
            url: url.to_owned(),
            headers,
            body: body.to_owned(),
        });
        let mut answers = self.answers.borrow_mut();
        match answers.get_mut(url) {
            Some(queue) if queue.len() > 1 => queue.remove(0),
            Some(queue) => queue[0].clone(),
            None => Err(Error::unavailable(format!(
                "{url}: no answer in the script"
            ))),
        }
    }

    fn authenticate(
        &self,
        registry: &str,
        scheme: Scheme,
        params: &[(String, String)],
    ) -> Result<()> {
        self.answered.borrow_mut().push(Answered {
            registry: registry.to_owned(),
            scheme,
            params: params.to_owned(),
        });
        self.refusal.clone().map_or(Ok(()), Err)
    }

    fn read_file(&self, path: &str) -> Result<Vec<u8>> {
        self.files
            .get(path)
            .cloned()
            .ok_or_else(|| Error::not_found(format!("{path}: not found")))
    }

    fn file_size(&self, path: &str) -> Result<u64> {
        Ok(self.read_file(path)?.len() as u64)
    }

    #[cfg(feature = "oci")]
    fn file_digest(&self, path: &str) -> Result<Digest> {
        Ok(Digest::of(&self.read_file(path)?))
    }

    /// Digests are computed with the feature `oci` only.
    #[cfg(not(feature = "oci"))]
    fn file_digest(&self, path: &str) -> Result<Digest> {
        Err(Error::unsupported(format!(
            "{path}: digests need the feature oci"
        )))
    }

    /// By the magic numbers of RFC 1952, RFC 8878, bzip2 and xz.
    fn file_compression(&self, path: &str) -> Result<String> {
        let name = match self.read_file(path)?.as_slice() {
            [0x1f, 0x8b, 8, ..] => "gzip",
            [0x28, 0xb5, 0x2f, 0xfd, ..] => "zstd",
            [b'B', b'Z', b'h', ..] => "bzip2",
            [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => "xz",
            _ => "none",
        };
        Ok(name.to_owned())
    }

    fn allows_http(&self, registry: &str) -> bool {
        self.plain.iter().any(|plain| plain == registry)
    }
}
