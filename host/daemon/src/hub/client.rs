//! One attached connection.

use bulkhead_runtime::shim_protocol::{MAX_PAYLOAD, Request};
use bytes::Bytes;
use futures_util::Stream;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
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
    pub async fn serve<C: AsyncRead + AsyncWrite + Send + 'static>(self, connection: C) {
        let (mut reader, mut writer) = tokio::io::split(connection);
        let Client {
            wants,
            mut output,
            requests,
        } = self;
        let input = tokio::spawn(async move { forward_input(&mut reader, wants, &requests).await });
        while let Some(piece) = output.recv().await {
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

async fn forward_input(
    reader: &mut (impl AsyncRead + Unpin),
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
