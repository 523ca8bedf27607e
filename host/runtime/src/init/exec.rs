//! Finding and executing the container's program, with Docker's error texts.

use std::ffi::CString;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use bulkhead_sys::process;

use super::InitError;
use crate::order::InitOrder;
use crate::passwd::Identity;

/// What programs get that have no PATH, as the C library has it.
const DEFAULT_PATH: &str = "/bin:/usr/bin";

/// A program that was found, with what it gets.
pub(super) struct Prepared {
    program: PathBuf,
    args: Vec<CString>,
    env: Vec<CString>,
}

/// Replaces this process; returns only on failure.
pub(super) fn exec(prepared: &Prepared) -> InitError {
    exec_program(&prepared.program, &prepared.args, &prepared.env)
}

/// Finds the program as the user who will run it.
pub(super) fn prepare(order: &InitOrder, identity: &Identity) -> Result<Prepared, InitError> {
    let env = environment(&order.env, &identity.home);
    let name = order.args.first().map(String::as_str).unwrap_or_default();
    let program = find(name, variable(&env, "PATH"))?;
    let strings = |list: &[String]| -> Result<Vec<CString>, InitError> {
        list.iter()
            .map(|s| CString::new(s.as_str()).map_err(|_| InitError::NulByte))
            .collect()
    };
    Ok(Prepared {
        program,
        args: strings(&order.args)?,
        env: strings(&env)?,
    })
}

/// HOME is the user's, unless it was given.
fn environment(env: &[String], home: &str) -> Vec<String> {
    let mut env = env.to_vec();
    if variable(&env, "HOME").is_none_or(str::is_empty) {
        env.retain(|entry| !entry.starts_with("HOME="));
        env.push(format!("HOME={home}"));
    }
    env
}

fn variable<'a>(env: &'a [String], name: &str) -> Option<&'a str> {
    env.iter()
        .rev()
        .find_map(|entry| entry.strip_prefix(name)?.strip_prefix('='))
}

/// As Go's `exec.LookPath`, whose texts Docker's users know.
fn find(name: &str, path: Option<&str>) -> Result<PathBuf, InitError> {
    if name.contains('/') {
        return match executable(Path::new(name)) {
            Ok(()) => Ok(PathBuf::from(name)),
            Err(error) => Err(not_runnable(name, &error)),
        };
    }
    let mut denied = false;
    for dir in path
        .unwrap_or(DEFAULT_PATH)
        .split(':')
        .filter(|_| !name.is_empty())
    {
        let candidate = Path::new(if dir.is_empty() { "." } else { dir }).join(name);
        match executable(&candidate) {
            Ok(()) => return Ok(candidate),
            Err(error) => denied |= error.kind() == io::ErrorKind::PermissionDenied,
        }
    }
    if denied {
        return Err(InitError::NotExecutable(format!(
            "exec: {name:?}: permission denied"
        )));
    }
    Err(InitError::NotFound(format!(
        "exec: {name:?}: executable file not found in $PATH"
    )))
}

fn executable(path: &Path) -> io::Result<()> {
    let found = path.metadata()?;
    if found.is_dir() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    if found.permissions().mode() & 0o111 == 0 {
        return Err(io::ErrorKind::PermissionDenied.into());
    }
    Ok(())
}

fn not_runnable(name: &str, error: &io::Error) -> InitError {
    match error.kind() {
        io::ErrorKind::NotFound => InitError::NotFound(format!(
            "exec: {name:?}: stat {name}: no such file or directory"
        )),
        io::ErrorKind::NotADirectory => {
            InitError::NotExecutable(format!("exec: {name:?}: stat {name}: not a directory"))
        }
        io::ErrorKind::IsADirectory => {
            InitError::NotExecutable(format!("exec: {name:?}: is a directory"))
        }
        _ => InitError::NotExecutable(format!("exec: {name:?}: permission denied")),
    }
}

fn exec_program(program: &Path, args: &[CString], env: &[CString]) -> InitError {
    let shown = program.display();
    let Ok(path) = CString::new(program.as_os_str().as_bytes()) else {
        return InitError::NulByte;
    };
    let error = process::exec(&path, args, env);
    match error.io_kind() {
        // The program is there: it is the `#!` line's interpreter, or the
        // dynamic linker, that is missing.
        io::ErrorKind::NotFound => {
            InitError::NotFound(format!("exec {shown}: no such file or directory"))
        }
        io::ErrorKind::PermissionDenied => {
            InitError::NotExecutable(format!("exec {shown}: permission denied"))
        }
        _ if error.errno() == 8 => {
            InitError::NotExecutable(format!("exec {shown}: exec format error"))
        }
        _ => InitError::NotExecutable(format!("exec {shown}: {}", error.source)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_of_several_variables_counts_and_home_is_filled_in() {
        let env = ["A=1", "A=2", "HOME="].map(String::from);
        assert_eq!(variable(&env, "A"), Some("2"));
        assert_eq!(variable(&env, "B"), None);
        assert_eq!(environment(&env, "/root"), ["A=1", "A=2", "HOME=/root"]);
        assert_eq!(environment(&["HOME=/x".to_owned()], "/root"), ["HOME=/x"]);
    }

    #[test]
    fn missing_and_unusable_programs_are_told_apart() {
        let not_found = |name, path| matches!(find(name, path), Err(InitError::NotFound(_)));
        let unusable = |name, path| matches!(find(name, path), Err(InitError::NotExecutable(_)));
        assert!(not_found("no-such-program", Some("/bin")));
        assert!(not_found("", Some("/bin")));
        assert!(not_found("/no/such", None));
        assert!(unusable("/etc", None));
        assert!(unusable("/etc/passwd", None));
        assert!(unusable("/etc/passwd/x", None));
        assert!(unusable("passwd", Some("/nowhere:/etc")));
        assert!(find("sh", Some("/bin")).is_ok());
    }
}
