//! Lists and single objects in the form that `--format` asks for.

use super::{Format, FormatError, Table, colour};
use crate::error::{Error, Result};
use crate::template::{Data, Labels, Row};

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

/// A row of a list: its fields, and the labels that `.Label "name"` reads.
pub(crate) fn row(fields: serde_json::Value, labels: Labels) -> Row {
    let data = serde_json::from_value(fields).expect("every JSON value is data");
    Row { data, labels }
}

/// Shows rows in the chosen form; `columns` are those of the plain table.
pub(crate) fn show(
    rows: &[Row],
    format: &Format,
    headings: &[Heading],
    columns: &[&str],
) -> Result<()> {
    if *format == Format::Table && colour::wanted(&std::io::stdout()) {
        let mut table = plain_table(rows, headings, columns);
        table.paint(columns.iter().position(|column| *column == "Status"));
        return print(table);
    }
    print(text(rows, format, headings, columns)?)
}

/// The same as text.
pub(crate) fn text(
    rows: &[Row],
    format: &Format,
    headings: &[Heading],
    columns: &[&str],
) -> Result<String, FormatError> {
    let lines = match format {
        Format::Table => return Ok(plain_table(rows, headings, columns).to_string()),
        Format::Columns(template) => {
            let title = |(field, title): &Heading| ((*field).to_owned(), Data::from(*title));
            let titles = Row {
                data: Data::Struct(headings.iter().map(title).collect()),
                labels: Labels::new(),
            };
            let titles = template.titles(&titles).map_err(FormatError::Execute)?;
            let titles: Vec<&str> = titles.split('\t').collect();
            let mut table = Table::new(&titles);
            for row in rows {
                let line = template.render(row).map_err(FormatError::Execute)?;
                let mut cells: Vec<String> = line.split('\t').map(str::to_owned).collect();
                cells.resize(titles.len(), String::new());
                table.row(cells);
            }
            return Ok(table.to_string());
        }
        Format::Json => rows.iter().map(json_line).collect(),
        Format::Lines(template) => rows
            .iter()
            .map(|row| template.render(row).map_err(FormatError::Execute))
            .collect::<Result<Vec<_>, _>>()?,
    };
    Ok(lines.iter().map(|line| format!("{line}\n")).collect())
}

/// A row as docker writes it: safe inside HTML.
fn json_line(row: &Row) -> String {
    row.data
        .to_json()
        .replace('<', "\\u003c")
        .replace('>', "\\u003e")
        .replace('&', "\\u0026")
}

fn plain_table(rows: &[Row], headings: &[Heading], columns: &[&str]) -> Table {
    let title = |field: &str| {
        let found = headings.iter().find(|(name, _)| *name == field);
        found.map_or("", |(_, title)| title)
    };
    let titles: Vec<&str> = columns.iter().map(|field| title(field)).collect();
    let mut table = Table::new(&titles);
    for row in rows {
        let cell = |field: &&str| {
            row.data
                .get(field)
                .map(ToString::to_string)
                .unwrap_or_default()
        };
        table.row(columns.iter().map(cell).collect());
    }
    table
}

/// Shows one object as JSON or through a template.
pub(crate) fn print_value(value: Data, format: &Format) -> Result<()> {
    match format {
        Format::Lines(template) | Format::Columns(template) => {
            let row = Row {
                data: value.shaped(),
                labels: Labels::new(),
            };
            let text = template.render(&row).map_err(FormatError::Execute)?;
            print(text + "\n")
        }
        Format::Json | Format::Table => print(format_args!("{}\n", value.to_json())),
    }
}
