//! How long to wait before trying again.

use std::time::{Duration, SystemTime};

use crate::config::FetchConfig;

/// The pause after the `failed`-th attempt (1, 2, …): what the server asked
/// for, else doubling; never more than the longest.
pub(crate) fn pause(config: &FetchConfig, failed: u32, retry_after: Option<Duration>) -> Duration {
    let doubling = config
        .first_pause
        .saturating_mul(1 << failed.saturating_sub(1).min(16));
    retry_after.unwrap_or(doubling).min(config.longest_pause)
}

/// `Retry-After`: seconds, or an HTTP date (RFC 9110 10.2.3).
pub(crate) fn retry_after(value: &str) -> Option<Duration> {
    if let Ok(seconds) = value.trim().parse() {
        return Some(Duration::from_secs(seconds));
    }
    let at = httpdate::parse_http_date(value.trim()).ok()?;
    Some(at.duration_since(SystemTime::now()).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_and_are_bounded_also_against_the_server() {
        let config = FetchConfig {
            first_pause: Duration::from_secs(1),
            longest_pause: Duration::from_secs(10),
            ..FetchConfig::default()
        };
        let pauses: Vec<u64> = (1..=6).map(|n| pause(&config, n, None).as_secs()).collect();
        assert_eq!(pauses, [1, 2, 4, 8, 10, 10]);
        assert_eq!(pause(&config, 1, retry_after("3")).as_secs(), 3);
        assert_eq!(pause(&config, 1, retry_after("99999999999")).as_secs(), 10);
        assert_eq!(retry_after("soon"), None);
        assert_eq!(
            retry_after("Thu, 01 Jan 1970 00:00:00 GMT"),
            Some(Duration::ZERO)
        );
    }
}
