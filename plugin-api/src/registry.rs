//! World `registry`: find an image's manifest and say where its blobs are.
//! The host sends requests, attaches credentials and brings blobs.

use std::fmt;
use std::str::FromStr;

use crate::{Digest, Error, Result};

mod export;
mod reference;
pub use export::Export;
pub use reference::Reference;

/// An operating system and processor in Go's names, such as `linux/arm64/v8`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Platform {
    /// `linux`
    pub os: String,
    /// `amd64`, `arm64`, …
    pub architecture: String,
    /// `v7`, `v8`, …
    pub variant: Option<String>,
}

impl FromStr for Platform {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let parts: Vec<&str> = text.split('/').collect();
        if !(2..=3).contains(&parts.len()) || parts.contains(&"") {
            return Err(Error::invalid(format!("{text:?} is not a platform")));
        }
        Ok(Self {
            os: parts[0].to_owned(),
            architecture: parts[1].to_owned(),
            variant: parts.get(2).map(|variant| (*variant).to_owned()),
        })
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.os, self.architecture)?;
        self.variant
            .iter()
            .try_for_each(|variant| write!(f, "/{variant}"))
    }
}

/// A manifest the plugin chose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    /// The digest of `bytes`; the host checks it.
    pub digest: Digest,
    /// The media type.
    pub media_type: String,
    /// The bytes, unchanged.
    pub bytes: Vec<u8>,
    /// What the user's reference named: the index's digest when the plugin
    /// chose from one, else equal to `digest`.
    pub reference_digest: Digest,
}

/// A blob to bring.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blob {
    /// What its bytes hash to.
    pub digest: Digest,
    /// What its bytes count.
    pub size: u64,
    /// The media type.
    pub media_type: String,
}

/// Where the host finds a blob's bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Location {
    /// At a URL.
    Url {
        /// The address.
        url: String,
        /// Headers to add.
        headers: Vec<(String, String)>,
    },
    /// In a file of the source's own directory, by relative path.
    File(String),
}

/// What is asked of a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// `GET`
    Get,
    /// `HEAD`
    Head,
    /// `POST`
    Post,
    /// `PUT`
    Put,
    /// `DELETE`
    Delete,
}

impl Method {
    /// The word of the protocol.
    pub fn as_str(self) -> &'static str {
        match self {
            Method::Get => "GET",
            Method::Head => "HEAD",
            Method::Post => "POST",
            Method::Put => "PUT",
            Method::Delete => "DELETE",
        }
    }
}

/// An HTTP authentication scheme the host can answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// The distribution project's token service.
    Bearer,
    /// RFC 7617.
    Basic,
}

impl Scheme {
    /// The word the contract uses.
    pub fn as_str(self) -> &'static str {
        match self {
            Scheme::Bearer => "bearer",
            Scheme::Basic => "basic",
        }
    }
}

/// An answer; the host refuses bodies of more than 4 MiB.
pub trait Response {
    /// HTTP status.
    fn status(&self) -> u16;
    /// A header's value by name, in any case.
    fn header(&self, name: &str) -> Option<String>;
    /// The body, whole.
    fn body(&self) -> Vec<u8>;
}

/// What the host does for a registry plugin while it is called.
pub trait Session {
    /// An answer of this host.
    type Response: Response;

    /// Asks for a small document.
    ///
    /// # Errors
    /// `denied` names a host the plugin was not granted; `unavailable`,
    /// `timeout` when there was no answer; `exhausted` when it was too long.
    fn request(
        &self,
        method: Method,
        url: &str,
        headers: &[(&str, &str)],
    ) -> Result<Self::Response>;
    /// Sends a small document, at most 4 MiB, by [`Method::Post`],
    /// [`Method::Put`] or [`Method::Delete`]. Needs the grant "push".
    ///
    /// # Errors
    /// As [`request`](Self::request); `denied` without the grant.
    fn send(
        &self,
        method: Method,
        url: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Result<Self::Response>;
    /// Answers a challenge of `registry` (host or host:port) with the user's
    /// login, which stays in the host; later requests carry the result.
    ///
    /// # Errors
    /// `unauthorized` when there is no login or the token service refused it.
    fn authenticate(
        &self,
        registry: &str,
        scheme: Scheme,
        params: &[(String, String)],
    ) -> Result<()>;
    /// A small file of the source's own directory, or a member of its archive,
    /// by relative path.
    ///
    /// # Errors
    /// `not-found`; `denied` without the grant; `exhausted` when it is too long.
    fn read_file(&self, path: &str) -> Result<Vec<u8>>;
    /// How many bytes a member of the source's archive has.
    ///
    /// # Errors
    /// `not-found`; `denied` without the grant; `unsupported` when the source
    /// is no archive.
    fn file_size(&self, path: &str) -> Result<u64>;
    /// The digest of such a member; the host computes it.
    ///
    /// # Errors
    /// As [`file_size`](Self::file_size).
    fn file_digest(&self, path: &str) -> Result<Digest>;
    /// How such a member is compressed: "none", "gzip", "zstd", "bzip2", "xz"
    /// or what a later host knows.
    ///
    /// # Errors
    /// As [`file_size`](Self::file_size).
    fn file_compression(&self, path: &str) -> Result<String>;
    /// Whether plain HTTP may be used for this registry.
    fn allows_http(&self, registry: &str) -> bool;
}

/// A source of images.
pub trait RegistrySource {
    /// What the source declares. "directory": it reads a directory of this
    /// host; "archive": a tar file.
    const FEATURES: &'static [&'static str] = &[];

