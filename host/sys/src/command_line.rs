//! What /proc/PID/cmdline shows of this process.

use crate::error::{Error, Result, check};

/// `struct prctl_mm_map` (`linux/prctl.h`).
#[repr(C)]
#[derive(Default)]
struct MemoryMap {
    start_code: u64,
    end_code: u64,
    start_data: u64,
    end_data: u64,
    start_brk: u64,
    brk: u64,
    start_stack: u64,
    arg_start: u64,
    arg_end: u64,
    env_start: u64,
    env_end: u64,
    auxv: u64,
    auxv_size: u32,
    exe_fd: u32,
}

/// Shows these bytes, arguments each with a NUL behind it, by
/// `PR_SET_MM_MAP`, which alone of its kind needs no capability. They stay in
/// memory for good. Needs the host's /proc.
///
/// # Errors
/// EINVAL from a kernel without `CONFIG_CHECKPOINT_RESTORE`.
pub fn set(arguments: &[u8]) -> Result<()> {
    let text = std::fs::read_to_string("/proc/self/stat");
    let text = text.map_err(|source| Error::new("read", "/proc/self/stat", source))?;
    let shown: &'static [u8] = Box::leak(arguments.into());
    let range = shown.as_ptr_range();
    let mut map = present(&text);
    map.arg_start = range.start as u64;
    map.arg_end = range.end as u64;
    let size = size_of::<MemoryMap>();
    // SAFETY: the kernel reads the structure, and only ever reads the bytes it
    // names, which are never freed; all else stays as it is.
    let result = unsafe { libc::prctl(libc::PR_SET_MM, libc::PR_SET_MM_MAP, &map, size, 0) };
    check(result.into(), "prctl", "PR_SET_MM_MAP").map(drop)
}

/// The map as it is, by the fields of `proc_pid_stat(5)`, the first being 1.
fn present(stat: &str) -> MemoryMap {
    // The name in parentheses may contain anything, and is the second.
    let rest = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    let fields: Vec<u64> = rest
        .split_whitespace()
        .map(|field| field.parse().unwrap_or(0))
        .collect();
    let field = |number: usize| fields.get(number - 3).copied().unwrap_or(0);
    // SAFETY: an increment of zero changes nothing.
    let brk = unsafe { libc::sbrk(0) };
    MemoryMap {
        start_code: field(26),
        end_code: field(27),
        start_stack: field(28),
        start_data: field(45),
        end_data: field(46),
        start_brk: field(47),
        brk: brk as u64,
        env_start: field(50),
        env_end: field(51),
        // -1: the program's file stays as it is.
        exe_fd: u32::MAX,
        ..MemoryMap::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clone::fork_into;
    use crate::namespace::Namespaces;
    use crate::pidfd::{Exit, wait};

    #[test]
    fn a_process_shows_what_it_says() {
        let child = fork_into(Namespaces::empty(), None, || {
            let set = set(b"one\0two\0").is_ok();
            let seen = std::fs::read("/proc/self/cmdline").unwrap_or_default();
            i32::from(!set || seen != b"one\0two\0")
        })
        .unwrap();
        assert_eq!(wait(&child.pidfd).unwrap(), Exit::Code(0));
    }
}
