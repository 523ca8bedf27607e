//! Reading headers. The `tar` crate knows the layout of a header block; the
//! sequence of blocks is read here, because every length has to be checked
//! before memory is spent on it, and because what Docker's reader (Go's
//! archive/tar) makes of an ambiguous archive is what an image means.

use tar::{EntryType, GnuExtSparseHeader, Header};

use super::entry::{Entry, EntryKind};
use super::error::UnpackError;
use super::extended::{Extended, MAX_EXTENDED};
use super::number;
use super::pipeline::Chunks;
use super::sparse::{self, Fragment, MAX_FRAGMENTS};

const BLOCK: usize = 512;

/// An archive being read, positioned at a header or within an entry's data.
pub(crate) struct Archive {
    input: Chunks,
    /// Bytes read so far.
    offset: u64,
    /// Bytes of the current entry's data not yet read.
    data: u64,
    /// Bytes between its end and the next header.
    padding: u64,
    headers: u64,
    max_headers: u64,
}

/// Names GNU tar puts into entries of their own (`L` and `K`).
#[derive(Default)]
struct LongNames {
    path: Option<Vec<u8>>,
    link: Option<Vec<u8>>,
}

impl Archive {
    pub(super) fn new(input: Chunks, max_headers: u64) -> Self {
        Self {
            input,
            offset: 0,
            data: 0,
            padding: 0,
            headers: 0,
            max_headers,
        }
    }

    /// The next entry; what is left of the current one is skipped. `None` at
    /// the end: two zero blocks, or the end of the stream at a header.
    pub(crate) fn next_entry(&mut self) -> Result<Option<Entry>, UnpackError> {
        let mut extended = Extended::default();
        let mut long = LongNames::default();
        loop {
            self.skip_rest()?;
            let Some(header) = self.header()? else {
                return Ok(None);
            };
            match header.entry_type() {
                EntryType::XHeader => {
                    extended = Extended::default();
                    let records = self.small(&header)?;
                    extended
                        .read(&records)
                        .map_err(|reason| self.invalid(reason))?;
                }
                // Docker skips what a global header says, too.
                EntryType::XGlobalHeader => drop(self.small(&header)?),
                EntryType::GNULongName => long.path = Some(until_nul(self.small(&header)?)),
                EntryType::GNULongLink => long.link = Some(until_nul(self.small(&header)?)),
                _ => return self.entry(&header, extended, long).map(Some),
            }
        }
    }

    /// The current entry's next bytes, at most `max` of them; never empty
    /// unless `max` or what is left is 0.
    pub(crate) fn data(&mut self, max: u64) -> Result<&[u8], UnpackError> {
        let wanted = max.min(self.data);
        if wanted == 0 {
            return Ok(&[]);
        }
        let offset = self.offset;
        let bytes = self.input.peek();
        if bytes.is_empty() {
            return Err(UnpackError::UnexpectedEnd(offset));
        }
        let n = usize::try_from(wanted)
            .unwrap_or(usize::MAX)
            .min(bytes.len());
        Ok(&bytes[..n])
    }

    /// Moves past bytes that [`Archive::data`] gave.
    pub(crate) fn consume(&mut self, n: usize) {
        self.input.consume(n);
        self.offset += n as u64;
        self.data -= n as u64;
    }

    /// Bytes of the archive before what is read next.
    pub(crate) fn offset(&self) -> u64 {
        self.offset
    }

    /// Reads what follows the end of the archive: it is part of the diff id.
    pub(super) fn drain(&mut self) {
        loop {
            let n = self.input.peek().len();
            if n == 0 {
                return;
            }
            self.input.consume(n);
        }
    }

    fn entry(
        &mut self,
        header: &Header,
        extended: Extended,
        long: LongNames,
    ) -> Result<Entry, UnpackError> {
        let fields = header.as_old();
        let raw_path = long
            .path
            .or(extended.path)
            .unwrap_or_else(|| header.path_bytes().into_owned());
        let link = long.link.or(extended.link);
        let link = link.or_else(|| header.link_name_bytes().map(|l| l.into_owned()));
        let kind = self.kind(header, &raw_path)?;
        let id = |of_pax: Option<u64>, field| self.id(of_pax, field, &raw_path);
        let (uid, gid) = (
            id(extended.uid, &fields.uid)?,
            id(extended.gid, &fields.gid)?,
        );
        let mode = self.number(&fields.mode)? as u32 & 0o7777;
        let mtime = match extended.mtime {
            Some(time) => time,
            None => (self.number(&fields.mtime)?, 0),
        };
        let mut entry = Entry {
            kind,
            raw_path,
            link: link.unwrap_or_default(),
            mode,
            uid,
            gid,
            mtime,
            size: 0,
            sparse: None,
            xattrs: extended.xattrs,
        };
        // Only files have data; a size in another header is ignored as Go does.
        if kind == EntryKind::File {
            let stored = match extended.size {
                Some(size) => size,
                None => self.size(&fields.size)?,
            };
            self.begin_data(stored)?;
            entry.size = stored;
            self.sparse(header, &extended.sparse, &mut entry)?;
        }
        Ok(entry)
    }

