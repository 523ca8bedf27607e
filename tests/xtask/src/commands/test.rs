//! `cargo xtask test [--no-vm] [FILTER]`: every gate and every test.
//!
//! A filter leaves the gates out: it is for somebody at work on one thing.
//! A step that fails does not keep the next from telling what it found, save
//! for the build, without which there is nothing to test.

mod gates;
mod report;
mod suites;

use anyhow::{Result, bail};

use crate::commands::build;
use crate::leaks::{self, Snapshot};
use crate::packages::{self, Need};
use crate::workspace;
use report::Report;
use suites::Suites;

const NEEDS: [Need; 23] = [
    Need {
        file: "git",
        package: "git",
    },
    Need {
        file: "cc",
        package: "gcc",
    },
    Need {
        file: "docker-registry",
        package: "docker-registry",
    },
    Need {
        file: "skopeo",
        package: "skopeo",
    },
    Need {
        file: "podman",
        package: "podman",
    },
    Need {
        file: "umoci",
        package: "umoci",
    },
    Need {
        file: "mkfs.btrfs",
        package: "btrfs-progs",
    },
    Need {
        file: "mkfs.xfs",
        package: "xfsprogs",
    },
    Need {
        file: "xz",
        package: "xz-utils",
    },
    Need {
        file: "bzip2",
        package: "bzip2",
    },
    Need {
        file: "zstd",
        package: "zstd",
    },
    Need {
        file: "debootstrap",
        package: "debootstrap",
    },
    Need {
        file: "/bin/busybox",
        package: "busybox-static",
    },
    Need {
        file: "/usr/bin/docker",
        package: "docker.io",
    },
    Need {
        file: "docker-compose",
        package: "docker-compose",
    },
    Need {
        file: "python3",
        package: "python3",
    },
    Need {
        file: "/usr/share/doc/python3-venv",
        package: "python3-venv",
    },
    Need {
        file: "nft",
        package: "nftables",
    },
    Need {
        file: "ip",
        package: "iproute2",
    },
    Need {
        file: "zsh",
        package: "zsh",
    },
    Need {
        file: "fish",
        package: "fish",
    },
    Need {
        file: "apparmor_parser",
        package: "apparmor",
    },
    Need {
        file: "setsid",
        package: "util-linux",
    },
];

struct Options {
    vm: bool,
    filter: Option<String>,
}

pub(crate) fn run(args: &[String]) -> Result<()> {
    let options = parse(args)?;
    let mut report = Report::default();
    report.step("prerequisites", || packages::install(&NEEDS));
    if options.filter.is_none() {
        report.step("fmt", gates::fmt);
        report.step("tidy", crate::commands::tidy::run);
        report.step("deny", gates::deny);
    }
    if report.step("build", build::run) {
        if options.filter.is_none() {
            report.step("clippy", gates::clippy);
        }
        test(&options, &mut report);
    }
    report.finish()
}

fn test(options: &Options, report: &mut Report) {
    let suites = match Suites::new(options.filter.clone()) {
        Ok(suites) => suites,
        Err(error) => return report.failed("tests", error),
    };
    let before = leaks::snapshot();
    report.suite("tests", || suites.workspace());
    report.suite("sandbox tests", || suites.sandbox());
    report.suite("plugin tests", || suites.plugins());
    if options.filter.is_none() {
        report.suite("doc tests", || suites.docs());
    }
    if options.vm {
        report.suite("tests on cgroup v2", || suites.machine());
    }
    report.skipped(suites.skipped());
    report.step("leaks", || nothing_left(&before));
}

fn nothing_left(before: &Snapshot) -> Result<()> {
    let left = leaks::since(before);
    if !left.is_empty() {
        bail!("left behind:\n  {}", left.join("\n  "));
    }
    Ok(())
}

fn parse(args: &[String]) -> Result<Options> {
    let mut options = Options {
        vm: true,
        filter: None,
    };
    for arg in args {
        match arg.as_str() {
            "--no-vm" if workspace::in_ci() => bail!("--no-vm leaves tests out, which CI may not"),
            "--no-vm" => options.vm = false,
            flag if flag.starts_with('-') => bail!("no option {flag:?}"),
            filter => options.filter = Some(filter.to_owned()),
        }
    }
    Ok(options)
}
