//! A pull's progress: lines off a terminal, and on one a line per layer that
//! is redrawn in place.

use std::io::{self, Write};

use bulkhead_api::progress::{Progress, ProgressDetail};

use super::decimal_size;

/// The widest a bar gets, and the columns the rest of its line takes.
const BAR_WIDTH: usize = 50;
const LINE_WITHOUT_BAR: usize = 60;

/// Shows one pull.
pub(crate) struct PullProgress<W> {
    out: W,
    /// Columns of the terminal; `None` off a terminal.
    columns: Option<usize>,
    /// The layers shown so far, one a line, the last at the bottom.
    lines: Vec<String>,
}

impl<W: Write> PullProgress<W> {
    pub(crate) fn new(out: W, columns: Option<usize>) -> Self {
        Self {
            out,
            columns,
            lines: Vec::new(),
        }
    }

    /// Shows one message.
    pub(crate) fn show(&mut self, message: &Progress) -> io::Result<()> {
        if !message.stream.is_empty() {
            self.lines.clear();
            let text: String = printable(&message.stream, |c| c == '\n');
            return self
                .out
                .write_all(text.as_bytes())
                .and_then(|()| self.out.flush());
        }
        match self.columns {
            Some(columns) => self.redraw(message, columns),
            None if has_measure(message) => Ok(()),
            None => writeln!(self.out, "{}", plain(message)),
        }
    }

    /// A layer's line is found by its id and drawn over: up as many lines as
    /// it is from the bottom, erase, write, and down again.
    fn redraw(&mut self, message: &Progress, columns: usize) -> io::Result<()> {
        if message.id.is_empty() || message.detail.is_none() {
            self.lines.clear();
            return writeln!(self.out, "{}", plain(message)).and_then(|()| self.out.flush());
        }
        let index = match self.lines.iter().position(|id| *id == message.id) {
            Some(index) => index,
            None => {
                self.lines.push(message.id.clone());
                writeln!(self.out)?;
                self.lines.len() - 1
            }
        };
        let up = self.lines.len() - index;
        let bar = message
            .detail
            .map(|detail| bar(detail, columns))
            .unwrap_or_default();
        write!(
            self.out,
            "\x1b[{up}A\x1b[2K\r{} {bar}\r\x1b[{up}B",
            plain(message)
        )?;
        self.out.flush()
    }
}

fn has_measure(message: &Progress) -> bool {
    message
        .detail
        .is_some_and(|detail| detail.current != 0 || detail.total != 0)
}

/// Text of a daemon that relays a registry's: control characters are dropped,
/// so that neither draws on the terminal.
fn plain(message: &Progress) -> String {
    let line = match message.id.as_str() {
        "" => message.status.clone(),
        id => format!("{id}: {}", message.status),
    };
    printable(&line, |_| false)
}

fn printable(text: &str, or: impl Fn(char) -> bool) -> String {
    text.chars().filter(|c| !c.is_control() || or(*c)).collect()
}

fn bar(detail: ProgressDetail, columns: usize) -> String {
    let (current, total) = (detail.current.max(0), detail.total);
    if current == 0 && total <= 0 {
        return String::new();
    }
    if total <= 0 || current > total {
        return format!("{:>8}", decimal_size(current, 4));
    }
    let sizes = format!("{:>8}/{}", decimal_size(current, 4), decimal_size(total, 4));
    let width = columns.saturating_sub(LINE_WITHOUT_BAR).min(BAR_WIDTH);
    if width < 10 {
        return sizes;
    }
    let done = (current as f64 / total as f64 * width as f64) as usize;
    let head = if done < width { ">" } else { "" };
    format!(
        "[{}{head}{}] {sizes}",
        "=".repeat(done),
        " ".repeat(width - done - head.len())
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(columns: Option<usize>, messages: &[Progress]) -> String {
        let mut out = Vec::new();
        let mut progress = PullProgress::new(&mut out, columns);
        messages.iter().for_each(|m| progress.show(m).unwrap());
        String::from_utf8(out).unwrap()
    }

    fn tag() -> Progress {
        Progress {
            id: "2".into(),
            status: "Pulling from bb".into(),
            ..Default::default()
        }
    }

    #[test]
    fn off_a_terminal_only_steps_are_lines() {
        let text = shown(
            None,
            &[
                tag(),
                Progress::step("69aea23c3577", "Pulling fs layer"),
                Progress::bytes("69aea23c3577", "Downloading", 10, 107),
                Progress::step("69aea23c3577", "Pull complete"),
                Progress::status("Status: Downloaded newer image for bb:2"),
            ],
        );
        assert_eq!(
            text,
            "2: Pulling from bb\n69aea23c3577: Pulling fs layer\n69aea23c3577: Pull complete\n\
             Status: Downloaded newer image for bb:2\n"
        );
    }

    #[test]
    fn on_a_terminal_a_layer_is_drawn_over() {
        let text = shown(
            Some(110),
            &[
                tag(),
                Progress::step("a", "Waiting"),
                Progress::step("b", "Waiting"),
                Progress::bytes("a", "Downloading", 50, 100),
            ],
        );
        assert_eq!(
            text,
            "2: Pulling from bb\n\
             \n\x1b[1A\x1b[2K\ra: Waiting \r\x1b[1B\
             \n\x1b[1A\x1b[2K\rb: Waiting \r\x1b[1B\
             \x1b[2A\x1b[2K\ra: Downloading [=========================>                        ]      50B/100B\r\x1b[2B"
        );
    }

    #[test]
    fn a_registry_cannot_draw_on_the_terminal() {
        assert_eq!(shown(None, &[Progress::status("a\x1b[31mb")]), "a[31mb\n");
    }
}
