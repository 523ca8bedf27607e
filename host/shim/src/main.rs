//! The supervisor of one container: its parent, the keeper of its terminal or
//! pipes, of its log and of its exit status. It survives the daemon.
//!
//! ```text
//! order received ─▶ child cloned ─┬─▶ StartFailed ─▶ gone
//!                                 └─▶ Started ─▶ relaying ─▶ child reaped ─▶ drained ─▶ recorded ─▶ gone
//! ```
//!
//! Invariants: one thread; no memory grows with what a container writes or a
//! client fails to read; the child's end is seen by its pidfd, so no SIGCHLD
//! can be lost; the exit is recorded after the last byte of output is.

mod attached;
mod clock;
mod control;
mod detach_keys;
mod launch;
mod log;
mod output;
mod stdin;
mod supervisor;

use std::os::unix::net::UnixStream;
use std::process::ExitCode;

use bulkhead_sys::process;

/// The daemon's connection, by the convention of `Runtime::start`.
const CONNECTION: u32 = 3;

fn main() -> ExitCode {
    let connection = match process::take_inherited(CONNECTION) {
        Ok(fd) => UnixStream::from(fd),
        Err(_) => {
            eprintln!("bulkhead-shim is started by bulkheadd for each container, not by hand");
            return ExitCode::from(2);
        }
    };
    match run(connection) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn run(connection: UnixStream) -> std::io::Result<()> {
    bulkhead_sys::signal::ignore_sigpipe()?;
    bulkhead_sys::signal::ignore_hangup()?;
    // No container process, whatever its uid, may look into this one.
    process::set_dumpable(false)?;
    let Some(supervisor) = launch::launch(connection)? else {
        return Ok(());
    };
    supervisor.run()
}
