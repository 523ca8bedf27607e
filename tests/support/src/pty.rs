//! A terminal to type at.

use std::fs::File;
use std::io::{Read, Write};
use std::process::{Child, Command};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use nix::pty::{Winsize, openpty};

use crate::client;

/// A command whose standard streams are a terminal of 80 by 24.
pub struct Terminal {
    child: Child,
    keyboard: File,
    screen: Arc<Screen>,
    /// How much of the screen's text earlier calls have returned.
    seen: usize,
}

#[derive(Default)]
struct Screen {
    text: Mutex<Vec<u8>>,
    grown: Condvar,
}

impl Terminal {
    /// Starts a command of the same program, arguments and environment as
    /// `command` in a session of its own.
    #[track_caller]
    pub fn start(command: &Command) -> Self {
        let size = Winsize {
            ws_row: 24,
            ws_col: 80,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        let pty = openpty(&size, None).expect("open a terminal");
        // Without a shell between: setsid(1) makes the terminal on its stdin
        // the controlling one and executes in place.
        let mut session = Command::new("setsid");
        session
            .arg("--ctty")
            .arg(command.get_program())
            .args(command.get_args());
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => session.env(name, value),
                None => session.env_remove(name),
            };
        }
        session.env("TERM", "xterm");
        session.stdin(pty.slave.try_clone().expect("clone the terminal"));
        session.stdout(pty.slave.try_clone().expect("clone the terminal"));
        session.stderr(pty.slave);
        let child = session.spawn().expect("start a command at a terminal");
        // `session` holds the last descriptors of the other side here.
        drop(session);
        let keyboard = File::from(pty.master);
        let screen = watch(keyboard.try_clone().expect("clone the terminal"));
        Terminal {
            child,
            keyboard,
            screen,
            seen: 0,
        }
    }

    /// Types `keys`; Enter is `\r`, Control-C is `\x03`.
    #[track_caller]
    pub fn keys(&mut self, keys: &str) {
        self.keyboard
            .write_all(keys.as_bytes())
            .expect("type at a terminal");
    }

    /// Waits until `wanted` is shown behind what earlier calls returned, and
    /// returns the text up to and with it. Panics after `limit`.
    #[track_caller]
    pub fn wait_for(&mut self, wanted: &str, limit: Duration) -> String {
        let deadline = Instant::now() + limit;
        let mut text = self.screen.text.lock().expect("the screen");
        loop {
            let fresh = String::from_utf8_lossy(&text[self.seen..]).into_owned();
            if let Some(at) = fresh.find(wanted) {
                let shown = &fresh[..at + wanted.len()];
                self.seen += shown.len();
                return shown.to_owned();
            }
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(
                !left.is_zero(),
                "no {wanted:?} within {limit:?} in {fresh:?}"
            );
            (text, _) = self
                .screen
                .grown
                .wait_timeout(text, left)
                .expect("the screen");
        }
    }

    /// The process id of the command.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits for the command's end and returns its exit status, `None` when a
    /// signal ended it. Panics after `limit`.
    #[track_caller]
    pub fn wait(&mut self, limit: Duration) -> Option<i32> {
        let ended = client::ended_within(&mut self.child, limit);
        assert!(ended, "still runs after {limit:?}: {:?}", self.text());
        self.child.wait().expect("wait for a command").code()
    }

    /// Everything that was shown.
    pub fn text(&self) -> String {
        let text = self.screen.text.lock().expect("the screen");
        String::from_utf8_lossy(&text).into_owned()
    }
}

/// Reads until the last holder of the other side closes it, which Linux tells
/// by EIO.
fn watch(mut master: File) -> Arc<Screen> {
    let screen = Arc::new(Screen::default());
    let writer = Arc::clone(&screen);
    std::thread::spawn(move || {
        let mut buffer = [0; 4096];
        while let Ok(length @ 1..) = master.read(&mut buffer) {
            writer
                .text
                .lock()
                .expect("the screen")
                .extend(&buffer[..length]);
            writer.grown.notify_all();
        }
    });
    screen
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_secs(60);

    #[test]
    fn a_shell_at_a_terminal_answers_to_keys() {
        let mut command = Command::new("sh");
        command.env("PS1", "ready> ").arg("-i");
        let mut terminal = Terminal::start(&command);
        terminal.wait_for("ready> ", LIMIT);
        terminal.keys("stty size; tty >/dev/null && echo a-$((40 + 2))\r");
        terminal.wait_for("24 80", LIMIT);
        terminal.wait_for("a-42", LIMIT);
        terminal.keys("exit 5\r");
        assert_eq!(terminal.wait(LIMIT), Some(5));
    }

    #[test]
    fn control_c_reaches_the_foreground() {
        let mut command = Command::new("sh");
        command.args(["-c", "echo ready; exec sleep 300"]);
        let mut terminal = Terminal::start(&command);
        terminal.wait_for("ready", LIMIT);
        terminal.keys("\x03");
        assert_eq!(terminal.wait(LIMIT), None);
    }
}
