//! Archives that are cut, corrupt or no archives.

use super::super::archives::Tar;
use super::gzip;

/// What, the archive, a word of the refusal.
pub(super) fn refused() -> Vec<(&'static str, Vec<u8>, &'static str)> {
    let mut cases = vec![
        (
            "a zero block inside",
            [
                Tar::new().file("a", "").0,
                vec![0; 512],
                Tar::new().file("b", "").end(),
            ]
            .concat(),
            "zero block",
        ),
        ("noise", vec![0xa5; 2048], "checksum"),
        (
            "a gzip stream that breaks off",
            gzip(&Tar::new().file("x", &"y".repeat(5000)).end())[..60].to_vec(),
            "Stream",
        ),
        (
            "zstd with a 2 GiB window",
            vec![0x28, 0xb5, 0x2f, 0xfd, 0x00, 0xa8, 0x01, 0x00, 0x00],
            "Stream",
        ),
    ];
    let mut wrong = Tar::new().file("x", "x").end();
    wrong[0] = b'y';
    cases.push(("a wrong checksum", wrong, "checksum"));
    let mut corrupt = gzip(&Tar::new().file("x", &"y".repeat(5000)).end());
    let last = corrupt.len() - 6;
    corrupt[last] ^= 1;
    cases.push(("a gzip stream with a wrong checksum", corrupt, "Stream"));
    cases
}
