//! Completion of a command line: a script for each shell asks
//! `bulkhead __complete WORDS… CURRENT`, which answers a candidate a line,
//! with a tab and its description. No answer leaves it to the shell's files.

mod names;
mod scripts;

use std::ffi::OsString;

use clap::{Arg, Command, CommandFactory};

use crate::help::{Located, takes_next_word};
use names::Kind;
pub(crate) use scripts::{SHELLS, script};

/// The hidden verb that scripts call.
pub(crate) const VERB: &str = "__complete";

/// A word that could stand here, and what it means.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Candidate {
    word: String,
    about: String,
}

/// What a word of the command line may be.
#[derive(Debug, PartialEq, Eq)]
enum Wanted {
    Known(Vec<Candidate>),
    Names(Kind),
    /// The shell's own: files.
    Other,
}

/// Answers for the words after the verb, the last of which is being typed.
/// Nothing that goes wrong is worth a word on the user's command line.
pub(crate) fn answer(words: &[OsString]) -> String {
    let words: Vec<String> = words
        .iter()
        .map(|word| word.to_string_lossy().into_owned())
        .collect();
    let (current, before) = match words.split_last() {
        Some((current, before)) => (current.as_str(), before),
        None => ("", &[] as &[String]),
    };
    let root = crate::Cli::command();
    let candidates = match wanted(&root, before, current) {
        Wanted::Known(list) => list,
        Wanted::Names(kind) => names::find(kind, before).unwrap_or_default(),
        Wanted::Other => Vec::new(),
    };
    let fits = |candidate: &&Candidate| candidate.word.starts_with(current);
    let line = |candidate: &Candidate| {
        let about: String = candidate
            .about
            .chars()
            .filter(|c| !c.is_control())
            .collect();
        format!("{}\t{about}\n", candidate.word)
    };
    candidates.iter().filter(fits).map(line).collect()
}

fn wanted(root: &Command, before: &[String], current: &str) -> Wanted {
    let located = Located::find(root, before);
    let command = located.command;
    if let Some(option) = before.last().and_then(|word| waiting(command, word)) {
        return match option.get_long() {
            Some("context" | "from") => Wanted::Names(Kind::Context),
            Some("network") => Wanted::Names(Kind::Network),
            _ => Wanted::Other,
        };
    }
    if current.starts_with('-') {
        return Wanted::Known(options(command));
    }
    if command.has_subcommands() {
        return Wanted::Known(subcommands(command));
    }
    let given = arguments(root, before);
    let verb = command.get_name();
    let position = command.get_positionals().nth(given);
    let repeated = || {
        command
            .get_positionals()
            .last()
            .filter(|_| !is_command_line(verb))
    };
    let name = position
        .or_else(repeated)
        .and_then(|arg| arg.get_value_names()?.first());
    match name.map(|name| name.as_str()) {
        Some("IMAGE" | "CONTAINER") if is_command_line(verb) && given > 0 => Wanted::Other,
        Some("CONTAINER") => Wanted::Names(Kind::container_for(verb)),
        Some("IMAGE" | "NAME" | "REPOSITORY[:TAG]") => Wanted::Names(Kind::Image),
        Some("NETWORK") => Wanted::Names(Kind::Network),
        Some("VOLUME") if verb != "create" => Wanted::Names(Kind::Volume),
        Some("CONTEXT") => Wanted::Names(Kind::Context),
        Some("NAME|ID") => Wanted::Names(Kind::Any),
        _ => Wanted::Other,
    }
}

/// Whether what follows the first argument is another program's.
fn is_command_line(verb: &str) -> bool {
    matches!(verb, "run" | "create" | "exec" | "top")
}

/// The option that the word before is, if it still waits for its value.
fn waiting<'a>(command: &'a Command, word: &str) -> Option<&'a Arg> {
    let takes = word.starts_with('-') && takes_next_word(command, word);
    let is_named = |arg: &&Arg| match word.strip_prefix("--") {
        Some(long) => arg.get_long() == Some(long),
        None => arg.get_short() == word.chars().nth(1),
    };
    command.get_arguments().filter(|_| takes).find(is_named)
}

/// How many arguments the verb has already.
fn arguments(root: &Command, before: &[String]) -> usize {
    let (mut command, mut given) = (root, 0);
    let mut words = before.iter();
    while let Some(word) = words.next() {
        if word.starts_with('-') {
            if takes_next_word(command, word) {
                words.next();
            }
            continue;
        }
        match command.find_subcommand(word) {
            Some(next) if command.has_subcommands() => command = next,
            _ => given += 1,
        }
    }
    given
}

fn options(command: &Command) -> Vec<Candidate> {
    let shown = command.get_arguments().filter(|arg| !arg.is_hide_set());
    let candidate = |arg: &Arg| {
        Some(Candidate {
            word: format!("--{}", arg.get_long()?),
            about: arg.get_help().map(ToString::to_string).unwrap_or_default(),
        })
    };
    let help = Candidate {
        word: "--help".into(),
        about: "Print usage".into(),
    };
    shown
        .filter(|arg| arg.get_id() != "help")
        .filter_map(candidate)
        .chain([help])
        .collect()
}

fn subcommands(command: &Command) -> Vec<Candidate> {
    let shown = command
        .get_subcommands()
        .filter(|command| !command.is_hide_set());
    let candidate = |command: &Command| Candidate {
        word: command.get_name().to_owned(),
        about: command
            .get_about()
            .map(ToString::to_string)
            .unwrap_or_default(),
    };
    shown.map(candidate).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(line: &str) -> Wanted {
        let mut words: Vec<String> = line.split(' ').map(str::to_owned).collect();
        let current = words.pop().unwrap();
        wanted(&crate::Cli::command(), &words, &current)
    }

    fn words(line: &str) -> Vec<String> {
        match at(line) {
            Wanted::Known(list) => list.into_iter().map(|candidate| candidate.word).collect(),
            other => panic!("{line}: {other:?}"),
        }
    }

    #[test]
    fn commands_and_options_are_known() {
        assert!(words("").contains(&"container".to_owned()));
        assert!(words("container l").contains(&"ls".to_owned()));
        assert!(words("-H x container ls -").contains(&"--no-trunc".to_owned()));
        assert!(!words("").contains(&VERB.to_owned()));
    }

    #[test]
    fn arguments_are_names_of_what_the_verb_takes() {
        assert_eq!(at("stop a "), Wanted::Names(Kind::Running));
        assert_eq!(at("container start "), Wanted::Names(Kind::Stopped));
        assert_eq!(at("rm -f "), Wanted::Names(Kind::Container));
        assert_eq!(at("run --rm -e A=b bus"), Wanted::Names(Kind::Image));
        assert_eq!(at("run busybox ls"), Wanted::Other);
        assert_eq!(at("exec web "), Wanted::Other);
        assert_eq!(at("exec -u "), Wanted::Other);
        assert_eq!(at("run --network "), Wanted::Names(Kind::Network));
        assert_eq!(at("--context "), Wanted::Names(Kind::Context));
        assert_eq!(at("network connect n "), Wanted::Names(Kind::Container));
        assert_eq!(at("volume create "), Wanted::Other);
        assert_eq!(at("inspect x "), Wanted::Names(Kind::Any));
    }
}
