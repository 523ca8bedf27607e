//! Colour, on terminals only, and only where it tells something: errors,
//! warnings, and states that want attention.

use std::io::IsTerminal;

/// The colours in use, of the terminal's own palette.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Colour {
    Red,
    Green,
    Yellow,
}

impl Colour {
    /// Select Graphic Rendition (ECMA-48).
    pub(crate) fn paint(self, text: &str) -> String {
        let code = match self {
            Self::Red => 31,
            Self::Green => 32,
            Self::Yellow => 33,
        };
        format!("\x1b[{code}m{text}\x1b[0m")
    }
}

/// Whether a stream's reader sees colours: a terminal that has some, and a
/// user who wants them (<https://no-color.org>).
pub(crate) fn wanted(stream: &impl IsTerminal) -> bool {
    let set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let dumb = std::env::var_os("TERM").is_none_or(|term| term == "dumb");
    stream.is_terminal() && !dumb && !set("NO_COLOR")
}

/// How the state of a container is drawn, from its own words.
pub(crate) fn of_status(status: &str) -> Option<Colour> {
    let begins = |word: &str| status.starts_with(word);
    if status.ends_with("(unhealthy)") || begins("Dead") {
        Some(Colour::Red)
    } else if status.ends_with("(healthy)") {
        Some(Colour::Green)
    } else if begins("Restarting") || status.ends_with("(Paused)") {
        Some(Colour::Yellow)
    } else {
        None
    }
}

/// Tells an error: its first line red, what may help below it plain.
pub(crate) fn complain(error: impl std::fmt::Display) {
    tell(&error.to_string(), Colour::Red);
}

/// Tells what did not hinder the command.
pub(crate) fn warn(warning: impl std::fmt::Display) {
    tell(&warning.to_string(), Colour::Yellow);
}

fn tell(text: &str, colour: Colour) {
    if !wanted(&std::io::stderr()) {
        eprintln!("{text}");
        return;
    }
    match text.split_once('\n') {
        Some((first, rest)) => eprintln!("{}\n{rest}", colour.paint(first)),
        None => eprintln!("{}", colour.paint(text)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_states_that_want_attention_are_painted() {
        for (status, colour) in [
            ("Up 3 minutes", None),
            ("Up 3 minutes (health: starting)", None),
            ("Exited (1) 3 minutes ago", None),
            ("Up 3 minutes (healthy)", Some(Colour::Green)),
            ("Up 3 minutes (unhealthy)", Some(Colour::Red)),
            ("Up 3 minutes (Paused)", Some(Colour::Yellow)),
            ("Restarting (1) 3 seconds ago", Some(Colour::Yellow)),
        ] {
            assert_eq!(of_status(status), colour, "{status}");
        }
    }
}
