//! Does with a driver what the engine does, and remembers nothing itself.

use std::collections::BTreeMap;

use super::{Failure, Subject};
use crate::storage::{OVERLAY_LAYERS, Purpose, Usage};
use crate::testing::storage::mount_of;
use crate::testing::{FakeStorageHost, LayerChange, Operation, StorageOrder};

/// Files by path.
pub(super) type Files = BTreeMap<String, Vec<u8>>;
pub(super) type Outcome<T = ()> = Result<T, Failure>;

/// How many times `gc` may be asked before it must have ordered nothing.
const GC_ROUNDS: usize = 20;

/// A driver and a host of its own.
pub(super) struct Bench<'a> {
    subject: &'a dyn Subject,
    pub(super) host: FakeStorageHost,
    overlay_layers: bool,
}

/// What one call came to: its orders, or why there are none.
pub(super) type Answer = Result<Plan, String>;

/// One call's orders, not carried out yet.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub(super) orders: Vec<StorageOrder>,
    pub(super) usage: Usage,
}

impl Plan {
    pub(super) fn mount(&self) -> Option<StorageOrder> {
        mount_of(&self.orders)
    }

    /// Everything but the mount.
    pub(super) fn steps(&self) -> Vec<StorageOrder> {
        let mount = self.mount();
        let steps = self
            .orders
            .iter()
            .filter(|order| Some(*order) != mount.as_ref());
        steps.cloned().collect()
    }
}

impl<'a> Bench<'a> {
    pub(super) fn new(subject: &'a dyn Subject, facts: &[&str]) -> Self {
        let host = FakeStorageHost::new("");
        Self {
            subject,
            host: facts.iter().fold(host, |host, fact| host.with_fact(fact)),
            overlay_layers: subject.features().iter().any(|word| word == OVERLAY_LAYERS),
        }
    }

    /// A driver and facts as here, and an empty root.
    pub(super) fn afresh(&self) -> Bench<'a> {
        let facts = crate::storage::Txn::facts(&self.host);
        let facts: Vec<&str> = facts.iter().map(String::as_str).collect();
        Bench::new(self.subject, &facts)
    }

    /// Asks the driver; nothing is carried out. `Err` is the driver's answer
    /// or what the host refused.
    pub(super) fn ask(&self, key: &str, parents: &[String], operation: Operation) -> Answer {
        let parents: Vec<&str> = parents.iter().map(String::as_str).collect();
        let host = self.host.about(key).with_parents(&parents);
        let host = host.during(operation.clone());
        self.host.take_orders();
        let answer = self.subject.call(&host, &operation);
        let orders = self.host.take_orders();
        match answer {
            Ok(usage) => Ok(Plan { orders, usage }),
            Err(error) => Err(format!("{}: {}", error.code.as_str(), error.message)),
        }
    }

    /// Asks and carries out.
    pub(super) fn order(&self, key: &str, parents: &[String], operation: Operation) -> Answer {
        let plan = self.ask(key, parents, operation)?;
        self.host.carry_out(&plan.orders)?;
        Ok(plan)
    }

    /// Asks for something that must go well.
    pub(super) fn must(
        &self,
        key: &str,
        parents: &[String],
        operation: Operation,
    ) -> Outcome<Plan> {
        let what = match key {
            "" => word(&operation).to_owned(),
            key => format!("{} of {key}", word(&operation)),
        };
        self.order(key, parents, operation)
            .map_err(|found| Failure::new(&what, "it to be carried out", found))
    }

    /// Lays a snapshot out and gives its mount.
    pub(super) fn prepare(
        &self,
        key: &str,
        parents: &[String],
        purpose: Purpose,
    ) -> Outcome<StorageOrder> {
        let plan = self.must(key, parents, Operation::Prepare(purpose))?;
        let missing = || Failure::new(&format!("prepare of {key}"), "a mount", "none ordered");
        plan.mount().ok_or_else(missing)
    }

    /// The mount of a snapshot that exists; the plan may hold nothing else.
    pub(super) fn mounts(
        &self,
        key: &str,
        parents: &[String],
        purpose: Purpose,
    ) -> Outcome<StorageOrder> {
        let plan = self.must(key, parents, Operation::Mounts(purpose))?;
        let what = format!("mounts of {key}");
        match (plan.mount(), plan.steps().as_slice()) {
            (Some(mount), []) => Ok(mount),
            (None, _) => Err(Failure::new(&what, "a mount", "none ordered")),
            (_, steps) => Err(Failure::new(
                &what,
                "the mount and nothing else",
                format!("{steps:?}"),
            )),
        }
    }

    /// A committed layer over `parents`, made as a pull makes it.
    pub(super) fn layer(
        &self,
        name: &str,
        parents: &[String],
        changes: &[LayerChange],
    ) -> Outcome<()> {
        let key = format!("extract-{name}");
        let mount = self.prepare(&key, parents, Purpose::Extract)?;
        self.extract(&key, &mount, changes)?;
        self.must(&key, parents, Operation::Commit(name.to_owned()))?;
        Ok(())
    }

    pub(super) fn extract(
        &self,
        key: &str,
        mount: &StorageOrder,
        changes: &[LayerChange],
    ) -> Outcome {
        let what = format!("the mount of {key} for a layer");
        self.host
            .extract(mount, changes, self.overlay_layers)
            .map_err(|found| Failure::new(&what, "one that can be written", found))
    }

    /// A chain of layers, each with a file `layer-<n>` and a common file
    /// `latest`. Its names nearest first, as parents are given.
    pub(super) fn chain(&self, length: usize) -> Outcome<Vec<String>> {
        let mut parents: Vec<String> = Vec::new();
        for at in 1..=length {
            let name = format!("chain-{at}");
            let number = at.to_string().into_bytes();
            let changes = [
                LayerChange::File(format!("layer-{at}"), number.clone()),
                LayerChange::File("latest".into(), number),
            ];
            self.layer(&name, &parents, &changes)?;
            parents.insert(0, name);
        }
        Ok(parents)
    }

    /// What a chain of that length must show.
    pub(super) fn chain_files(length: usize) -> Files {
        let number = |at: usize| at.to_string().into_bytes();
        let own = (1..=length).map(|at| (format!("layer-{at}"), number(at)));
        own.chain([("latest".to_owned(), number(length))]).collect()
    }

    /// Compares what a mount shows.
    pub(super) fn shows(&self, what: &str, mount: &StorageOrder, expected: &Files) -> Outcome {
        differences(what, expected, &self.host.files(mount))
    }

    /// Writes through a mount that must be writable.
    pub(super) fn write(
        &self,
        what: &str,
        mount: &StorageOrder,
        path: &str,
        text: &str,
    ) -> Outcome {
        self.host
            .write(mount, path, text.as_bytes())
            .map_err(|found| Failure::new(what, "a writable mount", found))
    }

    pub(super) fn usage(&self, key: &str, parents: &[String]) -> Outcome<Usage> {
        Ok(self.must(key, parents, Operation::Usage)?.usage)
    }

    /// Asks for garbage collection until nothing is left to do.
    pub(super) fn collect(&self, live: &[String]) -> Outcome {
        for _ in 0..GC_ROUNDS {
            let plan = self.must("", &[], Operation::Gc(live.to_vec()))?;
            if plan.orders.is_empty() {
                return Ok(());
            }
        }
        Err(Failure::new(
            "gc",
            "an end, after which it orders nothing",
            format!("orders after {GC_ROUNDS} rounds"),
        ))
    }

    /// Names of the directories in the driver's root, if it could name them.
    pub(super) fn snapshots(&self) -> Vec<String> {
        let all = crate::storage::Txn::snapshots(&self.host, None, u32::MAX);
        all.unwrap_or_default()
    }
}

