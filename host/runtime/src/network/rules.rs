//! The packet-filter table, as one transaction that can be repeated.
//!
//! ```text
//! table ip bulkhead {
//!   set bridges  { type ifname }                     # our networks' interfaces
//!   set local    { type ifname . ifname }            # (bridge, the same bridge)
//!   set internal { type ifname }                     # those of internal networks
//!   set subnets  { type ipv4_addr; flags interval }  # sources to masquerade
//!   map published_addr { type ipv4_addr . inet_proto . inet_service : ipv4_addr . inet_service }
//!   map published_any  { type inet_proto . inet_service : ipv4_addr . inet_service }
//!
//!   chain guard       { type filter hook prerouting priority -300
//!                       iifname @bridges ip daddr 127.0.0.0/8 drop
//!                       iifname @bridges ip saddr 127.0.0.0/8 drop }
//!   chain prerouting  { type nat hook prerouting priority -100
//!                       fib daddr type local jump published }
//!   chain output      { type nat hook output priority -100
//!                       fib daddr type local jump published }
//!   chain published   { dnat to ip daddr . meta l4proto . th dport map @published_addr
//!                       dnat to meta l4proto . th dport map @published_any }
//!   chain forward     { type filter hook forward priority 0
//!                       ct state established,related accept
//!                       iifname . oifname @local accept
//!                       iifname @internal drop
//!                       oifname @internal drop
//!                       oifname @bridges ct status dnat accept
//!                       oifname @bridges drop }
//!   chain postrouting { type nat hook postrouting priority 100
//!                       ip saddr @subnets oifname != @bridges masquerade
//!                       ip saddr @subnets oifname @bridges ct status dnat masquerade
//!                       ip saddr 127.0.0.0/8 oifname @bridges masquerade }
//! }
//! ```
//!
//! - *guard*: published ports answer on 127.0.0.1, for which the bridges have
//!   `route_localnet`; without the guard containers could send to services
//!   that listen on the host's loopback (CVE-2020-8558). It sits before
//!   conntrack, which later gives replies their 127.0.0.1 back.
//! - *forward*: a container is reached from outside its bridge by published
//!   ports only; networks are apart from each other. What is internal has no
//!   way out or in, published ports of other networks included. An `accept`
//!   here does not overrule a `drop` of another table.
//! - *postrouting*: the second rule is the hairpin. A container that reaches a
//!   neighbour, or itself, through a published port must see the answer come
//!   back through the host, which undoes the translation.

use bulkhead_sys::nft::{
    BaseChain, Batch, ChainType, DataType, Expression, Hook, PayloadBase, Register, Set, Verdict,
};

pub(super) const BRIDGES: Set<'_> = Set {
    name: "bridges",
    key: &[DataType::IfName],
    value: &[],
    interval: false,
};
pub(super) const LOCAL: Set<'_> = Set {
    name: "local",
    key: &[DataType::IfName, DataType::IfName],
    value: &[],
    interval: false,
};
pub(super) const INTERNAL: Set<'_> = Set {
    name: "internal",
    key: &[DataType::IfName],
    value: &[],
    interval: false,
};
pub(super) const SUBNETS: Set<'_> = Set {
    name: "subnets",
    key: &[DataType::Ipv4Addr],
    value: &[],
    interval: true,
};
pub(super) const PUBLISHED_ADDR: Set<'_> = Set {
    name: "published_addr",
    key: &[
        DataType::Ipv4Addr,
        DataType::InetProto,
        DataType::InetService,
    ],
    value: &[DataType::Ipv4Addr, DataType::InetService],
    interval: false,
};
pub(super) const PUBLISHED_ANY: Set<'_> = Set {
    name: "published_any",
    key: &[DataType::InetProto, DataType::InetService],
    value: &[DataType::Ipv4Addr, DataType::InetService],
    interval: false,
};

