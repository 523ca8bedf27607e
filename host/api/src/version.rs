//! API versions: the `/v1.41/` prefix of a path and what both sides speak.

use std::fmt;
use std::str::FromStr;

/// A version of the API, `major.minor`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ApiVersion {
    /// Always 1 so far.
    pub major: u16,
    /// 24 to 53.
    pub minor: u16,
}

/// The newest version spoken.
pub const MAX: ApiVersion = ApiVersion {
    major: 1,
    minor: 53,
};
/// The oldest version spoken.
pub const MIN: ApiVersion = ApiVersion {
    major: 1,
    minor: 24,
};

/// A version that cannot be served. The texts are Docker's.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum VersionError {
    /// Not `major.minor`.
    #[error("invalid API version {0:?}: expected major.minor, such as 1.41")]
    Malformed(String),
    /// Older than [`MIN`].
    #[error(
        "client version {0} is too old. Minimum supported API version is {MIN}, please upgrade your client to a newer version"
    )]
    TooOld(ApiVersion),
    /// Newer than [`MAX`].
    #[error("client version {0} is too new. Maximum supported API version is {MAX}")]
    TooNew(ApiVersion),
}

impl ApiVersion {
    /// Refuses what is outside [`MIN`] to [`MAX`].
    pub fn supported(self) -> Result<Self, VersionError> {
        match self {
            v if v < MIN => Err(VersionError::TooOld(v)),
            v if v > MAX => Err(VersionError::TooNew(v)),
            v => Ok(v),
        }
    }
}

/// Splits a request path into the version it asks for ([`MAX`] when it names
/// none) and the rest, which starts with `/`.
pub fn split_path(path: &str) -> Result<(ApiVersion, &str), VersionError> {
    let Some(after) = path
        .strip_prefix("/v")
        .filter(|p| p.starts_with(|c: char| c.is_ascii_digit()))
    else {
        return Ok((MAX, path));
    };
    let end = after.find('/').unwrap_or(after.len());
    let (version, rest) = after.split_at(end);
    Ok((version.parse::<ApiVersion>()?.supported()?, rest))
}

impl fmt::Display for ApiVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

impl FromStr for ApiVersion {
    type Err = VersionError;

    fn from_str(text: &str) -> Result<Self, VersionError> {
        let malformed = || VersionError::Malformed(text.chars().take(40).collect());
        let number = |part: &str| match part.bytes().all(|b| b.is_ascii_digit()) {
            true => part.parse::<u16>().map_err(|_| malformed()),
            false => Err(malformed()),
        };
        let (major, minor) = text.split_once('.').ok_or_else(malformed)?;
        Ok(Self {
            major: number(major)?,
            minor: number(minor)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_without_a_version_speaks_the_newest() {
        assert_eq!(split_path("/volumes/x"), Ok((MAX, "/volumes/x")));
        assert_eq!(split_path("/_ping"), Ok((MAX, "/_ping")));
        assert_eq!(
            split_path("/v1.41/info"),
            Ok((
                ApiVersion {
                    major: 1,
                    minor: 41
                },
                "/info"
            ))
        );
    }

    #[test]
    fn versions_outside_the_range_are_refused_in_dockers_words() {
        assert_eq!(
            split_path("/v1.10/info").unwrap_err().to_string(),
            "client version 1.10 is too old. Minimum supported API version is 1.24, please upgrade your client to a newer version"
        );
        assert_eq!(
            split_path("/v1.99/info").unwrap_err().to_string(),
            "client version 1.99 is too new. Maximum supported API version is 1.53"
        );
        for bad in ["/v1", "/v1.", "/v1.+4/", "/v99999999.1/"] {
            assert!(
                matches!(split_path(bad), Err(VersionError::Malformed(_))),
                "{bad}"
            );
        }
    }
}
