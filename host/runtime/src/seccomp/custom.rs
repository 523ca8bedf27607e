//! A user's own profile, for the ABIs that it names.

use std::collections::{BTreeMap, HashMap};

use bulkhead_model::process::{
    SeccompAction, SeccompComparison, SeccompCondition, SeccompRule, SeccompRules,
};
use bulkhead_sys::seccomp::{
    Action, Architecture, Comparison, Condition, Filter, Instruction, Rule, Rules,
};

use super::{ABIS, numbers};
use crate::error::RuntimeError;

/// `BPF_MAXINSNS` (`linux/bpf_common.h`)
const MOST_INSTRUCTIONS: usize = 4096;

/// Assembles a profile for a container with these capabilities.
///
/// # Errors
/// The filter is longer than the kernel takes.
pub fn compile(
    profile: &SeccompRules,
    capabilities: u64,
) -> Result<Vec<Instruction>, RuntimeError> {
    let judged = ABIS.iter().filter(|(architecture, name, _)| {
        *architecture == Architecture::NATIVE || profile.compat.iter().any(|c| c == name)
    });
    let rules: Vec<Rules> = judged
        .map(|(architecture, _, table)| Rules {
            architecture: *architecture,
            calls: calls(profile, *architecture, &numbers(table), capabilities),
            otherwise: action(profile.otherwise),
        })
        .collect();
    let code = Filter::assemble(&rules).instructions().to_vec();
    if code.len() > MOST_INSTRUCTIONS {
        return Err(RuntimeError::SeccompTooLong(code.len()));
    }
    Ok(code)
}

fn calls(
    profile: &SeccompRules,
    architecture: Architecture,
    numbers: &HashMap<&str, u32>,
    capabilities: u64,
) -> BTreeMap<u32, Vec<Rule>> {
    let applies = |rule: &&SeccompRule| {
        rule.with_capabilities & !capabilities == 0 && rule.without_capabilities & capabilities == 0
    };
    let mut found: BTreeMap<u32, Vec<(SeccompAction, Rule)>> = BTreeMap::new();
    for rule in profile.rules.iter().filter(applies) {
        for name in &rule.names {
            if let Some(number) = numbers.get(name.as_str()) {
                found.entry(*number).or_default().extend(alternatives(rule));
            }
            if architecture == Architecture::X86 {
                add_multiplexed(&mut found, name, rule, numbers);
            }
        }
    }
    found
        .into_iter()
        .map(|(number, rules)| (number, strictest_first(rules)))
        .collect()
}

/// The kernel's own order of precedence (`seccomp(2)`, "Return values"): a
/// rule that allows never opens what another one closes.
fn strictest_first(mut rules: Vec<(SeccompAction, Rule)>) -> Vec<Rule> {
    rules.sort_by_key(|(action, _)| match action {
        SeccompAction::KillProcess => 0,
        SeccompAction::KillThread => 1,
        SeccompAction::Trap => 2,
        SeccompAction::Errno(_) => 3,
        SeccompAction::Trace(_) => 4,
        SeccompAction::Log => 5,
        SeccompAction::Allow => 6,
    });
    rules.dedup();
    rules.into_iter().map(|(_, rule)| rule).collect()
}

/// All conditions must hold, but when an argument has several, each is a rule
/// of its own: Docker's profiles are written for that (runc `matchCall`).
fn alternatives(rule: &SeccompRule) -> Vec<(SeccompAction, Rule)> {
    let mut seen = [false; 6];
    let twice = rule
        .arguments
        .iter()
        .any(|c| std::mem::replace(&mut seen[usize::from(c.argument.min(5))], true));
    let with = |when: Vec<Condition>| {
        let action = action(rule.action);
        (rule.action, Rule { when, action })
    };
    let conditions = rule.arguments.iter().map(condition);
    if twice {
        conditions.map(|c| with(vec![c])).collect()
    } else {
        vec![with(conditions.collect())]
    }
}

/// On 32-bit x86 sockets and System V IPC have numbers of their own and one
/// number for all of them, `socketcall(2)` and `ipc(2)`, whose first argument
/// says which. The other arguments are out of a filter's sight, so a rule that
/// closes under conditions closes here without.
fn add_multiplexed(
    found: &mut BTreeMap<u32, Vec<(SeccompAction, Rule)>>,
    name: &str,
    rule: &SeccompRule,
    numbers: &HashMap<&str, u32>,
) {
    let Some((multiplexer, selector)) = multiplexed(name) else {
        return;
    };
    let opens = matches!(rule.action, SeccompAction::Allow | SeccompAction::Log);
    let (Some(number), false) = (
        numbers.get(multiplexer),
        opens && !rule.arguments.is_empty(),
    ) else {
        return;
    };
    let which = Condition {
        argument: 0,
        comparison: Comparison::Equal,
        value: selector,
        low_half: true,
    };
    let action = action(rule.action);
    let when = vec![which];
    (found.entry(*number).or_default()).push((rule.action, Rule { when, action }));
}

