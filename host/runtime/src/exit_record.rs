//! How a shim records an exit for whoever comes later: one line,
//! `CODE OOM FINISHED_AT`, in a file that appears whole or not at all.

use std::io::Write;
use std::os::fd::OwnedFd;

use bulkhead_model::process::ExitStatus;
use bulkhead_sys::directory::rename;
use bulkhead_sys::path::{OFlag, open_beneath};
use bulkhead_sys::{Error, Result};

use crate::layout::EXIT;

const TEMPORARY: &str = "exit.new";

/// Writes the record into a shim's state directory.
///
/// # Errors
/// The file cannot be written or renamed.
pub fn write(state: &OwnedFd, status: &ExitStatus) -> Result<()> {
    let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_TRUNC | OFlag::O_NOFOLLOW;
    let mut file = std::fs::File::from(open_beneath(state, TEMPORARY, flags, 0o600)?);
    let line = format!(
        "{} {} {}\n",
        status.code,
        u8::from(status.oom_killed),
        status.finished_at
    );
    file.write_all(line.as_bytes())
        .map_err(|e| Error::new("write", TEMPORARY, e))?;
    rename(state, TEMPORARY, state, EXIT)
}

/// Reads a record.
pub fn parse(text: &str) -> Option<ExitStatus> {
    let mut fields = text.strip_suffix('\n')?.split(' ');
    let code = fields.next()?.parse().ok()?;
    let oom_killed = fields.next()? == "1";
    let finished_at = fields.next()?.parse().ok()?;
    Some(ExitStatus {
        code,
        oom_killed,
        finished_at,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_can_be_read_back() {
        let temp = tempfile::tempdir().unwrap();
        let dir = bulkhead_sys::path::open_host_dir(temp.path()).unwrap();
        let status = ExitStatus {
            code: 137,
            oom_killed: true,
            finished_at: 42,
        };
        write(&dir, &status).unwrap();
        let text = std::fs::read_to_string(temp.path().join(EXIT)).unwrap();
        assert_eq!(parse(&text), Some(status));
        assert_eq!(parse("137 1"), None);
    }
}
