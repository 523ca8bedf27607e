//! `bulkhead cp`

mod pack;
mod rules;
mod unpack;

use std::io::{self, IsTerminal, Read, Write};
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

use bulkhead_api::archive::{HEADER, PathStat};
use bulkhead_api::query::{ArchivePutQuery, ArchiveQuery};
use bulkhead_api::route::Route;
use bulkhead_model::archive_path::{clean, parent, preserve_end, split};
use bytes::Bytes;
use clap::Args;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use tokio::sync::mpsc;

use self::rules::{Plan, Side, follow, plan, renamed, split_argument, split_entry};
use crate::client::{Call, Client, Pieces};
use crate::error::{Error, Result};
use crate::output::decimal_size;

/// Docker follows so many links at a destination.
const MAX_LINKS: usize = 10;
const PIECE: usize = 64 * 1024;

#[derive(Args, Debug)]
#[command(
    override_usage = "[OPTIONS] CONTAINER:SRC_PATH DEST_PATH|-\n       bulkhead cp [OPTIONS] SRC_PATH|- CONTAINER:DEST_PATH"
)]
pub(crate) struct CpArgs {
    /// Archive mode (copy all uid/gid information)
    #[arg(short, long)]
    archive: bool,
    /// Always follow symbol link in SRC_PATH
    #[arg(short = 'L', long)]
    follow_link: bool,
    /// Suppress progress output during copy
    #[arg(short, long)]
    quiet: bool,
    #[arg(value_name = "SRC_PATH", hide = true)]
    source: String,
    #[arg(value_name = "DEST_PATH", hide = true)]
    destination: String,
}

pub(crate) async fn execute(client: &Client, args: &CpArgs) -> Result<u8> {
    let plain = |text: &str| Err(Error::Plain(text.to_owned()));
    if args.source.is_empty() {
        return plain("source can not be empty");
    }
    if args.destination.is_empty() {
        return plain("destination can not be empty");
    }
    match (
        split_argument(&args.source),
        split_argument(&args.destination),
    ) {
        ((Some(_), _), (Some(_), _)) => plain("copying between containers is not supported"),
        ((None, _), (None, _)) => plain("must specify at least one container source"),
        ((Some(container), path), (None, local)) => {
            from_container(client, args, container, path, local).await
        }
        ((None, local), (Some(container), path)) => {
            to_container(client, args, container, local, path).await
        }
    }
}

async fn from_container(
    client: &Client,
    args: &CpArgs,
    container: &str,
    path: &str,
    local: &str,
) -> Result<u8> {
    let local = if local == "-" {
        local.to_owned()
    } else {
        check_output(local).map_err(Error::Plain)?;
        absolute(local)?
    };
    let mut source = Side {
        path: path.to_owned(),
        exists: true,
        ..Side::default()
    };
    if args.follow_link
        && let Ok(stat) = stat(client, container, path).await
        && stat.is_symlink()
    {
        (source.path, source.rebase) = follow(path, joined(path, stat.link_target));
    }
    let query = ArchiveQuery {
        path: source.path.clone(),
    };
    let call = Call::new(Route::ArchiveGet(container.to_owned())).params(&query);
    let response = client.response(call).await?;
    source.is_dir = read_stat(response.headers())?.is_dir();
    let mut body = response.into_body();
    if local == "-" {
        let mut out = io::stdout().lock();
        while let Some(frame) = body.frame().await {
            let data = frame?.into_data().unwrap_or_default();
            out.write_all(&data).map_err(write_failed)?;
        }
        return out.flush().map_err(write_failed).map(|()| 0);
    }
    let destination = local_destination(&local)?;
    let plan = plan(&source, &destination).map_err(|text| Error::Plain(text.to_owned()))?;
    // The first name the user gave, then the one it gets.
    let given = source
        .rebase
        .as_ref()
        .map(|name| (split_entry(&source.path).1, name.clone()));
    let rename = move |name: &[u8]| renamed(&renamed(name, given.as_ref()), plan.rename.as_ref());
    let bytes = download(body, PathBuf::from(plan.directory), rename).await?;
    tell(args, bytes, &local);
    Ok(0)
}

/// Unpacks on a thread of its own, which blocks.
async fn download(
    mut body: Incoming,
    directory: PathBuf,
    rename: impl Fn(&[u8]) -> Vec<u8> + Send + 'static,
) -> Result<u64> {
    let (send, receive) = mpsc::channel(8);
    let unpacking = tokio::task::spawn_blocking(move || {
        let mut input = Input {
            pieces: receive,
            current: Bytes::new(),
        };
        unpack::unpack(&mut input, &directory, rename)?;
        // What follows the archive's end.
        io::copy(&mut input, &mut io::sink()).map(drop)
    });
    let mut bytes = 0;
    while let Some(frame) = body.frame().await {
        let piece = match frame {
            Ok(frame) => Ok(frame.into_data().unwrap_or_default()),
            Err(error) => Err(io::Error::other(error)),
        };
        bytes += piece.as_ref().map_or(0, |piece| piece.len() as u64);
        if send.send(piece).await.is_err() {
            break;
        }
    }
    drop(send);
    let unpacked = unpacking.await.map_err(io::Error::other).flatten();
    unpacked.map_err(|error| Error::Plain(error.to_string()))?;
    Ok(bytes)
}

