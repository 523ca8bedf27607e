//! `GET /containers/{id}/logs`.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bulkhead_api::query::{LogsQuery, Tail, Timestamp, percent_encode};
use bulkhead_api::stream::{Stream as Channel, header};
use bulkhead_api::system::{MULTIPLEXED_STREAM, RAW_STREAM};
use bulkhead_engine::container::Phase;
use bulkhead_engine::{LogEntry, LogQuery, LogReader, LogState};
use bytes::Bytes;
use hyper::{Response, StatusCode};
use tokio::sync::{mpsc, watch};

use super::query;
use crate::daemon::Daemon;
use crate::log_watch::Follower;
use crate::reply::{self, Body};
use crate::status::ApiError;

/// Batches that may wait for a slow client.
const QUEUE: usize = 2;

/// Sends the lines asked for and, when asked, those that come until the container ends.
pub async fn logs(
    daemon: &Arc<Daemon>,
    id: String,
    text: &str,
) -> Result<Response<Body>, ApiError> {
    let asked: LogsQuery = query(text)?;
    if !asked.stdout && !asked.stderr {
        return Ok(reply::json(
            StatusCode::BAD_REQUEST,
            &bulkhead_api::ErrorBody::new("Bad parameters: you must choose at least one stream"),
        ));
    }
    let entry = daemon.engine.containers.find(&id)?;
    let terminal = entry.record().spec.tty;
    let until = asked.until.map_or(0, nanos);
    let limits = LogQuery {
        stdout: asked.stdout,
        stderr: asked.stderr,
        since: asked.since.map_or(0, nanos),
        until,
        tail: match asked.tail {
            Tail::All => None,
            Tail::Last(n) => Some(usize::try_from(n).unwrap_or(usize::MAX)),
        },
        follow: asked.follow,
    };
    let reader = daemon
        .blocking(move |engine| engine.logs(&id, limits))
        .await?;
    let (send, receive) = mpsc::channel(QUEUE);
    let sender = Sender {
        reader: Some(reader),
        send,
        form: Form {
            terminal,
            timestamps: asked.timestamps,
            details: asked.details,
        },
    };
    if asked.follow {
        let follower = daemon.log_watch.follow(sender.folder());
        let end = (until != 0).then(|| tokio::time::Instant::now() + left(until));
        tokio::spawn(follow(sender, follower, entry.watch(), end));
    } else {
        tokio::spawn(async move {
            let mut sender = sender;
            sender.send_all().await;
        });
    }
    let pieces = futures_util::stream::unfold(receive, |mut r| async move {
        r.recv().await.map(|bytes| (bytes, r))
    });
    Ok(reply::stream(
        if terminal {
            RAW_STREAM
        } else {
            MULTIPLEXED_STREAM
        },
        pieces,
    ))
}

/// What a log holds by now, in pieces; bounded, however long it is.
pub(super) async fn so_far(
    daemon: &Arc<Daemon>,
    id: String,
    query: LogQuery,
    form: Form,
) -> Result<mpsc::Receiver<Bytes>, ApiError> {
    let reader = daemon
        .blocking(move |engine| engine.logs(&id, query))
        .await?;
    let (send, receive) = mpsc::channel(QUEUE);
    let mut sender = Sender {
        reader: Some(reader),
        send,
        form,
    };
    tokio::spawn(async move { sender.send_all().await });
    Ok(receive)
}

/// Goes on until the container ends, `end` comes or the client has gone.
async fn follow(
    mut sender: Sender,
    mut follower: Follower,
    mut phase: watch::Receiver<Phase>,
    end: Option<tokio::time::Instant>,
) {
    loop {
        // Looked at first: the log is whole once the container has ended.
        let running = phase.borrow_and_update().active;
        follower.mark_seen();
        let over = end.is_some_and(|end| end <= tokio::time::Instant::now());
        if !sender.send_all().await || !running || over {
            return;
        }
        tokio::select! {
            () = follower.changed() => {}
            changed = phase.changed() => if changed.is_err() { return },
            () = sender.send.closed() => return,
            () = reached(end) => {}
        }
    }
}

async fn reached(end: Option<tokio::time::Instant>) {
    match end {
        Some(end) => tokio::time::sleep_until(end).await,
        None => std::future::pending().await,
    }
}

