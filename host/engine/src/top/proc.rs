//! The columns of `ps -ef` out of /proc, for machines without ps.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::Table;

/// `USER_HZ`: what /proc counts times in, a second (`time(7)`).
const TICKS: u64 = 100;
const TITLES: [&str; 8] = ["UID", "PID", "PPID", "C", "STIME", "TTY", "TIME", "CMD"];

/// Processes that have ended meanwhile are left out.
pub(super) fn table(pids: &[u32]) -> Table {
    let now = SystemTime::now();
    Table {
        titles: TITLES.map(str::to_owned).to_vec(),
        rows: pids.iter().filter_map(|pid| row(*pid, now)).collect(),
    }
}

fn row(pid: u32, now: SystemTime) -> Option<Vec<String>> {
    let read = |name: &str| std::fs::read_to_string(format!("/proc/{pid}/{name}")).ok();
    let stat = Stat::parse(&read("stat")?)?;
    let status = read("status")?;
    let uid = status.lines().find_map(|line| line.strip_prefix("Uid:"))?;
    let uptime: f64 = std::fs::read_to_string("/proc/uptime")
        .ok()?
        .split(' ')
        .next()?
        .parse()
        .ok()?;
    let age = Duration::from_secs_f64((uptime - stat.start as f64 / TICKS as f64).max(0.0));
    let used = stat.used / TICKS;
    let share = (used * 100).checked_div(age.as_secs()).unwrap_or(0).min(99);
    let arguments = read("cmdline")?.replace('\0', " ");
    let command = match arguments.trim() {
        "" => format!("[{}]", stat.name),
        arguments => arguments.to_owned(),
    };
    Some(vec![
        uid.split_ascii_whitespace().nth(1)?.to_owned(),
        pid.to_string(),
        stat.parent.to_string(),
        share.to_string(),
        started(now - age, age),
        terminal(stat.terminal),
        format!("{:02}:{:02}:{:02}", used / 3600, used / 60 % 60, used % 60),
        command,
    ])
}

/// The time for a process of today, the date for an older one; UTC.
fn started(at: SystemTime, age: Duration) -> String {
    let at = at.max(UNIX_EPOCH);
    let text = humantime::format_rfc3339_seconds(at).to_string();
    match age.as_secs() < 86_400 {
        true => text[11..16].to_owned(),
        false => text[5..10].to_owned(),
    }
}

/// `proc_pid_stat(5)`: minor numbers 0 to 7 and 20 to 31, major 8 to 15.
fn terminal(device: u32) -> String {
    let (major, minor) = (device >> 8 & 0xfff, device & 0xff | device >> 12 & 0xfff00);
    match major {
        0 => "?".to_owned(),
        136..=143 => format!("pts/{}", (major - 136) * 256 + minor),
        4 => format!("tty{minor}"),
        _ => format!("{major}:{minor}"),
    }
}

struct Stat {
    name: String,
    parent: u32,
    terminal: u32,
    /// Ticks in user mode and in the kernel.
    used: u64,
    /// Ticks after the machine's start.
    start: u64,
}

impl Stat {
    /// `proc_pid_stat(5)`; the name, in parentheses, may have any byte.
    fn parse(text: &str) -> Option<Self> {
        let (_, rest) = text.split_once('(')?;
        let (name, rest) = rest.rsplit_once(')')?;
        // The state, field 3, comes first.
        let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
        let number = |field: usize| fields.get(field - 3)?.parse::<u64>().ok();
        Some(Self {
            name: name.to_owned(),
            parent: u32::try_from(number(4)?).ok()?,
            terminal: u32::try_from(number(7)?).unwrap_or(0),
            used: number(14)? + number(15)?,
            start: number(22)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_own_process_has_a_row() {
        let own = std::process::id();
        let table = table(&[own, u32::MAX]);
        assert_eq!((table.rows.len(), table.rows[0].len()), (1, TITLES.len()));
        assert_eq!(table.rows[0][1], own.to_string());
        assert!(table.rows[0][7].contains("engine"), "{:?}", table.rows);
    }

    #[test]
    fn names_with_parentheses_are_read() {
        let text = "7 (a) b) S 1 7 7 34816 7 0 0 0 0 0 150 50 0 0 20 0 1 0 99 0";
        let stat = Stat::parse(text).unwrap();
        assert_eq!(
            (stat.name.as_str(), stat.parent, stat.used, stat.start),
            ("a) b", 1, 200, 99)
        );
        assert_eq!(terminal(stat.terminal), "pts/0");
        assert_eq!(terminal(0), "?");
    }
}
