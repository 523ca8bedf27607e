//! `bulkhead manifest`: documents in registries.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bulkhead_api::image::DistributionInspect;
use bulkhead_api::route::Route;
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::image::pull::reference;
use crate::client::{Call, Client};
use crate::credentials;
use crate::error::{Error, Result};
use crate::output::print;

/// What stands after `manifest`.
#[derive(Subcommand, Debug)]
pub(crate) enum Management {
    /// Display a manifest, or a list of manifests, as the registry has it
    Inspect(InspectArgs),
}

#[derive(Args, Debug)]
#[command(override_usage = "[OPTIONS] NAME[:TAG|@DIGEST]")]
pub(crate) struct InspectArgs {
    /// Allow an insecure registry (the daemon's configuration decides)
    #[arg(long, hide = true)]
    insecure: bool,
    /// With its name and descriptor, and those of each platform
    #[arg(short, long)]
    verbose: bool,
    #[arg(value_name = "NAME", hide = true)]
    name: String,
}

impl Management {
    /// Carries the verb out and gives the exit code.
    pub(crate) async fn execute(&self, client: &Client) -> Result<u8> {
        match self {
            Management::Inspect(args) => inspect(client, args).await,
        }
    }
}

async fn inspect(client: &Client, args: &InspectArgs) -> Result<u8> {
    let named = reference(&args.name)?;
    let document = match bring(client, &named.to_string(), &named.domain).await {
        Err(Error::Daemon { status: 404, .. }) => {
            return Err(Error::Plain(format!("no such manifest: {}", args.name)));
        }
        brought => brought?,
    };
    if !args.verbose {
        print(format_args!("{}\n", indented(&document)))?;
        return Ok(0);
    }
    let fields: Value = bulkhead_api::json::decode(document.as_bytes())?;
    let shown = match fields["manifests"].as_array() {
        None => {
            let name = named.to_string();
            described(client, &name, &named.domain, &document, &Value::Null).await?
        }
        Some(entries) => {
            let mut all = Vec::new();
            for entry in entries {
                let digest = entry["digest"].as_str().unwrap_or_default();
                let name = format!("{}/{}@{digest}", named.domain, named.path);
                let document = bring(client, &name, &named.domain).await?;
                let platform = &entry["platform"];
                all.push(described(client, &name, &named.domain, &document, platform).await?);
            }
            format!("[{}]", all.join(","))
        }
    };
    print(format_args!("{}\n", indented(&shown)))?;
    Ok(0)
}

async fn bring(client: &Client, name: &str, domain: &str) -> Result<String> {
    let auth = credentials::for_registry(client.config(), domain).to_header();
    let route = Route::DistributionManifest(name.to_owned());
    let bytes = client.bytes(Call::new(route).auth(auth)).await?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// What docker shows of a manifest, in its order: text, because the document
/// is shown as the registry has it. A list says the platform better.
async fn described(
    client: &Client,
    name: &str,
    domain: &str,
    document: &str,
    listed: &Value,
) -> Result<String> {
    let auth = credentials::for_registry(client.config(), domain).to_header();
    let route = Route::DistributionInspect(name.to_owned());
    let known: DistributionInspect = client.json(Call::new(route).auth(auth)).await?;
    let platform = match listed {
        Value::Null => json!(known.platforms.first()),
        listed => listed.clone(),
    };
    let kind = match known.descriptor.media_type.contains(".oci.") {
        true => "OCIManifest",
        false => "SchemaV2Manifest",
    };
    // Nothing but JSON goes to the terminal.
    bulkhead_api::json::decode::<Value>(document.as_bytes())?;
    let (media_type, digest) = (json!(known.descriptor.media_type), known.descriptor.digest);
    let (name, raw, size) = (
        json!(name),
        STANDARD.encode(document),
        known.descriptor.size,
    );
    let descriptor = format!(
        r#"{{"mediaType":{media_type},"digest":"{digest}","size":{size},"platform":{platform}}}"#
    );
    Ok(format!(
        r#"{{"Ref":{name},"Descriptor":{descriptor},"Raw":"{raw}","{kind}":{document}}}"#
    ))
}

/// JSON with a tab for each level, its fields as they stood.
fn indented(json: &str) -> String {
    let mut out = String::with_capacity(2 * json.len());
    let (mut depth, mut in_text, mut escaped) = (0_usize, false, false);
    let line = |out: &mut String, depth: usize| {
        out.push('\n');
        out.extend(std::iter::repeat_n('\t', depth));
    };
    let mut empty = false;
    for c in json.chars() {
        if in_text {
            out.push(c);
            in_text = escaped || c != '"';
            escaped = c == '\\' && !escaped;
            continue;
        }
        if c.is_ascii_whitespace() {
            continue;
        }
        let closes = matches!(c, '}' | ']');
        if closes {
            depth = depth.saturating_sub(1);
        }
        if (empty && !closes) || (closes && !empty) {
            line(&mut out, depth);
        }
        empty = false;
        match c {
            '{' | '[' => {
                depth += 1;
                empty = true;
                out.push(c);
            }
            ',' => {
                out.push(c);
                line(&mut out, depth);
            }
            ':' => out.push_str(": "),
            _ => {
                in_text = c == '"';
                out.push(c);
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_indented_and_otherwise_left_alone() {
        let text = indented(r#"{"b":1,"a":[ {"k":"x\",{: \\"},{}],"e":[]}"#);
        let expected = "{\n\t\"b\": 1,\n\t\"a\": [\n\t\t{\n\t\t\t\"k\": \"x\\\",{: \\\\\"\n\t\t},\n\t\t{}\n\t],\n\t\"e\": []\n}";
        assert_eq!(text, expected);
    }
}
