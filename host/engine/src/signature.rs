//! Which images must be signed, and whether they are. Everything is checked
//! here and offline; the registry only brings the documents.
//!
//! ```text
//! image's digest ─▶ referrers, or the tag sha256-<hex>.sig ─▶ manifests
//!   each layer of type simplesigning: payload ─┬ signature verifies with a key of the rule
//!                                              └ names the image's digest  ─▶ may be pulled
//! ```
//!
//! The form is cosign's: a layer with the payload
//! (github.com/containers/image, `docs/containers-signature.5.md`, "simple
//! signing") and the signature in its annotation.

mod key;
mod payload;
mod policy;

use bulkhead_model::plugin::PluginFailure;
use bulkhead_model::registry::{
    BlobDescriptor, FetchSession, RegistryCatalog, RegistrySource, ResolvedManifest,
};
use bulkhead_model::{Digest, PluginError, Reference};
use bulkhead_store::manifest;

use crate::Engine;
use crate::catalog::catalog_of;
use crate::error::EngineError;

pub use key::{InvalidKey, Key};
pub use policy::{Policy, Rule};

/// Documents that are looked at for one image.
const MAX_DOCUMENTS: usize = 64;
/// Bytes of a payload; real ones have a few hundred.
const MAX_PAYLOAD: u64 = 64 * 1024;

/// Why an image is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unsigned {
    /// Nothing is attached.
    #[error("no signature is attached to {0}")]
    Missing(Digest),
    /// None verifies: other keys made them, or what they sign was changed.
    #[error(
        "none of the {found} signatures attached to {digest} is by a key of the rule for {scope}"
    )]
    WrongKey {
        /// The image.
        digest: Digest,
        /// How many signatures there were.
        found: usize,
        /// The rule.
        scope: String,
    },
    /// A key of the rule signed another image.
    #[error("the signature attached to {digest} is for {signed}")]
    OtherDigest {
        /// The image.
        digest: Digest,
        /// What was signed.
        signed: String,
    },
}

/// A payload and a signature of it.
struct Signed {
    payload: Vec<u8>,
    signature: Vec<u8>,
}

impl Engine {
    /// Checks that an image from a registry is signed as the policy asks.
    /// Either the digest that was named (an index's, perhaps) or the image's
    /// own may be what was signed.
    pub(crate) fn check_signature(
        &self,
        source: &dyn RegistrySource,
        session: &mut dyn FetchSession,
        asked: &Reference,
        at: &Reference,
        digests: [&Digest; 2],
    ) -> Result<(), EngineError> {
        let policy = self.signature_policy();
        let Some(rule) = policy
            .rule_for(asked)
            .filter(|rule| !rule.accepts_unsigned())
        else {
            return Ok(());
        };
        let catalog = catalog_of(source)?;
        let mut reason = None;
        let [named, own] = digests;
        for digest in [Some(named), Some(own).filter(|own| *own != named)] {
            let Some(digest) = digest else { continue };
            let mut finder = Finder {
                engine: self,
                source,
                catalog,
                session: &mut *session,
                at,
            };
            let signed = finder.signatures_of(digest)?;
            match judge(rule, digest, &signed) {
                Ok(()) => return Ok(()),
                // What is said of the digest that was named is said, unless
                // there was nothing to say.
                Err(Unsigned::Missing(_)) if reason.is_some() => {}
                Err(other) => reason = Some(other),
            }
        }
        Err(EngineError::Unsigned {
            image: asked.familiar(),
            reason: reason.unwrap_or_else(|| Unsigned::Missing(named.clone())),
        })
    }
}

/// Whether one of the signatures is by a key of the rule, and for this image.
fn judge(rule: &Rule, digest: &Digest, signed: &[Signed]) -> Result<(), Unsigned> {
    if signed.is_empty() {
        return Err(Unsigned::Missing(digest.clone()));
    }
    let by_the_rule = |one: &&Signed| rule.verifies(&one.payload, &one.signature);
    let mut other = None;
    for one in signed.iter().filter(by_the_rule) {
        match payload::signed_digest(&one.payload) {
            Some(text) if text == digest.as_str() => return Ok(()),
            text => other = Some(text.unwrap_or_else(|| "something else".to_owned())),
        }
    }
    Err(match other {
        Some(signed) => Unsigned::OtherDigest {
            digest: digest.clone(),
            signed,
        },
        None => Unsigned::WrongKey {
            digest: digest.clone(),
            found: signed.len(),
            scope: rule.scope().to_owned(),
        },
    })
}

struct Finder<'a> {
    engine: &'a Engine,
    source: &'a dyn RegistrySource,
    catalog: &'a dyn RegistryCatalog,
    session: &'a mut dyn FetchSession,
    at: &'a Reference,
}

impl Finder<'_> {
    fn signatures_of(&mut self, digest: &Digest) -> Result<Vec<Signed>, EngineError> {
        let subject = self.reference(None, Some(digest.clone()));
        let referrers = self.catalog.referrers(self.session, &subject)?;
        let attached = referrers
            .into_iter()
            .map(|referrer| self.reference(None, Some(referrer.digest)));
        let mut places: Vec<Reference> = attached.take(MAX_DOCUMENTS).collect();
        // Where cosign puts signatures by default.
        places.push(self.reference(Some(format!("sha256-{}.sig", digest.hex())), None));
        let mut signed = Vec::new();
        for place in places {
            let document = match self.catalog.document(self.session, &place) {
                Err(error) if is_missing(&error) => continue,
                document => document?,
            };
            self.read(&place, &document, &mut signed)?;
        }
        Ok(signed)
    }

    fn reference(&self, tag: Option<String>, digest: Option<Digest>) -> Reference {
        Reference {
            tag,
            digest,
            ..self.at.clone()
        }
    }

    fn read(
        &mut self,
        place: &Reference,
        document: &ResolvedManifest,
        signed: &mut Vec<Signed>,
    ) -> Result<(), EngineError> {
        manifest::check_digest("manifest", &document.digest, &document.bytes)?;
        if place.digest.as_ref().is_some_and(|d| *d != document.digest) {
            return Ok(());
        }
        for part in payload::parts(&document.bytes) {
            if signed.len() >= MAX_DOCUMENTS || part.blob.size > MAX_PAYLOAD {
                continue;
            }
            signed.push(Signed {
                payload: self.bring(&part.blob)?,
                signature: part.signature,
            });
        }
        Ok(())
    }

    /// A payload's bytes; they are not kept.
    fn bring(&mut self, blob: &BlobDescriptor) -> Result<Vec<u8>, EngineError> {
        let blobs = self.engine.store.blobs();
        let held = blobs.hold(&blob.digest);
        if !blobs.has(&blob.digest)? {
            let location = self
                .source
                .locate(self.session, self.at, blob)
                .map_err(EngineError::of_registry)?;
            self.session.download(
                &location,
                blob,
                &mut |_| std::ops::ControlFlow::Continue(()),
            )?;
        }
        let bytes = blobs.read(&blob.digest, MAX_PAYLOAD)?;
        drop(held);
        blobs.discard(std::slice::from_ref(&blob.digest))?;
        Ok(bytes)
    }
}

fn is_missing(error: &PluginError) -> bool {
    matches!(&error.cause, PluginFailure::Refused { code, .. } if code == "not-found")
}

#[cfg(test)]
mod tests;
