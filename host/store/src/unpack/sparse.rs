//! Maps of sparse files.

/// The most fragments of one file; 16 MiB of memory.
pub(super) const MAX_FRAGMENTS: usize = 1 << 20;

/// Data at an offset of the file; holes are between fragments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fragment {
    pub(super) offset: u64,
    pub(super) length: u64,
}

/// A map must be ordered, without overlap, within the file, and count as many
/// bytes as the archive has data.
pub(super) fn check(map: &[Fragment], real_size: u64, data: u64) -> Result<(), &'static str> {
    let mut end = 0;
    let mut total: u64 = 0;
    for fragment in map {
        if fragment.offset < end {
            return Err("its sparse map is not in order");
        }
        end = fragment
            .offset
            .checked_add(fragment.length)
            .ok_or("its sparse map overflows")?;
        total = total
            .checked_add(fragment.length)
            .ok_or("its sparse map overflows")?;
    }
    if end > real_size {
        return Err("its sparse map leads beyond the file's size");
    }
    if total != data {
        return Err("its sparse map and its data differ in length");
    }
    Ok(())
}
