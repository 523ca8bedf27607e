//! Contenders run in turns, so that what the machine does besides hits all alike.

use std::fs;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;

/// One way to do the thing that is measured.
pub(crate) struct Contender<'a> {
    pub(crate) name: &'static str,
    /// What is timed.
    pub(crate) run: Box<dyn FnMut() -> Result<()> + 'a>,
    /// What brings back the state before, untimed.
    pub(crate) reset: Box<dyn FnMut() -> Result<()> + 'a>,
    /// Processes that work for it besides its own children; with all below them.
    pub(crate) servants: Box<dyn Fn() -> Vec<u32> + 'a>,
}

impl<'a> Contender<'a> {
    /// One that needs no reset and has no servants.
    pub(crate) fn new(name: &'static str, run: impl FnMut() -> Result<()> + 'a) -> Self {
        Contender {
            name,
            run: Box::new(run),
            reset: Box::new(|| Ok(())),
            servants: Box::new(Vec::new),
        }
    }

    pub(crate) fn served_by(self, servants: Vec<u32>) -> Self {
        self.served_by_current(move || servants.clone())
    }

    /// For servants that a reset replaces.
    pub(crate) fn served_by_current(mut self, servants: impl Fn() -> Vec<u32> + 'a) -> Self {
        self.servants = Box::new(servants);
        self
    }

    pub(crate) fn reset_by(mut self, reset: impl FnMut() -> Result<()> + 'a) -> Self {
        self.reset = Box::new(reset);
        self
    }
}

/// What one contender took.
pub(crate) struct Series {
    pub(crate) name: &'static str,
    pub(crate) walls: Vec<Duration>,
    /// Of all runs together, its own and its servants'.
    pub(crate) cpu: Duration,
}

impl Series {
    pub(crate) fn min(&self) -> Duration {
        self.walls.iter().copied().min().unwrap_or_default()
    }

    pub(crate) fn median(&self) -> Duration {
        let mut sorted = self.walls.clone();
        sorted.sort();
        sorted.get(sorted.len() / 2).copied().unwrap_or_default()
    }

    pub(crate) fn cpu_per_run(&self) -> Duration {
        self.cpu / u32::try_from(self.walls.len().max(1)).unwrap_or(u32::MAX)
    }
}

/// Runs every contender once unmeasured, then all of them `runs` times in turn.
pub(crate) fn in_turn(mut contenders: Vec<Contender<'_>>, runs: usize) -> Result<Vec<Series>> {
    for contender in &mut contenders {
        (contender.run)()?;
        (contender.reset)()?;
    }
    let empty = |contender: &Contender<'_>| Series {
        name: contender.name,
        walls: Vec::new(),
        cpu: Duration::ZERO,
    };
    let mut series: Vec<Series> = contenders.iter().map(empty).collect();
    for _ in 0..runs {
        for (contender, series) in contenders.iter_mut().zip(&mut series) {
            let servants = (contender.servants)();
            let cpu = cpu(&servants);
            let started = Instant::now();
            (contender.run)()?;
            series.walls.push(started.elapsed());
            series.cpu += self::cpu(&servants).saturating_sub(cpu);
            (contender.reset)()?;
        }
    }
    Ok(series)
}

/// Runs a command that must succeed. Waited for without polling, which would
/// round what is measured; `cargo xtask bench` bounds the whole.
pub(crate) fn succeed(command: &mut Command) -> Result<()> {
    let output = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("start {command:?}"))?;
    ensure!(output.status.success(), "{command:?}: {output:?}");
    Ok(())
}

/// Processor time of our ended children and of the servants' trees. Those are
/// told in ticks of 10 ms (proc_pid_stat(5)): exact only over many runs.
fn cpu(servants: &[u32]) -> Duration {
    let children = getrusage(UsageWho::RUSAGE_CHILDREN).map_or(0, |usage| {
        usage.user_time().num_microseconds() + usage.system_time().num_microseconds()
    });
    let ticks: u64 = tree(servants).into_iter().map(ticks).sum();
    Duration::from_micros(u64::try_from(children).unwrap_or_default())
        + Duration::from_millis(10 * ticks)
}

/// `roots` and all that descends from them.
pub(crate) fn tree(roots: &[u32]) -> Vec<u32> {
    let mut found = roots.to_vec();
    let mut next = 0;
    while let Some(pid) = found.get(next) {
        let tasks = fs::read_dir(format!("/proc/{pid}/task"))
            .into_iter()
            .flatten()
            .flatten();
        let children =
            tasks.filter_map(|task| fs::read_to_string(task.path().join("children")).ok());
        let children: Vec<u32> = children
            .flat_map(|list| {
                list.split_whitespace()
                    .filter_map(|pid| pid.parse().ok())
                    .collect::<Vec<_>>()
            })
            .collect();
        found.extend(children);
        next += 1;
    }
    found
}

/// utime, stime, cutime and cstime: fields 14 to 17.
fn ticks(pid: u32) -> u64 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let fields = stat.rsplit_once(')').map_or("", |(_, fields)| fields);
    fields
        .split_whitespace()
        .skip(11)
        .take(4)
        .filter_map(|field| field.parse::<u64>().ok())
        .sum()
}
