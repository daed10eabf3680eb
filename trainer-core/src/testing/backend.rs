//! The backend that plays scripts.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use futures_util::{StreamExt, stream};
use jiff::Timestamp;
use tokio::{
    sync::watch,
    task::AbortHandle,
    time::{Instant, sleep},
};
use uuid::Uuid;

use super::script::{Act, Script};
use crate::{
    Error, ErrorKind, Job, JobName, NodeIndex, Phase, Result, TrainerBackend,
    api::{Runtime, RuntimeRef},
    backend::Finding,
    job::{
        Event, JobStream, ListQuery, LogItem, LogLine, LogQuery, LogStream, Node, OutputStream, Page, PageToken,
        Severity, Step, StopRequest,
    },
    plan::LaunchPlan,
    registry::{Key, read_options},
    request::{JobOptions, ReviewedJob},
};

/// A backend that keeps jobs in memory and lets them go through what the test wrote.
///
/// A job without a script runs and completes. A clone is another handle of the same engine.
#[derive(Clone, Debug, Default)]
pub struct ScriptedBackend {
    engine: Arc<Mutex<Engine>>,
}

impl ScriptedBackend {
    /// An engine without jobs and without runtimes of its own.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// What the job of this name will go through, each time that it is started.
    #[must_use]
    pub fn with_script(self, name: &JobName, script: Script) -> Self {
        self.engine().scripts.insert(name.clone(), script);
        self
    }

    /// Runtimes that the engine itself offers.
    #[must_use]
    pub fn with_runtimes(self, runtimes: Vec<Runtime>) -> Self {
        self.engine().runtimes = runtimes;
        self
    }

    /// Options that a job may have; none by default.
    #[must_use]
    pub fn with_options(self, options: &'static [Key]) -> Self {
        self.engine().options = options;
        self
    }

