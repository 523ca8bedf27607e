//! Runs the compiler: a process of its own, in a cell, for one component.

use std::ffi::CString;
use std::fs::File;
use std::io::{Read, Seek};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use bulkhead_sys::clone::{self, Program};
use bulkhead_sys::memfd;
use bulkhead_sys::pidfd::{self, Exit};
use bulkhead_sys::poll::{self, Events};

use crate::error::HostError;
use crate::runner::arguments;

/// The compiler bounds its processor time to 60 s; this is for a busy machine.
const DEADLINE: Duration = Duration::from_secs(180);

/// The largest native code of a component.
const MAX_NATIVE: u64 = 256 << 20;

/// What is kept of the compiler's words.
const MAX_REASON: usize = 4000;

/// Where the last fingerprint is kept, so that a start needs no compiler.
const FINGERPRINT_FILE: &str = "fingerprint";

/// The compiler's executable.
#[derive(Clone, Debug)]
pub struct Compiler {
    path: PathBuf,
    uid: u32,
}

struct Finished {
    exit: Exit,
    output: Vec<u8>,
    complaint: String,
}

impl Compiler {
    /// Nothing is started yet; the file need not exist as long as nothing is
    /// to be compiled.
    pub fn new(path: PathBuf, uid: u32) -> Self {
        Self { path, uid }
    }

    /// Native code for `component`.
    pub fn compile(&self, plugin: &str, component: &[u8]) -> Result<Vec<u8>, HostError> {
        let mut input = File::from(memfd::create_sealed(c"component", component)?);
        // The child reads from where the writing left off.
        input
            .rewind()
            .map_err(|e| HostError::file("cannot run", &self.path, e))?;
        let finished = self.run(&arguments(c"bulkhead-compiler", self.uid), input.into())?;
        if finished.exit == Exit::Code(0) && !finished.output.is_empty() {
            return Ok(finished.output);
        }
        let reason = match finished.complaint.trim() {
            "" => format!("the compiler ended with {:?}", finished.exit),
            words => words.chars().take(MAX_REASON).collect(),
        };
        Err(HostError::Compile {
            plugin: plugin.to_owned(),
            reason,
        })
    }

    /// What native code depends on beside the component. Asked once per
    /// compiler executable, then read from `dir`.
    pub fn fingerprint(&self, dir: &Path) -> Result<String, HostError> {
        let executable = self.identity()?;
        let file = dir.join(FINGERPRINT_FILE);
        if let Ok(text) = std::fs::read_to_string(&file)
            && let Some((known, fingerprint)) = text.trim_end().split_once('\n')
            && known == executable
            && is_fingerprint(fingerprint)
        {
            return Ok(fingerprint.to_owned());
        }
        let fingerprint = self.ask_fingerprint()?;
        std::fs::write(&file, format!("{executable}\n{fingerprint}\n"))
            .map_err(|e| HostError::file("cannot write", &file, e))?;
        Ok(fingerprint)
    }

    /// Tells apart executables, and processors: native code uses what the
    /// processor it was compiled on can do.
    fn identity(&self) -> Result<String, HostError> {
        let meta = std::fs::metadata(&self.path)
            .map_err(|e| HostError::file("cannot find the compiler", &self.path, e))?;
        let (dev, ino, size) = (meta.dev(), meta.ino(), meta.size());
        let cpuinfo = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let flags = cpuinfo
            .lines()
            .find(|l| l.starts_with("flags") || l.starts_with("Features"));
        let processor = fnv1a(flags.unwrap_or_default().as_bytes());
        Ok(format!(
            "{dev} {ino} {size} {}.{} {processor:016x}",
            meta.mtime(),
            meta.mtime_nsec()
        ))
    }

    fn ask_fingerprint(&self) -> Result<String, HostError> {
        let nothing = memfd::create_sealed(c"nothing", b"")?;
        let finished = self.run(
            &[c"bulkhead-compiler".into(), c"--fingerprint".into()],
            nothing,
        )?;
        let text = String::from_utf8_lossy(&finished.output).trim().to_owned();
        if finished.exit == Exit::Code(0) && is_fingerprint(&text) {
            return Ok(text);
        }
        Err(HostError::Compile {
            plugin: "--fingerprint".into(),
            reason: finished.complaint.chars().take(MAX_REASON).collect(),
        })
    }

    fn run(&self, args: &[CString], input: OwnedFd) -> Result<Finished, HostError> {
        let failed = |e| HostError::file("cannot run", &self.path, e);
        let executable = File::open(&self.path).map_err(failed)?;
        let (output, output_writer) = std::io::pipe().map_err(failed)?;
        let (complaint, complaint_writer) = std::io::pipe().map_err(failed)?;
        let child = clone::spawn(&Program {
            file: executable.as_fd(),
            args,
            env: &[],
            cgroup: None,
            descriptors: &[
                input.as_fd(),
                output_writer.as_fd(),
                complaint_writer.as_fd(),
            ],
        })?;
        drop((output_writer, complaint_writer));
        let bytes = collect(&output);
        if bytes.is_err() {
            let _ = pidfd::send_signal(&child.pidfd, SIGKILL);
        }
        let exit = pidfd::wait(&child.pidfd)?;
        let mut words = String::new();
        let _ = complaint.take(MAX_REASON as u64).read_to_string(&mut words);
        Ok(Finished {
            exit,
            output: bytes.map_err(failed)?,
            complaint: words,
        })
    }
}

/// signal(7)
const SIGKILL: i32 = 9;

/// Reads to the end, within the deadline.
fn collect(output: &std::io::PipeReader) -> std::io::Result<Vec<u8>> {
    let deadline = Instant::now() + DEADLINE;
    let mut bytes = Vec::new();
    let mut buffer = vec![0; 64 << 10];
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(std::io::ErrorKind::TimedOut.into());
        }
        let wait = u16::try_from(left.as_millis()).unwrap_or(u16::MAX).max(1);
        let ready = poll::wait(&[(output.as_fd(), Events::POLLIN)], Some(wait))?;
        if ready[0].is_empty() {
            continue;
        }
        match (&mut &*output).read(&mut buffer)? {
            0 => return Ok(bytes),
            n if bytes.len() as u64 + n as u64 > MAX_NATIVE => {
                return Err(std::io::ErrorKind::FileTooLarge.into());
            }
            n => bytes.extend_from_slice(&buffer[..n]),
        }
    }
}

fn is_fingerprint(text: &str) -> bool {
    text.len() == 16 && text.bytes().all(|b| b.is_ascii_hexdigit())
}

/// FNV-1a, 64 bits: to notice a change, not to resist one.
fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}
