//! Header blocks and what does not fit into them (POSIX.1-2017 `pax`,
//! "ustar Interchange Format" and "pax Extended Header").

use tar::{EntryType, Header};

use super::Times;
use super::attributes::Attributes;

/// The largest extended header that readers take (Go's archive/tar, and so
/// Docker, and this crate's own).
pub(super) const MAX_EXTENDED: usize = 1 << 20;

const BLOCK: usize = 512;
/// What seven and eleven octal digits hold.
const MAX_ID: u64 = 0o777_7777;
const MAX_NUMBER: u64 = 0o777_7777_7777;

/// One entry's metadata.
#[derive(Clone, Debug)]
pub(super) struct Entry<'a> {
    pub(super) kind: EntryType,
    pub(super) name: &'a [u8],
    pub(super) link: &'a [u8],
    pub(super) mode: u32,
    pub(super) uid: u32,
    pub(super) gid: u32,
    pub(super) size: u64,
    /// Seconds and nanoseconds.
    pub(super) mtime: (i64, u32),
    /// Major and minor.
    pub(super) device: (u32, u32),
    pub(super) xattrs: Attributes,
}

/// Adds an entry's blocks to `out`; `None` when no reader would take them.
pub(super) fn encode(entry: &Entry<'_>, times: Times, out: &mut Vec<u8>) -> Option<()> {
    let mut header = Header::new_ustar();
    let mut extended = Vec::new();
    {
        let fields = header.as_ustar_mut()?;
        if !fit(&mut fields.name, entry.name) {
            record(&mut extended, b"path", entry.name);
        }
        if !fit(&mut fields.linkname, entry.link) {
            record(&mut extended, b"linkpath", entry.link);
        }
    }
    header.set_entry_type(entry.kind);
    header.set_mode(entry.mode & 0o7777);
    let mut number = |value: u64, max: u64, key: &[u8]| {
        if value > max {
            record(&mut extended, key, value.to_string().as_bytes());
            return 0;
        }
        value
    };
    header.set_uid(number(entry.uid.into(), MAX_ID, b"uid"));
    header.set_gid(number(entry.gid.into(), MAX_ID, b"gid"));
    header.set_size(number(entry.size, MAX_NUMBER, b"size"));
    let seconds = u64::try_from(entry.mtime.0)
        .ok()
        .filter(|s| *s <= MAX_NUMBER);
    header.set_mtime(seconds.unwrap_or(0));
    if seconds.is_none() || (times == Times::Nanoseconds && entry.mtime.1 != 0) {
        record(&mut extended, b"mtime", time(entry.mtime, times).as_bytes());
    }
    if entry.kind.is_character_special() || entry.kind.is_block_special() {
        // Linux has 12 bits of major and 20 of minor numbers: they fit.
        header.set_device_major(entry.device.0).ok()?;
        header.set_device_minor(entry.device.1).ok()?;
    }
    for (name, value) in &entry.xattrs {
        record(
            &mut extended,
            &[b"SCHILY.xattr.", &name[..]].concat(),
            value,
        );
    }
    if !extended.is_empty() {
        if extended.len() > MAX_EXTENDED {
            return None;
        }
        append_extended(entry.name, &extended, out);
    }
    header.set_cksum();
    out.extend_from_slice(header.as_bytes());
    Some(())
}

/// `<length> <key>=<value>\n`, the length counting itself.
fn record(out: &mut Vec<u8>, key: &[u8], value: &[u8]) {
    let rest = key.len() + value.len() + 3;
    let mut length = rest + 1;
    while length != rest + length.to_string().len() {
        length = rest + length.to_string().len();
    }
    out.extend_from_slice(length.to_string().as_bytes());
    out.push(b' ');
    out.extend_from_slice(key);
    out.push(b'=');
    out.extend_from_slice(value);
    out.push(b'\n');
}

/// The header of the records, whose own name nobody needs.
fn append_extended(name: &[u8], records: &[u8], out: &mut Vec<u8>) {
    let mut header = Header::new_ustar();
    let last = name.rsplit(|b| *b == b'/').find(|part| !part.is_empty());
    let own = [b"PaxHeaders.0/", last.unwrap_or(b"root")].concat();
    if let Some(fields) = header.as_ustar_mut() {
        // Cut off where it is too long.
        fit(&mut fields.name, &own);
    }
    header.set_entry_type(EntryType::XHeader);
    header.set_mode(0);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header.set_size(records.len() as u64);
    header.set_cksum();
    out.extend_from_slice(header.as_bytes());
    out.extend_from_slice(records);
    out.resize(out.len().next_multiple_of(BLOCK), 0);
}

/// Writes text into a field; cut off if it does not fit, which is said.
fn fit(field: &mut [u8], text: &[u8]) -> bool {
    let n = text.len().min(field.len());
    field[..n].copy_from_slice(&text[..n]);
    n == text.len()
}

/// Seconds with a fraction, negative as one number: -0.5 is half a second
/// before the epoch.
fn time((seconds, nanos): (i64, u32), times: Times) -> String {
    let nanos = if times == Times::Seconds { 0 } else { nanos };
    let text = match (seconds < 0, nanos) {
        (_, 0) => return seconds.to_string(),
        (false, nanos) => format!("{seconds}.{nanos:09}"),
        (true, nanos) => format!("-{}.{:09}", -(seconds + 1), 1_000_000_000 - nanos),
    };
    text.trim_end_matches('0').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_one_decimal_number() {
        let text = |seconds, nanos| time((seconds, nanos), Times::Nanoseconds);
        assert_eq!(text(5, 0), "5");
        assert_eq!(text(5, 120_000_000), "5.12");
        assert_eq!(text(-1, 500_000_000), "-0.5");
        assert_eq!(text(-2, 0), "-2");
        assert_eq!(time((-2, 7), Times::Seconds), "-2");
    }

    #[test]
    fn a_records_length_counts_its_own_digits() {
        for length in [1, 80, 90, 91, 92, 93, 94, 95, 980, 985, 990, 9_990] {
            let mut out = Vec::new();
            record(&mut out, b"path", &vec![b'x'; length]);
            let stated: usize = String::from_utf8_lossy(&out)
                .split(' ')
                .next()
                .unwrap()
                .parse()
                .unwrap();
            assert_eq!(stated, out.len());
        }
    }
}
