//! Public keys as PEM (RFC 7468, "PUBLIC KEY"): Ed25519 (RFC 8410) and ECDSA
//! on P-256 with SHA-256 (RFC 5480).

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::signature::{ECDSA_P256_SHA256_ASN1, ED25519, UnparsedPublicKey, VerificationAlgorithm};

/// `SubjectPublicKeyInfo` in DER up to the key's own bytes.
const ED25519_PREFIX: &[u8] = &[
    0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00,
];
const P256_PREFIX: &[u8] = &[
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a,
    0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];

/// Not a key that signatures are verified with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidKey {
    /// No `-----BEGIN PUBLIC KEY-----`, or what follows is no base64.
    #[error("it is no public key in PEM")]
    Pem,
    /// RSA, another curve, and the like.
    #[error("only Ed25519 keys and ECDSA keys on the curve P-256 are known")]
    Kind,
}

/// A public key.
#[derive(Clone)]
pub struct Key {
    algorithm: &'static dyn VerificationAlgorithm,
    bytes: Vec<u8>,
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.algorithm)
    }
}

impl Key {
    /// Reads one public key.
    pub fn from_pem(pem: &str) -> Result<Self, InvalidKey> {
        let (_, rest) = pem
            .split_once("-----BEGIN PUBLIC KEY-----")
            .ok_or(InvalidKey::Pem)?;
        let (text, _) = rest
            .split_once("-----END PUBLIC KEY-----")
            .ok_or(InvalidKey::Pem)?;
        let text: String = text.split_whitespace().collect();
        let der = STANDARD.decode(text).map_err(|_| InvalidKey::Pem)?;
        let ed25519 = der.strip_prefix(ED25519_PREFIX).filter(|k| k.len() == 32);
        let p256 = der.strip_prefix(P256_PREFIX).filter(|k| k.len() == 65);
        match (ed25519, p256) {
            (Some(key), _) => Ok(Self {
                algorithm: &ED25519,
                bytes: key.to_vec(),
            }),
            (_, Some(key)) => Ok(Self {
                algorithm: &ECDSA_P256_SHA256_ASN1,
                bytes: key.to_vec(),
            }),
            _ => Err(InvalidKey::Kind),
        }
    }

    /// Whether `signature` of `message` was made with this key's other half.
    pub fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        let key = UnparsedPublicKey::new(self.algorithm, &self.bytes);
        key.verify(message, signature).is_ok()
    }
}