/// Each rule that [`build`] makes, in its order: as `nft` shows it, and why.
pub(super) const REASONS: [(&str, &str); 15] = [
    (
        "iifname @bridges ip daddr 127.0.0.0/8 drop",
        "no container reaches what listens on the host's loopback",
    ),
    (
        "iifname @bridges ip saddr 127.0.0.0/8 drop",
        "no container passes for the host's loopback",
    ),
    (
        "fib daddr type local jump published",
        "what comes to an address of the host may be for a published port",
    ),
    (
        "fib daddr type local jump published",
        "what the host itself sends to its addresses, too",
    ),
    (
        "dnat to ip daddr . meta l4proto . th dport map @published_addr",
        "ports published on one address",
    ),
    (
        "dnat to meta l4proto . th dport map @published_any",
        "ports published on every address",
    ),
    (
        "ct state established,related accept",
        "answers to what was let through",
    ),
    (
        "iifname . oifname @local accept",
        "containers of one network reach each other",
    ),
    (
        "iifname @internal drop",
        "nothing leaves an internal network",
    ),
    (
        "oifname @internal drop",
        "nothing enters an internal network",
    ),
    (
        "oifname @bridges ct status dnat accept",
        "published ports are reached from everywhere",
    ),
    (
        "oifname @bridges drop",
        "networks are apart, and reached by published ports only",
    ),
    (
        "ip saddr @subnets oifname != @bridges masquerade",
        "containers reach the world with the host's address",
    ),
    (
        "ip saddr @subnets oifname @bridges ct status dnat masquerade",
        "a container reaches its neighbours by their published ports",
    ),
    (
        "ip saddr 127.0.0.0/8 oifname @bridges masquerade",
        "published ports answer on the host's loopback",
    ),
];

const R0: Register = Register::new(0);
const R1: Register = Register::new(1);
const R2: Register = Register::new(2);
/// The second interface name of a pair; a name takes four registers.
const R4: Register = Register::new(4);
/// Where maps put their value.
const R8: Register = Register::new(8);
const R9: Register = Register::new(9);

const SOURCE: Expression<'_> = header(12);
const DESTINATION: Expression<'_> = header(16);
const LOOPBACK_MASK: Expression<'_> = Expression::Mask(R0, [255, 0, 0, 0]);
const LOOPBACK_NET: Expression<'_> = Expression::Equal(R0, &[127, 0, 0, 0]);
const FROM_BRIDGE: [Expression<'_>; 2] = [
    Expression::InputName(R0),
    Expression::InSet(BRIDGES.name, R0),
];
const TO_BRIDGE: [Expression<'_>; 2] = [
    Expression::OutputName(R0),
    Expression::InSet(BRIDGES.name, R0),
];
const FROM_SUBNET: [Expression<'_>; 2] = [SOURCE, Expression::InSet(SUBNETS.name, R0)];
/// `ct status dnat`: IPS_DST_NAT is bit 5; conntrack's bits are a number in
/// the machine's byte order.
const TRANSLATED: [Expression<'_>; 3] = [
    Expression::ConnectionStatus(R0),
    Expression::Mask(R0, (1u32 << 5).to_ne_bytes()),
    Expression::NotEqual(R0, &[0; 4]),
];

/// Four bytes of the IPv4 header.
const fn header(offset: u32) -> Expression<'static> {
    Expression::Payload {
        base: PayloadBase::Network,
        offset,
        len: 4,
        to: R0,
    }
}

/// Fills `batch` so that the table exists with these rules and no others,
/// whatever it was before. Elements of its sets stay.
pub(super) fn build(batch: &mut Batch) {
    batch.table();
    for set in [
        BRIDGES,
        LOCAL,
        INTERNAL,
        SUBNETS,
        PUBLISHED_ADDR,
        PUBLISHED_ANY,
    ] {
        batch.set(&set);
    }
    for (name, kind, hook, priority) in [
        ("guard", ChainType::Filter, Hook::Prerouting, -300),
        ("prerouting", ChainType::Nat, Hook::Prerouting, -100),
        ("output", ChainType::Nat, Hook::Output, -100),
        ("forward", ChainType::Filter, Hook::Forward, 0),
        ("postrouting", ChainType::Nat, Hook::Postrouting, 100),
    ] {
        batch.base_chain(&BaseChain {
            name,
            kind,
            hook,
            priority,
        });
    }
    batch.chain("published").flush_rules();
    guard(batch);
    published(batch);
    forward(batch);
    postrouting(batch);
}

