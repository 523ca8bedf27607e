//! `--security-opt`: what the client itself has to do about it.

use super::{InvalidValue, invalid};

/// The options for the daemon, and whether system paths stay uncovered.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct SecurityOptions {
    pub(crate) options: Vec<String>,
    pub(crate) bare_system_paths: bool,
}

/// A seccomp profile is sent as the file's text, as the daemon may be elsewhere.
pub(crate) fn security_options(words: &[String]) -> Result<SecurityOptions, InvalidValue> {
    let mut out = SecurityOptions::default();
    for word in words {
        match word.split_once(['=', ':']) {
            None if word != "no-new-privileges" => {
                return Err(invalid(format!("invalid --security-opt: {word:?}")));
            }
            Some(("systempaths", "unconfined")) => out.bare_system_paths = true,
            Some(("seccomp", path)) if !matches!(path, "unconfined" | "builtin") => {
                out.options.push(format!("seccomp={}", profile(path)?));
            }
            _ => out.options.push(word.clone()),
        }
    }
    Ok(out)
}

fn profile(path: &str) -> Result<String, InvalidValue> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| invalid(format!("opening seccomp profile ({path}) failed: {error}")))?;
    let value: serde_json::Value = serde_json::from_str(&text).map_err(|error| {
        invalid(format!(
            "compacting json for seccomp profile ({path}) failed: {error}"
        ))
    })?;
    Ok(value.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_profile_is_sent_as_text_and_system_paths_are_a_list() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "{ \"defaultAction\": \"SCMP_ACT_ALLOW\" }").unwrap();
        let words = [
            format!("seccomp={}", file.path().display()),
            "systempaths=unconfined".to_owned(),
            "no-new-privileges".to_owned(),
        ];
        let read = security_options(&words).unwrap();
        assert!(read.bare_system_paths);
        assert_eq!(
            read.options,
            [
                "seccomp={\"defaultAction\":\"SCMP_ACT_ALLOW\"}",
                "no-new-privileges"
            ]
        );
        assert!(security_options(&["seccomp=/no/such".to_owned()]).is_err());
        assert!(security_options(&["odd".to_owned()]).is_err());
    }
}
