//! Which compression a layer has, and its decompressor.
//!
//! gzip goes through zlib-rs: measured about a tenth slower than zlib-ng and
//! libdeflate, but it is Rust, streams (libdeflate wants whole buffers), and
//! needs no cmake. All gzip members and zstd frames of a stream are read, as
//! Docker does.

use std::io::{self, BufRead, BufReader, Read};

use super::error::UnpackError;

/// Compressed bytes read at a time.
const INPUT: usize = 128 * 1024;
/// log2 of the largest zstd window accepted, 64 MiB. `zstd -19` uses 8 MiB;
/// RFC 8878 asks decoders for at least that.
const ZSTD_WINDOW_LOG: u32 = 26;

/// KiB that decompressing xz may take; `xz -9` wants 65 MiB.
const XZ_MEMORY: u32 = 96 * 1024;

/// A compression, by the first bytes of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Compression {
    None,
    Gzip,
    Zstd,
    Bzip2,
    Xz,
}

/// Whose archive is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Formats {
    /// A layer's: gzip and zstd, what its media type can say.
    Layer,
    /// A client's: bzip2 and xz, too, as Docker takes them.
    Client,
}

impl Compression {
    /// Magic numbers: RFC 1952 2.3.1, RFC 8878 3.1.1 and 3.1.2 (skippable
    /// frames may come first), and those of bzip2 and xz.
    pub(crate) fn of(start: &[u8]) -> Self {
        match start {
            [0x1f, 0x8b, 8, ..] => Self::Gzip,
            [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Self::Zstd,
            [b'B', b'Z', b'h', ..] => Self::Bzip2,
            [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Self::Xz,
            _ => Self::None,
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::None => "uncompressed",
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
            Self::Bzip2 => "bzip2",
            Self::Xz => "xz",
        }
    }
}

/// A reader of the uncompressed bytes.
pub(crate) fn decoder<'a, R: Read + Send + 'a>(
    reader: R,
    formats: Formats,
) -> Result<(Compression, Box<dyn Read + 'a>), UnpackError> {
    let mut reader = BufReader::with_capacity(INPUT, Whole(reader));
    let failed = |compression: Compression| {
        move |source| UnpackError::Stream {
            format: compression.name(),
            source,
        }
    };
    let start = reader.fill_buf().map_err(failed(Compression::None))?;
    let compression = Compression::of(start);
    let decoder: Box<dyn Read + 'a> = match compression {
        Compression::None => Box::new(reader),
        Compression::Gzip => Box::new(flate2::bufread::MultiGzDecoder::new(reader)),
        Compression::Zstd => {
            let mut zstd = zstd::Decoder::with_buffer(reader).map_err(failed(compression))?;
            zstd.window_log_max(ZSTD_WINDOW_LOG)
                .map_err(failed(compression))?;
            Box::new(zstd)
        }
        Compression::Bzip2 if formats == Formats::Client => {
            Box::new(bzip2::bufread::MultiBzDecoder::new(reader))
        }
        Compression::Xz if formats == Formats::Client => {
            Box::new(lzma_rust2::XzReader::new_mem_limit(reader, true, XZ_MEMORY))
        }
        refused => return Err(UnpackError::Compression(refused.name())),
    };
    Ok((compression, decoder))
}

/// Fills the buffer as far as the stream goes, so that the first bytes of a
/// reader that gives one at a time still show the magic number.
struct Whole<R>(R);

impl<R: Read> Read for Whole<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let enough = buffer.len().min(8);
        let mut filled = 0;
        while filled < enough {
            match self.0.read(&mut buffer[filled..]) {
                Ok(0) => break,
                Ok(n) => filled += n,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
        Ok(filled)
    }
}
