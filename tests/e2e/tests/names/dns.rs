//! Questions and answers as bytes (RFC 1035 section 4), and a scripted server.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::{Arc, Mutex};
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(30);
const RESOLVER: (Ipv4Addr, u16) = (Ipv4Addr::new(127, 0, 0, 11), 53);

/// A question with id 7 that wants recursion.
pub(crate) fn question(name: &str, kind: u16) -> Vec<u8> {
    let mut bytes = b"\0\x07\x01\0\0\x01\0\0\0\0\0\0".to_vec();
    for label in name.split('.') {
        bytes.push(u8::try_from(label.len()).unwrap());
        bytes.extend(label.as_bytes());
    }
    bytes.push(0);
    bytes.extend(kind.to_be_bytes());
    bytes.extend([0, 1]);
    bytes
}

/// The same with an OPT record (RFC 6891 section 6.1.2).
pub(crate) fn with_edns(question: &[u8], size: u16) -> Vec<u8> {
    let mut bytes = question.to_vec();
    bytes[11] = 1;
    bytes.extend([0, 0, 41]);
    bytes.extend(size.to_be_bytes());
    bytes.extend([0; 6]);
    bytes
}

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) code: u8,
    pub(crate) truncated: bool,
    /// How many records answer.
    pub(crate) count: u16,
    /// Of those that are addresses.
    pub(crate) addresses: Vec<IpAddr>,
    bytes: Vec<u8>,
}

impl Answer {
    fn of(bytes: Vec<u8>) -> Self {
        assert_eq!(bytes[..2], [0, 7], "another question's answer: {bytes:?}");
        let count = u16::from_be_bytes([bytes[6], bytes[7]]);
        let mut at = after_name(&bytes, 12) + 4;
        let mut addresses = Vec::new();
        for _ in 0..count {
            let data = after_name(&bytes, at) + 10;
            let length = usize::from(u16::from_be_bytes([bytes[data - 2], bytes[data - 1]]));
            let value = &bytes[data..data + length];
            if let Ok(v4) = <[u8; 4]>::try_from(value) {
                addresses.push(Ipv4Addr::from(v4).into());
            } else if let Ok(v6) = <[u8; 16]>::try_from(value) {
                addresses.push(Ipv6Addr::from(v6).into());
            }
            at = data + length;
        }
        Self {
            code: bytes[3] & 0x0f,
            truncated: bytes[2] & 0x02 != 0,
            count,
            addresses,
            bytes,
        }
    }

    pub(crate) fn contains(&self, part: &[u8]) -> bool {
        self.bytes.windows(part.len()).any(|window| window == part)
    }
}

fn after_name(bytes: &[u8], mut at: usize) -> usize {
    loop {
        match usize::from(bytes[at]) {
            0 => return at + 1,
            length @ 1..64 => at += length + 1,
            _ => return at + 2,
        }
    }
}

/// A container that asks.
pub(crate) struct Asker {
    namespace: std::fs::File,
}

impl Asker {
    pub(crate) fn of(pid: u64) -> Self {
        let namespace = std::fs::File::open(format!("/proc/{pid}/ns/net")).unwrap();
        Self { namespace }
    }

    fn inside<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        std::thread::scope(|scope| {
            let entered = scope.spawn(|| {
                nix::sched::setns(&self.namespace, nix::sched::CloneFlags::CLONE_NEWNET).unwrap();
                work()
            });
            entered.join().unwrap()
        })
    }

    /// A socket that asks the resolver.
    pub(crate) fn socket(&self) -> UdpSocket {
        self.inside(|| {
            let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
            socket.connect(RESOLVER).unwrap();
            socket
        })
    }

    pub(crate) fn datagram(&self, question: &[u8]) -> Answer {
        ask_on(&self.socket(), question)
    }

    pub(crate) fn stream(&self, question: &[u8]) -> Answer {
        self.inside(|| {
            let mut stream = TcpStream::connect(RESOLVER).unwrap();
            stream.set_read_timeout(Some(PATIENCE)).unwrap();
            stream.write_all(&framed(question)).unwrap();
            Answer::of(read_framed(&mut stream).unwrap())
        })
    }
}