/// `linux/net.h` (`SYS_SOCKET`, …) and `linux/ipc.h` (`SEMOP`, …).
fn multiplexed(name: &str) -> Option<(&'static str, u64)> {
    const SOCKET: [&str; 20] = [
        "socket",
        "bind",
        "connect",
        "listen",
        "accept",
        "getsockname",
        "getpeername",
        "socketpair",
        "send",
        "recv",
        "sendto",
        "recvfrom",
        "shutdown",
        "setsockopt",
        "getsockopt",
        "sendmsg",
        "recvmsg",
        "accept4",
        "recvmmsg",
        "sendmmsg",
    ];
    const IPC: [(&str, u64); 12] = [
        ("semop", 1),
        ("semget", 2),
        ("semctl", 3),
        ("semtimedop", 4),
        ("msgsnd", 11),
        ("msgrcv", 12),
        ("msgget", 13),
        ("msgctl", 14),
        ("shmat", 21),
        ("shmdt", 22),
        ("shmget", 23),
        ("shmctl", 24),
    ];
    let socket = SOCKET.iter().position(|n| *n == name);
    let ipc = IPC.iter().find(|(n, _)| *n == name);
    socket
        .map(|at| ("socketcall", at as u64 + 1))
        .or_else(|| ipc.map(|(_, selector)| ("ipc", *selector)))
}

fn action(action: SeccompAction) -> Action {
    match action {
        SeccompAction::Allow => Action::Allow,
        SeccompAction::Log => Action::Log,
        SeccompAction::Trace(number) => Action::Trace(number),
        SeccompAction::Errno(errno) => Action::Errno(errno.into()),
        SeccompAction::Trap => Action::Trap,
        SeccompAction::KillThread => Action::KillThread,
        SeccompAction::KillProcess => Action::KillProcess,
    }
}

fn condition(condition: &SeccompCondition) -> Condition {
    Condition {
        argument: condition.argument.min(5),
        comparison: match condition.comparison {
            SeccompComparison::Equal => Comparison::Equal,
            SeccompComparison::NotEqual => Comparison::NotEqual,
            SeccompComparison::Less => Comparison::Less,
            SeccompComparison::LessOrEqual => Comparison::LessOrEqual,
            SeccompComparison::Greater => Comparison::Greater,
            SeccompComparison::GreaterOrEqual => Comparison::GreaterOrEqual,
            SeccompComparison::MaskedEqual { mask } => Comparison::MaskedEqual { mask },
        },
        value: condition.value,
        low_half: false,
    }
}

#[cfg(all(test, target_arch = "x86_64"))]
mod tests {
    use super::*;

    fn rule(name: &str, action: SeccompAction) -> SeccompRule {
        SeccompRule {
            names: vec![name.to_owned(), "no_such_call".to_owned()],
            action,
            arguments: Vec::new(),
            with_capabilities: 0,
            without_capabilities: 0,
        }
    }

    fn first(rules: Vec<SeccompRule>, abi: usize, call: &str, capabilities: u64) -> Option<Rule> {
        let profile = SeccompRules {
            otherwise: SeccompAction::Allow,
            compat: vec!["x86".into()],
            rules,
        };
        let numbers = numbers(ABIS[abi].2);
        let calls = calls(&profile, ABIS[abi].0, &numbers, capabilities);
        calls.get(&numbers[call]).map(|rules| rules[0].clone())
    }

    #[test]
    fn a_rule_that_allows_never_opens_what_another_closes() {
        let rules = vec![
            rule("mkdir", SeccompAction::Allow),
            rule("mkdir", SeccompAction::Errno(1)),
        ];
        let found = first(rules, 0, "mkdir", 0).unwrap();
        assert_eq!(found, Rule::always(Action::Errno(1)));
    }

    #[test]
    fn capabilities_decide_whether_a_rule_applies() {
        let mut with = rule("mount", SeccompAction::Errno(1));
        with.with_capabilities = 1 << 21;
        let mut without = rule("mount", SeccompAction::Errno(2));
        without.without_capabilities = 1 << 21;
        let judged = |capabilities| {
            first(
                vec![with.clone(), without.clone()],
                0,
                "mount",
                capabilities,
            )
            .map(|r| r.action)
        };
        assert_eq!(judged(1 << 21), Some(Action::Errno(1)));
        assert_eq!(judged(1), Some(Action::Errno(2)));
    }

    #[test]
    fn a_closed_call_is_closed_through_its_multiplexer_too() {
        let mut closed = rule("socket", SeccompAction::Errno(1));
        closed.arguments.push(SeccompCondition {
            argument: 0,
            comparison: SeccompComparison::Equal,
            value: 38,
        });
        let found = first(vec![closed.clone()], 1, "socketcall", 0).unwrap();
        assert_eq!((found.when.len(), found.when[0].value), (1, 1));
        assert_eq!(found.action, Action::Errno(1));
        assert_eq!(
            first(vec![closed.clone()], 0, "socket", 0)
                .unwrap()
                .when
                .len(),
            1
        );
        closed.action = SeccompAction::Allow;
        assert_eq!(first(vec![closed], 1, "socketcall", 0), None);
    }

    #[test]
    fn a_profile_that_does_not_fit_is_refused() {
        let mut profile = SeccompRules {
            otherwise: SeccompAction::Allow,
            compat: vec![],
            rules: vec![],
        };
        for value in 0..2000 {
            let mut rule = rule("mkdir", SeccompAction::Errno(1));
            rule.arguments.push(SeccompCondition {
                argument: 1,
                comparison: SeccompComparison::Equal,
                value,
            });
            profile.rules.push(rule);
        }
        let refused = compile(&profile, 0);
        assert!(matches!(refused, Err(RuntimeError::SeccompTooLong(_))));
        profile.rules.truncate(10);
        assert!(compile(&profile, 0).is_ok());
    }
}
