//! Follows one shim from a container's start to its end.

use std::os::unix::net::UnixStream;

use bulkhead_api::stream::Stream;
use bulkhead_model::process::ExitStatus;
use bulkhead_runtime::shim_protocol::{Decoder, Event, Message, Request};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::mpsc;

use super::Hub;

/// Bytes read from a shim at a time.
const CHUNK: usize = 64 * 1024;

/// How a container ended of which nobody knows: its shim was killed.
pub fn lost() -> ExitStatus {
    ExitStatus {
        code: 137,
        oom_killed: false,
        finished_at: crate::convert::now(),
    }
}

/// Delivers output and forwards requests until the shim tells the end.
/// `None` when it hung up without telling.
pub async fn follow(hub: &Hub, shim: UnixStream, subscribed: bool) -> Option<ExitStatus> {
    let waiting = hub.waiting.lock().expect("hub requests").take()?;
    shim.set_nonblocking(true).ok()?;
    let (reader, writer) = tokio::net::UnixStream::from_std(shim).ok()?.into_split();
    let forward = tokio::spawn(forward(writer, waiting));
    if !subscribed && hub.has_readers() {
        // Somebody attached between the look and the start.
        let _ = hub.requests.send(Request::Subscribe).await;
    }
    let status = deliver(hub, reader).await;
    forward.abort();
    status
}

async fn forward(mut writer: OwnedWriteHalf, mut waiting: mpsc::Receiver<Request>) {
    let mut frame = Vec::new();
    while let Some(request) = waiting.recv().await {
        frame.clear();
        request.encode(&mut frame);
        if writer.write_all(&frame).await.is_err() {
            return;
        }
    }
}

async fn deliver(hub: &Hub, mut reader: OwnedReadHalf) -> Option<ExitStatus> {
    let mut decoder = Decoder::<Event>::default();
    let mut buffer = vec![0; CHUNK];
    loop {
        let read = reader.read(&mut buffer).await.unwrap_or(0);
        if read == 0 {
            return None;
        }
        decoder.push(&buffer[..read]);
        loop {
            match decoder.next_message() {
                Ok(Some(Event::Stdout(bytes))) => hub.deliver(Stream::Stdout, &bytes).await,
                Ok(Some(Event::Stderr(bytes))) => hub.deliver(Stream::Stderr, &bytes).await,
                Ok(Some(Event::Exited(status))) => return Some(status),
                Ok(Some(_)) => {}
                Ok(None) => break,
                Err(error) => {
                    tracing::error!(%error, "a shim broke the protocol");
                    return None;
                }
            }
        }
    }
}
