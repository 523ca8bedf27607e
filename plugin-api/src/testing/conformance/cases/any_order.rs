//! Calls in any order: a few hundred at random, each compared with what a map
//! would hold.

use std::collections::BTreeMap;

use crate::storage::Purpose;
use crate::testing::conformance::bench::{Bench, Files, Outcome};
use crate::testing::conformance::{Case, Failure};
use crate::testing::{LayerChange, Operation};

pub(super) const CASES: &[Case] = &[Case {
    name: "any-order-of-calls",
    why: "whatever the order of calls, each snapshot shows its parents and what was written to it",
    run: |bench| {
        for seed in 1..=8 {
            Walk::new(bench.afresh(), seed).walk(60)?;
        }
        Ok(())
    },
}];

struct Snapshot {
    parents: Vec<String>,
    purpose: Purpose,
    files: Files,
}

struct Walk<'a> {
    bench: Bench<'a>,
    random: u64,
    made: usize,
    layers: BTreeMap<String, Snapshot>,
    active: BTreeMap<String, Snapshot>,
}

impl<'a> Walk<'a> {
    fn new(bench: Bench<'a>, seed: u64) -> Self {
        Self {
            bench,
            random: seed,
            made: 0,
            layers: BTreeMap::new(),
            active: BTreeMap::new(),
        }
    }

    /// splitmix64
    fn below(&mut self, bound: usize) -> usize {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.random;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % bound.max(1) as u64) as usize
    }

    fn walk(&mut self, steps: usize) -> Outcome {
        for _ in 0..steps {
            match self.below(10) {
                0 | 1 => self.layer()?,
                2..=4 => self.snapshot()?,
                5..=7 => self.write()?,
                8 => self.remove()?,
                _ => self.collect()?,
            }
            self.compare()?;
        }
        Ok(())
    }

    fn name(&mut self, word: &str) -> String {
        self.made += 1;
        format!("{word}-{}", self.made)
    }

    /// A committed layer and its ancestors, or none.
    fn parents(&mut self) -> (Vec<String>, Files) {
        let at = self.below(self.layers.len() + 1);
        match self.layers.iter().nth(at) {
            None => Default::default(),
            Some((name, layer)) => {
                let own = std::iter::once(name.clone());
                (
                    own.chain(layer.parents.clone()).collect(),
                    layer.files.clone(),
                )
            }
        }
    }

    fn layer(&mut self) -> Outcome {
        let (parents, mut files) = self.parents();
        let name = self.name("layer");
        let path = format!("f{}", self.below(6));
        let mut changes = vec![LayerChange::File(path.clone(), name.clone().into_bytes())];
        if let Some(gone) = files.keys().nth(self.below(files.len())).cloned()
            && gone != path
        {
            files.remove(&gone);
            changes.push(LayerChange::Whiteout(gone));
        }
        files.insert(path, name.clone().into_bytes());
        self.bench.layer(&name, &parents, &changes)?;
        let purpose = Purpose::View;
        self.layers.insert(
            name,
            Snapshot {
                parents,
                purpose,
                files,
            },
        );
        Ok(())
    }

    fn snapshot(&mut self) -> Outcome {
        let (parents, files) = self.parents();
        let key = self.name("snapshot");
        let purpose = [Purpose::Run, Purpose::View][self.below(2)];
        self.bench.prepare(&key, &parents, purpose)?;
        self.active.insert(
            key,
            Snapshot {
                parents,
                purpose,
                files,
            },
        );
        Ok(())
    }

    fn write(&mut self) -> Outcome {
        let at = self.below(self.active.len());
        let (path, remove) = (format!("f{}", self.below(8)), self.below(3) == 0);
        let Some((key, snapshot)) = self.active.iter_mut().nth(at) else {
            return Ok(());
        };
        if snapshot.purpose == Purpose::View {
            return Ok(());
        }
        let mount = self
            .bench
            .mounts(key, &snapshot.parents, snapshot.purpose)?;
        let host = &self.bench.host;
        let written = match remove {
            true => host.delete(&mount, &path),
            false => host.write(&mount, &path, key.as_bytes()),
        };
        written.map_err(|found| Failure::new(key, "a writable mount", found))?;
        match remove {
            true => snapshot.files.remove(&path),
            false => snapshot.files.insert(path, key.clone().into_bytes()),
        };
        Ok(())
    }

    fn remove(&mut self) -> Outcome {
        let at = self.below(self.active.len());
        let Some(key) = self.active.keys().nth(at).cloned() else {
            return Ok(());
        };
        self.bench.must(&key, &[], Operation::Remove)?;
        self.active.remove(&key);
        Ok(())
    }

    /// Forgets one snapshot, as a crash does, and collects.
    fn collect(&mut self) -> Outcome {
        let at = self.below(self.active.len());
        if let Some(key) = self.active.keys().nth(at).cloned() {
            self.active.remove(&key);
        }
        let live: Vec<String> = self
            .layers
            .keys()
            .chain(self.active.keys())
            .cloned()
            .collect();
        self.bench.collect(&live)?;
        let found = self.bench.snapshots();
        match found.len() == live.len() {
            true => Ok(()),
            false => Err(Failure::new(
                "gc",
                format!("{live:?}"),
                format!("{found:?}"),
            )),
        }
    }

    fn compare(&self) -> Outcome {
        for (key, snapshot) in &self.active {
            let mount = self
                .bench
                .mounts(key, &snapshot.parents, snapshot.purpose)?;
            self.bench.shows(key, &mount, &snapshot.files)?;
        }
        Ok(())
    }
}
