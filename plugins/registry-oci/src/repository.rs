//! One repository: requests, with the token dance of the distribution project.

use bulkhead_plugin_api::oci::{Fetched, media_type};
use bulkhead_plugin_api::registry::{Method, Reference, Response, Scheme, Session};
use bulkhead_plugin_api::{Digest, Error, Result};

use crate::{challenge, endpoint, failure};

/// Pages of a list that are followed.
const MAX_PAGES: usize = 100;

pub(crate) struct Repository<'a, S> {
    pub(crate) session: &'a S,
    pub(crate) reference: &'a Reference,
    base: String,
    /// What a token must be good for, when it is more than a challenge asks.
    scopes: Vec<String>,
}

impl<'a, S: Session> Repository<'a, S> {
    /// The repository to read from.
    pub(crate) fn new(session: &'a S, reference: &'a Reference) -> Result<Self> {
        Ok(Self {
            session,
            reference,
            base: endpoint::base(session, &reference.domain)?,
            scopes: Vec::new(),
        })
    }

    /// The repository to write to, perhaps taking blobs over from others.
    pub(crate) fn to_push(
        session: &'a S,
        reference: &'a Reference,
        others: &[String],
    ) -> Result<Self> {
        let own = format!("repository:{}:pull,push", reference.path);
        let others = others.iter().map(|path| format!("repository:{path}:pull"));
        Ok(Self {
            scopes: std::iter::once(own).chain(others).collect(),
            ..Self::new(session, reference)?
        })
    }

    /// `<base>/v2/<repository>/<rest>`
    pub(crate) fn url(&self, rest: &str) -> String {
        format!("{}/v2/{}/{rest}", self.base, self.reference.path)
    }

    /// What a `Location` or `Link` header of this registry leads to.
    pub(crate) fn absolute(&self, location: &str) -> String {
        match location {
            url if url.contains("://") => url.to_owned(),
            path if path.starts_with('/') => format!("{}{path}", self.base),
            name => self.url(&format!("blobs/uploads/{name}")),
        }
    }

    /// Brings a manifest by tag or digest, and checks the digest.
    pub(crate) fn manifest(&self, tag_or_digest: &str) -> Result<Fetched> {
        let url = self.url(&format!("manifests/{tag_or_digest}"));
        let answer = self.get(&url, media_type::ACCEPT)?;
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

    /// Asks for a document, and once more after a challenge.
    pub(crate) fn get(&self, url: &str, accept: &str) -> Result<S::Response> {
        self.twice(|| {
            self.session
                .request(Method::Get, url, &[("Accept", accept)])
        })
    }

    /// The same for a document's head.
    pub(crate) fn head(&self, url: &str) -> Result<S::Response> {
        self.twice(|| self.session.request(Method::Head, url, &[]))
    }

    /// Sends a document, and once more after a challenge.
    pub(crate) fn send(
        &self,
        method: Method,
        url: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Result<S::Response> {
        self.twice(|| self.session.send(method, url, headers, body))
    }

    /// Every page of a list, from `path` on (distribution-spec, "Listing Tags":
    /// `Link: </v2/…>; rel="next"`). `take` is given each answer of status 200
    /// and says whether it has enough.
    ///
    /// # Errors
    /// What `take` and the session return; an answer other than 200 is the end,
    /// and given back.
    pub(crate) fn pages(
        &self,
        path: &str,
        accept: &str,
        mut take: impl FnMut(&S::Response) -> Result<bool>,
    ) -> Result<Option<S::Response>> {
        let mut url = self.absolute(path);
        for _ in 0..MAX_PAGES {
            let answer = self.get(&url, accept)?;
            if answer.status() != 200 {
                return Ok(Some(answer));
            }
            let next = answer.header("link").and_then(|link| next_of(&link));
            match next {
                Some(next) if !take(&answer)? => url = self.absolute(&next),
                Some(_) => return Ok(None),
                None => return take(&answer).map(|_| None),
            }
        }
        Ok(None)
    }

    fn twice(&self, ask: impl Fn() -> Result<S::Response>) -> Result<S::Response> {
        let answer = ask()?;
        match answer.status() == 401 && self.login(&answer)? {
            true => ask(),
            false => Ok(answer),
        }
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

    /// The challenge's parameters; a scope where the registry left it out, or
    /// asked for less than what will be needed.
    fn params(&self, challenge: &challenge::Challenge, scheme: Scheme) -> Vec<(String, String)> {
        let wanted = !self.scopes.is_empty();
        let known = |(name, _): &&(String, String)| match name.as_str() {
            "realm" | "service" => true,
            "scope" => !wanted,
            _ => false,
        };
        let mut params: Vec<_> = challenge.params.iter().filter(known).cloned().collect();
        if scheme == Scheme::Bearer && wanted {
            let scopes = self.scopes.iter();
            params.extend(scopes.map(|scope| ("scope".to_owned(), scope.clone())));
        } else if scheme == Scheme::Bearer && challenge.param("scope").is_none() {
            params.push((
                "scope".to_owned(),
                format!("repository:{}:pull", self.reference.path),
            ));
        }
        params
    }
}

/// The target of the link with `rel="next"` (RFC 8288).
fn next_of(link: &str) -> Option<String> {
    let (target, rest) = link.trim().strip_prefix('<')?.split_once('>')?;
    rest.contains("next").then(|| target.to_owned())
}

/// A tag, or a digest of another algorithm, promises nothing.
pub(crate) fn verify(promised: &str, bytes: &[u8]) -> Result<()> {
    match promised.parse::<Digest>() {
        Ok(promised) if promised != Digest::of(bytes) => Err(Error::invalid(format!(
            "manifest verification failed for digest {promised}"
        ))),
        _ => Ok(()),
    }
}
