//! `bulkhead ps`

use bulkhead_api::container::{ContainerSummary, SummaryPort};
use bulkhead_api::query::ListQuery;
use bulkhead_api::route::Route;
use clap::Args;
use serde_json::json;

use crate::client::{Call, Client};
use crate::error::Result;
use crate::filter::{FilterFlag, filters};
use crate::output::{
    Format, Heading, ago, date_time, decimal_size, label_list, print, quote, row, short_id,
    shorten, show, warn,
};
use crate::template::Row;

#[derive(Args, Debug, Default)]
#[command(override_usage = "[OPTIONS]")]
pub(crate) struct PsArgs {
    /// Show all containers (default shows just running)
    #[arg(short, long)]
    all: bool,
    /// Filter the output (status=exited, name=web, ...)
    #[arg(short, long, value_name = "NAME=VALUE")]
    filter: Vec<FilterFlag>,
    /// table, raw, json, or text with {{.Names}} and the like
    #[arg(long)]
    format: Option<String>,
    /// Show the n last created containers (includes all states)
    #[arg(short = 'n', long, value_name = "N", default_value_t = -1, allow_hyphen_values = true, hide_default_value = true)]
    last: i64,
    /// Show the latest created container (includes all states)
    #[arg(short, long)]
    latest: bool,
    /// Don't truncate output
    #[arg(long)]
    no_trunc: bool,
    /// Only display container ids
    #[arg(short, long)]
    quiet: bool,
    /// Display total file sizes
    #[arg(short, long)]
    size: bool,
}

pub(crate) const HEADINGS: &[Heading] = &[
    ("ID", "CONTAINER ID"),
    ("Names", "NAMES"),
    ("Image", "IMAGE"),
    ("Command", "COMMAND"),
    ("CreatedAt", "CREATED AT"),
    ("RunningFor", "CREATED"),
    ("Ports", "PORTS"),
    ("State", "STATE"),
    ("Status", "STATUS"),
    ("Size", "SIZE"),
    ("Labels", "LABELS"),
    ("Mounts", "MOUNTS"),
    ("LocalVolumes", "LOCAL VOLUMES"),
    ("Networks", "NETWORKS"),
    ("Platform", "PLATFORM"),
];

/// `--format raw`, as docker has it; so with `--size`, and with `--quiet`.
const RAW: &str = "container_id: {{.ID}}\nimage: {{.Image}}\ncommand: {{.Command}}\ncreated_at: {{.CreatedAt}}\nstate: {{- pad .State 1 0}}\nstatus: {{- pad .Status 1 0}}\nnames: {{.Names}}\nlabels: {{- pad .Labels 1 0}}\nports: {{- pad .Ports 1 0}}\n";
const RAW_SIZE: &str = "size: {{.Size}}\n";
const RAW_QUIET: &str = "container_id: {{.ID}}";

const COLUMNS: &[&str] = &[
    "ID",
    "Image",
    "Command",
    "RunningFor",
    "Status",
    "Ports",
    "Names",
];

/// Those of `system df -v`.
pub(crate) const USAGE_COLUMNS: &[&str] = &[
    "ID",
    "Image",
    "Command",
    "LocalVolumes",
    "Size",
    "RunningFor",
    "Status",
    "Names",
];

/// A row for each container of `system df -v`.
pub(crate) fn usage_rows(containers: &[ContainerSummary], whole_ids: bool) -> Vec<Row> {
    let args = PsArgs {
        no_trunc: whole_ids,
        ..PsArgs::default()
    };
    let own_size = |container: &ContainerSummary| ContainerSummary {
        size_root_fs: None,
        ..container.clone()
    };
    containers
        .iter()
        .map(|container| args.fields(&own_size(container)))
        .collect()
}

pub(crate) async fn execute(client: &Client, args: &PsArgs) -> Result<u8> {
    let form = match args.quiet {
        true => args.format.clone().unwrap_or_default(),
        false => client.config().option("psFormat", args.format.as_deref())?,
    };
    let format = Format::parse_or_raw(Some(&form), &args.raw())?;
    let limit = if args.latest {
        Some(1)
    } else {
        Some(args.last).filter(|n| *n > 0)
    };
    let query = ListQuery {
        all: args.all,
        limit,
        size: args.size && !args.quiet,
        filters: filters(&args.filter),
    };
    let containers: Vec<ContainerSummary> = client
        .json(Call::new(Route::ContainerList).params(&query))
        .await?;
    if args.quiet && args.format.is_some() {
        warn("WARNING: Ignoring custom format, because both --format and --quiet are set.");
    }
    if args.quiet && args.format.as_deref() != Some("raw") {
        containers
            .iter()
            .try_for_each(|container| print(format_args!("{}\n", args.id(container))))?;
        return Ok(0);
    }
    let rows: Vec<Row> = containers
        .iter()
        .map(|container| args.fields(container))
        .collect();
    let mut columns = COLUMNS.to_vec();
    if args.size {
        columns.push("Size");
    }
    show(&rows, &format, HEADINGS, &columns)?;
    Ok(0)
}

