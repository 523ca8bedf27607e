use super::*;

fn flags(words: &[&str]) -> Flags {
    let words = ["bulkheadd"].iter().chain(words);
    Flags::try_parse_from(words).unwrap()
}

fn with_file(json: &str, words: &[&str]) -> Result<Settings, ConfigError> {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), json).unwrap();
    let mut all = vec!["--config-file", file.path().to_str().unwrap()];
    all.extend(words);
    flags(&all).settings()
}

fn refusal(json: &str, words: &[&str]) -> String {
    let text = with_file(json, words).unwrap_err().to_string();
    text.split_once(": ")
        .map_or(text.clone(), |(_, rest)| rest.to_owned())
}

#[test]
fn flags_and_file_are_merged() {
    let settings = with_file(
        r#"{"data-root": "/srv/b", "debug": true, "log-opts": {"max-size": "1m"}, "insecure-registries": ["r:1"],
            "default-ulimits": {"nofile": {"Name": "nofile", "Hard": 64000, "Soft": 64}}, "live-restore": false}"#,
        &["--mtu", "1400", "-H", "unix:///run/x.sock"],
    )
    .unwrap();
    assert_eq!(settings.data_root, Path::new("/srv/b"));
    assert_eq!(settings.component_cache, Path::new("/srv/b/components"));
    assert_eq!(settings.mtu, 1400);
    assert_eq!(
        settings.log_level,
        tracing::level_filters::LevelFilter::DEBUG
    );
    assert_eq!(settings.defaults.log_opts["max-size"], "1m");
    assert_eq!(settings.defaults.ulimits, [("nofile".into(), 64, 64000)]);
    assert_eq!(settings.addresses, [Address::Unix("/run/x.sock".into())]);
    assert!(!settings.live_restore);
}

#[test]
fn what_is_wrong_is_named() {
    assert_eq!(
        refusal(r#"{"debgu": true}"#, &[]),
        "the following directives don't match any configuration option: debgu"
    );
    assert_eq!(
        refusal(r#"{"debug": true}"#, &["-D"]),
        "the following directives are specified both as a flag and in the configuration file: debug: (from flag: true, from file: true)"
    );
    assert!(refusal(r#"{"iptables": false}"#, &[]).ends_with("remove them: iptables"));
    assert!(refusal(r#"{"mtu": "big"}"#, &[]).contains("invalid type"));
    assert!(refusal("{", &[]).contains("EOF"));
    for (json, directive) in [
        (r#"{"data-root": "here"}"#, "data-root"),
        (r#"{"hosts": ["npipe:////./x"]}"#, "hosts"),
        (r#"{"hosts": ["unix://relative"]}"#, "hosts"),
        (r#"{"log-level": "loud"}"#, "log-level"),
        (r#"{"log-driver": "syslog"}"#, "log-driver"),
        (r#"{"default-shm-size": "much"}"#, "default-shm-size"),
        (r#"{"registry-mirrors": ["mirror"]}"#, "registry-mirrors"),
        (r#"{"labels": ["x"]}"#, "labels"),
        (r#"{"bip": "10.0.0.0/24"}"#, "bip"),
    ] {
        let error = with_file(json, &[]).unwrap_err().to_string();
        assert!(
            error.starts_with(&format!("invalid value for {directive}: ")),
            "{error}"
        );
    }
}

#[test]
fn a_missing_file_is_an_error_only_when_it_was_asked_for() {
    assert!(flags(&[]).settings().is_ok() || Path::new(USUAL_FILE).exists());
    assert!(
        flags(&["--config-file", "/nonexistent/x"])
            .settings()
            .is_err()
    );
}

#[test]
fn nobody_listens_to_the_network_without_certificates_by_accident() {
    let listen = |words: &[&str]| with_file("{}", words);
    assert!(listen(&["-H", "tcp://0.0.0.0:2375"]).is_err());
    assert!(listen(&["-H", "tcp://[::]:2375"]).is_err());
    assert!(listen(&["-H", "tcp://10.0.0.1", "--tls"]).is_err());
    assert!(listen(&["-H", "tcp://127.0.0.1:2375"]).is_ok());
    assert!(listen(&["-H", "tcp://10.0.0.1:1", "--allow-unauthenticated-tcp"]).is_ok());
    let verified = listen(&["-H", "tcp://0.0.0.0", "--tlsverify"]).unwrap();
    assert_eq!(
        verified.addresses,
        [Address::Tcp("0.0.0.0:2376".parse().unwrap())]
    );
    assert_eq!(
        verified.tls.unwrap().authority.unwrap(),
        Path::new("/etc/bulkhead/ca.pem")
    );
}

#[test]
fn every_directive_is_documented() {
    let page = include_str!("../../CONFIGURATION.md");
    for name in known() {
        assert!(
            page.contains(&format!("`{name}`")),
            "{name} is not in CONFIGURATION.md"
        );
    }
}
