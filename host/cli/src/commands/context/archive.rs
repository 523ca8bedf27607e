//! A context as docker's archive: `meta.json`, and `tls/docker/*.pem`.

use std::io::Read;

use crate::docker_config::{Context, ContextError};

/// A file of a context larger than this is none.
const MAX_FILE: u64 = 1 << 20;
/// Entries of an archive.
const MAX_ENTRIES: usize = 64;

type Files = Vec<(&'static str, Vec<u8>)>;

/// The archive's bytes.
pub(super) fn write(context: &Context, files: &Files) -> std::io::Result<Vec<u8>> {
    let mut archive = tar::Builder::new(Vec::new());
    let meta = serde_json::to_vec(context).map_err(std::io::Error::other)?;
    append(&mut archive, "meta.json", 0o644, &meta)?;
    let mut folder = tar::Header::new_gnu();
    folder.set_entry_type(tar::EntryType::Directory);
    folder.set_mode(0o700);
    folder.set_size(0);
    archive.append_data(&mut folder.clone(), "tls", std::io::empty())?;
    if !files.is_empty() {
        archive.append_data(&mut folder, "tls/docker", std::io::empty())?;
    }
    for (name, text) in files {
        append(&mut archive, &format!("tls/docker/{name}"), 0o600, text)?;
    }
    archive.into_inner()
}

fn append(
    archive: &mut tar::Builder<Vec<u8>>,
    name: &str,
    mode: u32,
    text: &[u8],
) -> std::io::Result<()> {
    let mut header = tar::Header::new_gnu();
    header.set_mode(mode);
    header.set_size(text.len() as u64);
    archive.append_data(&mut header, name, text)
}

/// Reads an archive. Only the names above count, so that no other path is
/// ever written.
pub(super) fn read(from: impl Read) -> Result<(Context, Files), ContextError> {
    let broken = |error: std::io::Error| ContextError::Archive(error.to_string());
    let (mut context, mut files) = (None, Files::new());
    let mut archive = tar::Archive::new(from);
    for entry in archive.entries().map_err(broken)?.take(MAX_ENTRIES) {
        let mut entry = entry.map_err(broken)?;
        let path = entry.path().map_err(broken)?.to_string_lossy().into_owned();
        if !entry.header().entry_type().is_file() {
            continue;
        }
        if entry.size() > MAX_FILE {
            return Err(ContextError::Archive(format!("{path} is too large")));
        }
        let mut text = Vec::new();
        entry.read_to_end(&mut text).map_err(broken)?;
        match path.as_str() {
            "meta.json" => {
                let read = serde_json::from_slice(&text);
                context = Some(read.map_err(|error| ContextError::Archive(error.to_string()))?);
            }
            "tls/docker/ca.pem" => files.push(("ca.pem", text)),
            "tls/docker/cert.pem" => files.push(("cert.pem", text)),
            "tls/docker/key.pem" => files.push(("key.pem", text)),
            other => return Err(ContextError::Archive(format!("unexpected file {other:?}"))),
        }
    }
    match context {
        Some(context) => Ok((context, files)),
        None => Err(ContextError::Archive("meta.json is missing".into())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again() {
        let mut context = Context::new("prod");
        context.set_endpoint("ssh://box", false);
        let files = vec![("ca.pem", b"ca".to_vec()), ("key.pem", b"key".to_vec())];
        let archive = write(&context, &files).unwrap();
        let (read, read_files) = read(archive.as_slice()).unwrap();
        assert_eq!((read.host(), read_files), ("ssh://box", files));
    }

    #[test]
    fn a_path_out_of_the_folder_is_refused() {
        let mut archive = tar::Builder::new(Vec::new());
        append(&mut archive, "meta.json", 0o644, b"{}").unwrap();
        append(&mut archive, "tls/docker/authorized_keys", 0o644, b"x").unwrap();
        let bytes = archive.into_inner().unwrap();
        let error = read(bytes.as_slice()).unwrap_err();
        assert!(error.to_string().contains("unexpected file"), "{error}");
        assert!(read(b"junk".as_slice()).is_err());
    }
}
