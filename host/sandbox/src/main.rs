//! `bulkhead-sandbox`: the runner. Started by the broker with the control
//! socket as standard input; nobody else has a use for it.

use std::os::fd::AsFd;
use std::process::ExitCode;

use bulkhead_sandbox::{confine, start};

fn main() -> ExitCode {
    let control = match std::io::stdin().as_fd().try_clone_to_owned() {
        Ok(control) => control,
        Err(error) => {
            eprintln!("bulkhead-sandbox: no control socket: {error}");
            return ExitCode::from(2);
        }
    };
    match confine::isolate(confine::DEFAULT_UID, || start::run(control)) {
        Ok(code) => ExitCode::from(code as u8),
        Err(error) => {
            eprintln!("bulkhead-sandbox: {error}");
            ExitCode::from(2)
        }
    }
}
