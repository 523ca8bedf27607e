//! Help in docker's layout: usage, sections of options, groups of commands.

use clap::{Arg, ArgAction, Command};

/// Verbs that most people need, in the order to learn them.
const COMMON: &[&str] = &[
    "run", "exec", "ps", "pull", "images", "login", "logout", "version", "info",
];

/// Short verbs whose long form has another name.
const LONG_FORMS: &[(&str, &str)] = &[
    ("ps", "container ls"),
    ("images", "image ls"),
    ("rmi", "image rm"),
    ("pull", "image pull"),
    ("info", "system info"),
    ("events", "system events"),
];

/// A command with the words that lead to it.
pub(crate) struct Located<'a> {
    pub(crate) root: &'a Command,
    pub(crate) command: &'a Command,
    /// `bulkhead container rm`
    pub(crate) path: String,
}

impl<'a> Located<'a> {
    /// The command that the words (without the program's name) lead to.
    pub(crate) fn find(root: &'a Command, words: &[String]) -> Self {
        let mut found = Self {
            root,
            command: root,
            path: root.get_name().to_owned(),
        };
        let mut words = words.iter();
        while let Some(word) = words.next() {
            if word.starts_with('-') {
                if takes_next_word(found.command, word) {
                    words.next();
                }
                continue;
            }
            match found.command.find_subcommand(word) {
                Some(command) => {
                    found.path = format!("{} {}", found.path, command.get_name());
                    found.command = command;
                }
                None => break,
            }
        }
        found
    }

    /// `bulkhead rm [OPTIONS] CONTAINER [CONTAINER...]`
    pub(crate) fn usage(&self) -> String {
        let mut command = self.command.clone();
        let tail = if is_root(self.command) {
            "[OPTIONS] COMMAND".to_owned()
        } else if self.command.has_subcommands() {
            "COMMAND".to_owned()
        } else {
            let usage = command.render_usage().to_string();
            usage.trim_start_matches("Usage:").trim().to_owned()
        };
        format!("{} {tail}", self.path).trim_end().to_owned()
    }

    /// The whole help text, wrapped at `width` columns.
    pub(crate) fn render(&self, width: usize) -> String {
        let mut out = format!("Usage:  {}\n", self.usage());
        if let Some(about) = self.command.get_about() {
            out += &format!("\n{about}\n");
        }
        let aliases = self.aliases();
        if aliases.len() > 1 {
            out += &format!("\nAliases:\n  {}\n", aliases.join(", "));
        }
        let groups = self.groups();
        let names = groups.iter().flat_map(|(_, commands)| commands);
        let widest = names
            .map(|command| command.get_name().len())
            .max()
            .unwrap_or(0);
        for (title, commands) in &groups {
            out += &format!("\n{title}:\n{}", command_lines(commands, widest));
        }
        for (title, options) in self.sections() {
            out += &format!("\n{title}:\n{}", option_lines(&options, width));
        }
        if let Some(after) = self.command.get_after_help() {
            out += &format!("\n{after}\n");
        }
        if self.command.has_subcommands() {
            out += &format!(
                "\nRun '{} COMMAND --help' for more information on a command.\n",
                self.path
            );
        }
        out
    }

    /// Every name the verb goes by.
    pub(crate) fn aliases(&self) -> Vec<String> {
        let program = self.root.get_name();
        let Some(words) = self.path.strip_prefix(&format!("{program} ")) else {
            return Vec::new();
        };
        if self.command.has_subcommands() {
            return Vec::new();
        }
        let irregular = LONG_FORMS
            .iter()
            .find(|(short, long)| *short == words || *long == words);
        let verb = words.rsplit(' ').next().unwrap_or(words);
        let long = match irregular {
            Some((_, long)) => (*long).to_owned(),
            None if words.contains(' ') => words.to_owned(),
            None => format!("container {words}"),
        };
        let (group, name) = long.split_once(' ').unwrap_or(("", &long));
        let mut names = Vec::new();
        let grouped = self.root.find_subcommand(group);
        if let Some(command) = grouped.and_then(|group| group.find_subcommand(name)) {
            names.push(format!("{program} {long}"));
            let aliases = command.get_visible_aliases();
            names.extend(aliases.map(|alias| format!("{program} {group} {alias}")));
        }
        let short = irregular.map_or(verb, |(short, _)| short);
        let is_same = irregular.is_some() || group == "container" && name != "inspect";
        if is_same && self.root.find_subcommand(short).is_some() {
            names.push(format!("{program} {short}"));
        }
        names
    }

