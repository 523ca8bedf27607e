//! Pieces become a tree.

use super::SyntaxError;
use super::functions;
use super::lexer::{Piece, Token};

/// How deep blocks and parentheses may be nested.
const DEPTH: usize = 64;

/// Text, an action, or a block.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Node {
    Text(String),
    Show(Pipeline),
    If(Pipeline, Vec<Node>, Vec<Node>),
    With(Pipeline, Vec<Node>, Vec<Node>),
    Range(Pipeline, Vec<Node>, Vec<Node>),
    Break,
    Continue,
}

/// Commands, each given the result of the one before it as its last argument.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Pipeline {
    /// Variables that take the result.
    pub(super) variables: Vec<String>,
    /// `=` instead of `:=`.
    pub(super) assigns: bool,
    pub(super) commands: Vec<Command>,
}

/// An operand, a field with arguments or a function with arguments.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Command {
    pub(super) words: Vec<Operand>,
}

/// A value, and the fields taken of it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Operand {
    pub(super) base: Base,
    pub(super) fields: Vec<String>,
    pub(super) offset: usize,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Base {
    Dot,
    Nil,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(String),
    Variable(String),
    Function(String),
    Group(Box<Pipeline>),
}

/// Reads a whole template.
pub(super) fn parse(pieces: Vec<Piece>) -> Result<Vec<Node>, SyntaxError> {
    let mut parser = Parser {
        pieces: pieces.into_iter(),
        variables: vec!["".to_owned()],
        depth: 0,
        loops: 0,
        last: 0,
    };
    let (nodes, end) = parser.list()?;
    match end {
        None => Ok(nodes),
        Some(end) => Err(SyntaxError::new(end.offset(), format!("unexpected {end}"))),
    }
}

/// What ends a list of nodes.
enum End {
    End(usize),
    /// With what follows it: `{{else if …}}`.
    Else(usize, Vec<(Token, usize)>),
}

impl End {
    fn offset(&self) -> usize {
        match self {
            End::End(offset) | End::Else(offset, _) => *offset,
        }
    }
}

impl std::fmt::Display for End {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            End::End(_) => "{{end}}",
            End::Else(..) => "{{else}}",
        })
    }
}

struct Parser {
    pieces: std::vec::IntoIter<Piece>,
    /// Those in scope; `$` is the empty name.
    variables: Vec<String>,
    depth: usize,
    loops: usize,
    /// The last action's offset.
    last: usize,
}

#[derive(Clone, Copy, PartialEq)]
enum Block {
    If,
    With,
    Range,
}

impl Parser {
    fn list(&mut self) -> Result<(Vec<Node>, Option<End>), SyntaxError> {
        let mut nodes = Vec::new();
        while let Some(piece) = self.pieces.next() {
            let (tokens, offset) = match piece {
                Piece::Text(text) => {
                    nodes.push(Node::Text(text));
                    continue;
                }
                Piece::Action(tokens, offset) => (tokens, offset),
            };
            self.last = offset;
            let mut tokens = Tokens::new(tokens, offset);
            let keyword = match tokens.peek() {
                Some(Token::Word(word)) => word.clone(),
                _ => String::new(),
            };
            let block = match keyword.as_str() {
                "if" => Some(Block::If),
                "with" => Some(Block::With),
                "range" => Some(Block::Range),
                _ => None,
            };
            if let Some(block) = block {
                tokens.next();
                nodes.push(self.block(block, tokens)?);
                continue;
            }
            match keyword.as_str() {
                "end" => return Ok((nodes, Some(End::End(offset)))),
                "else" => {
                    tokens.next();
                    return Ok((nodes, Some(End::Else(offset, tokens.left()))));
                }
                "break" | "continue" if self.loops == 0 => {
                    let message = format!("{{{{{keyword}}}}} outside {{{{range}}}}");
                    return Err(SyntaxError::new(offset, message));
                }
                "break" => nodes.push(Node::Break),
                "continue" => nodes.push(Node::Continue),
                "define" | "template" | "block" => {
                    let message = format!("{{{{{keyword}}}}} is not supported in a format");
                    return Err(SyntaxError::new(offset, message));
                }
                _ => {
                    let pipeline = self.pipeline(&mut tokens)?;
                    tokens.end("command")?;
                    nodes.push(Node::Show(pipeline));
                }
            }
        }
        Ok((nodes, None))
    }

