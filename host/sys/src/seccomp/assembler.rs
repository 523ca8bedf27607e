//! From rules to classic BPF. The program only ever jumps forward; jump
//! offsets are eight bits, so far jumps go through `BPF_JA`, whose offset has 32.

use std::collections::BTreeMap;

use super::Instruction;

/// What happens to a system call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// It runs.
    Allow,
    /// It returns -1 with this errno.
    Errno(i32),
    /// It runs and is logged.
    Log,
    /// A tracer is told this number; without one it fails with ENOSYS.
    Trace(u16),
    /// The thread gets a SIGSYS that it can catch.
    Trap,
    /// The thread is killed by SIGSYS.
    KillThread,
    /// The process is killed by SIGSYS.
    KillProcess,
}

impl Action {
    fn code(self) -> u32 {
        match self {
            Action::Allow => libc::SECCOMP_RET_ALLOW,
            Action::Errno(errno) => {
                libc::SECCOMP_RET_ERRNO | (errno as u32 & libc::SECCOMP_RET_DATA)
            }
            Action::Log => libc::SECCOMP_RET_LOG,
            Action::Trace(number) => libc::SECCOMP_RET_TRACE | u32::from(number),
            Action::Trap => libc::SECCOMP_RET_TRAP,
            Action::KillThread => libc::SECCOMP_RET_KILL_THREAD,
            Action::KillProcess => libc::SECCOMP_RET_KILL_PROCESS,
        }
    }
}

/// `AUDIT_ARCH_*` (`linux/audit.h`), and for x32 its mark in the number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Architecture {
    /// 64-bit x86, numbers of the 64-bit table only.
    X86_64,
    /// 32-bit x86, also reached by `int 0x80` from 64-bit programs.
    X86,
    /// 64-bit ARM.
    Aarch64,
    /// 32-bit ARM.
    Arm,
    /// 64-bit RISC-V.
    Riscv64,
}

impl Architecture {
    /// The architecture this program was built for.
    #[cfg(target_arch = "x86_64")]
    pub const NATIVE: Self = Self::X86_64;
    /// The architecture this program was built for.
    #[cfg(target_arch = "aarch64")]
    pub const NATIVE: Self = Self::Aarch64;
    /// The architecture this program was built for.
    #[cfg(target_arch = "riscv64")]
    pub const NATIVE: Self = Self::Riscv64;

    fn audit(self) -> u32 {
        match self {
            Self::X86_64 => 0xc000_003e,
            Self::X86 => 0x4000_0003,
            Self::Aarch64 => 0xc000_00b7,
            Self::Arm => 0x4000_0028,
            Self::Riscv64 => 0xc000_00f3,
        }
    }
}

/// How an argument is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// argument == value
    Equal,
    /// argument != value
    NotEqual,
    /// argument > value, unsigned
    Greater,
    /// argument >= value, unsigned
    GreaterOrEqual,
    /// argument < value, unsigned
    Less,
    /// argument <= value, unsigned
    LessOrEqual,
    /// argument & mask == value
    MaskedEqual {
        /// The mask.
        mask: u64,
    },
}

/// A condition on one argument. All 64 bits are compared unless
/// `low_half` is set: `int` arguments reach the kernel with undefined upper
/// halves, and it looks at the lower one alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Condition {
    /// Which argument, 0 to 5.
    pub argument: u8,
    /// How to compare.
    pub comparison: Comparison,
    /// The value.
    pub value: u64,
    /// Compare 32 bits.
    pub low_half: bool,
}

/// An action under conditions that must all hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// All must hold.
    pub when: Vec<Condition>,
    /// Then this.
    pub action: Action,
}

impl Rule {
    /// A rule without conditions.
    pub fn always(action: Action) -> Self {
        Self {
            when: Vec::new(),
            action,
        }
    }
}

/// The rules of one architecture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rules {
    /// The architecture.
    pub architecture: Architecture,
    /// By system call number: the first rule whose conditions hold decides.
    pub calls: BTreeMap<u32, Vec<Rule>>,
    /// For calls without a rule that holds.
    pub otherwise: Action,
}

