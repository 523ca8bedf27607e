//! What each step found and how long it took.

use std::time::{Duration, Instant};

use anyhow::{Error, Result, bail};

use crate::tally::Tally;

#[derive(Default)]
pub(super) struct Report {
    steps: Vec<Step>,
    tally: Tally,
}

struct Step {
    name: &'static str,
    took: Duration,
    ok: bool,
}

/// What a test runner found: its count, and whether it was content.
pub(super) struct Suite {
    pub(super) tally: Tally,
    pub(super) ok: bool,
}

impl Report {
    /// Runs one step; whether it succeeded. One that fails counts as one failure.
    pub(super) fn step(&mut self, name: &'static str, run: impl FnOnce() -> Result<()>) -> bool {
        self.suite(name, || {
            run()?;
            Ok(Suite {
                tally: Tally::default(),
                ok: true,
            })
        })
    }

    /// Runs one suite and adds its count.
    pub(super) fn suite(
        &mut self,
        name: &'static str,
        run: impl FnOnce() -> Result<Suite>,
    ) -> bool {
        eprintln!("\n== {name}");
        let started = Instant::now();
        let mut suite = run().unwrap_or_else(|error| {
            eprintln!("{name}: {error:#}");
            Suite {
                tally: Tally::default(),
                ok: false,
            }
        });
        if !suite.ok && suite.tally.failed == 0 {
            suite.tally.failed = 1;
        }
        self.tally += suite.tally;
        self.steps.push(Step {
            name,
            took: started.elapsed(),
            ok: suite.ok,
        });
        suite.ok
    }

    /// A step that could not even begin.
    pub(super) fn failed(&mut self, name: &'static str, error: Error) {
        self.step(name, || Err(error));
    }

    /// Tests that ran to their end only because they left themselves out.
    pub(super) fn skipped(&mut self, count: usize) {
        self.tally.passed = self.tally.passed.saturating_sub(count);
        self.tally.skipped += count;
    }

    /// Prints the times and the sum; an error when anything failed.
    pub(super) fn finish(self) -> Result<()> {
        println!();
        for Step { name, took, ok } in &self.steps {
            let mark = if *ok { "ok" } else { "FAILED" };
            println!("{name:<20} {:>7.1} s  {mark}", took.as_secs_f32());
        }
        let Tally {
            passed,
            failed,
            skipped,
        } = self.tally;
        println!("\n{passed} passed, {failed} failed, {skipped} skipped");
        if failed > 0 {
            bail!("{failed} failed");
        }
        Ok(())
    }
}
