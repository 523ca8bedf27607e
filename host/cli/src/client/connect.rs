//! Connections. Whatever the way, the client sees a unix socket: TCP and TLS
//! are relayed through a pair of them, and ssh has one for its input and output.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use tokio::io::{AsyncRead, AsyncWrite, copy_bidirectional};
use tokio::net::{TcpStream, UnixStream};

use super::address::{Address, SshTarget, Transport};
use super::{autostart, tls};
use crate::error::{Error, Result};

/// Seconds that ssh waits for the other machine.
const SSH_TIMEOUT: u32 = 30;

/// Connects to the daemon, starting it if it is the default one.
pub(super) async fn connect(address: &Address) -> Result<UnixStream> {
    let connected = match &address.transport {
        Transport::Unix(path) => UnixStream::connect(path).await,
        Transport::Tcp { host, port, tls } => {
            let stream = TcpStream::connect((host.as_str(), *port)).await;
            match (stream, tls) {
                (Ok(stream), None) => relay(stream),
                (Ok(stream), Some(tls)) => {
                    let stream = tls::connect(stream, host, tls).await;
                    relay(stream.map_err(|error| Error::Tls {
                        address: address.to_string(),
                        reason: error.to_string(),
                    })?)
                }
                (Err(error), _) => Err(error),
            }
        }
        Transport::Ssh(target) => over_ssh(target),
    };
    match (connected, address.may_start()) {
        (Ok(stream), _) => Ok(stream),
        (Err(error), _) if error.kind() == io::ErrorKind::PermissionDenied => {
            Err(Error::Permission {
                address: address.to_string(),
            })
        }
        (Err(_), Some(path)) => Ok(autostart::start_and_connect(path).await?),
        (Err(source), None) => Err(Error::Connect {
            address: address.to_string(),
            hint: address.hint(),
            source,
        }),
    }
}

/// Passes bytes on in both directions until both have ended.
fn relay(mut far: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) -> io::Result<UnixStream> {
    let (near, mut inner) = UnixStream::pair()?;
    tokio::spawn(async move {
        // A broken connection ends the pair, and that is how the client learns of it.
        let _ = copy_bidirectional(&mut inner, &mut far).await;
    });
    Ok(near)
}

/// Lets ssh run `bulkhead system dial-stdio`, or docker's, on the other machine.
fn over_ssh(target: &SshTarget) -> io::Result<UnixStream> {
    let (near, far) = std::os::unix::net::UnixStream::pair()?;
    let mut command = Command::new("ssh");
    command.args(["-T", "-o", &format!("ConnectTimeout={SSH_TIMEOUT}")]);
    // In a group of its own Ctrl-C does not end the tunnel before the
    // container was told; there it cannot ask for a password.
    command.args(["-o", "BatchMode=yes"]).process_group(0);
    if let Some(port) = target.port {
        command.args(["-p", &port.to_string()]);
    }
    if let Some(user) = &target.user {
        command.args(["-l", user]);
    }
    command.args([
        "--",
        &target.host,
        &remote_command(target.socket.as_deref()),
    ]);
    command
        .stdin(Stdio::from(OwnedFd::from(far.try_clone()?)))
        .stdout(Stdio::from(OwnedFd::from(far)))
        .spawn()?;
    near.set_nonblocking(true)?;
    UnixStream::from_std(near)
}

/// For the other side's shell, whichever it is.
fn remote_command(socket: Option<&str>) -> String {
    let host = socket.map(|path| format!("-H {} ", quoted(&format!("unix://{path}"))));
    let dial = format!("{}system dial-stdio", host.unwrap_or_default());
    let script = format!(
        "if command -v bulkhead >/dev/null 2>&1; then exec bulkhead {dial}; else exec docker {dial}; fi"
    );
    format!("sh -c {}", quoted(&script))
}

/// One word of a shell, whatever it holds.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_stays_one_word_through_two_shells() {
        let script = remote_command(Some("/a b'; touch /tmp/x; '$(id)"));
        let output = Command::new("sh")
            .arg("-c")
            .arg(format!(
                "bulkhead() {{ printf '<%s>' \"$@\"; }}; {}",
                script.replace("sh -c", "eval").replace("exec ", "")
            ))
            .output()
            .unwrap();
        assert_eq!(
            String::from_utf8_lossy(&output.stdout),
            "<-H><unix:///a b'; touch /tmp/x; '$(id)><system><dial-stdio>"
        );
    }
}