/// The export's name.
pub(super) fn word(operation: &Operation) -> &'static str {
    match operation {
        Operation::Probe => "probe",
        Operation::Prepare(Purpose::Run) => "prepare for a container",
        Operation::Prepare(Purpose::View) => "prepare of a view",
        Operation::Prepare(Purpose::Extract) => "prepare for a layer",
        Operation::Mounts(_) => "mounts",
        Operation::Commit(_) => "commit",
        Operation::Remove => "remove",
        Operation::Usage => "usage",
        Operation::Gc(_) => "gc",
    }
}

/// Some text, as a file's bytes.
pub(super) fn files(of: &[(&str, &str)]) -> Files {
    let owned = |(path, text): &(&str, &str)| ((*path).to_owned(), text.as_bytes().to_owned());
    of.iter().map(owned).collect()
}

/// A layer's change: a file with this text.
pub(super) fn file(path: &str, text: &str) -> LayerChange {
    LayerChange::File(path.to_owned(), text.as_bytes().to_owned())
}

pub(super) fn keys(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn differences(what: &str, expected: &Files, found: &Files) -> Outcome {
    let text = |bytes: &Vec<u8>| String::from_utf8_lossy(bytes).into_owned();
    for (path, bytes) in expected {
        match found.get(path) {
            Some(seen) if seen == bytes => {}
            Some(seen) => {
                let expected = format!("{path} with {:?}", text(bytes));
                return Err(Failure::new(what, expected, format!("{:?}", text(seen))));
            }
            None => {
                return Err(Failure::new(
                    what,
                    format!("the file {path}"),
                    "no such file",
                ));
            }
        }
    }
    match found.keys().find(|path| !expected.contains_key(*path)) {
        Some(path) => Err(Failure::new(what, format!("no file {path}"), "it is there")),
        None => Ok(()),
    }
}