    fn kind(&self, header: &Header, path: &[u8]) -> Result<EntryKind, UnpackError> {
        let device = |field: fn(&Header) -> Option<[u8; 8]>| -> Result<u32, UnpackError> {
            let value = field(header).map_or(Ok(0), |bytes| self.number(&bytes))?;
            u32::try_from(value)
                .map_err(|_| UnpackError::entry(path, "its device number is out of range"))
        };
        let (major, minor) = (
            |h: &Header| device_fields(h).0,
            |h: &Header| device_fields(h).1,
        );
        match header.entry_type() {
            // Before POSIX a directory was a file whose name ends in a slash.
            EntryType::Regular if header.as_old().linkflag[0] == 0 && path.ends_with(b"/") => {
                Ok(EntryKind::Directory)
            }
            EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse => {
                Ok(EntryKind::File)
            }
            EntryType::Link => Ok(EntryKind::HardLink),
            EntryType::Symlink => Ok(EntryKind::Symlink),
            EntryType::Directory => Ok(EntryKind::Directory),
            EntryType::Char => Ok(EntryKind::CharDevice {
                major: device(major)?,
                minor: device(minor)?,
            }),
            EntryType::Block => Ok(EntryKind::BlockDevice {
                major: device(major)?,
                minor: device(minor)?,
            }),
            EntryType::Fifo => Ok(EntryKind::Fifo),
            _ => Err(UnpackError::entry(path, "its type is unknown")),
        }
    }

    /// Fills in the map of a sparse file, in whichever of four formats.
    fn sparse(
        &mut self,
        header: &Header,
        records: &super::extended::SparseRecords,
        entry: &mut Entry,
    ) -> Result<(), UnpackError> {
        let map = if header.entry_type() == EntryType::GNUSparse {
            let (map, real_size) = self.old_gnu_map(header)?;
            entry.size = real_size;
            map
        } else if records.major == Some(1) {
            self.map_in_data()?
        } else if records.announced {
            records.fragments().map_err(|reason| self.invalid(reason))?
        } else {
            return Ok(());
        };
        if let Some(name) = &records.name {
            entry.raw_path.clone_from(name);
        }
        entry.size = records.real_size.unwrap_or(entry.size);
        let faulty = |reason| UnpackError::entry(&entry.raw_path, reason);
        sparse::check(&map, entry.size, self.data).map_err(faulty)?;
        entry.sparse = Some(map);
        Ok(())
    }

    /// GNU tar manual, "Storing Sparse Files": four fragments in the header,
    /// then blocks of 21 before the data.
    fn old_gnu_map(&mut self, header: &Header) -> Result<(Vec<Fragment>, u64), UnpackError> {
        let gnu = header
            .as_gnu()
            .ok_or_else(|| self.invalid("a sparse file without GNU's magic"))?;
        let mut map = Vec::new();
        for field in gnu.sparse.iter().filter(|f| !f.is_empty()) {
            map.push(self.fragment(&field.offset, &field.numbytes)?);
        }
        let mut more = gnu.is_extended();
        while more {
            let mut block = GnuExtSparseHeader::new();
            self.exactly(block.as_mut_bytes())?;
            for field in block.sparse.iter().filter(|f| !f.is_empty()) {
                map.push(self.fragment(&field.offset, &field.numbytes)?);
            }
            if map.len() > MAX_FRAGMENTS {
                return Err(self.invalid("a sparse file has too many fragments"));
            }
            more = block.is_extended();
        }
        Ok((map, self.size(&gnu.realsize)?))
    }

    fn fragment(&self, offset: &[u8], length: &[u8]) -> Result<Fragment, UnpackError> {
        Ok(Fragment {
            offset: self.size(offset)?,
            length: self.size(length)?,
        })
    }

    /// Format 1.0: a count, then offsets and lengths, each a line, filled up
    /// to whole blocks, at the start of the data.
    fn map_in_data(&mut self) -> Result<Vec<Fragment>, UnpackError> {
        let mut numbers: Vec<u64> = Vec::new();
        let mut line = Vec::new();
        loop {
            let mut block = [0; BLOCK];
            if self.data < BLOCK as u64 {
                return Err(self.invalid("a sparse map is cut off"));
            }
            self.data -= BLOCK as u64;
            self.exactly(&mut block)?;
            for byte in block {
                if byte != b'\n' {
                    line.push(byte);
                    continue;
                }
                let number = number::decimal(&line)
                    .filter(|n| !numbers.is_empty() || *n as usize <= MAX_FRAGMENTS);
                numbers.push(
                    number.ok_or_else(|| self.invalid("a number of a sparse map is malformed"))?,
                );
                line.clear();
                if numbers.len() as u64 == 1 + 2 * numbers[0] {
                    let pairs = numbers[1..].chunks_exact(2);
                    return Ok(pairs
                        .map(|p| Fragment {
                            offset: p[0],
                            length: p[1],
                        })
                        .collect());
                }
            }
            if line.len() > 20 {
                return Err(self.invalid("a number of a sparse map is malformed"));
            }
        }
    }

