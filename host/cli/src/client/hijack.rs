//! A connection after `101 UPGRADED`: two plain directions.

use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;

use bytes::Bytes;
use hyper::body::Incoming;
use hyper::{Response, StatusCode};
use hyper_util::rt::TokioIo;

use crate::error::{Error, Result};

/// A blocking connection to a container's streams.
#[derive(Debug)]
pub(crate) struct Hijacked {
    stream: UnixStream,
    /// What had arrived together with the head of the answer.
    early: Bytes,
}

/// Takes the connection of an answer over.
pub(super) async fn take_over(response: Response<Incoming>) -> Result<Hijacked> {
    if response.status() != StatusCode::SWITCHING_PROTOCOLS {
        let message = "the daemon did not upgrade the connection".into();
        return Err(Error::Daemon {
            status: response.status().as_u16(),
            message,
        });
    }
    let upgraded = hyper::upgrade::on(response).await?;
    let parts = upgraded
        .downcast::<TokioIo<tokio::net::UnixStream>>()
        .expect("connections are made over unix sockets");
    let stream = parts.io.into_inner().into_std().and_then(|stream| {
        stream.set_nonblocking(false)?;
        Ok(stream)
    });
    let stream = stream.map_err(|source| Error::Io {
        doing: "take the connection over",
        source,
    })?;
    Ok(Hijacked {
        stream,
        early: parts.read_buf,
    })
}

impl Hijacked {
    /// The receiving and the sending half.
    pub(crate) fn split(self) -> io::Result<(impl Read + Send, SendHalf)> {
        let sending = SendHalf {
            stream: self.stream.try_clone()?,
            ends_input: true,
        };
        Ok((io::Cursor::new(self.early).chain(self.stream), sending))
    }
}

/// The sending half; dropping it tells the container that its input ended.
#[derive(Debug)]
pub(crate) struct SendHalf {
    stream: UnixStream,
    ends_input: bool,
}

impl SendHalf {
    /// Goes without ending the container's input, as a detached client does.
    pub(crate) fn leave_open(mut self) {
        self.ends_input = false;
    }
}

impl Write for SendHalf {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.stream.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for SendHalf {
    fn drop(&mut self) {
        if self.ends_input {
            // The other side may have gone already, and then there is no one to tell.
            let _ = self.stream.shutdown(Shutdown::Write);
        }
    }
}
