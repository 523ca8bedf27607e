//! A view that is drawn again and again in the same place.

use std::io::{self, IsTerminal, Write};

use tokio::signal::unix::{Signal, SignalKind, signal};

use super::print;
use crate::error::{Error, Result};

/// Standard output as a screen; off a terminal each drawing follows the last.
pub(crate) struct Screen {
    is_terminal: bool,
    signals: Vec<(u8, Signal)>,
}

impl Screen {
    /// Hides the cursor until dropped.
    pub(crate) fn open() -> Result<Self> {
        let kinds = [
            SignalKind::hangup(),
            SignalKind::interrupt(),
            SignalKind::terminate(),
        ];
        let listen = |kind: SignalKind| {
            let number = u8::try_from(kind.as_raw_value()).unwrap_or_default();
            Ok((number, signal(kind)?))
        };
        let signals = kinds.into_iter().map(listen).collect::<io::Result<_>>();
        let signals = signals.map_err(|source| Error::Io {
            doing: "listen for signals",
            source,
        })?;
        let is_terminal = io::stdout().is_terminal();
        if is_terminal {
            print("\x1b[?25l\x1b[2J")?;
        }
        Ok(Self {
            is_terminal,
            signals,
        })
    }

    /// Resolves when a signal asks to end, with its number.
    pub(crate) async fn ended(&mut self) -> u8 {
        std::future::poll_fn(|context| {
            for (number, signal) in &mut self.signals {
                if signal.poll_recv(context).is_ready() {
                    return std::task::Poll::Ready(*number);
                }
            }
            std::task::Poll::Pending
        })
        .await
    }

    /// Draws text from the top; what stood there is gone.
    pub(crate) fn draw(&self, text: &str) -> Result<()> {
        if !self.is_terminal {
            return print(text);
        }
        let rows = crate::terminal::size().map_or(usize::MAX, |(rows, _)| rows.into());
        // The last row would scroll, and the line's end is not written on it.
        let lines: Vec<&str> = text.lines().take(rows.saturating_sub(1)).collect();
        print(format_args!(
            "\x1b[H{}\x1b[K\n\x1b[J",
            lines.join("\x1b[K\n")
        ))
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        if self.is_terminal {
            // The terminal may be gone, and then there is nothing to restore.
            let _ = io::stdout().write_all(b"\x1b[?25h");
        }
    }
}
