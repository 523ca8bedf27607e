//! What the administrator chose for containers that do not say otherwise.

use std::collections::BTreeMap;

use crate::spec::ContainerSpec;

/// The daemon's defaults for new containers; they may change while it runs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Defaults {
    /// Log driver.
    pub log_driver: String,
    /// Its options, for containers that name no driver of their own.
    pub log_opts: BTreeMap<String, String>,
    /// Process limits: name, soft, hard.
    pub ulimits: Vec<(String, u64, u64)>,
    /// Bytes of /dev/shm; 0 for 64 MiB.
    pub shm_size: u64,
    /// Bytes that a writable layer may hold.
    pub storage_size: Option<u64>,
    /// Set PR_SET_NO_NEW_PRIVS.
    pub no_new_privileges: bool,
    /// Name servers.
    pub dns: Vec<String>,
    /// Resolver options.
    pub dns_options: Vec<String>,
    /// Search domains.
    pub dns_search: Vec<String>,
}

impl Defaults {
    /// Fills in what a request left open.
    pub fn complete(&self, spec: &mut ContainerSpec) {
        if spec.log_driver.is_empty() {
            spec.log_driver.clone_from(&self.log_driver);
            for (key, value) in &self.log_opts {
                let own = spec.log_opts.entry(key.clone());
                own.or_insert_with(|| value.clone());
            }
        }
        for limit in &self.ulimits {
            if !spec.ulimits.iter().any(|own| own.0 == limit.0) {
                spec.ulimits.push(limit.clone());
            }
        }
        spec.storage_size = spec.storage_size.or(self.storage_size);
        if spec.shm_size == 0 {
            spec.shm_size = self.shm_size;
        }
        let resolver = [
            (&mut spec.dns, &self.dns),
            (&mut spec.dns_options, &self.dns_options),
            (&mut spec.dns_search, &self.dns_search),
        ];
        for (own, default) in resolver {
            if own.is_empty() {
                own.clone_from(default);
            }
        }
        let decided = |option: &String| option.starts_with("no-new-privileges");
        if self.no_new_privileges && !spec.security_opt.iter().any(decided) {
            spec.security_opt.push("no-new-privileges".into());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_container_keeps_what_it_asked_for() {
        let defaults = Defaults {
            log_driver: "local".into(),
            log_opts: [("max-size".to_owned(), "1m".to_owned())].into(),
            ulimits: vec![("nofile".into(), 10, 20), ("core".into(), 0, 0)],
            shm_size: 4096,
            no_new_privileges: true,
            dns: vec!["192.0.2.1".into()],
            ..Defaults::default()
        };
        let mut plain = ContainerSpec::default();
        defaults.complete(&mut plain);
        assert_eq!((plain.log_driver.as_str(), plain.shm_size), ("local", 4096));
        assert_eq!(plain.log_opts["max-size"], "1m");
        assert_eq!(plain.ulimits.len(), 2);
        assert_eq!(plain.security_opt, ["no-new-privileges"]);
        assert_eq!(plain.dns, ["192.0.2.1"]);

        let mut own = ContainerSpec {
            log_driver: "json-file".into(),
            ulimits: vec![("nofile".into(), 1, 1)],
            shm_size: 1,
            security_opt: vec!["no-new-privileges=false".into()],
            ..ContainerSpec::default()
        };
        defaults.complete(&mut own);
        assert_eq!((own.log_driver.as_str(), own.shm_size), ("json-file", 1));
        assert!(own.log_opts.is_empty());
        assert_eq!(own.ulimits[0], ("nofile".into(), 1, 1));
        assert_eq!(own.security_opt.len(), 1);
    }
}
