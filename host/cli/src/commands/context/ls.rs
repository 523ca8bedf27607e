//! `bulkhead context ls`

use clap::Args;
use serde_json::json;

use crate::client::{HostFlags, default_address, host_variable};
use crate::docker_config::{ConfigDir, DEFAULT};
use crate::error::Result;
use crate::output::{Format, Heading, print, row, show};
use crate::template::{Labels, Row};

#[derive(Args, Debug)]
#[command(override_usage = "[OPTIONS]")]
pub(crate) struct LsArgs {
    /// table, json, or text with {{.Name}} and the like
    #[arg(long, value_name = "FORMAT")]
    format: Option<String>,
    /// Only show context names
    #[arg(short, long)]
    quiet: bool,
}

const HEADINGS: &[Heading] = &[
    ("Name", "NAME"),
    ("Marked", "NAME"),
    ("Description", "DESCRIPTION"),
    ("DockerEndpoint", "DOCKER ENDPOINT"),
    ("Error", "ERROR"),
];

const COLUMNS: &[&str] = &["Marked", "Description", "DockerEndpoint", "Error"];

pub(super) fn execute(flags: &HostFlags, config: &ConfigDir, args: &LsArgs) -> Result<u8> {
    let format = Format::parse(args.format.as_deref())?;
    let current = flags.context_name(config)?;
    let mut known = vec![(
        DEFAULT.to_owned(),
        "Current DOCKER_HOST based configuration".to_owned(),
        default_address(),
    )];
    for context in config.contexts()? {
        let host = context.host().to_owned();
        known.push((context.name.clone(), context.description().to_owned(), host));
    }
    if args.quiet {
        let names: String = known.iter().map(|(name, ..)| format!("{name}\n")).collect();
        print(names)?;
        return Ok(0);
    }
    let fields = |(name, description, host): &(String, String, String)| {
        let is_current = *name == current;
        let mut fields = json!({
            "Current": is_current,
            "Description": description,
            "DockerEndpoint": host,
            "Error": "",
            "Name": name,
        });
        if format == Format::Table {
            let mark = if is_current { " *" } else { "" };
            fields["Marked"] = format!("{name}{mark}").into();
        }
        row(fields, Labels::new())
    };
    let rows: Vec<Row> = known.iter().map(fields).collect();
    show(&rows, &format, HEADINGS, COLUMNS)?;
    if let Some((variable, _)) = host_variable().filter(|_| known.len() > 1) {
        eprintln!(
            "Warning: {variable} environment variable overrides the active context. To use a context, either set the \
             global --context flag, or unset {variable} environment variable."
        );
    }
    Ok(0)
}
