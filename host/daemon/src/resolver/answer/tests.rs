use super::*;

struct Web(u8);

impl Neighbours for Web {
    fn addresses_of(&self, name: &str) -> Option<Vec<IpAddr>> {
        let v4 = (1..=self.0).map(|n| IpAddr::from([10, 0, 0, n]));
        if name.eq_ignore_ascii_case("both") {
            return Some(v4.chain(["fd00::1".parse().unwrap()]).collect());
        }
        name.eq_ignore_ascii_case("web").then(|| v4.collect())
    }

    fn name_at(&self, address: IpAddr) -> Option<String> {
        let own = ["10.0.0.1", "fd00::1"].map(|a| a.parse().unwrap());
        own.contains(&address).then(|| "web.shop".to_owned())
    }
}

fn question(name: &str, kind: RecordType) -> Vec<u8> {
    let mut message = Message::new(77, MessageType::Query, OpCode::Query);
    message.metadata.recursion_desired = true;
    message.add_query(Query::query(Name::from_ascii(name).unwrap(), kind));
    message.to_vec().unwrap()
}

fn answered(judged: Judged) -> Message {
    match judged {
        Judged::Answer(bytes) => Message::from_vec(&bytes).unwrap(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_neighbours_name_has_its_addresses() {
    let reply = answered(judge(&question("WEB.", RecordType::A), None, &Web(2)));
    assert_eq!((reply.metadata.id, reply.answers.len()), (77, 2));
    assert!(reply.metadata.recursion_available && reply.metadata.recursion_desired);
    assert_eq!(reply.metadata.response_code, ResponseCode::NoError);
}

#[test]
fn a_neighbours_name_has_no_ipv6_address_and_nobody_else_is_asked() {
    let reply = answered(judge(&question("web.", RecordType::AAAA), None, &Web(1)));
    assert!(reply.answers.is_empty());
    assert_eq!(reply.metadata.response_code, ResponseCode::NoError);
}

#[test]
fn an_address_has_its_neighbours_name() {
    let reverse = question("1.0.0.10.in-addr.arpa.", RecordType::PTR);
    let reply = answered(judge(&reverse, None, &Web(1)));
    assert_eq!(reply.answers[0].data.to_string(), "web.shop.");
    let other = question("2.0.0.10.in-addr.arpa.", RecordType::PTR);
    let elsewhere = Judged::Forward { bare: false };
    assert_eq!(judge(&other, None, &Web(1)), elsewhere);
    let nibbles = format!("1.{}0.0.d.f.ip6.arpa.", "0.".repeat(27));
    let reply = answered(judge(&question(&nibbles, RecordType::PTR), None, &Web(1)));
    assert_eq!(reply.answers[0].data.to_string(), "web.shop.");
}

#[test]
fn an_address_of_each_family_answers_the_question_for_it() {
    for (kind, count) in [
        (RecordType::A, 2),
        (RecordType::AAAA, 1),
        (RecordType::ANY, 3),
        (RecordType::MX, 0),
    ] {
        let reply = answered(judge(&question("both.", kind), None, &Web(2)));
        assert_eq!(reply.answers.len(), count, "{kind}");
        assert!(
            reply
                .answers
                .iter()
                .all(|a| [kind, a.record_type()].contains(&a.record_type()))
        );
    }
}

#[test]
fn who_speaks_edns_is_answered_with_it_and_gets_longer_answers() {
    let mut asked = Message::from_vec(&question("web.", RecordType::A)).unwrap();
    let mut edns = Edns::new();
    edns.set_max_payload(4096);
    asked.set_edns(edns);
    let reply = answered(judge(&asked.to_vec().unwrap(), None, &Web(100)));
    assert_eq!((reply.answers.len(), reply.edns.is_some()), (100, true));
}

#[test]
fn who_is_no_neighbour_is_asked_for_elsewhere() {
    for (name, kind, bare) in [
        ("example.com.", RecordType::A, false),
        ("example.", RecordType::AAAA, true),
        ("example.", RecordType::MX, false),
    ] {
        let judged = judge(&question(name, kind), None, &Web(1));
        assert_eq!(judged, Judged::Forward { bare }, "{name} {kind}");
    }
}

#[test]
fn an_answer_that_a_datagram_cannot_carry_is_cut() {
    let many = question("web.", RecordType::A);
    let cut = answered(judge(&many, None, &Web(100)));
    assert!(cut.metadata.truncation && cut.answers.is_empty());
    let whole = answered(judge(&many, Some(65535), &Web(100)));
    assert_eq!(
        (whole.metadata.truncation, whole.answers.len()),
        (false, 100)
    );
}

#[test]
fn what_is_no_question_gets_an_error_or_nothing() {
    assert_eq!(judge(b"", None, &Web(1)), Judged::Nothing);
    assert_eq!(judge(&[0; 11], None, &Web(1)), Judged::Nothing);
    let mut cut = question("web.", RecordType::A);
    cut.truncate(14);
    let reply = answered(judge(&cut, None, &Web(1)));
    assert_eq!(reply.metadata.response_code, ResponseCode::FormErr);
    let mut response = question("web.", RecordType::A);
    response[2] |= 0x80;
    assert_eq!(judge(&response, None, &Web(1)), Judged::Nothing);
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(2000))]

    #[test]
    fn no_bytes_have_it_panic_or_answer_an_answer(
        bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..300),
    ) {
        let judged = judge(&bytes, None, &Web(3));
        if bytes.get(2).is_some_and(|flags| flags & 0x80 != 0) {
            proptest::prop_assert_eq!(judged, Judged::Nothing);
        }
    }

    #[test]
    fn a_changed_question_is_answered_within_its_limit_or_not_at_all(
        at in 0usize..100,
        byte: u8,
    ) {
        let mut bytes = question("web.", RecordType::A);
        let at = at % bytes.len();
        bytes[at] = byte;
        if let Judged::Answer(answer) = judge(&bytes, None, &Web(200)) {
            proptest::prop_assert!(answer.len() <= PLAIN_DATAGRAM);
        }
    }
}