    fn groups(&self) -> Vec<(&'static str, Vec<&'a Command>)> {
        let mut all: Vec<&Command> = self
            .command
            .get_subcommands()
            .filter(|command| !command.is_hide_set())
            .collect();
        all.sort_by_key(|command| command.get_name());
        if !is_root(self.command) {
            return match all.is_empty() {
                true => Vec::new(),
                false => vec![("Commands", all)],
            };
        }
        let common: Vec<&Command> = COMMON
            .iter()
            .filter_map(|name| {
                all.iter()
                    .copied()
                    .find(|command| command.get_name() == *name)
            })
            .collect();
        all.retain(|command| !COMMON.contains(&command.get_name()));
        let (management, rest) = all
            .into_iter()
            .partition::<Vec<_>, _>(|command| command.has_subcommands());
        vec![
            ("Common Commands", common),
            ("Management Commands", management),
            ("Commands", rest),
        ]
    }

    /// Options under their headings; those without one come first.
    pub(crate) fn sections(&self) -> Vec<(String, Vec<&'a Arg>)> {
        let first = match is_root(self.command) {
            true => "Global Options",
            false => "Options",
        };
        let mut sections: Vec<(String, Vec<&Arg>)> = Vec::new();
        let is_shown = |arg: &&Arg| {
            let own_help = arg.get_id() != "help" || arg.get_help().is_some();
            !arg.is_hide_set() && !arg.is_positional() && own_help
        };
        for arg in self.command.get_arguments().filter(is_shown) {
            let title = arg.get_help_heading().unwrap_or(first);
            match sections.iter_mut().find(|(name, _)| name == title) {
                Some((_, args)) => args.push(arg),
                None => sections.push((title.to_owned(), vec![arg])),
            }
        }
        sections.sort_by_key(|(title, _)| title != first);
        for (_, args) in &mut sections {
            args.sort_by_key(|arg| arg.get_long().unwrap_or_default());
        }
        sections
    }
}

fn is_root(command: &Command) -> bool {
    command.get_name() == "bulkhead"
}

/// Whether an option's value is the word after it.
pub(crate) fn takes_next_word(command: &Command, word: &str) -> bool {
    if word.contains('=') {
        return false;
    }
    let is_named = |arg: &&Arg| match word.strip_prefix("--") {
        Some(long) => arg.get_long() == Some(long),
        None => word.len() == 2 && arg.get_short() == word.chars().nth(1),
    };
    let arg = command.get_arguments().find(is_named);
    arg.is_some_and(|arg| arg.get_action().takes_values())
}

fn command_lines(commands: &[&Command], widest: usize) -> String {
    let line = |command: &&Command| {
        let about = command.get_about().map(ToString::to_string);
        format!(
            "  {:<widest$}   {}\n",
            command.get_name(),
            about.unwrap_or_default()
        )
    };
    commands.iter().map(line).collect()
}

/// `-f, --filter NAME=VALUE`
pub(crate) fn option_head(arg: &Arg) -> String {
    let short = match arg.get_short() {
        Some(letter) => format!("-{letter}, "),
        None => "    ".to_owned(),
    };
    let long = arg.get_long().unwrap_or_default();
    match value_name(arg) {
        Some(value) => format!("{short}--{long} {value}"),
        None => format!("{short}--{long}"),
    }
}

fn value_name(arg: &Arg) -> Option<String> {
    if !matches!(arg.get_action(), ArgAction::Set | ArgAction::Append) || is_boolean(arg) {
        return None;
    }
    let name = arg.get_value_names().and_then(|names| names.first());
    name.map(ToString::to_string)
}

/// A flag that takes a value only as `--flag=false`.
fn is_boolean(arg: &Arg) -> bool {
    arg.is_require_equals_set()
}

/// What an option does, and its default.
pub(crate) fn option_help(arg: &Arg) -> String {
    let mut help = arg.get_help().map(ToString::to_string).unwrap_or_default();
    let default = arg.get_default_values().first();
    if let Some(default) = default.filter(|_| !arg.is_hide_default_value_set()) {
        let default = default.to_string_lossy();
        if !default.is_empty() && (default != "false" || !is_boolean(arg)) {
            help += &format!(" (default {default})");
        }
    }
    help
}

