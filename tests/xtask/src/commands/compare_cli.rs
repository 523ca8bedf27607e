//! `cargo xtask compare-cli`: what the docker client offers and ours does
//! not, asked of both. Writes `host/cli/COMPARISON.md`; fails when something
//! is missing without a reason, or a reason is given for what is there.

mod help;
mod page;
mod reasons;

use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::{process, workspace};
use help::Help;
use page::{Flag, Page, Verdict};
use reasons::Reasons;

/// What is compared: the program's own options, and every command of these groups.
const GROUPS: [&str; 6] = [
    "container",
    "image",
    "system",
    "network",
    "volume",
    "context",
];

/// The commands that stand alone, beyond the short forms of those in the groups.
const ALONE: [&str; 5] = ["info", "inspect", "login", "logout", "version"];

const LIMIT: Duration = Duration::from_secs(20);

/// One of the two clients.
struct Client {
    program: std::path::PathBuf,
}

pub(crate) fn run() -> Result<()> {
    let mut build = workspace::cargo(&["build", "--quiet", "--package", "bulkhead-cli"]);
    process::run(&mut build, Duration::from_secs(1200))?;
    let ours = Client {
        program: workspace::target_dir().join("debug/bulkhead"),
    };
    let docker = Client {
        program: "docker".into(),
    };
    let mut reasons = Reasons::parse(include_str!("compare_cli/reasons.txt"))?;
    let page = compare(&docker, &ours, &mut reasons)?;
    let unused = reasons.unused();
    ensure!(
        unused.is_empty(),
        "reasons for what is there: {}",
        unused.join(", ")
    );
    let unexplained = page.unexplained();
    ensure!(
        unexplained.is_empty(),
        "missing without a reason: {}",
        unexplained.join(", ")
    );
    let path = workspace::root().join("host/cli/COMPARISON.md");
    std::fs::write(&path, page.to_string()).with_context(|| path.display().to_string())?;
    println!("{}: {}", path.display(), page.sum());
    Ok(())
}

fn compare(docker: &Client, ours: &Client, reasons: &mut Reasons) -> Result<Page> {
    let mut page = Page {
        docker: docker.version()?,
        commands: Vec::new(),
    };
    page.add("", &docker.help(&[])?, Some(&ours.help(&[])?), reasons);
    for verb in ALONE {
        let own = ours.help(&[verb])?;
        page.add(verb, &docker.help(&[verb])?, Some(&own), reasons);
    }
    for group in GROUPS {
        let (theirs, own) = (docker.help(&[group])?, ours.help(&[group])?);
        let mut verbs = theirs.commands.clone();
        verbs.extend(
            own.commands
                .iter()
                .filter(|verb| !theirs.commands.contains(verb))
                .cloned(),
        );
        for verb in verbs {
            let name = format!("{group} {verb}");
            let own = match own.commands.contains(&verb) {
                true => Some(ours.help(&[group, &verb])?),
                false => None,
            };
            match theirs.commands.contains(&verb) {
                true => page.add(&name, &docker.help(&[group, &verb])?, own.as_ref(), reasons),
                false => page.only_ours(&name),
            }
        }
    }
    Ok(page)
}

impl Client {
    fn help(&self, words: &[&str]) -> Result<Help> {
        let mut command = Command::new(&self.program);
        command.args(words).arg("--help");
        // Docker hides what the daemon at hand does not offer.
        command
            .env("DOCKER_API_VERSION", "1.50")
            .env("DOCKER_HOST", "unix:///nonexistent");
        let text = process::stdout_of(&mut command, LIMIT)?;
        Ok(Help::parse(&text))
    }

    fn version(&self) -> Result<String> {
        let text = process::stdout_of(Command::new(&self.program).arg("--version"), LIMIT)?;
        let version = text
            .split([' ', ','])
            .find(|word| word.starts_with(|c: char| c.is_ascii_digit()));
        Ok(version.unwrap_or("of an unknown version").to_owned())
    }
}

impl Page {
    /// Compares one command's flags.
    fn add(&mut self, name: &str, theirs: &Help, ours: Option<&Help>, reasons: &mut Reasons) {
        let Some(ours) = ours else {
            let why = reasons.take(name, "");
            self.commands
                .push((name.to_owned(), Verdict::Missing(why), Vec::new()));
            return;
        };
        let mut flags: Vec<Flag> = theirs
            .flags
            .iter()
            .map(|flag| match ours.flags.contains(flag) {
                true => (flag.to_string(), Verdict::Same),
                false => (
                    flag.to_string(),
                    Verdict::Missing(reasons.take(name, &flag.long)),
                ),
            })
            .collect();
        let more = ours
            .flags
            .iter()
            .filter(|flag| !theirs.flags.contains(flag));
        flags.extend(more.map(|flag| (flag.to_string(), Verdict::Better)));
        self.commands.push((name.to_owned(), Verdict::Same, flags));
    }

    fn only_ours(&mut self, name: &str) {
        self.commands
            .push((name.to_owned(), Verdict::Better, Vec::new()));
    }
}
