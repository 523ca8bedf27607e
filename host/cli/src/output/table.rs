//! Aligned columns: each at least ten wide, three spaces apart, as Docker's.

use super::colour;

const MIN_WIDTH: usize = 10;
const PADDING: usize = 3;

/// A table with its heading.
#[derive(Clone, Debug)]
pub(crate) struct Table {
    min_width: usize,
    rows: Vec<Vec<String>>,
    /// The column whose cells are drawn in the colours of their words.
    painted: Option<usize>,
}

impl Table {
    pub(crate) fn new(heading: &[&str]) -> Self {
        Self {
            min_width: MIN_WIDTH,
            rows: vec![heading.iter().map(|cell| cell.to_string()).collect()],
            painted: None,
        }
    }

    /// Draws a column of containers' states in colour.
    pub(crate) fn paint(&mut self, column: Option<usize>) {
        self.painted = column;
    }

    /// A list of processes, whose columns are at least twenty wide.
    pub(crate) fn processes(heading: &[&str]) -> Self {
        Self {
            min_width: 20,
            ..Self::new(heading)
        }
    }

    pub(crate) fn row(&mut self, cells: Vec<String>) {
        self.rows.push(cells);
    }
}

impl std::fmt::Display for Table {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let columns = self.rows[0].len();
        let widest = |column: usize| {
            self.rows
                .iter()
                .map(|row| row[column].chars().count())
                .max()
                .unwrap_or(0)
        };
        let widths: Vec<usize> = (0..columns)
            .map(|column| (widest(column) + PADDING).max(self.min_width))
            .collect();
        for row in &self.rows {
            for (column, (cell, width)) in row.iter().zip(&widths).enumerate() {
                let last = column == columns - 1;
                let gap = if last {
                    0
                } else {
                    width - cell.chars().count()
                };
                let colour = (self.painted == Some(column)).then(|| colour::of_status(cell));
                match colour.flatten() {
                    Some(colour) => f.write_str(&colour.paint(cell))?,
                    None => f.write_str(cell)?,
                }
                write!(f, "{:gap$}", "")?;
            }
            writeln!(f)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colour_takes_no_room() {
        let mut table = Table::new(&["STATUS", "NAMES"]);
        table.row(vec!["Up 1 second (healthy)".into(), "a".into()]);
        table.row(vec!["Up 1 second".into(), "b".into()]);
        let plain = table.to_string();
        table.paint(Some(0));
        let painted = table.to_string();
        assert!(painted.contains("\x1b[32mUp 1 second (healthy)\x1b[0m   a\n"));
        let bare = painted.replace("\x1b[32m", "").replace("\x1b[0m", "");
        assert_eq!(bare, plain);
    }

    #[test]
    fn columns_line_up_as_dockers() {
        let mut table = Table::new(&["REPOSITORY", "TAG", "SIZE"]);
        table.row(vec![
            "127.0.0.1:5077/bb".into(),
            "2".into(),
            "1.98MB".into(),
        ]);
        table.row(vec!["bü…".into(), "latest".into(), "3kB".into()]);
        assert_eq!(
            table.to_string(),
            "REPOSITORY          TAG       SIZE\n\
             127.0.0.1:5077/bb   2         1.98MB\n\
             bü…                 latest    3kB\n"
        );
    }
}
