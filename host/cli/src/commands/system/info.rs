//! `bulkhead info`

use bulkhead_api::route::Route;
use bulkhead_api::system::Info;
use clap::Args;

use crate::client::{Call, Client};
use crate::error::Result;
use crate::output::{Format, binary_size, print, print_value};

#[derive(Args, Debug)]
#[command(override_usage = "[OPTIONS]")]
pub(crate) struct InfoArgs {
    /// json, or text with {{.Driver}} and the like
    #[arg(short, long)]
    format: Option<String>,
}

pub(crate) async fn execute(client: &Client, args: &InfoArgs) -> Result<u8> {
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
            .for_each(|warning| crate::output::warn(format_args!("WARNING: {warning}")));
        return Ok(0);
    }
    let value = client.data(Call::new(Route::Info)).await?;
    print_value(value, &format)?;
    Ok(0)
}

fn client_part(client: &Client) -> String {
    format!(
        "Client:\n Version:    {}\n Daemon at:  {}\n\n",
        env!("CARGO_PKG_VERSION"),
        client.address()
    )
}

fn server_part(info: &Info) -> String {
    let mut out = Lines::default();
    out.pair("Containers", info.containers);
    out.pair(" Running", info.containers_running);
    out.pair(" Paused", info.containers_paused);
    out.pair(" Stopped", info.containers_stopped);
    out.pair("Images", info.images);
    out.pair("Server Version", &info.server_version);
    out.pair("Storage Driver", &info.driver);
    info.driver_status
        .iter()
        .for_each(|(name, value)| out.pair(&format!(" {name}"), value));
    out.pair("Logging Driver", &info.logging_driver);
    out.pair("Cgroup Driver", &info.cgroup_driver);
    out.pair("Cgroup Version", &info.cgroup_version);
    out.line("Plugins:");
    out.pair(" Volume", info.plugins.volume.join(" "));
    out.pair(" Network", info.plugins.network.join(" "));
    out.pair(" Log", info.plugins.log.join(" "));
    out.pair("Default Runtime", &info.default_runtime);
    out.line("Security Options:");
    info.security_options
        .iter()
        .for_each(|option| out.security_option(option));
    out.pair("Kernel Version", &info.kernel_version);
    out.pair("Operating System", &info.operating_system);
    out.pair("OSType", &info.os_type);
    out.pair("Architecture", &info.architecture);
    out.pair("CPUs", info.n_cpu);
    out.pair("Total Memory", binary_size(info.mem_total));
    out.pair("Name", &info.name);
    out.pair("ID", &info.id);
    out.pair("Docker Root Dir", &info.docker_root_dir);
    out.pair("Debug Mode", info.debug);
    out.pair("Experimental", info.experimental_build);
    if !info.registry_config.insecure_registry_cidrs.is_empty() {
        out.line("Insecure Registries:");
        info.registry_config
            .insecure_registry_cidrs
            .iter()
            .for_each(|cidr| out.line(&format!(" {cidr}")));
    }
    out.pair("Live Restore Enabled", info.live_restore_enabled);
    format!("Server:\n{}", out.0)
}

/// Lines, each one space in.
#[derive(Default)]
struct Lines(String);

impl Lines {
    fn line(&mut self, text: &str) {
        self.0 += &format!(" {text}\n");
    }

    fn pair(&mut self, label: &str, value: impl std::fmt::Display) {
        self.line(format!("{label}: {value}").trim_end());
    }

    /// `name=seccomp,profile=default` as a name and what is said of it.
    fn security_option(&mut self, option: &str) {
        for part in option.split(',') {
            match part.split_once('=') {
                Some(("name", name)) => self.line(&format!(" {name}")),
                Some(("profile", profile)) => self.pair("  Profile", profile),
                Some((key, value)) => self.pair(&format!("  {key}"), value),
                None => self.line(&format!(" {part}")),
            }
        }
    }
}
