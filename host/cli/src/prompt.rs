//! Questions to the user.

use std::io::{BufRead, Read, stdin};

use crate::error::{Error, Result};
use crate::output::print;

/// Shows a warning and asks whether to go on; anything but `y` is no.
pub(crate) fn confirm(warning: &str) -> Result<bool> {
    print(format_args!(
        "{warning}\nAre you sure you want to continue? [y/N] "
    ))?;
    let mut answer = String::new();
    let read = stdin().lock().read_line(&mut answer);
    read.map_err(|source| Error::Io {
        doing: "read the answer",
        source,
    })?;
    Ok(answer.trim().eq_ignore_ascii_case("y"))
}

/// A line that the user types.
pub(crate) fn line(question: &str) -> Result<String> {
    print(question)?;
    let mut answer = String::new();
    let read = stdin().lock().read_line(&mut answer);
    read.map_err(|source| Error::Io {
        doing: "read the answer",
        source,
    })?;
    Ok(answer.trim_end_matches(['\n', '\r']).to_owned())
}

/// A line that is not shown as the user types it.
pub(crate) fn secret(question: &str) -> Result<String> {
    let hidden = crate::terminal::NoEcho::enter().map_err(|source| Error::Io {
        doing: "hide what is typed",
        source,
    })?;
    let answer = print(question).and_then(|()| typed());
    drop(hidden);
    print("\n")?;
    answer
}

/// What is typed up to the end of the line, a key at a time.
fn typed() -> Result<String> {
    const INTERRUPT: u8 = 3;
    const END: u8 = 4;
    let mut answer = Vec::new();
    for key in stdin().lock().bytes() {
        let key = key.map_err(|source| Error::Io {
            doing: "read the answer",
            source,
        })?;
        match key {
            b'\n' | b'\r' | END => break,
            INTERRUPT => return Err(Error::Conflict("canceled")),
            // Backspace, and how some terminals send it.
            8 | 127 => drop(answer.pop()),
            key => answer.push(key),
        }
    }
    Ok(String::from_utf8_lossy(&answer).into_owned())
}
