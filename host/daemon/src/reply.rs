//! Answers: JSON, text, streams and errors.

use std::convert::Infallible;
use std::io;

use bulkhead_api::route::Method;
use bulkhead_api::{ErrorBody, system, version};
use bytes::Bytes;
use futures_util::Stream;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Empty, Full, StreamBody};
use hyper::body::Frame;
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue, PRAGMA, SERVER};
use hyper::{Response, StatusCode};
use serde::Serialize;

use crate::status::ApiError;

/// Any answer's body. A streamed one that fails breaks its connection off, so
/// that the client does not take what it got for all.
pub type Body = UnsyncBoxBody<Bytes, io::Error>;

fn whole(body: impl hyper::body::Body<Data = Bytes, Error = Infallible> + Send + 'static) -> Body {
    body.map_err(|never| match never {}).boxed_unsync()
}

/// A JSON body.
pub fn json<T: Serialize>(status: StatusCode, value: &T) -> Response<Body> {
    let body = serde_json::to_vec(value).unwrap_or_else(|_| b"{}".to_vec());
    with_body(status, "application/json", body)
}

/// A document of somebody else's, with the type they gave it.
pub fn document(media_type: &str, bytes: Vec<u8>) -> Response<Body> {
    let mut response = Response::new(whole(Full::new(Bytes::from(bytes))));
    let octets = HeaderValue::from_static("application/octet-stream");
    let media_type = HeaderValue::from_str(media_type).unwrap_or(octets);
    response.headers_mut().insert(CONTENT_TYPE, media_type);
    response
}

/// A text body.
pub fn text(status: StatusCode, text: &'static str) -> Response<Body> {
    with_body(
        status,
        "text/plain; charset=utf-8",
        text.as_bytes().to_vec(),
    )
}

/// The answer to `/_ping`: clients learn from its headers what they speak to.
pub fn ping(method: Method) -> Response<Body> {
    let mut response = match method {
        Method::Head => with_body(StatusCode::OK, "text/plain; charset=utf-8", Vec::new()),
        _ => text(StatusCode::OK, "OK"),
    };
    let headers = response.headers_mut();
    let mut set = |name, value| headers.insert(name, HeaderValue::from_static(value));
    set(CACHE_CONTROL, "no-cache, no-store, must-revalidate");
    set(PRAGMA, "no-cache");
    // There is no BuildKit: clients use the classic builder.
    set(HeaderName::from_static("builder-version"), "1");
    set(HeaderName::from_static("swarm"), "inactive");
    response
}

/// No body.
pub fn empty(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(whole(Empty::new()));
    *response.status_mut() = status;
    response
}

/// A body that comes piece by piece; the head is sent at once.
pub fn stream(
    content_type: &'static str,
    pieces: impl Stream<Item = Bytes> + Send + 'static,
) -> Response<Body> {
    use futures_util::StreamExt;
    fallible_stream(content_type, pieces.map(Ok))
}

/// [`stream`] that may end in an error.
pub fn fallible_stream(
    content_type: &'static str,
    pieces: impl Stream<Item = io::Result<Bytes>> + Send + 'static,
) -> Response<Body> {
    use futures_util::StreamExt;
    let frames = pieces.map(|piece| piece.map(Frame::data));
    let mut response = Response::new(StreamBody::new(frames).boxed_unsync());
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

/// The answer to a failed call.
pub fn error(error: &ApiError) -> Response<Body> {
    match error.status() {
        // RFC 9110: a 304 has no body.
        StatusCode::NOT_MODIFIED => empty(StatusCode::NOT_MODIFIED),
        status => json(status, &ErrorBody::new(error.message())),
    }
}

/// The headers that every answer of Docker carries.
pub fn brand(response: &mut Response<Body>) {
    let headers = response.headers_mut();
    let mut set = |name: &'static str, value: &str| {
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(HeaderName::from_static(name), value);
        }
    };
    set("api-version", &version::MAX.to_string());
    set("docker-experimental", "false");
    set("ostype", "linux");
    debug_assert!(system::header::API_VERSION.eq_ignore_ascii_case("api-version"));
    headers.insert(
        SERVER,
        HeaderValue::from_static(concat!("bulkhead/", env!("CARGO_PKG_VERSION"), " (linux)")),
    );
}

fn with_body(status: StatusCode, content_type: &'static str, body: Vec<u8>) -> Response<Body> {
    let mut response = Response::new(whole(Full::new(Bytes::from(body))));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}
