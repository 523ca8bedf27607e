//! The resolver of a container on networks with names: 127.0.0.11 port 53 in
//! its own network namespace, served from here.
//!
//! ```text
//! question ─▶ answer: a neighbour's name or address? ─▶ its addresses, its name
//!                └─▶ forward: the request's or the host's servers, from the
//!                    host's namespace; none from internal networks
//! ```
//!
//! The sockets were made before the container's process; a daemon that starts
//! anew makes them again. What a container may have under way at once is
//! bounded, so that one that floods its resolver costs only itself.

mod answer;
mod forward;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bulkhead_engine::Engine;
use bulkhead_model::ContainerId;
use bulkhead_model::network::ResolverSockets;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::sync::Semaphore;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::timeout;

use answer::{Judged, Neighbours};

/// Questions of one container under way at once.
const UNDER_WAY: usize = 128;
/// A TCP client that is silent for so long is let go.
const IDLE: Duration = Duration::from_secs(10);
/// RFC 1035 section 4.2.1, and what RFC 6891 lets a client raise it to.
const MAX_DATAGRAM: usize = 4096;

/// A running resolver; dropping it ends it.
#[derive(Debug)]
pub struct Resolver(AbortHandle);

impl Drop for Resolver {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Serves a container's sockets until the result is dropped.
pub fn serve(
    engine: Arc<Engine>,
    id: ContainerId,
    sockets: ResolverSockets,
) -> std::io::Result<Resolver> {
    sockets.udp.set_nonblocking(true)?;
    sockets.tcp.set_nonblocking(true)?;
    let udp = Arc::new(UdpSocket::from_std(sockets.udp)?);
    let tcp = TcpListener::from_std(sockets.tcp)?;
    let asker = Arc::new(Asker {
        engine,
        id,
        places: Semaphore::new(UNDER_WAY),
    });
    let task = tokio::spawn(async move {
        tokio::join!(datagrams(udp, asker.clone()), connections(tcp, asker));
    });
    Ok(Resolver(task.abort_handle()))
}

/// The container that asks.
struct Asker {
    engine: Arc<Engine>,
    id: ContainerId,
    places: Semaphore,
}

impl Neighbours for Asker {
    fn addresses_of(&self, name: &str) -> Vec<Ipv4Addr> {
        self.engine.addresses_of(&self.id, name)
    }

    fn name_at(&self, address: Ipv4Addr) -> Option<String> {
        self.engine.name_at(&self.id, address)
    }
}

impl Asker {
    fn forwarders(&self) -> Vec<IpAddr> {
        self.engine.forwarders(&self.id)
    }

    /// The answer to one question; `None` for what deserves none.
    async fn answer(&self, question: &[u8], transport: Transport) -> Option<Vec<u8>> {
        let _place = self.places.acquire().await.ok()?;
        let limit = match transport {
            Transport::Datagram => None,
            Transport::Stream => Some(usize::from(u16::MAX)),
        };
        match answer::judge(question, limit, self) {
            Judged::Nothing => None,
            Judged::Answer(answer) => Some(answer),
            Judged::Forward => {
                let servers = self.forwarders();
                let forwarded = match transport {
                    Transport::Datagram => forward::datagram(question, &servers).await,
                    Transport::Stream => forward::stream(question, &servers).await,
                };
                forwarded.or_else(|| answer::failure(question))
            }
        }
    }
}

#[derive(Clone, Copy)]
enum Transport {
    Datagram,
    Stream,
}

async fn datagrams(socket: Arc<UdpSocket>, asker: Arc<Asker>) {
    let mut under_way = JoinSet::new();
    let mut buffer = [0; MAX_DATAGRAM];
    loop {
        while under_way.try_join_next().is_some() {}
        if under_way.len() >= UNDER_WAY {
            under_way.join_next().await;
        }
        let Ok((length, client)) = socket.recv_from(&mut buffer).await else {
            // The error of an answer that could not be delivered.
            continue;
        };
        let question = buffer[..length].to_vec();
        under_way.spawn(reply(socket.clone(), asker.clone(), question, client));
    }
}

async fn reply(socket: Arc<UdpSocket>, asker: Arc<Asker>, question: Vec<u8>, client: SocketAddr) {
    if let Some(answer) = asker.answer(&question, Transport::Datagram).await {
        // A client that went away meanwhile misses nothing.
        let _ = socket.send_to(&answer, client).await;
    }
}

async fn connections(listener: TcpListener, asker: Arc<Asker>) {
    let mut open = JoinSet::new();
    loop {
        while open.try_join_next().is_some() {}
        if open.len() >= UNDER_WAY {
            open.join_next().await;
        }
        match listener.accept().await {
            Ok((client, _)) => drop(open.spawn(converse(client, asker.clone()))),
            // Out of descriptors, most likely: others will close some.
            Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    }
}

async fn converse(mut client: TcpStream, asker: Arc<Asker>) -> Option<()> {
    loop {
        let question = timeout(IDLE, read_message(&mut client)).await.ok()??;
        let answer = asker.answer(&question, Transport::Stream).await?;
        timeout(IDLE, write_message(&mut client, &answer))
            .await
            .ok()??;
    }
}

/// Messages on a stream carry their length in front (RFC 1035 section 4.2.2).
async fn read_message(stream: &mut TcpStream) -> Option<Vec<u8>> {
    let length = stream.read_u16().await.ok()?;
    let mut message = vec![0; usize::from(length)];
    stream.read_exact(&mut message).await.ok()?;
    Some(message)
}

async fn write_message(stream: &mut TcpStream, message: &[u8]) -> Option<()> {
    let length = u16::try_from(message.len()).ok()?;
    let mut framed = length.to_be_bytes().to_vec();
    framed.extend_from_slice(message);
    stream.write_all(&framed).await.ok()
}
