//! What the routes share.

use std::sync::{Arc, PoisonError, RwLock, Weak};

use bulkhead_engine::{End, Engine, EngineError, Follow};
use bulkhead_model::network::ResolverSockets;
use bulkhead_model::process::Running;
use bulkhead_model::{ContainerId, ExecId};

use crate::config::Settings;
use crate::follow::follow;
use crate::resolver::Resolvers;
use crate::status::ApiError;

/// The running daemon.
pub struct Daemon {
    /// Carries out every operation.
    pub engine: Arc<Engine>,
    /// The engine's runtime once more: what it can do beyond a plan.
    pub runtime: Arc<bulkhead_runtime::Runtime>,
    /// Identifies this daemon: made once, kept in the data root.
    pub id: String,
    /// What `info` says of the plugins, one line each.
    pub plugins: Vec<(String, String)>,
    /// The data root, as it was given.
    pub data_root: std::path::PathBuf,
    /// The configuration in force.
    pub settings: RwLock<Arc<Settings>>,
    /// Looks at what containers use.
    pub samplers: crate::samplers::Samplers,
    /// Who prunes.
    pub prunes: crate::prunes::Prunes,
    /// Wakes those who follow logs.
    pub log_watch: crate::log_watch::LogWatch,
    /// Speaks to registries; what it may do can be configured anew.
    pub registries: Arc<bulkhead_fetch::Fetcher>,
}

impl Daemon {
    /// The configuration in force.
    pub fn settings(&self) -> Arc<Settings> {
        let settings = self.settings.read();
        settings.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Runs an operation of the engine on a thread that may block.
    pub async fn blocking<T, F>(&self, operation: F) -> Result<T, ApiError>
    where
        T: Send + 'static,
        F: FnOnce(&Engine) -> Result<T, EngineError> + Send + 'static,
    {
        let engine = self.engine.clone();
        let done = tokio::task::spawn_blocking(move || operation(&engine)).await;
        Ok(done.map_err(|_| ApiError::Panicked)??)
    }

    /// Stops every running container, all at once; those that take longer
    /// than `limit` are killed.
    pub async fn stop_all(&self, limit: std::time::Duration) {
        let seconds = i64::try_from(limit.as_secs()).unwrap_or(-1);
        let all = self.engine.containers.all();
        let running = all
            .iter()
            .map(|c| c.record())
            .filter(|r| r.state.is_running());
        let stops = running.map(|record| async move {
            let timeout = record
                .spec
                .stop_timeout
                .map_or(seconds, |own| own.min(seconds));
            if let Err(error) = self
                .engine
                .stop(record.id.as_str(), None, Some(timeout))
                .await
            {
                tracing::warn!(container = %record.id, %error, "stopping a container");
            }
        });
        futures_util::future::join_all(stops).await;
    }

    /// Takes the daemon's own cgroups, bridges and packet-filter table away
    /// when no container runs that needs them.
    pub fn retire(&self) {
        let all = self.engine.containers.all();
        if all.iter().any(|c| c.record().state.is_running()) {
            return;
        }
        let bridges = self.engine.networks.interfaces();
        if let Err(error) = self.runtime.retire(&bridges) {
            tracing::warn!(
                error = bulkhead_model::error::message(&error),
                "leaving the kernel as it was found"
            );
        }
    }

    /// Follows the shim of a process that was started later.
    pub fn follow_exec(&self, id: ExecId, running: Running) {
        let engine = self.engine.clone();
        tokio::spawn(async move {
            let status = follow(running.shim, || engine.exec_detached(&id)).await;
            let told = tokio::task::spawn_blocking(move || engine.exec_exited(&id, status));
            if told.await.is_err() {
                tracing::error!("recording a process's end");
            }
        });
    }
}

/// Follows shims, and answers for names, on behalf of the engine.
pub struct Shims {
    engine: Weak<Engine>,
    resolvers: Arc<Resolvers>,
}

impl Shims {
    /// Starts what answers for names.
    pub fn of(engine: &Arc<Engine>) -> std::io::Result<Self> {
        Ok(Self {
            engine: Arc::downgrade(engine),
            resolvers: Arc::new(Resolvers::start()?),
        })
    }
}

impl Follow for Shims {
    fn end_of(&self, id: &ContainerId, running: Running) -> End {
        if let Some(sockets) = running.resolver {
            self.answer_names(id, sockets);
        }
        let (engine, id) = (self.engine.clone(), id.clone());
        let resolvers = self.resolvers.clone();
        Box::pin(async move {
            let detached = || engine.upgrade().iter().for_each(|e| e.detached(&id));
            let end = follow(running.shim, detached).await;
            resolvers.end(&id);
            end
        })
    }

    fn answer_names(&self, id: &ContainerId, sockets: ResolverSockets) {
        let Some(engine) = self.engine.upgrade() else {
            return;
        };
        if let Err(error) = self.resolvers.serve(engine, id, sockets) {
            tracing::warn!(container = %id, %error, "answering a container's questions for names");
        }
    }
}
