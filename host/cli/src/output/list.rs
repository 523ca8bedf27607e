//! Lists and single objects in the form that `--format` asks for.

use serde_json::{Map, Value};

use super::{Format, Table};
use crate::error::{Error, Result};

/// A field's name in templates, and its title in tables.
pub(crate) type Heading = (&'static str, &'static str);

/// Writes to standard output. A reader that went away is an error here, and
/// a quiet end in `main`.
pub(crate) fn print(text: impl std::fmt::Display) -> Result<()> {
    use std::io::Write;
    let mut out = std::io::stdout().lock();
    let written = write!(out, "{text}").and_then(|()| out.flush());
    written.map_err(|source| Error::Io {
        doing: "write to standard output",
        source,
    })
}

/// Shows rows in the chosen form; `columns` are those of the plain table.
pub(crate) fn show(
    rows: &[Value],
    format: &Format,
    headings: &[Heading],
    columns: &[&str],
) -> Result<()> {
    match format {
        Format::Table => print(plain_table(rows, headings, columns)),
        Format::Json => rows
            .iter()
            .try_for_each(|row| print(format_args!("{row}\n"))),
        Format::Lines(template) => rows
            .iter()
            .try_for_each(|row| print(template.render(row)? + "\n")),
        Format::Columns(template) => {
            let cells = |line: String| line.split('\t').map(str::to_owned).collect::<Vec<_>>();
            let titles: Map<String, Value> = headings
                .iter()
                .map(|(field, title)| ((*field).to_owned(), Value::from(*title)))
                .collect();
            let heading = cells(template.render(&Value::Object(titles))?);
            let mut table = Table::new(&heading.iter().map(String::as_str).collect::<Vec<_>>());
            for row in rows {
                let mut row = cells(template.render(row)?);
                row.resize(heading.len(), String::new());
                table.row(row);
            }
            print(table)
        }
    }
}

fn plain_table(rows: &[Value], headings: &[Heading], columns: &[&str]) -> Table {
    let title = |field: &str| {
        let found = headings.iter().find(|(name, _)| *name == field);
        found.map_or("", |(_, title)| title)
    };
    let titles: Vec<&str> = columns.iter().map(|field| title(field)).collect();
    let mut table = Table::new(&titles);
    for row in rows {
        let cell = |field: &&str| row[*field].as_str().unwrap_or_default().to_owned();
        table.row(columns.iter().map(cell).collect());
    }
    table
}

/// Shows one object as JSON or through a template.
pub(crate) fn print_value(value: &Value, format: &Format) -> Result<()> {
    match format {
        Format::Lines(template) | Format::Columns(template) => {
            print(template.render(value)? + "\n")
        }
        Format::Json | Format::Table => print(format_args!("{value}\n")),
    }
}
