//! Questions that others answer, passed on byte by byte.
//!
//! Servers are asked in their order. The next one is asked as well when one
//! is silent for a while or says that it cannot tell; whose answer comes
//! first is believed. One that let others answer is asked last for a while.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bulkhead_sys::netlink::in_namespace;
use tokio::net::{TcpSocket, UdpSocket};
use tokio::task::JoinSet;
use tokio::time::{timeout, timeout_at};

use super::message::{answers, code, id, with_id};
use super::stream::{read_message, write_message};

/// How long one server may be silent before the next is asked too.
const PATIENCE: Duration = Duration::from_millis(1500);
/// Clients give up after five seconds (resolv.conf(5)).
const LIMIT: Duration = Duration::from_millis(4500);
/// How long a server that did not answer in time is asked after the others.
const DISTRUST: Duration = Duration::from_secs(30);
/// Servers that are asked: as many as resolv.conf(5) has.
const SERVERS: usize = 3;
const PORT: u16 = 53;

/// NOERROR and NXDOMAIN; any other code says that the server cannot tell.
const SAYS: [u8; 2] = [0, 3];

/// By which transport a question came, and goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Transport {
    Datagram,
    Stream,
}

/// Asks servers from one network namespace.
#[derive(Debug, Default)]
pub(super) struct Forwarder {
    /// Servers that let others answer, and when.
    late: Mutex<HashMap<IpAddr, Instant>>,
}

impl Forwarder {
    /// The first answer of `servers`; where none can tell, what the first of
    /// them said instead. They are asked from `inside`, or from the host.
    pub(super) async fn ask(
        &self,
        question: &[u8],
        transport: Transport,
        servers: &[IpAddr],
        inside: Option<Arc<OwnedFd>>,
    ) -> Option<Vec<u8>> {
        let end = tokio::time::Instant::now() + LIMIT;
        let mut left = self.in_order(servers).into_iter();
        let mut asked = JoinSet::new();
        let mut excuse = None;
        loop {
            let more = left.next();
            if let Some(server) = more {
                let exchange = exchange(question.to_vec(), transport, server, inside.clone());
                asked.spawn(async move { (server, exchange.await) });
            }
            let patience = match more {
                Some(_) => end.min(tokio::time::Instant::now() + PATIENCE),
                None => end,
            };
            match timeout_at(patience, asked.join_next()).await {
                Ok(Some(Ok((server, Ok(answer))))) if says(&answer) => {
                    self.trust(server);
                    return Some(answer);
                }
                Ok(Some(Ok((_, Ok(answer))))) => excuse = excuse.or(Some(answer)),
                Ok(Some(_)) => {}
                // Nobody is left to answer.
                Ok(None) if more.is_none() => return excuse,
                Ok(None) => {}
                Err(_) if more.is_none() => return excuse,
                Err(_) => self.distrust(more),
            }
        }
    }

    fn in_order(&self, servers: &[IpAddr]) -> Vec<IpAddr> {
        let mut late = self.late.lock().unwrap_or_else(PoisonError::into_inner);
        late.retain(|_, since| since.elapsed() < DISTRUST);
        let mut order: Vec<_> = servers.iter().take(SERVERS).copied().collect();
        order.sort_by_key(|server| late.contains_key(server));
        order
    }

    fn trust(&self, server: IpAddr) {
        let mut late = self.late.lock().unwrap_or_else(PoisonError::into_inner);
        late.remove(&server);
    }

    fn distrust(&self, server: Option<IpAddr>) {
        let mut late = self.late.lock().unwrap_or_else(PoisonError::into_inner);
        late.extend(server.map(|server| (server, Instant::now())));
    }
}

fn says(answer: &[u8]) -> bool {
    code(answer).is_some_and(|code| SAYS.contains(&code))
}

/// A socket of its own and a fresh id for each question: who guesses answers
/// must guess both, and the kernel takes none from another server.
async fn exchange(
    question: Vec<u8>,
    transport: Transport,
    server: IpAddr,
    inside: Option<Arc<OwnedFd>>,
) -> io::Result<Vec<u8>> {
    let wanted = id(&question).ok_or(io::ErrorKind::InvalidInput)?;
    let asked = with_id(&question, fresh_id()?).ok_or(io::ErrorKind::InvalidInput)?;
    let answered = match transport {
        Transport::Datagram => datagram(&asked, server, inside).await?,
        Transport::Stream => timeout(LIMIT, stream(&asked, server, inside)).await??,
    };
    with_id(&answered, wanted).ok_or_else(|| io::ErrorKind::InvalidData.into())
}

async fn datagram(
    asked: &[u8],
    server: IpAddr,
    inside: Option<Arc<OwnedFd>>,
) -> io::Result<Vec<u8>> {
    let any: IpAddr = match server {
        IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let socket = made_in(inside, move || std::net::UdpSocket::bind((any, 0))).await?;
    socket.set_nonblocking(true)?;
    let socket = UdpSocket::from_std(socket)?;
    socket.connect(SocketAddr::new(server, PORT)).await?;
    socket.send(asked).await?;
    let mut buffer = vec![0; usize::from(u16::MAX)];
    loop {
        let length = socket.recv(&mut buffer).await?;
        if answers(&buffer[..length], asked) {
            buffer.truncate(length);
            return Ok(buffer);
        }
    }
}

async fn stream(asked: &[u8], server: IpAddr, inside: Option<Arc<OwnedFd>>) -> io::Result<Vec<u8>> {
    let socket = made_in(inside, move || match server {
        IpAddr::V4(_) => TcpSocket::new_v4(),
        IpAddr::V6(_) => TcpSocket::new_v6(),
    });
    let socket = socket.await?;
    let mut stream = socket.connect(SocketAddr::new(server, PORT)).await?;
    write_message(&mut stream, asked).await?;
    let answer = read_message(&mut stream).await?;
    match answers(&answer, asked) {
        true => Ok(answer),
        false => Err(io::ErrorKind::InvalidData.into()),
    }
}

/// A socket is in the namespace in which it is made.
async fn made_in<T: Send + 'static>(
    namespace: Option<Arc<OwnedFd>>,
    make: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    let Some(namespace) = namespace else {
        return make();
    };
    let made = tokio::task::spawn_blocking(move || in_namespace(namespace.as_fd(), make));
    made.await?.map_err(io::Error::other)?
}

fn fresh_id() -> io::Result<[u8; 2]> {
    let mut id = [0; 2];
    getrandom::fill(&mut id).map_err(io::Error::other)?;
    Ok(id)
}
