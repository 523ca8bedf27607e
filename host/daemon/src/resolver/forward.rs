//! Questions that others answer, passed on byte by byte.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use tokio::net::{TcpStream, UdpSocket};
use tokio::time::timeout;

use super::{read_message, write_message};

/// How long one server may take; clients give up after five seconds
/// (resolv.conf(5)).
const PATIENCE: Duration = Duration::from_secs(2);
/// Servers that are asked, one after the other: as many as resolv.conf(5) has.
const SERVERS: usize = 3;
const PORT: u16 = 53;
/// The header of a message (RFC 1035 section 4.1.1).
const HEADER: usize = 12;

/// The first answer of `servers` to a question that came as a datagram.
pub(super) async fn datagram(question: &[u8], servers: &[IpAddr]) -> Option<Vec<u8>> {
    for server in servers.iter().take(SERVERS) {
        if let Ok(Some(answer)) = timeout(PATIENCE, ask(question, *server)).await {
            return Some(answer);
        }
    }
    None
}

/// A socket of its own and a fresh id for each question: who guesses answers
/// must guess both, and the kernel takes none from another server.
async fn ask(question: &[u8], server: IpAddr) -> Option<Vec<u8>> {
    let any: IpAddr = match server {
        IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let socket = UdpSocket::bind((any, 0)).await.ok()?;
    socket.connect(SocketAddr::new(server, PORT)).await.ok()?;
    let asked = with_id(question, fresh_id()?)?;
    socket.send(&asked).await.ok()?;
    let mut buffer = vec![0; usize::from(u16::MAX)];
    loop {
        let length = socket.recv(&mut buffer).await.ok()?;
        let answer = &buffer[..length];
        if answers(answer, &asked) {
            return with_id(answer, id(question)?);
        }
    }
}

/// The first answer of `servers` to a question that came on a stream.
pub(super) async fn stream(question: &[u8], servers: &[IpAddr]) -> Option<Vec<u8>> {
    for server in servers.iter().take(SERVERS) {
        let exchange = async {
            let mut stream = TcpStream::connect((*server, PORT)).await.ok()?;
            write_message(&mut stream, question).await?;
            read_message(&mut stream).await
        };
        if let Ok(Some(answer)) = timeout(PATIENCE, exchange).await
            && id(&answer) == id(question)
        {
            return Some(answer);
        }
    }
    None
}

/// Whether a message answers `asked`: the same id, marked as an answer, and
/// about the same question where it repeats one.
fn answers(answer: &[u8], asked: &[u8]) -> bool {
    let marked = answer.get(2).is_some_and(|flags| flags & 0x80 != 0);
    let repeats = answer.get(4..6).is_some_and(|count| count != [0, 0]);
    let name = question_name(asked);
    let same = || {
        let about = |m: &[u8]| m.get(HEADER..HEADER + name).map(<[u8]>::to_ascii_lowercase);
        about(answer) == about(asked)
    };
    answer.len() >= HEADER && id(answer) == id(asked) && marked && (!repeats || same())
}

/// The length of the first question's name, type and class.
fn question_name(message: &[u8]) -> usize {
    let mut at = HEADER;
    while let Some(label) = message.get(at).filter(|l| **l != 0) {
        at += usize::from(*label) + 1;
    }
    at + 1 + 4 - HEADER
}

fn id(message: &[u8]) -> Option<[u8; 2]> {
    message.get(..2)?.try_into().ok()
}

fn with_id(message: &[u8], id: [u8; 2]) -> Option<Vec<u8>> {
    let mut copy = message.to_vec();
    copy.get_mut(..2)?.copy_from_slice(&id);
    Some(copy)
}

fn fresh_id() -> Option<[u8; 2]> {
    let mut id = [0; 2];
    getrandom::fill(&mut id).ok()?;
    Some(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `a.bc` A IN, with id 1.
    const ASKED: &[u8] = b"\0\x01\x01\0\0\x01\0\0\0\0\0\0\x01a\x02bc\0\0\x01\0\x01";

    fn answer(change: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
        let mut bytes = ASKED.to_vec();
        bytes[2] |= 0x80;
        change(&mut bytes);
        bytes
    }

    #[test]
    fn only_an_answer_to_the_same_question_is_taken() {
        assert!(answers(&answer(|_| {}), ASKED));
        assert!(answers(&answer(|b| b[13] = b'A'), ASKED));
        assert!(!answers(&answer(|b| b[1] = 2), ASKED));
        assert!(!answers(&answer(|b| b[2] = 1), ASKED));
        assert!(!answers(&answer(|b| b[13] = b'x'), ASKED));
        assert!(!answers(&answer(|b| b.truncate(14)), ASKED));
        assert!(!answers(b"", ASKED));
    }

    #[test]
    fn a_question_keeps_all_but_its_id() {
        let copy = with_id(ASKED, [9, 9]).unwrap();
        assert_eq!((&copy[..2], &copy[2..]), (&[9, 9][..], &ASKED[2..]));
        assert_eq!(with_id(b"", [9, 9]), None);
    }
}
