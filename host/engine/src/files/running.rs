//! The files of a container that runs, when it joins and leaves networks.

use std::net::IpAddr;

use super::{NameServers, host_line, resolv_conf};
use crate::Engine;
use crate::container::{Container, Endpoint};
use crate::containers::Entry;
use crate::error::EngineError;

const HOSTS: &str = "hosts";
const RESOLV_CONF: &str = "resolv.conf";

impl Engine {
    /// A container that came to a network is listed with its address there.
    pub(crate) fn list_in_hosts(&self, record: &Container, endpoint: &Endpoint) {
        self.edit_injected(record, HOSTS, &mut |text| {
            Some(with_lines(text, &own_lines(record, &endpoint.addresses)))
        });
    }

    /// One that left it is not.
    pub(crate) fn strike_from_hosts(&self, record: &Container, endpoint: &Endpoint) {
        self.edit_injected(record, HOSTS, &mut |text| {
            Some(without_lines(text, &own_lines(record, &endpoint.addresses)))
        });
    }

    /// Another container, which it calls `names`, is at other addresses now.
    pub(crate) fn move_in_hosts(&self, record: &Container, names: &str, to: &[IpAddr]) {
        self.edit_injected(record, HOSTS, &mut |text| {
            let of_another =
                |line: &&str| line.trim_end().split_once('\t').map(|l| l.1) != Some(names);
            let others: String = text.split_inclusive('\n').filter(of_another).collect();
            let lines: Vec<_> = to.iter().map(|a| format!("{a}\t{names}")).collect();
            let new = with_lines(&others, &lines);
            (new != text).then_some(new)
        });
    }

    /// A container that came to its first network with names asks its own
    /// resolver from now on, unless somebody has changed the file.
    pub(crate) fn ask_own_resolver(&self, entry: &Entry) -> Result<(), EngineError> {
        let record = entry.record();
        let host = self.host_resolver.text(&self.config.resolv_conf);
        let new = resolv_conf(&record.spec, &host, NameServers::Resolver);
        let mut changed = false;
        self.edit_injected(&record, RESOLV_CONF, &mut |text| {
            changed = text == record.resolv_conf;
            changed.then(|| new.clone())
        });
        if changed {
            self.containers
                .update(entry, |record| record.resolv_conf = new)?;
        }
        Ok(())
    }

    /// A file that cannot be changed is no reason to refuse a network.
    fn edit_injected(
        &self,
        record: &Container,
        name: &'static str,
        edit: &mut dyn FnMut(&str) -> Option<String>,
    ) {
        if let Err(error) = self.runtime.edit_injected(&record.id, name, edit) {
            tracing::warn!(container = %record.id, %error, "changing its {name}");
        }
    }
}

fn own_lines(record: &Container, addresses: &[IpAddr]) -> Vec<String> {
    let line = |address| host_line(address, &record.hostname, &record.spec.domainname);
    addresses.iter().map(line).collect()
}

fn with_lines(text: &str, more: &[String]) -> String {
    let mut text = text.to_owned();
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
    for line in more {
        if !text.lines().any(|l| l == line) {
            text.push_str(line);
            text.push('\n');
        }
    }
    text
}

fn without_lines(text: &str, gone: &[String]) -> String {
    let stays = |line: &&str| !gone.iter().any(|g| g == line.trim_end());
    text.split_inclusive('\n').filter(stays).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_wrote_into_hosts_stays() {
        let ours = ["10.0.0.2\tweb".to_owned()];
        let theirs = "127.0.0.1\tlocalhost\n# mine";
        let listed = with_lines(theirs, &ours);
        assert_eq!(listed, "127.0.0.1\tlocalhost\n# mine\n10.0.0.2\tweb\n");
        assert_eq!(with_lines(&listed, &ours), listed);
        assert_eq!(
            without_lines(&listed, &ours),
            "127.0.0.1\tlocalhost\n# mine\n"
        );
    }
}
