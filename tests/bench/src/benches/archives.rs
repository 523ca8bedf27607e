//! A distribution's image into an archive and out of it.

use anyhow::Result;
use bulkhead_test_support::{Daemon, images};

use crate::Options;
use crate::measure::{Contender, in_turn, succeed};
use crate::peers::Docker;
use crate::table;

const NAME: &str = "debian:bench";

pub(crate) fn run(options: &Options) -> Result<()> {
    let daemon = Daemon::start();
    let docker = Docker::start()?;
    let scratch = tempfile::tempdir()?;
    let path = |name: &str| scratch.path().join(name).display().to_string();
    let (ours, theirs, given) = (path("ours.tar"), path("docker.tar"), path("given.tar"));
    std::fs::write(&given, images::debian().docker_archive(NAME))?;
    let bulkhead = |arguments: &[&str]| succeed(&mut daemon.bulkhead_command(arguments));
    let both = |arguments: &[&str]| bulkhead(arguments).and(docker.run(arguments));
    both(&["load", "--quiet", "--input", &given])?;
    let saves = vec![
        Contender::new("bulkhead save", || {
            bulkhead(&["save", "--output", &ours, NAME])
        })
        .served_by(vec![daemon.pid()]),
        Contender::new("docker save", || {
            docker.run(&["save", "--output", &theirs, NAME])
        })
        .served_by(vec![docker.pid()]),
    ];
    let runs = options.runs.min(7);
    table::print(&in_turn(saves, runs)?);
    both(&["rmi", "--force", NAME])?;
    // Both are given what docker saved.
    let loads = vec![
        Contender::new("bulkhead load", || {
            bulkhead(&["load", "--quiet", "--input", &theirs])
        })
        .reset_by(|| bulkhead(&["rmi", "--force", NAME]))
        .served_by(vec![daemon.pid()]),
        Contender::new("docker load", || {
            docker.run(&["load", "--quiet", "--input", &theirs])
        })
        .reset_by(|| docker.run(&["rmi", "--force", NAME]))
        .served_by(vec![docker.pid()]),
    ];
    table::print(&in_turn(loads, runs)?);
    Ok(())
}
