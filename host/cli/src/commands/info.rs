//! `bulkhead info`

use std::fmt::Write;

use bulkhead_api::route::Route;
use bulkhead_api::system::Info;
use clap::Args;
use serde_json::Value;

use super::print;
use crate::client::{Call, Client};
use crate::error::Result;
use crate::output::{Format, Template, binary_size};

#[derive(Args, Debug)]
#[command(override_usage = "bulkhead info [OPTIONS]")]
pub(crate) struct InfoArgs {
    /// json, or text with {{.Driver}} and the like
    #[arg(short, long)]
    format: Option<String>,
}

pub(super) async fn execute(client: &Client, args: &InfoArgs) -> Result<u8> {
    let format = Format::parse(args.format.as_deref())?;
    if format == Format::Table {
        let info: Info = client.json(Call::new(Route::Info)).await?;
        print(format_args!(
            "{}{}",
            client_part(client),
            server_part(&info)
        ))?;
        info.warnings
            .iter()
            .for_each(|warning| eprintln!("WARNING: {warning}"));
        return Ok(0);
    }
    let value: Value = client.json(Call::new(Route::Info)).await?;
    print_value(&value, &format)?;
    Ok(0)
}

/// Shows one object as JSON or through a template.
pub(super) fn print_value(value: &Value, format: &Format) -> Result<()> {
    let render = |template: &Template| template.render(value).map(|text| text + "\n");
    match format {
        Format::Lines(template) | Format::Columns(template) => print(render(template)?),
        Format::Json | Format::Table => print(format_args!("{value}\n")),
    }
}

fn client_part(client: &Client) -> String {
    format!(
        "Client:\n Version:    {}\n Daemon at:  {}\n\n",
        env!("CARGO_PKG_VERSION"),
        client.address()
    )
}

fn server_part(info: &Info) -> String {
    let mut out = String::from("Server:\n");
    let mut line = |label: &str, value: &dyn std::fmt::Display| {
        writeln!(out, " {label}: {value}").expect("writing to a String cannot fail");
    };
    line("Containers", &info.containers);
    line(" Running", &info.containers_running);
    line(" Paused", &info.containers_paused);
    line(" Stopped", &info.containers_stopped);
    line("Images", &info.images);
    line("Server Version", &info.server_version);
    line("Storage Driver", &info.driver);
    info.driver_status
        .iter()
        .for_each(|(name, value)| line(&format!(" {name}"), value));
    line("Logging Driver", &info.logging_driver);
    line("Cgroup Driver", &info.cgroup_driver);
    line("Cgroup Version", &info.cgroup_version);
    line("Plugins", &"");
    line(" Volume", &info.plugins.volume.join(" "));
    line(" Network", &info.plugins.network.join(" "));
    line(" Log", &info.plugins.log.join(" "));
    line("Default Runtime", &info.default_runtime);
    line("Security Options", &"");
    info.security_options
        .iter()
        .for_each(|option| security_option(option, &mut line));
    line("Kernel Version", &info.kernel_version);
    line("Operating System", &info.operating_system);
    line("OSType", &info.os_type);
    line("Architecture", &info.architecture);
    line("CPUs", &info.n_cpu);
    line("Total Memory", &binary_size(info.mem_total));
    line("Name", &info.name);
    line("ID", &info.id);
    line("Docker Root Dir", &info.docker_root_dir);
    line("Debug Mode", &info.debug);
    line("Experimental", &info.experimental_build);
    if !info.registry_config.insecure_registry_cidrs.is_empty() {
        line("Insecure Registries", &"");
        info.registry_config
            .insecure_registry_cidrs
            .iter()
            .for_each(|cidr| line(&format!(" {cidr}"), &""));
    }
    line("Live Restore Enabled", &info.live_restore_enabled);
    tidy(&out)
}

/// `name=seccomp,profile=default` as two lines.
fn security_option(option: &str, line: &mut impl FnMut(&str, &dyn std::fmt::Display)) {
    for part in option.split(',') {
        match part.split_once('=') {
            Some(("name", name)) => line(&format!(" {name}"), &""),
            Some((key, value)) => line(&format!("  {key}"), &value),
            None => line(&format!(" {part}"), &""),
        }
    }
}

/// Takes the space after a label without a value away.
fn tidy(text: &str) -> String {
    text.lines()
        .map(|line| format!("{}\n", line.trim_end()))
        .collect()
}
