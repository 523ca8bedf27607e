//! `bulkhead update`

use bulkhead_api::container::{RestartPolicy, UpdateRequest, UpdateResponse};
use bulkhead_api::route::Route;
use clap::Args;

use crate::client::{Call, Client};
use crate::error::{Error, Result};
use crate::flags;
use crate::output::print;

#[derive(Args, Debug)]
#[command(override_usage = "[OPTIONS] CONTAINER [CONTAINER...]")]
pub(crate) struct UpdateArgs {
    /// Block IO weight, 10 to 1000, or 0 for the default
    #[arg(long, value_name = "N")]
    blkio_weight: Option<u16>,
    /// CFS period in microseconds
    #[arg(long, value_name = "N")]
    cpu_period: Option<i64>,
    /// CFS quota in microseconds
    #[arg(long, value_name = "N", allow_hyphen_values = true)]
    cpu_quota: Option<i64>,
    /// Real-time period in microseconds
    #[arg(long, value_name = "N")]
    cpu_rt_period: Option<i64>,
    /// Real-time runtime in microseconds
    #[arg(long, value_name = "N")]
    cpu_rt_runtime: Option<i64>,
    /// CPU shares (relative weight)
    #[arg(short, long, value_name = "N")]
    cpu_shares: Option<i64>,
    /// Number of CPUs
    #[arg(long, value_name = "DECIMAL", value_parser = flags::parse_nano_cpus)]
    cpus: Option<i64>,
    /// CPUs in which to run (0-3, 0,1)
    #[arg(long, value_name = "LIST")]
    cpuset_cpus: Option<String>,
    /// NUMA nodes whose memory to use (0-3, 0,1)
    #[arg(long, value_name = "LIST")]
    cpuset_mems: Option<String>,
    /// Memory limit
    #[arg(short, long, value_name = "BYTES", value_parser = flags::parse_size)]
    memory: Option<i64>,
    /// Memory soft limit
    #[arg(long, value_name = "BYTES", value_parser = flags::parse_size)]
    memory_reservation: Option<i64>,
    /// Memory and swap together: -1 for unlimited swap
    #[arg(long, value_name = "BYTES", value_parser = flags::parse_swap, allow_hyphen_values = true)]
    memory_swap: Option<i64>,
    /// Processes and threads (-1 for unlimited)
    #[arg(long, value_name = "N", allow_hyphen_values = true)]
    pids_limit: Option<i64>,
    /// When to restart: no, on-failure[:MAX], always or unless-stopped
    #[arg(long, value_name = "POLICY", value_parser = restart_policy)]
    restart: Option<RestartPolicy>,
    #[arg(value_name = "CONTAINER", required = true, hide = true)]
    containers: Vec<String>,
}

/// `on-failure:3`; the daemon knows which names there are.
fn restart_policy(text: &str) -> Result<RestartPolicy, String> {
    let (name, count) = match text.split_once(':') {
        Some((name, count)) => (name, count),
        None => (text, "0"),
    };
    let count = count
        .parse()
        .map_err(|_| "maximum retry count must be an integer".to_owned())?;
    if name.is_empty() && !text.is_empty() {
        return Err("no policy provided before colon".into());
    }
    Ok(RestartPolicy {
        name: name.to_owned(),
        maximum_retry_count: count,
    })
}

pub(crate) async fn execute(client: &Client, args: &UpdateArgs) -> Result<u8> {
    let request = args.request();
    let changes_nothing = request == UpdateRequest::default() && args.restart.is_none();
    if changes_nothing && !args.names_a_limit() {
        return Err(Error::Conflict(
            "you must provide one or more flags when using this command",
        ));
    }
    let (mut warnings, mut failed) = (Vec::new(), false);
    for name in &args.containers {
        let call = Call::new(Route::ContainerUpdate(name.clone())).json(&request);
        match client.json::<UpdateResponse>(call).await {
            Ok(answer) => {
                print(format_args!("{name}\n"))?;
                warnings.extend(answer.warnings);
            }
            Err(error) => {
                crate::output::complain(&error);
                failed = true;
            }
        }
    }
    warnings.iter().for_each(|warning| eprintln!("{warning}"));
    Ok(u8::from(failed))
}

impl UpdateArgs {
    fn request(&self) -> UpdateRequest {
        UpdateRequest {
            blkio_weight: self.blkio_weight.unwrap_or_default(),
            cpu_period: self.cpu_period.unwrap_or_default(),
            cpu_quota: self.cpu_quota.unwrap_or_default(),
            cpu_realtime_period: self.cpu_rt_period.unwrap_or_default(),
            cpu_realtime_runtime: self.cpu_rt_runtime.unwrap_or_default(),
            cpu_shares: self.cpu_shares.unwrap_or_default(),
            nano_cpus: self.cpus.unwrap_or_default(),
            cpuset_cpus: self.cpuset_cpus.clone().unwrap_or_default(),
            cpuset_mems: self.cpuset_mems.clone().unwrap_or_default(),
            memory: self.memory.unwrap_or_default(),
            memory_reservation: self.memory_reservation.unwrap_or_default(),
            memory_swap: self.memory_swap.unwrap_or_default(),
            pids_limit: self.pids_limit,
            restart_policy: self.restart.clone().unwrap_or_default(),
            ..UpdateRequest::default()
        }
    }

    /// A limit of zero is a flag, too.
    fn names_a_limit(&self) -> bool {
        let numbers = [
            self.cpu_period,
            self.cpu_quota,
            self.cpu_rt_period,
            self.cpu_rt_runtime,
            self.cpu_shares,
            self.cpus,
            self.memory,
            self.memory_reservation,
            self.memory_swap,
        ];
        numbers.iter().any(Option::is_some)
            || self.blkio_weight.is_some()
            || self.cpuset_cpus.is_some()
            || self.cpuset_mems.is_some()
    }
}