async fn to_container(
    client: &Client,
    args: &CpArgs,
    container: &str,
    local: &str,
    path: &str,
) -> Result<u8> {
    let mut destination = Side {
        path: path.to_owned(),
        ..Side::default()
    };
    let mut found = stat(client, container, path).await;
    if let Ok(link) = &found
        && link.is_symlink()
    {
        destination.path = joined(path, link.link_target.clone());
        found = stat(client, container, &destination.path).await;
    }
    if let Ok(stat) = &found {
        if stat.mode & GO_DEVICE != 0 {
            return Err(Error::Plain(format!(
                "destination \"{container}:{path}\" must be a directory or a regular file: got a device"
            )));
        }
        (destination.exists, destination.is_dir) = (true, stat.is_dir());
    }
    if local == "-" {
        if !destination.is_dir {
            return Err(Error::Plain(format!(
                "destination \"{container}:{path}\" must be a directory"
            )));
        }
        let send_input =
            |mut out: Output| io::copy(&mut io::stdin().lock(), &mut out).and(out.flush());
        upload(client, args, container, &destination.path, send_input).await?;
        return Ok(0);
    }
    let source = local_source(&absolute(local)?, args.follow_link)?;
    let Plan { directory, rename } =
        plan(&source, &destination).map_err(|text| Error::Plain(text.to_owned()))?;
    let (folder, entry) = split_entry(&source.path);
    let top = source.rebase.clone().unwrap_or_else(|| entry.clone());
    let file = Path::new(&folder).join(&entry);
    let send_files = move |out: Output| {
        let name = |below: &[u8]| {
            let name = [top.as_bytes(), below].concat();
            renamed(&name, rename.as_ref())
        };
        pack::pack(&file, name, out)
    };
    let bytes = upload(client, args, container, &directory, send_files).await?;
    tell(args, bytes, &format!("{container}:{}", destination.path));
    Ok(0)
}

/// Go's `fs.ModeDevice`.
const GO_DEVICE: u32 = 1 << 26;

async fn upload(
    client: &Client,
    args: &CpArgs,
    container: &str,
    directory: &str,
    write: impl FnOnce(Output) -> io::Result<()> + Send + 'static,
) -> Result<u64> {
    let query = ArchivePutQuery {
        path: directory.to_owned(),
        no_overwrite_dir_non_dir: true,
        copy_uid_gid: args.archive,
    };
    let call = Call::new(Route::ArchivePut(container.to_owned())).params(&query);
    let (send, receive) = mpsc::channel(8);
    let count = std::sync::Arc::new(std::sync::atomic::AtomicU64::new(0));
    let counted = count.clone();
    let writing = tokio::task::spawn_blocking(move || {
        let out = Output {
            pieces: send.clone(),
            next: Vec::with_capacity(PIECE),
            count: counted,
        };
        let written = write(out);
        if let Err(error) = &written {
            // The body breaks off, so that the daemon takes no half for the whole.
            let _ = send.blocking_send(Err(io::Error::other(error.to_string())));
        }
        written
    });
    let answer = client.upload(&call, receive).await;
    match answer {
        // The daemon's word comes before that of a pipe it closed.
        Err(error @ Error::Daemon { .. }) => return Err(error),
        answer => {
            let written = writing.await.map_err(io::Error::other).flatten();
            written.map_err(|error| Error::Plain(error.to_string()))?;
            answer?;
        }
    }
    Ok(count.load(std::sync::atomic::Ordering::Relaxed))
}

async fn stat(client: &Client, container: &str, path: &str) -> Result<PathStat> {
    let query = ArchiveQuery {
        path: path.to_owned(),
    };
    let call = Call::new(Route::ArchiveStat(container.to_owned())).params(&query);
    read_stat(client.response(call).await?.headers())
}

fn read_stat(headers: &hyper::HeaderMap) -> Result<PathStat> {
    let header = headers.get(HEADER).and_then(|value| value.to_str().ok());
    let stat = PathStat::from_header(header.unwrap_or_default());
    stat.map_err(|error| Error::Plain(error.to_string()))
}

/// A link's target, from the directory of the link unless it is absolute.
fn joined(link: &str, target: String) -> String {
    if target.starts_with('/') {
        return target;
    }
    clean(&format!("{}/{target}", split_entry(link).0))
}

/// An absolute path with the end that the user wrote.
fn absolute(path: &str) -> Result<String> {
    if path.starts_with('/') {
        return Ok(preserve_end(clean(path), path));
    }
    let here = std::env::current_dir().map_err(|source| Error::Io {
        doing: "find the working directory",
        source,
    })?;
    let joined = clean(&format!("{}/{path}", here.to_string_lossy()));
    Ok(preserve_end(joined, path))
}

