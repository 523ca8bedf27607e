//! What a run found, as a table.

use std::fmt;
use std::time::Duration;

use bulkhead_plugin_api::testing::conformance::Finding;

/// What a case needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// A host in memory.
    Plans,
    /// A real kernel, and root.
    Kernel,
}

impl Level {
    /// The word shown.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Plans => "plans",
            Self::Kernel => "kernel",
        }
    }
}

/// All findings about one driver.
#[derive(Clone, Debug)]
pub struct Report {
    plugin: String,
    findings: Vec<(Level, Finding)>,
}

impl Report {
    pub(crate) fn new(plugin: &str) -> Self {
        Self {
            plugin: plugin.to_owned(),
            findings: Vec::new(),
        }
    }

    pub(crate) fn add(&mut self, level: Level, finding: Finding) {
        self.findings.push((level, finding));
    }

    /// Whether nothing failed.
    pub fn is_ok(&self) -> bool {
        self.failed().next().is_none()
    }

    /// What failed.
    pub fn failed(&self) -> impl Iterator<Item = &Finding> {
        let findings = self.findings.iter().map(|(_, finding)| finding);
        findings.filter(|finding| finding.failure.is_some())
    }

    /// Passed cases, all cases and time of one level.
    pub fn figures(&self, level: Level) -> (usize, usize, Duration) {
        let of_level = self.findings.iter().filter(|(l, _)| *l == level);
        of_level.fold((0, 0, Duration::ZERO), |(passed, all, took), (_, found)| {
            let passed = passed + usize::from(found.failure.is_none());
            (passed, all + 1, took + found.took)
        })
    }

    /// One line of figures.
    pub fn summary(&self) -> String {
        let mut out = format!("{}:", self.plugin);
        for level in [Level::Plans, Level::Kernel] {
            let (passed, all, took) = self.figures(level);
            if all > 0 {
                let seconds = took.as_secs_f32();
                out.push_str(&format!(
                    " {} {passed}/{all} in {seconds:.2} s;",
                    level.as_str()
                ));
            }
        }
        out.pop();
        out
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = |finding: &Finding| finding.name.len();
        let width = self.findings.iter().map(|(_, found)| name(found)).max();
        let width = width.unwrap_or(0);
        writeln!(f, "{:<6}  {:<width$}  {:>8}  RESULT", "LEVEL", "CASE", "MS")?;
        for (level, finding) in &self.findings {
            let ms = finding.took.as_secs_f64() * 1e3;
            let (level, name) = (level.as_str(), finding.name);
            write!(f, "{level:<6}  {name:<width$}  {ms:>8.1}  ")?;
            match &finding.failure {
                None => writeln!(f, "ok")?,
                Some(failure) => {
                    writeln!(f, "FAILED")?;
                    writeln!(f, "        {failure}")?;
                    writeln!(f, "        rule: {}", finding.why)?;
                }
            }
        }
        writeln!(f, "{}", self.summary())
    }
}
