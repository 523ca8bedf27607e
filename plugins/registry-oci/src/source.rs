//! The protocol (OCI distribution-spec, "Pull"), with the token dance of the
//! distribution project.

use bulkhead_plugin_api::oci::{Fetched, media_type, resolve};
use bulkhead_plugin_api::registry::{
    Blob, Location, Manifest, Method, Platform, Reference, RegistrySource, Response, Scheme,
    Session,
};
use bulkhead_plugin_api::{Digest, Error, Result};

use crate::{challenge, endpoint, failure};

/// The source.
pub(crate) struct Distribution;

impl RegistrySource for Distribution {
    fn resolve<S: Session>(
        session: &S,
        reference: &Reference,
        platform: &Platform,
    ) -> Result<Manifest> {
        let repository = Repository {
            session,
            reference,
            base: endpoint::base(session, &reference.domain)?,
        };
        let named = repository.manifest(reference.tag_or_digest())?;
        resolve(named, platform, |entry| {
            repository.manifest(entry.digest.as_str())
        })
    }

    fn locate<S: Session>(session: &S, reference: &Reference, blob: &Blob) -> Result<Location> {
        let base = endpoint::base(session, &reference.domain)?;
        let url = format!("{base}/v2/{}/blobs/{}", reference.path, blob.digest);
        Ok(Location::Url {
            url,
            headers: Vec::new(),
        })
    }
}

struct Repository<'a, S> {
    session: &'a S,
    reference: &'a Reference,
    base: String,
}

impl<S: Session> Repository<'_, S> {
    /// Brings a manifest by tag or digest, and checks the digest.
    fn manifest(&self, tag_or_digest: &str) -> Result<Fetched> {
        let url = format!(
            "{}/v2/{}/manifests/{tag_or_digest}",
            self.base, self.reference.path
        );
        let mut answer = self.get(&url)?;
        if answer.status() == 401 && self.login(&answer)? {
            answer = self.get(&url)?;
        }
        if answer.status() != 200 {
            return Err(failure::of(&answer, &url, self.reference));
        }
        let bytes = answer.body();
        let promised = answer.header("docker-content-digest");
        verify(tag_or_digest, &bytes)?;
        promised.map_or(Ok(()), |promised| verify(&promised, &bytes))?;
        Ok(Fetched {
            bytes,
            media_type: answer.header("content-type").unwrap_or_default(),
        })
    }

    fn get(&self, url: &str) -> Result<S::Response> {
        self.session
            .request(Method::Get, url, &[("Accept", media_type::ACCEPT)])
    }

    /// Answers the best challenge; `false` when there is none we know.
    fn login(&self, answer: &S::Response) -> Result<bool> {
        let header = answer.header("www-authenticate").unwrap_or_default();
        let challenges = challenge::parse(&header);
        // A token is good for one repository; a password opens everything.
        for scheme in [Scheme::Bearer, Scheme::Basic] {
            if let Some(challenge) = challenges
                .iter()
                .find(|challenge| challenge.scheme == scheme.as_str())
            {
                let registry = endpoint::registry(&self.reference.domain);
                self.session
                    .authenticate(registry, scheme, &self.params(challenge, scheme))?;
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The challenge's parameters; a scope where the registry left it out.
    fn params(&self, challenge: &challenge::Challenge, scheme: Scheme) -> Vec<(String, String)> {
        let known =
            |(name, _): &&(String, String)| matches!(name.as_str(), "realm" | "service" | "scope");
        let mut params: Vec<_> = challenge.params.iter().filter(known).cloned().collect();
        if scheme == Scheme::Bearer && challenge.param("scope").is_none() {
            params.push((
                "scope".to_owned(),
                format!("repository:{}:pull", self.reference.path),
            ));
        }
        params
    }
}

/// A tag, or a digest of another algorithm, promises nothing.
fn verify(promised: &str, bytes: &[u8]) -> Result<()> {
    match promised.parse::<Digest>() {
        Ok(promised) if promised != Digest::of(bytes) => Err(Error::invalid(format!(
            "manifest verification failed for digest {promised}"
        ))),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
