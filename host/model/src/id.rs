//! Identifiers: what may name a container or a snapshot.

use std::fmt;
use std::str::FromStr;

/// An identifier's text breaks its rule.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("invalid {what} {text:?}: {rule}")]
pub struct InvalidId {
    /// What kind of identifier was read.
    pub what: &'static str,
    /// The text, cut to 100 characters.
    pub text: String,
    /// The rule it breaks.
    pub rule: &'static str,
}

fn invalid(what: &'static str, text: &str, rule: &'static str) -> InvalidId {
    InvalidId {
        what,
        text: text.chars().take(100).collect(),
        rule,
    }
}

/// Whether `text` is an id as Docker has them.
fn is_hex_id(text: &str) -> bool {
    let is_hex = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
    text.len() == 64 && text.bytes().all(is_hex)
}

/// An identifier of 64 lower-case hex digits, 32 random bytes.
macro_rules! hex_id {
    ($(#[$doc:meta])* $name:ident, $what:literal) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(String);

        impl $name {
            /// Makes an id of 32 random bytes.
            pub fn from_bytes(bytes: [u8; 32]) -> Self {
                Self(crate::Digest::from_sha256(bytes).hex().to_owned())
            }

            /// All 64 digits.
            pub fn as_str(&self) -> &str {
                &self.0
            }

            /// The twelve digits people see.
            pub fn short(&self) -> &str {
                &self.0[..12]
            }
        }

        impl std::borrow::Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;

            fn from_str(text: &str) -> Result<Self, InvalidId> {
                if is_hex_id(text) {
                    Ok(Self(text.to_owned()))
                } else {
                    Err(invalid($what, text, "expected 64 lower-case hex digits"))
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.short())
            }
        }
    };
}

hex_id!(
    /// A container's id, as Docker has them; its twelve first digits are also
    /// the default hostname.
    ContainerId,
    "container id"
);
hex_id!(
    /// Names one process that was started in a running container.
    ExecId,
    "exec id"
);

/// Names one snapshot of a storage driver. Also a directory name, so it is a
/// single path component that cannot be `.` or `..`.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct SnapshotKey(String);

impl SnapshotKey {
    /// The key of an unpacked layer chain.
    pub fn of_chain(chain_id: &crate::Digest) -> Self {
        Self(chain_id.hex().to_owned())
    }

    /// The key of a container's writable snapshot.
    pub fn of_container(id: &ContainerId) -> Self {
        Self(format!("c-{id}"))
    }

    /// The key under which a layer is being unpacked; `nonce` keeps two
    /// attempts at the same chain apart.
    pub fn of_extraction(chain_id: &crate::Digest, nonce: u64) -> Self {
        Self(format!("x-{}-{nonce:016x}", &chain_id.hex()[..32]))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for SnapshotKey {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let rule = "expected 1 to 128 of a-z, 0-9, '.', '_' and '-', the first a letter or a digit";
        let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
        let fits = (1..=128).contains(&text.len())
            && text
                .bytes()
                .all(|b| plain(b) || matches!(b, b'.' | b'_' | b'-'))
            && plain(text.as_bytes()[0]);
        if fits {
            Ok(Self(text.to_owned()))
        } else {
            Err(invalid("snapshot key", text, rule))
        }
    }
}

impl fmt::Display for SnapshotKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_snapshot_key_is_one_safe_path_component() {
        assert!("c-0a.b_c".parse::<SnapshotKey>().is_ok());
        for bad in ["", ".", "..", "-a", "a/b", "A", "a\0", &"a".repeat(129)] {
            assert!(bad.parse::<SnapshotKey>().is_err(), "{bad:?}");
        }
    }
}
