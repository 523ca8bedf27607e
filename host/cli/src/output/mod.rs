//! What people and scripts read.

mod progress;
mod table;
mod template;
mod units;

pub(crate) use progress::PullProgress;
pub(crate) use table::Table;
pub(crate) use template::{Format, Template, TemplateError};
pub(crate) use units::{ago, binary_size, date_time, decimal_size, quote, shorten};
