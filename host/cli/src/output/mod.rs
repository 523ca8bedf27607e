//! What people and scripts read.

mod colour;
mod format;
mod list;
mod progress;
mod screen;
mod table;
mod units;

pub(crate) use colour::{complain, warn};
pub(crate) use format::{Format, FormatError};
pub(crate) use list::{Heading, print, print_value, row, show, text};
pub(crate) use progress::PullProgress;
pub(crate) use screen::Screen;
pub(crate) use table::Table;
pub(crate) use units::{
    ago, binary_size, date_time, decimal_size, label_list, moment, quote, short_id, shorten,
    timestamp, whole_seconds,
};
