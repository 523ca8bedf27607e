//! Prints what a container looks like from inside. Everything is read from
//! /proc, /sys and the environment; one static file with nothing else needed.

#![forbid(unsafe_code)]

use std::fmt::Write as _;
use std::io::Write as _;

#[path = "addresses.rs"]
mod addresses;
#[path = "limits.rs"]
mod limits;
#[path = "status.rs"]
mod status;

const LABEL_WIDTH: usize = 16;
const LINE_WIDTH: usize = 78;

fn main() {
    let mut page = Page(String::from("Hello from inside a container.\n\n"));
    describe_process(&mut page);
    describe_surroundings(&mut page);
    describe_rights(&mut page);
    describe_plugins(&mut page);
    // A reader that went away is no error of ours.
    let _ = std::io::stdout().write_all(page.0.as_bytes());
}

fn describe_process(page: &mut Page) {
    let status = read("/proc/self/status");
    let command: Vec<String> = std::env::args().collect();
    page.line(
        "process",
        &format!("pid {}, {}", std::process::id(), command.join(" ")),
    );
    page.line("hostname", read("/proc/sys/kernel/hostname").trim());
    page.line("user", &status::user(&status));
}

fn describe_surroundings(page: &mut Page) {
    page.line("root filesystem", &root(&read("/proc/self/mountinfo")));
    page.lines("addresses", &addresses::all());
    page.line("memory", &limits::memory());
    page.line("cpu", &limits::cpu());
    page.line("processes", &limits::processes());
}

fn describe_rights(page: &mut Page) {
    let status = read("/proc/self/status");
    page.line("capabilities", &status::capabilities(&status));
    page.line("seccomp", status::seccomp(&status));
    page.line("no new rights", status::no_new_privileges(&status));
}

fn describe_plugins(page: &mut Page) {
    let plugin = |variable| {
        std::env::var(variable).unwrap_or_else(|_| "not said (not started by bulkhead)".to_owned())
    };
    page.0.push('\n');
    page.line("rootfs made by", &plugin("BULKHEAD_ROOTFS_PLUGIN"));
    page.line("network made by", &plugin("BULKHEAD_NETWORK_PLUGIN"));
}

/// A file's text; empty when it cannot be read.
fn read(path: &str) -> String {
    std::fs::read(path)
        .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
        .unwrap_or_default()
}

/// Labels on the left, words on the right.
struct Page(String);

impl Page {
    fn line(&mut self, label: &str, text: &str) {
        self.lines(label, &wrap(text, LINE_WIDTH - LABEL_WIDTH - 3));
    }

    fn lines(&mut self, label: &str, lines: &[String]) {
        for (number, line) in lines.iter().enumerate() {
            let label = if number == 0 { label } else { "" };
            let _ = writeln!(self.0, "  {label:LABEL_WIDTH$} {line}");
        }
    }
}

/// Breaks between words; a word longer than a line stays whole.
fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let last = lines.len() - 1;
        let line = &mut lines[last];
        if line.is_empty() {
            line.push_str(word);
        } else if line.len() + 1 + word.len() <= width {
            line.push(' ');
            line.push_str(word);
        } else {
            lines.push(word.to_owned());
        }
    }
    lines
}

/// Type and access of what is mounted on `/` (proc_pid_mountinfo(5)). The last
/// line counts: a later mount covers an earlier one.
fn root(mountinfo: &str) -> String {
    let describe = |line: &str| {
        let (before, after) = line.split_once(" - ")?;
        let fields: Vec<&str> = before.split(' ').collect();
        let access = if fields.get(5)?.split(',').any(|option| option == "ro") {
            "read-only"
        } else {
            "read-write"
        };
        (*fields.get(4)? == "/").then(|| Some(format!("{}, {access}", after.split(' ').next()?)))?
    };
    mountinfo
        .lines()
        .rev()
        .find_map(describe)
        .unwrap_or_else(|| "not visible".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_root_is_the_last_mount_on_slash() {
        let mountinfo = "1 0 0:1 / / rw,relatime - rootfs none rw\n\
            20 1 0:30 / / ro,relatime master:1 - overlay overlay ro,lowerdir=/x\n\
            21 20 0:31 / /proc rw - proc proc rw\n";
        assert_eq!(root(mountinfo), "overlay, read-only");
        assert_eq!(root("nonsense\n"), "not visible");
    }

    #[test]
    fn long_text_is_broken_between_words() {
        assert_eq!(wrap("aa bb cc", 5), ["aa bb", "cc"]);
        assert_eq!(wrap("aaaaaaaa b", 3), ["aaaaaaaa", "b"]);
    }
}
