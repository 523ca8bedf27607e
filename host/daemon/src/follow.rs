//! Follows one shim from a process's start to its end.

use std::os::unix::net::UnixStream;

use bulkhead_model::process::ExitStatus;
use bulkhead_runtime::shim_protocol::{Decoder, Event};
use tokio::io::AsyncReadExt;

/// Events are small.
const CHUNK: usize = 1024;

/// Waits until the shim tells the end; `None` when it hung up without telling.
/// `detached` hears of each client that left by its keys.
pub async fn follow(shim: UnixStream, detached: impl Fn()) -> Option<ExitStatus> {
    shim.set_nonblocking(true).ok()?;
    let mut shim = tokio::net::UnixStream::from_std(shim).ok()?;
    let mut decoder = Decoder::<Event>::default();
    let mut buffer = [0; CHUNK];
    loop {
        let read = shim.read(&mut buffer).await.unwrap_or(0);
        if read == 0 {
            return None;
        }
        decoder.push(&buffer[..read]);
        loop {
            match decoder.next_message() {
                Ok(Some(Event::Detached)) => detached(),
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
