//! What a cut left.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};

use super::{BASE, FILES, Machine, Operation, write_through};
use crate::images::disk;

/// What was found of an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// All of it.
    Whole,
    /// Nothing, and nobody was told that it was there.
    Nothing,
    /// Some of the files that a container was writing itself.
    ItsOwnPart,
    /// It was answered and is not there, or not whole.
    Lost,
    /// It was not answered, and some of it is there.
    HalfMade,
}

impl Found {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Whole => "whole",
            Self::Nothing => "nothing",
            Self::ItsOwnPart => "own part",
            Self::Lost => "LOST",
            Self::HalfMade => "HALF MADE",
        }
    }
}

/// What the daemon lists.
struct Listed {
    images: Vec<String>,
    volumes: Vec<String>,
}

impl Machine {
    /// Writes down what there is of each operation but `next` that was not
    /// looked at yet, or of `all`.
    ///
    /// # Errors
    /// Whatever else is not as it should be: a leak, a finding of the check.
    pub(super) fn look(&self, next: &str, all: bool) -> Result<()> {
        let listed = Listed {
            images: self.names(&["images", "--format", "{{.Repository}}"])?,
            volumes: self.names(&["volume", "ls", "-q"])?,
        };
        for name in names(&self.share.join("begun"))? {
            let verdict = self.share.join("found").join(&name);
            let known = fs::read_to_string(&verdict).unwrap_or_default();
            if name == next || (!known.is_empty() && !all) {
                continue;
            }
            let found = self.found(&name, &listed)?;
            // A later look may only find less.
            if known.is_empty() || known == Found::Whole.name() {
                write_through(&verdict, found.name())?;
            }
            let bad = matches!(found, Found::Lost | Found::HalfMade);
            ensure!(!bad, "{name}: {}", found.name());
        }
        self.nothing_leaked()?;
        let repair: &[&str] = if all { &["--repair"] } else { &[] };
        let check = self.bulkhead(&[&["system", "check"], repair].concat());
        let sound = check.status == Some(0) && check.stdout.contains("all sound");
        ensure!(sound, "system check: {check:?}");
        print!("{}", check.stdout);
        Ok(())
    }

    fn found(&self, name: &str, listed: &Listed) -> Result<Found> {
        let answered = self.share.join("acked").join(name).exists();
        let is_name = |known: &String| known == name;
        let whole = if listed.images.iter().any(is_name) {
            self.whole(name, &[], "/data")
        } else if listed.volumes.iter().any(is_name) {
            self.whole(BASE, &["-v", &format!("{name}:/v")], "/v")
        } else if answered {
            return Ok(Found::Lost);
        } else {
            return Ok(Found::Nothing);
        };
        let Err(error) = whole else {
            return Ok(Found::Whole);
        };
        println!("{name}, answered: {answered}: {error:#}");
        if answered {
            Ok(Found::Lost)
        } else if name.starts_with(Operation::Volume.name()) {
            Ok(Found::ItsOwnPart)
        } else if name.starts_with(Operation::Restore.name()) && self.is_empty(name)? {
            Ok(Found::Nothing)
        } else {
            Ok(Found::HalfMade)
        }
    }

    fn whole(&self, image: &str, options: &[&str], folder: &str) -> Result<()> {
        let script = format!("cd {folder} && test $(wc -l < SUMS) = {FILES} && sha256sum -cs SUMS");
        let run = ["run", "--rm", "--network", "none"];
        let command = [image, "sh", "-c", &script];
        self.must(&[&run[..], options, &command].concat()).map(drop)
    }

    fn is_empty(&self, volume: &str) -> Result<bool> {
        let volume = format!("{volume}:/v");
        let run = ["run", "--rm", "--network", "none", "-v", &volume];
        let list = [BASE, "ls", "-A", "/v"];
        Ok(self.must(&[&run[..], &list].concat())?.is_empty())
    }

    /// What a pull that was cut off fetched waits for the next one.
    fn nothing_leaked(&self) -> Result<()> {
        let layouts = self.share.join("layouts");
        let mut pulled = BTreeSet::new();
        for layout in names(&layouts)? {
            let blobs = names(&layouts.join(layout).join("blobs/sha256"))?;
            pulled.extend(blobs.iter().map(|hex| format!("sha256:{hex}")));
        }
        disk::all_recorded(&self.folder, &self.driver, &pulled)
    }
}

fn names(folder: &Path) -> Result<Vec<String>> {
    let entries = fs::read_dir(folder).with_context(|| folder.display().to_string())?;
    let name = |entry: std::io::Result<fs::DirEntry>| {
        Ok(entry?.file_name().to_string_lossy().into_owned())
    };
    entries.map(name).collect()
}
