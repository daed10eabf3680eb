//! A scripted in-memory backend, for tests and examples.
//!
//! ```
//! use trainer_core::{
//!     JobRequest, Phase, TrainerClient,
//!     api::TrainJob,
//!     job::{LogItem, LogQuery},
//!     testing::{Script, ScriptedBackend},
//! };
//! use futures_util::TryStreamExt;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> trainer_core::Result<()> {
//! let name = "alpha".parse()?;
//! let script = Script::new().phase(Phase::Running).line(0, "epoch 1").phase(Phase::Complete);
//! let client = TrainerClient::new(ScriptedBackend::new().with_script(&name, script));
//! client.submit(JobRequest::new(TrainJob::new(&name, "plain"))).await?;
//!
//! let follow = LogQuery { follow: true, ..LogQuery::default() };
//! let log: Vec<_> = client.logs(&name, &follow).await?.try_collect().await?;
//! assert!(matches!(&log[..], [LogItem::Line(line)] if line.bytes == b"epoch 1"));
//! # Ok(())
//! # }
//! ```

mod backend;
mod script;

pub use backend::ScriptedBackend;
pub use script::Script;
