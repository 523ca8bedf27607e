//! Certificates for daemons and clients.

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};

/// Certificates of a test's own, in a folder that goes with this.
pub struct Certificates {
    folder: tempfile::TempDir,
}

impl Certificates {
    /// An authority, a server and a client in the names that docker's client
    /// looks for; and a client of somebody else's authority.
    #[must_use]
    pub fn make() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let authority = |name: &str| {
            let mut params = CertificateParams::new(Vec::new()).unwrap();
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            params
                .distinguished_name
                .push(rcgen::DnType::CommonName, name);
            CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
        };
        let (ours, foreign) = (authority("ours"), authority("foreign"));
        for (sub, issuer) in [("server", &ours), ("client", &ours), ("stranger", &foreign)] {
            let dir = folder.path().join(sub);
            std::fs::create_dir(&dir).unwrap();
            let key = KeyPair::generate().unwrap();
            let params = CertificateParams::new(vec!["127.0.0.1".into(), "localhost".into()]);
            let certificate = params.unwrap().signed_by(&key, issuer).unwrap();
            std::fs::write(dir.join("ca.pem"), ours.pem()).unwrap();
            std::fs::write(dir.join("cert.pem"), certificate.pem()).unwrap();
            std::fs::write(dir.join("key.pem"), key.serialize_pem()).unwrap();
        }
        Self { folder }
    }

    /// The folder of `server`, `client` or `stranger`, or a file in one.
    #[must_use]
    pub fn path(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }
}
