//! Attached clients: what they get, how they leave, and that none of them
//! stops another.

mod support;

use std::io::{Read, Write};
use std::time::{Duration, Instant};

use bulkhead_model::process::Runtime as _;
use bulkhead_runtime::shim_protocol::{Event, read_event};
use support::{Machine, client, first};

#[test]
fn keys_detach_a_client_and_the_container_goes_on() {
    let machine = Machine::new();
    let mut plan = machine.plan(&["cat"]);
    (plan.terminal, plan.stdin) = (true, true);
    let mut started = machine.start(&plan).unwrap();
    let (mut other, mut attachment) = client(&plan);
    attachment.detach_keys = vec![16, 17];
    attachment.early = b"early\r".to_vec();
    machine.runtime.attach(&first(&plan), attachment).unwrap();
    other.wait_for(b"early\r\nearly\r\n");
    started.client.wait_for(b"early\r\nearly\r\n");
    other.type_in(b"\x10x\r");
    other.wait_for(b"^Px\r\n");
    other.type_in(b"\x10");
    other.type_in(b"\x11not this\r");
    other.rest();
    let event = read_event(&mut &started.running.shim).unwrap();
    assert_eq!(event, Event::Detached);
    started.client.type_in(b"still\r\x04");
    let outcome = started.finish();
    assert!(outcome.out().contains("still"), "{outcome:?}");
    assert!(!outcome.out().contains("not this"), "{outcome:?}");
    machine.runtime.cleanup(&plan.id).unwrap();
}

#[test]
fn a_client_that_closes_its_input_still_gets_the_output() {
    let machine = Machine::new();
    let mut plan = machine.sh("cat; sleep 0.3; echo after; echo error >&2");
    (plan.stdin, plan.stdin_once) = (true, true);
    let mut started = machine.start(&plan).unwrap();
    started.client.type_in(b"typed\n");
    started.client.close_input();
    let outcome = started.finish();
    assert_eq!(
        (outcome.out().as_str(), outcome.err().as_str()),
        ("typed\nafter", "error")
    );
    machine.runtime.cleanup(&plan.id).unwrap();
}

#[test]
fn what_a_client_had_sent_before_it_vanished_is_still_read() {
    let machine = Machine::new();
    let mut plan = machine.sh("sleep 0.3; wc -c");
    (plan.stdin, plan.stdin_once) = (true, true);
    let (mut gone, attachment) = client(&plan);
    let (mut witness, mut silent) = client(&plan);
    silent.stdin = false;
    let network = Default::default();
    let clients = vec![attachment, silent];
    let running = machine.runtime.start(&plan, &network, clients).unwrap();
    gone.type_in(&[b'x'; 150_000]);
    drop(gone);
    assert_eq!(witness.rest().0, b"150000\n");
    assert_eq!(support::exit(&running.shim).code, 0);
    machine.runtime.cleanup(&plan.id).unwrap();
}

#[test]
fn a_client_that_reads_nothing_is_let_go_when_others_wait() {
    let machine = Machine::new();
    let plan = machine.sh("head -c 3000000 /dev/zero; echo over");
    let mut started = machine.start(&plan).unwrap();
    let (mut stuck, attachment) = client(&plan);
    machine.runtime.attach(&first(&plan), attachment).unwrap();
    let begin = Instant::now();
    let (stdout, _) = started.client.rest();
    assert!(stdout.ends_with(b"over\n"));
    assert!(stdout.len() > 2_000_000, "{}", stdout.len());
    assert!(begin.elapsed() < Duration::from_secs(30));
    // It has what its socket held when it was let go, and then the end.
    let mut rest = Vec::new();
    stuck.socket.read_to_end(&mut rest).unwrap();
    assert!(rest.len() < 2_000_000);
    assert_eq!(support::exit(&started.running.shim).code, 0);
    machine.runtime.cleanup(&plan.id).unwrap();
}

#[test]
fn a_client_that_never_stops_typing_does_not_hold_up_the_end() {
    let machine = Machine::new();
    let mut plan = machine.sh("read line; echo $line");
    plan.stdin = true;
    let mut started = machine.start(&plan).unwrap();
    let mut keyboard = started.client.socket.try_clone().unwrap();
    let typist = std::thread::spawn(move || while keyboard.write_all(b"y\n").is_ok() {});
    let mut answer = [0; 10];
    started.client.socket.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"\x01\0\0\0\0\0\0\x02y\n");
    assert_eq!(support::exit(&started.running.shim).code, 0);
    typist.join().unwrap();
    machine.runtime.cleanup(&plan.id).unwrap();
}
