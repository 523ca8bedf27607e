//! What a command can fail with, and the exit code that follows.

use std::io;

use bulkhead_api::json::DecodeError;

/// The result of a command's steps.
pub(crate) type Result<T, E = Error> = std::result::Result<T, E>;

/// A failed command. `Display` is what the user reads.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("Cannot connect to the bulkhead daemon at {address}. Is the daemon running?\n{hint}")]
    Connect {
        address: String,
        hint: String,
        source: io::Error,
    },
    #[error(
        "permission denied while trying to connect to the bulkhead daemon at {address}\nTry again as root, or as a member of the socket's group."
    )]
    Permission { address: String },
    #[error("{0}")]
    Address(#[from] crate::client::AddressError),
    /// TLS with a daemon could not be agreed on.
    #[error("cannot speak TLS with the daemon at {address}: {reason}")]
    Tls { address: String, reason: String },
    /// ssh ended without an answer, and told why on its own.
    #[error("the connection to {address} ended without an answer\n{hint}")]
    Tunnel {
        address: String,
        hint: String,
        source: hyper::Error,
    },
    #[error("{0}")]
    Config(#[from] crate::docker_config::ConfigFileError),
    #[error("{0}")]
    Credentials(#[from] crate::credentials::CredentialError),
    #[error("{0}")]
    Context(#[from] crate::docker_config::ContextError),
    #[error("{0}")]
    Autostart(#[from] crate::client::AutostartError),
    /// The daemon answered with an error status.
    #[error("Error response from daemon: {message}")]
    Daemon { status: u16, message: String },
    #[error("the daemon broke off: {0}")]
    Http(#[from] hyper::Error),
    #[error("the daemon's answer cannot be read: {0}")]
    Answer(#[from] DecodeError),
    /// A pull that failed after its answer began.
    #[error("{0}")]
    Pull(String),
    /// Options that cannot be meant, found before anything was asked of the daemon.
    #[error("{0}")]
    Option(String),
    /// Options that contradict each other or the terminal; told without the verb's help.
    #[error("{0}")]
    Conflict(&'static str),
    /// What docker says and no more.
    #[error("{0}")]
    Plain(String),
    #[error(
        "cannot run {program}: {}\nIt is part of bulkhead and is looked for beside this program and in PATH.",
        reason(source)
    )]
    Exec { program: String, source: io::Error },
    /// A file the user named.
    #[error("open {path}: {}", reason(source))]
    Open { path: String, source: io::Error },
    #[error("{doing}: {}", reason(source))]
    Io {
        doing: &'static str,
        source: io::Error,
    },
    #[error("{0}")]
    Format(#[from] crate::output::FormatError),
}

impl Error {
    /// Whether the daemon says that the object does not exist.
    pub(crate) fn is_not_found(&self) -> bool {
        matches!(self, Error::Daemon { status: 404, .. })
    }

    /// Whether the reader of our output went away.
    pub(crate) fn is_broken_pipe(&self) -> bool {
        matches!(self, Error::Io { source, .. } if source.kind() == io::ErrorKind::BrokenPipe)
    }

    /// Whether `run` tells it without its name and a pointer to its help.
    pub(crate) fn is_told_plainly(&self) -> bool {
        matches!(self, Error::Conflict(_)) || self.is_broken_pipe()
    }

    /// Docker's exit code for a container that could not be started: 127 if
    /// the command does not exist, 126 if it cannot be executed, else 125.
    pub(crate) fn start_exit_code(&self) -> u8 {
        let Error::Daemon { message, .. } = self else {
            return 125;
        };
        let says = |phrase: &str| message.contains(phrase);
        if says("executable file not found")
            || says("no such file or directory")
            || says("system cannot find the file")
        {
            127
        } else if says("permission denied") || says("is a directory") || says("exec format error") {
            126
        } else {
            125
        }
    }
}

/// The system's words in lower case and without the number, as Go has them.
fn reason(error: &io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error")
        .next()
        .unwrap_or_default()
        .to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exit_code_follows_the_reason_a_start_failed() {
        let code = |message: &str| {
            Error::Daemon {
                status: 400,
                message: message.into(),
            }
            .start_exit_code()
        };
        assert_eq!(
            code(r#"exec: "nosuch": executable file not found in $PATH"#),
            127
        );
        assert_eq!(
            code(r#"exec: "/nosuch": stat /nosuch: no such file or directory"#),
            127
        );
        assert_eq!(code(r#"exec: "/etc": permission denied"#), 126);
        assert_eq!(code("Minimum memory limit allowed is 6MB"), 125);
    }

    #[test]
    fn a_missing_file_is_told_in_plain_words() {
        let source = io::Error::from_raw_os_error(2);
        let error = Error::Open {
            path: "/nosuch".into(),
            source,
        };
        assert_eq!(error.to_string(), "open /nosuch: no such file or directory");
    }
}
