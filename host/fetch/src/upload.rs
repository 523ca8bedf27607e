//! Sending a blob to a registry (OCI distribution-spec, "Pushing a blob
//! monolithically" and "in chunks").
//!
//! ```text
//!            small: PUT ?digest= with everything ───────────────▶ 201, there
//! session ──┤
//!            PATCH a chunk ─202─▶ next Location ─▶ … ─▶ PUT ?digest= ─▶ 201
//!                 │ broken                ▲
//!                 └──GET session─▶ Range ─┘
//! ```
//!
//! Credentials go to the registry alone: an upload session on another host,
//! or one that redirects there, is sent the bytes without.

mod feed;

use std::fs::File;
use std::ops::ControlFlow;

use bulkhead_model::registry::BlobDescriptor;
use reqwest::Method;
use reqwest::header::{self, HeaderMap, HeaderValue};

use crate::download::{Failed, refused};
use crate::error::FetchError;
use crate::refusal::Refusal;
use crate::retry::pause;
use crate::send::{Answer, MAX_REDIRECTS, Outgoing, follow, redirect, request};
use crate::session::{Inner, Session, plugin_headers};
use crate::target::Target;

/// A blob up to here is sent in one request.
const MONOLITHIC: u64 = 8 << 20;

/// What is sent, and how far it is.
struct Sending<'a> {
    blob: &'a BlobDescriptor,
    file: &'a File,
    headers: HeaderMap,
    /// Where the session is now: each answer may move it.
    session: Target,
    /// What the registry has of it.
    offset: u64,
    progress: &'a dyn Fn(u64) -> ControlFlow<()>,
}

impl Sending<'_> {
    /// Tells how many bytes the registry has.
    fn told(&self, bytes: u64) -> Result<(), FetchError> {
        match (self.progress)(bytes) {
            ControlFlow::Continue(()) => Ok(()),
            ControlFlow::Break(()) => Err(FetchError::Unwanted {
                url: self.session.url.to_string(),
            }),
        }
    }
}

impl Session {
    /// Sends `blob`, whose bytes are `file`'s, to an upload session. Broken
    /// transfers are taken up again a bounded number of times, from where the
    /// registry says it is. `progress` is told the bytes sent so far and says
    /// whether to go on.
    ///
    /// # Errors
    /// [`FetchError::UploadLost`] when only a new session can help,
    /// [`FetchError::Unwanted`] when `progress` said to stop.
    pub fn upload(
        &self,
        url: &str,
        headers: &[(String, String)],
        blob: &BlobDescriptor,
        file: &File,
        progress: &dyn Fn(u64) -> ControlFlow<()>,
    ) -> Result<(), FetchError> {
        let sending = Sending {
            blob,
            file,
            headers: plugin_headers(url, headers)?,
            session: Target::parse(url)?,
            offset: 0,
            progress,
        };
        let handle = &self.inner.fetcher.handle;
        handle.block_on(self.inner.send_blob(sending))
    }
}

impl Inner {
    async fn send_blob(&self, mut sending: Sending<'_>) -> Result<(), FetchError> {
        let config = &self.fetcher.config;
        let mut failed = 0;
        loop {
            let before = sending.offset;
            let failure = match self.step(&mut sending).await {
                Ok(true) => return Ok(()),
                Ok(false) => continue,
                Err(failure) => failure,
            };
            failed = if sending.offset > before {
                1
            } else {
                failed + 1
            };
            let lost = matches!(failure.error, FetchError::UploadLost { .. });
            if lost || failed >= config.attempts || !failure.error.is_transient() {
                return Err(failure.error);
            }
            let url = &sending.session.url;
            tracing::debug!(error = %failure.error, %url, "upload interrupted");
            tokio::time::sleep(pause(config, failed, failure.retry_after)).await;
            self.find_offset(&mut sending).await?;
        }
    }

    /// One request; whether it was the last.
    async fn step(&self, sending: &mut Sending<'_>) -> Result<bool, Failed> {
        let size = sending.blob.size;
        let left = size - sending.offset;
        if left == 0 || (sending.offset == 0 && size <= MONOLITHIC) {
            let answer = self.put(sending, Method::PUT, left).await?;
            return self.finished(sending, answer).await.map(|()| true);
        }
        let count = left.min(self.fetcher.config.upload_chunk.max(1));
        let answer = self.put(sending, Method::PATCH, count).await?;
        let end = sending.offset + count;
        match answer.response.status().as_u16() {
            201 | 202 | 204 => self.advance(sending, &answer, end).map(|()| false),
            _ => Err(self.not_taken(sending, answer).await),
        }
    }

    /// The answer to a chunk says where the next one goes and what is there.
    fn advance(&self, sending: &mut Sending<'_>, answer: &Answer, end: u64) -> Result<(), Failed> {
        sending.session = moved(answer)?;
        sending.offset = match range_end(answer) {
            Some(there) if there <= end => there,
            Some(there) => {
                let reason = format!("it claims to have {there} bytes of the {end} sent");
                return Err(lost(&sending.session, reason).into());
            }
            None => end,
        };
        Ok(sending.told(sending.offset)?)
    }

    /// Sends `count` bytes from the offset on, following redirects. A 401 is
    /// answered once by a new token.
    async fn put(
        &self,
        sending: &Sending<'_>,
        method: Method,
        count: u64,
    ) -> Result<Answer, FetchError> {
        let answer = self.put_once(sending, &method, count).await?;
        if answer.response.status() == 401 && answer.authorized && self.renew().await? {
            return self.put_once(sending, &method, count).await;
        }
        Ok(answer)
    }

