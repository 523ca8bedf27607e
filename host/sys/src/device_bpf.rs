//! The device filter of version 2 cgroups: a BPF program that sees each
//! `open` and `mknod` of a device (kernel `cgroup-v2.rst`, "Device controller").

use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};

use crate::error::{Error, Result, check};

/// Which devices a rule is about; `None` is any.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeviceRule {
    /// Character device, or block device; `None` is both.
    pub character: Option<bool>,
    /// Major number.
    pub major: Option<u32>,
    /// Minor number.
    pub minor: Option<u32>,
    /// May be made with mknod.
    pub mknod: bool,
    /// May be opened for reading.
    pub read: bool,
    /// May be opened for writing.
    pub write: bool,
}

/// `struct bpf_insn`
#[repr(C)]
#[derive(Clone, Copy)]
struct Insn {
    code: u8,
    registers: u8,
    offset: i16,
    immediate: i32,
}

const fn insn(code: u8, dst: u8, src: u8, offset: i16, immediate: i32) -> Insn {
    Insn {
        code,
        registers: dst | src << 4,
        offset,
        immediate,
    }
}

/// `BPF_LDX | BPF_MEM | BPF_W`
const LOAD_WORD: u8 = 0x61;
/// `BPF_ALU | BPF_AND | BPF_K`
const AND: u8 = 0x54;
/// `BPF_ALU | BPF_RSH | BPF_K`
const SHIFT_RIGHT: u8 = 0x74;
/// `BPF_ALU | BPF_MOV | BPF_X`
const MOVE_REGISTER: u8 = 0xbc;
/// `BPF_ALU64 | BPF_MOV | BPF_K`
const MOVE: u8 = 0xb7;
/// `BPF_JMP | BPF_JNE | BPF_K`
const JUMP_NOT_EQUAL: u8 = 0x55;
/// `BPF_JMP | BPF_EXIT`
const EXIT: u8 = 0x95;

/// `BPF_DEVCG_DEV_BLOCK`, `BPF_DEVCG_DEV_CHAR`
const TYPE_BLOCK: i32 = 1;
const TYPE_CHARACTER: i32 = 2;
/// `BPF_DEVCG_ACC_MKNOD`, `READ`, `WRITE`
const ACCESS_MKNOD: i32 = 1;
const ACCESS_READ: i32 = 2;
const ACCESS_WRITE: i32 = 4;

/// Registers: 2 type, 3 access, 4 major, 5 minor. The context is
/// `struct bpf_cgroup_dev_ctx`: access in the upper and type in the lower 16
/// bits of the first word, then major, then minor.
fn assemble(rules: &[DeviceRule]) -> Vec<Insn> {
    let mut out = vec![
        insn(LOAD_WORD, 2, 1, 0, 0),
        insn(AND, 2, 0, 0, 0xffff),
        insn(LOAD_WORD, 3, 1, 0, 0),
        insn(SHIFT_RIGHT, 3, 0, 0, 16),
        insn(LOAD_WORD, 4, 1, 4, 0),
        insn(LOAD_WORD, 5, 1, 8, 0),
    ];
    for rule in rules {
        out.extend(one_rule(rule));
    }
    out.extend([insn(MOVE, 0, 0, 0, 0), insn(EXIT, 0, 0, 0, 0)]);
    out
}

