//! Rounds of random commands on images and volumes with kill -9 of the daemon
//! or the runner at random points, and a look at what is left after each.
//!
//! Each client has names of its own, so that it knows what must be there; the
//! blobs and layers behind them are shared.

mod check;
mod clients;
pub(crate) mod disk;
mod material;
mod volumes;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use bulkhead_test_support::{Daemon, Registry, images};

use crate::Victim;
use crate::kernel;
use crate::random::Random;

use clients::Client;
use material::Material;

/// Clients at once.
const CLIENTS: usize = 3;
/// How long they send commands in one round.
const ROUND: Duration = Duration::from_millis(600);
/// In every so many rounds each image is run, otherwise a few.
const ALL_RUN: u64 = 25;
/// What a daemon may take from its start to its first answer.
const START: Duration = Duration::from_secs(2);

/// What a run did.
#[derive(Debug, Default)]
pub struct ImageFigures {
    /// Rounds.
    pub rounds: u64,
    /// Kills by victim.
    pub kills: BTreeMap<Victim, u64>,
    /// Commands by name: sent, accepted, cut off.
    pub commands: BTreeMap<&'static str, [u64; 3]>,
    /// Images that were run and found whole.
    pub run: u64,
    /// Names that were acknowledged and found again.
    pub kept: u64,
    /// From the start of a daemon after a kill to its first answer: the longest.
    pub slowest_start: Duration,
    /// Starts that took longer than two seconds.
    pub slow_starts: u64,
}

impl std::fmt::Display for ImageFigures {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "rounds: {}", self.rounds)?;
        writeln!(f, "killed: {:?}", self.kills)?;
        writeln!(f, "slowest start after a kill: {:?}", self.slowest_start)?;
        writeln!(f, "starts beyond {START:?}: {}", self.slow_starts)?;
        writeln!(f, "images run and whole: {}", self.run)?;
        writeln!(f, "acknowledged names found: {}", self.kept)?;
        crate::write_commands(f, &self.commands)
    }
}

/// A run under way.
struct Run {
    daemon: Daemon,
    driver: String,
    registry: Registry,
    clients: Vec<Client>,
    figures: ImageFigures,
}

/// Runs `rounds` rounds on a storage driver. The same seed makes the same
/// wishes; where they meet the kills is up to the machine.
///
/// # Errors
/// The first inconsistency, with what was asked and the daemon's log.
pub fn run(driver: &str, rounds: u64, seed: u64) -> Result<ImageFigures> {
    let daemon = Daemon::builder().storage_driver(driver).start();
    let registry = Registry::start();
    let material = Material::make(&registry, CLIENTS);
    daemon.load("base:latest", &images::busybox());
    let changed = [
        "run",
        "--name",
        material::CHANGED,
        "--network",
        "none",
        "base",
        "sh",
        "-c",
        material::CHANGE,
    ];
    daemon.bulkhead(&changed).success();
    let client = |number| Client::new(number, daemon.socket(), material.clone());
    let mut run = Run {
        clients: (0..CLIENTS).map(client).collect(),
        driver: driver.to_owned(),
        figures: ImageFigures::default(),
        daemon,
        registry,
    };
    let mut random = Random::new(seed);
    for round in 0..rounds {
        if let Err(error) = run.round(&mut random, round) {
            let log = run.daemon.log();
            let tail: Vec<&str> = log.lines().rev().take(60).collect();
            let tail = tail.into_iter().rev().collect::<Vec<_>>().join("\n");
            let stories: Vec<String> = run.clients.iter().map(Client::story).collect();
            let story = stories.join("\n");
            bail!("round {round} of seed {seed}, {driver}: {error:#}\n{story}\n{tail}");
        }
        run.figures.rounds += 1;
    }
    for client in &run.clients {
        for (name, counts) in client.counts() {
            let all = run.figures.commands.entry(name).or_default();
            (0..3).for_each(|at| all[at] += counts[at]);
        }
    }
    Ok(run.figures)
}

impl Run {
    fn round(&mut self, random: &mut Random, round: u64) -> Result<()> {
        let victim = match random.below(10) {
            0..=6 => Victim::Daemon,
            7..=8 => Victim::Runner,
            _ => Victim::Nobody,
        };
        let moment = Duration::from_micros(random.below(ROUND.as_micros() as u64));
        let (daemon, clients) = (&mut self.daemon, &mut self.clients);
        let killed = std::thread::scope(|scope| {
            for client in clients {
                let random = Random::new(random.next());
                scope.spawn(move || client.play(random, victim, Instant::now() + ROUND));
            }
            std::thread::sleep(moment);
            match victim {
                Victim::Daemon => {
                    daemon.kill();
                    true
                }
                Victim::Runner => kernel::kill_runner(daemon.pid()),
                Victim::Shim | Victim::Nobody => false,
            }
        });
        *self.figures.kills.entry(victim).or_default() += u64::from(killed);
        if victim == Victim::Daemon {
            let begin = Instant::now();
            self.daemon.start_again();
            let lasted = begin.elapsed();
            self.figures.slowest_start = self.figures.slowest_start.max(lasted);
            self.figures.slow_starts += u64::from(lasted > START);
        }
        self.check(victim, random, round % ALL_RUN == ALL_RUN - 1)
    }
}
