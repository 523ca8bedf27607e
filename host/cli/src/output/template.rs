//! `--format`: `json`, or text with `{{.Field}}` and `{{json .Field}}`, after
//! an optional `table`. The rest of Go's template language is refused by name.

use serde_json::Value;

/// How a list is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
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

/// Literal text and fields.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Template(Vec<Part>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    Field { path: Vec<String>, json: bool },
}

/// A template that cannot be read or does not fit.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub(crate) enum TemplateError {
    #[error("template parsing error: unclosed action")]
    Unclosed,
    #[error(
        "template parsing error: {{{{{0}}}}} is not supported: use {{{{.Field}}}}, {{{{json .}}}} or json"
    )]
    Unsupported(String),
    #[error("template error: no such field: .{0}")]
    NoField(String),
}

impl Format {
    pub(crate) fn parse(text: Option<&str>) -> Result<Self, TemplateError> {
        match text.unwrap_or_default() {
            "" | "table" => Ok(Format::Table),
            "json" => Ok(Format::Json),
            text => match text.strip_prefix("table ") {
                Some(columns) => Template::parse(columns).map(Format::Columns),
                None => Template::parse(text).map(Format::Lines),
            },
        }
    }
}

impl Template {
    pub(crate) fn parse(text: &str) -> Result<Self, TemplateError> {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("{{") {
            let (action, after) = after.split_once("}}").ok_or(TemplateError::Unclosed)?;
            parts.push(Part::Text(unescape(before)));
            parts.push(field(action)?);
            rest = after;
        }
        parts.push(Part::Text(unescape(rest)));
        Ok(Self(parts))
    }

    /// Fills the template from an object.
    pub(crate) fn render(&self, value: &Value) -> Result<String, TemplateError> {
        self.0.iter().map(|part| part.render(value)).collect()
    }
}

impl Part {
    fn render(&self, value: &Value) -> Result<String, TemplateError> {
        let (path, json) = match self {
            Part::Text(text) => return Ok(text.clone()),
            Part::Field { path, json } => (path, *json),
        };
        let found = path.iter().try_fold(value, |value, key| value.get(key));
        let found = found.ok_or_else(|| TemplateError::NoField(path.join(".")))?;
        Ok(match found {
            Value::String(text) if !json => text.clone(),
            Value::Null if !json => "<no value>".into(),
            other => other.to_string(),
        })
    }
}

fn field(action: &str) -> Result<Part, TemplateError> {
    let unsupported = || TemplateError::Unsupported(action.to_owned());
    let action = action.trim();
    let (json, name) = match action.strip_prefix("json ") {
        Some(name) => (true, name.trim()),
        None => (false, action),
    };
    let path = name.strip_prefix('.').ok_or_else(unsupported)?;
    let is_name =
        |key: &str| !key.is_empty() && key.chars().all(|c| c.is_alphanumeric() || c == '_');
    let path: Vec<String> = path
        .split('.')
        .filter(|_| !path.is_empty())
        .map(str::to_owned)
        .collect();
    match path.iter().all(|key| is_name(key)) {
        true => Ok(Part::Field { path, json }),
        false => Err(unsupported()),
    }
}

fn unescape(text: &str) -> String {
    text.replace("\\t", "\t").replace("\\n", "\n")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn fields_are_filled_from_the_object() {
        let render = |text: &str| {
            Template::parse(text)
                .unwrap()
                .render(&json!({"Names":"web","State":{"Pid":7}}))
        };
        assert_eq!(render("{{.Names}}\\t{{ .State.Pid }}!").unwrap(), "web\t7!");
        assert_eq!(
            render("{{json .State}} {{json .Names}}").unwrap(),
            r#"{"Pid":7} "web""#
        );
        assert_eq!(
            render("{{.Nope}}").unwrap_err().to_string(),
            "template error: no such field: .Nope"
        );
    }

    #[test]
    fn what_is_not_supported_is_refused_by_name() {
        assert_eq!(
            Template::parse("{{range .Mounts}}x{{end}}")
                .unwrap_err()
                .to_string(),
            "template parsing error: {{range .Mounts}} is not supported: use {{.Field}}, {{json .}} or json"
        );
        assert_eq!(
            Template::parse("{{.A").unwrap_err(),
            TemplateError::Unclosed
        );
    }
}
