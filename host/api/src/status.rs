//! The words for people in a list: `Up 2 hours`, `Exited (0) 3 days ago`.

use std::time::Duration;

/// A duration as Docker words it, rounded ever more coarsely.
pub fn human_duration(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let minutes = seconds / 60;
    // Docker rounds hours to the nearest and cuts everything else.
    let hours = (seconds + 1800) / 3600;
    match (seconds, minutes, hours) {
        (0, ..) => "Less than a second".into(),
        (1, ..) => "1 second".into(),
        (..60, ..) => format!("{seconds} seconds"),
        (_, 1, _) => "About a minute".into(),
        (_, ..60, _) => format!("{minutes} minutes"),
        (.., 1) => "About an hour".into(),
        (.., ..48) => format!("{hours} hours"),
        (.., ..336) => format!("{} days", hours / 24),
        (.., ..1440) => format!("{} weeks", hours / 24 / 7),
        (.., ..17520) => format!("{} months", hours / 24 / 30),
        _ => format!("{} years", seconds / 3600 / 24 / 365),
    }
}

/// The status of a container that has run for `since`.
pub fn up(since: Duration) -> String {
    format!("Up {}", human_duration(since))
}

/// The status of a container that ended `ago` with `code`.
pub fn exited(code: i32, ago: Duration) -> String {
    format!("Exited ({code}) {} ago", human_duration(ago))
}

/// The status of a container that never started.
pub const CREATED: &str = "Created";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_worded_as_docker_words_them() {
        let (minute, hour, day) = (60, 3600, 86400);
        for (seconds, words) in [
            (0, "Less than a second"),
            (1, "1 second"),
            (59, "59 seconds"),
            (minute, "About a minute"),
            (119, "About a minute"),
            (120, "2 minutes"),
            (hour - 1, "59 minutes"),
            (hour, "About an hour"),
            (hour + 1800, "2 hours"),
            (47 * hour, "47 hours"),
            (2 * day, "2 days"),
            (13 * day, "13 days"),
            (14 * day, "2 weeks"),
            (60 * day, "2 months"),
            (729 * day, "24 months"),
            (730 * day, "2 years"),
        ] {
            assert_eq!(human_duration(Duration::from_secs(seconds)), words);
        }
        assert_eq!(
            exited(137, Duration::from_secs(120)),
            "Exited (137) 2 minutes ago"
        );
    }
}
