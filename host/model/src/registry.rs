//! What a registry plugin decides, and what the host does for it meanwhile.

use std::ops::ControlFlow;

use crate::{Digest, Platform, PluginError, PluginIdentity, Reference};

/// The answer to a plugin's request; the body is at most a few MiB.
#[derive(Clone, Debug)]
pub struct Response {
    /// HTTP status.
    pub status: u16,
    /// Header names in lower case, with their values. Hop-by-hop headers,
    /// cookies and everything that carries a secret are left out.
    pub headers: Vec<(String, String)>,
    /// The body, complete.
    pub body: Vec<u8>,
}

/// A session's refusal or failure, told to the plugin as `code: message`.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{message}")]
pub struct SessionError {
    /// "denied", "unavailable", "timeout", "unauthorized", "invalid", "not-found", "exhausted".
    pub code: &'static str,
    /// What happened, naming the URL or the missing grant.
    pub message: String,
    /// Whether trying again may help.
    pub retryable: bool,
}

/// What a plugin may know of a file whose bytes it does not get.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileFacts {
    /// Bytes.
    pub size: u64,
    /// Of the bytes as they are.
    pub digest: Digest,
    /// "none", "gzip", "zstd", "bzip2" or "xz".
    pub compression: &'static str,
}

/// What a registry plugin may do while it is called. Implemented by the
/// fetcher; every URL and each redirect hop is checked against the grant, and
/// credentials are attached by the host and never shown to the plugin.
pub trait RegistrySession: Send {
    /// `GET` or `HEAD` of a small document.
    fn request(
        &mut self,
        method: &str,
        url: &str,
        headers: &[(String, String)],
    ) -> Result<Response, SessionError>;
    /// `POST`, `PUT`, `PATCH` or `DELETE` with a small body. Never follows a
    /// redirect that would change the method.
    fn send(
        &mut self,
        method: &str,
        url: &str,
        headers: &[(String, String)],
        body: &[u8],
    ) -> Result<Response, SessionError>;
    /// Answers a challenge (`scheme` "bearer" or "basic") for `registry`
    /// (host[:port]); later requests of this session to that registry carry
    /// the result. `params` are the challenge's: realm, service, scope.
    fn authenticate(
        &mut self,
        registry: &str,
        scheme: &str,
        params: &[(String, String)],
    ) -> Result<(), SessionError>;
    /// A small file of the source's own directory (OCI layouts) or member of
    /// its archive, by relative path; at most 4 MiB.
    fn read_file(&mut self, path: &str) -> Result<Vec<u8>, SessionError>;
    /// What is known of a member of the source's archive. Sources that are no
    /// archive have none.
    fn file_facts(&mut self, path: &str) -> Result<FileFacts, SessionError> {
        Err(SessionError {
            code: "unsupported",
            message: format!("{path}: this source is not an archive"),
            retryable: false,
        })
    }
    /// Whether plain HTTP may be used for this registry (loopback, or
    /// configured insecure).
    fn allows_http(&self, registry: &str) -> bool;
}

/// A manifest the plugin chose.
#[derive(Clone, Debug)]
pub struct ResolvedManifest {
    /// The digest of `bytes`; the host checks it.
    pub digest: Digest,
    /// The media type.
    pub media_type: String,
    /// The manifest's bytes, unchanged.
    pub bytes: Vec<u8>,
    /// The digest the user's reference named: the index's when the plugin
    /// chose from one, else equal to `digest`. Printed as `Digest:`.
    pub reference_digest: Digest,
}

/// A blob to bring.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlobDescriptor {
    /// What the bytes must hash to.
    pub digest: Digest,
    /// What the bytes must count.
    pub size: u64,
    /// The media type.
    pub media_type: String,
}

/// Where a blob's bytes are. The host brings them; no byte enters the plugin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BlobLocation {
    /// An HTTP(S) URL, with headers to add to the request.
    Url {
        /// The address.
        url: String,
        /// Extra headers.
        headers: Vec<(String, String)>,
    },
    /// A file of the source's directory, by relative path.
    File {
        /// The path.
        path: String,
    },
}

/// A registry plugin.
pub trait RegistrySource: Send + Sync {
    /// Who it is.
    fn identity(&self) -> &PluginIdentity;
    /// The host patterns the manifest grants (`*`, `registry-1.docker.io`,
    /// `*.example.org`, or `{registry}` for the host the user named).
    fn granted_hosts(&self) -> &[String];
    /// Finds and brings the manifest for `reference` and `platform`.
    fn resolve(
        &self,
        session: &mut dyn RegistrySession,
        reference: &Reference,
        platform: &Platform,
    ) -> Result<ResolvedManifest, PluginError>;
    /// Says where a blob of that reference is.
    fn locate(
        &self,
        session: &mut dyn RegistrySession,
        reference: &Reference,
        blob: &BlobDescriptor,
    ) -> Result<BlobLocation, PluginError>;
    /// The same source to push to, when it can be.
    fn sink(&self) -> Option<&dyn RegistrySink>;
    /// The same source to ask what there is, when it can be.
    fn catalog(&self) -> Option<&dyn RegistryCatalog>;
}

