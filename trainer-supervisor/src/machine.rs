//! Who supervises: this machine, this boot, this user.

use std::{fs, sync::OnceLock};

use serde::{Deserialize, Serialize};

/// Where and for whom something was recorded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Machine {
    /// What tells this machine from others: its machine id, else its host name.
    pub id: String,
    /// Its host name, for people.
    pub host: String,
    /// The numeric user.
    pub user: u32,
}

impl Machine {
    /// This machine and the user of this process.
    #[must_use]
    pub fn here() -> Self {
        static HERE: OnceLock<Machine> = OnceLock::new();
        HERE.get_or_init(|| {
            let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
            // Images of containers have the file empty or not at all.
            let id = ["/etc/machine-id", "/var/lib/dbus/machine-id"]
                .iter()
                .filter_map(|path| fs::read_to_string(path).ok())
                .map(|id| id.trim().to_owned())
                .find(|id| !id.is_empty())
                .unwrap_or_else(|| host.clone());
            Self { id, host, user: rustix::process::getuid().as_raw() }
        })
        .clone()
    }

    /// Whether this process can see, and may touch, what was started there.
    #[must_use]
    pub fn is_here(&self) -> bool {
        let here = Self::here();
        self.id == here.id && self.user == here.user
    }
}

/// Identity of this boot; empty where the kernel doesn't say.
pub(crate) fn boot_id() -> String {
    fs::read_to_string("/proc/sys/kernel/random/boot_id").map(|id| id.trim().to_owned()).unwrap_or_default()
}
