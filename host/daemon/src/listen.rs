//! Where clients come in: unix sockets, TCP with and without TLS, and the
//! sockets that systemd passed.

mod activation;
mod tls;
mod unix;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::config::{Address, Settings};

/// A client that has not finished the TLS handshake by then is let go.
const HANDSHAKE_WITHIN: Duration = Duration::from_secs(10);

/// One place where clients come in.
pub enum Listener {
    /// A unix socket.
    Unix(UnixListener),
    /// A TCP port, with TLS when an acceptor is there.
    Tcp(TcpListener, Option<TlsAcceptor>),
}

/// A client that came in; its handshake, if there is one, is still to come.
pub enum Incoming {
    /// Over a unix socket.
    Unix(UnixStream),
    /// Over TCP.
    Tcp(TcpStream),
    /// Over TCP, to be secured.
    Tls(TcpStream, TlsAcceptor),
}

impl Listener {
    /// The next client.
    ///
    /// # Errors
    /// `accept(2)`: most likely no descriptor is left.
    pub async fn accept(&self) -> io::Result<Incoming> {
        match self {
            Self::Unix(listener) => Ok(Incoming::Unix(listener.accept().await?.0)),
            Self::Tcp(listener, tls) => {
                let (stream, _) = listener.accept().await?;
                stream.set_nodelay(true)?;
                Ok(match tls {
                    Some(acceptor) => Incoming::Tls(stream, acceptor.clone()),
                    None => Incoming::Tcp(stream),
                })
            }
        }
    }
}

/// Shakes hands; a client without the right certificate gets no further.
///
/// # Errors
/// It did not, or not in time.
pub async fn secure(stream: TcpStream, acceptor: &TlsAcceptor) -> io::Result<TlsStream<TcpStream>> {
    tokio::time::timeout(HANDSHAKE_WITHIN, acceptor.accept(stream))
        .await
        .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

/// Everything the settings name, bound; and the files to remove at the end.
///
/// # Errors
/// An address is in use, a certificate cannot be read, systemd passed nothing.
pub async fn bind(settings: &Settings) -> anyhow::Result<(Vec<Listener>, Vec<PathBuf>)> {
    let tls = settings.tls.as_ref().map(tls::acceptor).transpose()?;
    let (mut listeners, mut files) = (Vec::new(), Vec::new());
    for address in &settings.addresses {
        match address {
            Address::Unix(path) => {
                listeners.push(Listener::Unix(unix::bind(path, settings.group.as_deref())?));
                files.push(path.clone());
                tracing::info!(socket = %path.display(), "listening");
            }
            Address::Tcp(socket) => {
                let listener = TcpListener::bind(socket)
                    .await
                    .with_context(|| format!("listening on tcp://{socket}"))?;
                tracing::info!(address = %listener.local_addr()?, tls = tls.is_some(), "listening");
                if tls.is_none() {
                    tracing::warn!(address = %socket, "whoever reaches this port is root on this machine");
                }
                listeners.push(Listener::Tcp(listener, tls.clone()));
            }
            Address::Activated => listeners.extend(activation::listeners(tls.as_ref())?),
        }
    }
    Ok((listeners, files))
}

/// Shared by what makes and what uses acceptors.
type TlsConfig = Arc<tokio_rustls::rustls::ServerConfig>;
