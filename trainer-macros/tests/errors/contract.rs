//! Registered, and recorded, but without the traits.

use trainer_core::prelude::*;

/// Has neither.
#[register_backend("bare")]
pub struct Bare;

/// Has the contract, and nothing that connects it.
#[register_backend("loose")]
pub struct Loose;

impl TrainerBackend for Loose {
    async fn check(&self) -> Result<Vec<Finding>> {
        unimplemented!()
    }
    fn check_options(&self, _: &JobOptions) -> Result<()> {
        unimplemented!()
    }
    async fn preview(&self, _: &ReviewedJob) -> Result<LaunchPlan> {
        unimplemented!()
    }
    async fn submit(&self, _: &ReviewedJob) -> Result<Job> {
        unimplemented!()
    }
    async fn get(&self, _: &JobName) -> Result<Job> {
        unimplemented!()
    }
    async fn list(&self, _: &ListQuery) -> Result<Page<Job>> {
        unimplemented!()
    }
    async fn watch(&self, _: &JobName) -> Result<JobStream> {
        unimplemented!()
    }
    async fn logs(&self, _: &JobName, _: &LogQuery) -> Result<LogStream> {
        unimplemented!()
    }
    async fn events(&self, _: &JobName) -> Result<Vec<Event>> {
        unimplemented!()
    }
    async fn stop(&self, _: &JobName, _: &StopRequest) -> Result<()> {
        unimplemented!()
    }
    async fn resume(&self, _: &JobName) -> Result<()> {
        unimplemented!()
    }
    async fn delete(&self, _: &JobName, _: &StopRequest) -> Result<()> {
        unimplemented!()
    }
}

fn main() {}
