//! The resolver of a container on networks with names: 127.0.0.11 port 53 in
//! its own network namespace, served from here.
//!
//! ```text
//! question ─▶ answer: a neighbour's name or address? ─▶ its addresses, its name
//!                ├─▶ cache: asked before, and still true? ─▶ the same answer
//!                └─▶ forward: the request's servers, from the container's
//!                    namespace, or the host's, from the host's; from
//!                    internal networks nobody but the request's
//! ```
//!
//! The sockets were made before the container's process; a daemon that starts
//! anew makes them again. Questions about neighbours are answered at once and
//! in turn. Those that others answer are bounded in number, so that a
//! container that floods its resolver costs only itself.

mod answer;
mod cache;
mod forward;
mod message;
mod stream;

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bulkhead_engine::Engine;
use bulkhead_engine::networks::names::Forwarders;
use bulkhead_model::ContainerId;
use bulkhead_model::network::ResolverSockets;
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::runtime::Runtime;
use tokio::sync::Semaphore;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::timeout;

use answer::{Judged, Neighbours};
use cache::Cache;
use forward::{Forwarder, Transport};
use stream::{read_message, write_message};

/// Questions of one container that others are asked at the same time.
const UNDER_WAY: usize = 128;
/// Its open connections.
const CONNECTIONS: usize = 32;
/// A TCP client that is silent for so long is let go.
const IDLE: Duration = Duration::from_secs(10);
/// What RFC 6891 lets a client raise a datagram's 512 bytes to.
const MAX_DATAGRAM: usize = 4096;

/// Every container's resolver, on a thread of their own: containers that ask
/// much take nothing from the daemon's clients.
#[derive(Debug)]
pub struct Resolvers {
    /// Absent once it was given up.
    runtime: Option<Runtime>,
    running: Mutex<HashMap<ContainerId, AbortHandle>>,
}

