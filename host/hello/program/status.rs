//! /proc/self/status: who we are and what we may (proc_pid_status(5)).

/// Bit numbers are positions (capabilities(7), linux/capability.h).
const CAPABILITIES: [&str; 41] = [
    "chown",
    "dac_override",
    "dac_read_search",
    "fowner",
    "fsetid",
    "kill",
    "setgid",
    "setuid",
    "setpcap",
    "linux_immutable",
    "net_bind_service",
    "net_broadcast",
    "net_admin",
    "net_raw",
    "ipc_lock",
    "ipc_owner",
    "sys_module",
    "sys_rawio",
    "sys_chroot",
    "sys_ptrace",
    "sys_pacct",
    "sys_admin",
    "sys_boot",
    "sys_nice",
    "sys_resource",
    "sys_time",
    "sys_tty_config",
    "mknod",
    "lease",
    "audit_write",
    "audit_control",
    "setfcap",
    "mac_override",
    "mac_admin",
    "syslog",
    "wake_alarm",
    "block_suspend",
    "audit_read",
    "perfmon",
    "bpf",
    "checkpoint_restore",
];

fn field<'a>(status: &'a str, name: &str) -> &'a str {
    let value = |line: &'a str| line.strip_prefix(name)?.strip_prefix(':');
    status.lines().find_map(value).unwrap_or_default().trim()
}

/// Effective uid and gid, and the supplementary groups.
pub(crate) fn user(status: &str) -> String {
    let effective = |name| field(status, name).split_whitespace().nth(1).unwrap_or("?");
    let groups = field(status, "Groups").replace(' ', ", ");
    let groups = if groups.is_empty() {
        "none".to_owned()
    } else {
        groups
    };
    format!(
        "uid {}, gid {}, further groups: {groups}",
        effective("Uid"),
        effective("Gid")
    )
}

/// Names of the effective set.
pub(crate) fn capabilities(status: &str) -> String {
    let Ok(set) = u64::from_str_radix(field(status, "CapEff"), 16) else {
        return "not visible".to_owned();
    };
    let name = |bit: usize| {
        CAPABILITIES
            .get(bit)
            .map_or_else(|| format!("number_{bit}"), |name| (*name).to_owned())
    };
    let names: Vec<String> = (0..64)
        .filter(|bit| set >> bit & 1 == 1)
        .map(name)
        .collect();
    match names.len() {
        0 => "none".to_owned(),
        count => format!("{count}: {}", names.join(" ")),
    }
}

/// The mode of seccomp(2).
pub(crate) fn seccomp(status: &str) -> &'static str {
    match field(status, "Seccomp") {
        "0" => "off",
        "1" => "strict",
        "2" => "filter",
        _ => "not visible",
    }
}

/// PR_SET_NO_NEW_PRIVS (prctl(2)).
pub(crate) fn no_new_privileges(status: &str) -> &'static str {
    match field(status, "NoNewPrivs") {
        "0" => "off: set-user-id programs work",
        "1" => "on: set-user-id programs give nothing",
        _ => "not visible",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STATUS: &str = "Name:\thello\nUid:\t0\t1000\t0\t0\nGid:\t0\t100\t0\t0\nGroups:\t10 20 \n\
        CapEff:\t00000000a80425fb\nNoNewPrivs:\t0\nSeccomp:\t2\nSeccomp_filters:\t1\n";

    #[test]
    fn effective_ids_are_told() {
        assert_eq!(user(STATUS), "uid 1000, gid 100, further groups: 10, 20");
        assert_eq!(user(""), "uid ?, gid ?, further groups: none");
    }

    #[test]
    fn dockers_default_set_has_fourteen_names() {
        let names = capabilities(STATUS);
        assert!(
            names.starts_with("14: chown dac_override fowner "),
            "{names}"
        );
        assert!(names.ends_with(" audit_write setfcap"), "{names}");
        assert_eq!(capabilities("CapEff:\t0000000000000000\n"), "none");
        assert_eq!(capabilities("CapEff:\t8000000000000000\n"), "1: number_63");
    }

    #[test]
    fn modes_have_words() {
        assert_eq!((seccomp(STATUS), seccomp("")), ("filter", "not visible"));
        assert!(no_new_privileges(STATUS).starts_with("off"));
    }
}
