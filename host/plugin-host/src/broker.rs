//! Calls to the runner: a pool of connections to one process, which is started
//! when it is needed and again when it died.
//!
//! ```text
//!          ┌────────── idle connections ◀──────────┐
//! call ─▶ lease ─▶ Call … orders … Done ─▶ give back
//!                        │ closed, silent, malformed
//!                        └─▶ kill the runner; the call fails; the next call
//!                            starts another one
//! ```

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bulkhead_model::plugin::PluginFailure;
use bulkhead_wire::call::LogLevel;
use bulkhead_wire::{
    BrokerMessage, Call, Channel, ChannelError, HostCall, HostReply, Limits, Operation, Outcome,
    RunnerMessage,
};

use crate::error_chain;
use crate::runner::{Code, Runner, RunnerConfig, StartError};

/// How much longer than the guest's time the runner is waited for.
const GRACE: Duration = Duration::from_secs(2);

/// How long a call waits for a connection.
const LEASE_DEADLINE: Duration = Duration::from_secs(30);

/// So many deaths within the window, and runners are not started until it has passed.
const MAX_DEATHS: usize = 5;
const DEATH_WINDOW: Duration = Duration::from_secs(10);

/// Answers the orders of one call.
pub trait Handler {
    /// Judges and answers.
    fn answer(&mut self, call: HostCall) -> HostReply;
    /// A line of the plugin's log.
    fn log(&mut self, level: LogLevel, line: &str);
}

/// Names a component over installs and restarts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ComponentId(u64);

/// Compiles a component again that the runner refused, and why it did.
pub type Recompile = dyn Fn(&Code, &str) -> Option<Code> + Send + Sync;

/// The pool.
pub struct Broker {
    config: RunnerConfig,
    recompile: Box<Recompile>,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    components: Vec<(ComponentId, Arc<Code>)>,
    next_id: u64,
    live: Option<Arc<Live>>,
    idle: Vec<Channel>,
    registry_calls: u32,
    deaths: VecDeque<Instant>,
}

/// A runner that serves.
struct Live {
    runner: Runner,
    /// In its order.
    loaded: Vec<ComponentId>,
    refused: Vec<(ComponentId, String)>,
}

struct Lease {
    live: Arc<Live>,
    channel: Channel,
    index: u32,
}

impl Broker {
    /// Starts nothing yet.
    pub fn new(config: RunnerConfig, recompile: Box<Recompile>) -> Self {
        Self {
            config,
            recompile,
            state: Mutex::default(),
            changed: Condvar::new(),
        }
    }

    /// Adds a component. Runners load at their start only, so the present one
    /// ends with the last of its calls.
    pub fn add(&self, code: Code) -> ComponentId {
        let mut state = self.lock();
        let id = ComponentId(state.next_id);
        state.next_id += 1;
        state.components.push((id, Arc::new(code)));
        state.retire();
        id
    }

    /// Forgets a component.
    pub fn remove(&self, id: ComponentId) {
        let mut state = self.lock();
        state.components.retain(|(other, _)| *other != id);
        state.retire();
    }

    /// Starts the runner if there is none, so that the first call need not wait.
    pub fn warm(&self) {
        let mut state = self.lock();
        if !state.components.is_empty()
            && let Err(error) = self.ensure_runner(&mut state)
        {
            tracing::warn!(%error, "the plugin runner does not start");
        }
    }

    /// The runner's pid, if there is one.
    pub fn runner_pid(&self) -> Option<u32> {
        self.lock().live.as_ref().map(|live| live.runner.pid())
    }

    /// Runs one operation. A runner that is found dead is replaced.
    pub fn call(
        &self,
        component: ComponentId,
        limits: Limits,
        operation: Operation,
        handler: &mut dyn Handler,
    ) -> Result<Outcome, PluginFailure> {
        let is_registry = matches!(operation, Operation::Registry(..));
        let mut call = Call {
            component: 0,
            limits,
            operation,
        };
        let mut replaced = false;
        loop {
            let mut lease = self.lease(component, is_registry)?;
            call.component = lease.index;
            let sent = send(&mut lease.channel, &call);
            let found_dead = matches!(sent, Err(ChannelError::Closed));
            let result = sent.and_then(|()| converse(&mut lease.channel, limits, handler));
            let result = self.give_back(lease, is_registry, result, limits);
            if !found_dead || replaced {
                return result;
            }
            replaced = true;
        }
    }

