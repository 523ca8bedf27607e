//! Reading the command line, and refusing it in docker's words and with its
//! exit codes.

use std::ffi::OsString;
use std::io::Write;
use std::process::ExitCode;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{ArgAction, ArgMatches, CommandFactory};

use crate::help::{self, Located};

/// A command line that is not carried out: refused, or help that was asked for.
pub(crate) struct Refused {
    error: clap::Error,
    /// `bulkhead run`
    path: String,
    /// `bulkhead run [OPTIONS] IMAGE …`
    usage: String,
    /// The whole help of the command.
    help: String,
    /// What a word that is no command was probably meant to be.
    suggestion: Option<String>,
    /// Its flags, `--memory` to `-m, --memory`.
    flags: Vec<(String, String)>,
    /// How many arguments the verb takes at least, and at most unless any number.
    arguments: (usize, Option<usize>),
}

impl From<clap::Error> for Box<Refused> {
    fn from(error: clap::Error) -> Self {
        Refused::new(error, &[])
    }
}

/// Reads the command line.
pub(crate) fn matches(words: &[OsString]) -> Result<ArgMatches, Box<Refused>> {
    let mut command = crate::Cli::command();
    if words.iter().any(has_explicit_boolean) {
        command = accept_explicit_booleans(command);
    }
    command
        .try_get_matches_from_mut(words)
        .map_err(|error| Refused::new(error, words.get(1..).unwrap_or_default()))
}

/// The help of the command that the words name.
pub(crate) fn help(words: &[OsString]) -> String {
    let root = crate::Cli::command();
    Located::find(&root, &texts(words)).render(width())
}

fn texts(words: &[OsString]) -> Vec<String> {
    let text = |word: &OsString| word.to_string_lossy().into_owned();
    words.iter().map(text).collect()
}

/// Columns of the terminal, 80 off one.
fn width() -> usize {
    crate::terminal::size().map_or(80, |(_, columns)| columns.into())
}

/// Docker takes `--rm=true` for `--rm`. Few write it, and accepting it costs
/// a walk over all flags, so it is only done for those who do.
fn has_explicit_boolean(word: &OsString) -> bool {
    let value = word
        .to_str()
        .filter(|text| text.starts_with('-'))
        .and_then(|text| text.split_once('='));
    matches!(
        value,
        Some((
            _,
            "true" | "false" | "True" | "False" | "TRUE" | "FALSE" | "t" | "f" | "1" | "0"
        ))
    )
}

fn accept_explicit_booleans(command: clap::Command) -> clap::Command {
    let truth = |text: &str| match text {
        "true" | "True" | "TRUE" | "t" | "1" => Ok(true),
        "false" | "False" | "FALSE" | "f" | "0" => Ok(false),
        _ => Err(format!("{text:?} is neither true nor false")),
    };
    command.mut_subcommands(|verb| {
        accept_explicit_booleans(verb).mut_args(|arg| match arg.get_action() {
            ArgAction::SetTrue => arg
                .action(ArgAction::Set)
                .num_args(0..=1)
                .require_equals(true)
                .default_value("false")
                .default_missing_value("true")
                .value_parser(truth),
            _ => arg,
        })
    })
}

impl Refused {
    fn new(error: clap::Error, words: &[OsString]) -> Box<Self> {
        let root = crate::Cli::command();
        let located = Located::find(&root, &texts(words));
        let both = |arg: &clap::Arg| {
            let (long, short) = (arg.get_long()?, arg.get_short()?);
            Some((format!("--{long}"), format!("-{short}, --{long}")))
        };
        let suggestion = match error.get(ContextKind::InvalidSubcommand) {
            Some(ContextValue::String(word)) => help::suggestion(located.command, word),
            _ => None,
        };
        Box::new(Self {
            suggestion: suggestion.map(str::to_owned),
            usage: located.usage(),
            help: located.render(width()),
            flags: located.command.get_arguments().filter_map(both).collect(),
            arguments: arguments(located.command),
            path: located.path,
            error,
        })
    }

    /// The flag in both its forms, without its value's name.
    fn name(&self, flag: &str) -> String {
        let long = flag.split([' ', '=', '[']).next().unwrap_or(flag);
        let both = self
            .flags
            .iter()
            .find(|(name, _)| name == long)
            .map(|(_, both)| both.as_str());
        both.unwrap_or(long).to_owned()
    }

    fn arity(&self) -> String {
        let plural = |count: usize| match count {
            1 => "1 argument".to_owned(),
            count => format!("{count} arguments"),
        };
        let arity = match self.arguments {
            (_, Some(0)) => "accepts no arguments".to_owned(),
            (least, Some(most)) if least == most => format!("requires {}", plural(least)),
            (0, Some(most)) => format!("accepts at most {}", plural(most)),
            (least, Some(most)) => {
                format!("requires at least {} and at most {}", least, plural(most))
            }
            (least, None) => format!("requires at least {}", plural(least)),
        };
        format!("bulkhead: '{}' {arity}", self.path)
    }