/// Refuses what cannot be written to before anything is asked of the daemon.
pub(in crate::commands) fn check_output(path: &str) -> Result<(), String> {
    let dir = parent(&clean(path));
    if dir != "."
        && matches!(std::fs::metadata(&dir), Err(e) if e.kind() == io::ErrorKind::NotFound)
    {
        return Err(format!(
            "invalid output path: directory {dir:?} does not exist"
        ));
    }
    match std::fs::metadata(path).map(|meta| meta.file_type()) {
        Ok(kind) if kind.is_char_device() || kind.is_block_device() => Err(format!(
            "invalid output path: {path:?} must be a directory or a regular file: got a device"
        )),
        _ => Ok(()),
    }
}

fn local_error(path: &str, error: &io::Error) -> Error {
    let text = error.to_string().to_lowercase();
    let reason = text.split(" (os error").next().unwrap_or_default();
    Error::Plain(format!("lstat {path}: {reason}"))
}

fn canonical(path: &str) -> Result<String> {
    let found = std::fs::canonicalize(path).map_err(|e| local_error(path, &e))?;
    Ok(found.to_string_lossy().into_owned())
}

/// The parent's links are followed, the last one's only if it is asked for.
fn local_source(path: &str, follow_link: bool) -> Result<Side> {
    let (path, rebase) = if follow_link {
        follow(path, canonical(path)?)
    } else {
        let (dir, entry) = split(path);
        let resolved = match (canonical(dir)?.trim_end_matches('/'), entry) {
            ("", entry) => format!("/{entry}"),
            (dir, entry) => format!("{dir}/{entry}"),
        };
        let (_, renamed) = follow(path, resolved.clone());
        (resolved, renamed.filter(|_| path.ends_with('/')))
    };
    let meta = std::fs::symlink_metadata(&path).map_err(|e| local_error(&path, &e))?;
    Ok(Side {
        exists: true,
        is_dir: meta.is_dir(),
        path,
        rebase,
    })
}

/// A link at the end is followed: what it leads to is the destination, even
/// if it is not there yet.
fn local_destination(path: &str) -> Result<Side> {
    let mut path = path.to_owned();
    for _ in 0..=MAX_LINKS {
        match std::fs::symlink_metadata(&path) {
            Ok(meta) if meta.is_symlink() => {
                let target = std::fs::read_link(&path).map_err(|e| local_error(&path, &e))?;
                path = joined(&path, target.to_string_lossy().into_owned());
            }
            Ok(meta) => {
                return Ok(Side {
                    exists: true,
                    is_dir: meta.is_dir(),
                    path,
                    rebase: None,
                });
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let above = split_entry(&path).0;
                let meta = std::fs::metadata(&above).map_err(|e| local_error(&above, &e))?;
                if !meta.is_dir() {
                    return Err(Error::Plain("not a directory".into()));
                }
                return Ok(Side {
                    path,
                    ..Side::default()
                });
            }
            Err(error) => return Err(local_error(&path, &error)),
        }
    }
    Err(Error::Plain(format!("too many symlinks in {path:?}")))
}

fn tell(args: &CpArgs, bytes: u64, to: &str) {
    if !args.quiet && io::stderr().is_terminal() {
        let size = decimal_size(i64::try_from(bytes).unwrap_or(i64::MAX), 3);
        eprintln!("Successfully copied {size} to {to}");
    }
}

fn write_failed(source: io::Error) -> Error {
    Error::Io {
        doing: "write the archive",
        source,
    }
}

/// A body being made, piece by piece.
struct Output {
    pieces: Pieces,
    next: Vec<u8>,
    count: std::sync::Arc<std::sync::atomic::AtomicU64>,
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let n = bytes.len().min(PIECE - self.next.len());
        self.next.extend_from_slice(&bytes[..n]);
        if self.next.len() == PIECE {
            self.flush()?;
        }
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        let piece = std::mem::replace(&mut self.next, Vec::with_capacity(PIECE));
        self.count
            .fetch_add(piece.len() as u64, std::sync::atomic::Ordering::Relaxed);
        if piece.is_empty() {
            return Ok(());
        }
        let sent = self.pieces.blocking_send(Ok(piece.into()));
        sent.map_err(|_| io::ErrorKind::BrokenPipe.into())
    }
}

/// A body as it comes in.
struct Input {
    pieces: mpsc::Receiver<io::Result<Bytes>>,
    current: Bytes,
}

impl Read for Input {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.current.is_empty() {
            match self.pieces.blocking_recv() {
                Some(piece) => self.current = piece?,
                None => return Ok(0),
            }
        }
        let n = buffer.len().min(self.current.len());
        buffer[..n].copy_from_slice(&self.current.split_to(n));
        Ok(n)
    }
}
