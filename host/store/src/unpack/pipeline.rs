//! The decompressing and the hashing thread, and their output as a buffered
//! reader.

use std::io::{self, Read, Write};
use std::panic::resume_unwind;
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::thread::{Builder, Scope, ScopedJoinHandle};

use bulkhead_model::Digest;
use sha2::{Digest as _, Sha256};

use super::compression::{Formats, decoder};
use super::error::UnpackError;

const CHUNK: usize = 256 * 1024;
const CHUNKS: usize = 8;

/// What the threads know at their end.
pub(super) struct Decoded {
    pub(super) diff_id: Digest,
    pub(super) bytes: u64,
}

/// The uncompressed bytes, in order.
pub(super) struct Chunks {
    full: Receiver<Vec<u8>>,
    empty: Sender<Vec<u8>>,
    current: Vec<u8>,
    at: usize,
}

/// The threads at work.
pub(super) struct Decoding<'s> {
    decoder: ScopedJoinHandle<'s, Result<u64, UnpackError>>,
    hasher: ScopedJoinHandle<'s, Result<Digest, UnpackError>>,
}

/// Starts decompressing and hashing beside the caller, a thread each: with
/// zstd and on uncompressed layers SHA-256 would otherwise be the slowest part
/// of whichever thread had it. More than `limit` bytes are refused. The
/// hashing thread writes what it hashes to `keep`.
pub(super) fn start<'s, R: Read + Send + 's>(
    scope: &'s Scope<'s, '_>,
    reader: R,
    formats: Formats,
    limit: u64,
    keep: &'s mut (dyn Write + Send),
) -> Result<(Chunks, Decoding<'s>), UnpackError> {
    let (plain_in, plain) = sync_channel(CHUNKS / 2);
    let (full_in, full) = sync_channel(CHUNKS / 2);
    let (empty, empty_out) = channel();
    let decoder = Builder::new()
        .name("layer-decode".to_owned())
        .spawn_scoped(scope, move || {
            decode(reader, formats, limit, &plain_in, &empty_out)
        })
        .map_err(UnpackError::Thread)?;
    let hasher = Builder::new()
        .name("layer-hash".to_owned())
        .spawn_scoped(scope, move || hash(&plain, &full_in, keep))
        .map_err(UnpackError::Thread)?;
    Ok((
        Chunks {
            full,
            empty,
            current: Vec::new(),
            at: 0,
        },
        Decoding { decoder, hasher },
    ))
}

/// The decompressing thread alone; it gives the number of bytes.
pub(super) struct Plain<'s>(ScopedJoinHandle<'s, Result<u64, UnpackError>>);

/// [`start`] without hashing.
pub(super) fn start_unhashed<'s, R: Read + Send + 's>(
    scope: &'s Scope<'s, '_>,
    reader: R,
    formats: Formats,
    limit: u64,
) -> Result<(Chunks, Plain<'s>), UnpackError> {
    let (full_in, full) = sync_channel(CHUNKS);
    let (empty, empty_out) = channel();
    let decoder = Builder::new()
        .name("archive-decode".to_owned())
        .spawn_scoped(scope, move || {
            decode(reader, formats, limit, &full_in, &empty_out)
        })
        .map_err(UnpackError::Thread)?;
    let chunks = Chunks {
        full,
        empty,
        current: Vec::new(),
        at: 0,
    };
    Ok((chunks, Plain(decoder)))
}

impl Plain<'_> {
    /// Waits for the thread.
    pub(super) fn join(self) -> Result<u64, UnpackError> {
        self.0.join().unwrap_or_else(|panic| resume_unwind(panic))
    }
}

impl Decoding<'_> {
    /// Waits for both threads.
    pub(super) fn join(self) -> Result<Decoded, UnpackError> {
        let bytes = self
            .decoder
            .join()
            .unwrap_or_else(|panic| resume_unwind(panic));
        let diff_id = self
            .hasher
            .join()
            .unwrap_or_else(|panic| resume_unwind(panic));
        let bytes = match (bytes, &diff_id) {
            // What ended the decoder is why the hasher ended.
            (Err(UnpackError::GivenUp), Err(_)) => 0,
            (bytes, _) => bytes?,
        };
        Ok(Decoded {
            diff_id: diff_id?,
            bytes,
        })
    }
}

/// Hashes what passes by. When the placing side is gone it ends, which ends
/// the decoder; the digest then is of no use to anyone.
fn hash(
    plain: &Receiver<Vec<u8>>,
    full: &SyncSender<Vec<u8>>,
    keep: &mut (dyn Write + Send),
) -> Result<Digest, UnpackError> {
    let mut hasher = Sha256::new();
    while let Ok(chunk) = plain.recv() {
        hasher.update(&chunk);
        keep.write_all(&chunk).map_err(UnpackError::Keep)?;
        if full.send(chunk).is_err() {
            break;
        }
    }
    Ok(Digest::from_sha256(hasher.finalize().into()))
}

fn decode<R: Read + Send>(
    reader: R,
    formats: Formats,
    limit: u64,
    full: &SyncSender<Vec<u8>>,
    empty: &Receiver<Vec<u8>>,
) -> Result<u64, UnpackError> {
    let (compression, mut decoder) = decoder(reader, formats)?;
    let mut bytes = 0;
    loop {
        let mut chunk = empty.try_recv().unwrap_or_else(|_| vec![0; CHUNK]);
        let n = fill(&mut decoder, &mut chunk).map_err(|source| UnpackError::Stream {
            format: compression.name(),
            source,
        })?;
        if n == 0 {
            return Ok(bytes);
        }
        bytes += n as u64;
        if bytes > limit {
            return Err(UnpackError::Limit {
                what: "bytes",
                limit,
            });
        }
        chunk.truncate(n);
        full.send(chunk).map_err(|_| UnpackError::GivenUp)?;
    }
}

/// Reads until the buffer is full or the stream ends.
fn fill(decoder: &mut dyn Read, buffer: &mut Vec<u8>) -> io::Result<usize> {
    buffer.resize(CHUNK, 0);
    let mut filled = 0;
    while filled < buffer.len() {
        match decoder.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(n) => filled += n,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(filled)
}

impl Chunks {
    /// The bytes at hand; empty at the end of the stream.
    pub(super) fn peek(&mut self) -> &[u8] {
        if self.at == self.current.len()
            && let Ok(next) = self.full.recv()
        {
            let used = std::mem::replace(&mut self.current, next);
            // The thread may be done already; then the buffer is dropped.
            let _ = self.empty.send(used);
            self.at = 0;
        }
        &self.current[self.at..]
    }

    /// Moves past `n` of the bytes at hand.
    pub(super) fn consume(&mut self, n: usize) {
        self.at += n;
    }
}