fn guard(batch: &mut Batch) {
    for end in [DESTINATION, SOURCE] {
        let loopback = [end, LOOPBACK_MASK, LOOPBACK_NET];
        let drop = [Expression::Verdict(Verdict::Drop)];
        batch.rule("guard", &[&FROM_BRIDGE[..], &loopback, &drop].concat());
    }
}

fn published(batch: &mut Batch) {
    const RTN_LOCAL: [u8; 4] = 2u32.to_ne_bytes();
    for chain in ["prerouting", "output"] {
        batch.rule(
            chain,
            &[
                Expression::DestinationType(R0),
                Expression::Equal(R0, &RTN_LOCAL),
                Expression::Verdict(Verdict::Jump("published")),
            ],
        );
    }
    let port = |to| Expression::Payload {
        base: PayloadBase::Transport,
        offset: 2,
        len: 2,
        to,
    };
    let translate = |map| {
        let (key, to) = (R0, R8);
        let found = Expression::Map { map, key, to };
        [found, Expression::DestinationNat { addr: R8, port: R9 }]
    };
    let by_addr = [DESTINATION, Expression::Layer4Protocol(R1), port(R2)];
    let by_port = [Expression::Layer4Protocol(R0), port(R1)];
    let to_addr = translate(PUBLISHED_ADDR.name);
    let to_any = translate(PUBLISHED_ANY.name);
    batch
        .rule("published", &[&by_addr[..], &to_addr].concat())
        .rule("published", &[&by_port[..], &to_any].concat());
}

fn forward(batch: &mut Batch) {
    // IP_CT_ESTABLISHED and IP_CT_RELATED as NF_CT_STATE_BITs.
    const KNOWN: [u8; 4] = (1u32 << 1 | 1 << 2).to_ne_bytes();
    let accept = [Expression::Verdict(Verdict::Accept)];
    batch
        .rule(
            "forward",
            &[
                Expression::ConnectionState(R0),
                Expression::Mask(R0, KNOWN),
                Expression::NotEqual(R0, &[0; 4]),
                accept[0],
            ],
        )
        .rule(
            "forward",
            &[
                Expression::InputName(R0),
                Expression::OutputName(R4),
                Expression::InSet(LOCAL.name, R0),
                accept[0],
            ],
        );
    let drop = Expression::Verdict(Verdict::Drop);
    for end in [Expression::InputName(R0), Expression::OutputName(R0)] {
        let internal = Expression::InSet(INTERNAL.name, R0);
        batch.rule("forward", &[end, internal, drop]);
    }
    batch
        .rule("forward", &[&TO_BRIDGE[..], &TRANSLATED, &accept].concat())
        .rule("forward", &[TO_BRIDGE[0], TO_BRIDGE[1], drop]);
}

fn postrouting(batch: &mut Batch) {
    let outward = [
        Expression::OutputName(R0),
        Expression::NotInSet(BRIDGES.name, R0),
    ];
    let loopback = [SOURCE, LOOPBACK_MASK, LOOPBACK_NET];
    let masquerade = [Expression::Masquerade];
    for condition in [
        [&FROM_SUBNET[..], &outward].concat(),
        [&FROM_SUBNET[..], &TO_BRIDGE, &TRANSLATED].concat(),
        [&loopback[..], &TO_BRIDGE].concat(),
    ] {
        batch.rule("postrouting", &[&condition[..], &masquerade].concat());
    }
}
