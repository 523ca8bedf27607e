//! Clients that ask for anything at any time, and remember what they were told.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use anyhow::{Context, Result};
use bulkhead_test_support::{Response, call};
use serde_json::{Value, json};

use crate::Victim;
use crate::random::Random;

/// As many containers as there may be at once.
const SLOTS: u64 = 4;
/// Lines of the story that are shown when something is wrong.
const STORY: usize = 80;

/// What a container does, and the codes it may end with.
pub(crate) struct Kind {
    script: &'static str,
    pub(crate) codes: &'static [i64],
    auto_remove: bool,
    restart: &'static str,
}

pub(crate) const KINDS: [Kind; 5] = [
    Kind {
        script: "exec sleep 1000",
        codes: &[137],
        auto_remove: false,
        restart: "no",
    },
    Kind {
        script: "sleep 0.05; exit 7",
        codes: &[7, 137],
        auto_remove: false,
        restart: "no",
    },
    Kind {
        script: "trap 'exit 5' TERM; while :; do sleep 0.02; done",
        codes: &[5, 137],
        auto_remove: false,
        restart: "unless-stopped",
    },
    Kind {
        script: "sleep 0.1; exit 3",
        codes: &[3, 137],
        auto_remove: false,
        restart: "on-failure",
    },
    Kind {
        script: "sleep 0.1",
        codes: &[],
        auto_remove: true,
        restart: "no",
    },
];

/// Whether a container is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Told {
    There,
    Perhaps,
    Gone,
}

/// What is known of one container.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Known {
    /// Index in [`KINDS`]; beyond it when the answer of its create never came.
    pub(crate) kind: usize,
    pub(crate) told: Told,
}

#[derive(Default)]
struct Memory {
    known: BTreeMap<String, Known>,
    counts: BTreeMap<&'static str, [u64; 3]>,
    story: Vec<String>,
    /// Creates whose answer never came.
    cut_off: usize,
    /// Answers that nothing explains.
    strange: Vec<String>,
    victim: Option<Victim>,
}

/// All clients, with one memory.
pub(crate) struct Clients {
    socket: PathBuf,
    pub(crate) lasting: String,
    memory: Mutex<Memory>,
}

impl Clients {
    pub(crate) fn new(socket: PathBuf, lasting: String) -> Self {
        Self {
            socket,
            lasting,
            memory: Mutex::default(),
        }
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn begin(&self, victim: Victim) {
        let mut memory = self.memory();
        memory.victim = Some(victim);
        memory.cut_off = 0;
        memory.known.retain(|_, known| known.told != Told::Gone);
        memory.tell(format!("--- {victim:?}"));
    }

    pub(crate) fn counts(&self) -> BTreeMap<&'static str, [u64; 3]> {
        self.memory().counts.clone()
    }

    pub(crate) fn known(&self) -> BTreeMap<String, Known> {
        self.memory().known.clone()
    }

    pub(crate) fn strange(&self) -> Vec<String> {
        self.memory().strange.clone()
    }

    pub(crate) fn story(&self) -> String {
        self.memory().story.join("\n")
    }

    pub(crate) fn get(&self, target: &str) -> Result<Response> {
        call(&self.socket, "GET", target, &Value::Null)
    }

    /// Sends commands until `end` or until nobody answers.
    pub(crate) fn play(&self, mut random: Random, end: Instant) {
        while Instant::now() < end {
            let slot = format!("c{}", random.below(SLOTS));
            let answered = match random.below(24) {
                0..=3 => self.create(&slot, &mut random),
                4..=7 => self.post("start", &slot, ""),
                8..=9 => self.post("stop", &slot, "?t=1"),
                10..=11 => self.post("kill", &slot, ""),
                12 => self.post("pause", &slot, ""),
                13..=14 => self.post("unpause", &slot, ""),
                15 => self.post("restart", &slot, "?t=1"),
                16 => self.post("rename", &slot, &format!("?name=c{}", random.below(SLOTS))),
                17 => self.update(&slot, &mut random),
                18..=20 => self.exec(&slot, &mut random),
                _ => self.remove(&slot, random.below(3) > 0),
            };
            if !answered {
                return;
            }
        }
    }

    fn create(&self, slot: &str, random: &mut Random) -> bool {
        let index = random.below(KINDS.len() as u64) as usize;
        let kind = &KINDS[index];
        let retries = if kind.restart == "on-failure" { 2 } else { 0 };
        let mut body = json!({
            "Image": "busybox",
            "Cmd": ["sh", "-c", kind.script],
            "HostConfig": {
                "AutoRemove": kind.auto_remove,
                "RestartPolicy": { "Name": kind.restart, "MaximumRetryCount": retries },
            },
        });
        if random.below(3) == 0 {
            body["Volumes"] = json!({ "/own": {} });
        }
        if random.below(3) == 0 {
            body["HostConfig"]["PortBindings"] = json!({ "80/tcp": [{ "HostPort": "" }] });
        }
        self.memory().cut_off += 1;
        let target = format!("/containers/create?name={slot}");
        let answer = call(&self.socket, "POST", &target, &body);
        let Some(answer) = self.took("create", slot, answer) else {
            return false;
        };
        let mut memory = self.memory();
        memory.cut_off -= 1;
        if let (201, Some(id)) = (answer.status, answer.json()["Id"].as_str()) {
            let told = if kind.auto_remove {
                Told::Perhaps
            } else {
                Told::There
            };
            // Another client may have removed it already.
            let known = Known { kind: index, told };
            memory.known.entry(id.to_owned()).or_insert(known);
        }
        true
    }

