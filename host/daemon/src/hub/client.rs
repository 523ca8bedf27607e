//! One attached connection.

use std::io::ErrorKind;
use std::os::fd::{AsFd, OwnedFd};

use bulkhead_runtime::shim_protocol::{MAX_PAYLOAD, Request};
use bytes::Bytes;
use futures_util::Stream;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt, Interest};
use tokio::net::UnixStream;
use tokio::sync::mpsc;

use super::Wants;

/// A client's two directions.
#[derive(Debug)]
pub struct Client {
    wants: Wants,
    output: mpsc::Receiver<Bytes>,
    requests: mpsc::Sender<Request>,
}

impl Client {
    pub(super) fn new(
        wants: Wants,
        output: mpsc::Receiver<Bytes>,
        requests: mpsc::Sender<Request>,
    ) -> Self {
        Self {
            wants,
            output,
            requests,
        }
    }

    /// Moves bytes both ways until the container's output ends or the client
    /// goes away. A client that closes only its sending side keeps receiving.
    /// `early` is what it sent before the connection was taken over.
    pub async fn serve(self, connection: UnixStream, early: Bytes) {
        let Client {
            wants,
            mut output,
            requests,
        } = self;
        let socket = connection.as_fd().try_clone_to_owned();
        let (reader, mut writer) = connection.into_split();
        let mut input = tokio::spawn(async move {
            forward_input(early.chain(reader), wants, &requests).await;
            hung_up(socket).await;
        });
        loop {
            let piece = tokio::select! {
                piece = output.recv() => piece,
                // Without this the client of a silent container would stay for good.
                _ = &mut input => None,
            };
            let Some(piece) = piece else { break };
            if writer.write_all(&piece).await.is_err() {
                break;
            }
        }
        let _ = writer.shutdown().await;
        input.abort();
    }

    /// The output alone, for connections that were not taken over.
    pub fn into_stream(self) -> impl Stream<Item = Bytes> + Send {
        futures_util::stream::unfold(self.output, |mut output| async move {
            output.recv().await.map(|bytes| (bytes, output))
        })
    }
}

/// Waits until the peer has closed both directions: the kernel then reports
/// EPOLLHUP, and for one direction only EPOLLRDHUP (`unix_poll` in
/// net/unix/af_unix.c). Never returns when it cannot tell.
async fn hung_up(socket: std::io::Result<OwnedFd>) {
    // A descriptor of its own: readiness forgotten here is not the writer's.
    let watched = socket.and_then(|socket| UnixStream::from_std(socket.into()));
    let Ok(watched) = watched else {
        return std::future::pending().await;
    };
    while let Ok(ready) = watched.ready(Interest::WRITABLE).await {
        if ready.is_write_closed() {
            return;
        }
        // Forgets that it is writable, and so waits for the next change.
        let forget = || Err::<(), _>(ErrorKind::WouldBlock.into());
        let _ = watched.try_io(Interest::WRITABLE, forget);
    }
}

async fn forward_input(
    mut reader: impl AsyncRead + Unpin,
    wants: Wants,
    requests: &mpsc::Sender<Request>,
) {
    let mut buffer = vec![0; MAX_PAYLOAD];
    loop {
        match reader.read(&mut buffer).await {
            Ok(0) | Err(_) => break,
            // Without -i what the client sends is read, to notice its end, and dropped.
            Ok(_) if !wants.stdin => {}
            Ok(n) => {
                if requests
                    .send(Request::Stdin(buffer[..n].to_vec()))
                    .await
                    .is_err()
                {
                    return;
                }
            }
        }
    }
    if wants.stdin && wants.close_stdin {
        let _ = requests.send(Request::CloseStdin).await;
    }
}
