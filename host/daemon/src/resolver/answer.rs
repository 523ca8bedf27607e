//! What a question deserves. Pure but for the neighbours.

use std::net::IpAddr;

use hickory_proto::op::{Edns, Message, MessageType, OpCode, Query, ResponseCode};
use hickory_proto::rr::rdata::{A, AAAA, PTR};
use hickory_proto::rr::{DNSClass, Name, RData, Record, RecordType};

/// Seconds an answer may be kept, as Docker's: a container's address does not
/// change while it runs.
const TTL: u32 = 600;

/// A datagram's limit for clients that name none (RFC 1035 section 4.2.1).
const PLAIN_DATAGRAM: usize = 512;

/// Who is called what, as the asking container sees it.
pub(super) trait Neighbours {
    /// Where those are who are called so; `None` when nobody is.
    fn addresses_of(&self, name: &str) -> Option<Vec<IpAddr>>;
    /// Who is there, with its network's name.
    fn name_at(&self, address: IpAddr) -> Option<String>;
}

/// What is done with a message.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Judged {
    /// It is no question.
    Nothing,
    /// This is the answer.
    Answer(Vec<u8>),
    /// Somebody else may know.
    Forward {
        /// The address of a name of one label is asked for.
        bare: bool,
    },
}

/// Judges `question`; `limit` is how long an answer may be, or what the
/// question itself allows.
pub(super) fn judge(question: &[u8], limit: Option<usize>, neighbours: &impl Neighbours) -> Judged {
    let Ok(message) = Message::from_vec(question) else {
        return refusal(question, ResponseCode::FormErr);
    };
    if message.metadata.message_type == MessageType::Response {
        return Judged::Nothing;
    }
    if message.metadata.op_code != OpCode::Query {
        return refusal(question, ResponseCode::NotImp);
    }
    let [query] = message.queries.as_slice() else {
        return refusal(question, ResponseCode::FormErr);
    };
    let Some(answers) = known(query, neighbours) else {
        let address = matches!(query.query_type(), RecordType::A | RecordType::AAAA);
        let bare = address && query.name().num_labels() == 1;
        return Judged::Forward { bare };
    };
    let limit = limit.unwrap_or_else(|| {
        let asked = message.edns.as_ref().map(|e| usize::from(e.max_payload()));
        asked
            .unwrap_or(0)
            .clamp(PLAIN_DATAGRAM, super::MAX_DATAGRAM)
    });
    let mut reply = respond(&message);
    reply.add_answers(answers);
    match encode(&reply) {
        Judged::Answer(bytes) if bytes.len() > limit => {
            reply.answers.clear();
            reply.metadata.truncation = true;
            encode(&reply)
        }
        fits => fits,
    }
}

/// SERVFAIL for a question that nobody answered.
pub(super) fn failure(question: &[u8]) -> Option<Vec<u8>> {
    bare(question, ResponseCode::ServFail)
}

/// An answer without records: the client may go on with another name.
pub(super) fn empty(question: &[u8]) -> Option<Vec<u8>> {
    bare(question, ResponseCode::NoError)
}

fn bare(question: &[u8], code: ResponseCode) -> Option<Vec<u8>> {
    match refusal(question, code) {
        Judged::Answer(bytes) => Some(bytes),
        _ => None,
    }
}

/// The records of a question about a neighbour, which may be none: a
/// neighbour's name has no other records than addresses, and nobody else is asked.
fn known(query: &Query, neighbours: &impl Neighbours) -> Option<Vec<Record>> {
    if query.query_class() != DNSClass::IN {
        return None;
    }
    let record = |data| Record::from_rdata(query.name().clone(), TTL, data);
    if query.query_type() == RecordType::PTR {
        let name = neighbours.name_at(reversed(query.name())?)?;
        let name = Name::from_ascii(format!("{name}.")).ok()?;
        return Some(vec![record(RData::PTR(PTR(name)))]);
    }
    let text = query.name().to_ascii();
    let mut addresses = neighbours.addresses_of(text.strip_suffix('.').unwrap_or(&text))?;
    spread(&mut addresses);
    let asked = query.query_type();
    let wanted = |address: IpAddr| match (address, asked) {
        (IpAddr::V4(a), RecordType::A | RecordType::ANY) => Some(record(RData::A(A(a)))),
        (IpAddr::V6(a), RecordType::AAAA | RecordType::ANY) => Some(record(RData::AAAA(AAAA(a)))),
        _ => None,
    };
    Some(addresses.into_iter().filter_map(wanted).collect())
}

/// Most clients take the first address: which one that is changes, so that
/// each of several containers of one name gets its share.
fn spread(addresses: &mut [IpAddr]) {
    static TURN: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(0);
    let turn = TURN.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    addresses.rotate_left(turn % addresses.len().max(1));
}

/// The whole address in a name below in-addr.arpa (RFC 1035 section 3.5) or
/// ip6.arpa (RFC 3596 section 2.5).
fn reversed(name: &Name) -> Option<IpAddr> {
    let network = name.parse_arpa_name().ok()?;
    let whole = match network.addr() {
        IpAddr::V4(_) => 32,
        IpAddr::V6(_) => 128,
    };
    (network.prefix_len() == whole).then(|| network.addr())
}

fn respond(message: &Message) -> Message {
    let mut reply = Message::response(message.metadata.id, message.metadata.op_code);
    reply.metadata.recursion_desired = message.metadata.recursion_desired;
    reply.metadata.recursion_available = true;
    reply.add_queries(message.queries.clone());
    // RFC 6891 section 6.1.1: who speaks EDNS is answered with it.
    if message.edns.is_some() {
        let mut edns = Edns::new();
        edns.set_max_payload(super::MAX_DATAGRAM as u16);
        reply.set_edns(edns);
    }
    reply
}

/// An error for a question of which at least the header can be read.
fn refusal(question: &[u8], code: ResponseCode) -> Judged {
    let mut reply = match Message::from_vec(question) {
        Ok(message) => respond(&message),
        Err(_) => match question {
            // The top bit of the third byte tells answers.
            [high, low, flags, _, _, _, _, _, _, _, _, _, ..] if flags & 0x80 == 0 => {
                Message::response(u16::from_be_bytes([*high, *low]), OpCode::Query)
            }
            _ => return Judged::Nothing,
        },
    };
    reply.metadata.response_code = code;
    encode(&reply)
}

fn encode(message: &Message) -> Judged {
    message.to_vec().map_or(Judged::Nothing, Judged::Answer)
}

#[cfg(test)]
mod tests;
