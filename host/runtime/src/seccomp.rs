//! The default system call profile, compiled when the first container needs it.
//!
//! The profile is data (`seccomp/default.profile`), as are the numbers of each
//! ABI (`*.table`). A filter depends on the container's capabilities; those
//! made once are kept.

mod custom;

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use bulkhead_sys::seccomp::{
    Action, Architecture, Comparison, Condition, Filter, Instruction, Rule, Rules,
};

pub use custom::compile as compile_custom;

const PROFILE: &str = include_str!("seccomp/default.profile");

/// EPERM and ENOSYS of every Linux architecture we know.
const EPERM: i32 = 1;
const ENOSYS: i32 = 38;

/// The ABIs a program of this machine can use.
#[cfg(target_arch = "x86_64")]
const ABIS: &[(Architecture, &str, &str)] = &[
    (
        Architecture::X86_64,
        "x86_64",
        include_str!("seccomp/x86_64.table"),
    ),
    (Architecture::X86, "x86", include_str!("seccomp/x86.table")),
];
/// The ABIs a program of this machine can use; 32-bit ARM is refused.
#[cfg(target_arch = "aarch64")]
const ABIS: &[(Architecture, &str, &str)] = &[(
    Architecture::Aarch64,
    "aarch64",
    include_str!("seccomp/aarch64.table"),
)];
/// The ABIs a program of this machine can use.
#[cfg(target_arch = "riscv64")]
const ABIS: &[(Architecture, &str, &str)] = &[(
    Architecture::Riscv64,
    "riscv64",
    include_str!("seccomp/aarch64.table"),
)];

/// Filters by the capabilities they were made for.
#[derive(Debug, Default)]
pub struct Cache(Mutex<HashMap<u64, Arc<Vec<Instruction>>>>);

impl Cache {
    /// The default profile for a container with these capabilities.
    pub fn default_profile(&self, capabilities: u64) -> Arc<Vec<Instruction>> {
        let mut filters = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(
            filters
                .entry(capabilities)
                .or_insert_with(|| Arc::new(compile(capabilities))),
        )
    }
}

/// Assembles the default profile.
pub fn compile(capabilities: u64) -> Vec<Instruction> {
    let rules: Vec<Rules> = ABIS
        .iter()
        .map(|(architecture, name, table)| Rules {
            architecture: *architecture,
            calls: calls(name, &numbers(table), capabilities),
            otherwise: Action::Errno(ENOSYS),
        })
        .collect();
    Filter::assemble(&rules).instructions().to_vec()
}

/// `NUMBER NAME` lines.
fn numbers(table: &'static str) -> HashMap<&'static str, u32> {
    let line = |line: &'static str| {
        let (number, name) = line.split_once(' ')?;
        Some((name, number.parse().ok()?))
    };
    table.lines().filter_map(line).collect()
}

fn calls(
    architecture: &str,
    numbers: &HashMap<&str, u32>,
    capabilities: u64,
) -> BTreeMap<u32, Vec<Rule>> {
    let mut out: BTreeMap<u32, Vec<Rule>> = BTreeMap::new();
    let lines = PROFILE
        .lines()
        .filter(|l| !l.is_empty() && !l.starts_with('#'));
    for (head, names) in lines.filter_map(|line| line.split_once(": ")) {
        for number in names.split(' ').filter_map(|name| numbers.get(name)) {
            let rules = out.entry(*number).or_default();
            // After a rule without conditions nothing can be reached.
            if rules.last().is_none_or(|last| !last.when.is_empty()) {
                rules.extend(rules_of(head, architecture, capabilities));
            }
        }
    }
    // A call that only lacks a capability: EPERM, as the kernel would say.
    for rules in out.values_mut().filter(|rules| rules.is_empty()) {
        rules.push(Rule::always(Action::Errno(EPERM)));
    }
    out
}

