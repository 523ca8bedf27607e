//! nf_tables over nfnetlink: transactions on one table, sets and maps, and a
//! look at other tables' base chains. No `nft` binary is involved; what is
//! made here reads well in `nft list ruleset`.
//!
//! Source: linux/netfilter/nf_tables.h, linux/netfilter/nfnetlink.h, and
//! <https://wiki.nftables.org> for what expressions mean.
//!
//! Every change is a [`Batch`]: the kernel applies all of it or nothing, and
//! packets see the rules before or after, never between.

mod batch;
mod expression;
mod listing;
mod set;
mod socket;
#[cfg(test)]
mod tests;

pub use batch::{BaseChain, Batch, ChainType, Hook};
pub use expression::{Expression, PayloadBase, Register, Verdict};
pub use listing::{ListedRule, Watch};
pub use set::{DataType, Element, IntervalEnd, Set};
pub use socket::{FilterSocket, ForeignChain};

/// The family of packets that a table sees.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Family {
    /// `table ip`
    Ipv4,
    /// `table ip6`
    Ipv6,
}

impl Family {
    /// NFPROTO_IPV4 or NFPROTO_IPV6.
    const fn number(self) -> u8 {
        match self {
            Self::Ipv4 => 2,
            Self::Ipv6 => 10,
        }
    }
}

/// `NFNL_SUBSYS_NFTABLES`
const SUBSYSTEM: u16 = 10;

const NFT_MSG_NEWTABLE: u16 = 0;
const NFT_MSG_DELTABLE: u16 = 2;
const NFT_MSG_NEWCHAIN: u16 = 3;
const NFT_MSG_GETCHAIN: u16 = 4;
const NFT_MSG_NEWRULE: u16 = 6;
const NFT_MSG_DELRULE: u16 = 8;
const NFT_MSG_NEWSET: u16 = 9;
const NFT_MSG_NEWSETELEM: u16 = 12;
const NFT_MSG_GETSETELEM: u16 = 13;
const NFT_MSG_DELSETELEM: u16 = 14;

const NFTA_LIST_ELEM: u16 = 1;

/// `nlmsg_type` of an nf_tables message.
const fn message_type(message: u16) -> u16 {
    SUBSYSTEM << 8 | message
}

/// `struct nfgenmsg`: family, version 0, resource id in network byte order.
const fn nfgenmsg(family: u8, resource: u16) -> [u8; 4] {
    let [high, low] = resource.to_be_bytes();
    [family, 0, high, low]
}
