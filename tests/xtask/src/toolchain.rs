//! The compiler for `wasm32-unknown-unknown`, found or made.
//!
//! In this order: the installed toolchain's own target; `rustup target add`;
//! Debian's `rustc-web`, unpacked into the cache and used with the installed
//! cargo to build std from `rust-web-src`. The last needs no rustup server,
//! no root, and leaves the system's packages alone.

mod debian;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::process;

pub(crate) const TARGET: &str = "wasm32-unknown-unknown";

/// What a cargo command needs to make components.
pub(crate) struct WasmToolchain {
    /// The host toolchain's tools, where the linkers are.
    tools: PathBuf,
    /// Debian's compiler, when the installed one has no wasm target.
    debian: Option<debian::Rust>,
}

impl WasmToolchain {
    pub(crate) fn find() -> Result<Self> {
        let sysroot = sysroot()?;
        let tools = tools(&sysroot)?;
        let debian = match has_target(&sysroot) || add_target(&sysroot) {
            true => None,
            false => Some(debian::Rust::find().context(
                "no wasm target: `rustup target add wasm32-unknown-unknown` does not work here, nor does Debian's Rust",
            )?),
        };
        Ok(WasmToolchain { tools, debian })
    }

    /// How it was found, for people.
    pub(crate) fn describe(&self) -> String {
        match &self.debian {
            None => "the installed toolchain".to_owned(),
            Some(rust) => format!("Debian's Rust {} with std from source", rust.version()),
        }
    }

    /// Makes `cargo build` link components for [`TARGET`].
    pub(crate) fn apply(&self, command: &mut Command) {
        // Linked by `wasm-component-ld`, which turns the core module and the
        // types that wit-bindgen left in it into a component; it runs
        // `wasm-ld` from the PATH.
        command
            .args(["--target", TARGET])
            .env(
                "CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER",
                self.tools.join("wasm-component-ld"),
            )
            .env("PATH", prepended("PATH", &self.tools.join("gcc-ld")));
        if let Some(rust) = &self.debian {
            rust.apply(command);
        }
    }
}

/// `dir` before what the search path in `variable` already holds.
fn prepended(variable: &str, dir: &Path) -> OsString {
    let mut value = OsString::from(dir);
    if let Some(rest) = std::env::var_os(variable) {
        value.push(":");
        value.push(rest);
    }
    value
}

fn sysroot() -> Result<PathBuf> {
    let mut rustc = Command::new("rustc");
    let path = process::stdout_of(rustc.args(["--print", "sysroot"]), Duration::from_secs(60))?;
    Ok(PathBuf::from(path.trim()))
}

fn tools(sysroot: &Path) -> Result<PathBuf> {
    let host = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    let tools = sysroot.join("lib/rustlib").join(host).join("bin");
    ensure!(
        tools.join("wasm-component-ld").exists(),
        "{} has no wasm-component-ld: a Rust installed by rustup is needed to link components",
        tools.display()
    );
    Ok(tools)
}

fn has_target(sysroot: &Path) -> bool {
    sysroot
        .join("lib/rustlib")
        .join(TARGET)
        .join("lib")
        .is_dir()
}

/// Quiet when it fails: without rustup's server there is another way.
fn add_target(sysroot: &Path) -> bool {
    if !process::installed("rustup") {
        return false;
    }
    let mut rustup = Command::new("rustup");
    rustup
        .args(["target", "add", TARGET])
        .env("RUSTUP_MAX_RETRIES", "0");
    let added = process::output(&mut rustup, Duration::from_secs(60));
    added.is_ok_and(|output| output.status.success()) && has_target(sysroot)
}
