//! Questions to the user.

use std::io::{BufRead, stdin};

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