const LOAD: u16 = (libc::BPF_LD | libc::BPF_W | libc::BPF_ABS) as u16;
const JUMP: u16 = (libc::BPF_JMP | libc::BPF_JA) as u16;
const JUMP_EQUAL: u16 = (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16;
const JUMP_ABOVE: u16 = (libc::BPF_JMP | libc::BPF_JGT | libc::BPF_K) as u16;
const JUMP_AT_LEAST: u16 = (libc::BPF_JMP | libc::BPF_JGE | libc::BPF_K) as u16;
const AND: u16 = (libc::BPF_ALU | libc::BPF_AND | libc::BPF_K) as u16;
const RETURN: u16 = (libc::BPF_RET | libc::BPF_K) as u16;

/// Offsets in `struct seccomp_data`.
const OFFSET_NR: u32 = 0;
const OFFSET_ARCH: u32 = 4;
const OFFSET_ARGS: u32 = 16;

fn step(code: u16, k: u32) -> Instruction {
    Instruction {
        code,
        jt: 0,
        jf: 0,
        k,
    }
}

pub(super) fn assemble(rules: &[Rules]) -> Vec<Instruction> {
    let mut out = vec![step(LOAD, OFFSET_ARCH)];
    for set in rules {
        let body = one_architecture(set);
        // Not this architecture: over the body. The jump is a BPF_JA, for length.
        out.push(Instruction {
            code: JUMP_EQUAL,
            jt: 1,
            jf: 0,
            k: set.architecture.audit(),
        });
        out.push(step(JUMP, body.len() as u32));
        out.extend(body);
    }
    out.push(step(RETURN, Action::KillProcess.code()));
    out
}

fn one_architecture(set: &Rules) -> Vec<Instruction> {
    let mut out = vec![step(LOAD, OFFSET_NR)];
    if set.architecture == Architecture::X86_64 {
        // x32 calls carry bit 30 (`__X32_SYSCALL_BIT`); few kernels have them
        // and nobody misses them. -1 is what a tracer sets to skip a call.
        out.push(Instruction {
            code: JUMP_AT_LEAST,
            jt: 0,
            jf: 1,
            k: 0x4000_0000,
        });
        out.push(step(RETURN, Action::Errno(libc::ENOSYS).code()));
    }
    let calls: Vec<(u32, &[Rule])> = set
        .calls
        .iter()
        .map(|(&nr, rules)| (nr, rules.as_slice()))
        .collect();
    out.extend(tree(&ranges(&calls), set.otherwise));
    out
}

/// A run of numbers with the same rules, from its first number on.
struct Range<'a> {
    first: u32,
    rules: &'a [Rule],
}

/// Splits all numbers into ranges of equal treatment: neighbours that are
/// allowed alike need one comparison together.
fn ranges<'a>(calls: &[(u32, &'a [Rule])]) -> Vec<Range<'a>> {
    let mut out: Vec<Range<'a>> = Vec::new();
    let mut push = |first: u32, rules: &'a [Rule]| {
        if out.last().is_none_or(|last| last.rules != rules) {
            out.push(Range { first, rules });
        }
    };
    let mut next = 0;
    for &(nr, rules) in calls {
        if nr > next {
            push(next, &[]);
        }
        push(nr, rules);
        next = nr + 1;
    }
    push(next, &[]);
    out
}

