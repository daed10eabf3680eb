//! One file a capability, one function a sentence.

mod concurrency;
mod environment;
mod failure;
mod life_cycle;
mod list;
mod logs;
mod names;
mod output;
mod processes;
mod program;
mod retries;
mod secrets;
mod source;
mod stop;
mod update;
mod wait;

use crate::trial::Behaviour;
use trainer_core::TrainerBackend;

pub(crate) fn all<B: TrainerBackend>() -> Vec<Behaviour<B>> {
    [
        life_cycle::behaviours(),
        list::behaviours(),
        wait::behaviours(),
        program::behaviours(),
        processes::behaviours(),
        environment::behaviours(),
        source::behaviours(),
        output::behaviours(),
        secrets::behaviours(),
        logs::behaviours(),
        failure::behaviours(),
        retries::behaviours(),
        stop::behaviours(),
        update::behaviours(),
        names::behaviours(),
        concurrency::behaviours(),
    ]
    .into_iter()
    .flatten()
    .collect()
}
