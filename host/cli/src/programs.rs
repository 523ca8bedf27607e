//! Programs that are installed with this one.

use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Command;

use crate::error::Error;

/// Becomes the program, which is beside this one or else in PATH; returns
/// only if that fails.
pub(crate) fn become_program(name: &str, words: &[OsString]) -> Error {
    let program = find(name);
    let source = Command::new(&program).args(words).exec();
    Error::Exec {
        program: program.display().to_string(),
        source,
    }
}

fn find(name: &str) -> PathBuf {
    let this = std::env::current_exe().ok();
    let beside = this
        .map(|path| path.with_file_name(name))
        .filter(|path| path.exists());
    beside.unwrap_or_else(|| name.into())
}
