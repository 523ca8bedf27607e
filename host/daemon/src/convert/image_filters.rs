//! Which images a list shows, by Docker's rules: a filter for references
//! takes names away, one for anything else whole images; nameless images that
//! others were made from are shown on request alone.

use bulkhead_api::Filters;
use bulkhead_api::filters::InvalidFilter;
use bulkhead_engine::{Engine, ImageListed};
use bulkhead_model::Reference;

use super::filters::{flag, has_labels, until};
use super::images::created_nanos;
use crate::status::ApiError;

const KNOWN: [&str; 7] = [
    "before",
    "dangling",
    "label",
    "label!",
    "reference",
    "since",
    "until",
];

/// What a list asks for, checked.
#[derive(Debug)]
pub struct Chosen {
    filters: Filters,
    all: bool,
    dangling: Option<bool>,
    /// Nanoseconds since the epoch.
    before: Option<u64>,
    since: Option<u64>,
}

impl Chosen {
    /// Checks the filters, and looks up the images they name.
    pub fn new(engine: &Engine, filters: Filters, all: bool) -> Result<Self, ApiError> {
        filters.only(&KNOWN)?;
        let created = |name: &'static str| {
            let mut times = Vec::new();
            for image in filters.values(name) {
                times.push(created_nanos(engine.image(image)?.created.as_deref()));
            }
            Ok::<_, ApiError>(times)
        };
        let before = created("before")?.into_iter().chain(until(&filters)?).min();
        let since = created("since")?.into_iter().max();
        let dangling = flag(&filters, "dangling")?;
        for pattern in filters.values("reference") {
            if !is_pattern(pattern) {
                let invalid = InvalidFilter::Value("reference", pattern.to_owned());
                return Err(invalid.into());
            }
        }
        Ok(Self {
            filters,
            all,
            dangling,
            before,
            since,
        })
    }

    /// The image with the names that are shown, `None` when it is not shown.
    pub fn choose(&self, mut listed: ImageListed) -> Option<ImageListed> {
        let record = &mut listed.record;
        let made = created_nanos(record.image.created.as_deref());
        let in_time = self.before.is_none_or(|before| made < before)
            && self.since.is_none_or(|since| made > since);
        if !in_time || !has_labels(&record.image.config.labels, &self.filters) {
            return None;
        }
        let by_reference = self.filters.values("reference").next().is_some();
        if by_reference {
            record.tags.retain(|name| self.is_named(name));
            record.digests.retain(|name| self.is_named(name));
        }
        let shown = if record.tags.is_empty() && record.digests.is_empty() {
            let intermediate = listed.children > 0 && (!self.all || self.dangling == Some(true));
            !by_reference && !intermediate && self.dangling != Some(false)
        } else {
            self.dangling != Some(true) || record.tags.is_empty()
        };
        shown.then_some(listed)
    }

    fn is_named(&self, name: &Reference) -> bool {
        let (whole, repository) = (name.familiar(), name.familiar_name());
        self.filters
            .values("reference")
            .any(|pattern| glob(pattern, &whole) || glob(pattern, &repository))
    }
}

/// Go's `path.Match` on whole texts: `*` and `?` stand for anything but a
/// slash, `[a-z]` and `[^a]` for one character, a backslash takes the next as
/// it is.
fn glob(pattern: &str, text: &str) -> bool {
    let mut pattern_left = pattern.chars();
    match pattern_left.next() {
        None => text.is_empty(),
        Some('*') => {
            let ends = text.char_indices().map(|(at, _)| at).chain([text.len()]);
            let mut within = ends.take_while(|at| !text[..*at].contains('/'));
            within.any(|at| glob(pattern_left.as_str(), &text[at..]))
        }
        Some(first) => {
            let mut text_left = text.chars();
            let Some(c) = text_left.next() else {
                return false;
            };
            let fits = match first {
                '?' => c != '/',
                '[' => class(&mut pattern_left, c).unwrap_or(false),
                '\\' => pattern_left.next() == Some(c),
                first => first == c,
            };
            fits && glob(pattern_left.as_str(), text_left.as_str())
        }
    }
}

/// Reads a class to its end; `None` when it has none.
fn class(pattern: &mut std::str::Chars<'_>, c: char) -> Option<bool> {
    let mut next = pattern.next()?;
    let negated = next == '^';
    if negated {
        next = pattern.next()?;
    }
    let mut found = false;
    let mut first = true;
    while next != ']' || first {
        first = false;
        let low = if next == '\\' { pattern.next()? } else { next };
        next = pattern.next()?;
        let mut high = low;
        if next == '-' {
            high = pattern.next()?;
            if high == '\\' {
                high = pattern.next()?;
            }
            next = pattern.next()?;
        }
        found |= (low..=high).contains(&c);
    }
    Some(found != negated)
}

/// Whether every class of a pattern ends, and nothing is left to take as it is.
fn is_pattern(pattern: &str) -> bool {
    let mut left = pattern.chars();
    while let Some(c) = left.next() {
        let sound = match c {
            '[' => class(&mut left, ' ').is_some(),
            '\\' => left.next().is_some(),
            _ => true,
        };
        if !sound {
            return false;
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_gos() {
        for (pattern, text, fits) in [
            ("busy*", "busybox", true),
            ("*:latest", "x:latest", true),
            ("a/*", "a/b", true),
            ("busy*", "busy/box", false),
            ("x", "xy", false),
            ("bus?box", "busybox", true),
            ("[a-c]x", "bx", true),
            ("[^a-c]x", "bx", false),
            ("\\*", "*", true),
            ("*", "", true),
            ("**", "abc", true),
        ] {
            assert_eq!(glob(pattern, text), fits, "{pattern} {text}");
        }
        assert!(is_pattern("a[b-c]*") && !is_pattern("a[b") && !is_pattern("a\\"));
    }
}
