//! An HTTP/1.1 client for the Docker Engine API over a unix socket.

mod address;
mod autostart;
mod connect;
mod hijack;
mod lines;
mod tls;
mod upload;

use std::cell::{Cell, RefCell};

use bulkhead_api::query::{Params, Query};
use bulkhead_api::route::{Method, Route};
use bulkhead_api::{ApiVersion, ErrorBody, version};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{CONNECTION, CONTENT_TYPE, HOST, UPGRADE};
use hyper::{Request, Response, StatusCode, body::Incoming};
use hyper_util::rt::TokioIo;
use serde::de::DeserializeOwned;
use tokio::net::UnixStream;

use crate::docker_config::ConfigDir;
use crate::error::{Error, Result};
use crate::template::Data;

pub(crate) use address::{
    Address, AddressError, HostFlags, check_address, default_address, host_variable,
};
pub(crate) use autostart::AutostartError;
pub(crate) use hijack::{Hijacked, SendHalf};
pub(crate) use lines::Lines;
pub(crate) use upload::{Pieces, pieces_of};

/// A call about to be made.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    method: Method,
    /// Without the version.
    path: String,
    query: Query,
    body: Option<Bytes>,
    auth: Option<String>,
    upgrade: bool,
}

impl Call {
    pub(crate) fn new(route: Route) -> Self {
        Self {
            method: route.method(),
            path: route.path(),
            query: Query::default(),
            body: None,
            auth: None,
            upgrade: false,
        }
    }

    pub(crate) fn params(mut self, params: &impl Params) -> Self {
        params.write(&mut self.query);
        self
    }

    pub(crate) fn json(mut self, body: &impl serde::Serialize) -> Self {
        self.body = Some(
            serde_json::to_vec(body)
                .expect("the API's types always serialize")
                .into(),
        );
        self
    }

    pub(crate) fn auth(mut self, header: String) -> Self {
        self.auth = Some(header);
        self
    }

    fn request(&self, version: ApiVersion) -> Request<Full<Bytes>> {
        let query = self.query.to_string();
        let separator = if query.is_empty() { "" } else { "?" };
        let uri = format!("/v{version}{}{separator}{query}", self.path);
        let mut request = Request::builder()
            .method(self.method.as_str())
            .uri(uri)
            .header(HOST, "bulkhead");
        if self.body.is_some() {
            request = request.header(CONTENT_TYPE, "application/json");
        }
        if let Some(auth) = &self.auth {
            request = request.header(bulkhead_api::auth::HEADER, auth);
        }
        if self.upgrade {
            request = request.header(CONNECTION, "Upgrade").header(UPGRADE, "tcp");
        }
        let body = Full::new(self.body.clone().unwrap_or_default());
        request
            .body(body)
            .expect("routes, queries and base64 are valid in a request")
    }
}

type Sender = SendRequest<Full<Bytes>>;

/// A client of one daemon.
pub(crate) struct Client {
    address: Address,
    config: ConfigDir,
    /// What the daemon is spoken to in: our newest, until it says it is too new.
    version: Cell<ApiVersion>,
    /// A connection whose last answer was read to its end.
    idle: RefCell<Option<Sender>>,
}

impl Client {
    pub(crate) fn new(at: Address, config: ConfigDir) -> Self {
        let version = Cell::new(address::api_version());
        Self {
            address: at,
            config,
            version,
            idle: RefCell::new(None),
        }
    }

    pub(crate) fn address(&self) -> &Address {
        &self.address
    }

    /// The folder of the user's settings.
    pub(crate) fn config(&self) -> &ConfigDir {
        &self.config
    }

    pub(crate) fn version(&self) -> ApiVersion {
        self.version.get()
    }

    /// Speaks an older version from now on, for an answer that newer ones changed.
    pub(crate) fn speak_at_most(&self, version: ApiVersion) {
        self.version.set(self.version.get().min(version));
    }

    /// Makes a call whose answer has nothing in it.
    pub(crate) async fn run(&self, call: Call) -> Result<()> {
        self.bytes(call).await.map(drop)
    }

    /// Makes a call and decodes its answer.
    pub(crate) async fn json<T: DeserializeOwned>(&self, call: Call) -> Result<T> {
        Ok(bulkhead_api::json::decode(&self.bytes(call).await?)?)
    }

    /// Makes a call and gives its answer as it is, fields in the daemon's order.
    pub(crate) async fn data(&self, call: Call) -> Result<Data> {
        Ok(Data::from_json(&self.bytes(call).await?)?)
    }

