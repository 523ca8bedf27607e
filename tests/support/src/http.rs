//! HTTP/1.1 in its smallest form (RFC 9112): one request on one connection.
//! A test speaks it by hand so that it depends on no client of ours.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};

const LIMIT: Duration = Duration::from_secs(120);

/// An answer with its whole body.
#[derive(Debug, Clone)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    /// Decoded when it came in chunks.
    pub body: Vec<u8>,
}

impl Response {
    /// The value of the first header called `name`, which is in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }

    /// The body as text, lossy.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON; null when it is none.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }
}

/// What to ask for.
pub(crate) struct Request<'a> {
    pub(crate) method: &'a str,
    /// Path and query.
    pub(crate) target: &'a str,
    pub(crate) content_type: &'a str,
    /// The header of that name; empty for none.
    pub(crate) authorization: &'a str,
    pub(crate) body: &'a [u8],
}

/// One call of an engine's API with a JSON body, over its unix socket.
pub fn call(
    socket: &Path,
    method: &str,
    target: &str,
    body: &serde_json::Value,
) -> Result<Response> {
    let body = if body.is_null() {
        Vec::new()
    } else {
        body.to_string().into_bytes()
    };
    call_with(socket, method, target, "application/json", &body)
}

/// [`call`] with any body.
pub fn call_with(
    socket: &Path,
    method: &str,
    target: &str,
    content_type: &str,
    body: &[u8],
) -> Result<Response> {
    let request = Request {
        method,
        target,
        content_type,
        authorization: "",
        body,
    };
    over_unix(socket, &request)
}

pub(crate) fn over_unix(socket: &Path, request: &Request<'_>) -> Result<Response> {
    let stream =
        UnixStream::connect(socket).with_context(|| format!("connect to {}", socket.display()))?;
    stream.set_read_timeout(Some(LIMIT))?;
    exchange(stream, "localhost", request)
}

pub(crate) fn over_tcp(address: &str, request: &Request<'_>) -> Result<Response> {
    let stream = TcpStream::connect(address).with_context(|| format!("connect to {address}"))?;
    stream.set_read_timeout(Some(LIMIT))?;
    exchange(stream, address, request)
}

fn exchange(mut stream: impl Read + Write, host: &str, request: &Request<'_>) -> Result<Response> {
    let Request {
        method,
        target,
        content_type,
        authorization,
        body,
    } = request;
    let authorization = match *authorization {
        "" => String::new(),
        value => format!("Authorization: {value}\r\n"),
    };
    let head = format!(
        "{method} {target} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n{authorization}\
         Content-Type: {content_type}\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes())?;
    // A server that has heard enough answers and closes before the end.
    let _ = stream.write_all(body);
    read(BufReader::new(stream), *method == "HEAD").with_context(|| format!("{method} {target}"))
}

fn read(mut stream: impl BufRead, bodiless: bool) -> Result<Response> {
    let status = line(&mut stream)?;
    let status = status.split(' ').nth(1).and_then(|code| code.parse().ok());
    let mut response = Response {
        status: status.context("no status line")?,
        headers: Vec::new(),
        body: Vec::new(),
    };
    loop {
        let line = line(&mut stream)?;
        let Some((name, value)) = line.split_once(':') else {
            break;
        };
        response
            .headers
            .push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    if bodiless || matches!(response.status, 204 | 304) {
        return Ok(response);
    }
    response.body = match (
        response.header("transfer-encoding"),
        response.header("content-length"),
    ) {
        (Some("chunked"), _) => chunks(&mut stream)?,
        (_, Some(length)) => exactly(&mut stream, length.parse().context("content-length")?)?,
        _ => rest(&mut stream)?,
    };
    Ok(response)
}

fn line(stream: &mut impl BufRead) -> Result<String> {
    let mut line = String::new();
    stream.read_line(&mut line)?;
    Ok(line.trim_end().to_owned())
}

fn chunks(stream: &mut impl BufRead) -> Result<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let length = line(stream)?;
        let length = length.split(';').next().unwrap_or_default();
        let length = usize::from_str_radix(length, 16).context("length of a chunk")?;
        body.extend(exactly(stream, length)?);
        line(stream)?;
        if length == 0 {
            return Ok(body);
        }
    }
}

fn exactly(stream: &mut impl BufRead, length: usize) -> Result<Vec<u8>> {
    let mut body = vec![0; length];
    stream.read_exact(&mut body)?;
    Ok(body)
}

fn rest(stream: &mut impl BufRead) -> Result<Vec<u8>> {
    let mut body = Vec::new();
    stream.read_to_end(&mut body)?;
    Ok(body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chunked_body_is_put_together() {
        let text = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n";
        let response = read(text.as_bytes(), false).unwrap();
        assert_eq!((response.status, response.text().as_str()), (200, "abcde"));
    }

    #[test]
    fn a_head_answer_has_no_body_whatever_its_length_says() {
        let text = "HTTP/1.1 404 Not Found\r\nContent-Length: 10\r\n\r\n";
        let response = read(text.as_bytes(), true).unwrap();
        assert_eq!(
            (response.status, response.header("content-length")),
            (404, Some("10"))
        );
    }
}
