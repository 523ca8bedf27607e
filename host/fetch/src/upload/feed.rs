//! The body of a request, read by the thread that waits for its answer: a
//! slow disk holds up nobody else, a slow network holds up the reading.

use std::os::unix::fs::FileExt;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use reqwest::{Method, RequestBuilder, Response};
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::Sending;
use crate::error::FetchError;
use crate::send::{explain, stalled, verb};
use crate::session::Inner;
use crate::target::Target;

/// Bytes read at a time, and how many such pieces wait.
const PIECE: u64 = 256 * 1024;
const PIECES: usize = 8;
/// How long a registry that takes nothing is waited for before it is asked
/// whether anybody still wants that.
const ASKED_EVERY: Duration = Duration::from_millis(200);

/// Pieces of a known total. Fewer than that break the request off.
struct Pieces {
    receive: mpsc::Receiver<Bytes>,
    left: u64,
}

impl Body for Pieces {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        self.receive.poll_recv(context).map(|piece| {
            let piece = piece?;
            self.left = self.left.saturating_sub(piece.len() as u64);
            Some(Ok(Frame::data(piece)))
        })
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

impl Inner {
    /// Sends `count` bytes of the blob from the offset on with `request`, and
    /// waits for the head of the answer, which may come before all is sent.
    pub(super) async fn feed(
        &self,
        sending: &Sending<'_>,
        target: &Target,
        method: &Method,
        request: RequestBuilder,
        count: u64,
    ) -> Result<Response, FetchError> {
        let config = &self.fetcher.config;
        let (send, receive) = mpsc::channel(PIECES);
        let pieces = Pieces {
            receive,
            left: count,
        };
        let mut answer = pin!(request.body(reqwest::Body::wrap(pieces)).send());
        let said = |answer: Result<Response, reqwest::Error>| {
            answer.map_err(|error| explain(verb(method), target, &error))
        };
        let stalled = || stalled(self, verb(method), target);
        let mut at = 0;
        while at < count {
            let piece = read(sending, sending.offset + at, PIECE.min(count - at))?;
            let length = piece.len() as u64;
            let patience = config.stall_timeout + config.connect_timeout;
            let step = async {
                tokio::select! {
                    biased;
                    answered = &mut answer => Step::Answered(answered),
                    taken = timeout(patience, send.send(piece)) => match taken {
                        Ok(Ok(())) => Step::Taken,
                        Ok(Err(_)) => Step::Closed,
                        Err(_) => Step::Stalled,
                    },
                }
            };
            match wanted(sending, sending.offset + at, step).await? {
                Step::Answered(answered) => return said(answered),
                Step::Taken => {}
                // The connection is gone; the answer says why.
                Step::Closed => break,
                Step::Stalled => return Err(stalled()),
            }
            at += length;
            sending.told(sending.offset + at)?;
        }
        drop(send);
        let patience = config.connect_timeout + config.stall_timeout;
        match wanted(sending, sending.offset + at, timeout(patience, answer)).await? {
            Ok(answered) => said(answered),
            Err(_) => Err(stalled()),
        }
    }
}

/// How a piece was handed over.
enum Step {
    Taken,
    Answered(Result<Response, reqwest::Error>),
    Closed,
    Stalled,
}

/// Waits, and asks now and then whether anybody wants it.
async fn wanted<T>(
    sending: &Sending<'_>,
    bytes: u64,
    what: impl Future<Output = T>,
) -> Result<T, FetchError> {
    let mut what = pin!(what);
    loop {
        match timeout(ASKED_EVERY, &mut what).await {
            Ok(done) => return Ok(done),
            Err(_) => sending.told(bytes)?,
        }
    }
}

fn read(sending: &Sending<'_>, at: u64, count: u64) -> Result<Bytes, FetchError> {
    let mut piece = vec![0; usize::try_from(count).expect("a piece is small")];
    sending
        .file
        .read_exact_at(&mut piece, at)
        .map_err(|source| FetchError::File {
            path: sending.blob.digest.to_string(),
            source,
        })?;
    Ok(piece.into())
}
