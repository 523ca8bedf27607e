//! The task that owns one container.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use bulkhead_model::container::{After, Decision, Life, Refusal, Request, State};
use bulkhead_model::health::Probe;
use bulkhead_model::process::{ExitStatus, ProcessRef, Running};
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::ends::{Purpose, Waiters};
use super::{Begin, Ending, Message, Pausing, Reply};
use crate::Engine;
use crate::container::Container;
use crate::containers::Entry;
use crate::error::EngineError;
use crate::exited::{Then, take_up};
use crate::recover::life_of;
use crate::stop::SIGKILL;

/// The end of a process: its status, unless its shim was lost.
pub type End = Pin<Box<dyn Future<Output = Option<ExitStatus>> + Send>>;

/// A health check that runs.
pub(super) type Probing = Pin<Box<dyn Future<Output = Probe> + Send>>;

/// One container's owner.
pub(crate) struct Driver {
    pub(super) engine: Arc<Engine>,
    pub(super) entry: Arc<Entry>,
    pub(super) life: Life,
    pub(super) end: Option<End>,
    waiters: Waiters,
    /// A removal that waits for the end takes the volumes along.
    volumes: bool,
    /// When the restart policy starts it.
    due: Option<Instant>,
    /// When its health is looked at.
    pub(super) probe_due: Option<Instant>,
    pub(super) probe: Option<Probing>,
    gone: bool,
}

/// What a driver wakes up for.
enum Step {
    Ended(Option<ExitStatus>),
    Asked(Message),
    Probed(Probe),
    Due,
}

impl Driver {
    pub(super) fn new(engine: Arc<Engine>, entry: Arc<Entry>) -> Self {
        Self {
            life: life_of(&entry.record()),
            engine,
            entry,
            end: None,
            waiters: Waiters::default(),
            volumes: false,
            due: None,
            probe_due: None,
            probe: None,
            gone: false,
        }
    }

    /// Serves until the container is gone. Requests that are still waiting
    /// then are dropped, which tells those who asked.
    pub(super) async fn run(mut self, mut mailbox: mpsc::Receiver<Message>, begin: Begin) {
        match begin {
            Begin::Rest => {}
            Begin::Follow(running) => self.follow(running),
            Begin::StartIn(wait) => self.due = Some(Instant::now() + wait),
        }
        while !self.gone {
            match self.next(&mut mailbox).await {
                Some(Step::Ended(status)) => self.ended(status).await,
                Some(Step::Asked(message)) => self.serve(message).await,
                Some(Step::Probed(probe)) => self.probed(probe).await,
                Some(Step::Due) => self.due(Instant::now()).await,
                None => return,
            }
        }
    }