fn rules_of(head: &str, architecture: &str, capabilities: u64) -> Vec<Rule> {
    let words: Vec<&str> = head.split(' ').collect();
    match words[..] {
        ["allow"] => vec![Rule::always(Action::Allow)],
        ["arch", name] if name == architecture => vec![Rule::always(Action::Allow)],
        ["cap", number] if capabilities & 1 << integer(number) != 0 => {
            vec![Rule::always(Action::Allow)]
        }
        ["refuse", errno] => vec![Rule::always(Action::Errno(integer(errno) as i32))],
        ["arg", index, "eq", ..] => {
            let when = |value: &&str| condition(index, Comparison::Equal, integer(value));
            words[3..]
                .iter()
                .map(|value| Rule {
                    when: vec![when(value)],
                    action: Action::Allow,
                })
                .collect()
        }
        ["arg", index, "mask", mask] => {
            let comparison = Comparison::MaskedEqual {
                mask: integer(mask),
            };
            vec![Rule {
                when: vec![condition(index, comparison, 0)],
                action: Action::Allow,
            }]
        }
        _ => Vec::new(),
    }
}

/// The arguments the profile looks at are `int` and `unsigned int`, or flags
/// of which the kernel reads the lower half.
fn condition(index: &str, comparison: Comparison, value: u64) -> Condition {
    Condition {
        argument: integer(index) as u8,
        comparison,
        value,
        low_half: true,
    }
}

/// The profile is ours, and a test reads every number in it.
fn integer(text: &str) -> u64 {
    let parsed = match text.strip_prefix("0x") {
        Some(hex) => u64::from_str_radix(hex, 16),
        None => text.parse(),
    };
    parsed.expect("a number in the built-in profile")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_of_the_profile_is_understood() {
        for line in PROFILE
            .lines()
            .filter(|l| !l.is_empty() && !l.starts_with('#'))
        {
            let (head, names) = line.split_once(": ").expect(line);
            let architecture = head.strip_prefix("arch ").unwrap_or("x86_64");
            assert!(!rules_of(head, architecture, u64::MAX).is_empty(), "{line}");
            assert!(names.split(' ').all(|name| !name.is_empty()), "{line}");
        }
    }

    #[test]
    fn the_filter_fits_and_capabilities_open_calls() {
        let (few, all) = (compile(0), compile(u64::MAX));
        assert!(
            few.len() < 4096 && all.len() < 4096,
            "BPF_MAXINSNS: {} {}",
            few.len(),
            all.len()
        );
        assert_ne!(few, all);
    }

    #[cfg(target_arch = "x86_64")]
    #[test]
    fn dangerous_calls_are_refused_in_both_abis() {
        for (_, name, table) in ABIS {
            let numbers = numbers(table);
            let calls = calls(name, &numbers, 0xa804_25fb);
            for refused in [
                "io_uring_setup",
                "socketcall",
                "keyctl",
                "add_key",
                "userfaultfd",
                "kexec_load",
            ] {
                let rules = numbers.get(refused).and_then(|n| calls.get(n));
                assert!(rules.is_none(), "{refused} on {name}");
            }
            let action = |call| calls[&numbers[call]][0].action;
            assert_eq!(action("mount"), Action::Errno(EPERM));
            assert_eq!(action("clone3"), Action::Errno(ENOSYS));
            let socket = &calls[&numbers["socket"]];
            let families: Vec<u64> = socket
                .iter()
                .filter_map(|r| Some(r.when.first()?.value))
                .collect();
            assert!(families.contains(&1) && !families.contains(&38) && !families.contains(&40));
        }
    }

    #[test]
    fn the_kernel_refuses_the_families_with_a_history() {
        use nix::errno::Errno;
        use nix::sys::socket::{AddressFamily, SockFlag, SockType, socket};
        let judge =
            |family| socket(family, SockType::SeqPacket, SockFlag::SOCK_CLOEXEC, None).err();
        std::thread::spawn(move || {
            bulkhead_sys::process::set_no_new_privs().unwrap();
            Filter::from_instructions(compile(0xa804_25fb))
                .load()
                .unwrap();
            assert_eq!(judge(AddressFamily::Alg), Some(Errno::EPERM));
            assert_eq!(judge(AddressFamily::Vsock), Some(Errno::EPERM));
            assert_eq!(judge(AddressFamily::Unix), None);
        })
        .join()
        .unwrap();
    }
}
