//! `bulkhead events`

use bulkhead_api::event::EventMessage;
use bulkhead_api::query::{EventsQuery, Timestamp};
use bulkhead_api::route::Route;
use clap::Args;

use crate::client::{Call, Client, Lines};
use crate::error::{Error, Result};
use crate::filter::{FilterFlag, filters};
use crate::flags::parse_since;
use crate::output::{Format, FormatError, print, timestamp};
use crate::template::{Data, Labels, Row};

#[derive(Args, Debug)]
#[command(override_usage = "[OPTIONS]")]
pub(crate) struct EventsArgs {
    /// Only what matches (container=NAME, event=die, type=network, label=NAME, ...)
    #[arg(short, long, value_name = "NAME=VALUE")]
    filter: Vec<FilterFlag>,
    /// json, or text with {{.Action}} and the like
    #[arg(long, value_name = "FORMAT")]
    format: Option<String>,
    /// Begin with the events since a time (2026-01-02T13:23:37Z) or a while ago (42m)
    #[arg(long, value_name = "TIME", value_parser = parse_since)]
    since: Option<Timestamp>,
    /// Stop at a time (2026-01-02T13:23:37Z) or a while ago (42m)
    #[arg(long, value_name = "TIME", value_parser = parse_since)]
    until: Option<Timestamp>,
}

pub(crate) async fn execute(client: &Client, args: &EventsArgs) -> Result<u8> {
    let format = Format::parse(args.format.as_deref())?;
    if matches!(format, Format::Columns(_)) || args.format.as_deref() == Some("table") {
        return Err(Error::Conflict("events cannot be shown as a table"));
    }
    let moment = |time: &Option<Timestamp>| time.map(|time| time.to_string()).unwrap_or_default();
    let query = EventsQuery {
        since: moment(&args.since),
        until: moment(&args.until),
        filters: filters(&args.filter),
    };
    let call = Call::new(Route::Events).params(&query);
    let mut lines = Lines::new(client.stream(call).await?);
    while let Some(line) = lines.next().await? {
        show(&line, &format)?;
    }
    Ok(0)
}

fn show(line: &[u8], format: &Format) -> Result<()> {
    match format {
        Format::Table => {
            let event: EventMessage = bulkhead_api::json::decode(line)?;
            print(plain(&event))
        }
        Format::Json => {
            let line = String::from_utf8_lossy(line.trim_ascii());
            print(format_args!("{line}\n"))
        }
        Format::Lines(template) | Format::Columns(template) => {
            let row = Row {
                data: Data::from_json(line)?.shaped(),
                labels: Labels::new(),
            };
            let text = template.render(&row).map_err(FormatError::Execute)?;
            print(text + "\n")
        }
    }
}

/// `2026-11-22T03:26:54.680397583Z container die ad10… (exitCode=0, name=web)`
fn plain(event: &EventMessage) -> String {
    let time = timestamp(event.time_nano);
    let mut line = format!("{time} {} {} {}", event.kind, event.action, event.actor.id);
    let attributes = event.actor.attributes.iter();
    let attributes: Vec<String> = attributes
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    if !attributes.is_empty() {
        line += &format!(" ({})", attributes.join(", "));
    }
    // Names and labels are other people's: none draws on the terminal.
    let plain = |c: char| if c.is_control() { ' ' } else { c };
    line.chars().map(plain).chain(['\n']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_one_line_whatever_its_labels_hold() {
        let event: EventMessage = serde_json::from_value(serde_json::json!({
            "Type": "container", "Action": "die", "timeNano": 1_795_317_353_000_000_007_i64,
            "Actor": {"ID": "ad10", "Attributes": {"name": "web", "exitCode": "0", "l": "a\n\u{1b}[2J"}},
        }))
        .unwrap();
        assert_eq!(
            plain(&event),
            "2026-11-22T03:15:53.000000007Z container die ad10 (exitCode=0, l=a  [2J, name=web)\n"
        );
    }
}