    async fn next(&mut self, mailbox: &mut mpsc::Receiver<Message>) -> Option<Step> {
        let timers = self.due.into_iter().chain(self.probe_due);
        let deadline = self.waiters.deadline().into_iter().chain(timers).min();
        let end = async {
            match &mut self.end {
                Some(end) => end.await,
                None => std::future::pending().await,
            }
        };
        let probe = async {
            match &mut self.probe {
                Some(probe) => probe.await,
                None => std::future::pending().await,
            }
        };
        let timer = async {
            match deadline {
                Some(at) => tokio::time::sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            status = end => Some(Step::Ended(status)),
            message = mailbox.recv() => message.map(Step::Asked),
            probe = probe => Some(Step::Probed(probe)),
            () = timer => Some(Step::Due),
        }
    }

    async fn serve(&mut self, message: Message) {
        match message {
            Message::Start(reply) => self.start(reply).await,
            Message::Stop(ending, reply) => self.stop(ending, reply).await,
            Message::Kill(signal, reply) => {
                let done = self.kill(signal).await;
                answer(reply, done);
            }
            Message::Pause(pausing, reply) => {
                let done = self.freeze(Request::Pause, pausing).await;
                answer(reply, done);
            }
            Message::Unpause(reply) => {
                let done = self.freeze(Request::Unpause, Pausing::User).await;
                answer(reply, done);
            }
            Message::Restart(ending, reply) => self.restart(ending, reply).await,
            Message::Change(request, change, reply) => {
                let done = match self.accept(request) {
                    Ok(decision) => {
                        let done = self.blocking(move |engine, entry| change(engine, entry));
                        done.await.map(|()| decision)
                    }
                    Err(error) => Err(error),
                };
                answer(reply, done);
            }
            Message::Remove {
                force,
                volumes,
                reply,
            } => self.remove(force, volumes, reply).await,
        }
    }

    async fn start(&mut self, reply: Reply) {
        let done = match self.accept(Request::Start) {
            Ok(Decision::Proceed) => self.start_by_hand().await.map(|()| Decision::Proceed),
            other => other,
        };
        answer(reply, done);
    }

    async fn stop(&mut self, ending: Ending, reply: Reply) {
        match self.accept(Request::Stop) {
            Ok(Decision::EndFirst) => self.end_it(Purpose::Stop, ending, reply).await,
            Ok(Decision::CancelRestart) => {
                let done = self.cancel_restart().await;
                self.publish("stop", &[]);
                answer(reply, done.map(|()| Decision::CancelRestart));
            }
            other => answer(reply, other),
        }
    }

    async fn restart(&mut self, ending: Ending, reply: Reply) {
        match self.accept(Request::Restart) {
            Ok(Decision::EndFirst) => self.end_it(Purpose::Restart, ending, reply).await,
            Ok(decision) => {
                self.due = None;
                let done = self.start_by_hand().await;
                if done.is_ok() {
                    self.publish("restart", &[]);
                }
                answer(reply, done.map(|()| decision));
            }
            refused => answer(reply, refused),
        }
    }

    /// Sends the stop signal; the rest follows the end or the deadline.
    async fn end_it(&mut self, purpose: Purpose, ending: Ending, reply: Reply) {
        let record = self.entry.record();
        let signal = ending.signal.unwrap_or(record.stop_signal);
        let seconds = ending.timeout.or(record.spec.stop_timeout).unwrap_or(10);
        if purpose == Purpose::Stop && !record.spec.restart.is_none() {
            // Should the engine end before the container does.
            if let Err(error) = self.save().await {
                self.log("recording a stop", &error);
            }
        }
        self.signal(signal).await;
        self.thaw().await;
        self.waiters.after_signal(purpose, seconds, reply);
    }

    async fn kill(&mut self, signal: i32) -> Result<Decision, EngineError> {
        let decision = self.accept(Request::Kill)?;
        if decision == Decision::CancelRestart {
            self.cancel_restart().await?;
            return Ok(decision);
        }
        let record = self.entry.record();
        // Docker's rule: without a stop signal of its own, every signal is
        // meant to end a container.
        let ends = signal == SIGKILL || !record.own_stop_signal || signal == record.stop_signal;
        self.life.signalled(ends);
        self.signal(signal).await;
        if ends {
            self.thaw().await;
        }
        self.save().await?;
        Ok(decision)
    }

    async fn freeze(
        &mut self,
        request: Request,
        pausing: Pausing,
    ) -> Result<Decision, EngineError> {
        let decision = self.accept(request)?;
        let pause = request == Request::Pause;
        let note = |record: &mut Container| record.held_still = pausing == Pausing::Engine;
        self.engine.containers.note(&self.entry, note);
        self.set_frozen(pause).await?;
        self.publish(if pause { "pause" } else { "unpause" }, &[]);
        Ok(decision)
    }

    /// Freezes or thaws. When that cannot be recorded the container is thawed
    /// in any case, as far as this engine knows too: nobody else would do it.
    async fn set_frozen(&mut self, frozen: bool) -> Result<(), EngineError> {
        self.set_frozen_in_the_kernel(frozen).await?;
        self.life.set_paused(frozen);
        let saved = self.save().await;
        if saved.is_err() {
            self.set_frozen_in_the_kernel(false).await?;
            self.life.set_paused(false);
            let note = |record: &mut Container| take_up(record, &self.life);
            self.engine.containers.note(&self.entry, note);
        }
        saved
    }

    async fn set_frozen_in_the_kernel(&mut self, frozen: bool) -> Result<(), EngineError> {
        let set = move |engine: &Engine, entry: &Entry| {
            let id = &entry.record().id;
            match frozen {
                true => engine.runtime.pause(id),
                false => engine.runtime.unpause(id),
            }
            .map_err(EngineError::from)
        };
        self.blocking(set).await
    }

    /// What is frozen cannot end: a signal that is to end it thaws it.
    async fn thaw(&mut self) {
        if !self.life.state.is_paused() {
            return;
        }
        if let Err(error) = self.set_frozen(false).await {
            self.log("thawing a container", &error);
        }
    }

    async fn remove(&mut self, force: bool, volumes: bool, reply: Reply) {
        match self.accept(Request::Remove { force }) {
            Ok(Decision::EndFirst) => {
                self.volumes = volumes;
                self.signal(SIGKILL).await;
                self.thaw().await;
                self.waiters.after_kill(Purpose::Remove, reply);
            }
            Ok(decision) => {
                self.due = None;
                let done = self.remove_now(volumes).await;
                answer(reply, done.map(|()| decision));
            }
            refused => answer(reply, refused),
        }
    }

    async fn remove_now(&mut self, volumes: bool) -> Result<(), EngineError> {
        self.life.removing();
        let life = self.life.clone();
        let work = self.blocking(move |engine, entry| {
            engine.containers.update(entry, |record| {
                take_up(record, &life);
                record.remove_volumes = volumes || record.spec.auto_remove;
            })?;
            engine.remove_record(entry)
        });
        let done = work.await;
        match &done {
            Ok(()) => self.gone = true,
            Err(error) => {
                self.life.not_removed(bulkhead_model::error::message(error));
                self.save().await?;
            }
        }
        done
    }

    async fn start_by_hand(&mut self) -> Result<(), EngineError> {
        self.life.start_by_hand();
        self.start_now().await
    }

    async fn start_now(&mut self) -> Result<(), EngineError> {
        let mut life = self.life.clone();
        let work = self.blocking(move |engine, entry| {
            let started = engine.start_process(entry, &mut life);
            Ok((life, started))
        });
        let (life, started) = work.await?;
        self.life = life;
        self.due = None;
        match started {
            Ok(running) => {
                self.follow(running);
                Ok(())
            }
            Err(error) => {
                // A container that goes with its end has gone with this one.
                self.gone = matches!(self.life.state, State::Removing { .. });
                Err(error)
            }
        }
    }

    fn follow(&mut self, running: Running) {
        let id = self.entry.record().id.clone();
        self.engine.warn(&id, &running.warnings);
        self.end = Some(self.engine.end_of(&id, running));
        self.probe_later();
    }

    async fn ended(&mut self, status: Option<ExitStatus>) {
        (self.end, self.probe, self.probe_due) = (None, None, None);
        let mut life = self.life.clone();
        let work = self.blocking(move |engine, entry| {
            let then = engine.exited(entry, &mut life, status);
            Ok((life, then))
        });
        let then = work.await.and_then(|(life, then)| {
            self.life = life;
            then
        });
        let then = then.unwrap_or_else(|error| {
            self.log("recording a container's end", &error);
            Then::Go(After::Rest)
        });
        let (stopped, waiting): (Vec<_>, Vec<_>) =
            (self.waiters.take().into_iter()).partition(|waiter| waiter.purpose == Purpose::Stop);
        for waiter in stopped {
            self.publish("stop", &[]);
            answer(waiter.reply, Ok(Decision::EndFirst));
        }
        let done = self.go_on(then).await;
        for waiter in waiting {
            let told = match &done {
                Ok(()) if self.gone && waiter.purpose == Purpose::Restart => {
                    Err(self.refused(Refusal::MarkedForRemoval))
                }
                Ok(()) => Ok(Decision::EndFirst),
                Err(error) => Err(EngineError::shared(error)),
            };
            answer(waiter.reply, told);
        }
    }

    /// What follows the end.
    async fn go_on(&mut self, then: Then) -> Result<(), EngineError> {
        match then {
            Then::Gone => self.gone = true,
            Then::Go(After::Rest) => {}
            Then::Go(After::StartIn(wait)) => self.due = Some(Instant::now() + wait),
            Then::Go(After::Start) => {
                self.publish("stop", &[]);
                self.start_by_hand().await?;
                self.publish("restart", &[]);
            }
            Then::Go(After::Remove) => self.remove_now(self.volumes).await?,
        }
        Ok(())
    }

    async fn due(&mut self, now: Instant) {
        let overdue = self.waiters.overdue(now);
        if overdue.kill {
            self.signal(SIGKILL).await;
            self.thaw().await;
        }
        for waiter in overdue.given_up {
            if waiter.purpose == Purpose::Remove {
                self.life.give_up_removal();
            }
            let id = self.entry.record().id.to_string();
            answer(waiter.reply, Err(EngineError::WouldNotDie(id)));
        }
        if self.probe_due.is_some_and(|at| at <= now) {
            self.begin_probe();
        }
        if self.due.is_some_and(|at| at <= now) {
            self.due = None;
            if let Err(error) = self.start_now().await {
                self.log("restarting a container", &error);
            }
        }
    }

    async fn cancel_restart(&mut self) -> Result<(), EngineError> {
        self.due = None;
        self.life.cancel_restart();
        self.save().await?;
        self.entry.set_phase(|phase| phase.active = false);
        Ok(())
    }

    /// Sends a signal. That there is no process any more is as good as sent.
    async fn signal(&mut self, signal: i32) {
        let sent = self.blocking(move |engine, entry| {
            let record = entry.record();
            let _ = engine
                .runtime
                .signal(&ProcessRef::first(&record.id), signal);
            let text = signal.to_string();
            (engine.events).container(&record, "kill", [("signal", text.as_str())]);
            Ok(())
        });
        if let Err(error) = sent.await {
            self.log("sending a signal", &error);
        }
    }

    /// Writes down what the life says.
    async fn save(&mut self) -> Result<(), EngineError> {
        let life = self.life.clone();
        let work = self.blocking(move |engine, entry| engine.record_life(entry, &life));
        work.await
    }

    fn accept(&mut self, request: Request) -> Result<Decision, EngineError> {
        match self.life.accept(request) {
            Decision::Refuse(refusal) => Err(self.refused(refusal)),
            decision => Ok(decision),
        }
    }

    fn refused(&self, refusal: Refusal) -> EngineError {
        let record = self.entry.record();
        EngineError::refused(refusal, record.id.as_str(), &record.name)
    }

    fn publish(&self, action: &str, more: &[(&str, &str)]) {
        let record = self.entry.record();
        (self.engine.events).container(&record, action, more.iter().copied());
    }

    pub(super) fn log(&self, doing: &str, error: &EngineError) {
        let error = bulkhead_model::error::message(error);
        tracing::warn!(container = %self.entry.record().id, error, "{doing}");
    }

    /// Runs kernel and disk work on a thread that may block.
    pub(super) fn blocking<T, F>(
        &self,
        work: F,
    ) -> impl Future<Output = Result<T, EngineError>> + Send + use<T, F>
    where
        T: Send + 'static,
        F: FnOnce(&Engine, &Entry) -> Result<T, EngineError> + Send + 'static,
    {
        let (engine, entry) = (self.engine.clone(), self.entry.clone());
        let worker = self.engine.handle.spawn_blocking(move || {
            let _exclusive = entry.exclusive();
            work(&engine, &entry)
        });
        async { worker.await.map_err(|_| EngineError::WorkerPanicked)? }
    }
}

/// Whoever asked may have gone meanwhile.
fn answer(reply: Reply, done: Result<Decision, EngineError>) {
    let _ = reply.send(done);
}
