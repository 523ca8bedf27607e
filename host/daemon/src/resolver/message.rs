//! DNS messages as bytes: what a cache and a forwarder must know of one
//! without taking it apart (RFC 1035 section 4.1).

/// The header's length.
pub(super) const HEADER: usize = 12;

const SOA: u16 = 6;
const OPT: u16 = 41;
const NO_ERROR: u8 = 0;
const NX_DOMAIN: u8 = 3;

/// How long an answer may be kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Lifetime {
    /// Seconds.
    pub(super) seconds: u32,
    /// Where the time to live of each record is.
    pub(super) fields: Vec<usize>,
}

/// The id, with which an answer is told from others.
pub(super) fn id(message: &[u8]) -> Option<[u8; 2]> {
    message.get(..2)?.try_into().ok()
}

/// The same message with another id.
pub(super) fn with_id(message: &[u8], id: [u8; 2]) -> Option<Vec<u8>> {
    let mut copy = message.to_vec();
    copy.get_mut(..2)?.copy_from_slice(&id);
    Some(copy)
}

/// The response code (RFC 1035 section 4.1.1), without EDNS' upper bits.
pub(super) fn code(message: &[u8]) -> Option<u8> {
    Some(message.get(3)? & 0x0f)
}

/// Whether a message answers `asked`: the same id, marked as an answer, and
/// about the same question where it repeats one.
pub(super) fn answers(answer: &[u8], asked: &[u8]) -> bool {
    let marked = answer.get(2).is_some_and(|flags| flags & 0x80 != 0);
    let repeats = answer.get(4..6).is_some_and(|count| count != [0, 0]);
    let same = || {
        let end = after_name(asked, HEADER).map(|at| at + 4);
        let about = |m: &[u8]| m.get(HEADER..end?).map(<[u8]>::to_ascii_lowercase);
        about(answer).is_some() && about(answer) == about(asked)
    };
    answer.len() >= HEADER && id(answer) == id(asked) && marked && (!repeats || same())
}

/// How long an answer may be kept; `None` for one that was cut, tells of a
/// failure, or cannot be read. What there is not is kept as long as its zone
/// says (RFC 2308 section 5).
pub(super) fn lifetime(answer: &[u8]) -> Option<Lifetime> {
    let code = code(answer).filter(|code| [NO_ERROR, NX_DOMAIN].contains(code))?;
    let truncated = answer.get(2)? & 0x02 != 0;
    let count = |at| Some(u16::from_be_bytes([*answer.get(at)?, *answer.get(at + 1)?]));
    let (questions, found) = (count(4)?, count(6)?);
    let records = u32::from(found) + u32::from(count(8)?) + u32::from(count(10)?);
    let mut at = HEADER;
    for _ in 0..questions {
        at = after_name(answer, at)? + 4;
    }
    let mut kept = Lifetime {
        seconds: u32::MAX,
        fields: Vec::new(),
    };
    let mut negative = None;
    for _ in 0..records {
        let record = Record::at(answer, at)?;
        at = record.end;
        if record.kind == OPT {
            continue;
        }
        kept.seconds = kept.seconds.min(record.seconds);
        kept.fields.push(record.ttl);
        if record.kind == SOA {
            let minimum = answer.get(at.checked_sub(4)?..at)?;
            let minimum = u32::from_be_bytes(minimum.try_into().ok()?);
            negative = Some(minimum.min(record.seconds));
        }
    }
    if found == 0 || code == NX_DOMAIN {
        kept.seconds = kept.seconds.min(negative?);
    }
    (!truncated && kept.seconds > 0 && !kept.fields.is_empty()).then_some(kept)
}

/// Takes `seconds` off every record's time to live.
pub(super) fn age(answer: &mut [u8], lifetime: &Lifetime, seconds: u32) {
    for at in &lifetime.fields {
        if let Some(field) = answer.get_mut(*at..*at + 4)
            && let Ok(ttl) = <[u8; 4]>::try_from(&*field)
        {
            let left = u32::from_be_bytes(ttl).saturating_sub(seconds);
            field.copy_from_slice(&left.to_be_bytes());
        }
    }
}

struct Record {
    kind: u16,
    ttl: usize,
    seconds: u32,
    end: usize,
}

impl Record {
    fn at(message: &[u8], at: usize) -> Option<Self> {
        let name = after_name(message, at)?;
        let fixed: &[u8; 10] = message.get(name..name + 10)?.try_into().ok()?;
        let [kind @ .., _, _, a, b, c, d, high, low] = fixed;
        let end = name + 10 + usize::from(u16::from_be_bytes([*high, *low]));
        let seconds = u32::from_be_bytes([*a, *b, *c, *d]);
        (end <= message.len()).then_some(Self {
            kind: u16::from_be_bytes(*kind),
            ttl: name + 4,
            // RFC 2181 section 8: one with the top bit set means 0.
            seconds: if seconds > i32::MAX as u32 {
                0
            } else {
                seconds
            },
            end,
        })
    }
}

/// Where the name that starts at `at` has ended; a pointer ends it.
fn after_name(message: &[u8], mut at: usize) -> Option<usize> {
    loop {
        let length = usize::from(*message.get(at)?);
        match length {
            0 => return Some(at + 1),
            1..=0x3f => at += length + 1,
            0xc0.. => return Some(at + 2),
            _ => return None,
        }
    }
}

#[cfg(test)]
mod tests;
