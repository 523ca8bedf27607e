//! One operation of a plugin, from the call to its outcome.

use serde::{Deserialize, Serialize};

use crate::{network, registry, storage, volume};

/// What one call may use up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Bytes of linear memory.
    pub memory: u64,
    /// Milliseconds in the guest; waiting for the host is not counted.
    pub guest_ms: u32,
    /// Calls to the host that are answered.
    pub host_calls: u32,
    /// Handles that exist at the same time.
    pub handles: u32,
    /// Log lines that are passed on; more are dropped.
    pub log_lines: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            memory: 64 << 20,
            guest_ms: 10_000,
            host_calls: 10_000,
            handles: 10_000,
            log_lines: 100,
        }
    }
}

/// Runs one export of one component, in a fresh instance.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Call {
    /// Index in [`crate::control::Start::components`].
    pub component: u32,
    /// What it may use up.
    pub limits: Limits,
    /// What to do, with all facts the plugin may read for free.
    pub operation: Operation,
}

/// An export with its arguments.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Operation {
    /// Any world's `features`.
    Features,
    /// A storage driver's function.
    Storage(storage::Facts, storage::Function),
    /// A network driver's `attach`.
    Attach(network::Facts),
    /// A volume driver's `lay-out`.
    LayOut(volume::Facts),
    /// A registry plugin's function.
    Registry(registry::Reference, registry::Function),
}

/// What the broker sends on a call socket.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum BrokerMessage {
    /// Begins a call.
    Call(Call),
    /// Answers a [`HostCall`].
    Reply(HostReply),
}

/// What the runner sends on a call socket.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum RunnerMessage {
    /// A question or an order; answered by one reply.
    Host(HostCall),
    /// A line for the log; not answered.
    Log(LogLevel, String),
    /// The call's end.
    Done(Outcome),
}

/// How important a log line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum LogLevel {
    /// For the plugin's author.
    Trace,
    /// For the plugin's author.
    Debug,
    /// Worth knowing.
    Info,
    /// Something is odd.
    Warn,
    /// Something failed.
    Error,
}

/// A question or an order to the host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum HostCall {
    /// Of a storage driver.
    Storage(storage::HostCall),
    /// Of a network driver.
    Network(network::Order),
    /// Of a volume driver.
    Volume(volume::Order),
    /// Of a registry plugin.
    Registry(registry::HostCall),
}

/// The host's answer. Which one fits depends on the call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum HostReply {
    /// Done, or accepted into the plan.
    Unit,
    /// Yes or no.
    Flag(bool),
    /// Names, sorted.
    Names(Vec<String>),
    /// Bytes, if there are any.
    Bytes(Option<Vec<u8>>),
    /// Bytes on disk and inodes.
    Usage(u64, u64),
    /// A text.
    Text(String),
    /// An HTTP answer.
    Response(registry::Response),
    /// No, and the plugin may read why.
    Fault(PluginFault),
    /// A limit of the call is used up: the runner ends it.
    Stop,
    /// Names with their values.
    Rows(Vec<(String, String)>),
    /// A number, if there is one.
    Number(Option<u64>),
}

/// The contract's `error`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PluginFault {
    /// An open string, such as "denied".
    pub code: String,
    /// For people.
    pub message: String,
    /// Whether trying again may help.
    pub retryable: bool,
}

/// How a call ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    /// The export returned ok.
    Ok(Value),
    /// The export returned its error.
    Fault(PluginFault),
    /// The component trapped.
    Trap(String),
    /// The guest used up its time.
    Timeout,
    /// The guest wanted more than a limit allows.
    Limit {
        /// What was limited, such as "bytes of memory".
        what: String,
        /// The limit.
        limit: u64,
    },
    /// Broker and runner disagree.
    Protocol(String),
}

/// What an export returned.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Value {
    /// Nothing.
    Unit,
    /// `features`
    Strings(Vec<String>),
    /// `usage`: bytes and inodes.
    Usage(u64, u64),
    /// `resolve`
    Manifest(registry::Manifest),
    /// `locate`
    Location(registry::Location),
    /// `status`
    Rows(Vec<(String, String)>),
    /// `begin-upload`
    Upload(registry::Upload),
    /// `put-manifest`
    Text(String),
    /// `referrers`
    Referrers(Vec<registry::Referrer>),
    /// `search`
    Found(Vec<registry::Found>),
}
