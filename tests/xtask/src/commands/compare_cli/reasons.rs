//! Why something is missing: `command --flag: reason` a line, `*` for every
//! command, no flag for a whole command, nothing before the flag for the
//! program itself.

use anyhow::{Context, Result};

/// The reasons, each marked once it was used.
pub(super) struct Reasons(Vec<Reason>);

struct Reason {
    /// `container run --gpus`
    subject: String,
    why: String,
    used: bool,
}

impl Reasons {
    pub(super) fn parse(text: &str) -> Result<Self> {
        let lines = text
            .lines()
            .filter(|line| !line.is_empty() && !line.starts_with('#'));
        let reason = |line: &str| {
            let (subject, why) = line
                .split_once(": ")
                .with_context(|| format!("no reason in {line:?}"))?;
            Ok(Reason {
                subject: subject.trim().to_owned(),
                why: why.trim().to_owned(),
                used: false,
            })
        };
        lines.map(reason).collect::<Result<_>>().map(Self)
    }

    /// The reason for a command's flag, or with an empty one for the command.
    pub(super) fn take(&mut self, command: &str, flag: &str) -> Option<String> {
        let subjects = [format!("{command} {flag}"), format!("* {flag}")];
        let mut found = self.0.iter_mut();
        let reason = found.find(|reason| {
            subjects
                .iter()
                .any(|subject| subject.trim() == reason.subject)
        })?;
        reason.used = true;
        Some(reason.why.clone())
    }

    /// Subjects that nobody asked for.
    pub(super) fn unused(&self) -> Vec<String> {
        let unused = self.0.iter().filter(|reason| !reason.used);
        unused.map(|reason| reason.subject.clone()).collect()
    }
}
