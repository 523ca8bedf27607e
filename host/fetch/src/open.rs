//! A URL that a user gave, as a stream: what `import` reads.

use std::io::{self, Read};
use std::sync::Arc;

use bytes::{Buf, Bytes};
use reqwest::header::HeaderMap;
use reqwest::{Method, Response};

use crate::client::Fetcher;
use crate::error::FetchError;
use crate::send::{Answer, Outgoing, follow, next_piece};
use crate::session::{Session, SessionRequest};
use crate::target::Target;

/// The body behind a URL, read as it comes.
#[derive(Debug)]
pub struct Opened {
    session: Session,
    target: Target,
    response: Response,
    piece: Bytes,
}

impl Fetcher {
    /// Asks for a URL. No credentials go along, plain HTTP is taken because
    /// the user wrote it, and a public server cannot redirect to a private one.
    pub fn open(self: &Arc<Self>, url: &str) -> Result<Opened, FetchError> {
        let target = Target::parse(url)?;
        let request = SessionRequest {
            registry: target.authority(),
            granted_hosts: vec!["*".to_owned()],
            credentials: None,
            directory: None,
        };
        let session = Session::of_user(Arc::clone(self), request, target.is_plain());
        let outgoing = Outgoing::bare(Method::GET, HeaderMap::new());
        let answer = follow(&session.inner, target, &outgoing);
        let Answer {
            response, target, ..
        } = self.handle.block_on(answer)?;
        if !response.status().is_success() {
            return Err(FetchError::Transport {
                method: "Get",
                url: target.url.to_string(),
                reason: format!("the server answered {}", response.status()),
            });
        }
        Ok(Opened {
            session,
            target,
            response,
            piece: Bytes::new(),
        })
    }
}

impl Read for Opened {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let inner = &self.session.inner;
        while self.piece.is_empty() {
            let next = next_piece(inner, &self.target, &mut self.response);
            match inner.fetcher.handle.block_on(next) {
                Ok(Some(piece)) => self.piece = Bytes::copy_from_slice(&piece),
                Ok(None) => return Ok(0),
                Err(error) => return Err(io::Error::other(error)),
            }
        }
        let n = buffer.len().min(self.piece.len());
        self.piece.copy_to_slice(&mut buffer[..n]);
        Ok(n)
    }
}
