//! Writing chosen paths of a tree as a layer (OCI image-spec `layer.md`).

use std::io::Write;
use std::os::fd::BorrowedFd;

use rustix::fs;
use tar::EntryType;

use super::header::Entry;
use super::tree::{Writer, io_error};
use super::{PackError, Packed, Style};
use crate::walk::{Descent, reopen_directory};

/// What a layer says of a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// It is there, as the tree has it.
    Present,
    /// It is there, a directory, and nothing shows in it of the layers below.
    Opaque,
    /// It is gone.
    Whiteout,
}

/// One path of a layer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    /// What is said of it.
    pub mark: Mark,
    /// From the root, with a leading slash.
    pub path: Vec<u8>,
}

/// Writes `pieces` of the tree below `root`: in the order of a walk, a
/// directory before what is in it, as [`crate::upper`] and [`crate::changes`]
/// give them. The same tree gives the same bytes; a whiteout has no time.
pub fn layer(
    root: BorrowedFd<'_>,
    pieces: &[Piece],
    style: Style<'_>,
    out: impl Write,
) -> Result<Packed, PackError> {
    let mut writer = Writer::new(style, out);
    let mut descent = Descent::default();
    let top = reopen_directory(root).map_err(|e| io_error("open", b"/", e))?;
    let stat = fs::fstat(&top).map_err(|e| io_error("stat", b"/", e))?;
    descent.enter(top, &stat);
    // Where the walk is, without the slash at its end.
    let mut here: Vec<u8> = Vec::new();
    for piece in pieces {
        let at = piece.path.iter().rposition(|b| *b == b'/').unwrap_or(0);
        let (parent, name) = (&piece.path[..at], &piece.path[at + 1..]);
        while !is_within(parent, &here) {
            let left = here.iter().rposition(|b| *b == b'/').unwrap_or(0);
            here.truncate(left);
            descent
                .leave()
                .map_err(|e| io_error("return to the parent of", &piece.path, e))?;
        }
        // A directory that went meanwhile took along what was in it.
        let (true, Some(dir)) = (parent == here, descent.here()) else {
            continue;
        };
        if piece.mark == Mark::Whiteout {
            writer.whiteout(&parent[parent.len().min(1)..], name)?;
            continue;
        }
        let Some((child, stat)) = writer.entry(dir, name, &piece.path[1..])? else {
            continue;
        };
        if piece.mark == Mark::Opaque {
            writer.whiteout(&piece.path[1..], b".wh..opq")?;
        }
        descent.enter(child, &stat);
        here = piece.path.clone();
    }
    writer.finish()
}

fn is_within(path: &[u8], dir: &[u8]) -> bool {
    let rest = path.strip_prefix(dir);
    rest.is_some_and(|rest| rest.is_empty() || rest[0] == b'/')
}

impl<W: Write> Writer<'_, W> {
    /// `dir` from the root, without slashes at its ends.
    fn whiteout(&mut self, dir: &[u8], name: &[u8]) -> Result<(), PackError> {
        let slash: &[u8] = if dir.is_empty() { b"" } else { b"/" };
        let name = [dir, slash, b".wh.", name].concat();
        self.header(&Entry {
            kind: EntryType::Regular,
            name: &name,
            link: b"",
            mode: 0o600,
            uid: 0,
            gid: 0,
            size: 0,
            mtime: (0, 0),
            device: (0, 0),
            xattrs: Vec::new(),
        })
    }
}