    /// Finds and brings the manifest for a platform.
    fn resolve<S: Session>(
        session: &S,
        reference: &Reference,
        platform: &Platform,
    ) -> Result<Manifest>;
    /// Says where a blob is; the host brings it and checks size and digest.
    fn locate<S: Session>(session: &S, reference: &Reference, blob: &Blob) -> Result<Location>;
}

/// What is to be done about a blob that is pushed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Upload {
    /// Nothing: the repository has it.
    Present,
    /// Nothing: the registry took it over from this repository.
    Mounted(String),
    /// The host sends it to an upload session.
    Session {
        /// The address.
        url: String,
        /// Headers to add.
        headers: Vec<(String, String)>,
    },
}

/// A source that can be pushed to. Its features name "push".
pub trait RegistrySink: RegistrySource {
    /// Finds out whether a blob is there, has it taken over from one of the
    /// candidates (repositories of the same registry), or opens an upload session.
    fn begin_upload<S: Session>(
        session: &S,
        reference: &Reference,
        blob: &Blob,
        mount_candidates: &[String],
    ) -> Result<Upload>;
    /// Stores a manifest under the reference's tag, or under its own digest
    /// when there is none, and gives its digest.
    fn put_manifest<S: Session>(
        session: &S,
        reference: &Reference,
        manifest: &Manifest,
    ) -> Result<Digest>;
}

/// An entry of a list of referrers.
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
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
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

/// A source that can be asked what there is. Its features name "catalog".
pub trait RegistryCatalog: RegistrySource {
    /// The document that a reference names, whatever it is.
    fn document<S: Session>(session: &S, reference: &Reference) -> Result<Manifest>;
    /// The repository's tags.
    fn tags<S: Session>(session: &S, reference: &Reference) -> Result<Vec<String>>;
    /// What refers to the reference's digest.
    fn referrers<S: Session>(session: &S, reference: &Reference) -> Result<Vec<Referrer>>;
    /// At most `limit` repositories whose name holds `term`.
    fn search<S: Session>(
        session: &S,
        registry: &str,
        term: &str,
        limit: u32,
    ) -> Result<Vec<Found>>;
}

/// Makes a [`RegistrySource`] the component's export; with `, push, catalog` also
/// a [`RegistrySink`] and a [`RegistryCatalog`].
#[macro_export]
macro_rules! export_registry {
    ($source:ty, push, catalog) => {
        $crate::export_registry!($source);
        #[cfg(target_arch = "wasm32")]
        const _: () = {
            type Component = $crate::registry::Export<$source>;
            $crate::bindings::registry_push::__export_registry_push_world!(Component with_types_in $crate::bindings::registry_push);
            $crate::bindings::registry_browse::__export_registry_browse_world!(Component with_types_in $crate::bindings::registry_browse);
        };
        #[cfg(not(target_arch = "wasm32"))]
        const _: () = {
            const fn implements<T: $crate::registry::RegistrySink + $crate::registry::RegistryCatalog>() {}
            implements::<$source>()
        };
    };
    ($source:ty) => {
        // The ABI's names, such as `world#function`, are none that a native linker takes.
        #[cfg(target_arch = "wasm32")]
        const _: () = {
            type Component = $crate::registry::Export<$source>;
            $crate::bindings::registry::__export_registry_world!(Component with_types_in $crate::bindings::registry);
        };
        #[cfg(not(target_arch = "wasm32"))]
        const _: () = {
            const fn implements<T: $crate::registry::RegistrySource>() {}
            implements::<$source>()
        };
    };
}
