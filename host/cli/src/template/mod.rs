//! Go's `text/template`, as far as `--format` uses it, over the daemon's JSON.
//!
//! ```text
//! text ──lexer──▶ tokens ──parser──▶ tree ──eval(data)──▶ text
//! ```
//!
//! No template and no data makes it panic: nesting, steps and output are
//! bounded, and a template beyond a bound is an error. Errors read as Go's,
//! with line and column. Source of the language: the documentation of Go's
//! `text/template`; of the extra functions: docker's formatting guide.

mod data;
mod eval;
mod functions;
mod lexer;
mod parser;
mod printf;
mod shape;
#[cfg(test)]
mod tests;

pub(crate) use data::Data;
use parser::Node;

/// A template that cannot be read, or does not fit its data.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
#[error("template: :{line}{at}: {message}")]
pub(crate) struct TemplateError {
    line: usize,
    /// `:COLUMN` if the error was met while filling the template.
    at: String,
    message: String,
}

/// A template ready to be filled.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Template {
    text: String,
    nodes: Vec<Node>,
}

/// Labels that `.Label "name"` reads; it is the one method templates have.
pub(crate) type Labels = std::collections::BTreeMap<String, String>;

/// What a template is filled from.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Row {
    pub(crate) data: Data,
    pub(crate) labels: Labels,
}

/// Fills values in, or a list's titles.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    Values,
    /// Functions that would change a title leave it as it is.
    Titles,
}

impl Template {
    /// Reads a template.
    pub(crate) fn parse(text: &str) -> Result<Self, TemplateError> {
        let nodes = lexer::lex(text).and_then(parser::parse);
        let nodes = nodes.map_err(|error| TemplateError {
            line: line(text, error.offset),
            at: String::new(),
            message: error.message,
        })?;
        Ok(Self {
            text: text.to_owned(),
            nodes,
        })
    }

    /// Fills the template.
    pub(crate) fn render(&self, row: &Row) -> Result<String, TemplateError> {
        self.fill(row, Mode::Values)
    }

    /// Fills the template with titles.
    pub(crate) fn titles(&self, titles: &Row) -> Result<String, TemplateError> {
        self.fill(titles, Mode::Titles)
    }

    fn fill(&self, row: &Row, mode: Mode) -> Result<String, TemplateError> {
        eval::execute(&self.nodes, row, mode).map_err(|error| {
            let before = self.text.get(..error.offset).unwrap_or(&self.text);
            let column = before.len() - before.rfind('\n').map_or(0, |at| at + 1);
            TemplateError {
                line: line(&self.text, error.offset),
                at: format!(":{column}"),
                message: format!("executing \"\" at <{}>: {}", error.node, error.message),
            }
        })
    }
}

/// The line of an offset, counted from one.
fn line(text: &str, offset: usize) -> usize {
    let before = text.as_bytes().get(..offset).unwrap_or(text.as_bytes());
    before.iter().filter(|byte| **byte == b'\n').count() + 1
}

/// An error while reading, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
struct SyntaxError {
    offset: usize,
    message: String,
}

impl SyntaxError {
    fn new(offset: usize, message: impl Into<String>) -> Self {
        Self {
            offset,
            message: message.into(),
        }
    }
}
