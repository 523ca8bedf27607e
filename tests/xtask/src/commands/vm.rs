//! `cargo xtask vm [--share DIR] [--disk FILE]... [--power-cut FILE] [--timeout SECONDS] [--] COMMAND`.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::vm::{Machine, Outcome};

pub(crate) fn run(args: &[String]) -> Result<()> {
    match parse(args)?.run()? {
        Outcome::Ended { output, status: 0 } => print!("{output}"),
        Outcome::Ended { output, status } => {
            print!("{output}");
            bail!("the command's status is {status}");
        }
        Outcome::PowerCut => eprintln!("power cut"),
    }
    Ok(())
}

fn parse(args: &[String]) -> Result<Machine> {
    let mut machine = Machine {
        command: String::new(),
        share: None,
        disks: Vec::new(),
        power_cut: None,
        limit: Duration::from_secs(300),
    };
    let mut rest = args.iter();
    while let Some(arg) = rest.next() {
        let mut value = || {
            rest.next()
                .with_context(|| format!("{arg} without a value"))
        };
        match arg.as_str() {
            "--share" => machine.share = Some(PathBuf::from(value()?)),
            "--disk" => machine.disks.push(PathBuf::from(value()?)),
            "--power-cut" => machine.power_cut = Some(PathBuf::from(value()?)),
            "--timeout" => machine.limit = Duration::from_secs(value()?.parse()?),
            "--" => break,
            word => machine.command = word.to_owned(),
        }
    }
    let words: Vec<&str> = rest.map(String::as_str).collect();
    if !words.is_empty() {
        machine.command = words.join(" ");
    }
    if machine.command.is_empty() {
        bail!("no command for the machine");
    }
    Ok(machine)
}
