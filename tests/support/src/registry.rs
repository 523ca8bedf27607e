//! A registry on the loopback address: Debian's `docker-registry`, which is
//! the CNCF distribution that most registries run.

use std::fs::File;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::free;
use crate::http::{self, Request, Response};
use crate::image::Image;

const START: Duration = Duration::from_secs(60);

/// `tester:secret` as htpasswd(1) writes it with bcrypt.
const USERS: &str = "tester:$2b$04$AagAlIdc4nuzSZelnsI7x.82n4kkpmqWlPYrrEyOJZlyZyf5Xluhu\n";
/// The same as a client sends it (RFC 7617).
const AUTHORIZATION: &str = "Basic dGVzdGVyOnNlY3JldA==";

/// A running registry without TLS, ended when dropped.
pub struct Registry {
    child: Child,
    address: String,
    /// What its requests say who they are.
    authorization: &'static str,
    folder: TempDir,
}

impl Registry {
    /// Starts an empty one and waits until it answers.
    #[track_caller]
    pub fn start() -> Self {
        Self::start_for("")
    }

    /// Starts one that wants the user `tester` with the password `secret`.
    #[track_caller]
    pub fn with_password() -> Self {
        Self::start_for(AUTHORIZATION)
    }

    #[track_caller]
    fn start_for(authorization: &'static str) -> Self {
        let folder = tempfile::Builder::new()
            .prefix("bulkhead-registry-")
            .tempdir()
            .expect("temporary folder");
        let address = format!("127.0.0.1:{}", free::port());
        let mut settings = format!(
            "version: 0.1\nlog: {{level: error}}\nstorage:\n  filesystem: {{rootdirectory: {}}}\n  \
             delete: {{enabled: true}}\nhttp: {{addr: {address}}}\n",
            folder.path().join("data").display()
        );
        if !authorization.is_empty() {
            let users = folder.path().join("htpasswd");
            write_users(&users);
            settings += &format!(
                "auth: {{htpasswd: {{realm: tests, path: {}}}}}\n",
                users.display()
            );
        }
        let file = folder.path().join("config.yml");
        std::fs::write(&file, settings).expect("write the registry's settings");
        let log = File::create(folder.path().join("log")).expect("create the registry's log");
        let child = Command::new("docker-registry")
            .arg("serve")
            .arg(&file)
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("clone the log"))
            .stderr(log)
            .spawn()
            .expect("start docker-registry (Debian's package of that name)");
        let registry = Registry {
            child,
            address,
            authorization,
            folder,
        };
        registry.wait_until_it_answers();
        registry
    }

    #[track_caller]
    fn wait_until_it_answers(&self) {
        let deadline = Instant::now() + START;
        let ping = Request {
            method: "GET",
            target: "/v2/",
            content_type: "text/plain",
            authorization: self.authorization,
            body: b"",
        };
        while !http::over_tcp(&self.address, &ping).is_ok_and(|response| response.status == 200) {
            let log = std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
            assert!(
                Instant::now() < deadline,
                "the registry does not answer\n{log}"
            );
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// `127.0.0.1:PORT`.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// The blobs it holds, by digest.
    pub fn blobs(&self) -> Vec<String> {
        let all = (self.folder.path()).join("data/docker/registry/v2/blobs/sha256");
        let entries = |folder: &std::path::Path| std::fs::read_dir(folder).into_iter().flatten();
        (entries(&all).flatten())
            .flat_map(|group| entries(&group.path()).flatten())
            .map(|blob| format!("sha256:{}", blob.file_name().display()))
            .collect()
    }

    /// Uploads `image` as `name` (`repository:tag`) and returns the whole
    /// reference to pull it by.
    #[track_caller]
    pub fn push(&self, name: &str, image: &Image) -> String {
        let (repository, tag) = name.rsplit_once(':').unwrap_or((name, "latest"));
        let manifest = image.manifest();
        for blob in manifest.blobs() {
            self.upload(repository, &blob.digest, &blob.bytes);
        }
        let target = format!("/v2/{repository}/manifests/{tag}");
        let response = self.send("PUT", &target, &manifest.media_type, &manifest.bytes);
        assert_eq!(response.status, 201, "push {name}: {}", response.text());
        format!("{}/{repository}:{tag}", self.address)
    }

    /// Uploads an index (OCI image spec, image-index.md) of images, each for
    /// the processor named, and returns the reference to pull it by.
    #[track_caller]
    pub fn push_index(&self, name: &str, images: &[(&str, Image)]) -> String {
        let (repository, tag) = name.rsplit_once(':').unwrap_or((name, "latest"));
        let entry = |(processor, image): &(&str, Image)| {
            self.push(&format!("{repository}:{processor}"), image);
            let manifest = image.manifest();
            serde_json::json!({
                "mediaType": manifest.media_type,
                "digest": crate::image::digest(&manifest.bytes),
                "size": manifest.bytes.len(),
                "platform": { "os": "linux", "architecture": processor },
            })
        };
        let media_type = "application/vnd.oci.image.index.v1+json";
        let index = serde_json::json!({
            "schemaVersion": 2,
            "mediaType": media_type,
            "manifests": images.iter().map(entry).collect::<Vec<_>>(),
        });
        let target = format!("/v2/{repository}/manifests/{tag}");
        let response = self.send("PUT", &target, media_type, index.to_string().as_bytes());
        assert_eq!(response.status, 201, "push {name}: {}", response.text());
        format!("{}/{repository}:{tag}", self.address)
    }

    /// A monolithic upload in two requests (OCI distribution spec, "Pushing blobs").
    #[track_caller]
    pub fn upload(&self, repository: &str, digest: &str, bytes: &[u8]) {
        let begun = self.send(
            "POST",
            &format!("/v2/{repository}/blobs/uploads/"),
            "application/octet-stream",
            b"",
        );
        let location = begun.header("location").expect("the place to upload to");
        let origin = format!("http://{}", self.address);
        let target = location.strip_prefix(&origin).unwrap_or(location);
        let target = format!("{target}&digest={digest}");
        let response = self.send("PUT", &target, "application/octet-stream", bytes);
        assert_eq!(response.status, 201, "upload {digest}: {}", response.text());
    }

    /// One request to the registry; `target` is path and query.
    #[track_caller]
    pub fn send(&self, method: &str, target: &str, content_type: &str, body: &[u8]) -> Response {
        let request = Request {
            method,
            target,
            content_type,
            authorization: self.authorization,
            body,
        };
        http::over_tcp(&self.address, &request).unwrap_or_else(|error| panic!("{error:#}"))
    }
}

/// Users as docker-registry reads them: `tester` with the password `secret`.
#[track_caller]
pub(crate) fn write_users(file: &std::path::Path) {
    std::fs::write(file, USERS).expect("write the registry's users");
}

impl Drop for Registry {
    fn drop(&mut self) {
        // It may have been killed by its test.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