    /// The methods of [`TrainerBackend`] that have been called, in order.
    #[must_use]
    pub fn calls(&self) -> Vec<&'static str> {
        self.engine().calls.clone()
    }

    fn called(&self, method: &'static str) -> MutexGuard<'_, Engine> {
        let mut engine = self.engine();
        engine.calls.push(method);
        engine
    }

    fn engine(&self) -> MutexGuard<'_, Engine> {
        self.engine.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl TrainerBackend for ScriptedBackend {
    async fn check(&self) -> Result<Vec<Finding>> {
        drop(self.called("check"));
        Ok(vec![Finding { ok: true, subject: "script".to_owned(), detail: "in memory".to_owned() }])
    }

    /// Isn't counted as a call: it asks nothing of the engine.
    fn check_options(&self, options: &JobOptions) -> Result<()> {
        let keys = self.engine().options;
        read_options::<JobOptions>("scripted", keys, options).map(drop)
    }

    async fn runtimes(&self) -> Result<Vec<Runtime>> {
        Ok(self.called("runtimes").runtimes.clone())
    }

    async fn runtime(&self, reference: &RuntimeRef) -> Result<Option<Runtime>> {
        let engine = self.called("runtime");
        Ok(engine.runtimes.iter().find(|runtime| runtime.name() == reference.name).cloned())
    }

    async fn preview(&self, job: &ReviewedJob) -> Result<LaunchPlan> {
        drop(self.called("preview"));
        Ok(job.plan().clone())
    }

    async fn submit(&self, reviewed: &ReviewedJob) -> Result<Job> {
        let name = reviewed.name();
        let mut engine = self.called("submit");
        if engine.jobs.iter().any(|record| record.job.name == *name) {
            return Err(Error::new(ErrorKind::AlreadyExists, format!("there is a job named `{name}` already")));
        }
        let mut record = Record::new(reviewed);
        let accepted = record.job.clone();
        if reviewed.plan().suspend {
            record.enter(Phase::Suspended, None);
        } else {
            record.start(self.play(&engine, name));
        }
        engine.jobs.push(record);
        Ok(accepted)
    }

    async fn get(&self, name: &JobName) -> Result<Job> {
        Ok(self.called("get").reach(name)?.job.clone())
    }

    async fn list(&self, query: &ListQuery) -> Result<Page<Job>> {
        let engine = self.called("list");
        let end = match &query.after {
            None => engine.jobs.len(),
            Some(PageToken(last)) => engine
                .jobs
                .iter()
                .position(|record| record.job.name.as_str() == last)
                .ok_or_else(|| Error::invalid(format!("`{last}` is no page token")))?,
        };
        let start = end.saturating_sub(query.limit);
        let items: Vec<_> = engine.jobs[start..end].iter().rev().map(|record| record.job.clone()).collect();
        let next = items.last().filter(|_| start > 0).map(|last| PageToken(last.name.to_string()));
        Ok(Page { items, next })
    }

    async fn watch(&self, name: &JobName) -> Result<JobStream> {
        let mut engine = self.called("watch");
        let record = engine.reach(name)?;
        let first = Ok(record.job.clone());
        let cursor = Cursor {
            backend: self.clone(),
            uid: record.job.uid.clone(),
            next: record.history.len(),
            changed: record.changed.subscribe(),
        };
        let changes = stream::unfold(Some(cursor), async |cursor| {
            let mut cursor = cursor?;
            match cursor.read(|record, next| record.history.get(next).cloned()).await? {
                Happening::State(job) => Some((Ok(*job), Some(cursor))),
                Happening::WatchesBreak => Some((Err(unreachable()), None)),
                Happening::WatchesEnd => None,
            }
        });
        Ok(stream::iter([first]).chain(changes).boxed())
    }

    async fn logs(&self, name: &JobName, query: &LogQuery) -> Result<LogStream> {
        let mut engine = self.called("logs");
        let record = engine.reach(name)?;
        record.demand(query)?;
        let written = record.written(query).into_iter().map(|line| Ok(LogItem::Line(line)));
        let cursor = Cursor {
            backend: self.clone(),
            uid: record.job.uid.clone(),
            next: record.log.len(),
            changed: record.changed.subscribe(),
        };
        let query = query.clone();
        let followed = stream::unfold(query.follow.then_some(cursor), async |cursor| {
            let mut cursor = cursor?;
            let line = cursor.read(Record::line_or_end).await??;
            Some((line, Some(cursor)))
        })
        .filter(move |line| std::future::ready(selects(&query, line)))
        .map(|line| Ok(LogItem::Line(line)));
        Ok(stream::iter(written).chain(followed).boxed())
    }

    async fn events(&self, name: &JobName) -> Result<Vec<Event>> {
        Ok(self.called("events").reach(name)?.events.clone())
    }

    async fn stop(&self, name: &JobName, _request: &StopRequest) -> Result<()> {
        let mut engine = self.called("stop");
        let record = engine.reach(name)?;
        match record.job.phase {
            Phase::Stopped => return Ok(()),
            phase if phase.is_finished() => {
                return Err(Error::new(ErrorKind::Conflict, format!("job `{name}` is {phase}")));
            }
            _ => {}
        }
        record.halt();
        record.enter(Phase::Stopping, None);
        record.enter(Phase::Stopped, Some("stopped on request".to_owned()));
        Ok(())
    }

    async fn resume(&self, name: &JobName) -> Result<()> {
        let mut engine = self.called("resume");
        let phase = engine.reach(name)?.job.phase;
        if !matches!(phase, Phase::Stopped | Phase::Suspended) {
            return Err(Error::new(ErrorKind::Conflict, format!("job `{name}` is {phase}")));
        }
        let player = self.play(&engine, name);
        let record = engine.reach(name)?;
        record.enter(Phase::Created, None);
        record.start(player);
        Ok(())
    }

    async fn update(&self, job: &ReviewedJob) -> Result<Job> {
        let mut engine = self.called("update");
        let record = engine.reach(job.name())?;
        let phase = record.job.phase;
        if !matches!(phase, Phase::Stopped | Phase::Suspended) {
            return Err(Error::new(ErrorKind::Conflict, format!("job `{}` is {phase}", job.name())));
        }
        record.job.object = job.request().job.clone();
        Ok(record.job.clone())
    }

    async fn delete(&self, name: &JobName, _request: &StopRequest) -> Result<()> {
        let mut engine = self.called("delete");
        engine.reach(name)?.halt();
        engine.jobs.retain(|record| record.job.name != *name);
        Ok(())
    }
}

impl ScriptedBackend {
    /// Plays the job's script from its beginning, starting when the engine's lock is free.
    fn play(&self, engine: &Engine, name: &JobName) -> AbortHandle {
        let script = engine.scripts.get(name).cloned();
        let script = script.unwrap_or_else(|| Script::new().phase(Phase::Running).phase(Phase::Complete));
        let (backend, name) = (self.clone(), name.clone());
        tokio::spawn(async move {
            for act in script.acts {
                if let Act::Pause(time) = act {
                    sleep(time).await;
                } else if let Some(record) = backend.engine().find(&name) {
                    record.perform(act);
                }
            }
        })
        .abort_handle()
    }
}

#[derive(Debug, Default)]
struct Engine {
    scripts: HashMap<JobName, Script>,
    runtimes: Vec<Runtime>,
    options: &'static [Key],
    /// Oldest first.
    jobs: Vec<Record>,
    calls: Vec<&'static str>,
}

impl Engine {
    fn find(&mut self, name: &JobName) -> Option<&mut Record> {
        self.jobs.iter_mut().find(|record| record.job.name == *name)
    }

    fn reach(&mut self, name: &JobName) -> Result<&mut Record> {
        let record = self.find(name).ok_or_else(|| Error::no_such_job(name))?;
        match record.unreachable_until {
            Some(end) if Instant::now() < end => Err(unreachable()),
            _ => Ok(record),
        }
    }
}

fn unreachable() -> Error {
    Error::new(ErrorKind::Unreachable, "the script has an outage here")
}

/// A job and all that happened to it.
#[derive(Debug)]
struct Record {
    job: Job,
    history: Vec<Happening>,
    log: Vec<LogLine>,
    events: Vec<Event>,
    unreachable_until: Option<Instant>,
    player: Option<AbortHandle>,
    /// Dropped with the record, which ends the job's streams.
    changed: watch::Sender<()>,
}

#[derive(Clone, Debug)]
enum Happening {
    State(Box<Job>),
    WatchesEnd,
    WatchesBreak,
}

impl Record {
    fn new(reviewed: &ReviewedJob) -> Self {
        let mut job = Job::new(reviewed.name().clone(), Uuid::new_v4(), "scripted", reviewed.request().job.clone());
        job.steps = reviewed
            .plan()
            .steps
            .iter()
            .map(|step| Step {
                name: step.name.clone(),
                phase: Phase::Created,
                nodes: (0..step.node_count)
                    .map(|index| Node { index: NodeIndex(index), phase: Phase::Created, exit: None, reason: None })
                    .collect(),
            })
            .collect();
        Self {
            job,
            history: Vec::new(),
            log: Vec::new(),
            events: Vec::new(),
            unreachable_until: None,
            player: None,
            changed: watch::Sender::new(()),
        }
    }

    fn start(&mut self, player: AbortHandle) {
        self.job.attempt += 1;
        self.player = Some(player);
    }

    fn halt(&mut self) {
        if let Some(player) = self.player.take() {
            player.abort();
        }
    }

    fn perform(&mut self, act: Act) {
        match act {
            Act::Phase(phase, reason) => self.enter(phase, reason),
            Act::Line(node, bytes) => self.write(node, bytes),
            Act::Outage(time) => {
                self.unreachable_until = Some(Instant::now() + time);
                self.happen(Happening::WatchesBreak);
            }
            Act::EndWatches => self.happen(Happening::WatchesEnd),
            Act::Pause(_) => {}
        }
    }

    fn enter(&mut self, phase: Phase, reason: Option<String>) {
        let now = Timestamp::now();
        self.events.push(Event {
            time: now,
            severity: if phase == Phase::Failed { Severity::Warning } else { Severity::Normal },
            reason: phase.to_string(),
            object: "job".to_owned(),
            message: reason.clone().unwrap_or_default(),
            count: 1,
        });
        let job = &mut self.job;
        job.phase = phase;
        job.reason = reason;
        for step in &mut job.steps {
            step.phase = phase;
            step.nodes.iter_mut().for_each(|node| node.phase = phase);
        }
        if phase == Phase::Running {
            job.started.get_or_insert(now);
        }
        job.finished = phase.is_finished().then_some(now);
        let state = Happening::State(Box::new(job.clone()));
        self.happen(state);
    }

    fn happen(&mut self, happening: Happening) {
        self.history.push(happening);
        self.changed.send_replace(());
    }

    fn write(&mut self, node: NodeIndex, bytes: Vec<u8>) {
        let step = self.job.steps.last().map_or_else(String::new, |step| step.name.clone());
        let stream = OutputStream::Stdout;
        self.log.push(LogLine { time: Timestamp::now(), step, node, stream, bytes, partial: false });
        self.changed.send_replace(());
    }

    /// `NotFound` for a step or node that the job doesn't have.
    fn demand(&self, query: &LogQuery) -> Result<()> {
        let mut steps = self.job.steps.iter().filter(|step| query.step.as_ref().is_none_or(|name| step.name == *name));
        let has = |index| steps.clone().any(|step| step.nodes.iter().any(|node| node.index == index));
        if let Some(node) = query.nodes.iter().find(|node| !has(**node)) {
            return Err(Error::new(ErrorKind::NotFound, format!("job `{}` has no node {node}", self.job.name)));
        }
        match &query.step {
            Some(step) if steps.next().is_none() => {
                Err(Error::new(ErrorKind::NotFound, format!("job `{}` has no step `{step}`", self.job.name)))
            }
            _ => Ok(()),
        }
    }

    fn written(&self, query: &LogQuery) -> Vec<LogLine> {
        let mut lines_of = HashMap::new();
        let mut lines: Vec<_> = self
            .log
            .iter()
            .rev()
            .filter(|line| selects(query, line))
            .filter(|line| {
                let seen: &mut usize = lines_of.entry((&line.step, line.node)).or_default();
                *seen += 1;
                query.tail.is_none_or(|tail| *seen <= tail)
            })
            .cloned()
            .collect();
        lines.reverse();
        lines
    }

    /// The line at `next`, or `Some(None)` if none will come any more.
    #[allow(clippy::option_option)]
    fn line_or_end(&self, next: usize) -> Option<Option<LogLine>> {
        match self.log.get(next) {
            Some(line) => Some(Some(line.clone())),
            None => self.job.phase.is_settled().then_some(None),
        }
    }
}

fn selects(query: &LogQuery, line: &LogLine) -> bool {
    (query.nodes.is_empty() || query.nodes.contains(&line.node))
        && query.since.is_none_or(|since| line.time >= since)
        && query.step.as_ref().is_none_or(|step| line.step == *step)
}

/// Where a stream stands in one of a job's lists.
struct Cursor {
    backend: ScriptedBackend,
    uid: String,
    next: usize,
    changed: watch::Receiver<()>,
}

impl Cursor {
    /// What `item` finds at the next place, once there is something. `None` when the job is gone.
    async fn read<T>(&mut self, item: impl Fn(&Record, usize) -> Option<T>) -> Option<T> {
        loop {
            self.changed.mark_unchanged();
            let found = {
                let engine = self.backend.engine();
                let record = engine.jobs.iter().find(|record| record.job.uid == self.uid)?;
                item(record, self.next)
            };
            if found.is_some() {
                self.next += 1;
                return found;
            }
            self.changed.changed().await.ok()?;
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::time::Duration;

    use futures_util::TryStreamExt;

    use super::*;
    use crate::{JobRequest, TrainerClient, api::TrainJob};

    #[tokio::test(start_paused = true)]
    async fn a_log_is_filtered_and_followed_to_the_end_of_the_job() {
        let script = Script::new()
            .phase(Phase::Running)
            .line(0, "a")
            .line(1, "b")
            .line(0, "c")
            .pause(Duration::from_secs(1))
            .line(1, "d")
            .phase(Phase::Complete);
        let (client, name) = submitted(script, 2).await;
        tokio::time::sleep(Duration::from_millis(1)).await;
        let lines = async |query: LogQuery| -> Result<String> {
            let items: Vec<_> = client.logs(&name, &query).await?.try_collect().await?;
            Ok(items
                .into_iter()
                .map(|item| match item {
                    LogItem::Line(line) => String::from_utf8(line.bytes).unwrap(),
                    LogItem::Gap(why) => panic!("{why}"),
                })
                .collect())
        };
        let query = LogQuery::default();

        assert_eq!(lines(query.clone()).await.unwrap(), "abc");
        assert_eq!(lines(LogQuery { tail: Some(1), ..query.clone() }).await.unwrap(), "bc");
        assert_eq!(lines(LogQuery { nodes: vec![NodeIndex(1)], follow: true, ..query.clone() }).await.unwrap(), "bd");
        assert_eq!(lines(LogQuery { tail: Some(0), follow: true, ..query.clone() }).await.unwrap(), "");
        for absent in [
            LogQuery { nodes: vec![NodeIndex(2)], ..query.clone() },
            LogQuery { step: Some("launcher".to_owned()), ..query },
        ] {
            assert_eq!(lines(absent).await.map_err(|error| error.kind()), Err(ErrorKind::NotFound));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_job_changes_only_as_its_phase_allows() {
        let (client, name) = submitted(Script::new().phase(Phase::Running), 1).await;
        let request = StopRequest::default();
        let conflict = |answer: Result<()>| assert_eq!(answer.map_err(|error| error.kind()), Err(ErrorKind::Conflict));
        conflict(client.resume(&name).await);
        client.stop(&name, &request).await.unwrap();
        client.stop(&name, &request).await.unwrap();

        let (client, name) = submitted(Script::new().phase(Phase::Complete), 1).await;
        tokio::task::yield_now().await;
        conflict(client.stop(&name, &request).await);
        conflict(client.resume(&name).await);
    }

    #[tokio::test]
    async fn a_suspended_job_plays_when_it_is_resumed() {
        let client = TrainerClient::new(ScriptedBackend::new());
        let name: JobName = "alpha".parse().unwrap();
        let mut job = TrainJob::new(&name, "plain");
        job.spec.suspend = Some(true);
        client.submit(JobRequest::new(job)).await.unwrap();
        assert_eq!(client.get(&name).await.unwrap().phase, Phase::Suspended);
        client.resume(&name).await.unwrap();
        let job = client.wait(&name, &Default::default()).await.unwrap().into_job();
        assert_eq!((job.phase, job.attempt), (Phase::Complete, 1));
    }

    async fn submitted(script: Script, nodes: i32) -> (TrainerClient<ScriptedBackend>, JobName) {
        let name: JobName = "alpha".parse().unwrap();
        let client = TrainerClient::new(ScriptedBackend::new().with_script(&name, script));
        let mut job = TrainJob::new(&name, "plain");
        job.spec.trainer.get_or_insert_default().num_nodes = Some(nodes);
        client.submit(JobRequest::new(job)).await.unwrap();
        (client, name)
    }
}
