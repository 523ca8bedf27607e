//! A registry as administrators run them: TLS by an authority of their own,
//! certificates for its clients, and passwords.

use std::fs::File;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::{free, registry};

const START: Duration = Duration::from_secs(30);
/// An address that is not a loopback one (RFC 5737), so that certificates count.
const HOST: &str = "198.51.100.7";

/// A running registry, in the network namespace it was started in.
pub struct SecuredRegistry {
    child: Child,
    address: String,
    folder: TempDir,
    trust: PathBuf,
}

impl SecuredRegistry {
    /// Starts one for the user `tester` with the password `secret`. The
    /// thread must have a network of its own ([`own_network`](crate::own_network)).
    #[track_caller]
    pub fn start() -> Self {
        sh("ip address replace \"$0\"/32 dev lo", &[HOST]);
        let folder = tempfile::tempdir().expect("temporary folder");
        certificates(folder.path());
        registry::write_users(&folder.path().join("htpasswd"));
        let address = format!("{HOST}:{}", free::port());
        let file = folder.path().join("config.yml");
        std::fs::write(&file, settings(folder.path(), &address)).expect("write the settings");
        let log = File::create(folder.path().join("log")).expect("create the registry's log");
        let child = Command::new("docker-registry")
            .arg("serve")
            .arg(&file)
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("clone the log"))
            .stderr(log)
            .spawn()
            .expect("start docker-registry (Debian's package of that name)");
        let trust = Path::new("/etc/docker/certs.d").join(&address);
        let registry = Self {
            child,
            address,
            folder,
            trust,
        };
        let deadline = Instant::now() + START;
        while TcpStream::connect(&registry.address).is_err() {
            assert!(Instant::now() < deadline, "the registry does not answer");
            std::thread::sleep(Duration::from_millis(20));
        }
        registry
    }

    /// `HOST:PORT`.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Puts the named files (`ca.crt`, `client.cert`, `client.key`) where
    /// engines on this machine look for those of this registry.
    #[track_caller]
    pub fn trust(&self, files: &[&str]) {
        std::fs::create_dir_all(&self.trust).expect("create the registry's own folder");
        for name in files {
            let from = self.folder.path().join(name);
            std::fs::copy(from, self.trust.join(name)).expect("copy a certificate");
        }
    }
}

impl Drop for SecuredRegistry {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.trust);
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn settings(folder: &Path, address: &str) -> String {
    let at = folder.display();
    format!(
        "version: 0.1\nlog: {{level: error}}\nstorage:\n  filesystem: {{rootdirectory: {at}/data}}\n\
         http:\n  addr: {address}\n  tls:\n    certificate: {at}/server.crt\n    key: {at}/server.key\n    \
         clientcas: [{at}/ca.crt]\nauth: {{htpasswd: {{realm: tests, path: {at}/htpasswd}}}}\n"
    )
}

/// An authority, and certificates by it for the server and its clients.
fn certificates(folder: &Path) {
    let script = r#"
set -e
cd "$0"
new="-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes"
openssl req -x509 $new -days 2 -subj "/CN=bulkhead tests" -keyout ca.key -out ca.crt
for who in server client; do
    openssl req $new -subj "/CN=$who" -keyout $who.key -out $who.csr
    printf 'subjectAltName=IP:%s\nextendedKeyUsage=serverAuth,clientAuth\n' "$1" > $who.ext
    openssl x509 -req -days 2 -in $who.csr -CA ca.crt -CAkey ca.key -CAcreateserial -extfile $who.ext -out $who.crt
done
cp client.crt client.cert
"#;
    let folder = folder.to_str().expect("a folder's name is text");
    sh(script, &[folder, HOST]);
}

#[track_caller]
fn sh(script: &str, arguments: &[&str]) {
    let output = Command::new("sh")
        .args(["-c", script])
        .args(arguments)
        .output()
        .expect("run sh");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
}
