//! Words, quotes and variables of a Dockerfile.

use super::InvalidChange;

/// Words as they are written, with their quotes and backslashes.
pub(super) fn split(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    let mut quote = None;
    let mut characters = text.chars();
    while let Some(c) = characters.next() {
        match (c, quote) {
            (c, None) if c.is_whitespace() => {
                if !word.is_empty() {
                    words.push(std::mem::take(&mut word));
                }
                continue;
            }
            ('\'' | '"', None) => quote = Some(c),
            (c, Some(open)) if c == open => quote = None,
            // In single quotes a backslash is one.
            ('\\', quote) if quote != Some('\'') => {
                word.push(c);
                word.extend(characters.next());
                continue;
            }
            _ => {}
        }
        word.push(c);
    }
    if !word.is_empty() {
        words.push(word);
    }
    words
}

/// One word without its quotes and backslashes, and with its variables'
/// values: `$a`, `${a}`, `${a:-otherwise}`, `${a:+then}`.
pub(super) fn expand(word: &str, env: &[String]) -> Result<String, InvalidChange> {
    let mut reader = Reader {
        rest: word.chars().collect::<Vec<_>>().into_iter().peekable(),
        env,
    };
    let expanded = reader.until(None);
    expanded.map_err(|reason| InvalidChange::Word(word.to_owned(), reason))
}

struct Reader<'a> {
    rest: std::iter::Peekable<std::vec::IntoIter<char>>,
    env: &'a [String],
}

impl Reader<'_> {
    /// Reads to the end, or past `stop`.
    fn until(&mut self, stop: Option<char>) -> Result<String, &'static str> {
        let mut out = String::new();
        while let Some(c) = self.rest.next() {
            match c {
                c if Some(c) == stop => return Ok(out),
                '\'' => loop {
                    match self.rest.next() {
                        Some('\'') => break,
                        Some(c) => out.push(c),
                        None => {
                            return Err(
                                "unexpected end of statement while looking for matching single-quote",
                            );
                        }
                    }
                },
                '"' => self.double_quoted(&mut out)?,
                '\\' => out.extend(self.rest.next()),
                '$' => out.push_str(&self.variable()?),
                c => out.push(c),
            }
        }
        match stop {
            None => Ok(out),
            Some(_) => Err("syntax error: missing '}'"),
        }
    }

    fn double_quoted(&mut self, out: &mut String) -> Result<(), &'static str> {
        loop {
            match self.rest.next() {
                Some('"') => return Ok(()),
                Some('$') => out.push_str(&self.variable()?),
                Some('\\') => match self.rest.next() {
                    Some(c @ ('"' | '$' | '\\')) => out.push(c),
                    Some(c) => out.extend(['\\', c]),
                    None => out.push('\\'),
                },
                Some(c) => out.push(c),
                None => {
                    return Err(
                        "unexpected end of statement while looking for matching double-quote",
                    );
                }
            }
        }
    }

    /// What stands after a dollar sign.
    fn variable(&mut self) -> Result<String, &'static str> {
        if self.rest.peek() != Some(&'{') {
            let name = self.name();
            return Ok(match name.as_str() {
                "" => "$".to_owned(),
                name => self.value(name).unwrap_or_default(),
            });
        }
        self.rest.next();
        let name = self.name();
        if name.is_empty() {
            return Err("syntax error: bad substitution");
        }
        let value = self.value(&name);
        let mut modifier = self.rest.next();
        let set = if modifier == Some(':') {
            modifier = self.rest.next();
            value.clone().filter(|value| !value.is_empty())
        } else {
            value.clone()
        };
        match modifier {
            Some('}') => Ok(value.unwrap_or_default()),
            Some('-') => {
                let otherwise = self.until(Some('}'))?;
                Ok(set.unwrap_or(otherwise))
            }
            Some('+') => {
                let then = self.until(Some('}'))?;
                Ok(set.map(|_| then).unwrap_or_default())
            }
            None => Err("syntax error: missing '}'"),
            Some(_) => Err("unsupported modifier in substitution"),
        }
    }

    fn name(&mut self) -> String {
        let mut name = String::new();
        while let Some(c) = self
            .rest
            .next_if(|c| c.is_ascii_alphanumeric() || *c == '_')
        {
            name.push(c);
        }
        name
    }

    fn value(&self, name: &str) -> Option<String> {
        let mut pairs = self.env.iter().filter_map(|e| e.split_once('='));
        let found = pairs.find(|(key, _)| *key == name);
        found.map(|(_, value)| value.to_owned())
    }
}