    /// Tells the user and gives the exit code.
    pub(crate) fn tell(&self) -> ExitCode {
        // Help and version; a reader that went away is no failure.
        let mut out = std::io::stdout();
        match self.error.kind() {
            ErrorKind::DisplayHelp => {
                let _ = out.write_all(self.help.as_bytes());
                return ExitCode::SUCCESS;
            }
            // As docker: on the other stream, but no failure.
            ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand | ErrorKind::MissingSubcommand => {
                eprint!("{}", self.help);
                return ExitCode::SUCCESS;
            }
            ErrorKind::DisplayVersion => {
                let _ = writeln!(out, "bulkhead version {}", env!("CARGO_PKG_VERSION"));
                return ExitCode::SUCCESS;
            }
            _ => {}
        }
        let (message, code) = self.message();
        let see = format!("Run '{} --help' for more information", self.path);
        match (self.error.kind(), &self.suggestion) {
            (ErrorKind::InvalidSubcommand, Some(name)) => {
                eprintln!("{message}\n\nDid you mean '{} {name}'?\n\n{see}", self.path);
            }
            (ErrorKind::InvalidSubcommand, None) => eprintln!("{message}\n\n{see}"),
            _ => eprintln!("{message}\n\nUsage:  {}\n\n{see}", self.usage),
        }
        ExitCode::from(code)
    }

    fn message(&self) -> (String, u8) {
        let context = |kind| match self.error.get(kind) {
            Some(ContextValue::String(text)) => text.clone(),
            Some(ContextValue::Strings(list)) => list.first().cloned().unwrap_or_default(),
            _ => String::new(),
        };
        let (flag, value) = (
            context(ContextKind::InvalidArg),
            context(ContextKind::InvalidValue),
        );
        match self.error.kind() {
            ErrorKind::InvalidSubcommand => {
                let word = context(ContextKind::InvalidSubcommand);
                (
                    format!("bulkhead: unknown command: {} {word}", self.path),
                    1,
                )
            }
            ErrorKind::UnknownArgument if !flag.starts_with('-') => (self.arity(), 1),
            ErrorKind::UnknownArgument if flag.starts_with("--") => {
                (format!("unknown flag: {flag}"), 125)
            }
            ErrorKind::UnknownArgument => {
                let letter = flag.chars().nth(1).unwrap_or_default();
                (format!("unknown shorthand flag: '{letter}' in {flag}"), 125)
            }
            ErrorKind::MissingRequiredArgument => (self.arity(), 1),
            ErrorKind::InvalidValue if value.is_empty() => {
                (format!("flag needs an argument: {}", self.name(&flag)), 125)
            }
            ErrorKind::InvalidValue if flag.starts_with('<') => {
                let reason = self.reason().unwrap_or_default();
                (format!("invalid argument \"{value}\": {reason}"), 1)
            }
            ErrorKind::ValueValidation | ErrorKind::InvalidValue => {
                let reason = self
                    .reason()
                    .map(|text| format!(": {text}"))
                    .unwrap_or_default();
                (
                    format!(
                        "invalid argument \"{value}\" for \"{}\" flag{reason}",
                        self.name(&flag)
                    ),
                    125,
                )
            }
            ErrorKind::TooManyValues => (
                format!(
                    "invalid argument \"{value}\" for \"{}\" flag: it takes no value",
                    self.name(&flag)
                ),
                125,
            ),
            _ => (first_line(&self.error), 125),
        }
    }

    fn reason(&self) -> Option<String> {
        use std::error::Error;
        match (self.error.source(), self.error.get(ContextKind::ValidValue)) {
            (Some(source), _) => Some(source.to_string()),
            (None, Some(ContextValue::Strings(valid))) => {
                Some(format!("expected {}", valid.join(", ")))
            }
            _ => None,
        }
    }
}

/// The verb's least and most arguments.
fn arguments(verb: &clap::Command) -> (usize, Option<usize>) {
    let any_number = verb
        .get_positionals()
        .any(|arg| matches!(arg.get_action(), ArgAction::Append));
    let required = verb.get_positionals().filter(|arg| arg.is_required_set());
    let most = (!any_number).then(|| verb.get_positionals().count());
    (required.count(), most)
}

fn first_line(error: &clap::Error) -> String {
    let text = error.to_string();
    text.lines()
        .next()
        .unwrap_or_default()
        .trim_start_matches("error: ")
        .to_owned()
}
