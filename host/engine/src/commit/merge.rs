//! A configuration over another, by Docker's rules.

use bulkhead_model::health::HealthOptions;
use bulkhead_model::image::ImageConfig;

/// `config`, with what it leaves open as `below` has it.
pub(super) fn over(mut config: ImageConfig, below: &ImageConfig) -> ImageConfig {
    let or = |own: &mut String, other: &String| {
        if own.is_empty() {
            own.clone_from(other);
        }
    };
    or(&mut config.user, &below.user);
    or(&mut config.working_dir, &below.working_dir);
    extend(&mut config.exposed_ports, &below.exposed_ports);
    extend(&mut config.volumes, &below.volumes);
    let name = |entry: &str| entry.split('=').next().unwrap_or_default().to_owned();
    for entry in &below.env {
        if !config.env.iter().any(|own| name(own) == name(entry)) {
            config.env.push(entry.clone());
        }
    }
    for (key, value) in &below.labels {
        let label = config.labels.entry(key.clone());
        label.or_insert_with(|| value.clone());
    }
    // An entrypoint of one's own drops the other's command.
    if config.entrypoint.as_ref().is_none_or(Vec::is_empty) {
        if config.cmd.as_ref().is_none_or(Vec::is_empty) {
            config.cmd.clone_from(&below.cmd);
        }
        if config.entrypoint.is_none() {
            config.entrypoint.clone_from(&below.entrypoint);
        }
    }
    config.health = match (config.health, &below.health) {
        (Some(own), Some(other)) => Some(health(own, other)),
        (own, other) => own.or_else(|| other.clone()),
    };
    config.stop_signal = config.stop_signal.or_else(|| below.stop_signal.clone());
    if config.shell.is_empty() {
        config.shell.clone_from(&below.shell);
    }
    config
}

fn extend(own: &mut Vec<String>, other: &[String]) {
    own.extend(other.iter().cloned());
    own.sort();
    own.dedup();
}

fn health(mut own: HealthOptions, other: &HealthOptions) -> HealthOptions {
    if own.test.is_empty() {
        own.test.clone_from(&other.test);
    }
    for (time, default) in [
        (&mut own.interval, other.interval),
        (&mut own.timeout, other.timeout),
        (&mut own.start_period, other.start_period),
        (&mut own.start_interval, other.start_interval),
    ] {
        if time.is_zero() {
            *time = default;
        }
    }
    if own.retries == 0 {
        own.retries = other.retries;
    }
    own
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        text.split(' ').map(str::to_owned).collect()
    }

    #[test]
    fn what_is_left_open_is_the_containers() {
        let below = ImageConfig {
            user: "u".into(),
            env: words("A=1 B=2"),
            cmd: Some(words("sh -c x")),
            exposed_ports: words("80/tcp"),
            stop_signal: Some("SIGINT".into()),
            ..ImageConfig::default()
        };
        let own = ImageConfig {
            env: words("B=3"),
            exposed_ports: words("81/tcp"),
            ..ImageConfig::default()
        };
        let merged = over(own, &below);
        assert_eq!((merged.user.as_str(), &merged.cmd), ("u", &below.cmd));
        assert_eq!(merged.env, words("B=3 A=1"));
        assert_eq!(merged.exposed_ports, words("80/tcp 81/tcp"));
        assert_eq!(merged.stop_signal, below.stop_signal);
    }

    #[test]
    fn an_entrypoint_drops_the_command_below() {
        let below = ImageConfig {
            cmd: Some(words("sh")),
            ..ImageConfig::default()
        };
        let own = ImageConfig {
            entrypoint: Some(words("/e")),
            ..ImageConfig::default()
        };
        assert_eq!(over(own, &below).cmd, None);
    }
}
