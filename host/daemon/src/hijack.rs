//! Takes an HTTP connection over, as Docker's attach and exec do: after the
//! answer's head it is a raw stream both ways.

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use bulkhead_api::system::{MULTIPLEXED_STREAM, RAW_STREAM};
use bulkhead_model::process::Attachment;
use bulkhead_sys::poll;
use bytes::Bytes;
use futures_util::Stream;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::header::{CONNECTION, CONTENT_TYPE, HeaderValue, UPGRADE};
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpStream, UnixStream};

use crate::relay;
use crate::reply::{self, Body};
use crate::websocket::{self, Websocket};

/// Bytes of a body's piece.
const CHUNK: usize = 64 * 1024;

/// A connection that will be ours once the answer has left.
pub enum Taking {
    /// The connection itself.
    Upgrade(OnUpgrade),
    /// The near end of the answer's body.
    Body(UnixStream),
    /// The connection, on which a websocket is spoken.
    Websocket(OnUpgrade),
}

/// A connection that is ours, and what was read of it too early.
pub enum Taken {
    /// It can be handed over.
    Unix(UnixStream, Bytes),
    /// It can be handed over.
    Tcp(TcpStream, Bytes),
    /// It is spoken through: TLS.
    Other(TokioIo<Upgraded>),
    /// It is spoken through, in messages.
    Websocket(Box<Websocket>),
}

/// The answer, and the connection to come. A client that does not ask for the
/// connection itself gets the stream as the answer's body, and its own body is
/// the input.
///
/// # Errors
/// No sockets are left.
pub fn take(
    mut request: Request<Incoming>,
    terminal: bool,
) -> io::Result<(Response<Body>, Taking)> {
    let upgrade = wanted(&mut request);
    let (response, taking, input) = begin(upgrade, terminal)?;
    if let Some(input) = input {
        tokio::spawn(forward(request.into_body(), input));
    }
    Ok((response, taking))
}

/// Whether the client asks for the connection: to be asked before the
/// request's body is read, if that is not the input.
pub fn wanted(request: &mut Request<Incoming>) -> Option<OnUpgrade> {
    let asked = request.headers().contains_key(UPGRADE);
    asked.then(|| hyper::upgrade::on(request))
}

/// As [`take`], for a request whose body was no input.
///
/// # Errors
/// No sockets are left.
pub fn take_later(
    upgrade: Option<OnUpgrade>,
    terminal: bool,
) -> io::Result<(Response<Body>, Taking)> {
    let (response, taking, _no_input) = begin(upgrade, terminal)?;
    Ok((response, taking))
}

type Begun = (Response<Body>, Taking, Option<OwnedWriteHalf>);

fn begin(upgrade: Option<OnUpgrade>, terminal: bool) -> io::Result<Begun> {
    let content = if terminal {
        RAW_STREAM
    } else {
        MULTIPLEXED_STREAM
    };
    if let Some(upgrade) = upgrade {
        return Ok((switching(content), Taking::Upgrade(upgrade), None));
    }
    let (near, far) = UnixStream::pair()?;
    let (output, input) = far.into_split();
    let response = reply::stream(content, pieces(output));
    Ok((response, Taking::Body(near), Some(input)))
}

fn switching(content: &'static str) -> Response<Body> {
    let mut response = reply::empty(StatusCode::SWITCHING_PROTOCOLS);
    let headers = response.headers_mut();
    headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(UPGRADE, HeaderValue::from_static("tcp"));
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content));
    response
}

async fn forward(mut body: Incoming, mut input: OwnedWriteHalf) {
    while let Some(Ok(frame)) = body.frame().await {
        let Ok(data) = frame.into_data() else {
            continue;
        };
        if input.write_all(&data).await.is_err() {
            return;
        }
    }
}

fn pieces(output: OwnedReadHalf) -> impl Stream<Item = Bytes> + Send {
    futures_util::stream::unfold(output, |mut output| async move {
        let mut piece = Vec::with_capacity(CHUNK);
        match output.read_buf(&mut piece).await {
            Ok(1..) => Some((Bytes::from(piece), output)),
            _ => None,
        }
    })
}

impl Taking {
    /// Waits for the connection; `None` when the client did not stay for it.
    pub async fn taken(self) -> Option<Taken> {
        match self {
            Self::Body(near) => Some(Taken::Unix(near, Bytes::new())),
            Self::Upgrade(upgrade) => upgraded(upgrade).await.map(downcast),
            Self::Websocket(upgrade) => {
                let websocket = websocket::open(upgraded(upgrade).await?).await;
                Some(Taken::Websocket(Box::new(websocket)))
            }
        }
    }
}

async fn upgraded(upgrade: OnUpgrade) -> Option<Upgraded> {
    match upgrade.await {
        Ok(upgraded) => Some(upgraded),
        Err(error) => {
            tracing::debug!(%error, "a connection was not taken over");
            None
        }
    }
}

fn downcast(upgraded: Upgraded) -> Taken {
    let upgraded = match upgraded.downcast::<TokioIo<UnixStream>>() {
        Ok(parts) => return Taken::Unix(parts.io.into_inner(), parts.read_buf),
        Err(upgraded) => upgraded,
    };
    match upgraded.downcast::<TokioIo<TcpStream>>() {
        Ok(parts) => Taken::Tcp(parts.io.into_inner(), parts.read_buf),
        Err(upgraded) => Taken::Other(TokioIo::new(upgraded)),
    }
}

impl Taken {
    /// Sends something before the connection is handed over.
    pub async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Unix(stream, _) => stream.write_all(bytes).await,
            Self::Tcp(stream, _) => stream.write_all(bytes).await,
            Self::Other(stream) => stream.write_all(bytes).await,
            Self::Websocket(websocket) => websocket::send(websocket, bytes).await,
        }
    }

    /// A socket to hand over, and the beginning of its input. What is no
    /// socket is relayed from now on.
    pub fn into_socket(self) -> io::Result<(OwnedFd, Vec<u8>)> {
        match self {
            Self::Unix(stream, early) => Ok((stream.into_std()?.into(), early.into())),
            Self::Tcp(stream, early) => {
                // Keystrokes and prompts are small.
                stream.set_nodelay(true)?;
                Ok((stream.into_std()?.into(), early.into()))
            }
            Self::Other(stream) => {
                let (theirs, ours) = relay::pair()?;
                tokio::spawn(relay::relay(stream, ours));
                Ok((theirs, Vec::new()))
            }
            Self::Websocket(websocket) => {
                let (theirs, ours) = relay::pair()?;
                tokio::spawn(websocket::relay(*websocket, ours));
                Ok((theirs, Vec::new()))
            }
        }
    }
}

/// Whether a client that waits has gone.
pub fn has_hung_up(client: &Attachment) -> bool {
    let nothing = [(client.stream.as_fd(), poll::Events::empty())];
    poll::wait(&nothing, Some(0)).is_ok_and(|events| !events[0].is_empty())
}