    fn block(&mut self, block: Block, mut tokens: Tokens) -> Result<Node, SyntaxError> {
        self.deeper(tokens.offset)?;
        let scope = self.variables.len();
        let pipeline = self.pipeline(&mut tokens)?;
        tokens.end("command")?;
        self.loops += usize::from(block == Block::Range);
        let (body, end) = self.list()?;
        self.loops -= usize::from(block == Block::Range);
        let otherwise = match end {
            None => return Err(SyntaxError::new(self.last, "unexpected EOF")),
            Some(End::End(_)) => Vec::new(),
            Some(End::Else(offset, rest)) => self.otherwise(block, offset, rest)?,
        };
        self.variables.truncate(scope);
        self.depth -= 1;
        Ok(match block {
            Block::If => Node::If(pipeline, body, otherwise),
            Block::With => Node::With(pipeline, body, otherwise),
            Block::Range => Node::Range(pipeline, body, otherwise),
        })
    }

    fn otherwise(
        &mut self,
        block: Block,
        offset: usize,
        rest: Vec<(Token, usize)>,
    ) -> Result<Vec<Node>, SyntaxError> {
        let mut tokens = Tokens::new(rest, offset);
        match (tokens.peek(), block) {
            (None, _) => {}
            (Some(Token::Word(word)), Block::If) if word == "if" => {
                tokens.next();
                return Ok(vec![self.block(Block::If, tokens)?]);
            }
            (Some(Token::Word(word)), Block::With) if word == "with" => {
                tokens.next();
                return Ok(vec![self.block(Block::With, tokens)?]);
            }
            _ => return tokens.end("else").map(|()| Vec::new()),
        }
        match self.list()? {
            (nodes, Some(End::End(_))) => Ok(nodes),
            (_, Some(end)) => Err(SyntaxError::new(
                end.offset(),
                format!("expected end; found {end}"),
            )),
            (_, None) => Err(SyntaxError::new(self.last, "unexpected EOF")),
        }
    }

    fn deeper(&mut self, offset: usize) -> Result<(), SyntaxError> {
        self.depth += 1;
        match self.depth > DEPTH {
            true => Err(SyntaxError::new(offset, "nested too deeply")),
            false => Ok(()),
        }
    }

    fn pipeline(&mut self, tokens: &mut Tokens) -> Result<Pipeline, SyntaxError> {
        let (variables, assigns) = tokens.declaration();
        let mut commands = Vec::new();
        loop {
            let command = self.command(tokens)?;
            if let (false, Some(first)) = (commands.is_empty(), command.words.first())
                && !matches!(first.base, Base::Function(_))
                && first.fields.is_empty()
            {
                let message = format!(
                    "non executable command in pipeline stage {}",
                    commands.len() + 1
                );
                return Err(SyntaxError::new(first.offset, message));
            }
            commands.push(command);
            match tokens.peek() {
                Some(Token::Pipe) => tokens.next(),
                _ => break,
            };
        }
        if assigns {
            let undefined = variables
                .iter()
                .find(|name| !self.variables.contains(*name));
            if let Some(name) = undefined {
                return Err(undefined_variable(tokens.offset, name));
            }
        } else {
            self.variables.extend(variables.iter().cloned());
        }
        Ok(Pipeline {
            variables,
            assigns,
            commands,
        })
    }

    fn command(&mut self, tokens: &mut Tokens) -> Result<Command, SyntaxError> {
        let mut words = Vec::new();
        while !matches!(tokens.peek(), None | Some(Token::Pipe | Token::Close)) {
            words.push(self.operand(tokens)?);
        }
        match words.is_empty() {
            true => Err(SyntaxError::new(tokens.offset, "missing value for command")),
            false => Ok(Command { words }),
        }
    }

