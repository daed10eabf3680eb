//! What one would write without a registry.

use trainer::prelude::*;

use crate::{Amber, Blue, Coral, Denim};

/// The same variants as the generated enum.
pub enum ByHand {
    /// One.
    Amber(Amber),
    /// Another.
    Blue(Blue),
    /// A third.
    Coral(Coral),
    /// The last.
    Denim(Denim),
}

macro_rules! in_each {
    ($enum:expr, $backend:ident => $call:expr) => {
        match $enum {
            ByHand::Amber($backend) => $call,
            ByHand::Blue($backend) => $call,
            ByHand::Coral($backend) => $call,
            ByHand::Denim($backend) => $call,
        }
    };
}

impl TrainerBackend for ByHand {
    #[inline]
    fn stops_on_interrupt(&self) -> bool {
        in_each!(self, backend => backend.stops_on_interrupt())
    }
    #[inline]
    fn check_options(&self, options: &JobOptions) -> Result<()> {
        in_each!(self, backend => backend.check_options(options))
    }
    #[inline]
    async fn check(&self) -> Result<Vec<Finding>> {
        in_each!(self, backend => backend.check().await)
    }
    #[inline]
    async fn runtimes(&self) -> Result<Vec<Runtime>> {
        in_each!(self, backend => backend.runtimes().await)
    }
    #[inline]
    async fn runtime(&self, reference: &RuntimeRef) -> Result<Option<Runtime>> {
        in_each!(self, backend => backend.runtime(reference).await)
    }
    #[inline]
    async fn preview(&self, job: &ReviewedJob) -> Result<LaunchPlan> {
        in_each!(self, backend => backend.preview(job).await)
    }
    #[inline]
    async fn submit(&self, job: &ReviewedJob) -> Result<Job> {
        in_each!(self, backend => backend.submit(job).await)
    }
    #[inline]
    async fn get(&self, name: &JobName) -> Result<Job> {
        in_each!(self, backend => backend.get(name).await)
    }
    #[inline]
    async fn list(&self, query: &ListQuery) -> Result<Page<Job>> {
        in_each!(self, backend => backend.list(query).await)
    }
    #[inline]
    async fn watch(&self, name: &JobName) -> Result<JobStream> {
        in_each!(self, backend => backend.watch(name).await)
    }
    #[inline]
    async fn logs(&self, name: &JobName, query: &LogQuery) -> Result<LogStream> {
        in_each!(self, backend => backend.logs(name, query).await)
    }
    #[inline]
    async fn events(&self, name: &JobName) -> Result<Vec<Event>> {
        in_each!(self, backend => backend.events(name).await)
    }
    #[inline]
    async fn stop(&self, name: &JobName, request: &StopRequest) -> Result<()> {
        in_each!(self, backend => backend.stop(name, request).await)
    }
    #[inline]
    async fn update(&self, job: &ReviewedJob) -> Result<Job> {
        in_each!(self, backend => backend.update(job).await)
    }
    #[inline]
    async fn resume(&self, name: &JobName) -> Result<()> {
        in_each!(self, backend => backend.resume(name).await)
    }
    #[inline]
    async fn delete(&self, name: &JobName, request: &StopRequest) -> Result<()> {
        in_each!(self, backend => backend.delete(name, request).await)
    }
}
