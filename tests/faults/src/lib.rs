//! Rounds of random lifecycle commands with kill -9 of the daemon, the runner
//! or a shim at random points, and a look at what is left after each.
//!
//! ```text
//! clients ─▶ commands at random ─┐
//! fault ───▶ kill -9 at random ──┴─▶ daemon again ─▶ all at rest ─▶ records = kernel = what clients were told
//! ```

mod check;
mod clients;
mod images;
mod kernel;
pub mod power;
mod random;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use bulkhead_test_support::{Daemon, images as made};

pub use images::{ImageFigures, run as run_images};

use clients::Clients;
use kernel::Kernel;
use random::Random;

/// Clients at once.
const CLIENTS: u64 = 3;
/// How long they send commands in one round.
const ROUND: Duration = Duration::from_millis(250);

/// Who is killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Victim {
    /// `bulkheadd`
    Daemon,
    /// `bulkhead-sandbox`
    Runner,
    /// The shim of a container.
    Shim,
    /// Nobody.
    Nobody,
}

/// What a run did.
#[derive(Debug, Default)]
pub struct Figures {
    /// Rounds.
    pub rounds: u64,
    /// Kills by victim.
    pub kills: BTreeMap<Victim, u64>,
    /// Commands by name: sent, accepted, cut off.
    pub commands: BTreeMap<&'static str, [u64; 3]>,
    /// Containers seen at rest, by state.
    pub states: BTreeMap<String, u64>,
    /// From the start of a daemon after a kill to its first answer: the longest.
    pub slowest_start: Duration,
}

impl std::fmt::Display for Figures {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "rounds: {}", self.rounds)?;
        writeln!(f, "killed: {:?}", self.kills)?;
        writeln!(f, "slowest start after a kill: {:?}", self.slowest_start)?;
        writeln!(f, "containers at rest: {:?}", self.states)?;
        write_commands(f, &self.commands)
    }
}

fn write_commands(
    f: &mut std::fmt::Formatter<'_>,
    commands: &BTreeMap<&'static str, [u64; 3]>,
) -> std::fmt::Result {
    let head = ["sent", "accepted", "cut off"];
    writeln!(
        f,
        "{:<10}{:>8}{:>10}{:>9}",
        "command", head[0], head[1], head[2]
    )?;
    for (name, [sent, accepted, cut]) in commands {
        writeln!(f, "{name:<10}{sent:>8}{accepted:>10}{cut:>9}")?;
    }
    Ok(())
}

/// Runs `rounds` rounds. The same seed makes the same wishes; where they meet
/// the kills is up to the machine.
///
/// # Errors
/// The first inconsistency, with what was asked and the daemon's log.
pub fn run(rounds: u64, seed: u64) -> Result<Figures> {
    let mut daemon = Daemon::start();
    daemon.load("busybox:latest", &made::busybox());
    let lasting = [
        "run", "-d", "--name", "lasting", "busybox", "sleep", "100000",
    ];
    let lasting = daemon.bulkhead(&lasting).success().trim().to_owned();
    let kernel = Kernel::of(&daemon, &lasting)?;
    let clients = Clients::new(daemon.socket(), lasting);
    let mut random = Random::new(seed);
    let mut figures = Figures::default();
    let before = kernel.folders(&daemon);
    for round in 0..rounds {
        let done = self::round(&mut daemon, &kernel, &clients, &mut random, &mut figures)
            .and_then(|()| check::all(&daemon, &kernel, &clients, &before, &mut figures));
        if let Err(error) = done {
            let log = daemon.log();
            let tail: Vec<&str> = log.lines().rev().take(60).collect();
            let tail = tail.into_iter().rev().collect::<Vec<_>>().join("\n");
            bail!(
                "round {round} of seed {seed}: {error:#}\n{}\n{tail}",
                clients.story()
            );
        }
        figures.rounds += 1;
    }
    figures.commands = clients.counts();
    Ok(figures)
}

fn round(
    daemon: &mut Daemon,
    kernel: &Kernel,
    clients: &Clients,
    random: &mut Random,
    figures: &mut Figures,
) -> Result<()> {
    let victim = match random.below(10) {
        0..=4 => Victim::Daemon,
        5..=6 => Victim::Runner,
        7..=8 => Victim::Shim,
        _ => Victim::Nobody,
    };
    clients.begin(victim);
    let moment = Duration::from_micros(random.below(ROUND.as_micros() as u64));
    let pid = daemon.pid();
    std::thread::scope(|scope| {
        for _ in 0..CLIENTS {
            let random = Random::new(random.next());
            scope.spawn(|| clients.play(random, Instant::now() + ROUND));
        }
        std::thread::sleep(moment);
        let killed = match victim {
            Victim::Daemon => {
                daemon.kill();
                true
            }
            Victim::Runner => kernel::kill_runner(pid),
            Victim::Shim => kernel.kill_a_shim(random.next()),
            Victim::Nobody => false,
        };
        *figures.kills.entry(victim).or_default() += u64::from(killed);
    });
    if victim == Victim::Daemon {
        let begin = Instant::now();
        daemon.start_again();
        figures.slowest_start = figures.slowest_start.max(begin.elapsed());
    }
    clients.settle().context("asking for the containers")
}