    /// Makes a call and reads its answer to the end.
    pub(crate) async fn bytes(&self, call: Call) -> Result<Bytes> {
        let (response, sender) = self.send(&call).await?;
        let bytes = response.into_body().collect().await?.to_bytes();
        *self.idle.borrow_mut() = Some(sender);
        Ok(bytes)
    }

    /// Makes a call and gives its answer while it is still being sent.
    pub(crate) async fn stream(&self, call: Call) -> Result<Incoming> {
        let (response, _sender) = self.send(&call).await?;
        Ok(response.into_body())
    }

    /// Makes a call and gives its answer with its head.
    pub(crate) async fn response(&self, call: Call) -> Result<Response<Incoming>> {
        Ok(self.send(&call).await?.0)
    }

    /// Makes a call that turns the connection into a plain stream.
    pub(crate) async fn hijack(&self, mut call: Call) -> Result<Hijacked> {
        call.upgrade = true;
        let (response, _sender) = self.send(&call).await?;
        hijack::take_over(response).await
    }

    /// Sends a call, again in an older version if the daemon asks for one,
    /// and turns an error status into an error.
    async fn send(&self, call: &Call) -> Result<(Response<Incoming>, Sender)> {
        loop {
            let mut sender = self.sender().await?;
            let response = sender
                .send_request(call.request(self.version.get()))
                .await
                .map_err(|error| self.broke_off(error))?;
            if response.status().is_success()
                || response.status() == StatusCode::SWITCHING_PROTOCOLS
            {
                return Ok((response, sender));
            }
            let (status, body) = (
                response.status().as_u16(),
                response.into_body().collect().await?.to_bytes(),
            );
            match older_version(status, &body).filter(|older| *older < self.version.get()) {
                Some(older) => self.version.set(older),
                // Already so: started twice, or stopped twice.
                None if status == 304 => return self.not_modified(sender),
                None => return Err(daemon_error(status, &body)),
            }
        }
    }

    /// A tunnel that never came up is told as one.
    fn broke_off(&self, error: hyper::Error) -> Error {
        match self.address.is_tunnel() {
            true => Error::Tunnel {
                address: self.address.to_string(),
                hint: self.address.hint(),
                source: error,
            },
            false => error.into(),
        }
    }

    fn not_modified(&self, sender: Sender) -> Result<(Response<Incoming>, Sender)> {
        *self.idle.borrow_mut() = Some(sender);
        Err(Error::Daemon {
            status: 304,
            message: "nothing to do".into(),
        })
    }

    async fn sender(&self) -> Result<Sender> {
        let idle = self.idle.borrow_mut().take();
        if let Some(mut sender) = idle
            && sender.ready().await.is_ok()
        {
            return Ok(sender);
        }
        let stream = self.connect().await?;
        let handshake = http1::handshake(TokioIo::new(stream)).await;
        let (sender, connection) = handshake.map_err(|error| self.broke_off(error))?;
        tokio::spawn(connection.with_upgrades());
        Ok(sender)
    }

    /// A new connection to the daemon.
    pub(crate) async fn connect(&self) -> Result<UnixStream> {
        connect::connect(&self.address).await
    }
}

/// The version a daemon asks for instead of ours, from its words
/// `client version 1.50 is too new. Maximum supported API version is 1.41`.
fn older_version(status: u16, body: &[u8]) -> Option<ApiVersion> {
    let message = (status == 400).then(|| error_message(body))?;
    let version = message
        .contains("is too new")
        .then(|| message.rsplit(' ').next())??;
    version
        .trim_end_matches('.')
        .parse()
        .ok()
        .filter(|v| *v >= version::MIN)
}

fn daemon_error(status: u16, body: &[u8]) -> Error {
    let message = match error_message(body) {
        text if text.is_empty() => format!("status {status} without a message"),
        text => text,
    };
    Error::Daemon { status, message }
}

fn error_message(body: &[u8]) -> String {
    match serde_json::from_slice::<ErrorBody>(body) {
        Ok(body) => body.message.trim_end().to_owned(),
        Err(_) => String::from_utf8_lossy(body).trim().to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_daemons_newest_version_is_read_from_its_refusal() {
        let body = br#"{"message":"client version 1.50 is too new. Maximum supported API version is 1.41"}"#;
        assert_eq!(older_version(400, body), Some("1.41".parse().unwrap()));
        assert_eq!(
            older_version(400, br#"{"message":"invalid field Memory"}"#),
            None
        );
        assert_eq!(older_version(500, body), None);
    }

    #[test]
    fn an_error_without_json_is_still_told() {
        assert_eq!(
            daemon_error(502, b"bad gateway\n").to_string(),
            "Error response from daemon: bad gateway"
        );
        assert_eq!(
            daemon_error(500, b"").to_string(),
            "Error response from daemon: status 500 without a message"
        );
    }
}
