//! What people and scripts read.

mod list;
mod progress;
mod table;
mod template;
mod units;

pub(crate) use list::{Heading, print, print_value, show};
pub(crate) use progress::PullProgress;
pub(crate) use table::Table;
pub(crate) use template::{Format, Template, TemplateError};
pub(crate) use units::{ago, binary_size, date_time, decimal_size, quote, short_id, shorten};
