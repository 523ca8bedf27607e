//! What of a process must be known again after a restart of the daemon, kept
//! where the process's shim keeps its state. The environment is left out.

use serde::{Deserialize, Serialize};

use super::ExecSpec;

#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
struct Note {
    args: Vec<String>,
    user: String,
    working_dir: String,
    tty: bool,
    stdin: bool,
    stdout: bool,
    stderr: bool,
    privileged: bool,
}

pub(super) fn write(spec: &ExecSpec) -> Vec<u8> {
    let note = Note {
        args: spec.args.clone(),
        user: spec.user.clone(),
        working_dir: spec.working_dir.clone(),
        tty: spec.tty,
        stdin: spec.stdin,
        stdout: spec.stdout,
        stderr: spec.stderr,
        privileged: spec.privileged,
    };
    // Strings and truth values can always be written.
    serde_json::to_vec(&note).unwrap_or_default()
}

/// A note that a crash cut off says nothing.
pub(super) fn read(bytes: Option<Vec<u8>>) -> ExecSpec {
    let note: Note = serde_json::from_slice(&bytes.unwrap_or_default()).unwrap_or_default();
    ExecSpec {
        args: note.args,
        user: note.user,
        working_dir: note.working_dir,
        tty: note.tty,
        stdin: note.stdin,
        stdout: note.stdout,
        stderr: note.stderr,
        privileged: note.privileged,
        ..ExecSpec::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_inspect_shows_is_read_back_and_a_torn_note_is_empty() {
        let spec = ExecSpec {
            args: vec!["sh".into(), "-c".into()],
            env: vec!["SECRET=1".into()],
            user: "web".into(),
            tty: true,
            privileged: true,
            ..ExecSpec::default()
        };
        let bytes = write(&spec);
        assert!(!String::from_utf8_lossy(&bytes).contains("SECRET"));
        let back = read(Some(bytes.clone()));
        assert_eq!((back.args, back.user), (spec.args, spec.user));
        assert!(back.tty && back.privileged && !back.stdin);
        assert!(read(Some(bytes[..9].to_vec())).args.is_empty());
        assert!(read(None).args.is_empty());
    }
}
