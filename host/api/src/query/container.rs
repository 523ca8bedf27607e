use std::fmt;
use std::str::FromStr;

use super::{Params, Query, QueryError, invalid};
use crate::Filters;

/// `POST /containers/create`
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CreateQuery {
    /// The name; empty for a generated one.
    pub name: String,
    /// `os/arch[/variant]`, or empty.
    pub platform: String,
}

impl Params for CreateQuery {
    fn read(query: &Query) -> Result<Self, QueryError> {
        Ok(Self {
            name: query.text("name"),
            platform: query.text("platform"),
        })
    }

    fn write(&self, query: &mut Query) {
        query.push("name", &self.name);
        query.push("platform", &self.platform);
    }
}

/// `GET /containers/json`
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListQuery {
    /// Stopped ones, too.
    pub all: bool,
    /// The newest few, stopped ones too.
    pub limit: Option<i64>,
    /// Count the bytes each holds.
    pub size: bool,
    /// Which ones.
    pub filters: Filters,
}

impl Params for ListQuery {
    fn read(query: &Query) -> Result<Self, QueryError> {
        Ok(Self {
            all: query.flag("all"),
            limit: query.parsed("limit", "a number")?.filter(|n| *n > 0),
            size: query.flag("size"),
            filters: Filters::read(query)?,
        })
    }

    fn write(&self, query: &mut Query) {
        query.push_flag("all", self.all);
        query.push(
            "limit",
            self.limit.map(|n| n.to_string()).unwrap_or_default(),
        );
        query.push_flag("size", self.size);
        self.filters.write(query);
    }
}

/// `GET /containers/{id}/json`
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InspectQuery {
    /// Count the bytes it holds.
    pub size: bool,
}

impl Params for InspectQuery {
    fn read(query: &Query) -> Result<Self, QueryError> {
        Ok(Self {
            size: query.flag("size"),
        })
    }

    fn write(&self, query: &mut Query) {
        query.push_flag("size", self.size);
    }
}

/// `POST /containers/{id}/start`
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StartQuery {
    /// The keys that detach a client; empty for `ctrl-p,ctrl-q`.
    pub detach_keys: String,
}

impl Params for StartQuery {
    fn read(query: &Query) -> Result<Self, QueryError> {
        Ok(Self {
            detach_keys: query.text("detachKeys"),
        })
    }

    fn write(&self, query: &mut Query) {
        query.push("detachKeys", &self.detach_keys);
    }
}

/// `POST /containers/{id}/stop` and `restart`
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StopQuery {
    /// The signal to begin with; empty for the container's own.
    pub signal: String,
    /// Seconds until SIGKILL; -1 for never; absent for the container's own.
    pub timeout: Option<i32>,
}

impl Params for StopQuery {
    fn read(query: &Query) -> Result<Self, QueryError> {
        Ok(Self {
            signal: query.text("signal"),
            timeout: query.parsed("t", "a number of seconds")?,
        })
    }

    fn write(&self, query: &mut Query) {
        query.push("signal", &self.signal);
        query.push("t", self.timeout.map(|t| t.to_string()).unwrap_or_default());
    }
}

/// `POST /containers/{id}/kill`
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KillQuery {
    /// A name or a number; empty for KILL.
    pub signal: String,
}

impl Params for KillQuery {
    fn read(query: &Query) -> Result<Self, QueryError> {
        Ok(Self {
            signal: query.text("signal"),
        })
    }

    fn write(&self, query: &mut Query) {
        query.push("signal", &self.signal);
    }
}

/// `DELETE /containers/{id}`
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RemoveQuery {
    /// Its anonymous volumes, too.
    pub volumes: bool,
    /// Kill it first if it runs.
    pub force: bool,
    /// A link, not a container; not supported.
    pub link: bool,
}

impl Params for RemoveQuery {
    fn read(query: &Query) -> Result<Self, QueryError> {
        Ok(Self {
            volumes: query.flag("v"),
            force: query.flag("force"),
            link: query.flag("link"),
        })
    }

    fn write(&self, query: &mut Query) {
        query.push_flag("v", self.volumes);
        query.push_flag("force", self.force);
        query.push_flag("link", self.link);
    }
}

/// `POST /containers/{id}/attach`
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AttachQuery {
    /// Follow from now on.
    pub stream: bool,
    /// Earlier output first.
    pub logs: bool,
    /// Send standard input.
    pub stdin: bool,
    /// Receive standard output.
    pub stdout: bool,
    /// Receive standard error.
    pub stderr: bool,
    /// The keys that detach this client; empty for `ctrl-p,ctrl-q`.
    pub detach_keys: String,
}

impl Params for AttachQuery {
    fn read(query: &Query) -> Result<Self, QueryError> {
        Ok(Self {
            stream: query.flag("stream"),
            logs: query.flag("logs"),
            stdin: query.flag("stdin"),
            stdout: query.flag("stdout"),
            stderr: query.flag("stderr"),
            detach_keys: query.text("detachKeys"),
        })
    }

