//! `bulkhead inspect`

use bulkhead_api::query::{ImageInspectQuery, InspectQuery};
use bulkhead_api::route::Route;
use clap::Args;
use serde_json::Value;

use super::print;
use crate::client::{Call, Client};
use crate::error::{Error, Result};
use crate::output::Template;

#[derive(Args, Debug)]
#[command(override_usage = "bulkhead inspect [OPTIONS] NAME|ID [NAME|ID...]")]
pub(crate) struct InspectArgs {
    /// json, or text with {{.State.Status}} and the like
    #[arg(short, long)]
    format: Option<String>,
    /// Display total file sizes of containers
    #[arg(short, long)]
    size: bool,
    /// Only look for this: container or image
    #[arg(long = "type", value_name = "TYPE", value_parser = ["container", "image"])]
    kind: Option<String>,
    #[arg(value_name = "NAME|ID", required = true, hide = true)]
    names: Vec<String>,
}

pub(super) async fn execute(client: &Client, args: &InspectArgs) -> Result<u8> {
    let format = args.format.as_deref().filter(|text| !text.is_empty());
    let template = format
        .filter(|text| *text != "json")
        .map(Template::parse)
        .transpose()?;
    let (mut found, mut errors) = (Vec::new(), Vec::new());
    for name in &args.names {
        match find(client, args, name).await {
            Ok(value) => found.push(value),
            Err(error) if error.is_not_found() => {
                errors.push(format!("Error: No such {}: {name}", args.what()))
            }
            Err(error) => errors.push(error.to_string()),
        }
    }
    match (&template, format) {
        (Some(template), _) => found
            .iter()
            .try_for_each(|value| print(template.render(value)? + "\n"))?,
        (None, Some(_)) => print(format_args!("{}\n", Value::Array(found)))?,
        (None, None) => print(format_args!("{}\n", indented(&Value::Array(found))))?,
    }
    errors.iter().for_each(|error| eprintln!("{error}"));
    Ok(u8::from(!errors.is_empty()))
}

impl InspectArgs {
    fn what(&self) -> &str {
        self.kind.as_deref().unwrap_or("object")
    }
}

/// A container of that name, else an image. The answer is shown as it is, so
/// it is not decoded into types.
async fn find(client: &Client, args: &InspectArgs, name: &str) -> Result<Value> {
    let container = Call::new(Route::ContainerInspect(name.to_owned()))
        .params(&InspectQuery { size: args.size });
    let image =
        Call::new(Route::ImageInspect(name.to_owned())).params(&ImageInspectQuery::default());
    let answer = match args.kind.as_deref() {
        Some("container") => client.bytes(container).await,
        Some(_) => client.bytes(image).await,
        None => match client.bytes(container).await {
            Err(error) if error.is_not_found() => client.bytes(image).await,
            other => other,
        },
    };
    let syntax = |error| Error::Answer(bulkhead_api::json::DecodeError::Syntax(error));
    serde_json::from_slice(&answer?).map_err(syntax)
}

/// Four spaces a level, as docker has it.
fn indented(value: &Value) -> String {
    let mut out = Vec::new();
    let formatter = serde_json::ser::PrettyFormatter::with_indent(b"    ");
    let mut serializer = serde_json::Serializer::with_formatter(&mut out, formatter);
    serde::Serialize::serialize(value, &mut serializer).expect("a JSON value always serializes");
    String::from_utf8(out).expect("JSON is UTF-8")
}