fn tree(ranges: &[Range<'_>], otherwise: Action) -> Vec<Instruction> {
    if let [only] = ranges {
        return leaf(only.rules, otherwise);
    }
    let (low, high) = ranges.split_at(ranges.len() / 2);
    let below = tree(low, otherwise);
    let above = tree(high, otherwise);
    let mut out = Vec::with_capacity(below.len() + above.len() + 2);
    if below.len() <= usize::from(u8::MAX) {
        out.push(Instruction {
            code: JUMP_AT_LEAST,
            jt: below.len() as u8,
            jf: 0,
            k: high[0].first,
        });
    } else {
        out.push(Instruction {
            code: JUMP_AT_LEAST,
            jt: 0,
            jf: 1,
            k: high[0].first,
        });
        out.push(step(JUMP, below.len() as u32));
    }
    out.extend(below);
    out.extend(above);
    out
}

fn leaf(rules: &[Rule], otherwise: Action) -> Vec<Instruction> {
    let mut out = Vec::new();
    for rule in rules {
        let body = conditions(&rule.when);
        out.extend(body);
        out.push(step(RETURN, rule.action.code()));
        if rule.when.is_empty() {
            return out;
        }
    }
    out.push(step(RETURN, otherwise.code()));
    out
}

/// Falls through to the next instruction when all conditions hold, and skips
/// that one instruction (the `RETURN`) otherwise.
fn conditions(when: &[Condition]) -> Vec<Instruction> {
    let blocks: Vec<Vec<Instruction>> = when.iter().map(comparison_steps).collect();
    let total: usize = blocks.iter().map(Vec::len).sum();
    let mut out = Vec::with_capacity(total);
    for block in blocks {
        let end = out.len() + block.len();
        for mut instruction in block {
            let here = out.len() + 1;
            // 0xff and 0xfe are marks: "the rule does not hold" and "this
            // condition holds".
            for offset in [&mut instruction.jt, &mut instruction.jf] {
                match *offset {
                    FAIL => *offset = (total + 1 - here) as u8,
                    HOLD => *offset = (end - here) as u8,
                    _ => {}
                }
            }
            out.push(instruction);
        }
    }
    out
}

const FAIL: u8 = 0xff;
const HOLD: u8 = 0xfe;

fn comparison_steps(condition: &Condition) -> Vec<Instruction> {
    let at = OFFSET_ARGS + 8 * u32::from(condition.argument);
    // The machines we run on are little-endian: the lower half comes first.
    let (low, high) = (at, at + 4);
    let (low_value, high_value) = (condition.value as u32, (condition.value >> 32) as u32);
    let mut out = Vec::new();
    if !condition.low_half {
        out.extend(load(condition, high, 32));
        out.extend(high_half(condition.comparison, high_value));
    }
    out.extend(load(condition, low, 0));
    let (code, jt, jf) = match condition.comparison {
        Comparison::Equal | Comparison::MaskedEqual { .. } => (JUMP_EQUAL, HOLD, FAIL),
        Comparison::NotEqual => (JUMP_EQUAL, FAIL, HOLD),
        Comparison::Greater => (JUMP_ABOVE, HOLD, FAIL),
        Comparison::GreaterOrEqual => (JUMP_AT_LEAST, HOLD, FAIL),
        Comparison::Less => (JUMP_AT_LEAST, FAIL, HOLD),
        Comparison::LessOrEqual => (JUMP_ABOVE, FAIL, HOLD),
    };
    out.push(jump(code, jt, jf, low_value));
    out
}

fn load(condition: &Condition, offset: u32, shift: u32) -> Vec<Instruction> {
    let mut steps = vec![step(LOAD, offset)];
    if let Comparison::MaskedEqual { mask } = condition.comparison {
        steps.push(step(AND, (mask >> shift) as u32));
    }
    steps
}

/// What the upper half decides; equal halves leave it to the lower one.
fn high_half(comparison: Comparison, value: u32) -> Vec<Instruction> {
    match comparison {
        Comparison::Equal | Comparison::MaskedEqual { .. } => {
            vec![jump(JUMP_EQUAL, 0, FAIL, value)]
        }
        Comparison::NotEqual => vec![jump(JUMP_EQUAL, 0, HOLD, value)],
        Comparison::Greater | Comparison::GreaterOrEqual => vec![
            jump(JUMP_ABOVE, HOLD, 0, value),
            jump(JUMP_EQUAL, 0, FAIL, value),
        ],
        Comparison::Less | Comparison::LessOrEqual => vec![
            jump(JUMP_ABOVE, FAIL, 0, value),
            jump(JUMP_EQUAL, 0, HOLD, value),
        ],
    }
}

fn jump(code: u16, jt: u8, jf: u8, k: u32) -> Instruction {
    Instruction { code, jt, jf, k }
}
