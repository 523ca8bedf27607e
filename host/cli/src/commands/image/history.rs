//! `bulkhead history`

use bulkhead_api::image::HistoryItem;
use bulkhead_api::route::Route;
use clap::{ArgAction, Args};
use serde_json::json;

use crate::client::{Call, Client};
use crate::error::Result;
use crate::output::{
    Format, Heading, ago, decimal_size, print, row, short_id, shorten, show, whole_seconds,
};
use crate::template::Row;

#[derive(Args, Debug)]
#[command(override_usage = "[OPTIONS] IMAGE")]
pub(crate) struct HistoryArgs {
    /// table, json, or text with {{.CreatedBy}} and the like
    #[arg(long)]
    format: Option<String>,
    /// Print sizes and dates in human readable format
    #[arg(short = 'H', long, default_value = "true", num_args = 0..=1, require_equals = true,
          default_missing_value = "true", action = ArgAction::Set, value_name = "BOOL", hide_default_value = true, hide_possible_values = true)]
    human: bool,
    /// Don't truncate output
    #[arg(long)]
    no_trunc: bool,
    /// Only show image IDs
    #[arg(short, long)]
    quiet: bool,
    #[arg(value_name = "IMAGE", hide = true)]
    image: String,
}

const HEADINGS: &[Heading] = &[
    ("ID", "IMAGE"),
    ("CreatedSince", "CREATED"),
    ("CreatedAt", "CREATED AT"),
    ("CreatedBy", "CREATED BY"),
    ("Size", "SIZE"),
    ("Comment", "COMMENT"),
];
/// Characters of a command that is cut off.
const COMMAND: usize = 45;

pub(crate) async fn execute(client: &Client, args: &HistoryArgs) -> Result<u8> {
    let format = Format::parse(args.format.as_deref())?;
    let call = Call::new(Route::ImageHistory(args.image.clone()));
    let steps: Vec<HistoryItem> = client.json(call).await?;
    if args.quiet {
        for step in &steps {
            print(format_args!("{}\n", args.id(step)))?;
        }
        return Ok(0);
    }
    let rows: Vec<Row> = steps.iter().map(|step| args.fields(step)).collect();
    let created = if args.human {
        "CreatedSince"
    } else {
        "CreatedAt"
    };
    let columns = ["ID", created, "CreatedBy", "Size", "Comment"];
    show(&rows, &format, HEADINGS, &columns)?;
    Ok(0)
}

impl HistoryArgs {
    fn id(&self, step: &HistoryItem) -> String {
        if self.no_trunc {
            step.id.clone()
        } else {
            short_id(&step.id)
        }
    }

    fn fields(&self, step: &HistoryItem) -> Row {
        let command = step.created_by.replace('\t', " ");
        let size = if self.human {
            decimal_size(step.size, 3)
        } else {
            step.size.to_string()
        };
        let fields = json!({
            "ID": self.id(step),
            "CreatedSince": ago(step.created),
            "CreatedAt": whole_seconds(step.created),
            "CreatedBy": if self.no_trunc { command } else { shorten(&command, COMMAND) },
            "Size": size,
            "Comment": step.comment,
        });
        row(fields, Default::default())
    }
}
