//! `bulkhead system check`

use bulkhead_api::check::SystemChecked;
use bulkhead_api::query::SystemCheckQuery;
use bulkhead_api::route::Route;
use clap::Args;

use crate::client::{Call, Client};
use crate::error::Result;
use crate::output::{Table, decimal_size, print};

/// Something is wrong and was not repaired.
const UNSOUND: u8 = 1;

#[derive(Args, Debug)]
#[command(override_usage = "[OPTIONS]")]
pub(crate) struct CheckArgs {
    /// Make again what can be
    #[arg(long)]
    repair: bool,
}

pub(crate) async fn execute(client: &Client, args: &CheckArgs) -> Result<u8> {
    let query = SystemCheckQuery {
        repair: args.repair,
    };
    let checked: SystemChecked = client
        .json(Call::new(Route::SystemCheck).params(&query))
        .await?;
    if !checked.findings.is_empty() {
        let mut table = Table::new(&["KIND", "NAME", "PROBLEM", "REPAIRED"]);
        for finding in &checked.findings {
            table.row(vec![
                finding.kind.clone(),
                finding.name.clone(),
                finding.problem.clone(),
                finding.repaired.clone(),
            ]);
        }
        print(format_args!("{table}\n"))?;
    }
    let wrong = checked.findings.iter().filter(|f| f.repaired.is_empty());
    let wrong = wrong.count();
    print(format_args!("{}\n", summary(&checked, wrong, args.repair)))?;
    Ok(if wrong == 0 { 0 } else { UNSOUND })
}

fn summary(checked: &SystemChecked, wrong: usize, repair: bool) -> String {
    let bytes = i64::try_from(checked.bytes).unwrap_or(i64::MAX);
    let looked = format!(
        "{} images, {} blobs ({}), {} layers, {} containers, {} volumes",
        checked.images,
        checked.blobs,
        decimal_size(bytes, 4),
        checked.layers,
        checked.containers,
        checked.volumes,
    );
    let repaired = checked.findings.len() - wrong;
    match (wrong, repaired) {
        (0, 0) => format!("Checked {looked}: all sound"),
        (0, _) => format!("Checked {looked}: {repaired} repaired"),
        _ if repair => {
            format!("Checked {looked}: {wrong} cannot be repaired here, {repaired} repaired")
        }
        _ => format!("Checked {looked}: {wrong} wrong; --repair makes again what can be"),
    }
}