    async fn put_once(
        &self,
        sending: &Sending<'_>,
        method: &Method,
        count: u64,
    ) -> Result<Answer, FetchError> {
        let mut target = sending.session.clone();
        if *method == Method::PUT {
            let digest = sending.blob.digest.as_str();
            target.url.query_pairs_mut().append_pair("digest", digest);
        }
        let headers = body_headers(sending, method, count);
        let mut at_registry = true;
        for _ in 0..=MAX_REDIRECTS {
            at_registry &= self.registry.is_at(&target);
            let authorization = match at_registry {
                true => self.authorization(),
                false => None,
            };
            let authorized = authorization.is_some();
            let request = request(self, method, &target, &headers, authorization).await?;
            let response = self.feed(sending, &target, method, request, count).await?;
            if at_registry {
                self.note_challenge(&response);
            }
            match redirect(method, &response, &target)? {
                Some(next) => target = next,
                None => {
                    return Ok(Answer {
                        response,
                        target,
                        authorized,
                    });
                }
            }
        }
        Err(FetchError::TooManyRedirects {
            method: crate::send::verb(method),
            url: sending.session.url.to_string(),
        })
    }

    /// The registry has closed the session; what it made is to be the blob.
    async fn finished(&self, sending: &Sending<'_>, answer: Answer) -> Result<(), Failed> {
        if !matches!(answer.response.status().as_u16(), 201 | 202 | 204) {
            return Err(self.not_taken(sending, answer).await);
        }
        let said = header_text(&answer, "docker-content-digest");
        match said.filter(|said| *said != sending.blob.digest.as_str()) {
            Some(found) => Err(Failed::from(FetchError::OtherDigest {
                expected: sending.blob.digest.to_string(),
                found: found.chars().take(200).collect(),
            })),
            None => Ok(sending.told(sending.blob.size)?),
        }
    }

    /// Asks the registry what it has (distribution-spec, "Pushing a blob in
    /// chunks": `GET <location>` is answered by 204 and `Range: 0-<end>`).
    async fn find_offset(&self, sending: &mut Sending<'_>) -> Result<(), FetchError> {
        let config = &self.fetcher.config;
        let outgoing = Outgoing::bare(Method::GET, sending.headers.clone());
        let mut failed = 0;
        let answer = loop {
            failed += 1;
            match follow(self, sending.session.clone(), &outgoing).await {
                Ok(answer) if !is_overloaded(&answer) => break answer,
                Ok(_) if failed < config.attempts => {}
                Ok(answer) => break answer,
                Err(error) if failed >= config.attempts || !error.is_transient() => {
                    return Err(error);
                }
                Err(_) => {}
            }
            tokio::time::sleep(pause(config, failed, None)).await;
        };
        if !matches!(answer.response.status().as_u16(), 200 | 202 | 204) {
            let failure = self.not_taken(sending, answer).await;
            return Err(lost(&sending.session, failure.error.to_string()));
        }
        sending.offset = range_end(&answer).unwrap_or(0);
        if answer.response.headers().contains_key(header::LOCATION) {
            sending.session = moved(&answer)?;
        }
        if sending.offset > sending.blob.size {
            let reason = format!("it claims to have {} bytes", sending.offset);
            return Err(lost(&sending.session, reason));
        }
        sending.told(sending.offset)
    }

    /// Why an upload was not taken. A session that is unknown, out of step or
    /// whose content has the wrong digest is of no more use.
    async fn not_taken(&self, sending: &Sending<'_>, answer: Answer) -> Failed {
        let status = answer.response.status().as_u16();
        let failure = refused(self, answer, status).await;
        let useless = match &failure.error {
            FetchError::Refused(Refusal { code, .. }) => {
                matches!(status, 404 | 416)
                    || matches!(code.as_str(), "blob upload unknown" | "blob upload invalid")
                    || (code == "digest invalid" && sending.offset > 0)
            }
            _ => false,
        };
        match useless {
            true => lost(&sending.session, failure.error.to_string()).into(),
            false => failure,
        }
    }
}

fn is_overloaded(answer: &Answer) -> bool {
    matches!(answer.response.status().as_u16(), 429 | 500..=599)
}

fn body_headers(sending: &Sending<'_>, method: &Method, count: u64) -> HeaderMap {
    let mut headers = sending.headers.clone();
    let octets = HeaderValue::from_static("application/octet-stream");
    headers.insert(header::CONTENT_TYPE, octets);
    if *method == Method::PATCH {
        let range = format!("{}-{}", sending.offset, sending.offset + count - 1);
        let range = HeaderValue::from_str(&range).expect("digits are printable");
        headers.insert(header::CONTENT_RANGE, range);
    }
    headers
}

/// Where an answer has moved the session to.
fn moved(answer: &Answer) -> Result<Target, FetchError> {
    match header_text(answer, "location") {
        Some(location) => answer.target.join(location),
        None => Err(lost(
            &answer.target,
            "its answer to a chunk says nothing of where the next one goes (no Location)".into(),
        )),
    }
}

/// How many bytes the registry has: `Range: 0-<end>`. Registries say `0-0`
/// when there are none.
fn range_end(answer: &Answer) -> Option<u64> {
    let range = header_text(answer, "range")?;
    let (_, end) = range.trim_start_matches("bytes=").split_once('-')?;
    match end.trim().parse().ok()? {
        0 => Some(0),
        end => Some(end + 1),
    }
}

fn header_text<'a>(answer: &'a Answer, name: &str) -> Option<&'a str> {
    answer.response.headers().get(name)?.to_str().ok()
}

fn lost(session: &Target, reason: String) -> FetchError {
    FetchError::UploadLost {
        url: session.url.to_string(),
        reason,
    }
}
