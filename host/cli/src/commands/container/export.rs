//! `bulkhead export`

use std::io::{self, IsTerminal, Write};
use std::path::Path;

use bulkhead_api::route::Route;
use clap::Args;
use http_body_util::BodyExt;

use crate::client::{Call, Client};
use crate::error::{Error, Result};

#[derive(Args, Debug)]
#[command(override_usage = "[OPTIONS] CONTAINER")]
pub(crate) struct ExportArgs {
    /// Write to a file, instead of STDOUT
    #[arg(short, long, value_name = "FILE")]
    output: Option<String>,
    #[arg(value_name = "CONTAINER", hide = true)]
    container: String,
}

pub(crate) async fn execute(client: &Client, args: &ExportArgs) -> Result<u8> {
    check(args.output.as_deref(), "export container")?;
    let body = client
        .stream(Call::new(Route::ContainerExport(args.container.clone())))
        .await?;
    deliver(body, args.output.as_deref()).await
}

/// Whether an archive can go there, before anything is asked for.
pub(crate) fn check(output: Option<&str>, doing: &str) -> Result<()> {
    match output {
        None if io::stdout().is_terminal() => Err(Error::Conflict(
            "cowardly refusing to save to a terminal. Use the -o flag or redirect",
        )),
        None => Ok(()),
        Some(path) if Path::new(path).is_dir() => Err(Error::Plain(format!(
            "failed to {doing}: cannot write to a directory"
        ))),
        Some(path) => super::cp::check_output(path)
            .map_err(|e| Error::Plain(format!("failed to {doing}: {e}"))),
    }
}

/// Writes an archive to a file, which appears when it is whole, or to STDOUT.
pub(crate) async fn deliver(mut body: hyper::body::Incoming, output: Option<&str>) -> Result<u8> {
    let failed = |source| Error::Io {
        doing: "write the archive",
        source,
    };
    let Some(path) = output else {
        let mut out = io::stdout().lock();
        while let Some(frame) = body.frame().await {
            let data = frame?.into_data().unwrap_or_default();
            out.write_all(&data).map_err(failed)?;
        }
        return out.flush().map_err(failed).map(|()| 0);
    };
    // Beside the file, so that a half is never taken for the whole.
    let path = Path::new(path);
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty());
    let mut name = std::ffi::OsString::from(".tmp-");
    name.push(path.file_name().unwrap_or_default());
    name.push(std::process::id().to_string());
    let temporary = folder.unwrap_or(Path::new(".")).join(name);
    let written = save(&mut body, &temporary).await;
    if let Err(error) = written {
        let _ = std::fs::remove_file(&temporary);
        return Err(error);
    }
    std::fs::rename(&temporary, path).map_err(failed)?;
    Ok(0)
}

async fn save(body: &mut hyper::body::Incoming, path: &Path) -> Result<()> {
    let failed = |source| Error::Io {
        doing: "write the archive",
        source,
    };
    let mut options = std::fs::OpenOptions::new();
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options
        .write(true)
        .create_new(true)
        .open(path)
        .map_err(failed)?;
    while let Some(frame) = body.frame().await {
        let data = frame?.into_data().unwrap_or_default();
        file.write_all(&data).map_err(failed)?;
    }
    file.sync_all().map_err(failed)
}
