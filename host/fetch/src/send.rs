//! Sending one request: checks, credentials, redirects, bounded answers.

use std::collections::HashSet;
use std::io;

use bytes::Bytes;
use reqwest::header::{self, HeaderMap};
use reqwest::{Body, Method, RequestBuilder, Response};
use tokio::time::timeout;

use crate::address::PrivateName;
use crate::client::deepest;
use crate::client::verify::is_authority;
use crate::error::FetchError;
use crate::session::Inner;
use crate::target::Target;

pub(crate) const MAX_REDIRECTS: usize = 10;

/// An answer and the URL it finally came from.
pub(crate) struct Answer {
    pub(crate) response: Response,
    pub(crate) target: Target,
    /// Whether credentials were with the request.
    pub(crate) authorized: bool,
}

/// A request but for where it goes.
#[derive(Clone, Debug)]
pub(crate) struct Outgoing {
    pub(crate) method: Method,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Option<Bytes>,
}

impl Outgoing {
    /// A request without a body.
    pub(crate) fn bare(method: Method, headers: HeaderMap) -> Self {
        Self {
            method,
            headers,
            body: None,
        }
    }
}

/// Sends a request and follows redirects, each hop checked anew. Credentials
/// go along as long as every hop so far was the registry itself. Only
/// redirects that keep the method are followed when it is no question.
pub(crate) async fn follow(
    inner: &Inner,
    first: Target,
    outgoing: &Outgoing,
) -> Result<Answer, FetchError> {
    let method = &outgoing.method;
    let verb = verb(method);
    let asked = first.url.to_string();
    let mut seen = HashSet::new();
    let mut target = first;
    let mut at_registry = true;
    loop {
        at_registry &= inner.registry.is_at(&target);
        let authorization = if at_registry {
            inner.authorization()
        } else {
            None
        };
        let authorized = authorization.is_some();
        let body = outgoing.body.clone().map(Body::from);
        let request = request(inner, method, &target, &outgoing.headers, authorization).await?;
        let request = match body {
            Some(body) => request.body(body),
            None => request,
        };
        let response = expect_answer(inner, &target, verb, request).await?;
        let Some(next) = redirect(method, &response, &target)? else {
            if at_registry {
                inner.note_challenge(&response);
            }
            return Ok(Answer {
                response,
                target,
                authorized,
            });
        };
        if !seen.insert(target.url.to_string()) || seen.contains(next.url.as_str()) {
            return Err(FetchError::RedirectLoop {
                method: verb,
                url: asked,
                hop: next.url.to_string(),
            });
        }
        if seen.len() > MAX_REDIRECTS {
            return Err(FetchError::TooManyRedirects {
                method: verb,
                url: asked,
            });
        }
        target = next;
    }
}

/// A request to a target that is checked first.
pub(crate) async fn request(
    inner: &Inner,
    method: &Method,
    target: &Target,
    headers: &HeaderMap,
    authorization: Option<header::HeaderValue>,
) -> Result<RequestBuilder, FetchError> {
    inner.check(target).await?;
    let client = inner.client(target).await?;
    let mut request = client
        .request(method.clone(), target.url.clone())
        .headers(headers.clone());
    if let Some(authorization) = authorization {
        request = request.header(header::AUTHORIZATION, authorization);
    }
    // Without this some servers would compress what a digest is over.
    Ok(request.header(header::ACCEPT_ENCODING, "identity"))
}

/// Sends, and waits for the headers of the answer.
pub(crate) async fn expect_answer(
    inner: &Inner,
    target: &Target,
    method: &'static str,
    request: RequestBuilder,
) -> Result<Response, FetchError> {
    let config = &inner.fetcher.config;
    let patience = config.connect_timeout + config.stall_timeout;
    match timeout(patience, request.send()).await {
        Ok(Ok(response)) => Ok(response),
        Ok(Err(error)) => Err(explain(method, target, &error)),
        Err(_) => Err(stalled(inner, method, target)),
    }
}

/// The next piece of a body; `None` at its end.
pub(crate) async fn next_piece(
    inner: &Inner,
    target: &Target,
    response: &mut Response,
) -> Result<Option<impl std::ops::Deref<Target = [u8]> + use<>>, FetchError> {
    match timeout(inner.fetcher.config.stall_timeout, response.chunk()).await {
        Ok(Ok(piece)) => Ok(piece),
        Ok(Err(error)) => Err(explain("Get", target, &error)),
        Err(_) => Err(stalled(inner, "Get", target)),
    }
}