    fn lease(&self, component: ComponentId, is_registry: bool) -> Result<Lease, PluginFailure> {
        let deadline = Instant::now() + LEASE_DEADLINE;
        let mut state = self.lock();
        loop {
            self.ensure_runner(&mut state)?;
            let crowded = is_registry && state.registry_calls >= self.most_registry_calls();
            if !crowded && let Some(channel) = state.idle.pop() {
                return self.take(&mut state, channel, component, is_registry);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(PluginFailure::Limit {
                    what: "calls at once".into(),
                    limit: self.config.connections.into(),
                });
            }
            let waited = self.changed.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Registry calls wait for servers; they must not keep containers from
    /// starting.
    fn most_registry_calls(&self) -> u32 {
        (self.config.connections * 2 / 3).max(1)
    }

    fn take(
        &self,
        state: &mut State,
        channel: Channel,
        component: ComponentId,
        is_registry: bool,
    ) -> Result<Lease, PluginFailure> {
        let live = state.live.clone();
        let found = live.and_then(|live| {
            let index = live.loaded.iter().position(|id| *id == component)?;
            Some((live, index))
        });
        let Some((live, index)) = found else {
            state.idle.push(channel);
            return Err(PluginFailure::Protocol("the plugin was removed".into()));
        };
        if let Some((_, reason)) = live.refused.iter().find(|(id, _)| *id == component) {
            let failure = PluginFailure::Protocol(format!("it cannot be loaded: {reason}"));
            state.idle.push(channel);
            return Err(failure);
        }
        state.registry_calls += u32::from(is_registry);
        Ok(Lease {
            live,
            channel,
            index: index as u32,
        })
    }

    fn give_back(
        &self,
        lease: Lease,
        is_registry: bool,
        result: Result<Outcome, ChannelError>,
        limits: Limits,
    ) -> Result<Outcome, PluginFailure> {
        let Lease { live, channel, .. } = lease;
        let failure = match &result {
            Ok(_) => None,
            Err(error) => Some(failure(&live.runner, error, limits)),
        };
        let mut state = self.lock();
        state.registry_calls -= u32::from(is_registry);
        let is_current = state.live.as_ref().is_some_and(|l| Arc::ptr_eq(l, &live));
        match (&failure, is_current) {
            (None, true) => state.idle.push(channel),
            (Some(_), true) => {
                state.note_death();
                state.retire();
            }
            (_, false) => {}
        }
        drop(state);
        // All: a registry call that is woken may still have to wait.
        self.changed.notify_all();
        match (result, failure) {
            (Ok(outcome), _) => Ok(outcome),
            (Err(_), Some(failure)) => Err(failure),
            (Err(error), None) => Err(PluginFailure::Protocol(error.to_string())),
        }
    }

    fn ensure_runner(&self, state: &mut State) -> Result<(), PluginFailure> {
        if state.live.is_some() {
            return Ok(());
        }
        if let Some(wait) = state.must_wait() {
            let text = format!(
                "{MAX_DEATHS} times within {DEATH_WINDOW:?}; it is started again in {:.1} s",
                wait.as_secs_f32()
            );
            return Err(PluginFailure::RunnerDied(text));
        }
        let started = self.start(state).and_then(|live| {
            if live.refused.is_empty() || !self.recompile_refused(state, &live) {
                return Ok(live);
            }
            self.start(state)
        });
        match started {
            Ok(live) => {
                state.live = Some(Arc::new(live));
                Ok(())
            }
            Err(error) => {
                state.note_death();
                let text = error_chain(&error);
                Err(PluginFailure::RunnerDied(text))
            }
        }
    }

    fn start(&self, state: &mut State) -> Result<Live, StartError> {
        let codes: Vec<&Code> = state.components.iter().map(|(_, c)| c.as_ref()).collect();
        let (runner, channels) = Runner::spawn(&self.config, &codes)?;
        let refused = runner.wait_ready()?;
        let loaded: Vec<ComponentId> = state.components.iter().map(|(id, _)| *id).collect();
        let refused = refused
            .into_iter()
            .filter_map(|(index, reason)| Some((*loaded.get(index as usize)?, reason)))
            .collect();
        state.idle = channels;
        Ok(Live {
            runner,
            loaded,
            refused,
        })
    }

    /// Whether another start may go better.
    fn recompile_refused(&self, state: &mut State, live: &Live) -> bool {
        let mut any = false;
        for (id, reason) in &live.refused {
            let Some((_, code)) = state.components.iter_mut().find(|(other, _)| other == id) else {
                continue;
            };
            if let Some(fresh) = (self.recompile)(code, reason) {
                *code = Arc::new(fresh);
                any = true;
            }
        }
        any
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// No new call goes to the present runner.
    fn retire(&mut self) {
        self.live = None;
        self.idle.clear();
    }

    fn note_death(&mut self) {
        self.deaths.push_back(Instant::now());
        if self.deaths.len() > MAX_DEATHS {
            self.deaths.pop_front();
        }
    }

    fn must_wait(&self) -> Option<Duration> {
        let oldest = self
            .deaths
            .front()
            .filter(|_| self.deaths.len() >= MAX_DEATHS)?;
        let left = DEATH_WINDOW.saturating_sub(oldest.elapsed());
        (!left.is_zero()).then_some(left)
    }
}

fn send(channel: &mut Channel, call: &Call) -> Result<(), ChannelError> {
    let patience = Duration::from_millis(call.limits.guest_ms.into()) + GRACE;
    channel.set_timeout(Some(patience))?;
    channel.send(&BrokerMessage::Call(call.clone()))
}

/// The conversation after a call was sent.
fn converse(
    channel: &mut Channel,
    limits: Limits,
    handler: &mut dyn Handler,
) -> Result<Outcome, ChannelError> {
    // The runner counts too; one that counts wrongly is not the runner we know.
    let (mut answers, mut lines) = (0, 0);
    loop {
        match channel.recv()? {
            RunnerMessage::Done(outcome) => return Ok(outcome),
            RunnerMessage::Host(_) if answers >= limits.host_calls => {
                return Err(ChannelError::Malformed);
            }
            RunnerMessage::Host(order) => {
                answers += 1;
                let reply = handler.answer(order);
                channel.send(&BrokerMessage::Reply(reply))?;
            }
            RunnerMessage::Log(..) if lines >= limits.log_lines => {
                return Err(ChannelError::Malformed);
            }
            RunnerMessage::Log(level, line) => {
                lines += 1;
                handler.log(level, &line);
            }
        }
    }
}

/// After any of these the runner is not used again.
fn failure(runner: &Runner, error: &ChannelError, limits: Limits) -> PluginFailure {
    match error {
        ChannelError::Closed => PluginFailure::RunnerDied(runner.ending()),
        ChannelError::Timeout => {
            runner.kill();
            PluginFailure::Timeout(Duration::from_millis(limits.guest_ms.into()))
        }
        ChannelError::TooLarge | ChannelError::Malformed | ChannelError::Socket(_) => {
            runner.kill();
            PluginFailure::Protocol(error_chain(error))
        }
    }
}