    fn operand(&mut self, tokens: &mut Tokens) -> Result<Operand, SyntaxError> {
        let offset = tokens.here();
        let mut fields = Vec::new();
        let base = match tokens.next() {
            Some(Token::Dot) => Base::Dot,
            Some(Token::Field(name)) => {
                fields.push(name);
                Base::Dot
            }
            Some(Token::Int(number)) => Base::Int(number),
            Some(Token::Float(number)) => Base::Float(number),
            Some(Token::Text(text)) => Base::Text(text),
            Some(Token::Variable(name)) if self.variables.contains(&name) => Base::Variable(name),
            Some(Token::Variable(name)) => return Err(undefined_variable(offset, &name)),
            Some(Token::Word(word)) => match word.as_str() {
                "true" | "false" => Base::Bool(word == "true"),
                "nil" => Base::Nil,
                name if functions::is_known(name) => Base::Function(word),
                _ => {
                    let message = format!("function {word:?} not defined");
                    return Err(SyntaxError::new(offset, message));
                }
            },
            Some(Token::Open) => {
                self.deeper(offset)?;
                let inner = self.pipeline(tokens)?;
                self.depth -= 1;
                match tokens.next() {
                    Some(Token::Close) => Base::Group(Box::new(inner)),
                    _ => return Err(SyntaxError::new(offset, "unclosed left paren")),
                }
            }
            _ => return Err(SyntaxError::new(offset, "unexpected token in operand")),
        };
        while let Some(name) = tokens.adjacent_field() {
            fields.push(name);
        }
        Ok(Operand {
            base,
            fields,
            offset,
        })
    }
}

fn undefined_variable(offset: usize, name: &str) -> SyntaxError {
    SyntaxError::new(offset, format!("undefined variable \"${name}\""))
}

/// An action's tokens, of which spaces are seen only where they matter.
struct Tokens {
    tokens: std::collections::VecDeque<(Token, usize)>,
    offset: usize,
}

impl Tokens {
    fn new(tokens: Vec<(Token, usize)>, offset: usize) -> Self {
        Self {
            tokens: tokens.into(),
            offset,
        }
    }

    fn skip_space(&mut self) {
        while matches!(self.tokens.front(), Some((Token::Space, _))) {
            self.tokens.pop_front();
        }
    }

    fn peek(&mut self) -> Option<&Token> {
        self.skip_space();
        self.tokens.front().map(|(token, _)| token)
    }

    fn next(&mut self) -> Option<Token> {
        self.skip_space();
        self.tokens.pop_front().map(|(token, _)| token)
    }

    fn here(&mut self) -> usize {
        self.skip_space();
        self.tokens
            .front()
            .map_or(self.offset, |(_, offset)| *offset)
    }

    /// A field that stands directly after what was read.
    fn adjacent_field(&mut self) -> Option<String> {
        match self.tokens.front() {
            Some((Token::Field(_), _)) => match self.next() {
                Some(Token::Field(name)) => Some(name),
                _ => None,
            },
            _ => None,
        }
    }

    /// `$a, $b :=` or `$a =`, if the pipeline begins so.
    fn declaration(&mut self) -> (Vec<String>, bool) {
        let meant: Vec<Token> = self
            .tokens
            .iter()
            .map(|(token, _)| token.clone())
            .filter(|token| *token != Token::Space)
            .take(4)
            .collect();
        let (names, count, assigns) = match meant.as_slice() {
            [Token::Variable(a), Token::Comma, Token::Variable(b), sign] if is_sign(sign) => {
                (vec![a.clone(), b.clone()], 4, *sign == Token::Assign)
            }
            [Token::Variable(a), sign, ..] if is_sign(sign) => {
                (vec![a.clone()], 2, *sign == Token::Assign)
            }
            _ => return (Vec::new(), false),
        };
        for _ in 0..count {
            self.next();
        }
        (names, assigns)
    }

    fn left(self) -> Vec<(Token, usize)> {
        self.tokens.into()
    }

    fn end(&mut self, what: &str) -> Result<(), SyntaxError> {
        match self.peek() {
            None => Ok(()),
            Some(_) => {
                let offset = self.here();
                Err(SyntaxError::new(
                    offset,
                    format!("unexpected token in {what}"),
                ))
            }
        }
    }
}

fn is_sign(token: &Token) -> bool {
    matches!(token, Token::Declare | Token::Assign)
}
