//! `bulkhead-compiler`: native code from a component, in a cell.
//!
//! ```text
//! bulkhead-compiler [--uid N] < component > native      exit 1: the reason is on stderr
//! bulkhead-compiler --fingerprint                  what native code depends on
//! ```

use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{Read, Write};
use std::process::ExitCode;

use bulkhead_sandbox::confine::{self, Bounds};
use bulkhead_sandbox::engine;

/// The largest component, bytes.
const MAX_COMPONENT: u64 = 64 << 20;

/// Compiling the largest plugins known here takes a few seconds and 300 MiB.
const BOUNDS: Bounds = Bounds {
    address_space: 4 << 30,
    data: 2 << 30,
    cpu_seconds: Some(60),
};

#[derive(Debug, thiserror::Error)]
enum CompileError {
    #[error(transparent)]
    Arguments(#[from] confine::UnknownArguments),
    #[error("cannot read the component: {0}")]
    Read(std::io::Error),
    #[error("the component is larger than {MAX_COMPONENT} bytes")]
    TooLarge,
    #[error("cannot make the engine: {0}")]
    Engine(String),
    #[error("the cell: {0:?}")]
    Confine(#[from] confine::ConfineError),
    #[error("{0}")]
    Compile(String),
    #[error("cannot write the native code: {0}")]
    Write(std::io::Error),
}

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let result = match args.first().map(String::as_str) {
        Some("--fingerprint") => print_fingerprint().map(|()| 0),
        _ => compile_in_cell(&args),
    };
    ExitCode::from(result.unwrap_or_else(|error| report(Err(error))) as u8)
}

fn report(result: Result<(), CompileError>) -> i32 {
    match result {
        Ok(()) => 0,
        Err(error) => {
            eprintln!("{error}");
            1
        }
    }
}

fn compile_in_cell(args: &[String]) -> Result<i32, CompileError> {
    let uid = confine::uid_from_args(args)?;
    Ok(confine::isolate(uid, || report(compile(uid)))?)
}

fn compile(uid: u32) -> Result<(), CompileError> {
    let component = read()?;
    confine::enter()?;
    let engine = engine::for_compiling().map_err(|e| CompileError::Engine(format!("{e:#}")))?;
    confine::drop_privileges(uid)?;
    confine::die_with_keeper()?;
    // From here on the component is looked at.
    confine::seal(BOUNDS)?;
    let native = engine
        .precompile_component(&component)
        .map_err(|e| CompileError::Compile(format!("{e:#}")))?;
    // The cell's process ends without the clean-up that flushes.
    let mut output = std::io::stdout().lock();
    output.write_all(&native).map_err(CompileError::Write)?;
    output.flush().map_err(CompileError::Write)
}

fn read() -> Result<Vec<u8>, CompileError> {
    let mut component = Vec::new();
    let mut input = std::io::stdin().lock().take(MAX_COMPONENT + 1);
    input
        .read_to_end(&mut component)
        .map_err(CompileError::Read)?;
    if component.len() as u64 > MAX_COMPONENT {
        return Err(CompileError::TooLarge);
    }
    Ok(component)
}

/// Two engines with the same fingerprint take each other's native code.
fn print_fingerprint() -> Result<(), CompileError> {
    let engine = engine::for_compiling().map_err(|e| CompileError::Engine(format!("{e:#}")))?;
    let mut hasher = DefaultHasher::new();
    engine.precompile_compatibility_hash().hash(&mut hasher);
    println!("{:016x}", hasher.finish());
    Ok(())
}
