//! What stands in our table, why, and whether it is what should.

use std::fs;
use std::net::IpAddr;

use bulkhead_model::network::{Cidr, Family, IfName, NetworkPlan, NetworkStep};
use bulkhead_sys::nft::{Element, IntervalEnd, ListedRule};

use super::context::NetworkContext;
use super::endpoint::restore;
use super::error::NetworkError;
use super::firewall::{Held, decode, entry, name, range};
use super::publish::single;
use super::rules::{BRIDGES, INTERNAL, LOCAL, REASONS};

/// Sets whose names are the same in both families' tables.
const SUBNETS: &str = "subnets";
const PUBLISHED_ADDR: &str = "published_addr";
const PUBLISHED_ANY: &str = "published_any";

/// The tables and what they depend on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FirewallReport {
    /// Their name; the families are `ip` and `ip6`.
    pub table: String,
    /// Whether the host forwards packets (`net.ipv4.ip_forward`).
    pub forwarding: bool,
    /// What of others stands in the way, a sentence each.
    pub warnings: Vec<String>,
    /// Rules, in the order in which they are asked.
    pub rules: Vec<ReportedRule>,
    /// Elements of sets and maps.
    pub entries: Vec<ReportedEntry>,
}

/// Whether something is where it should be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Standing {
    /// In the kernel, as it should.
    Present,
    /// Not in the kernel, though somebody needs it.
    Missing,
    /// In the kernel, though nobody needs it.
    Stale,
}

/// A rule and its reason.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ReportedRule {
    /// Its chain.
    pub chain: String,
    /// As `nft` shows it.
    pub text: String,
    /// What it is for.
    pub reason: String,
    /// Whether it is there.
    pub standing: Standing,
}

/// Whose an element is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Owner {
    /// The network of this bridge.
    Network(String),
    /// The container with this id.
    Container(String),
}

/// An element and its reason.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ReportedEntry {
    /// Its set or map.
    pub set: &'static str,
    /// As people write it.
    pub text: String,
    /// Whose it is.
    pub owner: Owner,
    /// Whether it is there.
    pub standing: Standing,
}

/// Compares the kernel's table with what `containers` need that run, by their
/// plans, and with the networks' bridges.
pub fn report(
    containers: &[(String, NetworkPlan)],
    bridges: &[IfName],
    context: &NetworkContext,
) -> Result<FirewallReport, NetworkError> {
    let mut report = FirewallReport {
        forwarding: fs::read_to_string("/proc/sys/net/ipv4/ip_forward")
            .is_ok_and(|text| text.trim() == "1"),
        rules: Vec::new(),
        entries: Vec::new(),
        table: String::new(),
        warnings: Vec::new(),
    };
    for family in Family::BOTH {
        let held = context.firewall(family).held()?;
        let needed = needed(containers, family);
        let used = !needed.is_empty() || !held.rules.is_empty();
        report
            .rules
            .extend(rules(&held, family, !needed.is_empty()));
        report.entries.extend(entries(&held, needed, bridges));
        if used || family == Family::V4 {
            report.warnings.extend(held.warnings);
        }
        report.table = held.table;
    }
    Ok(report)
}

fn needed(containers: &[(String, NetworkPlan)], family: Family) -> Vec<Needed> {
    let of = |(id, plan): &(String, NetworkPlan)| -> Vec<Needed> {
        let steps = plan.steps.iter();
        steps
            .flat_map(|step| elements(id, plan, step, family))
            .collect()
    };
    containers.iter().flat_map(of).collect()
}

/// Writes again what of the table somebody took away; whether anything was.
pub fn mend(
    containers: &[(String, NetworkPlan)],
    context: &NetworkContext,
) -> Result<bool, NetworkError> {
    let found = report(containers, &[], context)?;
    let wrong = found.rules.iter().any(|r| r.standing != Standing::Present);
    // A port alone may be on its way in or out right now.
    let missing =
        |e: &ReportedEntry| e.standing == Standing::Missing && matches!(e.owner, Owner::Network(_));
    if !wrong && !found.entries.iter().any(missing) {
        return Ok(false);
    }
    for family in Family::BOTH {
        if !needed(containers, family).is_empty() {
            context.firewall(family).rewrite()?;
        }
    }
    for (id, plan) in containers {
        restore(plan, id, context)?;
    }
    Ok(true)
}

/// Where nobody needs the table, its absence is no news.
fn rules(held: &Held, family: Family, needed: bool) -> Vec<ReportedRule> {
    if held.rules.is_empty() && !needed {
        return Vec::new();
    }
    let mut left: Vec<&ListedRule> = held.rules.iter().collect();
    let mut all = Vec::new();
    for (wanted, (text, reason)) in held.wanted.iter().zip(REASONS) {
        let found = left.iter().position(|rule| *rule == wanted);
        if let Some(at) = found {
            left.remove(at);
        }
        all.push(ReportedRule {
            chain: wanted.chain.clone(),
            text: in_family(text, family),
            reason: reason.to_owned(),
            standing: match found {
                Some(_) => Standing::Present,
                None => Standing::Missing,
            },
        });
    }
    all.extend(left.into_iter().map(|rule| ReportedRule {
        chain: rule.chain.clone(),
        text: rule.expressions.join(" "),
        reason: "not ours: somebody added it".to_owned(),
        standing: Standing::Stale,
    }));
    all
}

