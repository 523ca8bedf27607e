//! What a request for a container cannot ask for.

/// A request this daemon cannot take.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum BadRequest {
    /// Understood, but not built yet.
    #[error("{0} is not supported by this daemon")]
    Unsupported(String),
    /// Docker's words for a runtime.
    #[error("unknown or invalid runtime name: {0}")]
    Runtime(String),
    /// An entry without a name; Docker's words.
    #[error("invalid environment variable: {0}")]
    Environment(String),
    /// An address that is none; Docker's words.
    #[error("invalid IP address in add-host: {0:?}")]
    ExtraHost(String),
    /// An entry that is no name and address; Docker's words.
    #[error("bad format for add-host: {0:?}")]
    ExtraHostForm(String),
    /// Docker's words for a volume.
    #[error("invalid volume specification: '{0}'")]
    Bind(String),
    /// Docker's words for a bind's options.
    #[error("invalid mode: {0}")]
    BindMode(String),
    /// Two options that exclude each other.
    #[error("conflicting options: {0}")]
    Conflict(&'static str),
    /// `container:` without a name.
    #[error("Invalid network mode: invalid container format container:<name|id>")]
    NetworkMode,
    /// No driver for what `--gpus` asks for; Docker's words.
    #[error("could not select device driver \"{driver}\" with capabilities: {capabilities}")]
    DeviceDriver {
        /// The driver asked for.
        driver: String,
        /// Lists of capabilities, as Go prints them.
        capabilities: String,
    },
    /// A size for the root filesystem; Docker's words.
    #[error("invalid size: '{0}'")]
    StorageSize(String),
    /// Another option of a storage driver.
    #[error("Unknown option {0}")]
    StorageOption(String),
    /// A limit of the process; Docker's words.
    #[error(
        "invalid ulimit {name}: ulimit soft limit must be less than or equal to hard limit: {soft} > {hard}"
    )]
    Ulimit {
        /// Its name.
        name: String,
        /// Soft limit.
        soft: i64,
        /// Hard limit.
        hard: i64,
    },
    /// Bytes of /dev/shm below zero.
    #[error("SHM size can not be less than 0")]
    ShmSize,
    /// A path that is not absolute.
    #[error("invalid {field}: {path:?} is not an absolute path")]
    Path {
        /// `MaskedPaths`, `ReadonlyPaths`.
        field: &'static str,
        /// The path.
        path: String,
    },
    /// A mount in the long form.
    #[error("invalid mount config for type \"{kind}\": {why}")]
    Mount {
        /// `bind`, `volume`, …
        kind: String,
        /// What is wrong.
        why: String,
    },
    /// A port or a protocol.
    #[error("invalid port specification: \"{0}\"")]
    Port(String),
    /// A host address that is none.
    #[error("invalid host address \"{0}\": expected an IP address")]
    HostAddress(String),
    /// A container's address.
    #[error("invalid IPv{version} address: {text}")]
    Address {
        /// 4 or 6.
        version: u8,
        /// What was given.
        text: String,
    },
    /// A container's hardware address; Docker's words.
    #[error("invalid MAC address: {0}")]
    HardwareAddress(String),
    /// A mode with a word nobody knows.
    #[error("invalid {what} mode: {mode}")]
    Mode {
        /// `PID`, `IPC`, `UTS`, `cgroup namespace`.
        what: &'static str,
        /// The word.
        mode: String,
    },
    /// `oom_score_adj(5)` has a range.
    #[error("Invalid value {0}, range for oom score adj is [-1000, 1000]")]
    OomScore(i64),
    /// Docker's words for a health check.
    #[error("{0}")]
    Health(String),
    /// Docker's words for a restart policy.
    #[error("invalid restart policy: {0}")]
    RestartPolicy(String),
    /// A sysctl key that smuggles another.
    #[error("invalid sysctl {0:?}: only namespaced keys in dotted form are allowed")]
    Sysctl(String),
}
