//! Streams that a thread fills: file work without holding up anybody's runtime.

use futures_util::stream;
use tokio::sync::mpsc;
use trainer_core::{Error, Result, job::BoxStream};

/// How many items wait for a slow reader; then the thread waits.
const IN_WAITING: usize = 256;

/// Where the thread puts its items.
pub(crate) struct Sink<T>(mpsc::Sender<Result<T>>);

impl<T> Sink<T> {
    /// Waits until there is room. `false`: nobody listens any more.
    pub(crate) fn send(&self, item: Result<T>) -> bool {
        self.0.blocking_send(item).is_ok()
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.0.is_closed()
    }
}

/// What `work` sends, until it returns. A thread of its own: unlike a runtime's blocking tasks it
/// holds up nobody's shutdown.
pub(crate) fn from_thread<T: Send + 'static>(name: &str, work: impl FnOnce(Sink<T>) + Send + 'static) -> BoxStream<T> {
    let (sender, mut receiver) = mpsc::channel(IN_WAITING);
    let sink = Sink(sender.clone());
    if let Err(error) = std::thread::Builder::new().name(name.to_owned()).spawn(move || work(sink)) {
        let error = Error::new(trainer_core::ErrorKind::Io, format!("failed to start a thread: {error}"));
        let _ = sender.try_send(Err(error));
    }
    drop(sender);
    Box::pin(stream::poll_fn(move |context| receiver.poll_recv(context)))
}
