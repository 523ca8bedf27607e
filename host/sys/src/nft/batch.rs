//! A transaction on one table.

use super::expression::Expression;
use super::listing::ListedRule;
use super::set::{Element, Set};
use super::{
    Family, NFT_MSG_DELRULE, NFT_MSG_DELSETELEM, NFT_MSG_DELTABLE, NFT_MSG_NEWCHAIN,
    NFT_MSG_NEWRULE, NFT_MSG_NEWSET, NFT_MSG_NEWSETELEM, NFT_MSG_NEWTABLE, SUBSYSTEM, message_type,
    nfgenmsg,
};
use crate::netlink::Encoder;

const REQUEST: u16 = libc::NLM_F_REQUEST as u16;
const CREATE: u16 = REQUEST | libc::NLM_F_CREATE as u16;
const APPEND: u16 = CREATE | libc::NLM_F_APPEND as u16;
const EXCLUSIVE: u16 = CREATE | libc::NLM_F_EXCL as u16;

/// `NFNL_MSG_BATCH_BEGIN` and `NFNL_MSG_BATCH_END`
const BATCH_BEGIN: u16 = 0x10;
const BATCH_END: u16 = 0x11;

/// Elements of one message: their list is an attribute, which holds 64 KiB, and
/// an element with the longest comment takes less than 400 bytes.
const ELEMENTS: usize = 160;

const NFTA_TABLE_NAME: u16 = 1;
/// The table's attribute in messages about chains, rules, sets and elements.
const NFTA_TABLE: u16 = 1;

/// What a base chain is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ChainType {
    /// Packets pass or are dropped.
    Filter,
    /// The first packet of a connection chooses its translation.
    Nat,
}

/// Where in the stack a base chain sits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Hook {
    /// All incoming packets, before routing.
    Prerouting,
    /// Packets between two interfaces.
    Forward,
    /// Packets of local processes.
    Output,
    /// All outgoing packets, after routing.
    Postrouting,
}

impl Hook {
    /// `enum nf_inet_hooks`
    pub(super) fn number(self) -> u32 {
        match self {
            Self::Prerouting => 0,
            Self::Forward => 2,
            Self::Output => 3,
            Self::Postrouting => 4,
        }
    }
}

/// A chain that the kernel enters by itself; its policy is to accept.
#[derive(Clone, Copy, Debug)]
pub struct BaseChain<'a> {
    /// Its name.
    pub name: &'a str,
    /// What it is for.
    pub kind: ChainType,
    /// Where it sits.
    pub hook: Hook,
    /// Its place among the chains of the hook; conntrack is at -200,
    /// destination NAT at -100, filters at 0, source NAT at 100.
    pub priority: i32,
}

/// Changes to one table, applied together or not at all.
pub struct Batch {
    pub(super) encoder: Encoder,
    family: Family,
    table: String,
    /// What each message asks for and which module could be missing.
    asked: Vec<(String, String)>,
    rules: Vec<ListedRule>,
}

impl Batch {
    pub(super) fn new(mut encoder: Encoder, family: Family, table: &str) -> Self {
        encoder.begin(BATCH_BEGIN, REQUEST, &nfgenmsg(0, SUBSYSTEM));
        Self {
            encoder,
            family,
            table: table.to_owned(),
            asked: vec![("begin".to_owned(), "nf_tables".to_owned())],
            rules: Vec::new(),
        }
    }

    pub(super) fn end(mut self) -> Self {
        self.encoder
            .begin(BATCH_END, REQUEST, &nfgenmsg(0, SUBSYSTEM));
        self
    }

    /// What the message at `index` was for, with the kernel modules it needs.
    pub(super) fn describe(&self, index: usize) -> String {
        match self.asked.get(index) {
            Some((what, modules)) => format!("table {}, {what}, needs {modules}", self.table),
            None => format!("table {}", self.table),
        }
    }

    fn message(&mut self, message: u16, flags: u16, what: String) -> &mut Encoder {
        self.message_needing(message, flags, what, "nf_tables".to_owned())
    }

    fn message_needing(
        &mut self,
        message: u16,
        flags: u16,
        what: String,
        modules: String,
    ) -> &mut Encoder {
        self.asked.push((what, modules));
        self.encoder
            .begin(
                message_type(message),
                flags,
                &nfgenmsg(self.family.number(), 0),
            )
            .string(NFTA_TABLE, &self.table)
    }

    /// The table exists.
    pub fn table(&mut self) -> &mut Self {
        self.message(NFT_MSG_NEWTABLE, CREATE, "add table".to_owned());
        self
    }

    /// The table does not exist, nor anything in it.
    pub fn delete_table(&mut self) -> &mut Self {
        const { assert!(NFTA_TABLE_NAME == NFTA_TABLE) };
        self.table();
        self.message(NFT_MSG_DELTABLE, REQUEST, "delete table".to_owned());
        self
    }

