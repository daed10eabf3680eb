//! The fields that review and plan answer for every engine: they are part of the plan, and the plan is executed.

use super::{FieldRule, Place, Treatment::Honour};

pub(super) const RULES: &[FieldRule] = &[
    FieldRule::of(
        Place::TrainJob,
        &["activeDeadlineSeconds", "initializer", "managedBy", "runtimePatches", "runtimeRef", "suspend", "trainer"],
        Honour,
    ),
    FieldRule::of(
        Place::Runtime,
        &["mlPolicy.jax", "mlPolicy.numNodes", "mlPolicy.torch", "mlPolicy.xgboost", "template"],
        Honour,
    ),
    // `startupPolicy` is what `localize` makes of it: each step waits for the one before it.
    FieldRule::of(Place::JobSet, &["network", "replicatedJobs", "startupPolicy", "successPolicy", "suspend"], Honour),
    FieldRule::of(Place::ReplicatedJob, &["dependsOn", "name", "replicas", "template"], Honour),
    FieldRule::of(Place::Job, &["backoffLimit", "completions", "parallelism", "template"], Honour),
    FieldRule::of(Place::Pod, &["restartPolicy", "volumes.name"], Honour),
    FieldRule::of(
        Place::Container,
        &[
            "args",
            "command",
            "env.name",
            "env.value",
            "name",
            "ports.containerPort",
            "ports.name",
            "ports.protocol",
            "volumeMounts.mountPath",
            "volumeMounts.name",
        ],
        Honour,
    ),
];
