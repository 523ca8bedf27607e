//! `bulkhead version`

use bulkhead_api::route::Route;
use bulkhead_api::system::{Version, VersionComponent};
use clap::Args;
use serde_json::json;

use crate::client::{Call, Client};
use crate::error::Result;
use crate::output::{Format, print, print_value, row};
use crate::template::{Data, Labels};

#[derive(Args, Debug)]
#[command(override_usage = "[OPTIONS]")]
pub(crate) struct VersionArgs {
    /// json, or text with {{.Server.Version}} and the like
    #[arg(short, long)]
    format: Option<String>,
}

pub(crate) async fn execute(client: &Client, args: &VersionArgs) -> Result<u8> {
    let format = Format::parse(args.format.as_deref())?;
    let server = client.data(Call::new(Route::Version)).await;
    if format == Format::Table {
        // Our own version is worth telling even if nothing answers.
        print(client_part(client, server.is_ok()))?;
        let server: Version = bulkhead_api::json::decode(server?.to_json().as_bytes())?;
        print(format_args!("\n{}", server_part(&server)))?;
        return Ok(0);
    }
    let own = json!({
        "Version": env!("CARGO_PKG_VERSION"),
        "ApiVersion": client.version().to_string(),
        "Os": std::env::consts::OS,
        "Arch": arch(),
    });
    let both = vec![
        ("Client".to_owned(), row(own, Labels::new()).data),
        ("Server".to_owned(), server?),
    ];
    print_value(Data::Struct(both), &format)?;
    Ok(0)
}

fn client_part(client: &Client, negotiated: bool) -> String {
    let (spoken, newest) = (client.version(), bulkhead_api::version::MAX);
    let api = match negotiated && spoken != newest {
        true => format!("{spoken} (downgraded from {newest})"),
        false => spoken.to_string(),
    };
    let (os, arch) = (std::env::consts::OS, arch());
    format!(
        "Client:\n Version:           {}\n API version:       {api}\n OS/Arch:           {os}/{arch}\n",
        env!("CARGO_PKG_VERSION")
    )
}

/// The architecture as images name it.
fn arch() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

fn server_part(server: &Version) -> String {
    let engine = server
        .components
        .iter()
        .find(|component| component.name == "Engine");
    let detail = |name: &str, or: &str| {
        let found = engine
            .and_then(|engine| engine.details.get(name))
            .map(String::as_str);
        found
            .filter(|text| !text.is_empty())
            .unwrap_or(or)
            .to_owned()
    };
    let mut out = format!(
        "Server:\n Engine:\n  Version:          {}\n  API version:      {} (minimum version {})\n  Git commit:       {}\n  \
         OS/Arch:          {}/{}\n  Kernel:           {}\n  Experimental:     {}\n",
        server.version,
        server.api_version,
        server.min_api_version,
        detail("GitCommit", &server.git_commit),
        server.os,
        server.arch,
        server.kernel_version,
        server.experimental,
    );
    server
        .components
        .iter()
        .filter(|c| c.name != "Engine")
        .for_each(|c| out.push_str(&component(c)));
    out
}

fn component(part: &VersionComponent) -> String {
    let details = part.details.iter().filter(|(_, value)| !value.is_empty());
    let details: String = details
        .map(|(name, value)| format!("  {:<18}{value}\n", format!("{name}:")))
        .collect();
    format!(
        " {}:\n  Version:          {}\n{details}",
        part.name, part.version
    )
}
