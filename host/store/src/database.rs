//! The SQLite database: opening, checking, migrating, and the two kinds of
//! commit.
//!
//! Some space is its own from the beginning, so that on a full disk records
//! can still be written: without that nothing could be removed to make room.

use std::fs::File;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, TransactionBehavior};
use rustix::fs::{FallocateFlags, fallocate};
use rustix::io::Errno;

use crate::error::StoreError;

/// What a commit must survive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// A power cut right after the call returned (`synchronous=FULL`: the WAL
    /// is fsynced before the commit returns; sqlite.org/pragma.html).
    PowerCut,
    /// A kill of the daemon, but not a power cut (`synchronous=NORMAL`: the
    /// database stays consistent, the last such commits may be gone). For
    /// what a reboot makes untrue anyway: running states, `--rm` containers.
    Crash,
}

/// Schema `n` is made from schema `n - 1` by the `n`-th text. Only ever
/// appended to.
const MIGRATIONS: [&str; 6] = [
    include_str!("schema/1.sql"),
    include_str!("schema/2.sql"),
    include_str!("schema/3.sql"),
    include_str!("schema/4.sql"),
    include_str!("schema/5.sql"),
    include_str!("schema/6.sql"),
];
const KNOWN: i64 = MIGRATIONS.len() as i64;

/// Bytes that the write-ahead log takes before its content goes into the
/// database and it begins anew: SQLite's 1,000 pages, and a large transaction.
const LOG_RESERVE: u64 = 5 << 20;

/// Bytes that the database may grow by then.
const GROWTH_RESERVE: u64 = 1 << 20;

/// The database of one data root. One connection: writers are serialised by
/// the mutex, not by SQLite's busy handler.
#[derive(Debug)]
pub(crate) struct Database {
    path: PathBuf,
    session: Mutex<Session>,
}

#[derive(Debug)]
struct Session {
    connection: Connection,
    durability: Durability,
}

impl Database {
    /// `used`: what is there beside a database that must not be a new one.
    pub(crate) fn open(path: &Path, used: Option<PathBuf>) -> Result<Self, StoreError> {
        // SQLite would create the file with the umask's mode, and gives the
        // WAL the mode of the database (sqlite.org/wal.html).
        let mut create = std::fs::OpenOptions::new();
        create.read(true).append(true).create(true).mode(0o600);
        create
            .open(path)
            .map_err(|e| StoreError::io("open", path, e))?;
        let mut connection = Connection::open(path).map_err(explain(path, "open"))?;
        configure(&connection).map_err(explain(path, "configure"))?;
        check(&connection, path)?;
        if let Some(found) = used
            && version(&connection).map_err(explain(path, "open"))? == 0
        {
            let path = path.to_owned();
            return Err(StoreError::DatabaseMissing { path, found });
        }
        migrate(&mut connection, path)?;
        reserve(path).map_err(|e| StoreError::io("reserve space for", path, e))?;
        let session = Session {
            connection,
            durability: Durability::PowerCut,
        };
        Ok(Self {
            path: path.to_owned(),
            session: Mutex::new(session),
        })
    }

    /// Takes the log over into the file. The log is not made shorter: its space
    /// is the database's own, and others on a full disk would take it.
    pub(crate) fn checkpoint(&self) -> Result<(), StoreError> {
        self.read("checkpoint", |db| {
            db.pragma(None, "wal_checkpoint", "FULL", |_| Ok(()))
        })
    }

    /// Runs queries.
    pub(crate) fn read<T>(
        &self,
        step: &'static str,
        queries: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        queries(&self.lock().connection).map_err(explain(&self.path, step))
    }

    /// Runs one transaction; an error from `changes` rolls it back.
    pub(crate) fn write<T>(
        &self,
        step: &'static str,
        durability: Durability,
        changes: impl FnOnce(&Connection) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let explain = explain(&self.path, step);
        let mut session = self.lock();
        session.prefer(durability).map_err(&explain)?;
        let transaction = session
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .map_err(&explain)?;
        let value = changes(&transaction)?;
        transaction.commit().map_err(&explain)?;
        Ok(value)
    }

