//! `/containers/{id}/exec` and `/exec/{id}`: create, start, inspect, resize.

use std::fs::File;
use std::io::Write;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use bulkhead_api::exec::{ExecConfig, ExecCreated, ExecInspect, ExecStartConfig, ProcessConfig};
use bulkhead_api::json;
use bulkhead_api::query::ResizeQuery;
use bulkhead_api::stream::{Stream, header};
use bulkhead_engine::detach_keys;
use bulkhead_engine::exec::{Exec, ExecSpec, ExecState};
use bulkhead_model::process::Attachment;
use hyper::body::Incoming;
use hyper::{Request, Response, StatusCode};

use super::{body, query};
use crate::daemon::Daemon;
use crate::hijack::{self, Taken};
use crate::reply::{self, Body};
use crate::status::ApiError;

type Answer = Result<Response<Body>, ApiError>;

/// `POST /containers/{id}/exec`
pub async fn create(daemon: &Arc<Daemon>, id: String, request: Request<Incoming>) -> Answer {
    let config: ExecConfig = json::decode(&body(request).await?)?;
    let spec = spec(config)?;
    let created = daemon
        .blocking(move |engine| engine.exec_create(&id, spec))
        .await?;
    let created = ExecCreated {
        id: created.to_string(),
    };
    Ok(reply::json(StatusCode::CREATED, &created))
}

fn spec(config: ExecConfig) -> Result<ExecSpec, ApiError> {
    let keys = detach_keys::parse(&config.detach_keys)
        .ok_or_else(|| ApiError::EscapeKeys(config.detach_keys.clone()))?;
    Ok(ExecSpec {
        args: config.cmd.unwrap_or_default(),
        env: config.env,
        user: config.user,
        working_dir: config.working_dir,
        tty: config.tty,
        console_size: config.console_size.map(size),
        stdin: config.attach_stdin,
        stdout: config.attach_stdout,
        stderr: config.attach_stderr,
        privileged: config.privileged,
        detach_keys: keys,
    })
}

/// Docker has rows first.
fn size([rows, columns]: [u32; 2]) -> (u16, u16) {
    let cut = |n: u32| u16::try_from(n).unwrap_or(u16::MAX);
    (cut(columns), cut(rows))
}

/// `POST /exec/{id}/start`: answered at once, or the connection becomes the
/// streams. What fails after that is told in the stream.
pub async fn start(daemon: &Arc<Daemon>, id: String, mut request: Request<Incoming>) -> Answer {
    let upgrade = hijack::wanted(&mut request);
    let bytes = body(request).await?;
    let config: ExecStartConfig = match bytes.len() {
        0 => ExecStartConfig::default(),
        _ => json::decode(&bytes)?,
    };
    let exec = daemon.engine.exec_check(&id)?;
    if config.detach {
        begin(daemon, id, Vec::new()).await?;
        return Ok(reply::empty(StatusCode::OK));
    }
    let (response, taking) =
        hijack::take_later(upgrade, exec.spec.tty).map_err(ApiError::Connection)?;
    let daemon = daemon.clone();
    tokio::spawn(async move {
        if let Some(taken) = taking.taken().await
            && let Err(error) = attached(&daemon, id, &exec, taken).await
        {
            tracing::debug!(error = error.message(), "starting a process with a client");
        }
    });
    Ok(response)
}

async fn begin(daemon: &Arc<Daemon>, id: String, clients: Vec<Attachment>) -> Result<(), ApiError> {
    let (id, running) = daemon
        .blocking(move |engine| engine.exec_start(&id, clients))
        .await?;
    daemon.follow_exec(id, running);
    Ok(())
}

async fn attached(
    daemon: &Arc<Daemon>,
    id: String,
    exec: &Exec,
    taken: Taken,
) -> Result<(), ApiError> {
    let (stream, early) = taken.into_socket().map_err(ApiError::Connection)?;
    let terminal = exec.spec.tty;
    // Closed with this function: the shim shuts the connection down itself.
    let again = stream.try_clone().map_err(ApiError::Connection)?;
    let attachment = Attachment {
        stream,
        early,
        stdin: exec.spec.stdin,
        stdout: exec.spec.stdout || terminal,
        stderr: exec.spec.stderr,
        framed: !terminal,
        close_stdin: !terminal,
        detach_keys: if terminal {
            exec.spec.detach_keys.clone()
        } else {
            Vec::new()
        },
    };
    let begun = begin(daemon, id, vec![attachment]).await;
    if let Err(error) = &begun {
        tell(again, terminal, &error.message());
    }
    begun
}

/// As Docker, whose clients show it and then ask for the exit code.
fn tell(stream: OwnedFd, terminal: bool, message: &str) {
    let text = format!("{message}\r\n");
    let length = u32::try_from(text.len()).unwrap_or(u32::MAX);
    let mut bytes = Vec::new();
    if !terminal {
        bytes.extend_from_slice(&header(Stream::Stdout, length));
    }
    bytes.extend_from_slice(text.as_bytes());
    // A connection on which nothing was sent takes a line without waiting.
    let _ = File::from(stream).write_all(&bytes);
}

/// `GET /exec/{id}/json`
pub fn inspect(daemon: &Arc<Daemon>, id: &str) -> Answer {
    let (key, exec) = daemon.engine.exec(id)?;
    let spec = &exec.spec;
    let (entrypoint, arguments) = match spec.args.split_first() {
        Some((program, rest)) => (program.clone(), rest.to_vec()),
        None => Default::default(),
    };
    let answer = ExecInspect {
        id: key.to_string(),
        running: matches!(exec.state, ExecState::Running(_)),
        exit_code: match exec.state {
            ExecState::Exited(code) => Some(code.into()),
            _ => None,
        },
        process_config: ProcessConfig {
            tty: spec.tty,
            entrypoint,
            arguments,
            privileged: Some(spec.privileged),
            user: spec.user.clone(),
        },
        open_stdin: spec.stdin,
        open_stderr: spec.stderr,
        open_stdout: spec.stdout,
        can_remove: matches!(exec.state, ExecState::Exited(_)),
        container_id: exec.container.to_string(),
        detach_keys: String::new(),
        pid: match exec.state {
            ExecState::Running(pid) => pid.into(),
            _ => 0,
        },
    };
    Ok(reply::json(StatusCode::OK, &answer))
}

/// `POST /exec/{id}/resize`
pub async fn resize(daemon: &Arc<Daemon>, id: String, text: &str) -> Answer {
    let ResizeQuery { height, width } = query(text)?;
    daemon
        .blocking(move |engine| engine.exec_resize(&id, width, height))
        .await?;
    Ok(reply::empty(StatusCode::OK))
}
