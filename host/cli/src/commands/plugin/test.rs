//! `bulkhead plugin test`: becomes `bulkhead-conformance`.

use std::ffi::OsString;

use clap::Args;

use crate::error::Error;
use crate::programs::become_program;

#[derive(Args, Debug)]
pub(crate) struct TestArgs {
    #[arg(
        trailing_var_arg = true,
        allow_hyphen_values = true,
        value_name = "OPTIONS"
    )]
    words: Vec<OsString>,
}

/// Becomes the suite; returns only if that fails.
pub(crate) fn execute(args: &TestArgs) -> Error {
    become_program("bulkhead-conformance", &args.words)
}
