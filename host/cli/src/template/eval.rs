//! Fills a tree from data.

use super::functions;
use super::parser::{Base, Command, Node, Operand, Pipeline};
use super::shape;
use super::{Data, Mode, Row};

/// Nodes and operands that may be evaluated.
const STEPS: usize = 250_000;
/// Bytes that may be written, and that one value may have.
pub(super) const BYTES: usize = 16 << 20;

/// A template that does not fit its data.
pub(super) struct EvalError {
    pub(super) offset: usize,
    /// `.Names.Foo`
    pub(super) node: String,
    pub(super) message: String,
}

/// Why a list of nodes ended early.
enum Flow {
    Next,
    Break,
    Continue,
}

pub(super) fn execute(nodes: &[Node], row: &Row, mode: Mode) -> Result<String, EvalError> {
    let mut run = Run {
        row,
        mode,
        out: String::new(),
        variables: vec![(String::new(), row.data.clone())],
        steps: 0,
    };
    run.list(nodes, &row.data)?;
    Ok(run.out)
}

struct Run<'a> {
    row: &'a Row,
    mode: Mode,
    out: String,
    variables: Vec<(String, Data)>,
    steps: usize,
}

impl Run<'_> {
    fn list(&mut self, nodes: &[Node], dot: &Data) -> Result<Flow, EvalError> {
        let scope = self.variables.len();
        let flow = self.nodes(nodes, dot);
        self.variables.truncate(scope);
        flow
    }

    fn nodes(&mut self, nodes: &[Node], dot: &Data) -> Result<Flow, EvalError> {
        for node in nodes {
            match node {
                Node::Text(text) => self.write(text, 0)?,
                Node::Show(pipeline) => {
                    let value = self.pipeline(pipeline, dot)?;
                    if pipeline.variables.is_empty() {
                        // A pointer to nothing is printed on its own as `<no value>`
                        // only if it came out of a map.
                        self.write(&value.to_string(), pipeline.offset())?;
                    }
                }
                Node::Break => return Ok(Flow::Break),
                Node::Continue => return Ok(Flow::Continue),
                Node::If(pipeline, then, otherwise) => {
                    let scope = self.variables.len();
                    let truth = self.pipeline(pipeline, dot)?.is_true();
                    let flow = self.list(if truth { then } else { otherwise }, dot);
                    self.variables.truncate(scope);
                    match flow? {
                        Flow::Next => {}
                        other => return Ok(other),
                    }
                }
                Node::With(pipeline, then, otherwise) => {
                    let scope = self.variables.len();
                    let value = self.pipeline(pipeline, dot)?;
                    let flow = match value.is_true() {
                        true => self.list(then, &value),
                        false => self.list(otherwise, dot),
                    };
                    self.variables.truncate(scope);
                    match flow? {
                        Flow::Next => {}
                        other => return Ok(other),
                    }
                }
                Node::Range(pipeline, body, otherwise) => {
                    let scope = self.variables.len();
                    let flow = self.range(pipeline, body, otherwise, dot);
                    self.variables.truncate(scope);
                    flow?;
                }
            }
        }
        Ok(Flow::Next)
    }

    fn range(
        &mut self,
        pipeline: &Pipeline,
        body: &[Node],
        otherwise: &[Node],
        dot: &Data,
    ) -> Result<(), EvalError> {
        let value = self.value(pipeline, dot)?;
        let items: Vec<(Data, Data)> = match value {
            Data::List(items) => items
                .into_iter()
                .enumerate()
                .map(|(i, item)| (Data::Int(i64::try_from(i).unwrap_or(i64::MAX)), item))
                .collect(),
            Data::Map(mut entries) => {
                entries.sort_by(|(a, _), (b, _)| a.cmp(b));
                let entry = |(key, value)| (Data::Text(key), value);
                entries.into_iter().map(entry).collect()
            }
            Data::Int(count) if usize::try_from(count).is_ok_and(|count| count <= STEPS) => {
                (0..count).map(|i| (Data::Int(i), Data::Int(i))).collect()
            }
            Data::Null | Data::Missing | Data::NoList | Data::NoMap => Vec::new(),
            other => {
                let message = format!("range can't iterate over {other}");
                return Err(pipeline.error(message));
            }
        };
        if items.is_empty() {
            // `break` in there belongs to a loop around this one, of which it
            // was refused to be part unless there is one.
            return self.list(otherwise, dot).map(drop);
        }
        for (key, item) in items {
            self.step(pipeline.offset())?;
            let scope = self.variables.len();
            match pipeline.variables.as_slice() {
                [name] => self.set(name, item.clone(), pipeline.assigns),
                [first, second] => {
                    self.set(first, key, pipeline.assigns);
                    self.set(second, item.clone(), pipeline.assigns);
                }
                _ => {}
            }
            let flow = self.list(body, &item)?;
            self.variables.truncate(scope);
            if matches!(flow, Flow::Break) {
                break;
            }
        }
        Ok(())
    }

    fn set(&mut self, name: &str, value: Data, assigns: bool) {
        let known = self
            .variables
            .iter_mut()
            .rev()
            .find(|(known, _)| known == name);
        match known.filter(|_| assigns) {
            Some((_, old)) => *old = value,
            None => self.variables.push((name.to_owned(), value)),
        }
    }

    /// A pipeline's value, which its variables take.
    fn pipeline(&mut self, pipeline: &Pipeline, dot: &Data) -> Result<Data, EvalError> {
        let value = self.value(pipeline, dot)?;
        for name in &pipeline.variables {
            self.set(name, value.clone(), pipeline.assigns);
        }
        Ok(value)
    }

    fn value(&mut self, pipeline: &Pipeline, dot: &Data) -> Result<Data, EvalError> {
        let mut last = None;
        for command in &pipeline.commands {
            last = Some(self.command(command, dot, last)?);
        }
        Ok(last.unwrap_or_default())
    }

    fn command(
        &mut self,
        command: &Command,
        dot: &Data,
        last: Option<Data>,
    ) -> Result<Data, EvalError> {
        let Some((first, rest)) = command.words.split_first() else {
            return Ok(last.unwrap_or_default());
        };
        self.step(first.offset)?;
        if let Base::Function(name) = &first.base {
            return self.function(command, name, rest, dot, last);
        }
        if rest.is_empty() && last.is_none() && !first.is_method() {
            return self.operand(first, dot);
        }
        if !first.is_method() {
            let message = format!("can't give argument to non-function {first}");
            return Err(first.error(message));
        }
        let mut arguments = Vec::new();
        for word in rest {
            arguments.push(self.operand(word, dot)?);
        }
        arguments.extend(last);
        match arguments.as_slice() {
            [Data::Text(name)] => Ok(Data::Text(self.label(name))),
            [_] => Err(first.error("wrong type for value; expected string")),
            list => Err(first.error(format!(
                "wrong number of args for Label: want 1 got {}",
                list.len()
            ))),
        }
    }

    fn label(&self, name: &str) -> String {
        match self.mode {
            Mode::Values => self.row.labels.get(name).cloned().unwrap_or_default(),
            // The title of a label's column is its last part.
            Mode::Titles => name
                .rsplit('.')
                .next()
                .unwrap_or(name)
                .replace(['-', '_'], " "),
        }
    }

    fn function(
        &mut self,
        command: &Command,
        name: &str,
        words: &[Operand],
        dot: &Data,
        last: Option<Data>,
    ) -> Result<Data, EvalError> {
        let mut arguments = Vec::new();
        for word in words {
            let value = self.operand(word, dot)?;
            // `and` and `or` stop at the value that decides.
            let decides = match name {
                "and" => !value.is_true(),
                "or" => value.is_true(),
                _ => false,
            };
            arguments.push(value);
            if decides {
                return Ok(arguments.pop().unwrap_or_default());
            }
        }
        arguments.extend(last);
        if self.mode == Mode::Titles && functions::keeps_titles(name) {
            let title = arguments
                .into_iter()
                .find(|value| matches!(value, Data::Text(_)));
            return Ok(title.unwrap_or_default());
        }
        let offset = command.words.first().map_or(0, |word| word.offset);
        let error = |message: String| EvalError {
            offset,
            node: command.to_string(),
            message: format!("error calling {name}: {message}"),
        };
        let value = functions::call(name, arguments).map_err(error)?;
        match &value {
            Data::Text(text) if text.len() > BYTES => Err(error("the text grows too long".into())),
            _ => Ok(value),
        }
    }

    fn operand(&mut self, operand: &Operand, dot: &Data) -> Result<Data, EvalError> {
        self.step(operand.offset)?;
        let base = match &operand.base {
            Base::Dot => return fields(dot, operand),
            Base::Nil => Data::Null,
            Base::Bool(truth) => Data::Bool(*truth),
            Base::Int(number) => Data::Int(*number),
            Base::Float(number) => Data::Float(*number),
            Base::Text(text) => Data::Text(text.clone()),
            Base::Variable(name) => {
                let found = self.variables.iter().rev().find(|(known, _)| known == name);
                return match found {
                    Some((_, value)) => fields(value, operand),
                    None => Err(operand.error("undefined variable")),
                };
            }
            Base::Function(name) => {
                let alone = Command {
                    words: vec![operand.clone()],
                };
                self.function(&alone, name, &[], dot, None)?
            }
            Base::Group(pipeline) => self.pipeline(pipeline, dot)?,
        };
        fields(&base, operand)
    }

    fn step(&mut self, offset: usize) -> Result<(), EvalError> {
        self.steps += 1;
        match self.steps > STEPS {
            true => Err(EvalError {
                offset,
                node: "...".into(),
                message: "the template takes too many steps".into(),
            }),
            false => Ok(()),
        }
    }

    fn write(&mut self, text: &str, offset: usize) -> Result<(), EvalError> {
        if self.out.len() + text.len() > BYTES {
            return Err(EvalError {
                offset,
                node: "...".into(),
                message: "the output grows too long".into(),
            });
        }
        self.out.push_str(text);
        Ok(())
    }
}

