//! Sets, maps and their elements.

use super::NFTA_LIST_ELEM;
use crate::netlink::{Encoder, attributes};

const NFTA_DATA_VALUE: u16 = 1;
const NFTA_SET_ELEM_KEY: u16 = 1;
const NFTA_SET_ELEM_DATA: u16 = 2;
const NFTA_SET_ELEM_FLAGS: u16 = 3;
const NFTA_SET_ELEM_USERDATA: u16 = 6;

/// The types of key parts. The kernel keeps the numbers for listings only.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DataType {
    /// `ipv4_addr`, four bytes.
    Ipv4Addr,
    /// `ipv6_addr`, sixteen bytes.
    Ipv6Addr,
    /// `inet_proto`, one byte.
    InetProto,
    /// `inet_service`, a port in network byte order, two bytes.
    InetService,
    /// `ifname`, sixteen bytes, padded with NUL.
    IfName,
}

impl DataType {
    /// libnftables' number of the type.
    fn number(self) -> u32 {
        match self {
            Self::Ipv4Addr => 7,
            Self::Ipv6Addr => 8,
            Self::InetProto => 12,
            Self::InetService => 13,
            Self::IfName => 41,
        }
    }

    /// libnftables' record (type 0, four bytes) of a byte order: 1 is the
    /// host's, which interface names have, 2 is big endian.
    fn byte_order_record(self) -> [u8; 6] {
        let order: u32 = if self == Self::IfName { 1 } else { 2 };
        let [a, b, c, d] = order.to_ne_bytes();
        [0, 4, a, b, c, d]
    }

    fn size(self) -> u32 {
        match self {
            Self::Ipv4Addr => 4,
            Self::InetProto => 1,
            Self::InetService => 2,
            Self::Ipv6Addr | Self::IfName => 16,
        }
    }
}

/// Whether elements of a set are single keys or bounds of ranges.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum IntervalEnd {
    /// A key, or the first of a range.
    #[default]
    Not,
    /// The key after the last of a range.
    End,
}

/// A set, or with `value` a map. Parts of a concatenated key or value are
/// padded to four bytes each.
#[derive(Clone, Copy, Debug)]
pub struct Set<'a> {
    /// Its name.
    pub name: &'a str,
    /// What a key consists of.
    pub key: &'a [DataType],
    /// What a value consists of; empty for a set.
    pub value: &'a [DataType],
    /// Whether keys are ranges.
    pub interval: bool,
}

/// An element of a set or a map.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Element {
    /// The key, parts padded.
    pub key: Vec<u8>,
    /// The value, parts padded; empty in a set.
    pub value: Vec<u8>,
    /// Whether this bounds a range.
    pub interval: IntervalEnd,
    /// A comment that `nft` lists and that comes back with the element; up to
    /// 250 bytes, may be empty.
    pub comment: String,
}

impl Element {
    /// The element of a set.
    pub fn key(key: impl Into<Vec<u8>>) -> Self {
        Self {
            key: key.into(),
            ..Self::default()
        }
    }

    /// Appends the element to an element list.
    pub(super) fn encode(&self, encoder: &mut Encoder) {
        const NFT_SET_ELEM_INTERVAL_END: u32 = 1;
        encoder.nest(NFTA_LIST_ELEM, |element| {
            value(element, NFTA_SET_ELEM_KEY, &self.key);
            if !self.value.is_empty() {
                value(element, NFTA_SET_ELEM_DATA, &self.value);
            }
            if self.interval == IntervalEnd::End {
                element.be32(NFTA_SET_ELEM_FLAGS, NFT_SET_ELEM_INTERVAL_END);
            }
            if !self.comment.is_empty() {
                element.attribute(NFTA_SET_ELEM_USERDATA, &comment_record(&self.comment));
            }
        });
    }

    /// Reads one element of a list.
    pub(super) fn decode(bytes: &[u8]) -> Self {
        let mut element = Self::default();
        for (kind, payload) in attributes(bytes) {
            match kind {
                NFTA_SET_ELEM_KEY => element.key = decode_value(payload),
                NFTA_SET_ELEM_DATA => element.value = decode_value(payload),
                NFTA_SET_ELEM_FLAGS if payload.last() == Some(&1) => {
                    element.interval = IntervalEnd::End;
                }
                NFTA_SET_ELEM_USERDATA => element.comment = decode_comment(payload),
                _ => {}
            }
        }
        element
    }
}

impl Set<'_> {
    /// Appends what describes the set to an NFT_MSG_NEWSET. The user data are
    /// for `nft`, which needs the byte order of a key to list it.
    pub(super) fn encode(&self, encoder: &mut Encoder, id: u32) {
        const NFTA_SET_NAME: u16 = 2;
        const NFTA_SET_FLAGS: u16 = 3;
        const NFTA_SET_KEY_TYPE: u16 = 4;
        const NFTA_SET_KEY_LEN: u16 = 5;
        const NFTA_SET_DATA_TYPE: u16 = 6;
        const NFTA_SET_DATA_LEN: u16 = 7;
        const NFTA_SET_ID: u16 = 10;
        const NFTA_SET_USERDATA: u16 = 13;
        const NFT_SET_INTERVAL: u32 = 4;
        const NFT_SET_MAP: u32 = 8;
        let interval = if self.interval { NFT_SET_INTERVAL } else { 0 };
        let map = if self.value.is_empty() {
            0
        } else {
            NFT_SET_MAP
        };
        encoder
            .string(NFTA_SET_NAME, self.name)
            .be32(NFTA_SET_FLAGS, interval | map)
            .be32(NFTA_SET_KEY_TYPE, type_number(self.key))
            .be32(NFTA_SET_KEY_LEN, length(self.key))
            .be32(NFTA_SET_ID, id);
        if let [single] = self.key {
            encoder.attribute(NFTA_SET_USERDATA, &single.byte_order_record());
        }
        if map != 0 {
            encoder
                .be32(NFTA_SET_DATA_TYPE, type_number(self.value))
                .be32(NFTA_SET_DATA_LEN, length(self.value));
        }
    }
}

/// libnftables packs the types of a concatenation six bits each, first highest.
fn type_number(parts: &[DataType]) -> u32 {
    parts.iter().fold(0, |n, part| n << 6 | part.number())
}

fn length(parts: &[DataType]) -> u32 {
    match parts {
        [single] => single.size(),
        many => many.iter().map(|p| p.size().next_multiple_of(4)).sum(),
    }
}

fn value(encoder: &mut Encoder, kind: u16, bytes: &[u8]) {
    encoder.nest(kind, |data| {
        data.attribute(NFTA_DATA_VALUE, bytes);
    });
}

fn decode_value(payload: &[u8]) -> Vec<u8> {
    let value = attributes(payload).find(|(kind, _)| *kind == NFTA_DATA_VALUE);
    value.map(|(_, v)| v.to_vec()).unwrap_or_default()
}

/// libnftables' user data are records of a type, a length and that many
/// bytes; type 0 is a comment with its NUL.
fn comment_record(comment: &str) -> Vec<u8> {
    let text = &comment.as_bytes()[..comment.len().min(250)];
    let mut record = vec![0, text.len() as u8 + 1];
    record.extend_from_slice(text);
    record.push(0);
    record
}

fn decode_comment(payload: &[u8]) -> String {
    match payload {
        [0, _, text @ ..] => crate::netlink::text(text),
        _ => String::new(),
    }
}