    /// A base chain exists.
    pub fn base_chain(&mut self, chain: &BaseChain<'_>) -> &mut Self {
        const NFTA_CHAIN_NAME: u16 = 3;
        const NFTA_CHAIN_HOOK: u16 = 4;
        const NFTA_CHAIN_POLICY: u16 = 5;
        const NFTA_CHAIN_TYPE: u16 = 7;
        const NFTA_HOOK_HOOKNUM: u16 = 1;
        const NFTA_HOOK_PRIORITY: u16 = 2;
        const NF_ACCEPT: u32 = 1;
        let (kind, module) = match chain.kind {
            ChainType::Filter => ("filter", "nf_tables"),
            ChainType::Nat => ("nat", "nft_chain_nat"),
        };
        let what = format!("add {kind} chain {}", chain.name);
        self.message_needing(NFT_MSG_NEWCHAIN, CREATE, what, module.to_owned())
            .string(NFTA_CHAIN_NAME, chain.name)
            .nest(NFTA_CHAIN_HOOK, |hook| {
                hook.be32(NFTA_HOOK_HOOKNUM, chain.hook.number())
                    .be32(NFTA_HOOK_PRIORITY, chain.priority.cast_unsigned());
            })
            .be32(NFTA_CHAIN_POLICY, NF_ACCEPT)
            .string(NFTA_CHAIN_TYPE, kind);
        self
    }

    /// A chain that rules jump to exists.
    pub fn chain(&mut self, name: &str) -> &mut Self {
        const NFTA_CHAIN_NAME: u16 = 3;
        self.message(NFT_MSG_NEWCHAIN, CREATE, format!("add chain {name}"))
            .string(NFTA_CHAIN_NAME, name);
        self
    }

    /// Every chain of the table is empty.
    pub fn flush_rules(&mut self) -> &mut Self {
        self.message(NFT_MSG_DELRULE, REQUEST, "delete rules".to_owned());
        self
    }

    /// Appends a rule to a chain.
    pub fn rule(&mut self, chain: &str, expressions: &[Expression<'_>]) -> &mut Self {
        const NFTA_RULE_CHAIN: u16 = 2;
        const NFTA_RULE_EXPRESSIONS: u16 = 4;
        let mut modules: Vec<_> = expressions.iter().map(|e| e.module(self.family)).collect();
        modules.sort_unstable();
        modules.dedup();
        self.rules.push(ListedRule {
            chain: chain.to_owned(),
            expressions: expressions.iter().map(|e| e.name().to_owned()).collect(),
        });
        let what = format!("add rule to {chain}");
        self.message_needing(NFT_MSG_NEWRULE, APPEND, what, modules.join(", "))
            .string(NFTA_RULE_CHAIN, chain)
            .nest(NFTA_RULE_EXPRESSIONS, |list| {
                for expression in expressions {
                    expression.encode(list);
                }
            });
        self
    }

    /// The rules that were appended, as they will be listed.
    pub fn rules(&self) -> &[ListedRule] {
        &self.rules
    }

    /// A set or map exists.
    pub fn set(&mut self, set: &Set<'_>) -> &mut Self {
        let id = u32::try_from(self.asked.len()).unwrap_or(u32::MAX);
        let what = format!("add set {}", set.name);
        set.encode(self.message(NFT_MSG_NEWSET, CREATE, what), id);
        self
    }

    /// The set holds the elements.
    pub fn add_elements(&mut self, set: &str, elements: &[Element]) -> &mut Self {
        self.elements(NFT_MSG_NEWSETELEM, CREATE, "add to", set, elements)
    }

    /// The set holds the elements and held none of them (`EEXIST`).
    pub fn add_new_elements(&mut self, set: &str, elements: &[Element]) -> &mut Self {
        self.elements(NFT_MSG_NEWSETELEM, EXCLUSIVE, "add to", set, elements)
    }

    /// The set held the elements (`ENOENT`) and no longer does.
    pub fn delete_elements(&mut self, set: &str, elements: &[Element]) -> &mut Self {
        self.elements(NFT_MSG_DELSETELEM, REQUEST, "delete from", set, elements)
    }

    fn elements(
        &mut self,
        message: u16,
        flags: u16,
        verb: &str,
        set: &str,
        elements: &[Element],
    ) -> &mut Self {
        for part in elements.chunks(ELEMENTS) {
            let message = self.message(message, flags, format!("{verb} set {set}"));
            encode_elements(message, set, part);
        }
        self
    }
}

/// Appends the set's name and a list of elements.
pub(super) fn encode_elements(encoder: &mut Encoder, set: &str, elements: &[Element]) {
    const NFTA_SET_ELEM_LIST_SET: u16 = 2;
    const NFTA_SET_ELEM_LIST_ELEMENTS: u16 = 3;
    encoder
        .string(NFTA_SET_ELEM_LIST_SET, set)
        .nest(NFTA_SET_ELEM_LIST_ELEMENTS, |list| {
            for element in elements {
                element.encode(list);
            }
        });
}
