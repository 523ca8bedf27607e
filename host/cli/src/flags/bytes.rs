//! Sizes such as `64m`.

use bulkhead_model::size;

use super::{InvalidValue, invalid};

/// Bytes from `512`, `64m`, `1.5g`, `10MiB`.
pub(crate) fn parse_size(text: &str) -> Result<i64, InvalidValue> {
    let bytes = size::parse(text).and_then(|bytes| i64::try_from(bytes).ok());
    bytes.ok_or_else(|| invalid(format!("invalid size: '{text}'")))
}

/// As [`parse_size`], or -1 for unlimited.
pub(crate) fn parse_swap(text: &str) -> Result<i64, InvalidValue> {
    if text == "-1" {
        Ok(-1)
    } else {
        parse_size(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn swap_alone_may_be_unlimited() {
        assert_eq!(parse_swap("-1"), Ok(-1));
        assert_eq!(parse_swap("64m"), Ok(64 << 20));
        assert!(parse_size("-1").is_err());
    }
}
