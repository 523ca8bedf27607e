//! System call profiles as users write them, before they are assembled for a
//! processor and its ABIs.

use std::sync::Arc;

/// Which system calls are allowed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum SeccompProfile {
    /// Docker's default profile.
    #[default]
    Default,
    /// No filter.
    Unconfined,
    /// The user's own.
    Custom(Arc<SeccompRules>),
}

/// A profile: what happens to calls that no rule names, and the rules. Of
/// several rules that hold for a call, the strictest decides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeccompRules {
    /// For calls without a rule that holds.
    pub otherwise: SeccompAction,
    /// The ABIs that are judged by the rules beside the processor's own, by
    /// `linux/audit.h`'s names in lower case (`x86`); others are killed.
    pub compat: Vec<String>,
    /// The rules.
    pub rules: Vec<SeccompRule>,
}

/// What happens to a system call (`seccomp(2)`, "SECCOMP_RET_*").
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SeccompAction {
    /// It runs.
    Allow,
    /// It runs and is logged.
    Log,
    /// A tracer is told this number; without a tracer it fails with ENOSYS.
    Trace(u16),
    /// It fails with this errno.
    Errno(u16),
    /// SIGSYS, which can be caught.
    Trap,
    /// The thread ends.
    KillThread,
    /// The process ends.
    KillProcess,
}

/// One rule for some calls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeccompRule {
    /// Names of system calls; those that the ABI lacks are left out.
    pub names: Vec<String>,
    /// What happens to them.
    pub action: SeccompAction,
    /// Conditions that must all hold.
    pub arguments: Vec<SeccompCondition>,
    /// Capabilities that the container must have all of, as bits.
    pub with_capabilities: u64,
    /// Capabilities of which the container must have none, as bits.
    pub without_capabilities: u64,
}

/// A condition on one argument; all 64 bits count, unsigned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SeccompCondition {
    /// Which argument, 0 to 5.
    pub argument: u8,
    /// How it is compared.
    pub comparison: SeccompComparison,
    /// With what.
    pub value: u64,
}

/// How an argument is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SeccompComparison {
    /// argument == value
    Equal,
    /// argument != value
    NotEqual,
    /// argument < value
    Less,
    /// argument <= value
    LessOrEqual,
    /// argument > value
    Greater,
    /// argument >= value
    GreaterOrEqual,
    /// argument & mask == value
    MaskedEqual {
        /// The mask.
        mask: u64,
    },
}
