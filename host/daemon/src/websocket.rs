//! A websocket (RFC 6455) that carries a process's streams: each message is
//! some bytes, of input from the client, of output to it.

use std::io;

use bulkhead_api::route::Method;
use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use hyper::body::Incoming;
use hyper::header::{
    CONNECTION, HOST, HeaderMap, HeaderName, HeaderValue, ORIGIN, SEC_WEBSOCKET_ACCEPT,
    SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION, UPGRADE,
};
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error, Message};

use crate::reply::{self, Body};

/// Bytes of output in one message.
const CHUNK: usize = 64 * 1024;
/// The largest message a client may send, bytes.
const MAX_MESSAGE: usize = 1024 * 1024;

/// A websocket on a connection of ours.
pub type Websocket = WebSocketStream<TokioIo<Upgraded>>;

/// The request does not open a websocket.
#[derive(Debug, thiserror::Error)]
pub enum BadHandshake {
    /// Something of section 4.2.1 is missing.
    #[error("not a websocket handshake: {0} is missing or wrong")]
    Header(HeaderName),
    /// A page of another site, in a user's browser, asks: the user's
    /// permission to speak to the daemon is not that page's.
    #[error("websockets are not opened for pages of other sites")]
    Origin,
}

/// The answer, and the connection to come.
///
/// # Errors
/// The handshake is not one.
pub fn take(request: Request<Incoming>) -> Result<(Response<Body>, OnUpgrade), BadHandshake> {
    let headers = request.headers();
    debug_assert_eq!(request.method().as_str(), Method::Get.as_str());
    let key = check(headers)?;
    let mut response = reply::empty(StatusCode::SWITCHING_PROTOCOLS);
    let accept = HeaderValue::from_str(&derive_accept_key(key.as_bytes()));
    let accept = accept.map_err(|_| BadHandshake::Header(SEC_WEBSOCKET_KEY))?;
    let answer = response.headers_mut();
    answer.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    answer.insert(UPGRADE, HeaderValue::from_static("websocket"));
    answer.insert(SEC_WEBSOCKET_ACCEPT, accept);
    Ok((response, hyper::upgrade::on(request)))
}

/// The client's key.
fn check(headers: &HeaderMap) -> Result<&HeaderValue, BadHandshake> {
    let has = |name: HeaderName, word: &str| {
        let value = headers.get(&name).and_then(|v| v.to_str().ok());
        let mut words = value.unwrap_or_default().split(',');
        match words.any(|found| found.trim().eq_ignore_ascii_case(word)) {
            true => Ok(()),
            false => Err(BadHandshake::Header(name)),
        }
    };
    has(UPGRADE, "websocket")?;
    has(CONNECTION, "upgrade")?;
    has(SEC_WEBSOCKET_VERSION, "13")?;
    if let Some(origin) = headers.get(ORIGIN) {
        let host = headers.get(HOST).map(HeaderValue::as_bytes);
        let site = origin.to_str().unwrap_or_default().split_once("://");
        if host.is_none() || site.map(|(_, site)| site.as_bytes()) != host {
            return Err(BadHandshake::Origin);
        }
    }
    let key = headers.get(SEC_WEBSOCKET_KEY);
    key.ok_or(BadHandshake::Header(SEC_WEBSOCKET_KEY))
}

/// Speaks websocket on a connection that is ours.
pub async fn open(upgraded: Upgraded) -> Websocket {
    let config = WebSocketConfig::default()
        .max_message_size(Some(MAX_MESSAGE))
        .max_frame_size(Some(MAX_MESSAGE));
    WebSocketStream::from_raw_socket(TokioIo::new(upgraded), Role::Server, Some(config)).await
}

/// Sends a piece of output.
pub async fn send(websocket: &mut Websocket, bytes: &[u8]) -> io::Result<()> {
    let message = Message::Binary(Bytes::copy_from_slice(bytes));
    websocket.send(message).await.map_err(io::Error::other)
}

/// Moves bytes both ways until the output ends or the client is gone. A
/// websocket has no half: a client that closes it has left.
pub async fn relay(websocket: Websocket, shim: UnixStream) {
    let (mut to_client, mut from_client) = websocket.split();
    let (mut from_shim, mut to_shim) = shim.into_split();
    let output = async {
        loop {
            let mut piece = Vec::with_capacity(CHUNK);
            match from_shim.read_buf(&mut piece).await {
                Ok(1..) => to_client.send(Message::Binary(piece.into())).await?,
                _ => return to_client.close().await,
            }
        }
    };
    let input = async {
        while let Some(message) = from_client.next().await {
            let bytes = match message {
                Ok(Message::Binary(bytes)) => bytes,
                Ok(Message::Text(text)) => text.into(),
                Ok(Message::Close(_)) | Err(_) => return,
                Ok(_) => continue,
            };
            // The process may have closed its input; its output goes on.
            let _ = to_shim.write_all(&bytes).await;
        }
    };
    let ended: Result<(), Error> = tokio::select! {
        ended = output => ended,
        () = input => Ok(()),
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a websocket ended");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let pair = |(name, value): &(&'static str, &'static str)| {
            (
                HeaderName::from_static(name),
                HeaderValue::from_static(value),
            )
        };
        pairs.iter().map(pair).collect()
    }

    const WHOLE: [(&str, &str); 5] = [
        ("upgrade", "websocket"),
        ("connection", "keep-alive, Upgrade"),
        ("sec-websocket-version", "13"),
        ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ("host", "127.0.0.1:2375"),
    ];

    #[test]
    fn each_part_of_the_handshake_is_needed() {
        assert!(check(&headers(&WHOLE)).is_ok());
        for missing in 0..4 {
            let mut pairs = WHOLE.to_vec();
            pairs.remove(missing);
            assert!(check(&headers(&pairs)).is_err(), "{missing}");
        }
    }

    #[test]
    fn pages_of_other_sites_are_refused() {
        let with = |origin: &'static str| {
            let pairs = [WHOLE.as_slice(), &[("origin", origin)]].concat();
            check(&headers(&pairs)).is_ok()
        };
        assert!(with("http://127.0.0.1:2375"));
        assert!(!with("http://evil.example") && !with("null"));
    }
}