/// A rule's text as IPv6 has it.
fn in_family(text: &str, family: Family) -> String {
    match family {
        Family::V4 => text.to_owned(),
        Family::V6 => text
            .replace("ip daddr", "ip6 daddr")
            .replace("ip saddr", "ip6 saddr")
            .replace("127.0.0.0/8", "::1"),
    }
}

struct Needed {
    set: &'static str,
    element: Element,
    owner: Owner,
}

/// What a step of a plan stands for in the table.
fn elements(id: &str, plan: &NetworkPlan, step: &NetworkStep, family: Family) -> Vec<Needed> {
    let of_network = |bridge: &IfName, set, element| Needed {
        set,
        element,
        owner: Owner::Network(bridge.to_string()),
    };
    match step {
        NetworkStep::Bridge {
            name: bridge,
            addrs,
        } if has(addrs, family) => {
            let key = name(bridge.as_str());
            vec![
                of_network(bridge, BRIDGES.name, Element::key(key.clone())),
                of_network(bridge, LOCAL.name, Element::key(key.repeat(2))),
            ]
        }
        NetworkStep::Isolate { bridge } if bridged(plan, bridge, family) => {
            let key = Element::key(name(bridge.as_str()));
            vec![of_network(bridge, INTERNAL.name, key)]
        }
        NetworkStep::Masquerade { source, bridge } if source.family() == family => {
            let [first, _] = range(*source, bridge.as_str());
            vec![of_network(bridge, SUBNETS, first)]
        }
        NetworkStep::Publish { mapping, to, .. } if Family::of(*to) == family => {
            let set = match mapping.host_addr.is_unspecified() {
                true => PUBLISHED_ANY,
                false => PUBLISHED_ADDR,
            };
            let needed = |port| Needed {
                set,
                element: entry(&port),
                owner: Owner::Container(id.to_owned()),
            };
            single(id, mapping, *to).map(needed).collect()
        }
        _ => Vec::new(),
    }
}

fn has(addrs: &[Cidr], family: Family) -> bool {
    addrs.iter().any(|addr| addr.family() == family)
}

fn bridged(plan: &NetworkPlan, bridge: &IfName, family: Family) -> bool {
    let made = |step: &NetworkStep| matches!(step, NetworkStep::Bridge { name, addrs } if name == bridge && has(addrs, family));
    plan.steps.iter().any(made)
}

fn entries(held: &Held, needed: Vec<Needed>, bridges: &[IfName]) -> Vec<ReportedEntry> {
    let mut all: Vec<ReportedEntry> = Vec::new();
    let mut add = |set: &'static str, element: &Element, owner: Owner, standing| {
        let text = text(set, element);
        if !all.iter().any(|e| e.set == set && e.text == text) {
            all.push(ReportedEntry {
                set,
                text,
                owner,
                standing,
            });
        }
    };
    let same = |a: &Element, b: &Element| a.key == b.key && a.value == b.value;
    for Needed {
        set,
        element,
        owner,
    } in &needed
    {
        let there = (held.elements.iter()).any(|(s, e)| s == set && same(e, element));
        let standing = match there {
            true => Standing::Present,
            false => Standing::Missing,
        };
        add(set, element, owner.clone(), standing);
    }
    for (set, element) in &held.elements {
        if element.interval == IntervalEnd::End {
            continue;
        }
        let owner = owner(set, element);
        // A network's elements stay with it while no container is on it.
        let of_network =
            matches!(&owner, Owner::Network(b) if bridges.iter().any(|n| n.as_str() == b));
        let standing = match of_network {
            true => Standing::Present,
            false => Standing::Stale,
        };
        add(set, element, owner, standing);
    }
    all
}

fn owner(set: &str, element: &Element) -> Owner {
    match set {
        PUBLISHED_ADDR | PUBLISHED_ANY => Owner::Container(element.comment.clone()),
        SUBNETS => {
            let bridge = element.comment.split(' ').next();
            Owner::Network(bridge.unwrap_or_default().to_owned())
        }
        _ => Owner::Network(interface(&element.key)),
    }
}

/// The first interface's name of a key.
fn interface(key: &[u8]) -> String {
    let name = key.get(..16).unwrap_or(key);
    let end = name.iter().position(|b| *b == 0).unwrap_or(name.len());
    String::from_utf8_lossy(&name[..end]).into_owned()
}

fn text(set: &str, element: &Element) -> String {
    if set == LOCAL.name {
        let name = interface(&element.key);
        return format!("{name} . {name}");
    }
    if set == SUBNETS {
        let subnet = element.comment.split_once(' ').map(|(_, subnet)| subnet);
        return subnet.map_or_else(|| format!("{:?}", element.key), str::to_owned);
    }
    match decode(element).filter(|_| !element.value.is_empty()) {
        Some(port) => {
            let mapping = &port.mapping;
            let at = |addr: IpAddr, port| std::net::SocketAddr::new(addr, port);
            format!(
                "{} {} to {}",
                mapping.protocol.as_str(),
                at(mapping.host_addr, mapping.host_port),
                at(port.to, mapping.container_port)
            )
        }
        None => interface(&element.key),
    }
}
