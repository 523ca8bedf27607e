//! Starting containers on the real kernel.

mod support;

use support::Machine;

#[test]
fn a_program_runs_and_its_output_and_exit_code_arrive() {
    let machine = Machine::new();
    let plan = machine.sh("echo out; echo err >&2; exit 7");
    let outcome = machine.run(&plan);
    assert_eq!(
        (outcome.out(), outcome.err(), outcome.exit.code),
        ("out".into(), "err".into(), 7)
    );
    assert!(outcome.warnings.is_empty(), "{:?}", outcome.warnings);
    assert!(
        machine
            .log(&plan)
            .contains("\"log\":\"out\\n\",\"stream\":\"stdout\"")
    );
}
