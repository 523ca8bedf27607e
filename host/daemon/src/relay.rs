//! Carries a client's bytes whose connection cannot be handed over itself:
//! TLS, a websocket, an answer's body. The shim gets one end of a socket pair.

use std::io;
use std::os::fd::OwnedFd;

use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::net::UnixStream;

/// Bytes moved at once.
const CHUNK: usize = 64 * 1024;

/// The shim's end, and ours.
pub fn pair() -> io::Result<(OwnedFd, UnixStream)> {
    let (theirs, ours) = std::os::unix::net::UnixStream::pair()?;
    ours.set_nonblocking(true)?;
    Ok((theirs.into(), UnixStream::from_std(ours)?))
}

/// Moves bytes both ways until the process's output ends or the client can
/// receive no more. A client that closes only its sending side keeps receiving.
pub async fn relay<C: AsyncRead + AsyncWrite>(client: C, shim: UnixStream) {
    let (from_client, mut to_client) = tokio::io::split(client);
    let (mut from_shim, to_shim) = tokio::io::split(shim);
    let output = async {
        let moved = copy(&mut from_shim, &mut to_client).await;
        let _ = to_client.shutdown().await;
        moved
    };
    tokio::select! {
        _ = output => {}
        () = input(from_client, to_shim) => {}
    }
}

/// Ends only when the client is gone for good.
async fn input<C: AsyncRead + AsyncWrite>(
    mut from_client: ReadHalf<C>,
    mut to_shim: WriteHalf<UnixStream>,
) {
    let ended = copy(&mut from_client, &mut to_shim).await;
    let _ = to_shim.shutdown().await;
    if ended.is_ok() {
        std::future::pending::<()>().await;
    }
}

async fn copy(
    from: &mut (impl AsyncRead + Unpin),
    to: &mut (impl AsyncWrite + Unpin),
) -> io::Result<u64> {
    let mut from = tokio::io::BufReader::with_capacity(CHUNK, from);
    tokio::io::copy_buf(&mut from, to).await
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt;

    use super::*;

    #[tokio::test]
    async fn a_client_that_closes_its_input_still_gets_the_output() {
        let (client, far) = tokio::io::duplex(64);
        let (theirs, ours) = pair().unwrap();
        let theirs = std::os::unix::net::UnixStream::from(theirs);
        theirs.set_nonblocking(true).unwrap();
        let mut shim = UnixStream::from_std(theirs).unwrap();
        let relayed = tokio::spawn(relay(far, ours));
        let (mut reader, mut writer) = tokio::io::split(client);
        writer.write_all(b"typed").await.unwrap();
        writer.shutdown().await.unwrap();
        let mut input = Vec::new();
        shim.read_to_end(&mut input).await.unwrap();
        assert_eq!(input, b"typed");
        shim.write_all(b"answer").await.unwrap();
        drop(shim);
        let mut output = Vec::new();
        reader.read_to_end(&mut output).await.unwrap();
        assert_eq!(output, b"answer");
        relayed.await.unwrap();
    }
}
