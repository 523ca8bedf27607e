//! Command lines that are refused before any daemon is asked.

use std::path::Path;

use crate::scripted::{Shown, bulkhead};

fn refused(words: &[&str], code: i32, stderr: &str) {
    let shown = bulkhead(Path::new("/nonexistent/sock"), words);
    assert_eq!(
        shown,
        Shown {
            code,
            stdout: String::new(),
            stderr: stderr.into()
        },
        "{words:?}"
    );
}

const RUN: &str = "\n\nUsage:  bulkhead run [OPTIONS] IMAGE [COMMAND] [ARG...]\n\nRun 'bulkhead run --help' for more information\n";

#[test]
fn unknown_words_are_named() {
    refused(
        &["foo"],
        1,
        "bulkhead: unknown command: bulkhead foo\n\nRun 'bulkhead --help' for more information\n",
    );
    refused(
        &["run", "--no-such", "all", "busybox"],
        125,
        &format!("unknown flag: --no-such{RUN}"),
    );
    refused(
        &["run", "-Z", "busybox"],
        125,
        &format!("unknown shorthand flag: 'Z' in -Z{RUN}"),
    );
}

#[test]
fn the_number_of_arguments_is_told() {
    refused(
        &["run"],
        1,
        &format!("bulkhead: 'bulkhead run' requires at least 1 argument{RUN}"),
    );
    refused(
        &["ps", "extra"],
        1,
        "bulkhead: 'bulkhead ps' accepts no arguments\n\nUsage:  bulkhead ps [OPTIONS]\n\n\
         Run 'bulkhead ps --help' for more information\n",
    );
    refused(
        &["logs"],
        1,
        "bulkhead: 'bulkhead logs' requires 1 argument\n\nUsage:  bulkhead logs [OPTIONS] CONTAINER\n\n\
         Run 'bulkhead logs --help' for more information\n",
    );
}

#[test]
fn bad_values_are_told_with_their_flag() {
    for (flag, value, told) in [
        (
            "-m",
            "abc",
            r#"invalid argument "abc" for "-m, --memory" flag: invalid size: 'abc'"#,
        ),
        (
            "--cpus",
            "x",
            r#"invalid argument "x" for "--cpus" flag: failed to parse x as a rational number"#,
        ),
        (
            "-e",
            "",
            r#"invalid argument "" for "-e, --env" flag: invalid environment variable: "#,
        ),
        (
            "--ulimit",
            "x",
            r#"invalid argument "x" for "--ulimit" flag: invalid ulimit argument: x"#,
        ),
        (
            "--add-host",
            "x",
            r#"invalid argument "x" for "--add-host" flag: bad format for add-host: "x""#,
        ),
    ] {
        refused(
            &["run", flag, value, "busybox"],
            125,
            &format!("{told}{RUN}"),
        );
    }
    refused(
        &["run", "--rm=maybe", "busybox"],
        125,
        &format!("invalid argument \"maybe\" for \"--rm\" flag: it takes no value{RUN}"),
    );
}

#[test]
fn options_that_cannot_be_meant_are_refused_as_docker_refuses_them() {
    let help = "\n\nRun 'bulkhead run --help' for more information\n";
    for (words, told) in [
        (vec!["-p", "abc"], "invalid containerPort: abc"),
        (
            vec!["-v", "/a:/b:/c:d"],
            "invalid spec: /a:/b:/c:d: too many colons",
        ),
        (
            vec!["--env-file", "/nonexistent/env"],
            "open /nonexistent/env: no such file or directory",
        ),
        (
            vec!["--pull", "maybe"],
            "invalid pull option: 'maybe': must be one of \"always\", \"missing\" or \"never\"",
        ),
    ] {
        let words = [vec!["run"], words, vec!["busybox"]].concat();
        refused(&words, 125, &format!("bulkhead: {told}{help}"));
    }
    refused(
        &["run", "-it", "busybox"],
        1,
        "the input device is not a TTY\n",
    );
    refused(
        &["run", "-d", "-a", "stdout", "busybox"],
        1,
        "conflicting options: cannot specify both --attach and --detach\n",
    );
    refused(
        &["-H", "npipe://x", "ps"],
        1,
        "npipe:// addresses are not supported: use unix:///path, tcp://host:port or ssh://user@host\n",
    );
}

#[test]
fn a_daemon_that_does_not_answer_is_told_with_a_hint() {
    let told = "Cannot connect to the bulkhead daemon at unix:///nonexistent/sock. Is the daemon running?\n\
                Start one with: bulkhead daemon -H unix:///nonexistent/sock\n";
    refused(&["ps"], 1, told);
    refused(
        &["run", "busybox"],
        125,
        &format!("bulkhead: {told}\nRun 'bulkhead run --help' for more information\n"),
    );
}