fn option_lines(options: &[&Arg], width: usize) -> String {
    let heads: Vec<String> = options.iter().map(|arg| option_head(arg)).collect();
    let widest = heads.iter().map(String::len).max().unwrap_or(0);
    let column = widest + 5;
    let mut out = String::new();
    for (head, arg) in heads.iter().zip(options) {
        let lines = wrap(&option_help(arg), width.saturating_sub(column).max(24));
        let mut lines = lines.iter();
        let first = lines.next().map_or("", String::as_str);
        out += format!("  {head:<widest$}   {first}").trim_end();
        out.push('\n');
        for line in lines {
            out += &format!("{:column$}{line}\n", "");
        }
    }
    out
}

fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let line = lines.last_mut().expect("there is always a line");
        if !line.is_empty() && line.chars().count() + 1 + word.chars().count() > width {
            lines.push(word.to_owned());
            continue;
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    lines
}

/// The command that a mistyped word probably meant.
pub(crate) fn suggestion<'a>(command: &'a Command, word: &str) -> Option<&'a str> {
    let names = command
        .get_subcommands()
        .filter(|command| !command.is_hide_set())
        .map(Command::get_name);
    // Of equally near names the longest: fewer letters were lost than added.
    let ranked = names.map(|name| (distance(name, word), std::cmp::Reverse(name.len()), name));
    let (distance, _, name) = ranked.min()?;
    let is_near = distance <= (name.len().max(word.len()) + 1) / 3;
    (is_near || word.len() > 2 && name.starts_with(word)).then_some(name)
}

/// Single edits and swaps of neighbours that turn one word into the other.
fn distance(left: &str, right: &str) -> usize {
    let (left, right): (Vec<char>, Vec<char>) = (left.chars().collect(), right.chars().collect());
    let mut rows = vec![(0..=right.len()).collect::<Vec<usize>>()];
    for (i, a) in left.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, b) in right.iter().enumerate() {
            let mut best = (rows[i][j] + usize::from(a != b))
                .min(rows[i][j + 1] + 1)
                .min(row[j] + 1);
            if i > 0 && j > 0 && *a == right[j - 1] && left[i - 1] == *b {
                best = best.min(rows[i - 1][j - 1] + 1);
            }
            row.push(best);
        }
        rows.push(row);
    }
    rows[left.len()][right.len()]
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    fn help(words: &[&str]) -> String {
        let root = crate::Cli::command();
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        Located::find(&root, &words).render(80)
    }

    #[test]
    fn a_verb_is_shown_with_all_its_names() {
        assert_eq!(
            help(&["restart"]),
            "Usage:  bulkhead restart [OPTIONS] CONTAINER [CONTAINER...]\n\n\
             Restart one or more containers\n\n\
             Aliases:\n  bulkhead container restart, bulkhead restart\n\n\
             Options:\n  -s, --signal SIGNAL     Signal to send to the container\n  \
             -t, --timeout SECONDS   Seconds to wait before killing the container (-1 to\n                          \
             wait for ever)\n"
        );
        assert!(
            help(&["-H", "ps", "ps"]).contains("bulkhead container ls, bulkhead container list")
        );
    }

    #[test]
    fn commands_stand_in_groups() {
        let help = help(&[]);
        let at = |text: &str| help.find(text).unwrap_or_else(|| panic!("{text}: {help}"));
        assert!(at("\nCommon Commands:\n  run ") < at("\nManagement Commands:\n"));
        assert!(at("\n  container ") < at("\nCommands:\n"));
        assert!(at("\nCommands:\n") < at("\nGlobal Options:\n"));
    }

    #[test]
    fn a_mistyped_word_is_guessed_and_a_strange_one_is_not() {
        let root = crate::Cli::command();
        assert_eq!(suggestion(&root, "strat"), Some("start"));
        assert_eq!(suggestion(&root, "imags"), Some("images"));
        assert_eq!(suggestion(&root, "contain"), Some("container"));
        assert_eq!(suggestion(&root, "frobnicate"), None);
        assert_eq!(suggestion(&root, ""), None);
    }

    #[test]
    fn every_command_and_option_is_explained() {
        fn check(command: &Command, path: &str) {
            assert!(command.get_about().is_some(), "{path} has no help");
            for arg in command.get_arguments().filter(|arg| !arg.is_positional()) {
                let named = arg.get_long().unwrap_or_default();
                assert!(
                    named == "help" || arg.get_help().is_some(),
                    "{path} --{named}"
                );
            }
            for sub in command.get_subcommands() {
                check(sub, &format!("{path} {}", sub.get_name()));
            }
        }
        check(&crate::Cli::command(), "bulkhead");
    }
}
