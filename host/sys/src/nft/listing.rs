//! What the kernel holds of a table's rules, and who changes tables.

use nix::sys::socket::SockProtocol;

use super::socket::{DUMP, FAMILY_HEADER, FilterSocket};
use super::{NFTA_LIST_ELEM, message_type, nfgenmsg};
use crate::error::Result;
use crate::netlink::{Reply, Socket, attributes, text};

const NFT_MSG_GETRULE: u16 = 7;
const NFT_MSG_NEWRULE: u16 = 6;
const NFTA_RULE_TABLE: u16 = 1;
const NFTA_RULE_CHAIN: u16 = 2;
const NFTA_RULE_EXPRESSIONS: u16 = 4;
const NFTA_EXPR_NAME: u16 = 1;
/// `NFNLGRP_NFTABLES`: every change of a table.
const GROUP: libc::c_int = 7;

/// A rule, as far as it tells one from another.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ListedRule {
    /// Its chain.
    pub chain: String,
    /// The kinds of its expressions, such as `meta`, `lookup`, `immediate`.
    pub expressions: Vec<String>,
}

impl FilterSocket {
    /// Every rule of a table, in order, chain by chain; none when there is no
    /// such table.
    pub fn rules(&mut self, table: &str) -> Result<Vec<ListedRule>> {
        let mut encoder = self.0.encoder();
        let header = nfgenmsg(self.1.number(), 0);
        encoder
            .begin(message_type(NFT_MSG_GETRULE), DUMP, &header)
            .string(NFTA_RULE_TABLE, table);
        let replies = self
            .0
            .dump(&encoder, "NFT_MSG_GETRULE", || format!("table {table}"))?;
        Ok(replies.iter().filter_map(rule).collect())
    }
}

fn rule(reply: &Reply) -> Option<ListedRule> {
    if reply.kind != message_type(NFT_MSG_NEWRULE) {
        return None;
    }
    let mut found = ListedRule {
        chain: String::new(),
        expressions: Vec::new(),
    };
    for (kind, value) in attributes(reply.payload.get(FAMILY_HEADER..)?) {
        match kind {
            NFTA_RULE_CHAIN => found.chain = text(value),
            NFTA_RULE_EXPRESSIONS => found.expressions = names(value),
            _ => {}
        }
    }
    Some(found)
}

fn names(list: &[u8]) -> Vec<String> {
    let elements = attributes(list).filter(|(kind, _)| *kind == NFTA_LIST_ELEM);
    let name = |(_, element)| {
        let (_, name) = attributes(element).find(|(kind, _)| *kind == NFTA_EXPR_NAME)?;
        Some(text(name))
    };
    elements.filter_map(name).collect()
}

/// Waits for changes of tables in one network namespace, whoever makes them.
#[derive(Debug)]
pub struct Watch(Socket);

impl Watch {
    /// Listens in the calling thread's network namespace.
    pub fn open() -> Result<Self> {
        let socket = Socket::open(SockProtocol::NetlinkNetFilter)?;
        socket.listen_to(GROUP)?;
        Ok(Self(socket))
    }

    /// Returns after a change, or after ten seconds without one: whether
    /// there was one. Some may have been lost where there were many.
    pub fn changed(&mut self) -> Result<bool> {
        match self.0.heard() {
            Ok(()) => Ok(true),
            Err(error) if error.errno() == libc::EAGAIN => Ok(false),
            Err(error) if error.errno() == libc::ENOBUFS => Ok(true),
            Err(error) => Err(error),
        }
    }
}