/// How long until a time, at most a year.
fn left(until: u64) -> Duration {
    const YEAR: Duration = Duration::from_secs(365 * 86_400);
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let now = now.unwrap_or_default();
    Duration::from_nanos(until).saturating_sub(now).min(YEAR)
}

struct Sender {
    /// Absent while it reads on another thread.
    reader: Option<LogReader>,
    send: mpsc::Sender<Bytes>,
    form: Form,
}

impl Sender {
    fn folder(&self) -> &std::path::Path {
        let reader = self.reader.as_ref();
        reader.map_or(std::path::Path::new(""), LogReader::folder)
    }

    /// Sends what there is; whether more may come and somebody wants it.
    async fn send_all(&mut self) -> bool {
        loop {
            let Some(mut reader) = self.reader.take() else {
                return false;
            };
            let form = self.form;
            let read = tokio::task::spawn_blocking(move || {
                let mut batch = Vec::new();
                let state = reader.read(&mut batch);
                (frames(&batch, form), state, reader)
            });
            let Ok((bytes, state, reader)) = read.await else {
                return false;
            };
            self.reader = Some(reader);
            if !bytes.is_empty() && self.send.send(bytes).await.is_err() {
                return false;
            }
            match state {
                Ok(LogState::More) => {}
                Ok(state) => return state == LogState::Idle,
                Err(error) => {
                    tracing::warn!(%error, "reading a log");
                    return false;
                }
            }
        }
    }
}

#[derive(Clone, Copy)]
pub(super) struct Form {
    pub(super) terminal: bool,
    pub(super) timestamps: bool,
    pub(super) details: bool,
}

pub(super) fn frames(batch: &[LogEntry], form: Form) -> Bytes {
    let mut out = Vec::new();
    for entry in batch {
        frame(entry, form, &mut out);
    }
    out.into()
}

fn frame(entry: &LogEntry, form: Form, out: &mut Vec<u8>) {
    use std::io::Write;
    let head = out.len();
    if !form.terminal {
        out.extend_from_slice(&header(Channel::Stdout, 0));
    }
    let start = out.len();
    if form.timestamps {
        let time = UNIX_EPOCH + Duration::from_nanos(entry.time);
        let _ = write!(out, "{} ", humantime::format_rfc3339_nanos(time));
    }
    if form.details {
        out.extend_from_slice(details(&entry.attributes).as_bytes());
    }
    out.extend_from_slice(&entry.text);
    if !form.terminal {
        let channel = if entry.stderr {
            Channel::Stderr
        } else {
            Channel::Stdout
        };
        let length = u32::try_from(out.len() - start).unwrap_or(u32::MAX);
        out[head..start].copy_from_slice(&header(channel, length));
    }
}

/// `name=value,name2=value2 `, as in a query; a space is a plus there.
fn details(attributes: &[(String, String)]) -> String {
    let quoted = |text: &str| percent_encode(text, b" ").replace(' ', "+");
    let pair = |(name, value): &(String, String)| format!("{}={}", quoted(name), quoted(value));
    let pairs: Vec<String> = attributes.iter().map(pair).collect();
    pairs.join(",") + " "
}

fn nanos(time: Timestamp) -> u64 {
    u64::try_from(time.seconds)
        .unwrap_or(0)
        .saturating_mul(1_000_000_000)
        .saturating_add(u64::from(time.nanos))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_framed_with_what_was_asked_for() {
        let pair = |k: &str, v: &str| (k.to_owned(), v.to_owned());
        let entry = LogEntry {
            stderr: true,
            time: 1,
            text: b"hi\n".to_vec(),
            attributes: vec![pair("a", "b/c"), pair("d", "e f")],
        };
        let form = |terminal, timestamps, details| Form {
            terminal,
            timestamps,
            details,
        };
        let bytes = |form| frames(std::slice::from_ref(&entry), form);
        assert_eq!(&bytes(form(true, false, false))[..], b"hi\n");
        assert_eq!(
            &bytes(form(false, false, false))[..],
            b"\x02\0\0\0\0\0\0\x03hi\n"
        );
        let all = bytes(form(true, true, true));
        assert_eq!(
            &all[..],
            b"1970-01-01T00:00:00.000000001Z a=b%2Fc,d=e+f hi\n"
        );
    }
}
