//! Four backends that do next to nothing, each something else.

use std::hint::black_box;

use trainer::prelude::*;

/// Answers with what it holds.
#[register_backend("amber")]
#[derive(Clone, Debug, Default)]
pub struct Amber(pub u64);

/// Answers with one more.
#[register_backend("blue")]
#[derive(Clone, Debug, Default)]
pub struct Blue(pub u64);

/// Answers with three times as much.
#[register_backend("coral")]
#[derive(Clone, Debug, Default)]
pub struct Coral(pub u64);

/// Answers with other bits.
#[register_backend("denim")]
#[derive(Clone, Debug, Default)]
pub struct Denim(pub u64);

macro_rules! implement {
    ($backend:ty, $answer:expr) => {
        impl ConnectBackend for $backend {
            type Config = ();

            fn connect(_selected: &str, (): ()) -> Result<Self> {
                Ok(Self::default())
            }
        }

        impl TrainerBackend for $backend {
            fn stops_on_interrupt(&self) -> bool {
                $answer(self.0) % 2 == 0
            }
            async fn resume(&self, _: &JobName) -> Result<()> {
                black_box($answer(self.0));
                // As with a real backend, the caller can't foresee the result.
                black_box(Ok(()))
            }
            async fn watch(&self, _: &JobName) -> Result<JobStream> {
                Ok(Box::pin(futures_util::stream::iter(None)))
            }
            fn check_options(&self, _: &JobOptions) -> Result<()> {
                Ok(())
            }
            async fn check(&self) -> Result<Vec<Finding>> {
                Ok(Vec::new())
            }
            async fn preview(&self, _: &ReviewedJob) -> Result<LaunchPlan> {
                nothing()
            }
            async fn submit(&self, _: &ReviewedJob) -> Result<Job> {
                nothing()
            }
            async fn get(&self, _: &JobName) -> Result<Job> {
                nothing()
            }
            async fn list(&self, _: &ListQuery) -> Result<Page<Job>> {
                Ok(Page { items: Vec::new(), next: None })
            }
            async fn logs(&self, _: &JobName, _: &LogQuery) -> Result<LogStream> {
                nothing()
            }
            async fn events(&self, _: &JobName) -> Result<Vec<Event>> {
                Ok(Vec::new())
            }
            async fn stop(&self, _: &JobName, _: &StopRequest) -> Result<()> {
                Ok(())
            }
            async fn delete(&self, _: &JobName, _: &StopRequest) -> Result<()> {
                Ok(())
            }
        }
    };
}

implement!(Amber, |held: u64| held);
implement!(Blue, |held: u64| held + 1);
implement!(Coral, |held: u64| held * 3);
implement!(Denim, |held: u64| held ^ 0x55);

fn nothing<T>() -> Result<T> {
    Err(Error::unsupported("this backend runs nothing"))
}
