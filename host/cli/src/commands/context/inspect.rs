//! `bulkhead context inspect`

use clap::Args;
use serde_json::{Map, Value, json};

use crate::client::{HostFlags, default_address};
use crate::commands::inspect::show_found;
use crate::docker_config::{ConfigDir, Context, DEFAULT};
use crate::error::Result;
use crate::output::row;
use crate::template::{Data, Labels};

#[derive(Args, Debug)]
#[command(override_usage = "[OPTIONS] [CONTEXT] [CONTEXT...]")]
pub(crate) struct InspectArgs {
    /// json, or text with {{.Name}} and the like
    #[arg(short, long)]
    format: Option<String>,
    #[arg(value_name = "CONTEXT", hide = true)]
    names: Vec<String>,
}

pub(super) fn execute(flags: &HostFlags, config: &ConfigDir, args: &InspectArgs) -> Result<u8> {
    let mut names = args.names.clone();
    if names.is_empty() {
        names.push(flags.context_name(config)?);
    }
    let (mut found, mut errors) = (Vec::new(), Vec::new());
    for name in &names {
        match describe(config, name) {
            Ok(data) => found.push(data),
            Err(error) => errors.push(error),
        }
    }
    show_found(args.format.as_deref(), found, &errors)
}

fn describe(config: &ConfigDir, name: &str) -> Result<Data> {
    let (value, folders) = match name {
        DEFAULT => {
            let mut context = Context::new(DEFAULT);
            context.set_endpoint(&default_address(), false);
            (json!(context), ("<IN MEMORY>".into(), "<IN MEMORY>".into()))
        }
        name => {
            let folders = (config.context_folder(name), config.context_tls_folder(name));
            (json!(config.context(name)?), folders)
        }
    };
    let files = config.read_tls(name)?;
    let names: Vec<&str> = files.iter().map(|(name, _)| *name).collect();
    let mut material = Map::new();
    if !names.is_empty() {
        material.insert("docker".into(), json!(names));
    }
    let (meta, tls): (std::path::PathBuf, std::path::PathBuf) = folders;
    let field = |name: &str, value: Value| (name.to_owned(), row(value, Labels::new()).data);
    Ok(Data::Struct(vec![
        field("Name", value["Name"].clone()),
        field("Metadata", value["Metadata"].clone()),
        field("Endpoints", value["Endpoints"].clone()),
        field("TLSMaterial", Value::Object(material)),
        field("Storage", json!({"MetadataPath": meta, "TLSPath": tls})),
    ]))
}
