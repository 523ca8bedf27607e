//! A client's volumes: one is restored and backed up, the other written to by
//! a container.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::Run;
use super::clients::{Client, Ended};
use super::material::Material;
use crate::Victim;

/// A folder per write, by number: there when its files are, the one before goes.
const WRITE: &str = "cd /v && rm -rf new && mkdir new && cd new && \
     for n in $(seq 40); do echo $0-$n > f$n; done && sha256sum f* > SUMS && cd .. && sync && \
     mv new $0 && for old in *; do test $old = $0 || rm -rf $old; done";
/// Whether that folder is whole.
const READ: &str = "cd /v/$0 && test $(wc -l < SUMS) = 40 && sha256sum -cs SUMS";

/// What was written by a container.
#[derive(Default)]
pub(super) struct Written {
    /// The last write that was begun; from 1.
    begun: u64,
    /// The last one that ended well; 0: none.
    done: u64,
}

impl Client {
    /// The volume that is restored.
    pub(super) fn restored_name(&self) -> String {
        format!("d{}", self.number())
    }

    /// The volume that a container writes to, and that container.
    fn written_name(&self) -> String {
        format!("w{}", self.number())
    }

    pub(super) fn restore(&mut self, variant: u64, victim: Victim) -> Ended {
        let material = self.material.clone();
        let ended = self.put("restore", material.volume(variant), victim);
        if ended == Ended::Accepted {
            self.volume.clear();
        }
        self.volume.insert(Some(variant));
        ended
    }

    fn put(&mut self, name: &'static str, files: &[u8], victim: Victim) -> Ended {
        let target = format!("/volumes/{}/archive", self.restored_name());
        self.send(name, "PUT", &target, files, victim)
    }

    /// A backup is good for a restore: the volume holds the same before and after.
    pub(super) fn back_up(&mut self, victim: Victim) -> Ended {
        if self.volume.contains(&None) {
            return Ended::Refused;
        }
        let target = format!("/volumes/{}/archive", self.restored_name());
        let (ended, files) = self.ask("backup", "GET", &target, b"", victim);
        match ended {
            Ended::Accepted => self.put("restore", &files, victim),
            other => other,
        }
    }

    pub(super) fn write(&mut self, victim: Victim) -> Ended {
        self.written.begun += 1;
        let number = self.written.begun;
        let name = self.written_name();
        let order = json!({
            "Image": "base",
            "Cmd": ["sh", "-c", WRITE, number.to_string()],
            "HostConfig": { "NetworkMode": "none", "Binds": [format!("{name}:/v")] },
        });
        let order = order.to_string();
        let create = format!("/containers/create?name={name}");
        let container = format!("/containers/{name}");
        let mut ended = self.post("create", &create, order.as_bytes(), victim);
        if ended == Ended::Accepted {
            ended = self.post("start", &format!("{container}/start"), b"", victim);
        }
        if ended == Ended::Accepted {
            let wait = format!("{container}/wait");
            let (waited, told) = self.ask("wait", "POST", &wait, b"", victim);
            let told: Value = serde_json::from_slice(&told).unwrap_or_default();
            if waited == Ended::Accepted && told["StatusCode"] == 0 {
                self.written.done = number;
            }
            ended = waited;
        }
        if ended == Ended::CutOff {
            return ended;
        }
        self.send("rm", "DELETE", &format!("{container}?force=1"), b"", victim)
    }
}

impl Run {
    pub(super) fn check_restored(&mut self) -> Result<()> {
        for at in 0..self.clients.len() {
            let volume = self.clients[at].restored_name();
            let path = self.files_of(&volume).join("mark");
            let mark = std::fs::read_to_string(path).ok();
            let possible = &self.clients[at].volume;
            let held = possible
                .iter()
                .find(|variant| variant.map(Material::mark) == mark);
            let held = *held.with_context(|| {
                format!("HALF MADE: {volume} holds {mark:?}, it may hold {possible:?}")
            })?;
            if held.is_some() {
                self.look("base", &["-v", &format!("{volume}:/data")], 1)?;
            }
            self.clients[at].volume = [held].into();
        }
        Ok(())
    }

    /// What a container wrote before it ended well is there; a later write,
    /// of a container that outlived the daemon, may be.
    pub(super) fn check_written(&mut self) -> Result<()> {
        for at in 0..self.clients.len() {
            let volume = self.clients[at].written_name();
            // One whose client was cut off.
            self.daemon.bulkhead(&["rm", "-f", &volume]);
            let folder = self.files_of(&volume);
            let found = last_write(&folder)?;
            let written = &mut self.clients[at].written;
            let (done, begun) = (written.done, written.begun);
            let possible = (done..=begun).contains(&found);
            ensure!(possible, "LOST: {volume} has {found} of {done} to {begun}");
            written.done = found;
            if found > 0 {
                let mount = format!("{volume}:/v");
                let run = ["run", "--rm", "--network", "none", "-v", &mount];
                let read = ["base", "sh", "-c", READ, &found.to_string()];
                let output = self.daemon.bulkhead(&[&run[..], &read].concat());
                ensure!(output.status == Some(0), "NOT WHOLE: {volume}: {output:?}");
            }
        }
        Ok(())
    }

    fn files_of(&self, volume: &str) -> std::path::PathBuf {
        (self.daemon.folder().join("data/volumes"))
            .join(volume)
            .join("_data")
    }
}

/// 0 without any.
fn last_write(folder: &Path) -> Result<u64> {
    if !folder.exists() {
        return Ok(0);
    }
    let mut last = 0;
    for entry in std::fs::read_dir(folder)? {
        let number = entry?.file_name().to_str().and_then(|n| n.parse().ok());
        last = last.max(number.unwrap_or(0));
    }
    Ok(last)
}
