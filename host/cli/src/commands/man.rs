//! `bulkhead man`: a manual page for each command, for packagers.

use std::path::PathBuf;

use clap::{Args, CommandFactory};

use crate::error::{Error, Result};
use crate::help::{Located, option_head, option_help};

#[derive(Args, Debug)]
#[command(override_usage = "--dir DIRECTORY")]
pub(crate) struct ManArgs {
    /// Where to write the pages
    #[arg(long, value_name = "DIRECTORY")]
    dir: PathBuf,
}

pub(crate) fn execute(args: &ManArgs) -> Result<u8> {
    let root = crate::Cli::command();
    write(args, &root, &root, &[])?;
    Ok(0)
}

fn write(
    args: &ManArgs,
    root: &clap::Command,
    command: &clap::Command,
    words: &[String],
) -> Result<()> {
    let located = Located::find(root, words);
    let path = args
        .dir
        .join(format!("{}.1", located.path.replace(' ', "-")));
    std::fs::write(&path, page(&located)).map_err(|source| Error::Open {
        path: path.display().to_string(),
        source,
    })?;
    for verb in command.get_subcommands().filter(|verb| !verb.is_hide_set()) {
        let words = [words, &[verb.get_name().to_owned()]].concat();
        write(args, root, verb, &words)?;
    }
    Ok(())
}

/// The page in man(7)'s macros.
fn page(located: &Located<'_>) -> String {
    let name = located.path.replace(' ', "-");
    let about = located
        .command
        .get_about()
        .map(ToString::to_string)
        .unwrap_or_default();
    let mut out = format!(
        ".TH \"{}\" \"1\" \"\" \"bulkhead {}\"\n.SH NAME\n{} \\- {}\n.SH SYNOPSIS\n{}\n",
        escape(&name.to_uppercase()),
        env!("CARGO_PKG_VERSION"),
        escape(&name),
        escape(&about),
        escape(&located.usage()),
    );
    let aliases = located.aliases();
    if aliases.len() > 1 {
        out += &format!(".SH ALIASES\n{}\n", escape(&aliases.join(", ")));
    }
    for (title, options) in located.sections() {
        out += &format!(".SH {}\n", escape(&title.to_uppercase()));
        for option in options {
            let head = option_head(option);
            out += &format!(
                ".TP\n\\fB{}\\fR\n{}\n",
                escape(head.trim()),
                escape(&option_help(option))
            );
        }
    }
    let verbs = located
        .command
        .get_subcommands()
        .filter(|verb| !verb.is_hide_set());
    let pages: Vec<String> = verbs
        .map(|verb| format!("\\fB{}\\-{}\\fR(1)", escape(&name), escape(verb.get_name())))
        .collect();
    if !pages.is_empty() {
        out += &format!(".SH SEE ALSO\n{}\n", pages.join(", "));
    }
    out
}

/// Text that roff takes as it is: hyphens that may be copied, and no line
/// that begins with a control character.
fn escape(text: &str) -> String {
    let text = text.replace('\\', "\\e").replace('-', "\\-");
    match text.starts_with(['.', '\'']) {
        true => format!("\\&{text}"),
        false => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_names_the_verb_its_options_and_its_other_names() {
        let root = crate::Cli::command();
        let page = page(&Located::find(&root, &["rm".to_owned()]));
        assert!(page.starts_with(".TH \"BULKHEAD\\-RM\" \"1\""), "{page}");
        assert!(page.contains(".TP\n\\fB\\-f, \\-\\-force\\fR\n"), "{page}");
        assert!(page.contains("bulkhead container rm"), "{page}");
    }
}
