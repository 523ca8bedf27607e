//! The document.

use std::fmt;

/// How ours compares.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Same,
    /// Docker has no such thing.
    Better,
    Missing(Option<String>),
}

/// A flag's names, and how it compares.
pub(super) type Flag = (String, Verdict);

/// Every command compared.
pub(super) struct Page {
    /// The version of the docker client.
    pub(super) docker: String,
    pub(super) commands: Vec<(String, Verdict, Vec<Flag>)>,
}

impl Page {
    /// What is missing without a reason.
    pub(super) fn unexplained(&self) -> Vec<String> {
        let mut found = Vec::new();
        for (name, verdict, flags) in &self.commands {
            if *verdict == Verdict::Missing(None) {
                found.push(name.clone());
            }
            let bare = flags
                .iter()
                .filter(|(_, verdict)| *verdict == Verdict::Missing(None));
            found.extend(bare.map(|(flag, _)| format!("{name} {flag}")));
        }
        found
    }

    /// `40 commands, 300 flags the same, 12 missing`
    pub(super) fn sum(&self) -> String {
        let flags = || self.commands.iter().flat_map(|(.., flags)| flags);
        let count =
            |wanted: fn(&Verdict) -> bool| flags().filter(|(_, verdict)| wanted(verdict)).count();
        let gone = self
            .commands
            .iter()
            .filter(|(_, verdict, _)| matches!(verdict, Verdict::Missing(_)));
        format!(
            "{} commands, {} of them missing; {} flags the same, {} more than docker's, {} missing",
            self.commands.len(),
            gone.count(),
            count(|verdict| *verdict == Verdict::Same),
            count(|verdict| *verdict == Verdict::Better),
            count(|verdict| matches!(verdict, Verdict::Missing(_))),
        )
    }
}

impl fmt::Display for Page {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "# The command line beside docker's\n\n\
             Written by `cargo xtask compare-cli`, which asks both clients for their help; docker's is {}.\n\
             A flag is the same when it has the same names. Short verbs (`rm`) are the same as their long forms\n\
             (`container rm`).\n\n{}.\n",
            self.docker,
            self.sum()
        )?;
        for (name, verdict, flags) in &self.commands {
            let title = format!("bulkhead {name}");
            writeln!(f, "## {}\n", title.trim())?;
            match verdict {
                Verdict::Missing(why) => {
                    writeln!(f, "Missing: {}\n", why.as_deref().unwrap_or("?"))?
                }
                Verdict::Better => writeln!(f, "Docker has no such command.\n")?,
                Verdict::Same => self.flags(f, flags)?,
            }
        }
        Ok(())
    }
}

impl Page {
    fn flags(&self, f: &mut fmt::Formatter<'_>, flags: &[Flag]) -> fmt::Result {
        let list = |wanted: Verdict| {
            let found = flags.iter().filter(|(_, verdict)| *verdict == wanted);
            found
                .map(|(flag, _)| format!("`{flag}`"))
                .collect::<Vec<_>>()
                .join(", ")
        };
        if flags.is_empty() {
            writeln!(f, "No flags.\n")?;
        }
        for (title, names) in [
            ("Same", list(Verdict::Same)),
            ("More than docker's", list(Verdict::Better)),
        ] {
            if !names.is_empty() {
                writeln!(f, "{title}: {names}\n")?;
            }
        }
        let missing: Vec<_> = flags
            .iter()
            .filter_map(|(flag, verdict)| match verdict {
                Verdict::Missing(why) => Some((flag, why.as_deref().unwrap_or("?"))),
                _ => None,
            })
            .collect();
        if !missing.is_empty() {
            writeln!(f, "| Missing | Why |\n|---|---|")?;
            for (flag, why) in missing {
                writeln!(f, "| `{flag}` | {why} |")?;
            }
            writeln!(f)?;
        }
        Ok(())
    }
}
