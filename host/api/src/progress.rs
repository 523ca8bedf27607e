//! The JSON lines of `POST /images/create` (and later push, load, build).

use serde::{Deserialize, Serialize};

/// One line.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Progress {
    /// Text to show as it is, with its line feed.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub stream: String,
    /// `Downloading`, `Pull complete`, …
    #[serde(skip_serializing_if = "String::is_empty")]
    pub status: String,
    /// How far the step is; `{}` for a step without a measure.
    #[serde(rename = "progressDetail", skip_serializing_if = "Option::is_none")]
    pub detail: Option<ProgressDetail>,
    /// A drawn bar, from daemons older than 28; ours leaves it out.
    #[serde(rename = "progress", skip_serializing_if = "String::is_empty")]
    pub bar: String,
    /// The layer's short id, or the tag for the first line.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub id: String,
    /// For programs: what a push made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub aux: Option<PushResult>,
    /// The failure that ends the stream.
    #[serde(rename = "errorDetail", skip_serializing_if = "Option::is_none")]
    pub error_detail: Option<ProgressError>,
    /// The failure's message once more, for old clients.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub error: String,
}

/// A tag that was pushed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct PushResult {
    /// The tag.
    pub tag: String,
    /// The manifest's digest.
    pub digest: String,
    /// The manifest's bytes.
    pub size: i64,
}

/// How far a step is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ProgressDetail {
    /// Bytes (or `units`) done.
    #[serde(skip_serializing_if = "is_zero")]
    pub current: i64,
    /// Bytes (or `units`) in all; 0 when unknown.
    #[serde(skip_serializing_if = "is_zero")]
    pub total: i64,
}

/// A failure in the middle of a stream.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ProgressError {
    /// An exit code or status, if there is one.
    #[serde(skip_serializing_if = "is_zero")]
    pub code: i64,
    /// One sentence for the user.
    pub message: String,
}

impl Progress {
    /// A line that belongs to no layer (`Digest: …`, `Status: …`).
    pub fn status(status: impl Into<String>) -> Self {
        Self {
            status: status.into(),
            ..Self::default()
        }
    }

    /// Text to show as it is (`Loaded image: …`), with its line feed.
    pub fn stream(text: impl Into<String>) -> Self {
        Self {
            stream: text.into(),
            ..Self::default()
        }
    }

    /// A step of a layer, without a measure.
    pub fn step(id: impl Into<String>, status: impl Into<String>) -> Self {
        Self {
            id: id.into(),
            status: status.into(),
            detail: Some(ProgressDetail::default()),
            ..Self::default()
        }
    }

    /// A step of a layer, `current` of `total` bytes done.
    pub fn bytes(
        id: impl Into<String>,
        status: impl Into<String>,
        current: u64,
        total: u64,
    ) -> Self {
        let clamp = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
        let detail = ProgressDetail {
            current: clamp(current),
            total: clamp(total),
        };
        Self {
            id: id.into(),
            status: status.into(),
            detail: Some(detail),
            ..Self::default()
        }
    }

    /// The last line of a stream that failed.
    pub fn failure(message: impl Into<String>) -> Self {
        let message = message.into();
        let detail = ProgressError {
            code: 0,
            message: message.clone(),
        };
        Self {
            error_detail: Some(detail),
            error: message,
            ..Self::default()
        }
    }

    /// The line as it is sent, with the CR LF that Docker ends it with.
    pub fn to_line(&self) -> Vec<u8> {
        let mut line = serde_json::to_vec(self).expect("strings and numbers always serialize");
        line.extend_from_slice(b"\r\n");
        line
    }
}

fn is_zero(n: &i64) -> bool {
    *n == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_look_as_dockers() {
        let text = |p: Progress| String::from_utf8(p.to_line()).unwrap();
        assert_eq!(
            text(Progress::status("Digest: sha256:1")),
            "{\"status\":\"Digest: sha256:1\"}\r\n"
        );
        assert_eq!(text(Progress::stream("a\n")), "{\"stream\":\"a\\n\"}\r\n");
        assert_eq!(
            text(Progress::step("a1", "Pull complete")),
            "{\"status\":\"Pull complete\",\"progressDetail\":{},\"id\":\"a1\"}\r\n"
        );
        assert_eq!(
            text(Progress::bytes("a1", "Downloading", 1, 2)),
            "{\"status\":\"Downloading\",\"progressDetail\":{\"current\":1,\"total\":2},\"id\":\"a1\"}\r\n"
        );
        assert_eq!(
            text(Progress::failure("no")),
            "{\"errorDetail\":{\"message\":\"no\"},\"error\":\"no\"}\r\n"
        );
    }
}
