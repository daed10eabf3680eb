//! The contract between the client and an execution engine.

use trainer_macros::dispatch;

use crate::{
    Error, JobName, Result,
    api::{Runtime, RuntimeRef},
    job::{Event, Job, JobStream, ListQuery, LogQuery, LogStream, Page, StopRequest},
    plan::LaunchPlan,
    request::{JobOptions, ReviewedJob},
};

/// An execution engine that runs training jobs.
///
/// Implement it for your engine, put [`register_backend`](trainer_macros::register_backend) on the
/// type, and any binary that depends on your crate can choose it by name. The generated enum calls
/// these methods by static dispatch: no boxing, no allocation of its own.
///
/// Every request has a time limit. A job outlives the process that submitted it: after
/// [`submit`](Self::submit) has returned, everything there is to know is in the engine or on disk.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a backend",
    label = "this type doesn't implement `TrainerBackend`",
    note = "implement `TrainerBackend` for it: what an execution engine does with a job"
)]
#[dispatch]
pub trait TrainerBackend: Send + Sync + 'static {
    /// Looks whether the engine is usable from here, and returns what a person wants to know about it.
    ///
    /// # Errors
    /// `Unreachable`, `Denied` or `Unsupported`, with what to do about it.
    async fn check(&self) -> Result<Vec<Finding>>;

    /// Whether an interrupt (Ctrl-C) of a command that is attached to a job should stop the job: so for an
    /// engine whose nodes use up the machine that the user sits at. Otherwise the command lets go of it.
    fn stops_on_interrupt(&self) -> bool {
        false
    }

    /// Refuses options of a job that the engine doesn't take:
    /// [`read_options`](crate::registry::read_options) does it. Does no I/O, and comes before all else that a
    /// submission asks of the engine.
    ///
    /// # Errors
    /// `Invalid`, naming the option and those there are.
    fn check_options(&self, options: &JobOptions) -> Result<()>;

    /// The runtimes that the engine itself offers; none for an engine that has no such thing.
    ///
    /// # Errors
    /// As [`check`](Self::check).
    async fn runtimes(&self) -> Result<Vec<Runtime>> {
        Ok(Vec::new())
    }

    /// The runtime that the engine itself has under this reference. `None`: use the client's.
    ///
    /// # Errors
    /// `NotFound` if the engine keeps runtimes and has none of this name.
    async fn runtime(&self, _reference: &RuntimeRef) -> Result<Option<Runtime>> {
        Ok(None)
    }

    /// The plan as this engine would execute it, with its own addresses, ports, paths and additions.
    /// What is only known at launch is shown as `<…>`. Creates nothing.
    ///
    /// # Errors
    /// `Unsupported` if the job asks for what the engine can't honour.
    async fn preview(&self, job: &ReviewedJob) -> Result<LaunchPlan>;

    /// Starts the job. The claim on its name is the first side effect; on an error nothing is left.
    ///
    /// # Errors
    /// `AlreadyExists` if there is a job of this name; it stays as it was.
    /// `Unsupported` if the job asks for what the engine can't honour.
    async fn submit(&self, job: &ReviewedJob) -> Result<Job>;

    /// The job as it stands.
    ///
    /// # Errors
    /// `NotFound`.
    async fn get(&self, name: &JobName) -> Result<Job>;

    /// A page of jobs, newest first.
    ///
    /// # Errors
    /// `Invalid` if the page token isn't one of this backend's.
    async fn list(&self, query: &ListQuery) -> Result<Page<Job>>;

    /// The job as it stands, then each change, until it is gone.
    ///
    /// # Errors
    /// `NotFound`.
    async fn watch(&self, name: &JobName) -> Result<JobStream>;

    /// What its nodes wrote.
    ///
    /// # Errors
    /// `NotFound`, also for a step or node that the job doesn't have.
    async fn logs(&self, name: &JobName, query: &LogQuery) -> Result<LogStream>;

    /// What happened to it, oldest first.
    ///
    /// # Errors
    /// `NotFound`.
    async fn events(&self, name: &JobName) -> Result<Vec<Event>>;

    /// Ends its nodes and keeps the job. Returns when the request is safely recorded; watch for
    /// [`Phase::Stopped`](crate::Phase::Stopped). Stopping a stopped job is no error.
    ///
    /// # Errors
    /// `NotFound`; `Conflict` if it has finished.
    async fn stop(&self, name: &JobName, request: &StopRequest) -> Result<()>;

    /// Starts a stopped or suspended job again. When it returns, the job is not reported as stopped any
    /// more: whoever waits from then on waits for what comes next.
    ///
    /// # Errors
    /// `NotFound`; `Conflict` if it isn't stopped.
    async fn resume(&self, name: &JobName) -> Result<()>;

    /// Puts a changed description in place of a stopped or suspended job's; the job stays stopped. What may change is
    /// the client's to review.
    ///
    /// # Errors
    /// `NotFound`; `Conflict` if the job would have to be stopped first; `Unsupported` if the engine can't change a
    /// job, or the job asks for what it can't honour.
    async fn update(&self, job: &ReviewedJob) -> Result<Job> {
        let name = job.name();
        Err(Error::unsupported(format!("this backend can't change the job `{name}`"))
            .with_hint(format!("give this one another name, or `trainer delete {name}` first")))
    }

    /// Ends it if need be and removes everything that it left in the engine. Returns when it is gone.
    /// Until then it is [`Phase::Deleting`](crate::Phase::Deleting), never settled: whoever waits for it
    /// learns that it was deleted, not that it was stopped.
    ///
    /// # Errors
    /// `NotFound`.
    async fn delete(&self, name: &JobName, request: &StopRequest) -> Result<()>;
}

/// One line of a check-up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Whether it is as it should be.
    pub ok: bool,
    /// What was looked at: `python`, `state folder`.
    pub subject: String,
    /// What was found, and what to do where it is not as it should be.
    pub detail: String,
}
