//! What was found after the cuts, by operation and moment.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

/// One cut.
pub(super) struct PowerCut {
    pub(super) operation: &'static str,
    /// `after` the answer, or `before` it.
    pub(super) moment: &'static str,
    pub(super) number: u64,
}

/// As `bulkhead-power` names what it finds.
const FOUND: [&str; 5] = ["whole", "nothing", "own part", "LOST", "HALF MADE"];
const BAD: usize = 3;

#[derive(Default)]
struct Row {
    cuts: u64,
    answered: u64,
    found: [u64; FOUND.len()],
}

pub(super) struct Table(BTreeMap<(&'static str, &'static str), Row>);

impl Table {
    /// Reads what was written down in the shared folder.
    pub(super) fn of(share: &Path, cuts: &[PowerCut]) -> Self {
        let mut rows: BTreeMap<_, Row> = BTreeMap::new();
        for cut in cuts {
            let name = format!("{}-{}", cut.operation, cut.number);
            let row = rows.entry((cut.operation, cut.moment)).or_default();
            row.cuts += 1;
            row.answered += u64::from(share.join("acked").join(&name).exists());
            // The last cut of a run that failed was not looked at.
            let found = std::fs::read_to_string(share.join("found").join(&name)).ok();
            let column = FOUND.iter().position(|n| Some(*n) == found.as_deref());
            if let Some(column) = column {
                row.found[column] += 1;
            }
        }
        Self(rows)
    }

    /// Whether something was lost or half made.
    pub(super) fn is_bad(&self) -> bool {
        let bad = |row: &Row| row.found[BAD..].iter().any(|count| *count > 0);
        self.0.values().any(bad)
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:<10}{:<9}{:>5}{:>10}",
            "operation", "cut", "cuts", "answered"
        )?;
        for name in FOUND {
            write!(f, "{name:>11}")?;
        }
        for ((operation, moment), row) in &self.0 {
            write!(
                f,
                "\n{operation:<10}{moment:<9}{:>5}{:>10}",
                row.cuts, row.answered
            )?;
            for count in row.found {
                write!(f, "{count:>11}")?;
            }
        }
        Ok(())
    }
}