impl PsArgs {
    fn raw(&self) -> String {
        match (self.quiet, self.size) {
            (true, _) => RAW_QUIET.to_owned(),
            (false, true) => [RAW, RAW_SIZE].concat(),
            (false, false) => RAW.to_owned(),
        }
    }

    fn id(&self, container: &ContainerSummary) -> String {
        if self.no_trunc {
            container.id.clone()
        } else {
            short_id(&container.id)
        }
    }

    fn image(&self, container: &ContainerSummary) -> String {
        let image = &container.image;
        match image.strip_prefix("sha256:") {
            _ if image.is_empty() => "<no image>".into(),
            Some(_) if !self.no_trunc => short_id(image),
            _ => image.clone(),
        }
    }

    fn command(&self, container: &ContainerSummary) -> String {
        if self.no_trunc {
            quote(&container.command)
        } else {
            quote(&shorten(&container.command, 20))
        }
    }

    fn fields(&self, container: &ContainerSummary) -> Row {
        let names = container
            .names
            .iter()
            .map(|name| name.trim_start_matches('/'));
        let names: Vec<&str> = names
            .filter(|name| self.no_trunc || !name.contains('/'))
            .collect();
        let networks: Vec<&str> = container
            .network_settings
            .networks
            .keys()
            .map(String::as_str)
            .collect();
        let mounts = container.mounts.iter().map(|m| {
            if m.name.is_empty() {
                &m.source
            } else {
                &m.name
            }
        });
        let fields = json!({
            "ID": self.id(container),
            "Image": self.image(container),
            "Command": self.command(container),
            "CreatedAt": date_time(container.created),
            "RunningFor": ago(container.created),
            "Status": container.status,
            "State": container.state,
            "Ports": ports(&container.ports),
            "Names": names.join(","),
            "Labels": label_list(&container.labels),
            "Networks": networks.join(","),
            "Mounts": mounts.cloned().collect::<Vec<_>>().join(","),
            "LocalVolumes": container.mounts.iter().filter(|m| m.driver == "local").count().to_string(),
            "Platform": null,
            "Size": size(container),
        });
        row(fields, container.labels.clone())
    }
}

fn size(container: &ContainerSummary) -> String {
    let own = decimal_size(container.size_rw.unwrap_or_default(), 3);
    match container.size_root_fs {
        Some(all) if all > 0 => format!("{own} (virtual {})", decimal_size(all, 3)),
        _ => own,
    }
}

/// `0.0.0.0:8080->80/tcp, 90-92/tcp`: neighbours that are exposed, or
/// published under their own number, are drawn together.
fn ports(list: &[SummaryPort]) -> String {
    let mut sorted: Vec<&SummaryPort> = list.iter().collect();
    sorted.sort_by_key(|p| (p.private_port, &p.ip, p.public_port, &p.protocol));
    let mut groups: Vec<(String, &str, u16, u16)> = Vec::new();
    let mut mappings = Vec::new();
    for port in sorted {
        if !port.ip.is_empty() && port.public_port != port.private_port {
            let (address, private) = (
                host_port(&port.ip, &port.public_port.to_string()),
                port.private_port,
            );
            mappings.push(format!("{address}->{private}/{}", port.protocol));
            continue;
        }
        let neighbour = groups.iter_mut().find(|(ip, protocol, _, last)| {
            *ip == port.ip
                && *protocol == port.protocol
                && last.checked_add(1) == Some(port.private_port)
        });
        match neighbour {
            Some(group) => group.3 = port.private_port,
            None => groups.push((
                port.ip.clone(),
                &port.protocol,
                port.private_port,
                port.private_port,
            )),
        }
    }
    let groups = groups.into_iter().map(|(ip, protocol, first, last)| {
        let range = if first == last {
            first.to_string()
        } else {
            format!("{first}-{last}")
        };
        match ip.as_str() {
            "" => format!("{range}/{protocol}"),
            ip => format!("{}->{range}/{protocol}", host_port(ip, &range)),
        }
    });
    groups.chain(mappings).collect::<Vec<_>>().join(", ")
}

fn host_port(ip: &str, port: &str) -> String {
    if ip.contains(':') {
        format!("[{ip}]:{port}")
    } else {
        format!("{ip}:{port}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn port(ip: &str, private_port: u16, public_port: u16) -> SummaryPort {
        SummaryPort {
            ip: ip.into(),
            private_port,
            public_port,
            protocol: "tcp".into(),
        }
    }

    #[test]
    fn ports_are_drawn_as_docker_draws_them() {
        let both = [port("::", 80, 18080), port("0.0.0.0", 80, 18080)];
        assert_eq!(ports(&both), "0.0.0.0:18080->80/tcp, [::]:18080->80/tcp");
        assert_eq!(
            ports(&[
                port("", 82, 0),
                port("", 80, 0),
                port("", 81, 0),
                port("", 90, 0)
            ]),
            "80-82/tcp, 90/tcp"
        );
        let same = [
            port("0.0.0.0", 80, 80),
            port("0.0.0.0", 81, 81),
            port("0.0.0.0", 82, 9),
        ];
        assert_eq!(ports(&same), "0.0.0.0:80-81->80-81/tcp, 0.0.0.0:9->82/tcp");
    }
}
