//! A client that asks for anything, and remembers what it was told.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Instant;

use anyhow::Result;
use bulkhead_test_support::{Response, call_with};

use super::material::{CHANGED, Material, VARIANTS};
use super::volumes::Written;
use crate::Victim;
use crate::clients::Told;
use crate::random::Random;

/// Lines of the story that are shown when something is wrong.
const STORY: usize = 30;

pub(super) struct Client {
    number: usize,
    socket: PathBuf,
    pub(super) material: Material,
    /// Its names of images.
    pub(super) names: BTreeMap<String, Told>,
    /// What its volume may hold; nothing when it was never restored.
    pub(super) volume: BTreeSet<Option<u64>>,
    /// What its container wrote to another one.
    pub(super) written: Written,
    /// What the registry must have: `repository:tag`.
    pub(super) pushed: BTreeSet<String>,
    counts: BTreeMap<&'static str, [u64; 3]>,
    story: Vec<String>,
    /// Answers that nothing explains.
    pub(super) strange: Vec<String>,
}

/// How a command ended.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Ended {
    Accepted,
    Refused,
    CutOff,
}

impl Client {
    pub(super) fn new(number: usize, socket: PathBuf, material: Material) -> Self {
        Self {
            number,
            socket,
            material,
            names: BTreeMap::new(),
            volume: BTreeSet::from([None]),
            written: Written::default(),
            pushed: BTreeSet::new(),
            counts: BTreeMap::new(),
            story: Vec::new(),
            strange: Vec::new(),
        }
    }

    pub(super) fn counts(&self) -> impl Iterator<Item = (&'static str, [u64; 3])> {
        self.counts.iter().map(|(name, counts)| (*name, *counts))
    }

    pub(super) fn story(&self) -> String {
        let number = self.number;
        let lines = self.story.iter().map(|line| format!("{number}: {line}"));
        lines.collect::<Vec<_>>().join("\n")
    }

    pub(super) fn number(&self) -> usize {
        self.number
    }

    /// Sends commands until `end` or until nobody answers.
    pub(super) fn play(&mut self, mut random: Random, victim: Victim, end: Instant) {
        self.story.push(format!("-- {victim:?} is killed"));
        while Instant::now() < end {
            let variant = random.below(VARIANTS);
            let ended = match random.below(18) {
                0..=3 => self.pull(variant, victim),
                4..=5 => self.load(variant, victim),
                6..=7 => self.commit(variant, victim),
                8 => self.tag(&mut random, victim),
                9..=10 => self.push(&mut random, victim),
                11..=13 => self.remove(&mut random, victim),
                14 => self.prune(victim),
                15 => self.back_up(victim),
                16 => self.write(victim),
                _ => self.restore(variant, victim),
            };
            if ended == Ended::CutOff {
                return;
            }
        }
    }

    fn pull(&mut self, variant: u64, victim: Victim) -> Ended {
        let registry = &self.material.registry;
        let name = format!("{registry}/v{variant}-c{}", self.number);
        let target = format!("/images/create?fromImage={name}&tag=latest");
        let name = format!("{name}:latest");
        self.making(&name, |client| client.post("pull", &target, b"", victim))
    }

    fn load(&mut self, variant: u64, victim: Victim) -> Ended {
        let archives = self.material.clone();
        let archive = archives.archive(self.number, variant);
        let name = format!("l{variant}-c{}:latest", self.number);
        self.making(&name, |client| {
            client.post("load", "/images/load", archive, victim)
        })
    }

    fn commit(&mut self, variant: u64, victim: Victim) -> Ended {
        let name = format!("m{variant}-c{}", self.number);
        let target = format!("/commit?container={CHANGED}&repo={name}&tag=latest");
        let name = format!("{name}:latest");
        self.making(&name, |client| client.post("commit", &target, b"", victim))
    }

    fn tag(&mut self, random: &mut Random, victim: Victim) -> Ended {
        let Some(from) = self.one_there(random) else {
            return Ended::Refused;
        };
        let repo = format!("t{}-c{}", random.below(VARIANTS), self.number);
        let target = format!("/images/{from}/tag?repo={repo}&tag=latest");
        self.making(&format!("{repo}:latest"), |client| {
            client.post("tag", &target, b"", victim)
        })
    }

