//! Whom the programs of a node run as: files that they write into mounted folders should be the user's.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;
use trainer_core::plan::{Container, PlannedStep};

use super::engine::Engine;

/// The option `user`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum UserChoice {
    /// Who submits, on an engine that would let programs be root beside them; the image's on any other.
    #[default]
    Caller,
    /// Whom the image names.
    Image,
    /// This one, `UID:GID`.
    Ids(u32, u32),
}

impl UserChoice {
    fn parse(text: &str) -> Option<Self> {
        match text {
            "caller" => Some(Self::Caller),
            "image" => Some(Self::Image),
            ids => {
                let (user, group) = ids.split_once(':')?;
                Some(Self::Ids(user.parse().ok()?, group.parse().ok()?))
            }
        }
    }

    /// The user of the containers of a job on this engine; `None`: the image's.
    pub(super) fn resolve(&self, engine: &Engine) -> Option<String> {
        match self {
            Self::Image => None,
            Self::Ids(user, group) => Some(format!("{user}:{group}")),
            Self::Caller => {
                let user = rustix::process::getuid().as_raw();
                let group = rustix::process::getgid().as_raw();
                // Without root the engine's root is the caller. On another machine the caller is nobody.
                let is_apart = engine.is_local() && !is_rootless(engine);
                (user != 0 && is_apart).then(|| format!("{user}:{group}"))
            }
        }
    }
}

impl fmt::Display for UserChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Caller => f.write_str("caller"),
            Self::Image => f.write_str("image"),
            Self::Ids(user, group) => write!(f, "{user}:{group}"),
        }
    }
}

impl Serialize for UserChoice {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for UserChoice {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text)
            .ok_or_else(|| serde::de::Error::custom(format!("`{text}` is neither caller nor image nor UID:GID")))
    }
}

/// Whether the engine runs without root.
pub(super) fn is_rootless(engine: &Engine) -> bool {
    engine.info.security_options.iter().flatten().any(|option| option.contains("rootless"))
}

/// The user of a container: what its own security context says, or its pod's, or else `usual`.
pub(super) fn of_container(step: &PlannedStep, container: &Container, usual: Option<&str>) -> Option<String> {
    let id = |field: &str| {
        let own = container.rest.get("securityContext").and_then(|context| context.get(field));
        own.or_else(|| step.pod.get("securityContext")?.get(field)).and_then(Value::as_u64)
    };
    let group = id("runAsGroup").map(|group| format!(":{group}")).unwrap_or_default();
    match id("runAsUser") {
        Some(user) => Some(format!("{user}{group}")),
        None => usual.map(str::to_owned),
    }
}
