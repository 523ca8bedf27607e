//! What must be there is, and whole; what must not be is not.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::material::LOOK;
use super::{Run, disk};
use crate::Victim;
use crate::clients::Told;
use crate::random::Random;

/// A runner that was killed is started again.
const PATIENCE: Duration = Duration::from_secs(30);
/// Images that are run after a round.
const SOME: usize = 3;

impl Run {
    pub(super) fn check(&mut self, victim: Victim, random: &mut Random, all: bool) -> Result<()> {
        for client in &self.clients {
            let strange = &client.strange;
            ensure!(strange.is_empty(), "strange answers: {strange:#?}");
        }
        self.runner_is_there()?;
        let ids = self.check_names()?;
        self.check_sound()?;
        self.check_pushed()?;
        self.check_runs(ids, random, all)?;
        self.check_restored()?;
        self.check_written()?;
        // What a runner's end left is found by the next start.
        if victim == Victim::Daemon {
            let pulled = self.registry.blobs().into_iter().collect();
            disk::all_recorded(self.daemon.folder(), &self.driver, &pulled)?;
        }
        Ok(())
    }

    fn runner_is_there(&self) -> Result<()> {
        let until = Instant::now() + PATIENCE;
        loop {
            let create = ["create", "--name", "probe", "--network", "none", "base"];
            let made = self.daemon.bulkhead(&create);
            if made.status == Some(0) {
                self.daemon.bulkhead(&["rm", "probe"]).success();
                return Ok(());
            }
            ensure!(Instant::now() < until, "no container can be made: {made:?}");
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// The names clients know against those listed; each image listed, and its layers.
    fn check_names(&mut self) -> Result<BTreeMap<String, usize>> {
        let list = self.daemon.request("GET", "/images/json").json();
        let mut listed = BTreeSet::new();
        let mut ids = BTreeMap::new();
        for image in list.as_array().context("a list")? {
            let tags = image["RepoTags"].as_array().cloned().unwrap_or_default();
            listed.extend(tags.iter().filter_map(Value::as_str).map(str::to_owned));
            let id = image["Id"].as_str().context("an id")?.to_owned();
            let shown = self.daemon.request("GET", &format!("/images/{id}/json"));
            let layers = shown.json()["RootFS"]["Layers"].as_array().map(Vec::len);
            ids.insert(id, layers.with_context(|| shown.text())?);
        }
        for client in &mut self.clients {
            for (name, told) in &mut client.names {
                let there = listed.contains(name);
                match told {
                    Told::There => ensure!(there, "LOST: {name} was acknowledged"),
                    Told::Gone => ensure!(!there, "{name} is there, it was removed"),
                    Told::Perhaps => {}
                }
                self.figures.kept += u64::from(there && *told == Told::There);
                *told = if there { Told::There } else { Told::Gone };
            }
        }
        Ok(ids)
    }

    fn check_sound(&self) -> Result<()> {
        let answer = self.daemon.request("POST", "/system/check");
        let found = answer.json();
        let sound = answer.status == 200 && found["Findings"].as_array().is_some_and(Vec::is_empty);
        ensure!(sound, "system check: {}", answer.text());
        Ok(())
    }

    fn check_pushed(&self) -> Result<()> {
        for repository in self.clients.iter().flat_map(|client| &client.pushed) {
            let target = format!("/v2/{repository}/tags/list");
            let answer = self.registry.send("GET", &target, "application/json", b"");
            let listed = answer.json()["tags"] == serde_json::json!(["latest"]);
            ensure!(listed, "LOST: {repository} was pushed: {}", answer.text());
        }
        Ok(())
    }

    /// Some of the images run, and their files are those of their sums.
    fn check_runs(
        &mut self,
        ids: BTreeMap<String, usize>,
        random: &mut Random,
        all: bool,
    ) -> Result<()> {
        let mut ids: Vec<_> = ids.into_iter().collect();
        while !all && ids.len() > SOME {
            ids.swap_remove(random.below(ids.len() as u64) as usize);
        }
        for (id, layers) in ids {
            // Each layer but the lowest brings a folder with its sums.
            self.look(&id, &[], layers - 1)?;
            self.figures.run += 1;
        }
        Ok(())
    }

    pub(super) fn look(&self, image: &str, options: &[&str], folders: usize) -> Result<()> {
        let folders = folders.to_string();
        let run = [
            &["run", "--rm", "--network", "none"],
            options,
            &[image, "sh", "-c", LOOK, &folders],
        ];
        let output = self.daemon.bulkhead(&run.concat());
        ensure!(output.status == Some(0), "NOT WHOLE: {image}: {output:?}");
        Ok(())
    }
}
