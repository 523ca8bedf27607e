use bulkhead_model::resources::Resources;

use super::*;
use crate::cgroup::{Access, Options};

/// A daemon's parent, a folder for its list, and a name that is ours alone.
struct Place {
    own: Arc<Parent>,
    made: MadeCgroups,
    name: String,
    _folder: tempfile::TempDir,
}

impl Place {
    fn new(name: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let name = format!("bulkhead-test-{name}-{}", std::process::id());
        Self {
            own: Arc::new(Parent::open(&format!("{name}-own")).unwrap()),
            made: MadeCgroups::new(open_host_dir(folder.path()).unwrap()),
            name,
            _folder: folder,
        }
    }

    fn parent(&self, below: &str) -> CgroupParent {
        format!("{}{below}", self.name).parse().unwrap()
    }

    /// In how many hierarchies a path is there.
    fn count(&self, path: &str) -> usize {
        let there = |h: &&Hierarchy| h.mount.join(path).is_dir();
        self.own.hierarchies.iter().filter(there).count()
    }

    fn create(&self, parent: &CgroupParent, id: &str) {
        let held = self.made.hold();
        let parent = self.own.make_elsewhere(parent, &held).unwrap();
        let options = Options {
            devices: Access::Everything,
            mount: false,
        };
        parent.create(id, &Resources::default(), options).unwrap();
    }

    fn remove(&self, parent: &CgroupParent, id: &str) {
        let held = self.made.hold();
        let parent = self.own.elsewhere(parent);
        parent.remove(id).unwrap();
        parent.remove_made(&held).unwrap();
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.own.retire().unwrap();
    }
}

#[test]
fn a_parent_is_made_for_the_first_container_and_goes_with_the_last() {
    let place = Place::new("elsewhere");
    let all = place.own.hierarchies.len();
    let parent = place.parent("/inner");
    place.create(&parent, "one");
    place.create(&parent, "two");
    assert_eq!(place.count(&format!("{parent}/one")), all);
    place.remove(&parent, "one");
    assert_eq!(place.count(&format!("{parent}/two")), all);
    place.remove(&parent, "two");
    assert_eq!(place.count(&place.name), 0);
    assert!(place.made.hold().read().unwrap().is_empty());
}

#[test]
fn what_others_made_stays() {
    let place = Place::new("others");
    let path = place.own.hierarchies[0].mount.join(&place.name);
    std::fs::create_dir(&path).unwrap();
    let parent = place.parent("/inner");
    place.create(&parent, "one");
    place.remove(&parent, "one");
    assert!(path.is_dir());
    assert!(!path.join("inner").exists());
    std::fs::remove_dir(&path).unwrap();
    assert_eq!(place.count(&place.name), 0);
}

#[test]
fn nothing_hangs_below_the_daemons_own() {
    let place = Place::new("below");
    let held = place.made.hold();
    for below in ["-own/shims", "-own/x"] {
        let parent = place.parent(below);
        let error = place.own.make_elsewhere(&parent, &held).unwrap_err();
        assert!(matches!(error, RuntimeError::CgroupParent(_)), "{error}");
    }
    let own = place
        .own
        .make_elsewhere(&place.parent("-own"), &held)
        .unwrap();
    assert!(Arc::ptr_eq(&own, &place.own));
    drop(held);
}

#[test]
fn a_file_of_the_kernels_is_no_parent() {
    let place = Place::new("file");
    let held = place.made.hold();
    let file: CgroupParent = "cgroup.procs".parse().unwrap();
    place.own.make_elsewhere(&file, &held).unwrap_err();
    drop(held);
    assert!(place.made.hold().read().unwrap().is_empty());
}
