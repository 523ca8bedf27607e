//! Downloading a blob into the store, and to an unpacker on the way.

use std::io::{Read, Write};

use bulkhead_model::registry::{BlobDescriptor, BlobLocation};
use bulkhead_store::{BlobWriter, Blobs};
use reqwest::Method;
use reqwest::header::{self, HeaderMap, HeaderValue};

use crate::error::FetchError;
use crate::refusal::Refusal;
use crate::retry::pause;
use crate::send::{Answer, Outgoing, body_within, follow, next_piece};
use crate::session::{Inner, Session, asked_pause, plugin_headers};
use crate::target::Target;

/// What of a refusal's body is read.
const MAX_REFUSAL: u64 = 64 * 1024;

/// Where the bytes go: the store, whoever watches, and the unpacker.
struct Receiver<'a, 's> {
    writer: BlobWriter<'a>,
    progress: &'a dyn Fn(u64),
    sink: Option<&'s mut dyn Write>,
    url: &'a str,
}

/// How an attempt failed, and what the server asked to wait.
pub(crate) struct Failed {
    pub(crate) error: FetchError,
    pub(crate) retry_after: Option<std::time::Duration>,
}

impl From<FetchError> for Failed {
    fn from(error: FetchError) -> Self {
        Self {
            error,
            retry_after: None,
        }
    }
}

impl Session {
    /// Downloads a blob into the store, from where an earlier attempt ended.
    /// Broken transfers are taken up again a bounded number of times.
    ///
    /// `progress` is called with the bytes at hand so far. `sink` is given
    /// every byte once, in order, those of an earlier attempt included, as they
    /// come and so before the digest is verified: when this returns an error,
    /// whatever was made from them must be thrown away.
    pub fn download(
        &self,
        location: &BlobLocation,
        blob: &BlobDescriptor,
        blobs: &Blobs,
        progress: &dyn Fn(u64),
        mut sink: Option<&mut dyn Write>,
    ) -> Result<(), FetchError> {
        let url = match location {
            BlobLocation::Url { url, .. } => url,
            BlobLocation::File { path } => path,
        };
        let replay = &mut |bytes: &[u8]| sink.as_mut().map_or(Ok(()), |sink| sink.write_all(bytes));
        let writer = blobs.writer(blob, replay).map_err(FetchError::Store)?;
        let mut receiver = Receiver {
            writer,
            progress,
            sink,
            url,
        };
        progress(receiver.writer.offset());
        match location {
            BlobLocation::File { path } => self.inner.copy(path, &mut receiver)?,
            BlobLocation::Url { url, headers } => {
                let headers = plugin_headers(url, headers)?;
                let target = Target::parse(url)?;
                let transfer = self.inner.transfer(target, headers, blob, &mut receiver);
                self.inner.fetcher.handle.block_on(transfer)?;
            }
        }
        receiver.writer.commit().map_err(FetchError::Store)
    }
}

impl Inner {
    async fn transfer(
        &self,
        target: Target,
        headers: HeaderMap,
        blob: &BlobDescriptor,
        receiver: &mut Receiver<'_, '_>,
    ) -> Result<(), FetchError> {
        let config = &self.fetcher.config;
        let mut failed = 0;
        while !receiver.writer.is_full() {
            let before = receiver.writer.offset();
            let Err(failure) = self.attempt(&target, &headers, blob, receiver).await else {
                continue;
            };
            // A transfer that moves is not counted: a big blob over a bad line.
            failed = if receiver.writer.offset() > before {
                1
            } else {
                failed + 1
            };
            if failed >= config.attempts || !failure.error.is_transient() {
                return Err(failure.error);
            }
            tracing::debug!(error = %failure.error, url = %target.url, "download interrupted");
            tokio::time::sleep(pause(config, failed, failure.retry_after)).await;
        }
        Ok(())
    }