    fn push(&mut self, random: &mut Random, victim: Victim) -> Ended {
        let Some(from) = self.one_there(random) else {
            return Ended::Refused;
        };
        let repo = format!("p{}-c{}", random.below(VARIANTS), self.number);
        let name = format!("{}/{repo}", self.material.registry);
        let target = format!("/images/{from}/tag?repo={name}&tag=latest");
        let tagged = self.making(&format!("{name}:latest"), |client| {
            client.post("tag", &target, b"", victim)
        });
        if tagged != Ended::Accepted {
            return tagged;
        }
        let target = format!("/images/{name}/push?tag=latest");
        let ended = self.post("push", &target, b"", victim);
        if ended == Ended::Accepted {
            self.pushed.insert(repo);
        }
        ended
    }

    fn remove(&mut self, random: &mut Random, victim: Victim) -> Ended {
        let Some(name) = self.one_there(random) else {
            return Ended::Refused;
        };
        self.names.insert(name.clone(), Told::Perhaps);
        let target = format!("/images/{name}?force=1");
        let ended = self.send("rmi", "DELETE", &target, b"", victim);
        if ended == Ended::Accepted {
            self.names.insert(name, Told::Gone);
        }
        ended
    }

    /// Nameless ones only: the others' names are not ours to take.
    fn prune(&mut self, victim: Victim) -> Ended {
        self.post("prune", "/images/prune", b"", victim)
    }

    /// A name that was there when it was last heard of.
    fn one_there(&self, random: &mut Random) -> Option<String> {
        let there = |(_, told): &(&String, &Told)| **told == Told::There;
        let mut names: Vec<_> = self.names.iter().filter(there).map(|(n, _)| n).collect();
        let count = names.len() as u64;
        (count > 0).then(|| names.swap_remove(random.below(count) as usize).clone())
    }

    fn making(&mut self, name: &str, work: impl FnOnce(&mut Self) -> Ended) -> Ended {
        let before = self.names.get(name).copied();
        let ended = work(self);
        let told = match (ended, before) {
            (Ended::Accepted, _) => Told::There,
            (_, Some(Told::There)) => Told::There,
            _ => Told::Perhaps,
        };
        self.names.insert(name.to_owned(), told);
        ended
    }

    pub(super) fn post(
        &mut self,
        name: &'static str,
        target: &str,
        body: &[u8],
        victim: Victim,
    ) -> Ended {
        self.send(name, "POST", target, body, victim)
    }

    pub(super) fn send(
        &mut self,
        name: &'static str,
        method: &str,
        target: &str,
        body: &[u8],
        victim: Victim,
    ) -> Ended {
        self.ask(name, method, target, body, victim).0
    }

    /// [`Client::send`], with the answer's body.
    pub(super) fn ask(
        &mut self,
        name: &'static str,
        method: &str,
        target: &str,
        body: &[u8],
        victim: Victim,
    ) -> (Ended, Vec<u8>) {
        let kind = match body {
            [b'{', ..] => "application/json",
            _ => "application/x-tar",
        };
        let answer = call_with(&self.socket, method, target, kind, body);
        let count = self.counts.entry(name).or_default();
        count[0] += 1;
        let (ended, said) = judge(&answer);
        count[1] += u64::from(ended == Ended::Accepted);
        count[2] += u64::from(ended == Ended::CutOff);
        let line = format!("{method} {target}: {said}");
        let explained = match ended {
            Ended::Accepted => true,
            Ended::CutOff => victim == Victim::Daemon,
            // One that was killed over and over rests for a while.
            Ended::Refused => {
                let busy = ["is already running", "it is started again in"];
                // The answer's head may leave before the daemon is killed.
                let killed = matches!(victim, Victim::Runner | Victim::Daemon);
                killed || busy.iter().any(|text| said.contains(text))
            }
        };
        if !explained {
            self.strange.push(line.clone());
        }
        if self.story.len() >= STORY {
            self.story.remove(0);
        }
        self.story.push(line);
        (ended, answer.map(|a| a.body).unwrap_or_default())
    }
}

/// Progress ends with its failure, if there is one.
fn judge(answer: &Result<Response>) -> (Ended, String) {
    match answer {
        Ok(answer) => {
            let text = answer.text();
            let last = text.trim().lines().last().unwrap_or_default().to_owned();
            let fine = answer.status < 300 && !last.contains("\"error\"");
            let ended = if fine {
                Ended::Accepted
            } else {
                Ended::Refused
            };
            (ended, format!("{} {last}", answer.status))
        }
        Err(error) => (Ended::CutOff, format!("cut off: {error:#}")),
    }
}
