//! Accepts connections and turns each request into one call.

use std::sync::Arc;
use std::time::Duration;

use bulkhead_api::route::{Method, Route};
use bulkhead_api::version;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};

use crate::daemon::Daemon;
use crate::listen::{self, Listener};
use crate::reply::{self, Body};
use crate::routes;
use crate::status::ApiError;

/// A client that has not sent its request's head by then is let go.
const HEAD_WITHIN: Duration = Duration::from_secs(30);
/// The largest request head, bytes.
const MAX_HEAD: usize = 64 * 1024;

/// Serves until the listener fails for good.
pub async fn serve(listener: Listener, daemon: Arc<Daemon>) {
    loop {
        match listener.accept().await {
            Ok(incoming) => drop(tokio::spawn(client(incoming, daemon.clone()))),
            Err(error) => {
                // Out of descriptors, most likely: others will close some.
                tracing::warn!(%error, "accepting a connection");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
}

async fn client(incoming: listen::Incoming, daemon: Arc<Daemon>) {
    match incoming {
        listen::Incoming::Unix(stream) => connection(stream, daemon).await,
        listen::Incoming::Tcp(stream) => connection(stream, daemon).await,
        listen::Incoming::Tls(stream, acceptor) => match listen::secure(stream, &acceptor).await {
            Ok(stream) => connection(stream, daemon).await,
            Err(error) => tracing::info!(%error, "a client was turned away in the TLS handshake"),
        },
    }
}

async fn connection<S>(stream: S, daemon: Arc<Daemon>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = service_fn(move |request| {
        let daemon = daemon.clone();
        async move { Ok::<_, std::convert::Infallible>(answer(&daemon, request).await) }
    });
    let served = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_WITHIN)
        .max_buf_size(MAX_HEAD)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades()
        .await;
    if let Err(error) = served {
        tracing::debug!(%error, "connection ended");
    }
}

async fn answer(daemon: &Arc<Daemon>, request: Request<Incoming>) -> Response<Body> {
    let method = request.method().clone();
    let path = request.uri().path().to_owned();
    let mut response = dispatch(daemon, request).await.unwrap_or_else(|error| {
        tracing::debug!(%method, path, error = error.message(), "call failed");
        reply::error(&error)
    });
    reply::brand(&mut response);
    response
}

async fn dispatch(
    daemon: &Arc<Daemon>,
    request: Request<Incoming>,
) -> Result<Response<Body>, ApiError> {
    let (version, path) = version::split_path(request.uri().path())?;
    let method = Method::from_name(request.method().as_str()).ok_or(ApiError::NoSuchPage)?;
    let route = Route::find(method, path).ok_or(ApiError::NoSuchPage)?;
    let query = request.uri().query().unwrap_or_default().to_owned();
    let query = query.as_str();
    match route {
        Route::Ping => Ok(reply::ping(method)),
        Route::Version => Ok(routes::system::version(daemon)),
        Route::Info => routes::info::info(daemon, version).await,
        Route::ContainerCreate => routes::containers::create(daemon, query, request).await,
        Route::ContainerList => routes::list::list(daemon, version, query).await,
        Route::ContainerInspect(id) => routes::inspect::inspect(daemon, version, &id, query).await,
        Route::ContainerStart(id) => routes::containers::start(daemon, &id).await,
        Route::ContainerStop(id) => routes::containers::stop(daemon, &id, query).await,
        Route::ContainerRestart(id) => routes::containers::restart(daemon, &id, query).await,
        Route::ContainerKill(id) => routes::containers::kill(daemon, &id, query).await,
        Route::ContainerRemove(id) => routes::containers::remove(daemon, &id, query).await,
        Route::ContainerResize(id) => routes::containers::resize(daemon, id, query).await,
        Route::ContainerPause(id) => routes::containers::pause(daemon, &id).await,
        Route::ContainerUnpause(id) => routes::containers::unpause(daemon, &id).await,
        Route::ContainerRename(id) => routes::containers::rename(daemon, &id, query).await,
        Route::ContainerWait(id) => routes::wait::wait(daemon, &id, query),
        Route::ContainerAttach(id) => routes::attach::attach(daemon, &id, query, request).await,
        Route::ContainerAttachWebsocket(id) => {
            routes::attach::attach_websocket(daemon, &id, query, request).await
        }
        Route::ContainerLogs(id) => routes::logs::logs(daemon, id, query).await,
        Route::ContainerChanges(id) => routes::archive::changes(daemon, id).await,
        Route::ContainerExport(id) => routes::archive::export(daemon, id).await,
        Route::ArchiveStat(id) => routes::archive::stat(daemon, id, query).await,
        Route::ArchiveGet(id) => routes::archive::get(daemon, id, query).await,
        Route::ArchivePut(id) => routes::archive::put(daemon, id, query, request).await,
        Route::ContainerTop(id) => routes::stats::top(daemon, id, query).await,
        Route::ContainerStats(id) => routes::stats::stats(daemon, &id, query).await,
        Route::ContainerUpdate(id) => routes::update::update(daemon, &id, request).await,
        Route::ExecCreate(id) => routes::exec::create(daemon, id, request).await,
        Route::ExecStart(id) => routes::exec::start(daemon, id, request).await,
        Route::ExecResize(id) => routes::exec::resize(daemon, id, query).await,
        Route::ExecInspect(id) => routes::exec::inspect(daemon, &id),
        Route::ContainerTrace(id) => routes::trace::trace(daemon, id, query).await,
        Route::NetworkList => routes::networks::list(daemon, query).await,
        Route::NetworkCreate => routes::networks::create(daemon, request).await,
        Route::NetworkPrune => routes::networks::prune(daemon, query).await,
        Route::NetworkInspect(id) => routes::networks::inspect(daemon, id, query).await,
        Route::NetworkConnect(id) => routes::networks::connect(daemon, id, request).await,
        Route::NetworkDisconnect(id) => routes::networks::disconnect(daemon, id, request).await,
        Route::NetworkRemove(id) => routes::networks::remove(daemon, id).await,
        Route::VolumeList => routes::volumes::list(daemon, query).await,
        Route::VolumeCreate => routes::volumes::create(daemon, request).await,
        Route::VolumePrune => routes::volumes::prune(daemon, query, version).await,
        Route::VolumeInspect(name) => routes::volumes::inspect(daemon, name).await,
        Route::VolumeUpdate(name) => routes::volumes::update(daemon, name, request).await,
        Route::VolumeBackup(name) => routes::volumes::backup(daemon, name).await,
        Route::VolumeRestore(name) => routes::volumes::restore(daemon, name, request).await,
        Route::VolumeRemove(name) => routes::volumes::remove(daemon, name, query).await,
        Route::Events => routes::events::events(daemon, version, query, request.headers()),
        Route::Auth => routes::login::login(daemon, request).await,
        Route::SystemCheck => routes::check::check(daemon, query).await,
        Route::SystemFirewall => routes::firewall::firewall(daemon).await,
        Route::DiskUsage => routes::usage::usage(daemon, version, query).await,
        Route::ContainerPrune => routes::prune::containers(daemon, query).await,
        Route::ImagePrune => routes::prune::images(daemon, query).await,
        Route::BuildPrune => Ok(routes::system::build_prune()),
        Route::PluginList => Ok(reply::json(StatusCode::OK, &[(); 0])),
        Route::PluginInspect(name) => Err(ApiError::NoSuchPlugin(name)),
        Route::Swarm => Err(ApiError::NoSwarm),
        Route::ImageList => routes::images::list(daemon, version, query).await,
        Route::ImageCreate => routes::images::create(daemon, query, request).await,
        Route::ImageInspect(name) => routes::images::inspect(daemon, version, name).await,
        Route::ImageHistory(name) => routes::images::history(daemon, name).await,
        Route::ImageTag(name) => routes::images::tag(daemon, name, query).await,
        Route::Commit => routes::commit::commit(daemon, query, request).await,
        Route::ImageSave(name) => routes::image_archive::save(daemon, Some(name), query).await,
        Route::ImagesSave => routes::image_archive::save(daemon, None, query).await,
        Route::ImageLoad => routes::image_archive::load(daemon, query, request).await,
        Route::ImagePush(name) => routes::push::push(daemon, name, query, &request).await,
        Route::ImageSearch => routes::distribution::search(daemon, query, &request).await,
        Route::DistributionInspect(name) => {
            routes::distribution::inspect(daemon, &name, &request).await
        }
        Route::DistributionManifest(name) => {
            routes::distribution::document(daemon, &name, &request).await
        }
        Route::DistributionReferrers(name) => {
            routes::distribution::referrers(daemon, &name, &request).await
        }
        Route::ImageRemove(name) => routes::images::remove(daemon, name, query).await,
    }
}
