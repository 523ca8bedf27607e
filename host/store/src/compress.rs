//! A layer on its way to a registry is compressed: gzip by all processors at
//! once, as one member (RFC 1952) that every reader takes, or zstd.
//!
//! ```text
//! tar ─▶ blocks of 512 KiB ─▶ workers: raw deflate, primed with the 32 KiB before ─▶ in order ─▶ out
//! ```
//!
//! The result depends on the bytes and on the compressors' versions alone, not
//! on how many workers there are.

use std::io::{self, Read, Write};
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use flate2::{Compress, Compression as Level, Crc, FlushCompress, Status};

/// Uncompressed bytes of a block.
const BLOCK: usize = 512 * 1024;
/// The window of deflate (RFC 1951 2).
const WINDOW: usize = 32 * 1024;
/// As gzip(1) and Docker.
const GZIP_LEVEL: u32 = 6;
/// As zstd(1).
const ZSTD_LEVEL: i32 = 3;

/// How layers are compressed for a registry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Compression {
    /// RFC 1952, which every registry's client reads.
    #[default]
    Gzip,
    /// RFC 8878, for OCI images.
    Zstd,
}

impl Compression {
    /// Its name in media types and records.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
        }
    }

    /// Compresses everything `from` has.
    pub fn compress(self, from: impl Read + Send, to: &mut dyn Write) -> io::Result<()> {
        match self {
            Self::Gzip => gzip(from, to),
            Self::Zstd => zstd::stream::copy_encode(from, to, ZSTD_LEVEL),
        }
    }
}

/// A part of the input and where its result goes.
struct Job {
    /// The end of the block before.
    window: Vec<u8>,
    block: Vec<u8>,
    is_last: bool,
    done: SyncSender<io::Result<Compressed>>,
}

struct Compressed {
    bytes: Vec<u8>,
    crc: Crc,
}

fn gzip(from: impl Read + Send, to: &mut dyn Write) -> io::Result<()> {
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    let (queue, jobs) = sync_channel::<Job>(workers);
    let (order, results) = sync_channel(2 * workers);
    let jobs = Mutex::new(jobs);
    // Deflate, no flags, no time, no name; made on any system.
    to.write_all(&[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff])?;
    let crc = std::thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| work(&jobs));
        }
        let reader = scope.spawn(move || split(from, &queue, &order));
        let crc = collect(results, to);
        let read = reader
            .join()
            .map_err(|_| io::Error::other("the reader panicked"))?;
        // What could not be written counts for more than that nobody read on.
        crc.and_then(|crc| read.map(|()| crc))
    })?;
    to.write_all(&crc.sum().to_le_bytes())?;
    to.write_all(&crc.amount().to_le_bytes())
}

type Pending = Receiver<io::Result<Compressed>>;

/// Cuts the input into blocks, one of which is the last, perhaps empty.
fn split(
    mut from: impl Read,
    queue: &SyncSender<Job>,
    order: &SyncSender<Pending>,
) -> io::Result<()> {
    let mut window = Vec::new();
    loop {
        let mut block = Vec::with_capacity(BLOCK);
        from.by_ref().take(BLOCK as u64).read_to_end(&mut block)?;
        let is_last = block.len() < BLOCK;
        let next = block[block.len().saturating_sub(WINDOW)..].to_vec();
        let (done, pending) = sync_channel(1);
        let job = Job {
            window: std::mem::replace(&mut window, next),
            block,
            is_last,
            done,
        };
        // When nobody listens any more, the collector knows why.
        if order.send(pending).is_err() || queue.send(job).is_err() || is_last {
            return Ok(());
        }
    }
}

fn work(jobs: &Mutex<Receiver<Job>>) {
    loop {
        let job = match jobs.lock() {
            Ok(jobs) => jobs.recv(),
            Err(_) => return,
        };
        let Ok(job) = job else { return };
        let _ = job.done.send(deflate(&job));
    }
}

/// Raw deflate that ends at a byte, so that blocks can be put one after the
/// other (`Z_SYNC_FLUSH` of zlib's manual).
fn deflate(job: &Job) -> io::Result<Compressed> {
    let mut compress = Compress::new(Level::new(GZIP_LEVEL), false);
    if !job.window.is_empty() {
        compress
            .set_dictionary(&job.window)
            .map_err(io::Error::other)?;
    }
    let flush = match job.is_last {
        true => FlushCompress::Finish,
        false => FlushCompress::Sync,
    };
    let mut bytes = Vec::with_capacity(job.block.len() / 2 + 1024);
    loop {
        let taken = usize::try_from(compress.total_in()).map_err(io::Error::other)?;
        let status = compress
            .compress_vec(&job.block[taken..], &mut bytes, flush)
            .map_err(io::Error::other)?;
        let is_done = match job.is_last {
            true => status == Status::StreamEnd,
            // Room that is left says that the flush came to its end.
            false => bytes.len() < bytes.capacity(),
        };
        if is_done {
            break;
        }
        bytes.reserve(64 * 1024);
    }
    let mut crc = Crc::new();
    crc.update(&job.block);
    Ok(Compressed { bytes, crc })
}

fn collect(results: Receiver<Pending>, to: &mut dyn Write) -> io::Result<Crc> {
    let mut crc = Crc::new();
    for pending in results {
        let done = pending
            .recv()
            .map_err(|_| io::Error::other("a compressing thread ended early"))??;
        to.write_all(&done.bytes)?;
        crc.combine(&done.crc);
    }
    Ok(crc)
}

#[cfg(test)]
mod tests;
