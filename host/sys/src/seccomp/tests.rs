use super::*;

/// Runs a filter on made-up system calls, as the kernel's interpreter would.
fn judge(filter: &Filter, arch: u32, nr: u32, args: [u64; 6]) -> u32 {
    let mut data = Vec::new();
    data.extend(nr.to_le_bytes());
    data.extend(arch.to_le_bytes());
    data.extend(0u64.to_le_bytes());
    args.iter().for_each(|a| data.extend(a.to_le_bytes()));
    let (mut accumulator, mut pc) = (0u32, 0usize);
    loop {
        let i = filter.instructions()[pc];
        pc += 1;
        let (class, operation) = (u32::from(i.code) & 7, u32::from(i.code) & 0xf0);
        match class {
            libc::BPF_LD => {
                accumulator = u32::from_le_bytes(data[i.k as usize..][..4].try_into().unwrap())
            }
            libc::BPF_ALU => accumulator &= i.k,
            libc::BPF_RET => return i.k,
            _ if operation == libc::BPF_JA => pc += i.k as usize,
            _ => {
                let holds = match operation {
                    libc::BPF_JEQ => accumulator == i.k,
                    libc::BPF_JGT => accumulator > i.k,
                    _ => accumulator >= i.k,
                };
                pc += usize::from(if holds { i.jt } else { i.jf });
            }
        }
    }
}

const X86_64: u32 = 0xc000_003e;
const X86: u32 = 0x4000_0003;

#[test]
fn an_allow_list_allows_what_it_lists_and_nothing_else() {
    let calls: Vec<i64> = (0..460).filter(|n| n % 3 != 1).collect();
    let filter = Filter::allow_list(&calls, Action::Errno(libc::EPERM));
    for nr in 0..500u32 {
        let allowed = judge(&filter, X86_64, nr, [0; 6]) == libc::SECCOMP_RET_ALLOW;
        assert_eq!(allowed, calls.contains(&i64::from(nr)), "{nr}");
    }
    assert_eq!(
        judge(&filter, X86, 0, [0; 6]),
        libc::SECCOMP_RET_KILL_PROCESS
    );
    assert_eq!(
        judge(&filter, X86_64, 0x4000_0000, [0; 6]),
        libc::SECCOMP_RET_ERRNO | libc::ENOSYS as u32
    );
}

fn condition(argument: u8, comparison: Comparison, value: u64, low_half: bool) -> Condition {
    Condition {
        argument,
        comparison,
        value,
        low_half,
    }
}

#[test]
fn conditions_look_at_all_the_bits_they_should() {
    let rules = vec![
        Rule {
            when: vec![
                condition(0, Comparison::Equal, 16, true),
                condition(2, Comparison::NotEqual, 9, false),
            ],
            action: Action::Allow,
        },
        Rule {
            when: vec![condition(
                1,
                Comparison::MaskedEqual {
                    mask: 0xff00_0000_0000_00f0,
                },
                0x10,
                false,
            )],
            action: Action::Errno(7),
        },
    ];
    let filter = Filter::assemble(&[Rules {
        architecture: Architecture::X86_64,
        calls: [(41, rules)].into(),
        otherwise: Action::KillProcess,
    }]);
    let judge = |args| judge(&filter, X86_64, 41, args);
    assert_eq!(judge([16, 0, 0, 0, 0, 0]), libc::SECCOMP_RET_ALLOW);
    assert_eq!(
        judge([0xdead_0000_0000 + 16, 0, 1 << 40 | 9, 0, 0, 0]),
        libc::SECCOMP_RET_ALLOW
    );
    assert_eq!(judge([16, 0, 9, 0, 0, 0]), libc::SECCOMP_RET_KILL_PROCESS);
    assert_eq!(judge([16, 0x1f, 9, 0, 0, 0]), libc::SECCOMP_RET_ERRNO | 7);
    assert_eq!(
        judge([16, 0x0100_0000_0000_001f, 9, 0, 0, 0]),
        libc::SECCOMP_RET_KILL_PROCESS
    );
}

#[test]
fn the_kernel_takes_the_filter_and_keeps_to_it() {
    std::thread::spawn(|| {
        crate::process::set_no_new_privs().unwrap();
        let calls = [(
            libc::SYS_getppid as u32,
            vec![Rule::always(Action::Errno(libc::EXDEV))],
        )]
        .into();
        let rules = Rules {
            architecture: Architecture::NATIVE,
            calls,
            otherwise: Action::Allow,
        };
        Filter::assemble(&[rules]).load().unwrap();
        // SAFETY: getppid takes no arguments.
        assert_eq!(unsafe { libc::syscall(libc::SYS_getppid) }, -1);
        assert_eq!(
            std::io::Error::last_os_error().raw_os_error(),
            Some(libc::EXDEV)
        );
    })
    .join()
    .unwrap();
}

#[test]
fn orders_are_those_of_unsigned_64_bit_numbers() {
    const VALUE: u64 = 0x0000_0002_0000_0005;
    let candidates = [
        0,
        5,
        VALUE - 1,
        VALUE,
        VALUE + 1,
        0x1_ffff_ffff,
        0x2_0000_0000,
        0x3_0000_0000,
        u64::MAX,
    ];
    type Holds = fn(u64) -> bool;
    let comparisons: [(Comparison, Holds); 6] = [
        (Comparison::Equal, |a| a == VALUE),
        (Comparison::NotEqual, |a| a != VALUE),
        (Comparison::Less, |a| a < VALUE),
        (Comparison::LessOrEqual, |a| a <= VALUE),
        (Comparison::Greater, |a| a > VALUE),
        (Comparison::GreaterOrEqual, |a| a >= VALUE),
    ];
    for (comparison, holds) in comparisons {
        let rule = Rule {
            when: vec![condition(3, comparison, VALUE, false)],
            action: Action::Allow,
        };
        let filter = Filter::assemble(&[Rules {
            architecture: Architecture::X86_64,
            calls: [(1, vec![rule])].into(),
            otherwise: Action::KillThread,
        }]);
        for argument in candidates {
            let allowed =
                judge(&filter, X86_64, 1, [0, 0, 0, argument, 0, 0]) == libc::SECCOMP_RET_ALLOW;
            assert_eq!(allowed, holds(argument), "{comparison:?} {argument:#x}");
        }
    }
}
