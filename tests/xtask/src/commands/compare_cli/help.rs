//! A client's help, read back: both print the same layout.

/// One option, by its names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Name {
    pub(super) short: Option<char>,
    pub(super) long: String,
}

impl std::fmt::Display for Name {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.short {
            Some(short) => write!(f, "-{short}, {}", self.long),
            None => f.write_str(&self.long),
        }
    }
}

/// What a help text offers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Help {
    pub(super) commands: Vec<String>,
    pub(super) flags: Vec<Name>,
}

impl Help {
    pub(super) fn parse(text: &str) -> Self {
        let mut help = Self::default();
        let mut in_commands = false;
        for line in text.lines() {
            if let Some(title) = line.strip_suffix(':').filter(|line| !line.starts_with(' ')) {
                in_commands = title.ends_with("Commands");
            }
            if let Some(name) = flag(line) {
                help.flags.push(name);
                continue;
            }
            let is_entry = in_commands && line.starts_with("  ") && !line.starts_with("   ");
            if let Some(word) = line.split_whitespace().next().filter(|_| is_entry) {
                // Docker marks the commands of its plugins.
                help.commands.push(word.trim_end_matches('*').to_owned());
            }
        }
        help
    }
}

/// `  -f, --filter filter   …` or `      --format string   …`
fn flag(line: &str) -> Option<Name> {
    let (short, rest) = match line.strip_prefix("      --") {
        Some(rest) => (None, rest),
        None => {
            let (short, rest) = line.strip_prefix("  -")?.split_once(", --")?;
            (Some(short.chars().next()?), rest)
        }
    };
    let name = rest.split_whitespace().next()?;
    Some(Name {
        short,
        long: format!("--{name}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_and_commands_are_read_and_wrapped_text_is_not() {
        let help = Help::parse(
            "Usage:  docker rm [OPTIONS]\n\nRemove\n\nCommon Commands:\n  run         Create\n  buildx*     Build\n\n\
             Options:\n  -f, --force           Force --all\n      --format string   Format:\n                        'x'\n",
        );
        assert_eq!(help.commands, ["run", "buildx"]);
        let names: Vec<String> = help.flags.iter().map(ToString::to_string).collect();
        assert_eq!(names, ["-f, --force", "--format"]);
    }
}