/// What is to be done about a blob that is pushed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BlobUpload {
    /// Nothing: the repository has it.
    Present,
    /// Nothing: the registry took it over from this repository.
    Mounted(String),
    /// The host sends it to an upload session (OCI distribution-spec,
    /// "Pushing a blob in chunks").
    Session {
        /// The address.
        url: String,
        /// Extra headers.
        headers: Vec<(String, String)>,
    },
}

/// A registry plugin that can be pushed to.
pub trait RegistrySink: Send + Sync {
    /// Finds out whether the blob is there, has it taken over from one of the
    /// candidates (repositories of the same registry), or opens an upload session.
    fn begin_upload(
        &self,
        session: &mut dyn RegistrySession,
        reference: &Reference,
        blob: &BlobDescriptor,
        mount_candidates: &[String],
    ) -> Result<BlobUpload, PluginError>;
    /// Stores a manifest under the reference's tag, or under its own digest
    /// when there is none. Every blob it names is there.
    fn put_manifest(
        &self,
        session: &mut dyn RegistrySession,
        reference: &Reference,
        manifest: &ResolvedManifest,
    ) -> Result<(), PluginError>;
}

/// An entry of a list of referrers (OCI distribution-spec, "Listing Referrers").
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Referrer {
    /// The referring manifest.
    pub digest: Digest,
    /// Its bytes.
    pub size: u64,
    /// Its media type.
    pub media_type: String,
    /// What it is.
    pub artifact_type: String,
    /// Names and values.
    pub annotations: Vec<(String, String)>,
}

/// A repository that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundRepository {
    /// Its name.
    pub name: String,
    /// What its owner says of it.
    pub description: String,
    /// How many like it; 0 where nobody counts.
    pub stars: u32,
    /// Whether the registry's owner vouches for it.
    pub is_official: bool,
    /// Whether it is built by a machine.
    pub is_automated: bool,
}

/// A registry plugin that can be asked what there is.
pub trait RegistryCatalog: Send + Sync {
    /// The document that a reference names, whatever it is. Both digests are
    /// the document's.
    fn document(
        &self,
        session: &mut dyn RegistrySession,
        reference: &Reference,
    ) -> Result<ResolvedManifest, PluginError>;
    /// The repository's tags.
    fn tags(
        &self,
        session: &mut dyn RegistrySession,
        reference: &Reference,
    ) -> Result<Vec<String>, PluginError>;
    /// What refers to the reference's digest.
    fn referrers(
        &self,
        session: &mut dyn RegistrySession,
        reference: &Reference,
    ) -> Result<Vec<Referrer>, PluginError>;
    /// At most `limit` repositories of the reference's registry whose name
    /// holds `term`.
    fn search(
        &self,
        session: &mut dyn RegistrySession,
        reference: &Reference,
        term: &str,
        limit: u32,
    ) -> Result<Vec<FoundRepository>, PluginError>;
}

/// What a client sent to log in to one registry.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// The user, or empty with an identity token.
    pub username: String,
    /// The password.
    pub password: String,
    /// An OAuth2 refresh token instead of both.
    pub identity_token: String,
    /// A bearer token that the registry itself takes, instead of all.
    pub registry_token: String,
}

impl std::fmt::Debug for Credentials {
    /// Secrets stay out of logs.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credentials")
            .field("username", &self.username)
            .finish_non_exhaustive()
    }
}

/// Takes a blob's bytes as they come.
pub type BlobSink<'a> = &'a mut dyn FnMut(&[u8]) -> ControlFlow<()>;

/// A registry session that can also bring blobs into the content store.
pub trait FetchSession: RegistrySession + Send {
    /// The same session for another thread: it is logged in where this one is.
    fn share(&self) -> Box<dyn FetchSession>;

    /// Brings a blob, resuming and retrying within bounds, and checks size
    /// and digest. `sink` is given every byte once, in order, those of an earlier
    /// attempt included, before the digest is checked: after an error, what was
    /// made of them is of no use. It says whether to go on; what is here then
    /// waits for the next attempt.
    fn download(
        &mut self,
        location: &BlobLocation,
        blob: &BlobDescriptor,
        sink: BlobSink<'_>,
    ) -> Result<(), crate::error::Failure>;

    /// Sends a blob of the content store to the upload session that
    /// [`RegistrySink::begin_upload`] gave, taking broken transfers up again
    /// within bounds. `progress` is told the bytes sent so far and says whether
    /// to go on.
    fn upload(
        &mut self,
        url: &str,
        headers: &[(String, String)],
        blob: &BlobDescriptor,
        progress: &dyn Fn(u64) -> ControlFlow<()>,
    ) -> Result<(), crate::error::Failure>;
}

/// Where a session's files come from, for sources that are directories or archives.
#[derive(Clone, Debug)]
pub enum SourceDirectory {
    /// None: the source is a network registry.
    None,
    /// Files in memory: relative path and bytes.
    Embedded(&'static [(&'static str, &'static [u8])]),
    /// A directory of this host.
    Host(std::path::PathBuf),
    /// A tar file of this host; its members are the files.
    Archive(std::path::PathBuf),
}

/// Opens sessions. Sessions of the same fetcher share connections.
pub trait Fetcher: Send + Sync {
    /// A session for `reference` with what `source` was granted.
    fn session(
        &self,
        source: &dyn RegistrySource,
        reference: &Reference,
        directory: &SourceDirectory,
        credentials: Option<&Credentials>,
    ) -> Result<Box<dyn FetchSession>, crate::error::Failure>;
}
