//! Aligned columns: each at least ten wide, three spaces apart, as Docker's.

const MIN_WIDTH: usize = 10;
const PADDING: usize = 3;

/// A table with its heading.
#[derive(Clone, Debug)]
pub(crate) struct Table {
    min_width: usize,
    rows: Vec<Vec<String>>,
}

impl Table {
    pub(crate) fn new(heading: &[&str]) -> Self {
        Self {
            min_width: MIN_WIDTH,
            rows: vec![heading.iter().map(|cell| cell.to_string()).collect()],
        }
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
            for (cell, width) in row.iter().zip(&widths).take(columns - 1) {
                write!(f, "{cell:<width$}")?;
            }
            writeln!(f, "{}", row[columns - 1])?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