/// Each check jumps over the rest of the rule when it fails.
fn one_rule(rule: &DeviceRule) -> Vec<Insn> {
    let mut checks = Vec::new();
    checks.extend(rule.character.map(|character| match character {
        true => (2, TYPE_CHARACTER),
        false => (2, TYPE_BLOCK),
    }));
    checks.extend(rule.major.map(|major| (4, major as i32)));
    checks.extend(rule.minor.map(|minor| (5, minor as i32)));
    let bit = |asked: bool, bit: i32| if asked { bit } else { 0 };
    let allowed =
        bit(rule.mknod, ACCESS_MKNOD) | bit(rule.read, ACCESS_READ) | bit(rule.write, ACCESS_WRITE);
    let total = checks.len() + 5;
    let mut out = Vec::with_capacity(total);
    for (register, value) in checks {
        let rest = (total - out.len() - 1) as i16;
        out.push(insn(JUMP_NOT_EQUAL, register, 0, rest, value));
    }
    // Nothing outside `allowed` is asked for: access & !allowed == 0.
    out.push(insn(MOVE_REGISTER, 1, 3, 0, 0));
    out.push(insn(AND, 1, 0, 0, !allowed & 7));
    out.push(insn(JUMP_NOT_EQUAL, 1, 0, 2, 0));
    out.extend([insn(MOVE, 0, 0, 0, 1), insn(EXIT, 0, 0, 0, 0)]);
    out
}

/// The start of `union bpf_attr` for BPF_PROG_LOAD.
#[repr(C)]
#[derive(Default)]
struct LoadAttr {
    program_type: u32,
    count: u32,
    instructions: u64,
    license: u64,
    log_level: u32,
    log_size: u32,
    log: u64,
    kernel_version: u32,
    flags: u32,
}

/// The start of `union bpf_attr` for BPF_PROG_ATTACH.
#[repr(C)]
struct AttachAttr {
    target: u32,
    program: u32,
    attach_type: u32,
    flags: u32,
}

/// `BPF_PROG_TYPE_CGROUP_DEVICE`
const PROGRAM_TYPE: u32 = 15;
/// `BPF_CGROUP_DEVICE`
const ATTACH_TYPE: u32 = 6;
/// `BPF_F_ALLOW_MULTI`: programs of ancestors keep their say.
const ALLOW_MULTI: u32 = 2;

/// Loads a filter that allows what some rule allows, and nothing else.
pub fn load(rules: &[DeviceRule]) -> Result<OwnedFd> {
    let code = assemble(rules);
    let attr = LoadAttr {
        program_type: PROGRAM_TYPE,
        count: code.len() as u32,
        instructions: code.as_ptr() as u64,
        license: c"Apache-2.0".as_ptr() as u64,
        ..LoadAttr::default()
    };
    // SAFETY: the pointers in the structure outlive the call, which has its size.
    let fd = unsafe { libc::syscall(libc::SYS_bpf, 5, &attr, size_of::<LoadAttr>()) };
    let fd = check(fd, "bpf", "BPF_PROG_LOAD, BPF_PROG_TYPE_CGROUP_DEVICE")?;
    // SAFETY: the kernel just gave us this descriptor.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as i32) })
}

/// Attaches a loaded filter to a version 2 cgroup for as long as it exists.
pub fn attach(program: impl AsFd, cgroup: impl AsFd) -> Result<()> {
    let raw =
        |fd: i32| u32::try_from(fd).map_err(|_| Error::new("bpf", fd, nix::errno::Errno::EBADF));
    let attr = AttachAttr {
        target: raw(cgroup.as_fd().as_raw_fd())?,
        program: raw(program.as_fd().as_raw_fd())?,
        attach_type: ATTACH_TYPE,
        flags: ALLOW_MULTI,
    };
    // SAFETY: the structure has the size that is given.
    let result = unsafe { libc::syscall(libc::SYS_bpf, 8, &attr, size_of::<AttachAttr>()) };
    check(result, "bpf", "BPF_PROG_ATTACH, BPF_CGROUP_DEVICE").map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_verifier_accepts_the_filter() {
        let any = DeviceRule {
            character: Some(true),
            major: None,
            minor: None,
            mknod: true,
            read: false,
            write: false,
        };
        let null = DeviceRule {
            major: Some(1),
            minor: Some(3),
            read: true,
            write: true,
            ..any
        };
        let everything = DeviceRule {
            character: None,
            read: true,
            write: true,
            ..any
        };
        load(&[any, null, everything]).unwrap();
        load(&[]).unwrap();
    }
}