/// A whole body of at most `limit` bytes.
pub(crate) async fn body_within(
    inner: &Inner,
    target: &Target,
    mut response: Response,
    limit: u64,
) -> Result<Vec<u8>, FetchError> {
    let too_large = || FetchError::TooLarge {
        url: target.url.to_string(),
        limit,
    };
    if response
        .content_length()
        .is_some_and(|length| length > limit)
    {
        return Err(too_large());
    }
    let mut body = Vec::new();
    while let Some(piece) = next_piece(inner, target, &mut response).await? {
        if (body.len() + piece.len()) as u64 > limit {
            return Err(too_large());
        }
        body.extend_from_slice(&piece);
    }
    Ok(body)
}

/// Where an answer leads to. 301 to 303 would turn a change into a question
/// (RFC 9110 15.4): then they are answers like any other.
pub(crate) fn redirect(
    method: &Method,
    response: &Response,
    target: &Target,
) -> Result<Option<Target>, FetchError> {
    let followed = match response.status().as_u16() {
        301..=303 => method.is_safe(),
        307 | 308 => true,
        _ => false,
    };
    if !followed {
        return Ok(None);
    }
    let location = response.headers().get(header::LOCATION);
    let Some(location) = location else {
        return Ok(None);
    };
    let location = location.to_str().map_err(|_| FetchError::InvalidUrl {
        url: target.url.to_string(),
        reason: "the redirect's target is not text",
    })?;
    target.join(location).map(Some)
}

pub(crate) fn stalled(inner: &Inner, method: &'static str, target: &Target) -> FetchError {
    let after = inner.fetcher.config.stall_timeout;
    FetchError::Stalled {
        method,
        url: target.url.to_string(),
        after,
    }
}

/// A method as Go's client names it in errors.
pub(crate) fn verb(method: &Method) -> &'static str {
    match method.as_str() {
        "HEAD" => "Head",
        "POST" => "Post",
        "PUT" => "Put",
        "PATCH" => "Patch",
        "DELETE" => "Delete",
        _ => "Get",
    }
}

/// Turns a client's error into Go's words, which are what users of Docker
/// search for.
pub(crate) fn explain(method: &'static str, target: &Target, error: &reqwest::Error) -> FetchError {
    let url = target.url.to_string();
    let at = format!("{}:{}", target.host, target.port);
    if let Some(private) = find::<PrivateName>(error) {
        return FetchError::PrivateAddress {
            url,
            address: private.address.clone(),
        };
    }
    let kind = find::<io::Error>(error).map(io::Error::kind);
    let text = deepest(error);
    let reason = match kind {
        Some(io::ErrorKind::ConnectionRefused) => {
            format!("dial tcp {at}: connect: connection refused")
        }
        Some(io::ErrorKind::HostUnreachable) => format!("dial tcp {at}: connect: no route to host"),
        Some(io::ErrorKind::NetworkUnreachable) => {
            format!("dial tcp {at}: connect: network is unreachable")
        }
        Some(io::ErrorKind::ConnectionReset) => format!("read tcp {at}: connection reset by peer"),
        _ if error.is_timeout() && error.is_connect() => format!("dial tcp {at}: i/o timeout"),
        _ if text.contains("lookup address information") || text.contains("Name or service") => {
            format!("dial tcp: lookup {}: no such host", target.host)
        }
        _ => match find::<rustls::Error>(error) {
            Some(tls) => explain_tls(tls),
            None if text == "tls handshake eof" => "EOF".to_owned(),
            None if error.is_connect() => format!("dial tcp {at}: {text}"),
            None => format!("unexpected EOF ({text})"),
        },
    };
    FetchError::Transport {
        method,
        url,
        reason,
    }
}

fn explain_tls(error: &rustls::Error) -> String {
    match error {
        rustls::Error::InvalidMessage(_) => {
            "http: server gave HTTP response to HTTPS client".to_owned()
        }
        error
            if matches!(
                error,
                rustls::Error::InvalidCertificate(rustls::CertificateError::UnknownIssuer)
            ) || is_authority(error) =>
        {
            "tls: failed to verify certificate: x509: certificate signed by unknown authority"
                .to_owned()
        }
        rustls::Error::InvalidCertificate(reason) => {
            format!("tls: failed to verify certificate: x509: {reason}")
        }
        other => format!("tls: {other}"),
    }
}

/// The first error of a type in a chain; io::Error hides its inner error's
/// type from `source`, so that is looked into as well.
fn find<'e, T: std::error::Error + 'static>(
    error: &'e (dyn std::error::Error + 'static),
) -> Option<&'e T> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref::<T>() {
            return Some(found);
        }
        let inner = error
            .downcast_ref::<io::Error>()
            .and_then(io::Error::get_ref);
        if let Some(inner) = inner
            && let Some(found) = find::<T>(inner)
        {
            return Some(found);
        }
        next = error.source();
    }
    None
}