impl Resolvers {
    /// Starts the thread.
    pub fn start() -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("names")
            .enable_all()
            .build()?;
        Ok(Self {
            runtime: Some(runtime),
            running: Mutex::default(),
        })
    }

    /// Serves a container's sockets until [`Resolvers::end`], in place of
    /// those it had.
    pub fn serve(
        &self,
        engine: Arc<Engine>,
        id: &ContainerId,
        sockets: ResolverSockets,
    ) -> io::Result<()> {
        let Some(runtime) = &self.runtime else {
            return Ok(());
        };
        let _in_runtime = runtime.enter();
        sockets.udp.set_nonblocking(true)?;
        sockets.tcp.set_nonblocking(true)?;
        let udp = Arc::new(UdpSocket::from_std(sockets.udp)?);
        let tcp = TcpListener::from_std(sockets.tcp)?;
        let asker = Arc::new(Asker {
            engine,
            id: id.clone(),
            namespace: Arc::new(sockets.namespace),
            places: Arc::new(Semaphore::new(UNDER_WAY)),
            forwarder: Forwarder::default(),
            known: Mutex::default(),
        });
        let task = runtime.spawn(async move {
            tokio::join!(datagrams(udp, asker.clone()), connections(tcp, asker));
        });
        let before = self.lock().insert(id.clone(), task.abort_handle());
        before.iter().for_each(AbortHandle::abort);
        Ok(())
    }

    /// A container has ended.
    pub fn end(&self, id: &ContainerId) {
        let running = self.lock().remove(id);
        running.iter().for_each(AbortHandle::abort);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<ContainerId, AbortHandle>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Resolvers {
    fn drop(&mut self) {
        // A runtime may not wait for its threads where others wait for it.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// The container that asks.
struct Asker {
    engine: Arc<Engine>,
    id: ContainerId,
    namespace: Arc<OwnedFd>,
    places: Arc<Semaphore>,
    forwarder: Forwarder,
    known: Mutex<Known>,
}

/// Answers, and whose they are.
#[derive(Default)]
struct Known {
    of: Forwarders,
    cache: Cache,
}

impl Neighbours for Asker {
    fn addresses_of(&self, name: &str) -> Option<Vec<IpAddr>> {
        self.engine.addresses_of(&self.id, name)
    }

    fn name_at(&self, address: IpAddr) -> Option<String> {
        self.engine.name_at(&self.id, address)
    }
}

/// What can be said of a question without asking anybody.
enum Now {
    Answer(Option<Vec<u8>>),
    Ask(Forwarders),
}

impl Asker {
    fn now(&self, question: &[u8], limit: Option<usize>) -> Now {
        match answer::judge(question, limit, self) {
            Judged::Nothing => Now::Answer(None),
            Judged::Answer(answer) => Now::Answer(Some(answer)),
            Judged::Forward { bare } => self.elsewhere(question, bare),
        }
    }

    fn elsewhere(&self, question: &[u8], bare: bool) -> Now {
        let forwarders = self.engine.forwarders(&self.id);
        if bare && forwarders.ndots {
            return Now::Answer(answer::empty(question));
        }
        if forwarders.servers.is_empty() {
            return Now::Answer(answer::failure(question));
        }
        let mut known = self.known();
        if known.of != forwarders {
            known.of.clone_from(&forwarders);
            known.cache.clear();
        }
        match known.cache.get(question, Instant::now()) {
            Some(answer) => Now::Answer(Some(answer)),
            None => Now::Ask(forwarders),
        }
    }

    async fn ask(
        &self,
        question: &[u8],
        transport: Transport,
        whom: &Forwarders,
    ) -> Option<Vec<u8>> {
        let inside = whom.inside.then(|| self.namespace.clone());
        let servers = &whom.servers;
        let answered = self
            .forwarder
            .ask(question, transport, servers, inside)
            .await;
        if let Some(answer) = &answered {
            let mut known = self.known();
            if known.of == *whom && transport == Transport::Datagram {
                known.cache.put(question, answer, Instant::now());
            }
        }
        answered.or_else(|| answer::failure(question))
    }

    fn known(&self) -> std::sync::MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn datagrams(socket: Arc<UdpSocket>, asker: Arc<Asker>) {
    let mut under_way = JoinSet::new();
    let mut buffer = [0; MAX_DATAGRAM];
    loop {
        while under_way.try_join_next().is_some() {}
        let Ok((length, client)) = socket.recv_from(&mut buffer).await else {
            // The error of an answer that could not be delivered.
            continue;
        };
        let question = &buffer[..length];
        let answer = match asker.now(question, None) {
            Now::Answer(answer) => answer,
            Now::Ask(whom) => match asker.places.clone().try_acquire_owned() {
                Ok(place) => {
                    let (socket, asker) = (socket.clone(), asker.clone());
                    let question = question.to_vec();
                    under_way.spawn(async move {
                        let _place = place;
                        let answer = asker.ask(&question, Transport::Datagram, &whom).await;
                        reply(&socket, answer, client).await;
                    });
                    continue;
                }
                Err(_) => answer::failure(question),
            },
        };
        reply(&socket, answer, client).await;
    }
}

async fn reply(socket: &UdpSocket, answer: Option<Vec<u8>>, client: SocketAddr) {
    if let Some(answer) = answer {
        // A client that went away meanwhile misses nothing.
        let _ = socket.send_to(&answer, client).await;
    }
}

async fn connections(listener: TcpListener, asker: Arc<Asker>) {
    let mut open = JoinSet::new();
    loop {
        while open.try_join_next().is_some() {}
        if open.len() >= CONNECTIONS {
            open.join_next().await;
        }
        match listener.accept().await {
            Ok((client, _)) => drop(open.spawn(converse(client, asker.clone()))),
            // Out of descriptors, most likely: others will close some.
            Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    }
}

/// Ends with the client, or with one that says nothing.
async fn converse(mut client: TcpStream, asker: Arc<Asker>) -> Option<()> {
    loop {
        let question = timeout(IDLE, read_message(&mut client)).await.ok()?.ok()?;
        let answer = match asker.now(&question, Some(usize::from(u16::MAX))) {
            Now::Answer(answer) => answer,
            Now::Ask(whom) => {
                let _place = asker.places.acquire().await.ok()?;
                asker.ask(&question, Transport::Stream, &whom).await
            }
        };
        let answer = answer?;
        let written = timeout(IDLE, write_message(&mut client, &answer)).await;
        written.ok()?.ok()?;
    }
}
