//! Calls and changes in any order, each compared with what a map would hold.

use std::collections::BTreeMap;
use std::fs;

use bulkhead_model::storage::Purpose;

use crate::kernel::Case;
use crate::kernel::bench::{Bench, Expecting, Outcome};
use crate::kernel::layer::Layer;
use crate::kernel::root::{Root, same};

pub(super) const CASES: &[Case] = &[Case {
    name: "real-any-order-of-calls",
    why: "whatever the order of calls, each snapshot shows its parents and what was written to it",
    run: |bench| {
        for seed in 1..=3 {
            Walk::new(bench, seed).walk(40)?;
            bench.collect(&[])?;
        }
        Ok(())
    },
}];

type Files = BTreeMap<String, String>;

struct Snapshot {
    parents: Vec<String>,
    purpose: Purpose,
    files: Files,
}

struct Walk<'a> {
    bench: &'a Bench<'a>,
    random: u64,
    made: usize,
    layers: BTreeMap<String, Snapshot>,
    active: BTreeMap<String, Snapshot>,
}

impl<'a> Walk<'a> {
    fn new(bench: &'a Bench<'a>, seed: u64) -> Self {
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
                _ => self.forget()?,
            }
        }
        self.compare()
    }

    fn name(&mut self, word: &str) -> String {
        self.made += 1;
        format!("{word}-{}", self.made)
    }

    /// A committed layer and its ancestors, or none.
    fn parents(&mut self) -> (Vec<String>, Files) {
        let at = self.below(self.layers.len() + 1);
        let Some((name, layer)) = self.layers.iter().nth(at) else {
            return Default::default();
        };
        let own = std::iter::once(name.clone());
        let parents = own.chain(layer.parents.clone()).collect();
        (parents, layer.files.clone())
    }

    fn layer(&mut self) -> Outcome {
        let (parents, mut files) = self.parents();
        let name = self.name("layer");
        let path = format!("f{}", self.below(6));
        let mut layer = Layer::new().file(&path, &name);
        let gone = files.keys().nth(self.below(files.len())).cloned();
        if let Some(gone) = gone.filter(|gone| *gone != path) {
            files.remove(&gone);
            layer = layer.whiteout(&gone);
        }
        files.insert(path, name.clone());
        self.bench.layer(&name, &parents, layer)?;
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
        let root = self.bench.prepare(&key, &parents, purpose)?;
        shows(&root, &files)?;
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
        let root = self
            .bench
            .mounts(key, &snapshot.parents, snapshot.purpose)?;
        if remove {
            if snapshot.files.remove(&path).is_some() {
                fs::remove_file(root.path(&path)).expecting("removing a file")?;
            }
        } else {
            root.write(&path, key)?;
            snapshot.files.insert(path, key.clone());
        }
        Ok(())
    }

    fn remove(&mut self) -> Outcome {
        let at = self.below(self.active.len());
        let Some(key) = self.active.keys().nth(at).cloned() else {
            return Ok(());
        };
        self.active.remove(&key);
        self.bench.remove(&key)
    }

    /// Forgets a snapshot, as a crash does, and collects.
    fn forget(&mut self) -> Outcome {
        let at = self.below(self.active.len());
        if let Some(key) = self.active.keys().nth(at).cloned() {
            self.active.remove(&key);
        }
        let live = self.layers.keys().chain(self.active.keys());
        let mut live: Vec<String> = live.cloned().collect();
        live.sort();
        self.bench.collect(&live)?;
        same("what gc left", &live, &self.bench.snapshots()?)
    }

    fn compare(&self) -> Outcome {
        for (key, snapshot) in &self.active {
            let root = self
                .bench
                .mounts(key, &snapshot.parents, snapshot.purpose)?;
            shows(&root, &snapshot.files)?;
        }
        Ok(())
    }
}

fn shows(root: &Root, files: &Files) -> Outcome {
    let names: Vec<&str> = files.keys().map(String::as_str).collect();
    root.holds("", &names)?;
    files
        .iter()
        .try_for_each(|(name, text)| root.has(name, text))
}
