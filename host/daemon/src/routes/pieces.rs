//! The bytes of an archive between a thread that blocks and a client.

use std::io::{self, Read, Write};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use tokio::runtime::Handle;
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;

use crate::daemon::Daemon;
use crate::status::ApiError;

/// Where pieces go.
pub(super) type Pieces = mpsc::Sender<io::Result<Bytes>>;

/// Bytes in one piece.
const PIECE: usize = 128 * 1024;
/// Pieces that may wait.
pub(super) const WAITING: usize = 4;
/// Bytes that are read of a body after its archive was refused.
const UNWANTED: usize = 8 << 20;
/// How long the next of them is waited for.
const SILENCE: Duration = Duration::from_secs(2);
/// How long no piece may move while others wait.
const STALL: Duration = Duration::from_secs(10);

/// How long a client is waited for.
#[derive(Clone)]
pub(super) struct Patience {
    /// Where time passes.
    clock: Handle,
    /// How many wait for what the client holds up.
    others: Option<watch::Receiver<usize>>,
}

impl Patience {
    /// As long as it stays connected.
    pub(super) fn endless() -> Self {
        Self {
            clock: Handle::current(),
            others: None,
        }
    }

    /// As long as it stays connected, but not longer than [`STALL`] while
    /// others wait for that container's files.
    pub(super) fn until_others_wait(daemon: &Daemon, container: &str) -> Result<Self, ApiError> {
        let entry = daemon.engine.containers.find(container)?;
        Ok(Self {
            clock: Handle::current(),
            others: Some(entry.waiting_for_root()),
        })
    }

    /// Waits until a piece has moved, on a thread that may block.
    fn wait<T>(&mut self, moved: impl Future<Output = T>) -> io::Result<T> {
        let others = &mut self.others;
        self.clock.block_on(async {
            tokio::select! {
                biased;
                moved = moved => Ok(moved),
                () = stalled(others) => Err(io::Error::new(
                    io::ErrorKind::TimedOut,
                    "the client stalled while others waited for the container's files",
                )),
            }
        })
    }
}

/// Ends when no piece moved for too long.
async fn stalled(others: &mut Option<watch::Receiver<usize>>) {
    tokio::time::sleep(STALL).await;
    let wanted = match others {
        Some(others) => others.wait_for(|waiting| *waiting > 0).await.is_ok(),
        None => false,
    };
    if !wanted {
        // Of a container that is gone nobody will want the files.
        std::future::pending::<()>().await;
    }
}

/// Hands a body on until it ends or nobody takes it any more.
pub(super) async fn forward(mut body: Incoming, pieces: Pieces) {
    loop {
        let frame = tokio::select! {
            biased;
            () = pieces.closed() => return discard(body).await,
            frame = body.frame() => frame,
        };
        let (piece, ended) = match frame {
            Some(Ok(frame)) => (Ok(frame.into_data().unwrap_or_default()), false),
            Some(Err(error)) => (Err(io::Error::other(error)), true),
            // The end, which a request that was given up never has.
            None => (Ok(Bytes::new()), true),
        };
        // An empty piece would be the end.
        if ended || piece.as_ref().is_ok_and(|piece| !piece.is_empty()) {
            let _ = pieces.send(piece).await;
        }
        if ended {
            return;
        }
    }
}

/// Clients read an answer when they have sent what they have: some is taken
/// for that, from those who go on sending.
async fn discard(mut body: Incoming) {
    let mut left = UNWANTED;
    while let Ok(Some(Ok(frame))) = timeout(SILENCE, body.frame()).await {
        let length = frame.data_ref().map_or(0, Bytes::len);
        let Some(less) = left.checked_sub(length) else {
            return;
        };
        left = less;
    }
}

/// The archive's writing side.
pub(super) struct Outgoing {
    pieces: Pieces,
    patience: Patience,
    next: BytesMut,
}

impl Outgoing {
    pub(super) fn new(pieces: Pieces, patience: Patience) -> Self {
        Self {
            pieces,
            patience,
            next: BytesMut::with_capacity(PIECE),
        }
    }
}

impl Write for Outgoing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let n = bytes.len().min(PIECE - self.next.len());
        self.next.extend_from_slice(&bytes[..n]);
        if self.next.len() == PIECE {
            self.flush()?;
        }
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.next.is_empty() {
            return Ok(());
        }
        let piece = std::mem::replace(&mut self.next, BytesMut::with_capacity(PIECE)).freeze();
        let sent = self.patience.wait(self.pieces.send(Ok(piece)))?;
        sent.map_err(|_| io::ErrorKind::BrokenPipe.into())
    }
}

/// The body of a request as it comes in; an empty piece is its end.
pub(super) struct Incomings {
    pieces: mpsc::Receiver<io::Result<Bytes>>,
    patience: Patience,
    current: Bytes,
    ended: bool,
}

impl Incomings {
    pub(super) fn new(pieces: mpsc::Receiver<io::Result<Bytes>>, patience: Patience) -> Self {
        Self {
            pieces,
            patience,
            current: Bytes::new(),
            ended: false,
        }
    }
}

impl Read for Incomings {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.current.is_empty() && !self.ended {
            let piece = self.patience.wait(self.pieces.recv())?;
            self.current = piece.unwrap_or_else(|| Err(io::ErrorKind::UnexpectedEof.into()))?;
            self.ended = self.current.is_empty();
        }
        let n = buffer.len().min(self.current.len());
        buffer[..n].copy_from_slice(&self.current.split_to(n));
        Ok(n)
    }
}
