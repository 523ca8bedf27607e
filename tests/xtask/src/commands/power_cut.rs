//! `cargo xtask power-cut [--rounds N] [--driver NAME]`: cuts a machine's
//! power in the middle of, and right after, each operation that writes, and
//! looks at what is left.

mod table;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use crate::commands::build;
use crate::vm::{Machine, Outcome};
use crate::{cache, process, workspace};

use table::{PowerCut, Table};

const OPERATIONS: [&str; 5] = ["pull", "load", "commit", "volume", "restore"];
/// Of the answer.
const MOMENTS: [&str; 2] = ["after", "before"];
/// One start of the machine, emulated.
const LIMIT: Duration = Duration::from_secs(600);
/// Bytes of the disk, sparse.
const DISK: u64 = 8 << 30;

pub(crate) fn run(args: &[String]) -> Result<()> {
    let (mut rounds, mut driver) = (10_u64, "overlay".to_owned());
    let mut rest = args.iter();
    while let Some(argument) = rest.next() {
        let value = rest
            .next()
            .with_context(|| format!("{argument} without a value"))?;
        match argument.as_str() {
            "--rounds" => rounds = value.parse()?,
            "--driver" => driver.clone_from(value),
            other => bail!("unknown argument {other:?}"),
        }
    }
    build::run()?;
    let package = ["build", "--quiet", "--release", "-p", "bulkhead-faults"];
    process::run(&mut workspace::cargo(&package), Duration::from_secs(1800))?;
    let bed = Bed::make(driver)?;
    let mut cuts = Vec::new();
    let done = cut_power(&bed, rounds, &mut cuts);
    let table = Table::of(&bed.folder, &cuts);
    println!("{} power cuts on {}\n{table}", cuts.len(), bed.driver);
    done?;
    ensure!(!table.is_bad(), "something was lost or half made");
    Ok(())
}

fn cut_power(bed: &Bed, rounds: u64, cuts: &mut Vec<PowerCut>) -> Result<()> {
    let begun = Instant::now();
    for round in 0..rounds {
        for operation in OPERATIONS {
            for moment in MOMENTS {
                let number = cuts.len() as u64 + 1;
                let cut = PowerCut {
                    operation,
                    moment,
                    number,
                };
                bed.cut(&cut)
                    .with_context(|| format!("round {round}, {operation}, cut {moment}"))?;
                cuts.push(cut);
            }
        }
        let seconds = begun.elapsed().as_secs();
        eprintln!("round {}: {} cuts in {seconds} s", round + 1, cuts.len());
    }
    print!("{}", bed.last_look()?);
    Ok(())
}

/// The disk that survives, and the folder shared with the machine.
struct Bed {
    folder: PathBuf,
    disk: PathBuf,
    driver: String,
}

impl Bed {
    fn make(driver: String) -> Result<Self> {
        let folder = cache::dir()?.join(format!("power-{}", std::process::id()));
        fs::create_dir_all(&folder)?;
        let disk = folder.join("disk");
        fs::File::create(&disk)?.set_len(DISK)?;
        let mut mkfs = Command::new("/usr/sbin/mkfs.ext4");
        mkfs.arg("-q").arg(&disk);
        process::quiet(&mut mkfs, LIMIT)?;
        Ok(Self {
            folder,
            disk,
            driver,
        })
    }

    fn cut(&self, cut: &PowerCut) -> Result<()> {
        let PowerCut {
            operation,
            moment,
            number,
        } = *cut;
        let mut prepare = self.tool();
        prepare
            .arg("prepare")
            .arg(&self.folder)
            .args([operation, &number.to_string()]);
        process::quiet(&mut prepare, LIMIT)?;
        let flag = self.folder.join("cut");
        if flag.exists() {
            fs::remove_file(&flag)?;
        }
        match self.machine(operation, number, moment, Some(flag))?.run()? {
            Outcome::PowerCut => Ok(()),
            Outcome::Ended { output, status } => bail!("status {status}\n{output}"),
        }
    }

    fn last_look(&self) -> Result<String> {
        match self.machine("pull", 0, "never", None)?.run()? {
            Outcome::Ended { output, status } => {
                ensure!(status == 0, "status {status}\n{output}");
                Ok(output)
            }
            Outcome::PowerCut => bail!("the power was cut unasked"),
        }
    }

    fn tool(&self) -> Command {
        let bin = workspace::release_dir();
        let mut tool = Command::new(bin.join("bulkhead-power"));
        tool.env("BULKHEAD_BIN_DIR", bin);
        tool
    }

    fn machine(
        &self,
        operation: &str,
        number: u64,
        moment: &str,
        power_cut: Option<PathBuf>,
    ) -> Result<Machine> {
        let bin = workspace::release_dir();
        let tool = shown(&bin)?;
        let step = format!(
            "step /share {operation} {number} /run/disk {} {moment}",
            self.driver
        );
        Ok(Machine {
            command: format!(
                "mkdir /run/disk && mount /dev/vda /run/disk && \
                 BULKHEAD_BIN_DIR={tool} {tool}/bulkhead-power {step}; \
                 status=$?; test $status = 0 || tail -n 40 /share/log; exit $status"
            ),
            share: Some(self.folder.clone()),
            disks: vec![self.disk.clone()],
            power_cut,
            limit: LIMIT,
        })
    }
}

impl Drop for Bed {
    fn drop(&mut self) {
        // In the cache: what stays is only in the way.
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn shown(path: &Path) -> Result<&str> {
    path.to_str().context("a path that is not UTF-8")
}