/// Follows an operand's fields.
fn fields(base: &Data, operand: &Operand) -> Result<Data, EvalError> {
    let mut value = base;
    for name in &operand.fields {
        let left_out = || shape::left_out(name);
        value = match (value.get(name), value) {
            (Some(found), _) => found,
            (None, Data::Map(_) | Data::NoMap) => &Data::Missing,
            (None, Data::Struct(_)) => left_out()
                .ok_or_else(|| operand.error(format!("map has no entry for key {name:?}")))?,
            (None, Data::Null | Data::Missing) => {
                return Err(operand.error(format!("nil pointer evaluating {name}")));
            }
            (None, other) => {
                let kind = other.type_name();
                return Err(operand.error(format!("can't evaluate field {name} in type {kind}")));
            }
        };
    }
    Ok(value.clone())
}

impl Operand {
    /// `.Label`, which takes an argument.
    fn is_method(&self) -> bool {
        let is_row = self.base == Base::Dot || self.base == Base::Variable(String::new());
        is_row && self.fields == ["Label"]
    }

    fn error(&self, message: impl Into<String>) -> EvalError {
        EvalError {
            offset: self.offset,
            node: self.to_string(),
            message: message.into(),
        }
    }
}

impl Pipeline {
    fn offset(&self) -> usize {
        let first = self
            .commands
            .first()
            .and_then(|command| command.words.first());
        first.map_or(0, |operand| operand.offset)
    }

    fn error(&self, message: String) -> EvalError {
        EvalError {
            offset: self.offset(),
            node: self.to_string(),
            message,
        }
    }
}

impl std::fmt::Display for Operand {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.base {
            Base::Dot if self.fields.is_empty() => f.write_str(".")?,
            Base::Dot => {}
            Base::Nil => f.write_str("nil")?,
            Base::Bool(truth) => write!(f, "{truth}")?,
            Base::Int(number) => write!(f, "{number}")?,
            Base::Float(number) => write!(f, "{number}")?,
            Base::Text(text) => write!(f, "{text:?}")?,
            Base::Variable(name) => write!(f, "${name}")?,
            Base::Function(name) => f.write_str(name)?,
            Base::Group(pipeline) => write!(f, "({pipeline})")?,
        }
        self.fields
            .iter()
            .try_for_each(|field| write!(f, ".{field}"))
    }
}

impl std::fmt::Display for Command {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let words: Vec<String> = self.words.iter().map(ToString::to_string).collect();
        f.write_str(&words.join(" "))
    }
}

impl std::fmt::Display for Pipeline {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let commands: Vec<String> = self.commands.iter().map(ToString::to_string).collect();
        f.write_str(&commands.join(" | "))
    }
}
