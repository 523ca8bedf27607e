//! A registry plugin's calls.

use serde::{Deserialize, Serialize};

/// What the user asked for, normalised.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reference {
    /// `docker.io`
    pub domain: String,
    /// `library/busybox`
    pub path: String,
    /// `latest`
    pub tag: Option<String>,
    /// `sha256:…`
    pub digest: Option<String>,
}

/// An export of `registry-source` with its arguments.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Function {
    /// `resolve(platform)`
    Resolve(String),
    /// `locate(blob)`
    Locate(Blob),
}

/// A blob to find.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Blob {
    /// `sha256:…`
    pub digest: String,
    /// Bytes.
    pub size: u64,
    /// The media type.
    pub media_type: String,
}

/// A manifest the plugin chose.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// The digest of `bytes`.
    pub digest: String,
    /// The media type.
    pub media_type: String,
    /// The bytes.
    pub bytes: Vec<u8>,
    /// What the user's reference named.
    pub reference_digest: String,
}

/// Where a blob is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Location {
    /// A URL and headers to add.
    Url(String, Vec<(String, String)>),
    /// A file of the source's directory.
    File(String),
}

/// A call of a `session`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum HostCall {
    /// `request(method, url, headers)`: a response.
    Request(String, String, Vec<(String, String)>),
    /// `authenticate(registry, scheme, params)`: unit.
    Authenticate(String, String, Vec<(String, String)>),
    /// `read-file(path)`: bytes.
    ReadFile(String),
    /// `allows-http(registry)`: a flag.
    AllowsHttp(String),
}

/// An HTTP answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Response {
    /// HTTP status.
    pub status: u16,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    /// Whole.
    pub body: Vec<u8>,
}
