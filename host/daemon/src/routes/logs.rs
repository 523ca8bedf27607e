//! `GET /containers/{id}/logs`.

use std::sync::Arc;
use std::time::Duration;

use bulkhead_api::query::{LogsQuery, Tail, Timestamp};
use bulkhead_api::stream::{Stream as Channel, header};
use bulkhead_api::system::{MULTIPLEXED_STREAM, RAW_STREAM};
use bulkhead_engine::{LogLine, LogQuery};
use bytes::Bytes;
use hyper::{Response, StatusCode};
use tokio::sync::mpsc;

use super::query;
use crate::daemon::Daemon;
use crate::reply::{self, Body};
use crate::status::ApiError;

/// How often a followed log is looked at.
const POLL: Duration = Duration::from_millis(100);

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
    let limits = LogQuery {
        stdout: asked.stdout,
        stderr: asked.stderr,
        since: asked.since.map_or(0, nanos),
        until: asked.until.map_or(0, nanos),
        tail: match asked.tail {
            Tail::All => None,
            Tail::Last(n) => Some(usize::try_from(n).unwrap_or(usize::MAX)),
        },
    };
    let (lines, mut reader) = daemon
        .blocking(move |engine| engine.logs(&id, limits))
        .await?;
    let (send, receive) = mpsc::channel(16);
    let mut phase = entry.watch();
    let form = Form {
        terminal,
        timestamps: asked.timestamps,
    };
    tokio::spawn(async move {
        let mut next = lines;
        loop {
            let running = phase.borrow_and_update().running;
            if send_all(&send, &next, form).await.is_err() || !asked.follow {
                return;
            }
            let read = tokio::task::spawn_blocking(move || (reader.more(), reader)).await;
            let Ok((more, same)) = read else { return };
            (next, reader) = (more, same);
            if next.is_empty() {
                if !running {
                    return;
                }
                let _ = tokio::time::timeout(POLL, phase.wait_for(|p| !p.running)).await;
            }
        }
    });
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

/// How lines are written.
#[derive(Clone, Copy)]
pub(super) struct Form {
    pub(super) terminal: bool,
    pub(super) timestamps: bool,
}

async fn send_all(
    send: &mpsc::Sender<Bytes>,
    lines: &[LogLine],
    form: Form,
) -> Result<(), mpsc::error::SendError<Bytes>> {
    for line in lines {
        send.send(frame(line, form)).await?;
    }
    Ok(())
}

/// One line as the stream has it.
pub(super) fn frame(line: &LogLine, form: Form) -> Bytes {
    let stamp = if form.timestamps {
        format!("{} ", line.time)
    } else {
        String::new()
    };
    let payload = [stamp.as_bytes(), line.text.as_bytes()].concat();
    if form.terminal {
        return payload.into();
    }
    let channel = if line.stderr {
        Channel::Stderr
    } else {
        Channel::Stdout
    };
    let length = u32::try_from(payload.len()).unwrap_or(u32::MAX);
    [header(channel, length).as_slice(), &payload]
        .concat()
        .into()
}

fn nanos(time: Timestamp) -> u64 {
    u64::try_from(time.seconds)
        .unwrap_or(0)
        .saturating_mul(1_000_000_000)
        .saturating_add(u64::from(time.nanos))
}
