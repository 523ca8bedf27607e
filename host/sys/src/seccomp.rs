//! System call filters (`seccomp(2)`, SECCOMP_SET_MODE_FILTER): a small
//! assembler for classic BPF and the loader.
//!
//! The assembler is ours because one filter has to judge several ABIs of one
//! processor (x86-64, i386 and x32 share the `syscall` entry), each by its own
//! numbers and with argument conditions, in a search tree rather than a
//! chain: 370 allowed calls would cost as many comparisons.
//!
//! ```text
//! load arch ─┬─ native ─▶ tree of numbers ─▶ conditions ─▶ action
//!            ├─ compat ─▶ tree of its numbers ─▶ …
//!            └─ other  ─▶ kill the process
//! ```

mod assembler;

pub use assembler::{Action, Architecture, Comparison, Condition, Rule, Rules};

use crate::error::{Result, check};

/// A filter as the kernel wants it, ready to load.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filter {
    code: Vec<Instruction>,
}

/// One `struct sock_filter`: opcode, jump offsets, operand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Instruction {
    /// `BPF_*` opcode.
    pub code: u16,
    /// Skipped instructions when the comparison holds.
    pub jt: u8,
    /// Skipped instructions when it does not.
    pub jf: u8,
    /// Operand.
    pub k: u32,
}

impl Filter {
    /// Assembles one rule set per architecture; any other architecture kills
    /// the process.
    pub fn assemble(rules: &[Rules]) -> Self {
        Self {
            code: assembler::assemble(rules),
        }
    }

    /// Allows exactly the given system calls of the native architecture.
    pub fn allow_list(calls: &[i64], otherwise: Action) -> Self {
        let rules = calls
            .iter()
            .map(|&nr| (nr as u32, vec![Rule::always(Action::Allow)]));
        Self::assemble(&[Rules {
            architecture: Architecture::NATIVE,
            calls: rules.collect(),
            otherwise,
        }])
    }

    /// The instructions.
    pub fn instructions(&self) -> &[Instruction] {
        &self.code
    }

    /// A filter from instructions made before by [`Filter::instructions`].
    pub fn from_instructions(code: Vec<Instruction>) -> Self {
        Self { code }
    }

    /// Loads it for the calling thread, for good. Needs `no_new_privs` or
    /// CAP_SYS_ADMIN.
    pub fn load(&self) -> Result<()> {
        self.load_with(0)
    }

    /// Loads it for every thread of the process (SECCOMP_FILTER_FLAG_TSYNC).
    pub fn load_all_threads(&self) -> Result<()> {
        self.load_with(libc::SECCOMP_FILTER_FLAG_TSYNC)
    }

    fn load_with(&self, flags: libc::c_ulong) -> Result<()> {
        let code: Vec<libc::sock_filter> = self
            .code
            .iter()
            .map(|i| libc::sock_filter {
                code: i.code,
                jt: i.jt,
                jf: i.jf,
                k: i.k,
            })
            .collect();
        let program = libc::sock_fprog {
            len: code.len() as u16,
            filter: code.as_ptr().cast_mut(),
        };
        // SAFETY: the program points at `len` instructions that outlive the call; the kernel copies them.
        let result = unsafe {
            libc::syscall(
                libc::SYS_seccomp,
                libc::SECCOMP_SET_MODE_FILTER,
                flags,
                &program,
            )
        };
        check(
            result,
            "seccomp",
            format_args!("{} instructions", code.len()),
        )
        .map(drop)
    }
}

#[cfg(test)]
mod tests;
