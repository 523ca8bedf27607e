//! Restarts, health checks and what else concerns a container's life.

use std::time::Duration;

use bulkhead_api::container::{ContainerConfig, HealthConfig, HostConfig, RestartPolicy};
use clap::Args;

use super::refused;
use crate::error::{Error, Result};
use crate::flags;

#[derive(Args, Debug)]
pub(super) struct LifecycleFlags {
    /// Restart policy when the container ends (no, always, unless-stopped, on-failure[:N])
    #[arg(long, value_name = "POLICY", default_value = "", hide_default_value = true, value_parser = flags::parse_restart)]
    restart: RestartPolicy,
    /// Run a small init that passes signals on and reaps processes
    #[arg(long)]
    init: bool,
    /// Command to run to check health
    #[arg(long, value_name = "COMMAND")]
    health_cmd: Option<String>,
    /// Time between checks (ms|s|m|h)
    #[arg(long, value_name = "DURATION", value_parser = flags::parse_duration)]
    health_interval: Option<Duration>,
    /// Longest time for one check (ms|s|m|h)
    #[arg(long, value_name = "DURATION", value_parser = flags::parse_duration)]
    health_timeout: Option<Duration>,
    /// Time in which failing checks do not count (ms|s|m|h)
    #[arg(long, value_name = "DURATION", value_parser = flags::parse_duration)]
    health_start_period: Option<Duration>,
    /// Time between checks in the start period (ms|s|m|h)
    #[arg(long, value_name = "DURATION", value_parser = flags::parse_duration)]
    health_start_interval: Option<Duration>,
    /// Failures in a row that make it unhealthy
    #[arg(long, value_name = "N", allow_hyphen_values = true)]
    health_retries: Option<i64>,
    /// Have no health check, whatever the image says
    #[arg(long)]
    no_healthcheck: bool,
    /// Runtime to use for this container
    #[arg(long, default_value = "", hide_default_value = true)]
    runtime: String,
    /// Container isolation technology
    #[arg(long, default_value = "", hide_default_value = true)]
    isolation: String,
    /// Add an annotation for the runtime
    #[arg(long, value_name = "NAME=VALUE")]
    annotation: Vec<String>,
}

impl LifecycleFlags {
    pub(super) fn fill(&self, config: &mut ContainerConfig, host: &mut HostConfig) -> Result<()> {
        config.healthcheck = self.health_check()?;
        host.restart_policy.clone_from(&self.restart);
        host.init = self.init.then_some(true);
        host.runtime.clone_from(&self.runtime);
        host.isolation.clone_from(&self.isolation);
        for text in &self.annotation {
            let (key, value) = flags::key_value(text, "annotation").map_err(refused)?;
            host.annotations.insert(key.to_owned(), value.to_owned());
        }
        Ok(())
    }

    fn health_check(&self) -> Result<Option<HealthConfig>> {
        let durations = [
            self.health_interval,
            self.health_timeout,
            self.health_start_period,
            self.health_start_interval,
        ];
        let asked = self.health_cmd.is_some()
            || self.health_retries.is_some()
            || durations.iter().any(Option::is_some);
        if self.no_healthcheck && asked {
            return Err(Error::Conflict(
                "--no-healthcheck conflicts with --health-* options",
            ));
        }
        if self.no_healthcheck {
            return Ok(Some(HealthConfig {
                test: vec!["NONE".to_owned()],
                ..HealthConfig::default()
            }));
        }
        if self.health_retries.is_some_and(|n| n < 0) {
            return Err(Error::Conflict("--health-retries cannot be negative"));
        }
        let test = self.health_cmd.as_ref().filter(|cmd| !cmd.is_empty());
        let [interval, timeout, start_period, start_interval] = durations.map(nanos);
        Ok(asked.then(|| HealthConfig {
            test: test.map_or_else(Vec::new, |cmd| vec!["CMD-SHELL".to_owned(), cmd.clone()]),
            interval,
            timeout,
            start_period,
            start_interval,
            retries: self.health_retries.unwrap_or_default(),
        }))
    }
}

fn nanos(duration: Option<Duration>) -> i64 {
    duration.map_or(0, |d| i64::try_from(d.as_nanos()).unwrap_or(i64::MAX))
}
