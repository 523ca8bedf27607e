use proptest::prelude::*;

use super::*;

fn base() -> ImageConfig {
    ImageConfig {
        env: vec!["FOO=bar".into()],
        cmd: Some(vec!["sh".into()]),
        working_dir: "/w".into(),
        ..ImageConfig::default()
    }
}

fn changed(changes: &[&str]) -> Result<ImageConfig, String> {
    let changes: Vec<String> = changes.iter().map(|c| (*c).to_owned()).collect();
    let mut config = base();
    apply(&mut config, &changes).map_err(|error| error.to_string())?;
    Ok(config)
}

fn words(text: &[&str]) -> Option<Vec<String>> {
    Some(text.iter().map(|w| (*w).to_owned()).collect())
}

#[test]
fn commands_have_an_exec_and_a_shell_form() {
    let cmd = |change| changed(&[change]).unwrap().cmd;
    assert_eq!(cmd("CMD a b"), words(&["/bin/sh", "-c", "a b"]));
    assert_eq!(cmd("cmd [\"a\", \"b c\"]"), words(&["a", "b c"]));
    let entrypoint = changed(&["ENTRYPOINT [\"x\"]"]).unwrap();
    assert_eq!(
        (entrypoint.entrypoint, entrypoint.cmd),
        (words(&["x"]), None)
    );
    let both = changed(&["CMD [\"a\"]", "ENTRYPOINT [\"x\"]"]).unwrap();
    assert_eq!((both.entrypoint, both.cmd), (words(&["x"]), words(&["a"])));
}

#[test]
fn variables_are_those_of_the_configuration_so_far() {
    let env = |change| changed(&[change]).unwrap().env[1..].to_vec();
    assert_eq!(
        env("ENV A=$FOO B=\"x ${FOO}y\" C=${NOPE:-d} D=${FOO:+e} E=\\$FOO F='$FOO'"),
        ["A=bar", "B=x bary", "C=d", "D=e", "E=$FOO", "F=$FOO"]
    );
    assert_eq!(env("ENV A b  c"), ["A=b  c"]);
    assert_eq!(env("ENV A=1\\ 2"), ["A=1 2"]);
    assert_eq!(changed(&["ENV FOO=x", "USER $FOO"]).unwrap().user, "x");
}

#[test]
fn sets_directories_and_triggers() {
    let config = changed(&[
        "EXPOSE 80/tcp 90-91/udp",
        "VOLUME [\"/a b\", \"/c\"]",
        "WORKDIR sub/../x",
        "LABEL a=b \"c d\"=e \\\n  f=g",
        "# nothing",
        "ONBUILD RUN make",
    ])
    .unwrap();
    assert_eq!(config.exposed_ports, ["80/tcp", "90/udp", "91/udp"]);
    assert_eq!(config.volumes, ["/a b", "/c"]);
    assert_eq!(config.working_dir, "/w/x");
    let labels: Vec<_> = config
        .labels
        .iter()
        .map(|(k, v)| format!("{k}={v}"))
        .collect();
    assert_eq!(labels, ["a=b", "c d=e", "f=g"]);
    assert_eq!(config.on_build, ["RUN make"]);
}

#[test]
fn health_checks_have_flags() {
    let health = |change| changed(&[change]).unwrap().health.unwrap();
    let shell = health("HEALTHCHECK --interval=1m30s --retries=3 CMD curl x");
    assert_eq!((shell.interval.as_secs(), shell.retries), (90, 3));
    assert_eq!(shell.test, ["CMD-SHELL", "curl x"]);
    assert_eq!(health("HEALTHCHECK CMD [\"a\"]").test, ["CMD", "a"]);
    assert_eq!(health("HEALTHCHECK NONE").test, ["NONE"]);
}

#[test]
fn what_docker_refuses_is_refused_in_its_words() {
    for (change, words) in [
        ("FOO bar", "foo is not a valid change command"),
        ("RUN x", "run is not a valid change command"),
        ("STOPSIGNAL 9", "stopsignal is not a valid change command"),
        ("ENV", "ENV requires at least one argument"),
        ("ENV A", "ENV must have two arguments"),
        ("LABEL x", "LABEL must have two arguments"),
        (
            "ENV a=b c",
            "Syntax error - can't find = in \"c\". Must be of the form: name=value",
        ),
        ("EXPOSE abc", "Invalid containerPort: abc"),
        ("EXPOSE", "EXPOSE requires at least one argument"),
        ("WORKDIR", "WORKDIR requires exactly one argument"),
        ("VOLUME \"\"", "VOLUME specified can not be an empty string"),
        ("USER", "USER requires exactly one argument"),
        (
            "HEALTHCHECK foo",
            "Unknown type \"FOO\" in HEALTHCHECK (try CMD)",
        ),
        ("HEALTHCHECK --bad=1 CMD x", "Unknown flag: bad"),
        (
            "HEALTHCHECK --interval=1us CMD x",
            "Interval \"interval\" cannot be less than 1ms",
        ),
        (
            "ONBUILD ONBUILD RUN x",
            "Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed",
        ),
        ("ONBUILD FROM x", "FROM isn't allowed as an ONBUILD trigger"),
        ("# comment", "file with no instructions"),
    ] {
        assert_eq!(changed(&[change]).unwrap_err(), words, "{change}");
    }
}

proptest! {
    #[test]
    fn any_text_is_taken_or_refused(text in "(CMD|ENV|LABEL|EXPOSE|VOLUME|HEALTHCHECK|USER) \\PC{0,40}") {
        let _ = changed(&[&text]);
    }
}
