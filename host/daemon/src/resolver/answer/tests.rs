use super::*;

struct Web(u8);

impl Neighbours for Web {
    fn addresses_of(&self, name: &str) -> Vec<Ipv4Addr> {
        let all = (1..=self.0).map(|n| Ipv4Addr::new(10, 0, 0, n));
        all.filter(|_| name.eq_ignore_ascii_case("web")).collect()
    }

    fn name_at(&self, address: Ipv4Addr) -> Option<String> {
        (address == Ipv4Addr::new(10, 0, 0, 1)).then(|| "web.shop".to_owned())
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
    assert_eq!(judge(&other, None, &Web(1)), Judged::Forward);
}

#[test]
fn who_is_no_neighbour_is_asked_for_elsewhere() {
    let other = question("example.com.", RecordType::A);
    assert_eq!(judge(&other, None, &Web(1)), Judged::Forward);
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
