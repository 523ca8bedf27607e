//! `bulkhead port`

use bulkhead_api::container::ContainerInspect;
use bulkhead_api::network::PortBinding;
use bulkhead_api::query::InspectQuery;
use bulkhead_api::route::Route;
use clap::Args;

use crate::client::{Call, Client};
use crate::error::{Error, Result};
use crate::output::print;

#[derive(Args, Debug)]
#[command(override_usage = "CONTAINER [PRIVATE_PORT[/PROTO]]")]
pub(crate) struct PortArgs {
    #[arg(value_name = "CONTAINER", hide = true)]
    container: String,
    #[arg(value_name = "PRIVATE_PORT[/PROTO]", hide = true)]
    port: Option<String>,
}

pub(crate) async fn execute(client: &Client, args: &PortArgs) -> Result<u8> {
    let inspect =
        Call::new(Route::ContainerInspect(args.container.clone())).params(&InspectQuery::default());
    let container: ContainerInspect = client.json(inspect).await?;
    let ports = &container.network_settings.ports;
    let Some(wanted) = &args.port else {
        let mut mapped: Vec<(&String, &PortBinding)> = ports
            .iter()
            .flat_map(|(port, bindings)| bindings.iter().flatten().map(move |b| (port, b)))
            .collect();
        mapped.sort_by_key(|(port, _)| number(port));
        for (port, binding) in mapped {
            print(format_args!("{port} -> {}\n", address(binding)))?;
        }
        return Ok(0);
    };
    let (port, protocol) = wanted.split_once('/').unwrap_or((wanted, "tcp"));
    if port.parse::<u16>().is_err() {
        return Err(Error::Option(format!(
            "Error: invalid port ({port}): expected a number from 0 to 65535"
        )));
    }
    let key = format!("{port}/{}", protocol.to_lowercase());
    match ports.get(&key).and_then(Option::as_ref) {
        Some(bindings) => {
            for binding in bindings {
                print(format_args!("{}\n", address(binding)))?;
            }
            Ok(0)
        }
        None => Err(Error::Option(format!(
            "Error: No public port '{key}' published for {}",
            args.container
        ))),
    }
}

/// `80/tcp` sorts by its number.
fn number(port: &str) -> (u16, String) {
    let (number, protocol) = port.split_once('/').unwrap_or((port, ""));
    (number.parse().unwrap_or_default(), protocol.to_owned())
}

fn address(binding: &PortBinding) -> String {
    match binding.host_ip.contains(':') {
        true => format!("[{}]:{}", binding.host_ip, binding.host_port),
        false => format!("{}:{}", binding.host_ip, binding.host_port),
    }
}
