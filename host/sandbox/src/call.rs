//! What one call holds while its guest runs.

use std::time::{Duration, Instant};

use bulkhead_wire::call::LogLevel;
use bulkhead_wire::{
    Channel, ChannelError, HostCall, HostReply, Limits, Outcome, PluginFault, RunnerMessage,
    network, storage, volume,
};
use wasmtime::ResourceLimiter;
use wasmtime::component::{Resource, ResourceTable};

/// Characters kept of a log line.
const LOG_LINE_CHARS: usize = 1000;

/// Bytes that all lists and strings of one host call may take in the runner;
/// a guest could otherwise name the same megabyte a million times.
pub const LIFTED_BYTES: usize = 16 << 20;

/// Ends the guest from within a host function.
#[derive(Debug, thiserror::Error)]
pub enum Ended {
    /// With this outcome.
    #[error("the call ended: {0:?}")]
    With(Outcome),
    /// The broker cannot be reached; the connection is of no more use.
    #[error("the broker is gone")]
    Disconnected(#[source] ChannelError),
}

/// Facts a guest reads without asking the broker.
#[derive(Debug)]
pub enum Facts {
    /// The world has none.
    None,
    /// Of a storage driver.
    Storage(storage::Facts),
    /// Of a network driver.
    Network(network::Facts),
    /// Of a volume driver.
    Volume(volume::Facts),
}

/// The data of a call's store.
pub struct CallState {
    /// The way to the broker.
    pub channel: Channel,
    /// The call's facts.
    pub facts: Facts,
    /// The guest's handles.
    pub table: ResourceTable,
    /// The call's memory.
    pub memory: MemoryLimit,
    limits: Limits,
    host_calls: u32,
    log_lines: u32,
    started: Instant,
    waited: Duration,
}

impl CallState {
    /// A call that starts now.
    pub fn new(channel: Channel, facts: Facts, limits: Limits) -> Self {
        let mut table = ResourceTable::new();
        table.set_max_capacity(limits.handles as usize);
        Self {
            channel,
            facts,
            table,
            memory: MemoryLimit {
                limit: limits.memory,
                used: 0,
                denied: false,
            },
            limits,
            host_calls: 0,
            log_lines: 0,
            started: Instant::now(),
            waited: Duration::ZERO,
        }
    }

    /// Asks the broker and waits for its answer.
    pub fn ask(&mut self, call: HostCall) -> wasmtime::Result<HostReply> {
        self.host_calls += 1;
        if self.host_calls > self.limits.host_calls {
            return Err(limit("host calls", self.limits.host_calls));
        }
        let before = Instant::now();
        let reply = exchange(&mut self.channel, call);
        self.waited += before.elapsed();
        match reply.map_err(Ended::Disconnected)? {
            // The broker knows which limit; what we say is not looked at.
            HostReply::Stop => Err(limit("the host's", 0u32)),
            reply => Ok(reply),
        }
    }

    /// Orders an effect: done, or the fault the guest shall read.
    pub fn order(&mut self, call: HostCall) -> wasmtime::Result<Result<(), PluginFault>> {
        match self.ask(call)? {
            HostReply::Unit => Ok(Ok(())),
            HostReply::Fault(fault) => Ok(Err(fault)),
            _ => Err(unexpected()),
        }
    }

    /// Passes on a log line, as long as there are not too many.
    pub fn log(&mut self, level: LogLevel, message: String) -> wasmtime::Result<()> {
        self.log_lines += 1;
        if self.log_lines > self.limits.log_lines {
            return Ok(());
        }
        let message = match message.char_indices().nth(LOG_LINE_CHARS) {
            Some((at, _)) => message[..at].to_owned(),
            None => message,
        };
        let sent = self.channel.send(&RunnerMessage::Log(level, message));
        sent.map_err(|e| Ended::Disconnected(e).into())
    }

    /// Gives the guest a handle.
    pub fn push<T: Send + 'static>(&mut self, entry: T) -> wasmtime::Result<Resource<T>> {
        let pushed = self.table.push(entry);
        pushed.map_err(|_| limit("handles", self.limits.handles))
    }

    /// Whether the guest has run for longer than it may.
    pub fn is_out_of_time(&self) -> bool {
        let limit = Duration::from_millis(self.limits.guest_ms.into());
        self.started.elapsed().saturating_sub(self.waited) > limit
    }

    /// The limit the guest ran into when it trapped, if any.
    pub fn exhausted_memory(&self) -> Option<Outcome> {
        self.memory.denied.then(|| Outcome::Limit {
            what: "bytes of memory".into(),
            limit: self.memory.limit,
        })
    }
}

fn exchange(channel: &mut Channel, call: HostCall) -> Result<HostReply, ChannelError> {
    channel.send(&RunnerMessage::Host(call))?;
    match channel.recv()? {
        bulkhead_wire::BrokerMessage::Reply(reply) => Ok(reply),
        bulkhead_wire::BrokerMessage::Call(_) => Err(ChannelError::Malformed),
    }
}

/// Ends the guest because it wanted too much.
pub fn limit(what: &str, limit: impl Into<u64>) -> wasmtime::Error {
    let outcome = Outcome::Limit {
        what: what.to_owned(),
        limit: limit.into(),
    };
    Ended::With(outcome).into()
}

/// Ends the guest because the broker's answer does not fit the question.
pub fn unexpected() -> wasmtime::Error {
    let outcome = Outcome::Protocol("the broker's answer does not fit the call".into());
    Ended::With(outcome).into()
}

/// Bounds the sum of a call's linear memories.
#[derive(Debug)]
pub struct MemoryLimit {
    limit: u64,
    used: u64,
    denied: bool,
}

impl ResourceLimiter for MemoryLimit {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let used = self.used + desired.saturating_sub(current) as u64;
        let fits = used <= self.limit && maximum.is_none_or(|max| desired <= max);
        if fits {
            self.used = used;
        }
        self.denied |= !fits;
        Ok(fits)
    }

    fn table_growing(
        &mut self,
        _current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        Ok(desired <= maximum.unwrap_or(usize::MAX))
    }
}
