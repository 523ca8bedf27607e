//! The command line as a user sees it: output, errors and exit codes.

mod comparison;
mod refusals;
mod run;
mod scripted;
