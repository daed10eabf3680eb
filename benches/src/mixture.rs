//! Backends in an order that no branch predictor knows.

use std::{collections::HashMap, hint::black_box};

use trainer::{JobName, Result, TrainerBackend};

use crate::{Amber, Backend, Blue, ByHand, Coral, Denim, Object, now};

/// Calls in one measurement.
pub const CALLS: usize = 1024;

/// The same backends in the same order, behind each kind of dispatch.
pub struct Mixture {
    generated: Vec<Backend>,
    by_hand: Vec<ByHand>,
    objects: Vec<Box<dyn Object>>,
    by_name: HashMap<String, Box<dyn Object>>,
    names: Vec<&'static str>,
    job: JobName,
}

/// How many backends said yes to the synchronous call.
macro_rules! synchronous {
    ($(#[$doc:meta])* $name:ident, |$mixture:ident| $backends:expr) => {
        $(#[$doc])*
        #[must_use]
        #[inline(never)]
        pub fn $name(&self) -> usize {
            let $mixture = self;
            $backends.filter(|backend| black_box(*backend).stops_on_interrupt()).count()
        }
    };
}

/// How many backends succeeded in the asynchronous call.
macro_rules! asynchronous {
    ($(#[$doc:meta])* $name:ident, |$mixture:ident| $backends:expr) => {
        $(#[$doc])*
        #[must_use]
        #[inline(never)]
        pub fn $name(&self) -> usize {
            let $mixture = self;
            $backends.filter(|backend| now(black_box(*backend).resume(black_box(&self.job))).is_ok()).count()
        }
    };
}

impl Mixture {
    synchronous! {
        /// Synchronous calls through the generated enum.
        generated, |it| it.generated.iter()
    }
    synchronous! {
        /// Synchronous calls through the match written by hand.
        by_hand, |it| it.by_hand.iter()
    }
    synchronous! {
        /// Synchronous calls through trait objects.
        objects, |it| it.objects.iter()
    }
    synchronous! {
        /// Synchronous calls through trait objects that are looked up by name.
        by_name, |it| it.names.iter().filter_map(|name| it.by_name.get(black_box(*name)))
    }
    asynchronous! {
        /// Asynchronous calls through the generated enum.
        generated_async, |it| it.generated.iter()
    }
    asynchronous! {
        /// Asynchronous calls through the match written by hand.
        by_hand_async, |it| it.by_hand.iter()
    }
    asynchronous! {
        /// Asynchronous calls through trait objects.
        objects_async, |it| it.objects.iter()
    }
    asynchronous! {
        /// Asynchronous calls through trait objects that are looked up by name.
        by_name_async, |it| it.names.iter().filter_map(|name| it.by_name.get(black_box(*name)))
    }
}

impl Mixture {
    /// A mixture of [`CALLS`] backends.
    ///
    /// # Errors
    /// None: the name of the job that is asked for is a good one.
    pub fn new() -> Result<Self> {
        let names = names();
        Ok(Self {
            generated: names.iter().map(|name| generated(name)).collect(),
            by_hand: names.iter().map(|name| by_hand(name)).collect(),
            objects: names.iter().map(|name| object(name)).collect(),
            by_name: names.iter().map(|name| ((*name).to_owned(), object(name))).collect(),
            names,
            job: "alpha".parse()?,
        })
    }
}

fn names() -> Vec<&'static str> {
    // A linear congruential generator: the same order in every run.
    let mut state = 42_u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        match state >> 30 {
            0 => "amber",
            1 => "blue",
            2 => "coral",
            _ => "denim",
        }
    };
    (0..CALLS).map(|_| next()).collect()
}

fn generated(name: &str) -> Backend {
    match name {
        "amber" => Amber(7).into(),
        "blue" => Blue(7).into(),
        "coral" => Coral(7).into(),
        _ => Denim(7).into(),
    }
}

fn by_hand(name: &str) -> ByHand {
    match name {
        "amber" => ByHand::Amber(Amber(7)),
        "blue" => ByHand::Blue(Blue(7)),
        "coral" => ByHand::Coral(Coral(7)),
        _ => ByHand::Denim(Denim(7)),
    }
}

fn object(name: &str) -> Box<dyn Object> {
    match name {
        "amber" => Box::new(Amber(7)),
        "blue" => Box::new(Blue(7)),
        "coral" => Box::new(Coral(7)),
        _ => Box::new(Denim(7)),
    }
}
