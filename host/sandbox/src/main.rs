//! `bulkhead-sandbox [--uid N]`: the runner. Started by the broker with the
//! control socket as standard input; nobody else has a use for it.

use std::os::fd::AsFd;
use std::process::ExitCode;

use bulkhead_sandbox::{confine, start};

fn main() -> ExitCode {
    match run() {
        Ok(code) => ExitCode::from(code as u8),
        Err(error) => {
            eprintln!("bulkhead-sandbox: {error}");
            ExitCode::from(2)
        }
    }
}

fn run() -> Result<i32, Box<dyn std::error::Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let uid = confine::uid_from_args(&args)?;
    let control = std::io::stdin().as_fd().try_clone_to_owned()?;
    Ok(confine::isolate(uid, || start::run(control, uid))?)
}
