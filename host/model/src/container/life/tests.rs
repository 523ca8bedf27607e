use proptest::prelude::*;

use super::*;
use crate::container::{Decision, Request};

/// What may happen to a container: requests, and what comes by itself.
#[derive(Clone, Copy, Debug)]
enum Event {
    Ask(Request),
    Signal { ends: bool },
    Exit(i32),
    Due,
}

fn request() -> impl Strategy<Value = Request> {
    prop_oneof![
        Just(Request::Start),
        Just(Request::Stop),
        Just(Request::Kill),
        Just(Request::Pause),
        Just(Request::Unpause),
        Just(Request::Restart),
        Just(Request::Update),
        Just(Request::Rename),
        any::<bool>().prop_map(|force| Request::Remove { force }),
        Just(Request::Exec),
    ]
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        6 => request().prop_map(Event::Ask),
        1 => any::<bool>().prop_map(|ends| Event::Signal { ends }),
        3 => (0..3).prop_map(Event::Exit),
        2 => Just(Event::Due),
    ]
}

fn policy() -> impl Strategy<Value = RestartPolicy> {
    prop_oneof![
        Just(RestartPolicy::No),
        Just(RestartPolicy::Always),
        Just(RestartPolicy::UnlessStopped),
        (0..3u32).prop_map(|retries| RestartPolicy::OnFailure { retries }),
    ]
}

/// A container without a kernel: it does what it is told to.
struct Machine {
    life: Life,
    policy: RestartPolicy,
    auto_remove: bool,
    process: bool,
    due: bool,
    gone: bool,
    clock: u64,
}

impl Machine {
    fn new(policy: RestartPolicy, auto_remove: bool) -> Self {
        Self {
            life: Life::new(State::Created, Restarts::default()),
            policy,
            auto_remove,
            process: false,
            due: false,
            gone: false,
            clock: 1,
        }
    }

    fn start(&mut self) {
        assert!(!self.process, "two processes");
        self.life.started(7, self.clock);
        self.process = true;
        self.due = false;
    }

    fn remove(&mut self) {
        assert!(!self.process, "removed while it runs");
        self.life.removing();
        self.gone = true;
        self.due = false;
    }

    fn exit(&mut self, code: i32) {
        if !self.process {
            return;
        }
        self.process = false;
        self.clock += 1_000_000_000;
        let status = ExitStatus {
            code,
            oom_killed: false,
            finished_at: self.clock,
        };
        match self.life.ended(status, self.policy, self.auto_remove) {
            After::Rest => {}
            After::Start => self.start(),
            After::StartIn(wait) => {
                assert!(wait >= Duration::from_millis(100));
                self.due = true;
            }
            After::Remove => self.remove(),
        }
    }

    fn ask(&mut self, request: Request) -> Decision {
        let decision = self.life.accept(request);
        match (request, decision) {
            (Request::Start, Decision::Proceed) => {
                self.life.start_by_hand();
                self.start();
            }
            (Request::Restart, Decision::CancelRestart | Decision::Proceed) => {
                self.life.cancel_restart();
                self.life.start_by_hand();
                self.start();
            }
            (Request::Remove { .. }, Decision::Proceed) => self.remove(),
            (Request::Remove { .. }, Decision::CancelRestart) => {
                self.life.cancel_restart();
                self.remove();
            }
            (Request::Stop | Request::Kill, Decision::CancelRestart) => {
                self.life.cancel_restart();
                self.due = false;
            }
            (Request::Pause, Decision::Proceed) => self.life.set_paused(true),
            (Request::Unpause, Decision::Proceed) => self.life.set_paused(false),
            (Request::Kill | Request::Exec, Decision::Proceed) => assert!(self.process),
            (_, Decision::EndFirst) => assert!(self.process),
            _ => {}
        }
        decision
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Ask(request) => drop(self.ask(request)),
            Event::Signal { ends } if self.process => self.life.signalled(ends),
            Event::Signal { .. } => {}
            Event::Exit(code) => self.exit(code),
            Event::Due if self.due => self.start(),
            Event::Due => {}
        }
        self.check();
    }

    /// What the state says is what is.
    fn check(&self) {
        assert_eq!(self.life.state.is_running(), self.process);
        let waits = matches!(self.life.state, State::Restarting { .. });
        assert_eq!(waits, self.due);
        let removed = matches!(self.life.state, State::Removing { .. });
        assert_eq!(removed, self.gone);
        assert!(self.process || self.life.next == Next::Policy);
    }
}