    async fn attempt(
        &self,
        target: &Target,
        headers: &HeaderMap,
        blob: &BlobDescriptor,
        receiver: &mut Receiver<'_, '_>,
    ) -> Result<(), Failed> {
        let offset = receiver.writer.offset();
        let mut headers = headers.clone();
        if offset > 0 {
            let range = format!("bytes={offset}-");
            headers.insert(
                header::RANGE,
                HeaderValue::from_str(&range).expect("digits are printable"),
            );
        }
        let outgoing = Outgoing::bare(Method::GET, headers);
        let mut answer = follow(self, target.clone(), &outgoing).await?;
        if answer.response.status() == 401 && answer.authorized && self.renew().await? {
            answer = follow(self, target.clone(), &outgoing).await?;
        }
        let skip = match answer.response.status().as_u16() {
            // The server starts over: what is held already was hashed and
            // passed on, and is skipped.
            200 => offset,
            206 => starts_at(&answer, offset)?,
            status => return Err(refused(self, answer, status).await),
        };
        let refuse_longer = answer
            .response
            .content_length()
            .filter(|n| *n > blob.size + skip);
        if refuse_longer.is_some() {
            let (digest, expected) = (blob.digest.clone(), blob.size);
            return Err(FetchError::Store(bulkhead_store::StoreError::TooLong {
                digest,
                expected,
            })
            .into());
        }
        self.receive(answer, skip, receiver)
            .await
            .map_err(Failed::from)
    }

    async fn receive(
        &self,
        answer: Answer,
        mut skip: u64,
        receiver: &mut Receiver<'_, '_>,
    ) -> Result<(), FetchError> {
        let Answer {
            mut response,
            target,
            ..
        } = answer;
        while let Some(piece) = next_piece(self, &target, &mut response).await? {
            let skipped = usize::try_from(skip).unwrap_or(usize::MAX).min(piece.len());
            skip -= skipped as u64;
            receiver.take(&piece[skipped..])?;
        }
        if receiver.writer.is_full() {
            return Ok(());
        }
        // The body ended where it said it would, and that is too early.
        Err(FetchError::Transport {
            method: "Get",
            url: target.url.to_string(),
            reason: format!("unexpected EOF after {} bytes", receiver.writer.offset()),
        })
    }

    fn copy(&self, path: &str, receiver: &mut Receiver<'_, '_>) -> Result<(), FetchError> {
        use std::io::Seek;
        let failed = |source| FetchError::File {
            path: path.to_owned(),
            source,
        };
        let mut file = self.open_file(path)?;
        file.seek(std::io::SeekFrom::Start(receiver.writer.offset()))
            .map_err(failed)?;
        let mut buffer = vec![0; 256 * 1024];
        loop {
            match file.read(&mut buffer).map_err(failed)? {
                0 => return Ok(()),
                n => receiver.take(&buffer[..n])?,
            }
        }
    }
}

impl Receiver<'_, '_> {
    fn take(&mut self, bytes: &[u8]) -> Result<(), FetchError> {
        self.writer.write(bytes).map_err(FetchError::Store)?;
        if let Some(sink) = &mut self.sink {
            let url = self.url.to_owned();
            sink.write_all(bytes)
                .map_err(|source| FetchError::Sink { url, source })?;
        }
        (self.progress)(self.writer.offset());
        Ok(())
    }
}

/// A part must begin where it was asked to (RFC 9110 14.4); what precedes is
/// skipped, a gap is refused.
fn starts_at(answer: &Answer, offset: u64) -> Result<u64, FetchError> {
    let value = answer
        .response
        .headers()
        .get(header::CONTENT_RANGE)
        .and_then(|v| v.to_str().ok());
    let start = value
        .and_then(|v| {
            v.strip_prefix("bytes ")?
                .split_once('-')?
                .0
                .trim()
                .parse::<u64>()
                .ok()
        })
        .filter(|start| *start <= offset);
    start
        .map(|start| offset - start)
        .ok_or_else(|| FetchError::Transport {
            method: "Get",
            url: answer.target.url.to_string(),
            reason: format!(
                "the server sent another range than asked for ({})",
                value.unwrap_or("none")
            ),
        })
}

pub(crate) async fn refused(inner: &Inner, answer: Answer, status: u16) -> Failed {
    let retry_after = asked_pause(&answer.response);
    let Answer {
        response, target, ..
    } = answer;
    let body = body_within(inner, &target, response, MAX_REFUSAL)
        .await
        .unwrap_or_default();
    let error = FetchError::Refused(Refusal::new(target.url.as_str(), status, &body));
    Failed { error, retry_after }
}
