//! `WWW-Authenticate` (RFC 9110, section 11.6.1): one or several challenges,
//! each a scheme with parameters, all separated by commas.

/// One challenge.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Challenge {
    /// Lower case.
    pub(crate) scheme: String,
    /// Names in lower case, values unquoted.
    pub(crate) params: Vec<(String, String)>,
}

impl Challenge {
    /// A parameter's value.
    pub(crate) fn param(&self, name: &str) -> Option<&str> {
        self.params
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }
}

/// Reads what it can; the rest of a malformed header is left out.
pub(crate) fn parse(header: &str) -> Vec<Challenge> {
    let mut rest = Cursor(header);
    let mut challenges: Vec<Challenge> = Vec::new();
    loop {
        rest.skip_separators();
        let Some(word) = rest.token() else {
            return challenges;
        };
        rest.skip_spaces();
        match rest.value_after_equals() {
            Some(value) => {
                let Some(challenge) = challenges.last_mut() else {
                    return challenges;
                };
                challenge.params.push((word.to_ascii_lowercase(), value));
            }
            None => challenges.push(Challenge {
                scheme: word.to_ascii_lowercase(),
                params: Vec::new(),
            }),
        }
    }
}

struct Cursor<'a>(&'a str);

impl<'a> Cursor<'a> {
    fn skip_spaces(&mut self) {
        self.0 = self.0.trim_start_matches([' ', '\t']);
    }

    fn skip_separators(&mut self) {
        self.0 = self.0.trim_start_matches([' ', '\t', ',']);
    }

    /// One or more token characters (RFC 9110, section 5.6.2), and `/`, which
    /// appears in unquoted values of careless servers.
    fn token(&mut self) -> Option<&'a str> {
        let part = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~/:".contains(c);
        let end = self.0.find(|c| !part(c)).unwrap_or(self.0.len());
        let (token, rest) = self.0.split_at(end);
        self.0 = rest;
        (!token.is_empty()).then_some(token)
    }

    /// `=` and a token or a quoted string; nothing is read when no `=` is next.
    fn value_after_equals(&mut self) -> Option<String> {
        self.0 = self.0.strip_prefix('=')?;
        self.skip_spaces();
        match self.0.strip_prefix('"') {
            Some(rest) => {
                self.0 = rest;
                Some(self.quoted())
            }
            None => Some(self.token().unwrap_or_default().to_owned()),
        }
    }

    /// Up to the closing quote; a backslash keeps the next character.
    fn quoted(&mut self) -> String {
        let mut value = String::new();
        let mut chars = self.0.char_indices();
        while let Some((at, c)) = chars.next() {
            match c {
                '"' => {
                    self.0 = &self.0[at + 1..];
                    return value;
                }
                '\\' => value.extend(chars.next().map(|(_, escaped)| escaped)),
                c => value.push(c),
            }
        }
        self.0 = "";
        value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(header: &str) -> Vec<String> {
        let one = |challenge: Challenge| {
            let params: Vec<String> = challenge
                .params
                .iter()
                .map(|(name, value)| format!("{name}={value}"))
                .collect();
            format!("{} {}", challenge.scheme, params.join(" "))
        };
        parse(header).into_iter().map(one).collect()
    }

    #[test]
    fn docker_hubs_challenge_is_read() {
        let header = r#"Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:library/busybox:pull,push""#;
        let challenges = parse(header);
        assert_eq!(challenges.len(), 1);
        assert_eq!(
            challenges[0].param("realm"),
            Some("https://auth.docker.io/token")
        );
        assert_eq!(
            challenges[0].param("scope"),
            Some("repository:library/busybox:pull,push")
        );
        assert_eq!(challenges[0].param("error"), None);
    }

    #[test]
    fn several_challenges_in_one_header_are_told_apart() {
        assert_eq!(
            shown(r#"Negotiate, Basic realm="a b" , BEARER Realm = x,Service="y\"z""#),
            [
                "negotiate ",
                "basic realm=a b",
                "bearer realm=x service=y\"z"
            ]
        );
    }

    #[test]
    fn malformed_headers_neither_panic_nor_loop() {
        assert_eq!(shown(""), [""; 0]);
        assert_eq!(
            shown(r#"Bearer realm="never closed"#),
            ["bearer realm=never closed"]
        );
        assert_eq!(shown(r#"realm="no scheme""#), [""; 0]);
        assert_eq!(
            shown("Bearer realm=,service=\"é\\"),
            ["bearer realm= service=é"]
        );
        assert_eq!(shown("Bearer \u{0} x"), ["bearer "]);
        for odd in [
            "=",
            "\"",
            ",,,,",
            "Bearer =",
            "Bearer ==\"\"",
            "\\",
            "Basic \"x\"=y",
        ] {
            parse(odd);
        }
    }
}