    /// The next header block with a sound checksum; `None` at the end.
    fn header(&mut self) -> Result<Option<Header>, UnpackError> {
        let mut zeros = 0;
        while zeros < 2 {
            let mut header = Header::new_old();
            if self.input.peek().is_empty() {
                return Ok(None);
            }
            self.exactly(header.as_mut_bytes())?;
            if header.as_bytes().iter().any(|b| *b != 0) {
                if zeros > 0 {
                    return Err(self.invalid("a zero block within the archive"));
                }
                self.count()?;
                self.verify(&header)?;
                return Ok(Some(header));
            }
            zeros += 1;
        }
        Ok(None)
    }

    fn count(&mut self) -> Result<(), UnpackError> {
        self.headers += 1;
        if self.headers > self.max_headers {
            return Err(UnpackError::Limit {
                what: "entries",
                limit: self.max_headers,
            });
        }
        Ok(())
    }

    /// The sum of all bytes with the checksum's own taken as blanks; old
    /// writers summed signed bytes.
    fn verify(&self, header: &Header) -> Result<(), UnpackError> {
        let bytes = header.as_bytes();
        let blanked = bytes
            .iter()
            .enumerate()
            .map(|(i, b)| if (148..156).contains(&i) { b' ' } else { *b });
        let (unsigned, signed) = blanked.fold((0_i64, 0_i64), |(unsigned, signed), b| {
            (unsigned + i64::from(b), signed + i64::from(b.cast_signed()))
        });
        let stated = self.number(&bytes[148..156])?;
        if stated == unsigned || stated == signed {
            return Ok(());
        }
        Err(self.invalid("its checksum is wrong"))
    }

    /// The data of an extended header or of a long name.
    fn small(&mut self, header: &Header) -> Result<Vec<u8>, UnpackError> {
        let size = self.size(&header.as_old().size)?;
        if size > MAX_EXTENDED {
            return Err(UnpackError::Limit {
                what: "bytes of extended header",
                limit: MAX_EXTENDED,
            });
        }
        self.begin_data(size)?;
        let mut bytes = vec![0; size as usize];
        self.exactly(&mut bytes)?;
        self.data = 0;
        Ok(bytes)
    }

    fn begin_data(&mut self, size: u64) -> Result<(), UnpackError> {
        if size > i64::MAX as u64 - BLOCK as u64 {
            return Err(self.invalid("a size is out of range"));
        }
        self.data = size;
        self.padding = size.next_multiple_of(BLOCK as u64) - size;
        Ok(())
    }

    fn skip_rest(&mut self) -> Result<(), UnpackError> {
        self.data += std::mem::take(&mut self.padding);
        while self.data > 0 {
            let n = self.data(u64::MAX)?.len();
            self.consume(n);
        }
        Ok(())
    }

    fn exactly(&mut self, mut buffer: &mut [u8]) -> Result<(), UnpackError> {
        while !buffer.is_empty() {
            let bytes = self.input.peek();
            if bytes.is_empty() {
                return Err(UnpackError::UnexpectedEnd(self.offset));
            }
            let n = bytes.len().min(buffer.len());
            buffer[..n].copy_from_slice(&bytes[..n]);
            buffer = &mut buffer[n..];
            self.input.consume(n);
            self.offset += n as u64;
        }
        Ok(())
    }

    fn number(&self, field: &[u8]) -> Result<i64, UnpackError> {
        number::header(field).ok_or_else(|| self.invalid("a number is malformed"))
    }

    fn size(&self, field: &[u8]) -> Result<u64, UnpackError> {
        let size = self.number(field)?;
        u64::try_from(size).map_err(|_| self.invalid("a size is negative"))
    }

    /// `(uid_t) -1` would tell chown(2) to change nothing.
    fn id(&self, of_pax: Option<u64>, field: &[u8], path: &[u8]) -> Result<u32, UnpackError> {
        let id = match of_pax {
            Some(id) => i64::try_from(id).unwrap_or(i64::MAX),
            None => self.number(field)?,
        };
        let valid = u32::try_from(id).ok().filter(|id| *id != u32::MAX);
        valid.ok_or_else(|| UnpackError::entry(path, "its owner is out of range"))
    }

    fn invalid(&self, reason: &'static str) -> UnpackError {
        UnpackError::Header {
            offset: self.offset,
            reason,
        }
    }
}

fn device_fields(header: &Header) -> (Option<[u8; 8]>, Option<[u8; 8]>) {
    if let Some(ustar) = header.as_ustar() {
        return (Some(ustar.dev_major), Some(ustar.dev_minor));
    }
    header.as_gnu().map_or((None, None), |gnu| {
        (Some(gnu.dev_major), Some(gnu.dev_minor))
    })
}

fn until_nul(mut name: Vec<u8>) -> Vec<u8> {
    if let Some(nul) = name.iter().position(|b| *b == 0) {
        name.truncate(nul);
    }
    name
}
