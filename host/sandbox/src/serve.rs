//! Serves one call socket: a call at a time, each in a fresh instance.

use std::sync::Arc;

use bulkhead_wire::{
    BrokerMessage, Call, Channel, ChannelError, Operation, Outcome, RunnerMessage,
};
use wasmtime::{Engine, Store, Trap, UpdateDeadline};

use crate::call::{CallState, Ended, Facts, LIFTED_BYTES};
use crate::load::Loaded;
use crate::ticker::Ticker;
use crate::v0_1::{network, registry, storage, volume};

/// Characters of a trap's description.
const TRAP_CHARS: usize = 1000;

/// What all connections share.
pub struct Runner {
    /// The engine the components were loaded into.
    pub engine: Engine,
    /// In the broker's order; `None` is a refused one.
    pub components: Vec<Option<Loaded>>,
    /// The clock.
    pub ticker: Arc<Ticker>,
}

impl Runner {
    /// Serves calls until the broker closes the connection.
    pub fn serve(&self, mut channel: Channel) -> ChannelError {
        loop {
            let call = match channel.recv() {
                Ok(BrokerMessage::Call(call)) => call,
                Ok(BrokerMessage::Reply(_)) => return ChannelError::Malformed,
                Err(error) => return error,
            };
            let outcome;
            (channel, outcome) = self.run(channel, call);
            match outcome {
                Ok(outcome) => {
                    if let Err(error) = channel.send(&RunnerMessage::Done(outcome)) {
                        return error;
                    }
                }
                Err(error) => return error,
            }
        }
    }

    fn run(&self, channel: Channel, call: Call) -> (Channel, Result<Outcome, ChannelError>) {
        let Some(Some(component)) = self.components.get(call.component as usize) else {
            let outcome = Outcome::Protocol("no such component".into());
            return (channel, Ok(outcome));
        };
        let _running = self.ticker.begin();
        let (facts, job) = split(call.operation);
        let state = CallState::new(channel, facts, call.limits);
        let mut store = new_store(&self.engine, state);
        let result = run_job(component, &mut store, job);
        let state = store.into_data();
        let outcome = match result {
            Ok(outcome) => Ok(outcome),
            Err(error) => ending(error, &state),
        };
        (state.channel, outcome)
    }
}

enum Job {
    Features,
    Storage(bulkhead_wire::storage::Function),
    Attach,
    LayOut,
    Registry(
        bulkhead_wire::registry::Reference,
        bulkhead_wire::registry::Function,
    ),
}

fn split(operation: Operation) -> (Facts, Job) {
    match operation {
        Operation::Features => (Facts::None, Job::Features),
        Operation::Storage(facts, function) => (Facts::Storage(facts), Job::Storage(function)),
        Operation::Attach(facts) => (Facts::Network(facts), Job::Attach),
        Operation::LayOut(facts) => (Facts::Volume(facts), Job::LayOut),
        Operation::Registry(reference, function) => {
            (Facts::None, Job::Registry(reference, function))
        }
    }
}

fn new_store(engine: &Engine, state: CallState) -> Store<CallState> {
    let mut store = Store::new(engine, state);
    store.limiter(|state| &mut state.memory);
    store.set_hostcall_fuel(LIFTED_BYTES);
    store.set_epoch_deadline(1);
    store.epoch_deadline_callback(|context| {
        if context.data().is_out_of_time() {
            Err(Ended::With(Outcome::Timeout).into())
        } else {
            Ok(UpdateDeadline::Continue(1))
        }
    });
    store
}

fn run_job(
    component: &Loaded,
    store: &mut Store<CallState>,
    job: Job,
) -> wasmtime::Result<Outcome> {
    match (component, job) {
        (Loaded::Storage(c), Job::Storage(function)) => storage::run(c, store, function),
        (Loaded::Storage(c), Job::Features) => storage::features(c, store),
        (Loaded::Network(c), Job::Attach) => network::attach(c, store),
        (Loaded::Network(c), Job::Features) => network::features(c, store),
        (Loaded::Registry(c), Job::Registry(r, f)) => registry::run(c, store, r, f),
        (Loaded::Registry(c), Job::Features) => registry::features(c, store),
        (Loaded::Volume(c), Job::LayOut) => volume::lay_out(c, store),
        (Loaded::Volume(c), Job::Features) => volume::features(c, store),
        _ => Ok(Outcome::Protocol(
            "the component is of another world".into(),
        )),
    }
}

/// Says why the guest did not return.
fn ending(error: wasmtime::Error, state: &CallState) -> Result<Outcome, ChannelError> {
    let error = match error.downcast::<Ended>() {
        Ok(Ended::With(outcome)) => return Ok(outcome),
        Ok(Ended::Disconnected(error)) => return Err(error),
        Err(error) => error,
    };
    if let Some(outcome) = state.exhausted_memory() {
        return Ok(outcome);
    }
    if error.downcast_ref::<Trap>() == Some(&Trap::StackOverflow) {
        return Ok(Outcome::Limit {
            what: "bytes of stack".into(),
            limit: crate::engine::GUEST_STACK as u64,
        });
    }
    let text = match error.downcast_ref::<Trap>() {
        Some(trap) => trap
            .to_string()
            .trim_start_matches("wasm trap: ")
            .to_owned(),
        None => format!("{error:#}"),
    };
    Ok(Outcome::Trap(text.chars().take(TRAP_CHARS).collect()))
}
