//! What becomes of each field of a job. What isn't listed is refused.

use trainer::fields::{
    FieldRule, Place,
    Treatment::{Honour, Moot, Substitute, Warn, Within},
};

pub(crate) const FIELDS: &[FieldRule] = &[
    FieldRule::of(Place::Pod, &["containers"], Within("one in a node")),
    FieldRule::of(Place::Pod, &["terminationGracePeriodSeconds"], Honour),
    FieldRule::of(Place::Pod, &["affinity", "nodeSelector", "tolerations"], Moot),
    FieldRule::of(Place::Container, &["image"], Substitute("images are replaced by this machine's software")),
    FieldRule::of(Place::Container, &["imagePullPolicy"], Moot),
    FieldRule::of(
        Place::Container,
        &["resources.limits", "resources.requests"],
        Warn("nothing is set aside for a window: it has what this machine has"),
    ),
];