    fn write(&self, query: &mut Query) {
        query.push("detachKeys", &self.detach_keys);
        query.push_flag("logs", self.logs);
        query.push_flag("stderr", self.stderr);
        query.push_flag("stdin", self.stdin);
        query.push_flag("stdout", self.stdout);
        query.push_flag("stream", self.stream);
    }
}

/// `POST /containers/{id}/resize`
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ResizeQuery {
    /// Rows.
    pub height: u16,
    /// Columns.
    pub width: u16,
}

impl Params for ResizeQuery {
    fn read(query: &Query) -> Result<Self, QueryError> {
        Ok(Self {
            height: query.parsed("h", "a number of rows")?.unwrap_or_default(),
            width: query
                .parsed("w", "a number of columns")?
                .unwrap_or_default(),
        })
    }

    fn write(&self, query: &mut Query) {
        query.push("h", self.height);
        query.push("w", self.width);
    }
}

/// What `wait` waits for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Condition {
    /// Not running; met at once by a container that is not.
    #[default]
    NotRunning,
    /// The next exit, even of a container that has not started.
    NextExit,
    /// Its removal.
    Removed,
}

/// `POST /containers/{id}/wait`
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WaitQuery {
    /// What to wait for.
    pub condition: Condition,
}

impl Params for WaitQuery {
    fn read(query: &Query) -> Result<Self, QueryError> {
        let condition = match query.get("condition") {
            None | Some("not-running") => Condition::NotRunning,
            Some("next-exit") => Condition::NextExit,
            Some("removed") => Condition::Removed,
            Some(other) => {
                return Err(invalid(
                    "condition",
                    other,
                    "not-running, next-exit or removed",
                ));
            }
        };
        Ok(Self { condition })
    }

    fn write(&self, query: &mut Query) {
        let condition = match self.condition {
            Condition::NotRunning => "not-running",
            Condition::NextExit => "next-exit",
            Condition::Removed => "removed",
        };
        query.push("condition", condition);
    }
}

/// How much of a log to begin with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tail {
    /// All of it; also what Docker makes of a value that is no count.
    #[default]
    All,
    /// The last lines.
    Last(u64),
}

/// Seconds since the epoch with a fraction, `seconds[.fraction]`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Timestamp {
    /// Whole seconds.
    pub seconds: i64,
    /// Nanoseconds, below 1,000,000,000.
    pub nanos: u32,
}

/// The text is no timestamp.
#[derive(Clone, Copy, Debug, thiserror::Error, PartialEq, Eq)]
#[error("invalid timestamp: expected seconds since the epoch")]
pub struct InvalidTimestamp;

impl FromStr for Timestamp {
    type Err = InvalidTimestamp;

    fn from_str(text: &str) -> Result<Self, InvalidTimestamp> {
        let (seconds, fraction) = text.split_once('.').unwrap_or((text, "0"));
        if fraction.is_empty()
            || fraction.len() > 9
            || !fraction.bytes().all(|b| b.is_ascii_digit())
        {
            return Err(InvalidTimestamp);
        }
        Ok(Self {
            seconds: seconds.parse().map_err(|_| InvalidTimestamp)?,
            nanos: format!("{fraction:0<9}")
                .parse()
                .map_err(|_| InvalidTimestamp)?,
        })
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:09}", self.seconds, self.nanos)
    }
}

/// `GET /containers/{id}/logs`
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogsQuery {
    /// Go on until the container ends.
    pub follow: bool,
    /// Standard output.
    pub stdout: bool,
    /// Standard error.
    pub stderr: bool,
    /// Only from this moment on.
    pub since: Option<Timestamp>,
    /// Only before this moment.
    pub until: Option<Timestamp>,
    /// Begin each line with its time.
    pub timestamps: bool,
    /// Begin each line with its labels and variables.
    pub details: bool,
    /// How much to begin with.
    pub tail: Tail,
}

impl Params for LogsQuery {
    fn read(query: &Query) -> Result<Self, QueryError> {
        let expected = "seconds since the epoch";
        Ok(Self {
            follow: query.flag("follow"),
            stdout: query.flag("stdout"),
            stderr: query.flag("stderr"),
            since: query
                .parsed("since", expected)?
                .filter(|t| *t != Timestamp::default()),
            until: query
                .parsed("until", expected)?
                .filter(|t| *t != Timestamp::default()),
            timestamps: query.flag("timestamps"),
            details: query.flag("details"),
            tail: query
                .get("tail")
                .and_then(|n| n.parse().ok())
                .map_or(Tail::All, Tail::Last),
        })
    }

    fn write(&self, query: &mut Query) {
        query.push_flag("details", self.details);
        query.push_flag("follow", self.follow);
        query.push(
            "since",
            self.since.map(|t| t.to_string()).unwrap_or_default(),
        );
        query.push_flag("stderr", self.stderr);
        query.push_flag("stdout", self.stdout);
        match self.tail {
            Tail::All => query.push("tail", "all"),
            Tail::Last(lines) => query.push("tail", lines),
        }
        query.push_flag("timestamps", self.timestamps);
        query.push(
            "until",
            self.until.map(|t| t.to_string()).unwrap_or_default(),
        );
    }
}
