//! The command line in real shells and at real terminals: completion, colour.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use bulkhead_test_support::{Daemon, Terminal, binary, images, run, wait_until};

const LIMIT: Duration = Duration::from_secs(60);

/// A shell that finds our client, and the daemon by it.
fn shell(daemon: &Daemon, name: &str, arguments: &[&str]) -> Command {
    let mut command = daemon.client(Path::new(name), arguments);
    let folder = binary("bulkhead").parent().unwrap().display().to_string();
    let path = std::env::var("PATH").unwrap();
    command.env("PATH", format!("{folder}:{path}"));
    command
}

fn with_web() -> Daemon {
    let daemon = Daemon::start();
    daemon.load("busybox:latest", &images::busybox());
    let web = ["create", "--name", "web-of-words", "busybox", "true"];
    daemon.bulkhead(&web).success();
    daemon
}

#[test]
fn bash_completes_verbs_flags_and_names() {
    let daemon = with_web();
    let completed = |line: &str| {
        let script = format!(
            "source <(bulkhead completion bash); COMP_LINE='{line}' COMP_POINT={}; _bulkhead; \
             printf '%s\\n' \"${{COMPREPLY[@]}}\"",
            line.len()
        );
        let arguments = ["--norc", "-c", &script];
        run(&mut shell(&daemon, "bash", &arguments), LIMIT).success()
    };
    assert_eq!(completed("bulkhead netw"), "network\n");
    assert_eq!(completed("bulkhead ps --no-t"), "--no-trunc\n");
    assert_eq!(completed("bulkhead start web"), "web-of-words\n");
}

#[test]
fn fish_completes_verbs_flags_and_names() {
    let daemon = with_web();
    let completed = |line: &str| {
        let script = format!("bulkhead completion fish | source; complete -C '{line}'");
        let arguments = ["--no-config", "-c", &script];
        run(&mut shell(&daemon, "fish", &arguments), LIMIT).success()
    };
    let verb = completed("bulkhead netw");
    assert!(verb.starts_with("network\tManage networks"), "{verb}");
    let flag = completed("bulkhead ps --no-t");
    assert!(flag.starts_with("--no-trunc\t"), "{flag}");
    let name = completed("bulkhead start web");
    assert!(name.starts_with("web-of-words"), "{name}");
}

#[test]
fn zsh_completes_at_its_prompt() {
    let daemon = with_web();
    let mut zsh = Terminal::start(&shell(&daemon, "zsh", &["-f", "-i"]));
    zsh.keys("PS1='rea''dy> '\r");
    zsh.wait_for("ready> ", LIMIT);
    zsh.keys("autoload -U compinit && compinit -D -u && source <(bulkhead completion zsh)\r");
    zsh.wait_for("ready> ", LIMIT);
    // A verb, a flag and a name, each cut short.
    zsh.keys("bulkhead contai\tinsp\t--form\t '{{.State.Status}} found' web-of\t\r");
    zsh.wait_for("created found", LIMIT);
    zsh.wait_for("ready> ", LIMIT);
    zsh.keys("exit\r");
    zsh.wait(LIMIT);
}

#[test]
fn terminals_alone_are_coloured_and_only_if_the_user_likes() {
    let daemon = with_web();
    let checked = [
        "run",
        "-d",
        "--name",
        "checked",
        "--health-cmd",
        "false",
        "--health-interval",
        "100ms",
        "--health-retries",
        "1",
        "busybox",
        "sleep",
        "1000",
    ];
    daemon.bulkhead(&checked).success();
    let inspect = ["inspect", "-f", "{{.State.Health.Status}}", "checked"];
    wait_until(|| daemon.bulkhead(&inspect).success() == "unhealthy\n");
    let at_terminal = |(arguments, last): (&[&str], &str), no_colour: &str| {
        let mut command = daemon.bulkhead_command(arguments);
        command.env("NO_COLOR", no_colour);
        let mut terminal = Terminal::start(&command);
        let shown = terminal.wait_for(last, LIMIT);
        terminal.wait(LIMIT);
        shown
    };
    let list = (&["ps"][..], "checked\r\n");
    let missing = (&["start", "none-such"][..], "containers: none-such");
    let shown = at_terminal(list, "");
    assert!(shown.contains("\x1b[31mUp "), "{shown:?}");
    assert!(shown.contains("(unhealthy)\x1b[0m"), "{shown:?}");
    let shown = at_terminal(missing, "");
    assert!(shown.starts_with("\x1b[31mError response"), "{shown:?}");
    for case in [list, missing] {
        let plain = at_terminal(case, "1");
        assert!(!plain.contains('\x1b'), "{plain:?}");
    }
    assert!(!daemon.bulkhead(list.0).success().contains('\x1b'));
}
