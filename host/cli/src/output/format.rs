//! `--format`: `table`, `json`, a template, or `table` and a template.

use crate::template::{Template, TemplateError};

/// How a list is shown.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Format {
    /// The command's own table.
    Table,
    /// One JSON object a line.
    Json,
    /// One line of text each.
    Lines(Template),
    /// Chosen columns under a heading.
    Columns(Template),
}

/// A template that cannot be read or does not fit.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub(crate) enum FormatError {
    #[error("failed to parse template: {0}")]
    Parse(TemplateError),
    #[error("failed to execute template: {0}")]
    Execute(TemplateError),
    /// Of an object that is shown as the daemon gave it.
    #[error("template parsing error: {0}")]
    Inspect(TemplateError),
}

impl Format {
    /// Of a list that has a form of its own for `raw`.
    pub(crate) fn parse_or_raw(text: Option<&str>, raw: &str) -> Result<Self, FormatError> {
        Self::parse(match text {
            Some("raw") => Some(raw),
            other => other,
        })
    }

    pub(crate) fn parse(text: Option<&str>) -> Result<Self, FormatError> {
        let template = |text: &str| {
            // As docker: outside of Go's quotes, too.
            let text = text.replace("\\t", "\t").replace("\\n", "\n");
            Template::parse(&text).map_err(FormatError::Parse)
        };
        match text.unwrap_or_default() {
            "" | "table" => Ok(Format::Table),
            "json" => Ok(Format::Json),
            text => match text.strip_prefix("table ") {
                Some(columns) => template(columns).map(Format::Columns),
                None => template(text).map(Format::Lines),
            },
        }
    }
}
