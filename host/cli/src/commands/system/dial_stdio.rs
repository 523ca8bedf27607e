//! `bulkhead system dial-stdio`: the daemon's socket as this process's input
//! and output, for a client behind ssh.

use std::io;
use std::net::Shutdown;
use std::os::unix::net::UnixStream;

use clap::Args;

use crate::client::Client;
use crate::error::{Error, Result};

#[derive(Args, Debug)]
#[command(override_usage = "")]
pub(crate) struct DialArgs {}

pub(crate) async fn execute(client: &Client) -> Result<u8> {
    let io_error = |source| Error::Io {
        doing: "pass the connection on",
        source,
    };
    let stream = client.connect().await?;
    let done = tokio::task::spawn_blocking(move || {
        let stream = stream.into_std()?;
        stream.set_nonblocking(false)?;
        pass_on(&stream)
    });
    done.await
        .map_err(|error| io_error(io::Error::other(error)))?
        .map_err(io_error)?;
    Ok(0)
}

/// Ends with the daemon's side: who asked may be waiting for the answer
/// after its own side has ended.
fn pass_on(stream: &UnixStream) -> io::Result<()> {
    let to_daemon = stream.try_clone()?;
    std::thread::spawn(move || {
        let _ = io::copy(&mut io::stdin().lock(), &mut &to_daemon);
        // It may have gone already, and then there is no one to tell.
        let _ = to_daemon.shutdown(Shutdown::Write);
    });
    io::copy(&mut &*stream, &mut UnbufferedOut).map(drop)
}

/// Standard output without the line buffer that holds an answer back.
struct UnbufferedOut;

impl io::Write for UnbufferedOut {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut out = io::stdout().lock();
        out.write_all(bytes)?;
        out.flush()?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
