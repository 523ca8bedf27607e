//! The Rust crate bollard drives the daemon, as it drives Docker: with its own
//! default version, unnegotiated.

use std::time::Duration;

use bollard::Docker;
use bollard::container::LogOutput;
use bollard::exec::StartExecResults;
use bollard::models::{ContainerCreateBody, ExecConfig};
use bollard::query_parameters::{
    AttachContainerOptionsBuilder, CreateContainerOptionsBuilder, EventsOptionsBuilder,
    ListContainersOptionsBuilder, LogsOptionsBuilder, RemoveContainerOptionsBuilder,
    StatsOptionsBuilder,
};
use bulkhead_test_support::{Daemon, images};
use futures_util::{Stream, StreamExt, TryStreamExt};
use tokio::io::AsyncWriteExt;

const NAME: &str = "bollard";

async fn text<S>(output: S) -> String
where
    S: Stream<Item = Result<LogOutput, bollard::errors::Error>>,
{
    let pieces: Vec<_> = output.try_collect().await.unwrap();
    pieces.iter().map(ToString::to_string).collect()
}

#[tokio::test]
async fn bollard_runs_looks_into_and_removes_a_container() {
    let daemon = Daemon::start();
    daemon.load("busybox:latest", &images::busybox());
    let socket = daemon.socket();
    let docker =
        Docker::connect_with_unix(socket.to_str().unwrap(), 120, bollard::API_DEFAULT_VERSION)
            .unwrap();
    let whole = Duration::from_secs(120);
    tokio::time::timeout(whole, life(&docker)).await.unwrap();
}

async fn life(docker: &Docker) {
    assert_eq!(docker.ping().await.unwrap(), "OK");
    let body = ContainerCreateBody {
        image: Some("busybox".into()),
        cmd: Some(
            ["sh", "-c", "read line; echo got $line; exit 4"]
                .map(str::to_owned)
                .to_vec(),
        ),
        open_stdin: Some(true),
        stdin_once: Some(true),
        attach_stdin: Some(true),
        ..Default::default()
    };
    let named = CreateContainerOptionsBuilder::default().name(NAME).build();
    let id = docker.create_container(Some(named), body).await.unwrap().id;
    let streams = AttachContainerOptionsBuilder::default()
        .stdin(true)
        .stdout(true)
        .stderr(true)
        .stream(true)
        .build();
    let mut attached = docker.attach_container(NAME, Some(streams)).await.unwrap();
    docker.start_container(NAME, None).await.unwrap();
    look(docker).await;
    let mut ended = docker.wait_container(NAME, None);
    attached.input.write_all(b"words\n").await.unwrap();
    assert_eq!(text(attached.output).await, "got words\n");
    // bollard makes an error of an exit code.
    let code = match ended.next().await.unwrap() {
        Ok(answer) => answer.status_code,
        Err(bollard::errors::Error::DockerContainerWaitError { code, .. }) => code,
        Err(other) => panic!("{other}"),
    };
    assert_eq!(code, 4);
    let logs = LogsOptionsBuilder::default().stdout(true).build();
    assert_eq!(text(docker.logs(NAME, Some(logs))).await, "got words\n");
    let force = RemoveContainerOptionsBuilder::default().force(true).build();
    docker.remove_container(NAME, Some(force)).await.unwrap();
    told(docker, &id).await;
    docker.info().await.unwrap();
    docker.df(None).await.unwrap();
}

/// What can be asked while it runs.
async fn look(docker: &Docker) {
    let inspected = docker.inspect_container(NAME, None).await.unwrap();
    assert_eq!(inspected.state.unwrap().running, Some(true));
    let listed = ListContainersOptionsBuilder::default().build();
    assert_eq!(docker.list_containers(Some(listed)).await.unwrap().len(), 1);
    let once = StatsOptionsBuilder::default().stream(false).build();
    let stats = docker
        .stats(NAME, Some(once))
        .next()
        .await
        .unwrap()
        .unwrap();
    assert!(stats.memory_stats.unwrap().usage.unwrap() > 0);
    let exec = ExecConfig {
        cmd: Some(
            ["sh", "-c", "echo from exec; exit 5"]
                .map(str::to_owned)
                .to_vec(),
        ),
        attach_stdout: Some(true),
        ..Default::default()
    };
    let exec = docker.create_exec(NAME, exec).await.unwrap().id;
    let StartExecResults::Attached { output, .. } = docker.start_exec(&exec, None).await.unwrap()
    else {
        panic!("not attached");
    };
    assert_eq!(text(output).await, "from exec\n");
    let ended = docker.inspect_exec(&exec).await.unwrap();
    assert_eq!(ended.exit_code, Some(5));
}

async fn told(docker: &Docker, id: &str) {
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap();
    let asked = EventsOptionsBuilder::default()
        .since("1")
        .until(&(now.as_secs() + 1).to_string())
        .build();
    let events: Vec<_> = docker.events(Some(asked)).try_collect().await.unwrap();
    let of_container = events
        .into_iter()
        .filter(|event| event.actor.as_ref().unwrap().id.as_deref() == Some(id));
    let actions: Vec<_> = of_container.map(|event| event.action.unwrap()).collect();
    for action in ["create", "start", "attach", "exec_die", "die", "destroy"] {
        assert!(actions.iter().any(|a| a == action), "{action}: {actions:?}");
    }
}
