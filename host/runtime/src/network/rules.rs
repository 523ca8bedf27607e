//! The packet-filter table of a family, as one transaction that can be repeated.
//! IPv4 is shown; `table ip6` is the same with its addresses.
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
    BaseChain, Batch, ChainType, DataType, Expression, Family, Hook, PayloadBase, Register, Set,
    Verdict,
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
/// Sources to masquerade.
pub(super) const fn subnets(family: Family) -> Set<'static> {
    Set {
        name: "subnets",
        key: match family {
            Family::Ipv4 => &[DataType::Ipv4Addr],
            Family::Ipv6 => &[DataType::Ipv6Addr],
        },
        value: &[],
        interval: true,
    }
}

/// Ports published on one address.
pub(super) const fn published_addr(family: Family) -> Set<'static> {
    const PORT: [DataType; 2] = [DataType::InetProto, DataType::InetService];
    Set {
        name: "published_addr",
        key: match family {
            Family::Ipv4 => &[DataType::Ipv4Addr, PORT[0], PORT[1]],
            Family::Ipv6 => &[DataType::Ipv6Addr, PORT[0], PORT[1]],
        },
        value: target(family),
        interval: false,
    }
}

/// Ports published on every address.
pub(super) const fn published_any(family: Family) -> Set<'static> {
    Set {
        name: "published_any",
        key: &[DataType::InetProto, DataType::InetService],
        value: target(family),
        interval: false,
    }
}

const fn target(family: Family) -> &'static [DataType] {
    match family {
        Family::Ipv4 => &[DataType::Ipv4Addr, DataType::InetService],
        Family::Ipv6 => &[DataType::Ipv6Addr, DataType::InetService],
    }
}

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
/// The second interface name of a pair; a name takes four registers.
const R4: Register = Register::new(4);
/// Where maps put their value.
const R8: Register = Register::new(8);

const FROM_BRIDGE: [Expression<'_>; 2] = [
    Expression::InputName(R0),
    Expression::InSet(BRIDGES.name, R0),
];
const TO_BRIDGE: [Expression<'_>; 2] = [
    Expression::OutputName(R0),
    Expression::InSet(BRIDGES.name, R0),
];
/// `ct status dnat`: IPS_DST_NAT is bit 5; conntrack's bits are a number in
/// the machine's byte order.
const TRANSLATED: [Expression<'_>; 3] = [
    Expression::ConnectionStatus(R0),
    Expression::Mask(R0, (1u32 << 5).to_ne_bytes()),
    Expression::NotEqual(R0, &[0; 4]),
];

/// Where a family's header has what, and how many registers an address takes.
#[derive(Clone, Copy)]
struct Layout {
    family: Family,
    source: Expression<'static>,
    destination: Expression<'static>,
    /// Registers after an address.
    after: u8,
}

impl Layout {
    fn of(family: Family) -> Self {
        let (source, destination, len) = match family {
            Family::Ipv4 => (12, 16, 4),
            Family::Ipv6 => (8, 24, 16),
        };
        let header = |offset| Expression::Payload {
            base: PayloadBase::Network,
            offset,
            len,
            to: R0,
        };
        Self {
            family,
            source: header(source),
            destination: header(destination),
            after: (len / 4) as u8,
        }
    }

    /// `end`, one of the two addresses, is of the host's loopback.
    fn loopback(&self, end: Expression<'static>) -> Vec<Expression<'static>> {
        const V6: [u8; 16] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
        match self.family {
            Family::Ipv4 => vec![
                end,
                Expression::Mask(R0, [255, 0, 0, 0]),
                Expression::Equal(R0, &[127, 0, 0, 0]),
            ],
            Family::Ipv6 => vec![end, Expression::Equal(R0, &V6)],
        }
    }

    fn of_subnet(&self) -> [Expression<'static>; 2] {
        let name = subnets(self.family).name;
        [self.source, Expression::InSet(name, R0)]
    }
}

/// Fills `batch` so that the table exists with these rules and no others,
/// whatever it was before. Elements of its sets stay.
pub(super) fn build(batch: &mut Batch, family: Family) {
    batch.table();
    for set in [
        BRIDGES,
        LOCAL,
        INTERNAL,
        subnets(family),
        published_addr(family),
        published_any(family),
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
    let layout = Layout::of(family);
    guard(batch, layout);
    published(batch, layout);
    forward(batch);
    postrouting(batch, layout);
}

fn guard(batch: &mut Batch, layout: Layout) {
    for end in [layout.destination, layout.source] {
        let loopback = layout.loopback(end);
        let drop = [Expression::Verdict(Verdict::Drop)];
        batch.rule("guard", &[&FROM_BRIDGE[..], &loopback, &drop].concat());
    }
}

fn published(batch: &mut Batch, layout: Layout) {
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
    let (family, after) = (layout.family, layout.after);
    let translate = |map| {
        let (key, to) = (R0, R8);
        let found = Expression::Map { map, key, to };
        let port = Register::new(8 + after);
        let addr = R8;
        [found, Expression::DestinationNat { family, addr, port }]
    };
    let by_addr = [
        layout.destination,
        Expression::Layer4Protocol(Register::new(after)),
        port(Register::new(after + 1)),
    ];
    let by_port = [Expression::Layer4Protocol(R0), port(R1)];
    let to_addr = translate(published_addr(family).name);
    let to_any = translate(published_any(family).name);
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

fn postrouting(batch: &mut Batch, layout: Layout) {
    let outward = [
        Expression::OutputName(R0),
        Expression::NotInSet(BRIDGES.name, R0),
    ];
    let loopback = layout.loopback(layout.source);
    let from_subnet = layout.of_subnet();
    let masquerade = [Expression::Masquerade];
    for condition in [
        [&from_subnet[..], &outward].concat(),
        [&from_subnet[..], &TO_BRIDGE, &TRANSLATED].concat(),
        [&loopback[..], &TO_BRIDGE].concat(),
    ] {
        batch.rule("postrouting", &[&condition[..], &masquerade].concat());
    }
}
