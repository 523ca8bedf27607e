//! What people keep in volumes: a database, whose containers come and go.

use bulkhead_test_support::{Daemon, postgres_tar, wait_until};

const BIN: &str = "/usr/lib/postgresql/15/bin";

fn import(daemon: &Daemon) {
    let arguments = [
        &format!("{BIN}/postgres"),
        "-D/var/lib/postgresql/15/main",
        "-cconfig_file=/etc/postgresql/15/main/postgresql.conf",
        "-cssl=off",
        "-cshared_buffers=16MB",
    ];
    let command = format!("CMD {arguments:?}");
    let tar = postgres_tar().display().to_string();
    let import = [
        "import",
        "-c",
        "USER postgres",
        "-c",
        &command,
        &tar,
        "postgres:15",
    ];
    daemon.bulkhead(&import).success();
}

/// A container on the volume, ready for queries.
fn start(daemon: &Daemon) {
    let run = ["run", "-d", "--name", "db", "--network", "none"];
    let image = ["-v", "pgdata:/var/lib/postgresql", "postgres:15"];
    daemon.bulkhead(&[&run[..], &image].concat()).success();
    let ready = ["exec", "db", &format!("{BIN}/pg_isready"), "-q"];
    wait_until(|| daemon.bulkhead(&ready).status == Some(0));
}

fn query(daemon: &Daemon, text: &str) -> String {
    let psql = ["exec", "db", &format!("{BIN}/psql"), "-qAtc", text];
    daemon.bulkhead(&psql).success().trim_end().to_owned()
}

/// Ten thousand rows, committed.
fn insert(daemon: &Daemon) {
    let rows = "INSERT INTO kept (words) SELECT md5(i::text) FROM generate_series(1, 10000) i";
    assert_eq!(query(daemon, rows), "");
}

/// Every row, whole, and the index agrees.
fn check(daemon: &Daemon, rows: u32) {
    let whole = "SELECT count(*), count(DISTINCT id), min(length(words)) FROM kept";
    assert_eq!(query(daemon, whole), format!("{rows}|{rows}|32"));
}

fn pid(daemon: &Daemon) -> String {
    let shown = daemon.bulkhead(&["inspect", "-f", "{{.State.Pid}}", "db"]);
    shown.success().trim_end().to_owned()
}

#[test]
fn a_database_on_a_volume_outlives_its_containers_and_the_daemon() {
    let mut daemon = Daemon::start();
    import(&daemon);
    // The volume begins with the cluster that the image has.
    start(&daemon);
    query(
        &daemon,
        "CREATE TABLE kept (id serial PRIMARY KEY, words text)",
    );
    insert(&daemon);
    daemon.bulkhead(&["rm", "-f", "db"]).success();

    start(&daemon);
    check(&daemon, 10_000);
    insert(&daemon);
    daemon.bulkhead(&["kill", "-s", "KILL", "db"]).success();
    daemon.bulkhead(&["wait", "db"]).success();
    daemon.bulkhead(&["rm", "db"]).success();

    start(&daemon);
    check(&daemon, 20_000);
    insert(&daemon);
    let before = pid(&daemon);
    daemon.kill();
    daemon.start_again();
    assert_eq!(pid(&daemon), before, "the database was restarted");
    check(&daemon, 30_000);
    insert(&daemon);
    daemon.kill();
    daemon.start_again();
    let used = daemon.bulkhead(&["volume", "rm", "pgdata"]).failure(1);
    assert!(used.contains("volume is in use"), "{used}");
    daemon.bulkhead(&["rm", "-f", "db"]).success();

    start(&daemon);
    check(&daemon, 40_000);
    daemon.bulkhead(&["rm", "-f", "-v", "db"]).success();
    daemon.bulkhead(&["volume", "rm", "pgdata"]).success();
}
