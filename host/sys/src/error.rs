//! The error of a failed system call.

use std::io;

/// A system call failed.
#[derive(Debug, thiserror::Error)]
#[error("{call}({arguments})")]
pub struct Error {
    /// The call's name in the manual.
    pub call: &'static str,
    /// The arguments that help to find the cause: paths, names, numbers.
    pub arguments: String,
    /// The errno.
    #[source]
    pub source: io::Error,
}

/// What calls of this crate return.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// The calling thread's `errno` after `call` failed.
    pub(crate) fn last(call: &'static str, arguments: impl ToString) -> Self {
        Self::new(call, arguments, io::Error::last_os_error())
    }

    /// An error of the call with a source that is already at hand.
    pub fn new(call: &'static str, arguments: impl ToString, source: impl Into<io::Error>) -> Self {
        Self {
            call,
            arguments: arguments.to_string(),
            source: source.into(),
        }
    }

    /// The errno, 0 when the failure was not the kernel's.
    pub fn errno(&self) -> i32 {
        self.source.raw_os_error().unwrap_or(0)
    }

    /// What kind of failure the errno stands for.
    pub fn io_kind(&self) -> io::ErrorKind {
        self.source.kind()
    }
}

impl From<Error> for io::Error {
    fn from(error: Error) -> Self {
        let kind = error.source.kind();
        io::Error::new(kind, format!("{error}: {}", error.source))
    }
}

/// Turns the kernel's -1 into an error.
pub(crate) fn check(
    result: libc::c_long,
    call: &'static str,
    arguments: impl ToString,
) -> Result<libc::c_long> {
    if result < 0 {
        Err(Error::last(call, arguments))
    } else {
        Ok(result)
    }
}

/// Names the call of an error that `nix` returned.
pub(crate) fn named<T>(
    result: nix::Result<T>,
    call: &'static str,
    arguments: impl ToString,
) -> Result<T> {
    result.map_err(|errno| Error::new(call, arguments, errno))
}
