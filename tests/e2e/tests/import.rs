//! `import`: archives of filesystems become images, and what `export` writes
//! is what `import` reads.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::time::Duration;

use bulkhead_test_support::{Daemon, Tree, digest, images, run_with_input};
use serde_json::Value;

const LIMIT: Duration = Duration::from_secs(60);

fn inspect(daemon: &Daemon, name: &str) -> Value {
    let text = daemon.bulkhead(&["image", "inspect", name]).success();
    let mut all: Vec<Value> = serde_json::from_str(&text).unwrap();
    all.remove(0)
}

/// Answers one request with `body`, and gives the URL.
fn serve(body: Vec<u8>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut request = [0; 4096];
        let _ = stream.read(&mut request).unwrap();
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
        stream.write_all(head.as_bytes()).unwrap();
        stream.write_all(&body).unwrap();
    });
    format!("http://{address}/root.tar")
}

#[test]
fn an_archive_is_imported_from_a_file_from_stdin_and_from_a_url() {
    let daemon = Daemon::start();
    let root = Tree::new().file("hello", 0o644, b"hi\n").into_tar();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("root.tar").display().to_string();
    std::fs::write(&path, &root).unwrap();
    let changes = ["-c", "CMD [\"/x\"]", "-c", "ENV A=1 B=2", "-m", "made"];
    let import = [&["import"], &changes[..], &[&path, "file:1"]].concat();
    let id = daemon.bulkhead(&import).success();
    let image = inspect(&daemon, "file:1");
    assert_eq!(image["Id"], id.trim());
    assert_eq!(image["Comment"], "made");
    assert_eq!(image["Config"]["Cmd"], serde_json::json!(["/x"]));
    assert_eq!(image["Config"]["Env"], serde_json::json!(["A=1", "B=2"]));
    assert_eq!(
        image["RootFS"]["Layers"],
        serde_json::json!([digest(&root)])
    );

    let mut docker = daemon.docker_command(&["import", "-", "stdin:2"]);
    let id = run_with_input(&mut docker, &root, LIMIT).success();
    let image = inspect(&daemon, "stdin:2");
    assert_eq!(
        (image["Id"].as_str(), image["Comment"].as_str()),
        (Some(id.trim()), Some("Imported from -"))
    );

    let url = serve(root);
    let said = daemon.docker(&["import", &url]).success();
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(lines[0], format!("Downloading from {url}"));
    assert_eq!(
        inspect(&daemon, lines[1])["Comment"],
        format!("Imported from {url}")
    );
}

#[test]
fn what_cannot_be_imported_leaves_nothing() {
    let daemon = Daemon::start();
    let import = |arguments: &[&str], archive: &[u8]| {
        let mut command = daemon.bulkhead_command(&[&["import"], arguments, &["-", "x"]].concat());
        run_with_input(&mut command, archive, LIMIT).failure(1)
    };
    let whole = Tree::new().file("f", 0o644, &[1; 5000]).into_tar();
    let climbing = Tree::new().file("../../f", 0o644, b"").into_tar();
    for (arguments, archive, why) in [
        (&[][..], &whole[..3000], "unexpected end of the archive"),
        (&[], &climbing, "outside of the root"),
        (
            &["-c", "RUN x"],
            &whole,
            "run is not a valid change command",
        ),
        (&["--platform", "windows/amd64"], &whole, "windows"),
    ] {
        let told = import(arguments, archive);
        assert!(told.contains(why), "{told}");
    }
    let refused = daemon
        .bulkhead(&["import", "http://127.0.0.1:1/x"])
        .failure(1);
    assert!(refused.contains("http://127.0.0.1:1/x"), "{refused}");
    assert_eq!(daemon.bulkhead(&["images", "-aq"]).success(), "");
    assert_eq!(daemon.snapshots(), [""; 0]);
    let data = daemon.folder().join("data");
    for folder in ["staging", "blobs/sha256"] {
        assert_eq!(
            std::fs::read_dir(data.join(folder)).unwrap().count(),
            0,
            "{folder}"
        );
    }
}

#[test]
fn what_is_exported_is_imported_as_it_was() {
    let daemon = Daemon::start();
    daemon.load("busybox:latest", &images::busybox());
    let change = "mkdir /d && echo x > /d/f && chmod 4751 /d/f && ln /d/f /d/g && ln -s f /d/h && chown 12:34 /d && touch -d '2001-02-03 04:05:06' /d";
    let run = [
        "run",
        "--name",
        "made",
        "--network",
        "none",
        "busybox",
        "sh",
        "-c",
        change,
    ];
    daemon.bulkhead(&run).success();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("c.tar").display().to_string();
    daemon.bulkhead(&["export", "-o", &path, "made"]).success();
    daemon.bulkhead(&["import", &path, "again:1"]).success();
    let list = ["run", "--rm", "--network", "none", "again:1", "sh", "-c"];
    let stat = "stat -c '%n %f %u %g %s %h %Y' /d /d/* && cat /d/g";
    let said = daemon.bulkhead(&[&list[..], &[stat]].concat()).success();
    let lines: Vec<&str> = said.lines().collect();
    assert!(
        lines[0].starts_with("/d 41ed 12 34 ") && lines[0].ends_with(" 981173106"),
        "{said}"
    );
    assert!(lines[1].starts_with("/d/f 89e9 0 0 2 2 "), "{said}");
    assert!(lines[2].starts_with("/d/g 89e9 0 0 2 2 "), "{said}");
    assert!(lines[3].starts_with("/d/h a1ff 0 0 1 1 "), "{said}");
    assert_eq!(lines[4], "x");
}
