//! The nfnetlink socket: transactions and questions.

use nix::sys::socket::SockProtocol;

use super::batch::{Batch, Hook, encode_elements};
use super::set::Element;
use super::{
    Family, NFT_MSG_GETCHAIN, NFT_MSG_GETSETELEM, NFT_MSG_NEWCHAIN, NFT_MSG_NEWSETELEM,
    NFTA_LIST_ELEM, message_type, nfgenmsg,
};
use crate::error::Result;
use crate::netlink::{Reply, Socket, attributes, text};

const ACK: u16 = (libc::NLM_F_REQUEST | libc::NLM_F_ACK) as u16;
pub(super) const DUMP: u16 = (libc::NLM_F_REQUEST | libc::NLM_F_DUMP) as u16;

/// `struct nfgenmsg` is four bytes.
pub(super) const FAMILY_HEADER: usize = 4;

/// A base chain of some table that sits at a hook.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ForeignChain {
    /// Its table.
    pub table: String,
    /// Its name.
    pub name: String,
    /// Whether what no rule decides is dropped.
    pub drops_by_default: bool,
}

/// A netfilter socket of one network namespace, for tables of one family.
#[derive(Debug)]
pub struct FilterSocket(pub(super) Socket, pub(super) Family);

impl FilterSocket {
    /// Opens a socket in the calling thread's network namespace, for IPv4.
    /// `EPROTONOSUPPORT` says that the kernel lacks the module `nfnetlink`.
    pub fn open() -> Result<Self> {
        Self::open_for(Family::Ipv4)
    }

    /// Opens a socket for tables of `family`.
    pub fn open_for(family: Family) -> Result<Self> {
        Socket::open_large(SockProtocol::NetlinkNetFilter)
            .map(|socket| Self(socket, family))
            .map_err(|mut error| {
                if error.errno() == libc::EPROTONOSUPPORT {
                    error.arguments.push_str(", needs nfnetlink");
                }
                error
            })
    }

    /// A transaction on `table`, to be filled and committed.
    pub fn batch(&self, table: &str) -> Batch {
        Batch::new(self.0.encoder(), self.1, table)
    }

    /// Applies a transaction as a whole. The error names the part that was
    /// refused and the kernel modules that part needs. A batch that was made
    /// before another one was committed is fine.
    pub fn commit(&mut self, batch: Batch) -> Result<()> {
        let batch = batch.end();
        self.0
            .transaction(&batch.encoder, "nf_tables", |index| batch.describe(index))
    }

    /// Every element of a set or map.
    pub fn elements(&mut self, table: &str, set: &str) -> Result<Vec<Element>> {
        let mut encoder = self.0.encoder();
        encoder
            .begin(
                message_type(NFT_MSG_GETSETELEM),
                DUMP,
                &nfgenmsg(self.1.number(), 0),
            )
            .string(1, table)
            .string(2, set);
        let replies = self.0.dump(&encoder, "NFT_MSG_GETSETELEM", || {
            format!("table {table}, set {set}")
        })?;
        Ok(replies.iter().flat_map(elements).collect())
    }

    /// The element of a set or map that has `key`.
    pub fn element(&mut self, table: &str, set: &str, key: &[u8]) -> Result<Option<Element>> {
        let mut encoder = self.0.encoder();
        encoder
            .begin(
                message_type(NFT_MSG_GETSETELEM),
                ACK,
                &nfgenmsg(self.1.number(), 0),
            )
            .string(1, table);
        encode_elements(&mut encoder, set, &[Element::key(key)]);
        let answer = self.0.request(&encoder, "NFT_MSG_GETSETELEM", || {
            format!("table {table}, set {set}")
        });
        match answer {
            Ok(replies) => Ok(replies.iter().flat_map(elements).next()),
            Err(error) if error.errno() == libc::ENOENT => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The base chains at `hook` of every table of the family and of `inet`. Rules of the
    /// legacy iptables are not among them.
    pub fn base_chains(&mut self, hook: Hook) -> Result<Vec<ForeignChain>> {
        let mut encoder = self.0.encoder();
        // Family 0 lists the chains of all families.
        encoder.begin(message_type(NFT_MSG_GETCHAIN), DUMP, &nfgenmsg(0, 0));
        let replies = self
            .0
            .dump(&encoder, "NFT_MSG_GETCHAIN", || "every chain".to_owned())?;
        let at_hook = replies
            .iter()
            .filter_map(|reply| chain(reply, self.1, hook));
        Ok(at_hook.collect())
    }
}

/// Reads the elements of an NFT_MSG_NEWSETELEM.
fn elements(reply: &Reply) -> Vec<Element> {
    const NFTA_SET_ELEM_LIST_ELEMENTS: u16 = 3;
    if reply.kind != message_type(NFT_MSG_NEWSETELEM) {
        return Vec::new();
    }
    let body = reply.payload.get(FAMILY_HEADER..).unwrap_or_default();
    attributes(body)
        .filter(|(kind, _)| *kind == NFTA_SET_ELEM_LIST_ELEMENTS)
        .flat_map(|(_, list)| attributes(list))
        .filter(|(kind, _)| *kind == NFTA_LIST_ELEM)
        .map(|(_, element)| Element::decode(element))
        .collect()
}

/// Reads an NFT_MSG_NEWCHAIN that describes a chain at `hook` for packets of a
/// family.
fn chain(reply: &Reply, wanted: Family, hook: Hook) -> Option<ForeignChain> {
    const NFPROTO_INET: u8 = 1;
    const NFTA_CHAIN_TABLE: u16 = 1;
    const NFTA_CHAIN_NAME: u16 = 3;
    const NFTA_CHAIN_HOOK: u16 = 4;
    const NFTA_CHAIN_POLICY: u16 = 5;
    const NF_DROP: [u8; 4] = 0u32.to_be_bytes();
    let family = *reply.payload.first()?;
    if reply.kind != message_type(NFT_MSG_NEWCHAIN)
        || ![NFPROTO_INET, wanted.number()].contains(&family)
    {
        return None;
    }
    let mut found = ForeignChain {
        table: String::new(),
        name: String::new(),
        drops_by_default: false,
    };
    let mut sits_here = false;
    for (kind, value) in attributes(reply.payload.get(FAMILY_HEADER..)?) {
        match kind {
            NFTA_CHAIN_TABLE => found.table = text(value),
            NFTA_CHAIN_NAME => found.name = text(value),
            NFTA_CHAIN_HOOK => sits_here = hook_number(value) == Some(hook.number()),
            NFTA_CHAIN_POLICY => found.drops_by_default = value == NF_DROP,
            _ => {}
        }
    }
    sits_here.then_some(found)
}

fn hook_number(hook: &[u8]) -> Option<u32> {
    const NFTA_HOOK_HOOKNUM: u16 = 1;
    let (_, value) = attributes(hook).find(|(kind, _)| *kind == NFTA_HOOK_HOOKNUM)?;
    Some(u32::from_be_bytes(value.try_into().ok()?))
}
