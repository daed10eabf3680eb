//! One trial on one engine: its time limit, its clean-up, and what is shown when it fails.

use std::{
    cell::RefCell,
    panic::{self, AssertUnwindSafe},
    time::Duration,
};

use futures_util::{FutureExt, future::BoxFuture};
use libtest_mimic::{Completion, Failed};
use tokio::{runtime, time::timeout};
use trainer_core::TrainerBackend;

use crate::{
    behaviour,
    engine::{Capability, Engine},
    lab::Lab,
};

/// What a trial says; anything printable is a failure.
pub(crate) type Outcome = Result<(), Failed>;

/// A sentence about what engines do, and the program that sees whether it is so.
pub(crate) struct Behaviour<B> {
    pub(crate) file: &'static str,
    pub(crate) name: &'static str,
    pub(crate) needs: &'static [Capability],
    pub(crate) see: fn(Lab<B>) -> BoxFuture<'static, Outcome>,
}

/// `behaviours![a, b (SharedOutput, Resume)]`: the functions of a file, with what they need of an engine.
macro_rules! behaviours {
    ($($name:ident $(($($need:ident),+))?),* $(,)?) => {{
        let file = module_path!();
        vec![$(crate::trial::Behaviour {
            file: &file[file.rfind("::").map_or(0, |at| at + 2)..],
            name: stringify!($name),
            needs: &[$($(crate::engine::Capability::$need),+)?],
            see: |lab| Box::pin($name(lab)),
        }),*]
    }};
}
pub(crate) use behaviours;

pub(crate) fn trials<B: TrainerBackend>(engine: &Engine<B>) -> Vec<libtest_mimic::Trial> {
    behaviour::all()
        .into_iter()
        .map(|behaviour| {
            let engine = engine.clone();
            let name = format!("{}::{}::{}", engine.name, behaviour.file, behaviour.name);
            libtest_mimic::Trial::ignorable_test(name, move || {
                if let Some(lacking) = behaviour.needs.iter().find(|need| engine.lacks(**need)) {
                    return Ok(Completion::ignored_with(format!("the engine lacks {lacking}")));
                }
                let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
                let outcome = runtime.block_on(conduct(engine, behaviour));
                runtime.shutdown_timeout(HANG_LIMIT);
                outcome.map(|()| Completion::Completed)
            })
        })
        .collect()
}

/// A backend that hangs must not hide why the trial failed, nor hold up the others.
const HANG_LIMIT: Duration = Duration::from_secs(5);

/// The longest that a trial may take on a busy machine. Each takes a second or two.
const LIMIT: Duration = Duration::from_secs(60);

async fn conduct<B: TrainerBackend>(engine: Engine<B>, behaviour: Behaviour<B>) -> Outcome {
    let lab = Lab::open(engine, behaviour.name)?;
    PANIC.set(Some(String::new()));
    let seen = timeout(LIMIT, AssertUnwindSafe((behaviour.see)(lab.clone())).catch_unwind()).await;
    let outcome = match seen {
        Ok(Ok(outcome)) => outcome,
        Ok(Err(_)) => Err(Failed::from(PANIC.take().unwrap_or_default())),
        Err(_) => Err(Failed::from(format!("took longer than {LIMIT:?}"))),
    };
    let outcome = match outcome {
        Ok(()) => Ok(()),
        Err(failed) => {
            let failure = failed.message().unwrap_or_default();
            Err(timeout(HANG_LIMIT, lab.report(failure)).await.unwrap_or_else(|_| failure.to_owned()).into())
        }
    };
    match timeout(LIMIT, lab.close()).await {
        Ok(closed) => outcome.and(closed),
        Err(_) => outcome.and(Err("its jobs could not be deleted in time".into())),
    }
}

thread_local! {
    /// What the panic of the trial on this thread said; `None` on a thread without a trial.
    static PANIC: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Keeps what a panic says, and where, for the report of its trial, instead of printing it in between.
pub(crate) fn keep_words_of_panics() {
    let print = panic::take_hook();
    panic::set_hook(Box::new(move |panic| {
        PANIC.with_borrow_mut(|words| match words {
            Some(words) => *words = panic.to_string(),
            None => print(panic),
        });
    }));
}