proptest! {
    #[test]
    fn no_sequence_reaches_an_impossible_state(
        events in prop::collection::vec(event(), 0..60), policy in policy(), rm in any::<bool>()
    ) {
        let mut machine = Machine::new(policy, rm && policy.is_none());
        for event in events {
            machine.happen(event);
            if machine.gone {
                break;
            }
        }
    }

    #[test]
    fn what_is_removed_stays_removed(requests in prop::collection::vec(request(), 1..20)) {
        let mut life = Life::new(State::Created, Restarts::default());
        life.removing();
        for request in requests {
            let decision = life.accept(request);
            prop_assert!(matches!(decision, Decision::Refuse(_) | Decision::NothingToDo), "{request:?}: {decision:?}");
            prop_assert_eq!(life.state.status(), "removing");
        }
    }

    #[test]
    fn a_forced_removal_ends_in_one(
        before in prop::collection::vec(event(), 0..30), after in prop::collection::vec(event(), 0..30), policy in policy()
    ) {
        let mut machine = Machine::new(policy, false);
        before.into_iter().for_each(|e| if !machine.gone { machine.happen(e) });
        if !machine.gone {
            machine.ask(Request::Remove { force: true });
        }
        after.into_iter().for_each(|e| if !machine.gone { machine.happen(e) });
        machine.exit(137);
        prop_assert!(machine.gone);
    }

    #[test]
    fn a_stopped_container_stays_stopped(
        before in prop::collection::vec(event(), 0..30), policy in policy()
    ) {
        let mut machine = Machine::new(policy, false);
        // A restart that was asked for before is not taken back by a stop.
        before.into_iter()
            .filter(|e| !matches!(e, Event::Ask(Request::Restart | Request::Remove { .. })))
            .for_each(|e| machine.happen(e));
        machine.ask(Request::Stop);
        machine.exit(143);
        prop_assert!(!machine.process && !machine.due, "{:?}", machine.life);
    }
}

fn running(policy: RestartPolicy) -> Machine {
    let mut machine = Machine::new(policy, false);
    machine.ask(Request::Start);
    machine
}

#[test]
fn a_stop_during_the_back_off_cancels_the_start() {
    let mut machine = running(RestartPolicy::Always);
    machine.exit(1);
    assert_eq!(machine.life.state.status(), "restarting");
    assert_eq!(machine.ask(Request::Stop), Decision::CancelRestart);
    machine.happen(Event::Due);
    assert_eq!(machine.life.state.status(), "exited");
}

#[test]
fn conflicting_requests_have_one_outcome_each() {
    let force = Request::Remove { force: true };
    let mut machine = running(RestartPolicy::No);
    assert_eq!(machine.ask(Request::Start), Decision::NothingToDo);
    let still = Decision::Refuse(Refusal::StillRunning);
    assert_eq!(machine.ask(Request::Remove { force: false }), still);
    assert_eq!(machine.ask(Request::Stop), Decision::EndFirst);
    assert_eq!(machine.ask(Request::Stop), Decision::EndFirst);
    assert_eq!(machine.ask(Request::Kill), Decision::Proceed);
    assert_eq!(machine.ask(force), Decision::EndFirst);
    let twice = Decision::Refuse(Refusal::AlreadyRemoving);
    assert_eq!(machine.ask(force), twice);
    let marked = Decision::Refuse(Refusal::MarkedForRemoval);
    assert_eq!(machine.ask(Request::Restart), marked);
    assert_eq!(machine.ask(Request::Pause), marked);
    machine.exit(137);
    assert!(machine.gone);
    assert_eq!(machine.ask(Request::Start), marked);
    assert_eq!(machine.ask(Request::Rename), marked);
    assert_eq!(machine.ask(force), twice);
}

#[test]
fn a_restart_outlives_a_stop_and_counts_from_zero() {
    let mut machine = running(RestartPolicy::Always);
    machine.exit(1);
    machine.happen(Event::Due);
    assert_eq!(machine.life.restarts.count, 1);
    machine.ask(Request::Restart);
    machine.ask(Request::Stop);
    machine.exit(0);
    assert!(machine.process);
    assert!(!machine.life.state.is_paused());
}

#[test]
fn a_paused_container_is_neither_started_nor_joined() {
    let mut machine = running(RestartPolicy::No);
    machine.ask(Request::Pause);
    let refused = |r| Decision::Refuse(r);
    assert_eq!(machine.ask(Request::Start), refused(Refusal::StartPaused));
    assert_eq!(machine.ask(Request::Exec), refused(Refusal::ExecPaused));
    assert_eq!(machine.ask(Request::Pause), refused(Refusal::AlreadyPaused));
    assert_eq!(machine.ask(Request::Kill), Decision::Proceed);
    assert_eq!(machine.ask(Request::Stop), Decision::EndFirst);
}

#[test]
fn a_failed_removal_may_be_tried_again() {
    let mut life = Life::new(State::Created, Restarts::default());
    life.removing();
    life.not_removed("busy".into());
    assert_eq!((life.state.status(), life.state.error()), ("dead", "busy"));
    assert_eq!(
        life.accept(Request::Remove { force: false }),
        Decision::Proceed
    );
}
