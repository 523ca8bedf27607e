use hickory_proto::op::{Message, MessageType, OpCode, Query, ResponseCode};
use hickory_proto::rr::rdata::{A, SOA};
use hickory_proto::rr::{Name, RData, Record as Rr, RecordType};
use proptest::prelude::*;

use super::*;

/// `a.bc` A IN, with id 1.
const ASKED: &[u8] = b"\0\x01\x01\0\0\x01\0\0\0\0\0\0\x01a\x02bc\0\0\x01\0\x01";

fn repeated(change: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut bytes = ASKED.to_vec();
    bytes[2] |= 0x80;
    change(&mut bytes);
    bytes
}

fn name() -> Name {
    Name::from_ascii("a.bc.").unwrap()
}

fn answer(ttls: &[u32], minimum: Option<(u32, u32)>, code: ResponseCode) -> Vec<u8> {
    let mut message = Message::new(1, MessageType::Response, OpCode::Query);
    message.metadata.response_code = code;
    message.add_query(Query::query(name(), RecordType::A));
    for ttl in ttls {
        message.add_answer(Rr::from_rdata(name(), *ttl, RData::A(A::new(192, 0, 2, 1))));
    }
    if let Some((ttl, minimum)) = minimum {
        let soa = SOA::new(name(), name(), 1, 2, 3, 4, minimum);
        message.add_authority(Rr::from_rdata(name(), ttl, RData::SOA(soa)));
    }
    message.to_vec().unwrap()
}

#[test]
fn only_an_answer_to_the_same_question_is_taken() {
    assert!(answers(&repeated(|_| {}), ASKED));
    assert!(answers(&repeated(|b| b[13] = b'A'), ASKED));
    assert!(!answers(&repeated(|b| b[1] = 2), ASKED));
    assert!(!answers(&repeated(|b| b[2] = 1), ASKED));
    assert!(!answers(&repeated(|b| b[13] = b'x'), ASKED));
    assert!(!answers(&repeated(|b| b.truncate(14)), ASKED));
    assert!(!answers(b"", ASKED));
}

#[test]
fn a_question_keeps_all_but_its_id() {
    let copy = with_id(ASKED, [9, 9]).unwrap();
    assert_eq!((&copy[..2], &copy[2..]), (&[9, 9][..], &ASKED[2..]));
    assert_eq!(with_id(b"", [9, 9]), None);
}

#[test]
fn an_answer_lives_as_long_as_its_shortest_record() {
    let found = answer(&[300, 20], None, ResponseCode::NoError);
    let kept = lifetime(&found).unwrap();
    assert_eq!((kept.seconds, kept.fields.len()), (20, 2));
    let mut older = found.clone();
    age(&mut older, &kept, 15);
    let older = Message::from_vec(&older).unwrap();
    let left: Vec<_> = older.answers.iter().map(|a| a.ttl).collect();
    assert_eq!(left, [285, 5]);
    assert_eq!(lifetime(&answer(&[0], None, ResponseCode::NoError)), None);
}

#[test]
fn what_there_is_not_lives_as_long_as_its_zone_says() {
    let seconds = |ttls: &[u32], soa, code| lifetime(&answer(ttls, soa, code)).map(|l| l.seconds);
    let none = ResponseCode::NXDomain;
    assert_eq!(seconds(&[], Some((300, 60)), none), Some(60));
    assert_eq!(
        seconds(&[], Some((30, 60)), ResponseCode::NoError),
        Some(30)
    );
    assert_eq!(seconds(&[], None, none), None);
    assert_eq!(seconds(&[300], None, none), None);
    assert_eq!(seconds(&[300], None, ResponseCode::ServFail), None);
}

#[test]
fn a_cut_answer_is_not_kept() {
    let mut cut = answer(&[300], None, ResponseCode::NoError);
    cut[2] |= 0x02;
    assert_eq!(lifetime(&cut), None);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn no_bytes_are_read_beyond_their_end(
        bytes in proptest::collection::vec(any::<u8>(), 0..200),
        seconds: u32,
    ) {
        let mut bytes = bytes;
        if let Some(kept) = lifetime(&bytes) {
            age(&mut bytes, &kept, seconds);
        }
        let _ = (answers(&bytes, ASKED), answers(ASKED, &bytes));
    }

    #[test]
    fn a_changed_answer_is_read_or_refused(at in 0usize..60, byte: u8) {
        let mut bytes = answer(&[300, 20], Some((30, 60)), ResponseCode::NoError);
        let at = at % bytes.len();
        bytes[at] = byte;
        if let Some(kept) = lifetime(&bytes) {
            prop_assert!(kept.fields.iter().all(|field| field + 4 <= bytes.len()));
        }
    }
}
