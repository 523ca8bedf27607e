//! The expressions a rule is made of.

use super::{Family, NFTA_LIST_ELEM};
use crate::netlink::Encoder;

/// One of the sixteen 32-bit registers. Longer values take consecutive ones:
/// an IPv4 address one, an IPv6 address or an interface name four.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Register(u8);

impl Register {
    /// Register `index`, 0 to 15.
    pub const fn new(index: u8) -> Self {
        assert!(index < 16);
        Self(index)
    }

    /// `NFT_REG32_00` is 8; lower numbers name groups of four and the verdict.
    fn number(self) -> u32 {
        8 + u32::from(self.0)
    }
}

/// Where a payload offset counts from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PayloadBase {
    /// The IP header.
    Network,
    /// The TCP, UDP or SCTP header.
    Transport,
}

/// What ends the evaluation of a rule.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict<'a> {
    /// This chain lets it pass; other tables' chains still see it.
    Accept,
    /// Dropped.
    Drop,
    /// On to another chain of the table, and back.
    Jump(&'a str),
}

/// A step of a rule. A comparison that does not hold ends the rule.
#[derive(Clone, Copy, Debug)]
pub enum Expression<'a> {
    /// The layer-4 protocol number, one byte.
    Layer4Protocol(Register),
    /// The name of the interface the packet came in by, sixteen bytes.
    InputName(Register),
    /// The name of the interface the packet leaves by, sixteen bytes.
    OutputName(Register),
    /// `len` bytes of the packet.
    Payload {
        /// Where the offset counts from.
        base: PayloadBase,
        /// Bytes after the base.
        offset: u32,
        /// Bytes to load.
        len: u32,
        /// The first register.
        to: Register,
    },
    /// The connection's state bits.
    ConnectionState(Register),
    /// The connection's status bits.
    ConnectionStatus(Register),
    /// The kind of the destination address by the routing table (RTN_LOCAL is 2).
    DestinationType(Register),
    /// Clears the bits of four bytes that `mask` lacks.
    Mask(Register, [u8; 4]),
    /// Goes on when the register holds `value`.
    Equal(Register, &'a [u8]),
    /// Goes on when the register does not hold `value`.
    NotEqual(Register, &'a [u8]),
    /// Goes on when the set holds the key.
    InSet(&'a str, Register),
    /// Goes on when the set lacks the key.
    NotInSet(&'a str, Register),
    /// Goes on with the key's value when the map holds the key.
    Map {
        /// The map.
        map: &'a str,
        /// Where the key starts.
        key: Register,
        /// Where the value goes.
        to: Register,
    },
    /// Rewrites the destination (`dnat to`).
    DestinationNat {
        /// The table's family.
        family: Family,
        /// Holds the address.
        addr: Register,
        /// Holds the port.
        port: Register,
    },
    /// Rewrites the source to the outgoing interface's address.
    Masquerade,
    /// Puts `value` into the register.
    Load(Register, &'a [u8]),
    /// Writes a port, two bytes of the register, over one in the TCP or UDP
    /// header. No connection is tracked for it.
    WritePort {
        /// Bytes into the header: 0 is the source's, 2 the destination's.
        offset: u32,
        /// Holds the port in network byte order.
        from: Register,
        /// Where the header has its checksum: 16 in TCP's, 6 in UDP's.
        checksum: u32,
    },
    /// Ends the rule.
    Verdict(Verdict<'a>),
}

const NFTA_EXPR_NAME: u16 = 1;
const NFTA_EXPR_DATA: u16 = 2;
const NFTA_DATA_VALUE: u16 = 1;

impl Expression<'_> {
    /// The kernel module an expression of this kind comes from.
    pub(super) fn module(&self, family: Family) -> &'static str {
        match self {
            Self::ConnectionState(_) | Self::ConnectionStatus(_) => "nft_ct",
            Self::DestinationType(_) if family == Family::Ipv6 => "nft_fib_ipv6",
            Self::DestinationType(_) => "nft_fib_ipv4",
            Self::DestinationNat { .. } => "nft_nat",
            Self::Masquerade => "nft_masq",
            _ => "nf_tables",
        }
    }

    /// Appends the expression as an element of a rule's list.
    pub(super) fn encode(&self, encoder: &mut Encoder) {
        encoder.nest(NFTA_LIST_ELEM, |element| {
            element
                .string(NFTA_EXPR_NAME, self.name())
                .nest(NFTA_EXPR_DATA, |data| self.encode_data(data));
        });
    }

    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Layer4Protocol(_) | Self::InputName(_) | Self::OutputName(_) => "meta",
            Self::Payload { .. } => "payload",
            Self::ConnectionState(_) | Self::ConnectionStatus(_) => "ct",
            Self::DestinationType(_) => "fib",
            Self::Mask(..) => "bitwise",
            Self::Equal(..) | Self::NotEqual(..) => "cmp",
            Self::InSet(..) | Self::NotInSet(..) | Self::Map { .. } => "lookup",
            Self::DestinationNat { .. } => "nat",
            Self::Masquerade => "masq",
            Self::WritePort { .. } => "payload",
            Self::Verdict(_) | Self::Load(..) => "immediate",
        }
    }

    fn encode_data(&self, data: &mut Encoder) {
        match *self {
            Self::Layer4Protocol(to) => meta(data, 16, to),
            Self::InputName(to) => meta(data, 6, to),
            Self::OutputName(to) => meta(data, 7, to),
            Self::Payload {
                base,
                offset,
                len,
                to,
            } => payload(data, base, offset, len, to),
            Self::ConnectionState(to) => conntrack(data, 0, to),
            Self::ConnectionStatus(to) => conntrack(data, 2, to),
            Self::DestinationType(to) => address_type(data, to),
            Self::Mask(register, mask) => bitwise(data, register, mask),
            Self::Equal(register, value) => compare(data, register, 0, value),
            Self::NotEqual(register, value) => compare(data, register, 1, value),
            Self::InSet(set, key) => lookup(data, set, key),
            Self::NotInSet(set, key) => {
                lookup(data, set, key);
                data.be32(5, 1); // NFTA_LOOKUP_FLAGS, NFT_LOOKUP_F_INV
            }
            Self::Map { map, key, to } => {
                lookup(data, map, key);
                data.be32(3, to.number()); // NFTA_LOOKUP_DREG
            }
            Self::DestinationNat { family, addr, port } => nat(data, family, addr, port),
            Self::Masquerade => {}
            Self::Load(to, value) => load(data, to, value),
            Self::WritePort {
                offset,
                from,
                checksum,
            } => write_port(data, offset, from, checksum),
            Self::Verdict(verdict) => immediate(data, verdict),
        }
    }
}

fn meta(data: &mut Encoder, key: u32, to: Register) {
    const NFTA_META_DREG: u16 = 1;
    const NFTA_META_KEY: u16 = 2;
    data.be32(NFTA_META_DREG, to.number())
        .be32(NFTA_META_KEY, key);
}

fn payload(data: &mut Encoder, base: PayloadBase, offset: u32, len: u32, to: Register) {
    const NFTA_PAYLOAD_DREG: u16 = 1;
    const NFTA_PAYLOAD_BASE: u16 = 2;
    const NFTA_PAYLOAD_OFFSET: u16 = 3;
    const NFTA_PAYLOAD_LEN: u16 = 4;
    let base = match base {
        PayloadBase::Network => 1,
        PayloadBase::Transport => 2,
    };
    data.be32(NFTA_PAYLOAD_DREG, to.number())
        .be32(NFTA_PAYLOAD_BASE, base)
        .be32(NFTA_PAYLOAD_OFFSET, offset)
        .be32(NFTA_PAYLOAD_LEN, len);
}

fn conntrack(data: &mut Encoder, key: u32, to: Register) {
    const NFTA_CT_DREG: u16 = 1;
    const NFTA_CT_KEY: u16 = 2;
    data.be32(NFTA_CT_DREG, to.number()).be32(NFTA_CT_KEY, key);
}

fn address_type(data: &mut Encoder, to: Register) {
    const NFTA_FIB_DREG: u16 = 1;
    const NFTA_FIB_RESULT: u16 = 2;
    const NFTA_FIB_FLAGS: u16 = 3;
    const NFT_FIB_RESULT_ADDRTYPE: u32 = 3;
    const NFTA_FIB_F_DADDR: u32 = 1 << 1;
    data.be32(NFTA_FIB_DREG, to.number())
        .be32(NFTA_FIB_RESULT, NFT_FIB_RESULT_ADDRTYPE)
        .be32(NFTA_FIB_FLAGS, NFTA_FIB_F_DADDR);
}

fn bitwise(data: &mut Encoder, register: Register, mask: [u8; 4]) {
    const NFTA_BITWISE_SREG: u16 = 1;
    const NFTA_BITWISE_DREG: u16 = 2;
    const NFTA_BITWISE_LEN: u16 = 3;
    const NFTA_BITWISE_MASK: u16 = 4;
    const NFTA_BITWISE_XOR: u16 = 5;
    data.be32(NFTA_BITWISE_SREG, register.number())
        .be32(NFTA_BITWISE_DREG, register.number())
        .be32(NFTA_BITWISE_LEN, 4)
        .nest(NFTA_BITWISE_MASK, |d| {
            d.attribute(NFTA_DATA_VALUE, &mask);
        })
        .nest(NFTA_BITWISE_XOR, |d| {
            d.attribute(NFTA_DATA_VALUE, &[0; 4]);
        });
}

fn compare(data: &mut Encoder, register: Register, operator: u32, value: &[u8]) {
    const NFTA_CMP_SREG: u16 = 1;
    const NFTA_CMP_OP: u16 = 2;
    const NFTA_CMP_DATA: u16 = 3;
    data.be32(NFTA_CMP_SREG, register.number())
        .be32(NFTA_CMP_OP, operator)
        .nest(NFTA_CMP_DATA, |d| {
            d.attribute(NFTA_DATA_VALUE, value);
        });
}

fn lookup(data: &mut Encoder, set: &str, key: Register) {
    const NFTA_LOOKUP_SET: u16 = 1;
    const NFTA_LOOKUP_SREG: u16 = 2;
    data.string(NFTA_LOOKUP_SET, set)
        .be32(NFTA_LOOKUP_SREG, key.number());
}

fn nat(data: &mut Encoder, family: Family, addr: Register, port: Register) {
    const NFTA_NAT_TYPE: u16 = 1;
    const NFTA_NAT_FAMILY: u16 = 2;
    const NFTA_NAT_REG_ADDR_MIN: u16 = 3;
    const NFTA_NAT_REG_PROTO_MIN: u16 = 5;
    const NFT_NAT_DNAT: u32 = 1;
    data.be32(NFTA_NAT_TYPE, NFT_NAT_DNAT)
        .be32(NFTA_NAT_FAMILY, family.number().into())
        .be32(NFTA_NAT_REG_ADDR_MIN, addr.number())
        .be32(NFTA_NAT_REG_PROTO_MIN, port.number());
}

fn write_port(data: &mut Encoder, offset: u32, from: Register, checksum: u32) {
    const NFTA_PAYLOAD_BASE: u16 = 2;
    const NFTA_PAYLOAD_OFFSET: u16 = 3;
    const NFTA_PAYLOAD_LEN: u16 = 4;
    const NFTA_PAYLOAD_SREG: u16 = 5;
    const NFTA_PAYLOAD_CSUM_TYPE: u16 = 6;
    const NFTA_PAYLOAD_CSUM_OFFSET: u16 = 7;
    const NFT_PAYLOAD_TRANSPORT_HEADER: u32 = 2;
    const NFT_PAYLOAD_CSUM_INET: u32 = 1;
    data.be32(NFTA_PAYLOAD_SREG, from.number())
        .be32(NFTA_PAYLOAD_BASE, NFT_PAYLOAD_TRANSPORT_HEADER)
        .be32(NFTA_PAYLOAD_OFFSET, offset)
        .be32(NFTA_PAYLOAD_LEN, 2)
        .be32(NFTA_PAYLOAD_CSUM_TYPE, NFT_PAYLOAD_CSUM_INET)
        .be32(NFTA_PAYLOAD_CSUM_OFFSET, checksum);
}

const NFTA_IMMEDIATE_DREG: u16 = 1;
const NFTA_IMMEDIATE_DATA: u16 = 2;

fn load(data: &mut Encoder, to: Register, value: &[u8]) {
    data.be32(NFTA_IMMEDIATE_DREG, to.number())
        .nest(NFTA_IMMEDIATE_DATA, |d| {
            d.attribute(NFTA_DATA_VALUE, value);
        });
}

fn immediate(data: &mut Encoder, verdict: Verdict<'_>) {
    const NFTA_DATA_VERDICT: u16 = 2;
    const NFTA_VERDICT_CODE: u16 = 1;
    const NFTA_VERDICT_CHAIN: u16 = 2;
    const NFT_REG_VERDICT: u32 = 0;
    const NFT_JUMP: i32 = -3;
    let (code, chain) = match verdict {
        Verdict::Drop => (0, None),
        Verdict::Accept => (1, None),
        Verdict::Jump(chain) => (NFT_JUMP, Some(chain)),
    };
    data.be32(NFTA_IMMEDIATE_DREG, NFT_REG_VERDICT)
        .nest(NFTA_IMMEDIATE_DATA, |d| {
            d.nest(NFTA_DATA_VERDICT, |v| {
                v.be32(NFTA_VERDICT_CODE, code.cast_unsigned());
                if let Some(chain) = chain {
                    v.string(NFTA_VERDICT_CHAIN, chain);
                }
            });
        });
}
