//! Sizes, owners, types and sparse maps that lie.

use tar::{EntryType, Header};

use super::super::archives::Tar;

fn size(bytes: &'static [u8]) -> impl FnOnce(&mut Header) {
    move |h| h.as_old_mut().size[..bytes.len()].copy_from_slice(bytes)
}

fn sparse(
    first: [&'static [u8; 12]; 2],
    second: [&'static [u8; 12]; 2],
    real: &'static [u8; 12],
) -> Vec<u8> {
    Tar::new()
        .entry(EntryType::GNUSparse, "s", b"headtail", |h| {
            let gnu = h.as_gnu_mut().unwrap();
            for (field, [offset, length]) in gnu.sparse.iter_mut().zip([first, second]) {
                field.offset = *offset;
                field.numbytes = *length;
            }
            gnu.realsize = *real;
        })
        .end()
}

/// What, the archive, a word of the refusal.
pub(super) fn refused() -> Vec<(&'static str, Vec<u8>, &'static str)> {
    [sizes(), extended_headers(), owners_types_and_holes()].concat()
}

fn sizes() -> Vec<(&'static str, Vec<u8>, &'static str)> {
    let file = EntryType::Regular;
    vec![
        (
            "a negative size",
            Tar::new().entry(file, "x", b"", size(&[0xff; 12])).end(),
            "negative",
        ),
        (
            "a huge size",
            Tar::new()
                .entry(
                    file,
                    "x",
                    b"",
                    size(&[
                        0x80, 0, 0, 0, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
                    ]),
                )
                .end(),
            "out of range",
        ),
        (
            "a size beyond 64 bits",
            Tar::new()
                .entry(
                    file,
                    "x",
                    b"",
                    size(&[
                        0x80, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
                    ]),
                )
                .end(),
            "malformed",
        ),
        (
            "a size that is no number",
            Tar::new().entry(file, "x", b"", size(b"12z")).end(),
            "malformed",
        ),
        (
            "more data announced than there is",
            Tar::new().entry(file, "x", b"", size(b"00000100000\0")).0,
            "UnexpectedEnd",
        ),
        (
            "a truncated header",
            Tar::new().file("x", "x").0[..300].to_vec(),
            "UnexpectedEnd",
        ),
    ]
}

fn extended_headers() -> Vec<(&'static str, Vec<u8>, &'static str)> {
    vec![
        (
            "a pax size beyond the data",
            Tar::new().pax(&[("size", b"999999")]).file("x", "x").end(),
            "UnexpectedEnd",
        ),
        (
            "a negative pax size",
            Tar::new().pax(&[("size", b"-1")]).file("x", "x").end(),
            "malformed",
        ),
        (
            "a pax record with a wrong length",
            Tar::new()
                .entry(EntryType::XHeader, "p", b"99 path=x\n", |_| ())
                .end(),
            "length is wrong",
        ),
        (
            "a pax record with length 0",
            Tar::new()
                .entry(EntryType::XHeader, "p", b"0 path=x\n", |_| ())
                .end(),
            "length is wrong",
        ),
        (
            "a pax record without a value",
            Tar::new()
                .entry(EntryType::XHeader, "p", b"7 path\n", |_| ())
                .end(),
            "no value",
        ),
        (
            "an extended header of 3 GiB",
            Tar::new()
                .entry(EntryType::XHeader, "p", b"", size(b"27777777777\0"))
                .end(),
            "extended header",
        ),
        (
            "a long name of 3 GiB",
            Tar::new()
                .entry(EntryType::GNULongName, "p", b"", size(b"27777777777\0"))
                .end(),
            "extended header",
        ),
    ]
}

fn owners_types_and_holes() -> Vec<(&'static str, Vec<u8>, &'static str)> {
    let file = EntryType::Regular;
    vec![
        (
            "the owner -1",
            Tar::new()
                .pax(&[("uid", b"4294967295")])
                .file("x", "x")
                .end(),
            "owner",
        ),
        (
            "an owner beyond 32 bits",
            Tar::new()
                .pax(&[("gid", b"4294967296")])
                .file("x", "x")
                .end(),
            "owner",
        ),
        (
            "an unknown type",
            Tar::new()
                .entry(EntryType::new(b'Q'), "x", b"", |_| ())
                .end(),
            "unknown",
        ),
        (
            "a multi-volume part",
            Tar::new()
                .entry(EntryType::new(b'M'), "x", b"", |_| ())
                .end(),
            "unknown",
        ),
        (
            "a sparse map out of order",
            sparse(
                [b"00000000010\0", b"00000000004\0"],
                [b"00000000000\0", b"00000000004\0"],
                b"00000000100\0",
            ),
            "not in order",
        ),
        (
            "a sparse map beyond the file",
            sparse(
                [b"00000000000\0", b"00000000004\0"],
                [b"00000100000\0", b"00000000004\0"],
                b"00000000100\0",
            ),
            "beyond",
        ),
        (
            "a sparse map longer than its data",
            sparse(
                [b"00000000000\0", b"00000000004\0"],
                [b"00000000010\0", b"00000000070\0"],
                b"00000000200\0",
            ),
            "differ",
        ),
        (
            "a sparse file of 8 EiB",
            Tar::new()
                .pax(&[
                    ("GNU.sparse.size", b"9223372036854775807"),
                    ("GNU.sparse.map", b"0,1"),
                ])
                .file("x", "x")
                .end(),
            "Limit",
        ),
        (
            "a sparse map that lies about its length",
            Tar::new()
                .pax(&[("GNU.sparse.major", b"1"), ("GNU.sparse.realsize", b"9")])
                .entry(file, "x", &[b'9'; 512], |_| ())
                .end(),
            "malformed",
        ),
        (
            "a sparse map of too many fragments",
            Tar::new()
                .pax(&[("GNU.sparse.major", b"1"), ("GNU.sparse.realsize", b"9")])
                .entry(file, "x", b"99999999\n", |_| ())
                .end(),
            "",
        ),
    ]
}
