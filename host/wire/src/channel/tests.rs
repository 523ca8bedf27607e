use std::os::fd::OwnedFd;
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::{BrokerMessage, HostCall, HostReply, RunnerMessage, control, registry, storage};

/// A datagram pair behaves as a SEQPACKET pair, except for the end of the
/// stream.
fn pair() -> (Channel, Channel) {
    let (a, b) = UnixDatagram::pair().unwrap();
    (
        Channel::new(OwnedFd::from(a)),
        Channel::new(OwnedFd::from(b)),
    )
}

fn body(len: usize) -> BrokerMessage {
    BrokerMessage::Reply(HostReply::Response(registry::Response {
        status: 200,
        headers: vec![("content-type".into(), "text/plain".into())],
        body: (0..len).map(|i| i as u8).collect(),
    }))
}

#[test]
fn a_body_of_four_mebibytes_arrives_whole() {
    for len in [0, 1, CHUNK - 60, CHUNK, CHUNK + 1, 4 << 20] {
        let (mut a, mut b) = pair();
        let message = body(len);
        let sender = {
            let message = message.clone();
            std::thread::spawn(move || a.send(&message).unwrap())
        };
        assert_eq!(b.recv::<BrokerMessage>().unwrap(), message);
        sender.join().unwrap();
    }
}

#[test]
fn a_message_that_is_too_large_is_refused_on_both_sides() {
    let (mut a, mut b) = pair();
    assert!(matches!(
        a.send(&body(MAX_MESSAGE)),
        Err(ChannelError::TooLarge)
    ));
    let flood = std::thread::spawn(move || {
        let piece = vec![MORE; CHUNK + 1];
        while a.socket.send(&piece).is_ok() {}
    });
    assert!(matches!(
        b.recv::<BrokerMessage>(),
        Err(ChannelError::TooLarge)
    ));
    drop(b);
    flood.join().unwrap();
}

#[test]
fn silence_ends_with_a_timeout() {
    let (_a, mut b) = pair();
    b.set_timeout(Some(Duration::from_millis(20))).unwrap();
    assert!(matches!(
        b.recv::<RunnerMessage>(),
        Err(ChannelError::Timeout)
    ));
}

#[test]
fn bytes_after_a_message_are_refused() {
    let message = RunnerMessage::Host(HostCall::Storage(storage::HostCall::Snapshots(None, 1)));
    let mut bytes = postcard::to_extend(&message, Vec::new()).unwrap();
    assert_eq!(decode::<RunnerMessage>(&bytes).unwrap(), message);
    bytes.push(0);
    assert!(decode::<RunnerMessage>(&bytes).is_err());
}

proptest! {
    #[test]
    fn decoding_any_bytes_neither_panics_nor_blows_memory(bytes in proptest::collection::vec(any::<u8>(), 0..2000)) {
        let _ = decode::<RunnerMessage>(&bytes);
        let _ = decode::<BrokerMessage>(&bytes);
        let _ = decode::<control::Start>(&bytes);
        let _ = decode::<control::Started>(&bytes);
    }

    #[test]
    fn a_flipped_byte_neither_panics_nor_blows_memory(at in 0usize..400, bit in 0u8..8) {
        let mut bytes = postcard::to_extend(&body(300), Vec::new()).unwrap();
        if let Some(byte) = bytes.get_mut(at) {
            *byte ^= 1 << bit;
        }
        let _ = decode::<BrokerMessage>(&bytes);
    }
}
