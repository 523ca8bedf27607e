//! Reads what ps(1) printed. Pure.

use super::TopError;

/// Some processes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Table {
    /// The columns' heads.
    pub titles: Vec<String>,
    /// A row a process, as many texts as there are columns.
    pub rows: Vec<Vec<String>>,
}

/// The output is no table of processes.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum InvalidTable {
    /// It names no column PID.
    #[error("Couldn't find PID field in ps output")]
    NoPid,
    /// Something else is in that column.
    #[error("Unexpected pid '{0}'")]
    Pid(String),
}

/// Refuses a heading of PID for another column: it would let the rows of
/// any process pass.
pub(super) fn check_headings(arguments: &str) -> Result<(), TopError> {
    // Docker's pattern: `\s+([^\s]*)=\s*(PID[^\s]*)`
    let mut rest = arguments;
    while let Some((before, after)) = rest.split_once('=') {
        let word = before.rfind(|c: char| c.is_ascii_whitespace());
        let heading = after.trim_ascii_start();
        if let Some(at) = word
            && heading.starts_with("PID")
            && &before[at + 1..] != "pid"
        {
            let heading = heading.split_ascii_whitespace().next().unwrap_or_default();
            return Err(TopError::Heading(
                before[at + 1..].to_owned(),
                heading.to_owned(),
            ));
        }
        rest = after;
    }
    Ok(())
}

/// The rows of some processes. The last column may have spaces.
pub(super) fn parse(output: &str, pids: &[u32]) -> Result<Table, InvalidTable> {
    let mut lines = output.lines();
    let titles = fields(lines.next().unwrap_or_default());
    let pid = titles.iter().position(|title| title == "PID");
    let pid = pid.ok_or(InvalidTable::NoPid)?;
    let mut rows = Vec::new();
    // Threads follow their process, with a dash for a pid.
    let mut wanted = false;
    for line in lines {
        let row = fields(line);
        let Some(field) = row.get(pid) else {
            continue;
        };
        if field != "-" {
            let number: u32 = field
                .parse()
                .map_err(|_| InvalidTable::Pid(field.clone()))?;
            wanted = pids.contains(&number);
        }
        if wanted {
            rows.push(fit(row, titles.len()));
        }
    }
    Ok(Table { titles, rows })
}

fn fields(line: &str) -> Vec<String> {
    line.split_ascii_whitespace().map(str::to_owned).collect()
}

fn fit(mut row: Vec<String>, columns: usize) -> Vec<String> {
    let last = row.split_off(row.len().min(columns - 1));
    row.push(last.join(" "));
    row
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_other_processes_are_left_out() {
        let output = "  PID CMD\n    1 init of all\n   12 sh -c  x\n    - thread\n\n   13 other\n";
        let table = parse(output, &[12]).unwrap();
        assert_eq!(table.titles, ["PID", "CMD"]);
        assert_eq!(table.rows, [["12", "sh -c x"], ["-", "thread"]]);
    }

    #[test]
    fn what_is_no_table_is_refused() {
        assert_eq!(parse("CMD\nx\n", &[]), Err(InvalidTable::NoPid));
        assert_eq!(parse("", &[]), Err(InvalidTable::NoPid));
        assert_eq!(parse("PID\nx\n", &[]), Err(InvalidTable::Pid("x".into())));
    }

    #[test]
    fn another_column_cannot_pass_for_the_pid() {
        for bad in ["-e -o ppid=PID", "ax -o uid= PID,comm"] {
            assert!(check_headings(bad).is_err(), "{bad}");
        }
        for good in ["-ef", "-o pid=PID", "-o pid=PID,comm=COMMAND", "aux"] {
            assert!(check_headings(good).is_ok(), "{good}");
        }
    }
}