    fn post(&self, action: &'static str, slot: &str, query: &str) -> bool {
        let target = format!("/containers/{slot}/{action}{query}");
        let answer = call(&self.socket, "POST", &target, &Value::Null);
        self.took(action, slot, answer).is_some()
    }

    fn update(&self, slot: &str, random: &mut Random) -> bool {
        let target = format!("/containers/{slot}/update");
        let body = json!({ "CpuShares": 2 + random.below(2000) });
        let answer = call(&self.socket, "POST", &target, &body);
        self.took("update", slot, answer).is_some()
    }

    /// A process that ends at once, or with its container.
    fn exec(&self, slot: &str, random: &mut Random) -> bool {
        let command = ["true", "sleep 1000"][random.below(2) as usize];
        let target = format!("/containers/{slot}/exec");
        let body = json!({ "Cmd": ["sh", "-c", command] });
        let answer = call(&self.socket, "POST", &target, &body);
        let Some(answer) = self.took("exec", slot, answer) else {
            return false;
        };
        let made = answer.json();
        let Some(id) = made["Id"].as_str() else {
            return true;
        };
        let target = format!("/exec/{id}/start");
        let answer = call(&self.socket, "POST", &target, &json!({ "Detach": true }));
        self.took("exec start", slot, answer).is_some()
    }

    fn remove(&self, slot: &str, force: bool) -> bool {
        let Ok(shown) = self.get(&format!("/containers/{slot}/json")) else {
            return false;
        };
        let Some(id) = shown.json()["Id"].as_str().map(str::to_owned) else {
            return true;
        };
        self.set_told(&id, Told::Perhaps);
        let target = format!("/containers/{id}?v=1&force={}", u8::from(force));
        let answer = call(&self.socket, "DELETE", &target, &Value::Null);
        let Some(answer) = self.took("remove", slot, answer) else {
            return false;
        };
        if matches!(answer.status, 204 | 404) {
            self.set_told(&id, Told::Gone);
        }
        true
    }

    fn set_told(&self, id: &str, told: Told) {
        let mut memory = self.memory();
        let unheard = Known {
            kind: usize::MAX,
            told,
        };
        let known = memory.known.entry(id.to_owned()).or_insert(unheard);
        if known.told != Told::Gone {
            known.told = told;
        }
    }

    /// Counts an answer and looks whether it makes sense.
    fn took(&self, name: &'static str, slot: &str, answer: Result<Response>) -> Option<Response> {
        let mut memory = self.memory();
        let victim = memory.victim;
        let count = memory.counts.entry(name).or_default();
        count[0] += 1;
        let (line, strange, answer) = match answer {
            Ok(answer) => {
                count[1] += u64::from(answer.status < 300);
                let line = format!("{name} {slot}: {} {}", answer.status, answer.text().trim());
                let explained = matches!(victim, Some(Victim::Runner | Victim::Shim));
                // A runner that was killed over and over rests for a while.
                let rests = line.contains("it is started again in");
                let paused = line.contains("is not paused");
                let strange = answer.status >= 500 && !paused && !rests && !explained;
                (line, strange, Some(answer))
            }
            Err(error) => {
                count[2] += 1;
                let line = format!("{name} {slot}: cut off: {error:#}");
                (line, victim != Some(Victim::Daemon), None)
            }
        };
        if strange {
            memory.strange.push(line.clone());
        }
        memory.tell(line);
        answer
    }

    /// Takes up the containers that clients asked for without hearing of them.
    pub(crate) fn settle(&self) -> Result<()> {
        let list = self.get("/containers/json?all=1")?.json();
        let list = list.as_array().context("a list")?;
        let mut memory = self.memory();
        for container in list {
            let id = container["Id"].as_str().context("an id")?;
            if id == self.lasting || memory.known.contains_key(id) {
                continue;
            }
            anyhow::ensure!(memory.cut_off > 0, "nobody asked for {container:#}");
            memory.cut_off -= 1;
            let known = Known {
                kind: usize::MAX,
                told: Told::Perhaps,
            };
            memory.known.insert(id.to_owned(), known);
        }
        Ok(())
    }
}

impl Memory {
    fn tell(&mut self, line: String) {
        if self.story.len() == STORY {
            self.story.remove(0);
        }
        self.story.push(line);
    }
}
