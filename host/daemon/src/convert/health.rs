//! Health checks: what is asked for, and what is shown.

use std::time::Duration;

use bulkhead_api::container::{Health, HealthConfig, HealthLog, SummaryHealth};
use bulkhead_engine::container::Container;
use bulkhead_engine::health::{HealthSpec, Watched};
use bulkhead_model::health::HealthOptions;

use super::bad_request::BadRequest;
use super::rfc3339;

/// The shortest time Docker takes, nanoseconds.
const SHORTEST: i64 = 1_000_000;

/// What a client asks for.
pub fn spec(wire: &HealthConfig) -> Result<HealthSpec, BadRequest> {
    let refused = |text: String| Err(BadRequest::Health(text));
    let time = |name: &str, nanos: i64| match u64::try_from(nanos) {
        Ok(nanos) if nanos == 0 || nanos >= SHORTEST.unsigned_abs() => {
            Ok(Duration::from_nanos(nanos))
        }
        _ => Err(BadRequest::Health(format!(
            "{name} in Healthcheck cannot be less than 1ms"
        ))),
    };
    let kind = wire.test.first().map_or("", String::as_str);
    if !matches!(kind, "" | "NONE" | "CMD" | "CMD-SHELL") {
        return refused(format!(
            "Unknown healthcheck type '{kind}' (expected 'CMD')"
        ));
    }
    let Ok(retries) = u32::try_from(wire.retries) else {
        return refused("Retries in Healthcheck cannot be negative".to_owned());
    };
    Ok(HealthSpec(HealthOptions {
        test: wire.test.clone(),
        interval: time("Interval", wire.interval)?,
        timeout: time("Timeout", wire.timeout)?,
        start_period: time("StartPeriod", wire.start_period)?,
        start_interval: time("StartInterval", wire.start_interval)?,
        retries,
    }))
}

/// A check as images and containers are asked for it.
pub fn config(options: &HealthOptions) -> HealthConfig {
    let nanos = |time: Duration| i64::try_from(time.as_nanos()).unwrap_or(i64::MAX);
    HealthConfig {
        test: options.test.clone(),
        interval: nanos(options.interval),
        timeout: nanos(options.timeout),
        start_period: nanos(options.start_period),
        start_interval: nanos(options.start_interval),
        retries: options.retries.into(),
    }
}

/// What `inspect` shows.
pub fn health(watched: &Watched) -> Health {
    let health = &watched.health;
    let log = health.log.iter().map(|probe| HealthLog {
        start: rfc3339(probe.start),
        end: rfc3339(probe.end),
        exit_code: i64::from(probe.code),
        output: probe.output.clone(),
    });
    Health {
        status: health.status.as_str().to_owned(),
        failing_streak: i64::from(health.failing_streak),
        log: log.collect(),
    }
}

/// What lists show of it since API 1.52.
pub fn summary(record: &Container) -> SummaryHealth {
    match record.health.as_ref().filter(|_| record.state.is_active()) {
        Some(watched) => SummaryHealth {
            status: watched.health.status.as_str().to_owned(),
            failing_streak: i64::from(watched.health.failing_streak),
        },
        None => SummaryHealth {
            status: "none".to_owned(),
            failing_streak: 0,
        },
    }
}

/// What lists add to `Up 3 minutes`.
pub fn in_list(watched: &Watched) -> &'static str {
    match watched.health.status.as_str() {
        "starting" => " (health: starting)",
        "healthy" => " (healthy)",
        _ => " (unhealthy)",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nonsense_is_refused_with_dockers_words() {
        let refused = |wire: HealthConfig| spec(&wire).unwrap_err().to_string();
        let short = HealthConfig {
            interval: 5,
            ..HealthConfig::default()
        };
        assert_eq!(
            refused(short),
            "Interval in Healthcheck cannot be less than 1ms"
        );
        let negative = HealthConfig {
            retries: -1,
            ..HealthConfig::default()
        };
        assert_eq!(
            refused(negative),
            "Retries in Healthcheck cannot be negative"
        );
        assert!(spec(&HealthConfig::default()).is_ok());
    }
}
