//! A distribution's image, pulled before, to a registry that lacks it, and
//! once more to one that has it.

use std::cell::RefCell;

use anyhow::Result;
use bulkhead_test_support::{Daemon, Registry, images};

use crate::Options;
use crate::measure::{Contender, in_turn, succeed};
use crate::peers::Docker;
use crate::table;

/// A registry of its own for each run, and the name to push to it.
struct Target {
    /// Ends with this.
    _registry: Registry,
    name: String,
}

impl Target {
    fn new() -> Self {
        let registry = Registry::start();
        let name = format!("{}/pushed:1", registry.address());
        Self {
            _registry: registry,
            name,
        }
    }
}

pub(crate) fn run(options: &Options) -> Result<()> {
    let source = Registry::start();
    let pulled = source.push("debian:1", &images::debian());
    let daemon = Daemon::start();
    let docker = Docker::start()?;
    succeed(&mut daemon.bulkhead_command(&["pull", &pulled]))?;
    docker.run(&["pull", "--quiet", &pulled])?;
    let ours =
        |target: &Target| succeed(&mut daemon.bulkhead_command(&["tag", &pulled, &target.name]));
    let theirs = |target: &Target| docker.run(&["tag", &pulled, &target.name]);
    let (our_target, their_target) = (RefCell::new(Target::new()), RefCell::new(Target::new()));
    ours(&our_target.borrow())?;
    theirs(&their_target.borrow())?;
    let full = Target::new();
    ours(&full)?;
    theirs(&full)?;
    succeed(&mut daemon.bulkhead_command(&["push", "--quiet", &full.name]))?;
    let contenders = vec![
        Contender::new("bulkhead push", || {
            let name = our_target.borrow().name.clone();
            succeed(&mut daemon.bulkhead_command(&["push", "--quiet", &name]))
        })
        .reset_by(|| {
            *our_target.borrow_mut() = Target::new();
            ours(&our_target.borrow())
        })
        .served_by(vec![daemon.pid()]),
        Contender::new("docker push", || {
            let name = their_target.borrow().name.clone();
            docker.run(&["push", "--quiet", &name])
        })
        .reset_by(|| {
            *their_target.borrow_mut() = Target::new();
            theirs(&their_target.borrow())
        })
        .served_by(vec![docker.pid()]),
        Contender::new("bulkhead push, all there", || {
            succeed(&mut daemon.bulkhead_command(&["push", "--quiet", &full.name]))
        })
        .served_by(vec![daemon.pid()]),
        Contender::new("docker push, all there", || {
            docker.run(&["push", "--quiet", &full.name])
        })
        .served_by(vec![docker.pid()]),
    ];
    table::print(&in_turn(contenders, options.runs.min(5))?);
    Ok(())
}
