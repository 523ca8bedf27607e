//! A layer as a pull brings it: an archive with everything in pax records, so
//! that names and times of every kind fit.

use tar::{EntryType, Header};

/// What an entry has beside its name.
#[derive(Clone, Debug)]
pub(super) struct Attributes {
    pub(super) mode: u32,
    pub(super) uid: u32,
    pub(super) gid: u32,
    /// Seconds and nanoseconds, which go forward also before 1970.
    pub(super) mtime: (i64, u32),
    pub(super) xattrs: Vec<(&'static str, Vec<u8>)>,
}

impl Attributes {
    pub(super) fn mode(mode: u32) -> Self {
        Self {
            mode,
            uid: 0,
            gid: 0,
            mtime: (1_600_000_000, 0),
            xattrs: Vec::new(),
        }
    }
}

/// An archive that grows entry by entry.
#[derive(Default)]
pub(super) struct Layer(Vec<u8>);

impl Layer {
    pub(super) fn new() -> Self {
        Self::default()
    }

    pub(super) fn file(self, path: &str, text: &str) -> Self {
        self.file_with(path.as_bytes(), text.as_bytes(), &Attributes::mode(0o644))
    }

    pub(super) fn dir(self, path: &str) -> Self {
        self.dir_with(path.as_bytes(), &Attributes::mode(0o755))
    }

    pub(super) fn symlink(self, path: &str, target: &str) -> Self {
        let attributes = Attributes::mode(0o777);
        self.link(
            EntryType::Symlink,
            path.as_bytes(),
            target.as_bytes(),
            &attributes,
        )
    }

    pub(super) fn hard_link(self, path: &str, target: &str) -> Self {
        let attributes = Attributes::mode(0o644);
        self.link(
            EntryType::Link,
            path.as_bytes(),
            target.as_bytes(),
            &attributes,
        )
    }

    /// OCI image-spec, `layer.md`, "Whiteouts".
    pub(super) fn whiteout(self, path: &str) -> Self {
        let (dir, name) = path.rsplit_once('/').unwrap_or(("", path));
        let separator = if dir.is_empty() { "" } else { "/" };
        self.file(&format!("{dir}{separator}.wh.{name}"), "")
    }

    /// OCI image-spec, `layer.md`, "Opaque Whiteout".
    pub(super) fn opaque(self, dir: &str) -> Self {
        self.file(&format!("{dir}/.wh..wh..opq"), "")
    }

    pub(super) fn file_with(self, path: &[u8], bytes: &[u8], attributes: &Attributes) -> Self {
        self.entry(EntryType::Regular, path, bytes, attributes, &[])
    }

    pub(super) fn dir_with(self, path: &[u8], attributes: &Attributes) -> Self {
        self.entry(EntryType::Directory, path, b"", attributes, &[])
    }

    pub(super) fn link(
        self,
        kind: EntryType,
        path: &[u8],
        target: &[u8],
        attributes: &Attributes,
    ) -> Self {
        self.entry(kind, path, b"", attributes, &[("linkpath", target)])
    }

    pub(super) fn device(self, kind: EntryType, path: &str, major: u32, minor: u32) -> Self {
        let mut layer = self.records(path.as_bytes(), &Attributes::mode(0o666), &[]);
        let mut header = header(kind, 0, 0o666);
        // Always fits: an octal field of seven digits.
        let _ = header.set_device_major(major);
        let _ = header.set_device_minor(minor);
        header.set_cksum();
        layer.0.extend_from_slice(header.as_bytes());
        layer
    }

    /// A file of `size` bytes of which only `data` at `offset` is written
    /// (GNU tar's manual, "PAX Format, Version 1.0").
    pub(super) fn sparse(self, path: &str, size: u64, offset: u64, data: &[u8]) -> Self {
        let mut content = format!("1\n{offset}\n{}\n", data.len()).into_bytes();
        content.resize(512, 0);
        content.extend_from_slice(data);
        let size = size.to_string();
        let sparse: [(&str, &[u8]); 4] = [
            ("GNU.sparse.major", b"1"),
            ("GNU.sparse.minor", b"0"),
            ("GNU.sparse.name", path.as_bytes()),
            ("GNU.sparse.realsize", size.as_bytes()),
        ];
        let attributes = Attributes::mode(0o644);
        self.entry(
            EntryType::Regular,
            path.as_bytes(),
            &content,
            &attributes,
            &sparse,
        )
    }

    /// The archive with its end mark.
    pub(super) fn into_bytes(mut self) -> Vec<u8> {
        self.0.resize(self.0.len() + 1024, 0);
        self.0
    }

    fn entry(
        self,
        kind: EntryType,
        path: &[u8],
        bytes: &[u8],
        attributes: &Attributes,
        more: &[(&str, &[u8])],
    ) -> Self {
        let layer = self.records(path, attributes, more);
        layer.block(kind, bytes, attributes.mode)
    }

    /// The pax header before an entry.
    fn records(self, path: &[u8], attributes: &Attributes, more: &[(&str, &[u8])]) -> Self {
        let (seconds, nanoseconds) = attributes.mtime;
        let mtime = match seconds {
            0.. => format!("{seconds}.{nanoseconds:09}"),
            // A decimal number counts away from zero, the kernel's nanoseconds forward.
            _ if nanoseconds == 0 => format!("{seconds}"),
            _ => format!("-{}.{:09}", -seconds - 1, 1_000_000_000 - nanoseconds),
        };
        let (uid, gid) = (attributes.uid.to_string(), attributes.gid.to_string());
        let mut body = Vec::new();
        for (name, value) in [("uid", &uid), ("gid", &gid), ("mtime", &mtime)] {
            record(&mut body, name, value.as_bytes());
        }
        record(&mut body, "path", path);
        for (name, value) in more {
            record(&mut body, name, value);
        }
        for (name, value) in &attributes.xattrs {
            record(&mut body, &format!("SCHILY.xattr.{name}"), value);
        }
        self.block(EntryType::XHeader, &body, 0o644)
    }

    fn block(mut self, kind: EntryType, bytes: &[u8], mode: u32) -> Self {
        let mut header = header(kind, bytes.len() as u64, mode);
        header.set_cksum();
        self.0.extend_from_slice(header.as_bytes());
        self.0.extend_from_slice(bytes);
        self.0.resize(self.0.len().next_multiple_of(512), 0);
        self
    }
}

fn header(kind: EntryType, size: u64, mode: u32) -> Header {
    let mut header = Header::new_ustar();
    header.as_old_mut().name[..5].copy_from_slice(b"entry");
    header.set_entry_type(kind);
    header.set_size(size);
    header.set_mode(mode);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header
}

/// "LENGTH NAME=VALUE\n", where the length counts itself (pax(1)).
fn record(body: &mut Vec<u8>, name: &str, value: &[u8]) {
    let rest = name.len() + value.len() + 3;
    let mut length = rest + 1;
    while length != rest + length.to_string().len() {
        length = rest + length.to_string().len();
    }
    body.extend_from_slice(format!("{length} {name}=").as_bytes());
    body.extend_from_slice(value);
    body.push(b'\n');
}
