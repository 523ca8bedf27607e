//! Who a registry is, by its certificate.
//!
//! A certificate that signed itself is an authority, as openssl makes it, and
//! Docker's documentation has administrators run registries with such a one
//! and trust it by putting it into the registry's own folder. Go takes it;
//! webpki refuses any authority as a server's certificate. So one that is
//! itself among those trusted is taken, if its time and names are right.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{VerifierBuilderError, WebPkiServerVerifier, verify_server_name};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme,
};

/// What cannot be made a client of.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SetUpError {
    #[error(transparent)]
    Verifier(#[from] VerifierBuilderError),
    #[error(transparent)]
    Tls(#[from] rustls::Error),
    #[error("the client's certificate: {0}")]
    Pem(#[from] rustls::pki_types::pem::Error),
}

/// TLS that trusts `roots`, and shows the certificate and key of `identity`,
/// PEM, if there are any.
pub(crate) fn config(
    roots: Vec<CertificateDer<'static>>,
    identity: Option<&[u8]>,
) -> Result<ClientConfig, SetUpError> {
    let verifier = OrItself::new(roots)?;
    let builder = ClientConfig::builder()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier));
    let mut config = match identity {
        None => builder.with_no_client_auth(),
        Some(pem) => {
            let chain = CertificateDer::pem_slice_iter(pem).collect::<Result<_, _>>()?;
            builder.with_client_auth_cert(chain, PrivateKeyDer::from_pem_slice(pem)?)?
        }
    };
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

#[derive(Debug)]
struct OrItself {
    chains: Arc<WebPkiServerVerifier>,
    trusted: Vec<CertificateDer<'static>>,
}

impl OrItself {
    fn new(trusted: Vec<CertificateDer<'static>>) -> Result<Self, SetUpError> {
        let mut roots = RootCertStore::empty();
        // One that cannot be read is an authority of nobody.
        roots.add_parsable_certificates(trusted.iter().cloned());
        let chains = WebPkiServerVerifier::builder(Arc::new(roots)).build()?;
        Ok(Self { chains, trusted })
    }
}

/// Whether a certificate was refused because it is an authority's; webpki has
/// found its time right before.
pub(crate) fn is_authority(error: &rustls::Error) -> bool {
    match error {
        rustls::Error::InvalidCertificate(CertificateError::Other(other)) => matches!(
            other.0.downcast_ref::<webpki::Error>(),
            Some(webpki::Error::CaUsedAsEndEntity)
        ),
        _ => false,
    }
}

impl ServerCertVerifier for OrItself {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let verified = self.chains.verify_server_cert(
            end_entity,
            intermediates,
            server_name,
            ocsp_response,
            now,
        );
        match verified {
            Err(error) if is_authority(&error) && self.trusted.contains(end_entity) => {
                verify_server_name(&ParsedCertificate::try_from(end_entity)?, server_name)?;
                Ok(ServerCertVerified::assertion())
            }
            verified => verified,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.chains.verify_tls12_signature(message, cert, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.chains.verify_tls13_signature(message, cert, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.chains.supported_verify_schemes()
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;
    use std::time::Duration;

    use super::*;

    /// A certificate that signed itself, as openssl makes it, good for two days.
    fn itself(name: &str) -> CertificateDer<'static> {
        let dir = tempfile::tempdir().unwrap();
        let out = dir.path().join("c.pem");
        let made = Command::new("openssl")
            .args([
                "req",
                "-x509",
                "-newkey",
                "ec",
                "-pkeyopt",
                "ec_paramgen_curve:P-256",
            ])
            .args([
                "-nodes",
                "-days",
                "2",
                "-subj",
                "/CN=x",
                "-keyout",
                "/dev/null",
            ])
            .args(["-addext", &format!("subjectAltName=DNS:{name}"), "-out"])
            .arg(&out)
            .output()
            .unwrap();
        assert!(made.status.success(), "{made:?}");
        CertificateDer::from_pem_file(out).unwrap()
    }

    fn verify(
        trusted: &CertificateDer<'static>,
        shown: &CertificateDer<'static>,
        name: &str,
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let verifier = OrItself::new(vec![trusted.clone()]).unwrap();
        let name = ServerName::try_from(name.to_owned()).unwrap();
        verifier.verify_server_cert(shown, &[], &name, &[], now)
    }

    #[test]
    fn a_certificate_that_signed_itself_counts_if_it_is_trusted_itself() {
        let (own, other) = (itself("reg.example"), itself("reg.example"));
        let now = UnixTime::now();
        verify(&own, &own, "reg.example", now).unwrap();
        assert!(verify(&other, &own, "reg.example", now).is_err());
        assert!(verify(&own, &own, "else.example", now).is_err());
        let late = UnixTime::since_unix_epoch(Duration::from_secs(now.as_secs() + 5 * 24 * 3600));
        let error = verify(&own, &own, "reg.example", late).unwrap_err();
        assert!(error.to_string().contains("expired"), "{error}");
    }
}
