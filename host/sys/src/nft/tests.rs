use super::*;
use crate::netlink::{Namespace, in_namespace};
use std::os::fd::AsFd;

const TABLE: &str = "t";
const MAP: Set<'_> = Set {
    name: "published",
    key: &[DataType::InetProto, DataType::InetService],
    value: &[DataType::Ipv4Addr, DataType::InetService],
    interval: false,
};

/// A filter socket in a namespace of its own.
fn fresh() -> (Namespace, FilterSocket) {
    let namespace = Namespace::create().expect("needs root");
    let socket = in_namespace(namespace.fd.as_fd(), FilterSocket::open);
    (namespace, socket.unwrap().unwrap())
}

fn mapping(port: u8, comment: &str) -> Element {
    Element {
        key: vec![6, 0, 0, 0, 0, port, 0, 0],
        value: vec![10, 0, 0, 2, 0, 80, 0, 0],
        comment: comment.to_owned(),
        ..Element::default()
    }
}

fn with_map(socket: &mut FilterSocket) {
    let mut batch = socket.batch(TABLE);
    batch.table().set(&MAP);
    socket.commit(batch).unwrap();
}

#[test]
fn elements_come_back_with_their_comment_and_are_found_by_key() {
    let (_namespace, mut socket) = fresh();
    with_map(&mut socket);
    let wanted = mapping(8, "endpoint-1");
    let mut batch = socket.batch(TABLE);
    batch.add_new_elements(MAP.name, std::slice::from_ref(&wanted));
    socket.commit(batch).unwrap();
    assert_eq!(
        socket.elements(TABLE, MAP.name).unwrap(),
        std::slice::from_ref(&wanted)
    );
    let found = socket.element(TABLE, MAP.name, &wanted.key).unwrap();
    assert_eq!(found, Some(wanted));
    let missing = socket
        .element(TABLE, MAP.name, &mapping(9, "").key)
        .unwrap();
    assert_eq!(missing, None);
}

#[test]
fn a_batch_is_applied_as_a_whole_or_not_at_all() {
    let (_namespace, mut socket) = fresh();
    with_map(&mut socket);
    let mut first = socket.batch(TABLE);
    first.add_new_elements(MAP.name, &[mapping(8, "a")]);
    socket.commit(first).unwrap();
    let mut second = socket.batch(TABLE);
    second
        .add_new_elements(MAP.name, &[mapping(9, "b")])
        .add_new_elements(MAP.name, &[mapping(8, "b")]);
    let error = socket.commit(second).unwrap_err();
    assert_eq!(error.errno(), libc::EEXIST);
    assert!(
        error.to_string().contains("add to set published"),
        "{error}"
    );
    assert_eq!(socket.elements(TABLE, MAP.name).unwrap(), [mapping(8, "a")]);
}

#[test]
fn setting_up_twice_changes_nothing_and_deleting_twice_is_fine() {
    let (_namespace, mut socket) = fresh();
    for _ in 0..2 {
        let mut batch = socket.batch(TABLE);
        batch
            .table()
            .set(&MAP)
            .base_chain(&BaseChain {
                name: "forward",
                kind: ChainType::Filter,
                hook: Hook::Forward,
                priority: 0,
            })
            .flush_rules()
            .rule("forward", &[Expression::Verdict(Verdict::Accept)]);
        socket.commit(batch).unwrap();
    }
    let chains = socket.base_chains(Hook::Forward).unwrap();
    assert_eq!(chains.len(), 1);
    assert_eq!(
        (chains[0].table.as_str(), chains[0].drops_by_default),
        (TABLE, false)
    );
    assert!(socket.base_chains(Hook::Output).unwrap().is_empty());
    for _ in 0..2 {
        let mut batch = socket.batch(TABLE);
        batch.delete_table();
        socket.commit(batch).unwrap();
    }
    assert!(socket.base_chains(Hook::Forward).unwrap().is_empty());
}

#[test]
fn a_refused_part_names_the_modules_it_needs() {
    let (_namespace, mut socket) = fresh();
    let mut batch = socket.batch(TABLE);
    // A rule for a chain that does not exist is refused as one with an
    // expression the kernel lacks is: ENOENT for the message of the rule.
    batch.table().rule(
        "absent",
        &[
            Expression::DestinationType(Register::new(0)),
            Expression::Masquerade,
        ],
    );
    let error = socket.commit(batch).unwrap_err();
    assert_eq!(error.errno(), libc::ENOENT);
    let text = error.to_string();
    let wanted = "nf_tables(table t, add rule to absent, needs nft_fib_ipv4, nft_masq";
    assert!(text.starts_with(wanted), "{text}");
}

#[test]
fn a_question_about_a_missing_table_is_an_error_with_its_name() {
    let (_namespace, mut socket) = fresh();
    let error = socket.elements("absent", "s").unwrap_err();
    assert_eq!(error.errno(), libc::ENOENT);
    assert!(error.to_string().contains("table absent, set s"), "{error}");
}

#[test]
fn rules_are_listed_as_they_were_made_and_a_watch_hears_of_changes() {
    let (namespace, mut socket) = fresh();
    let mut watch = in_namespace(namespace.fd.as_fd(), Watch::open)
        .unwrap()
        .unwrap();
    let mut batch = socket.batch(TABLE);
    let accept = Expression::Verdict(Verdict::Accept);
    let protocol = Expression::Layer4Protocol(Register::new(0));
    batch
        .table()
        .chain("c")
        .rule("c", &[protocol, accept])
        .rule("c", &[accept]);
    let made = batch.rules().to_vec();
    socket.commit(batch).unwrap();
    assert!(watch.changed().unwrap());
    assert_eq!(socket.rules(TABLE).unwrap(), made);
    assert!(socket.rules("other").unwrap_or_default().is_empty());
}