    /// Maps an SQLite error inside [`Database::write`].
    pub(crate) fn explain(&self, step: &'static str) -> impl Fn(rusqlite::Error) -> StoreError {
        explain(&self.path, step)
    }

    // A panic inside a transaction rolls it back as it unwinds, so a poisoned
    // lock guards a sound connection.
    fn lock(&self) -> MutexGuard<'_, Session> {
        self.session.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        // What does not get into the file now is read from the log later.
        let _ = self.checkpoint();
    }
}

impl Session {
    fn prefer(&mut self, durability: Durability) -> rusqlite::Result<()> {
        if self.durability != durability {
            let level = match durability {
                Durability::PowerCut => "FULL",
                Durability::Crash => "NORMAL",
            };
            self.connection.pragma_update(None, "synchronous", level)?;
            self.durability = durability;
        }
        Ok(())
    }
}

fn configure(connection: &Connection) -> rusqlite::Result<()> {
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "foreign_keys", "ON")?;
    connection.pragma_update(None, "trusted_schema", "OFF")?;
    connection.pragma_update(None, "cell_size_check", "ON")?;
    // Half a MiB of page cache: records are small and the daemon should be.
    connection.pragma_update(None, "cache_size", -512)?;
    connection.set_prepared_statement_cache_capacity(64);
    // See [`Database::drop`].
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    Ok(())
}

/// Allocates blocks for database and log, past their ends too; their sizes stay
/// as they are (fallocate(2)).
fn reserve(path: &Path) -> std::io::Result<()> {
    let log = path.with_extension("db-wal");
    let size = std::fs::metadata(path)?.len();
    for (path, bytes) in [(path, size + GROWTH_RESERVE), (&log, LOG_RESERVE)] {
        let file = File::options().append(true).open(path)?;
        match fallocate(&file, FallocateFlags::KEEP_SIZE, 0, bytes) {
            // A disk without that much room is no reason not to start.
            Ok(()) | Err(Errno::NOSPC | Errno::DQUOT | Errno::OPNOTSUPP) => {}
            Err(e) => return Err(e.into()),
        }
    }
    Ok(())
}

/// The thorough check, not the quick one, which does not compare indexes with
/// their tables (sqlite.org/pragma.html): what nothing seems to name any more is
/// removed soon after this. 9 ms with 1,000 images.
fn check(connection: &Connection, path: &Path) -> Result<(), StoreError> {
    let verdict: String = connection
        .query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))
        .map_err(explain(path, "check"))?;
    if verdict == "ok" {
        return Ok(());
    }
    Err(StoreError::Damaged {
        path: path.to_owned(),
        detail: verdict,
    })
}

/// 0: nothing was ever kept in it.
fn version(connection: &Connection) -> rusqlite::Result<i64> {
    connection.pragma_query_value(None, "user_version", |row| row.get(0))
}

fn migrate(connection: &mut Connection, path: &Path) -> Result<(), StoreError> {
    let explain = explain(path, "migrate");
    let found = version(connection).map_err(&explain)?;
    let done = usize::try_from(found)
        .ok()
        .filter(|n| *n <= MIGRATIONS.len());
    let Some(done) = done else {
        return Err(StoreError::TooNew {
            path: path.to_owned(),
            found,
            known: KNOWN,
        });
    };
    for (index, sql) in MIGRATIONS.iter().enumerate().skip(done) {
        let transaction = connection.transaction().map_err(&explain)?;
        transaction.execute_batch(sql).map_err(&explain)?;
        transaction
            .pragma_update(None, "user_version", index as i64 + 1)
            .map_err(&explain)?;
        transaction.commit().map_err(&explain)?;
    }
    Ok(())
}

fn explain(path: &Path, step: &'static str) -> impl Fn(rusqlite::Error) -> StoreError {
    let path = path.to_owned();
    move |source| match source.sqlite_error_code() {
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => StoreError::Damaged {
            path: path.clone(),
            detail: source.to_string(),
        },
        Some(ErrorCode::DiskFull) => StoreError::io("write", &path, Errno::NOSPC),
        _ => StoreError::Database { step, source },
    }
}
