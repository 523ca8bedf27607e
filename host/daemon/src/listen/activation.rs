//! Sockets that systemd passed: `sd_listen_fds(3)`.

use anyhow::{Context, bail};
use listenfd::ListenFd;
use tokio::net::{TcpListener, UnixListener};
use tokio_rustls::TlsAcceptor;

use super::Listener;

/// All of them; the variables that announced them are gone afterwards, so
/// that no child takes them for its own.
pub(super) fn listeners(tls: Option<&TlsAcceptor>) -> anyhow::Result<Vec<Listener>> {
    let mut passed = ListenFd::from_env();
    let mut listeners = Vec::new();
    for index in 0..passed.len() {
        if let Ok(Some(unix)) = passed.take_unix_listener(index) {
            unix.set_nonblocking(true)?;
            listeners.push(Listener::Unix(UnixListener::from_std(unix)?));
        } else if let Ok(Some(tcp)) = passed.take_tcp_listener(index) {
            tcp.set_nonblocking(true)?;
            let address = tcp
                .local_addr()
                .context("reading a passed socket's address")?;
            if tls.is_none() && !address.ip().is_loopback() {
                bail!(
                    "the passed socket {address} is open to the network: use --tlsverify with certificates"
                );
            }
            listeners.push(Listener::Tcp(TcpListener::from_std(tcp)?, tls.cloned()));
        } else {
            bail!("the passed socket {index} is neither a unix nor a TCP listener");
        }
    }
    if listeners.is_empty() {
        bail!(
            "fd:// is for sockets that systemd passes, and it passed none: start the daemon by bulkhead.socket, or use another -H"
        );
    }
    tracing::info!(sockets = listeners.len(), "listening on passed sockets");
    Ok(listeners)
}
