//! A call whose body is made while it is sent.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::{Body, Frame, Incoming};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::sync::mpsc;

use super::{Call, Client, daemon_error};
use crate::error::Result;

/// What sends the pieces of a body; the body ends when it is dropped, and
/// breaks off at an error.
pub(crate) type Pieces = mpsc::Sender<std::io::Result<Bytes>>;

/// Bytes read at once.
const PIECE: usize = 128 * 1024;

/// The pieces of what `reader` reads, on a thread of its own.
pub(crate) fn pieces_of(
    mut reader: impl std::io::Read + Send + 'static,
) -> mpsc::Receiver<std::io::Result<Bytes>> {
    let (send, receive) = mpsc::channel(4);
    tokio::task::spawn_blocking(move || {
        loop {
            let mut piece = vec![0; PIECE];
            let read = reader.read(&mut piece).map(|n| {
                piece.truncate(n);
                Bytes::from(piece)
            });
            let (ended, failed) = (read.as_ref().is_ok_and(Bytes::is_empty), read.is_err());
            // Nobody takes it any more when the daemon has refused it.
            if ended || send.blocking_send(read).is_err() || failed {
                return;
            }
        }
    });
    receive
}

struct Upload(mpsc::Receiver<std::io::Result<Bytes>>);

impl Body for Upload {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<std::io::Result<Frame<Bytes>>>> {
        self.0
            .poll_recv(context)
            .map(|piece| piece.map(|piece| piece.map(Frame::data)))
    }
}

impl Client {
    /// Makes a call with the body that comes out of `pieces`.
    pub(crate) async fn upload(
        &self,
        call: &Call,
        pieces: mpsc::Receiver<std::io::Result<Bytes>>,
    ) -> Result<()> {
        self.upload_and_stream(call, pieces).await.map(drop)
    }

    /// The same, and gives the answer while it is still being sent.
    pub(crate) async fn upload_and_stream(
        &self,
        call: &Call,
        pieces: mpsc::Receiver<std::io::Result<Bytes>>,
    ) -> Result<Incoming> {
        let stream = self.connect().await?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        let (parts, _) = call.request(self.version()).into_parts();
        let request = hyper::Request::from_parts(parts, Upload(pieces));
        let response = sender.send_request(request).await?;
        if response.status().is_success() {
            return Ok(response.into_body());
        }
        let status = response.status().as_u16();
        Err(daemon_error(
            status,
            &response.into_body().collect().await?.to_bytes(),
        ))
    }
}