/// Asks again every other second, as clients do.
pub(crate) fn ask_on(socket: &UdpSocket, question: &[u8]) -> Answer {
    socket
        .set_read_timeout(Some(Duration::from_secs(2)))
        .unwrap();
    let mut buffer = [0; 4096];
    for _ in 0..15 {
        socket.send(question).unwrap();
        if let Ok(length) = socket.recv(&mut buffer) {
            return Answer::of(buffer[..length].to_vec());
        }
    }
    panic!("no answer");
}

fn framed(message: &[u8]) -> Vec<u8> {
    let length = u16::try_from(message.len()).unwrap();
    [&length.to_be_bytes(), message].concat()
}

fn read_framed(stream: &mut TcpStream) -> std::io::Result<Vec<u8>> {
    let mut length = [0; 2];
    stream.read_exact(&mut length)?;
    let mut message = vec![0; usize::from(u16::from_be_bytes(length))];
    stream.read_exact(&mut message)?;
    Ok(message)
}

/// A name server: `known` is at 192.0.2.x, where x is the last part of the
/// server's own address, `none` does not exist, `long` has a hundred
/// addresses, and 127.0.0.1 fails for `broken` and is silent on `silent`.
pub(crate) struct Scripted(Arc<Mutex<Vec<String>>>);

impl Scripted {
    pub(crate) fn at(address: [u8; 4]) -> Self {
        let asked: Arc<Mutex<Vec<String>>> = Arc::default();
        serve(address, &asked);
        Self(asked)
    }

    /// How often `name` was asked for.
    pub(crate) fn asked(&self, name: &str) -> usize {
        let asked = self.0.lock().unwrap();
        asked.iter().filter(|n| *n == name).count()
    }
}

fn serve(address: [u8; 4], asked: &Arc<Mutex<Vec<String>>>) {
    let addr = SocketAddr::from((address, 53));
    let udp = UdpSocket::bind(addr).unwrap();
    let tcp = TcpListener::bind(addr).unwrap();
    let log = asked.clone();
    std::thread::spawn(move || {
        let mut buffer = [0; 4096];
        while let Ok((length, client)) = udp.recv_from(&mut buffer) {
            if let Some(mut answer) = answer(address[3], &buffer[..length], &log) {
                if answer.len() > 512 {
                    answer.truncate(after_name(&answer, 12) + 4);
                    answer[2] |= 0x02;
                    answer[7] = 0;
                }
                let _ = udp.send_to(&answer, client);
            }
        }
    });
    let log = asked.clone();
    std::thread::spawn(move || {
        for mut client in tcp.incoming().flatten() {
            if let Ok(question) = read_framed(&mut client)
                && let Some(answer) = answer(address[3], &question, &log)
            {
                let _ = client.write_all(&framed(&answer));
            }
        }
    });
}

fn answer(own: u8, question: &[u8], log: &Mutex<Vec<String>>) -> Option<Vec<u8>> {
    let end = after_name(question, 12);
    let name = name(&question[12..end]);
    log.lock().unwrap().push(name.clone());
    let label = name.split('.').next()?;
    let (code, count) = match label {
        "silent" if own == 1 => return None,
        "broken" if own == 1 => (2, 0),
        "none" => (3, 0),
        "long" => (0, 100),
        _ => (0, 1),
    };
    let mut answer = question[..end + 4].to_vec();
    (answer[2], answer[3]) = (0x81, 0x80 | code);
    (answer[7], answer[9], answer[11]) = (count, u8::from(code == 3), question[11]);
    for n in 0..count {
        answer.extend(b"\xc0\x0c\0\x01\0\x01\0\0\x01\x2c\0\x04\xc0\0\x02");
        answer.push(own + n);
    }
    if code == 3 {
        // An SOA of the root: two empty names and five numbers.
        answer.extend(b"\0\0\x06\0\x01\0\0\x01\x2c\0\x16\0\0");
        answer.extend([1, 2, 3, 4, 300].map(u32::to_be_bytes).concat());
    }
    answer.extend(&question[end + 4..]);
    Some(answer)
}

fn name(mut bytes: &[u8]) -> String {
    let mut labels = Vec::new();
    while let Some((length, rest)) = bytes.split_first().filter(|(length, _)| **length > 0) {
        let (label, rest) = rest.split_at(usize::from(*length));
        labels.push(String::from_utf8_lossy(label).into_owned());
        bytes = rest;
    }
    labels.join(".")
}
