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

/// An export of `registry-source`, `registry-sink` or `registry-catalog` with
/// its arguments.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Function {
    /// `resolve(platform)`
    Resolve(String),
    /// `locate(blob)`
    Locate(Blob),
    /// `begin-upload(blob, mount-candidates)`
    BeginUpload(Blob, Vec<String>),
    /// `put-manifest(manifest)`
    PutManifest(Manifest),
    /// `document()`
    Document,
    /// `tags()`
    Tags,
    /// `referrers()`
    Referrers,
    /// `search(term, limit)` of the reference's registry
    Search(String, u32),
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

/// What is to be done about a blob.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Upload {
    /// Nothing.
    Present,
    /// Nothing: it was taken over from this repository.
    Mounted(String),
    /// It is sent to this upload session, with headers to add.
    Session(String, Vec<(String, String)>),
}

/// An entry of a list of referrers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Referrer {
    /// `sha256:…`
    pub digest: String,
    /// Bytes.
    pub size: u64,
    /// The media type.
    pub media_type: String,
    /// What it is.
    pub artifact_type: String,
    /// Names and values.
    pub annotations: Vec<(String, String)>,
}

/// A repository that was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Found {
    /// Its name.
    pub name: String,
    /// What its owner says of it.
    pub description: String,
    /// How many like it.
    pub stars: u32,
    /// Whether the registry's owner vouches for it.
    pub is_official: bool,
    /// Whether it is built by a machine.
    pub is_automated: bool,
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
    /// `send(method, url, headers, body)`: a response.
    Send(String, String, Vec<(String, String)>, Vec<u8>),
    /// `file-size(path)`: a number.
    FileSize(String),
    /// `file-digest(path)`: a text.
    FileDigest(String),
    /// `file-compression(path)`: a text.
    FileCompression(String),
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
