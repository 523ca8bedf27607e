//! Extended headers: pax records (POSIX.1-2017 `pax`, "pax Extended Header")
//! and what GNU tar and star put into them.

use super::number;
use super::sparse::{Fragment, MAX_FRAGMENTS};

/// The largest extended header or long name read, bytes. Go's archive/tar,
/// and so Docker, has the same limit.
pub(super) const MAX_EXTENDED: u64 = 1024 * 1024;

const XATTR: &[u8] = b"SCHILY.xattr.";

/// What extended headers say about the next entry.
#[derive(Debug, Default)]
pub(super) struct Extended {
    pub(super) path: Option<Vec<u8>>,
    pub(super) link: Option<Vec<u8>>,
    pub(super) size: Option<u64>,
    pub(super) uid: Option<u64>,
    pub(super) gid: Option<u64>,
    pub(super) mtime: Option<(i64, i64)>,
    pub(super) xattrs: Vec<(Vec<u8>, Vec<u8>)>,
    pub(super) sparse: SparseRecords,
}

/// GNU tar's sparse formats 0.0, 0.1 and 1.0 (GNU tar manual, "PAX Format").
#[derive(Debug, Default)]
pub(super) struct SparseRecords {
    pub(super) name: Option<Vec<u8>>,
    pub(super) real_size: Option<u64>,
    /// 0.0 and 0.1: the map itself, offsets and lengths in turn.
    pub(super) numbers: Vec<u64>,
    /// 0.0 and 0.1 announce the map's length.
    pub(super) announced: bool,
    /// 1.0: the map precedes the data.
    pub(super) major: Option<u64>,
}

impl Extended {
    /// Reads `<length> <key>=<value>\n` records.
    pub(super) fn read(&mut self, mut records: &[u8]) -> Result<(), &'static str> {
        while !records.is_empty() {
            // Padding some writers leave after the last record.
            if records.iter().all(|b| *b == 0) {
                break;
            }
            let space = records
                .iter()
                .position(|b| *b == b' ')
                .ok_or("a pax record has no length")?;
            let length = number::decimal(&records[..space])
                .ok_or("a pax record's length is not a number")?;
            let length = usize::try_from(length).map_err(|_| "a pax record is too long")?;
            if length <= space + 1 || length > records.len() || records[length - 1] != b'\n' {
                return Err("a pax record's length is wrong");
            }
            let record = &records[space + 1..length - 1];
            let equals = record
                .iter()
                .position(|b| *b == b'=')
                .ok_or("a pax record has no value")?;
            self.take(&record[..equals], &record[equals + 1..])?;
            records = &records[length..];
        }
        Ok(())
    }

    fn take(&mut self, key: &[u8], value: &[u8]) -> Result<(), &'static str> {
        let number = || number::decimal(value).ok_or("a number of a pax record is malformed");
        match key {
            // An empty value takes an earlier one back.
            b"path" => self.path = (!value.is_empty()).then(|| value.to_vec()),
            b"linkpath" => self.link = (!value.is_empty()).then(|| value.to_vec()),
            b"size" => self.size = Some(number()?),
            b"uid" => self.uid = Some(number()?),
            b"gid" => self.gid = Some(number()?),
            b"mtime" => {
                self.mtime =
                    Some(number::time(value).ok_or("the mtime of a pax record is malformed")?);
            }
            b"GNU.sparse.name" => self.sparse.name = Some(value.to_vec()),
            b"GNU.sparse.realsize" | b"GNU.sparse.size" => self.sparse.real_size = Some(number()?),
            b"GNU.sparse.major" => self.sparse.major = Some(number()?),
            b"GNU.sparse.numblocks" => self.sparse.announced = true,
            b"GNU.sparse.offset" | b"GNU.sparse.numbytes" => self.sparse.push(value)?,
            b"GNU.sparse.map" => {
                self.sparse.announced = true;
                value
                    .split(|b| *b == b',')
                    .try_for_each(|n| self.sparse.push(n))?;
            }
            _ => {
                if let Some(name) = key.strip_prefix(XATTR) {
                    self.xattrs.push((name.to_vec(), value.to_vec()));
                }
            }
        }
        Ok(())
    }
}

impl SparseRecords {
    fn push(&mut self, number: &[u8]) -> Result<(), &'static str> {
        if self.numbers.len() >= 2 * MAX_FRAGMENTS {
            return Err("a sparse file has too many fragments");
        }
        self.numbers
            .push(number::decimal(number).ok_or("a number of a sparse map is malformed")?);
        Ok(())
    }

    /// The map of formats 0.0 and 0.1.
    pub(super) fn fragments(&self) -> Result<Vec<Fragment>, &'static str> {
        if !self.numbers.len().is_multiple_of(2) {
            return Err("a sparse map has an odd number of numbers");
        }
        let pairs = self.numbers.chunks_exact(2);
        Ok(pairs
            .map(|pair| Fragment {
                offset: pair[0],
                length: pair[1],
            })
            .collect())
    }
}
