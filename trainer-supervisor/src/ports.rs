//! Ports that no other job of this state folder uses, and that the kernel doesn't give to clients.

use std::{
    fs, io,
    net::{Ipv4Addr, TcpListener},
    ops::RangeInclusive,
    path::{Path, PathBuf},
};

use rustix::fs::{FlockOperation, flock};
use trainer_core::{Error, ErrorKind, Result};

use crate::jobs::JobFolder;

/// The lowest port that is leased: below are well-known services.
const LOWEST: u16 = 10_240;

/// Ports that belong to a job until this is dropped, or the job is no longer supervised.
#[derive(Debug)]
pub struct PortLeases {
    files: Vec<PathBuf>,
    ports: Vec<u16>,
}

impl PortLeases {
    /// Leases `count` ports for the job in `folder`.
    ///
    /// # Errors
    /// `Io` if the leases can't be written, `Conflict` if there is no free port.
    pub fn acquire(folder: &JobFolder, count: usize) -> Result<Self> {
        let directory = folder.state_root().join("ports");
        fs::create_dir_all(&directory).map_err(|error| Error::io("create", &directory, error))?;
        let lock_path = directory.join("lock");
        let lock = fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(&lock_path)
            .map_err(|error| Error::io("open", &lock_path, error))?;
        flock(&lock, FlockOperation::LockExclusive).map_err(|error| Error::io("lock", &lock_path, error.into()))?;

        let mut leases = Self { files: Vec::new(), ports: Vec::new() };
        for port in candidates(&ephemeral_range(), starting_point()) {
            if leases.ports.len() == count {
                break;
            }
            let file = directory.join(port.to_string());
            if is_leased(&file) || !is_free(port) {
                continue;
            }
            fs::write(&file, folder.path().as_os_str().as_encoded_bytes())
                .map_err(|error| Error::io("write", &file, error))?;
            leases.files.push(file);
            leases.ports.push(port);
        }
        if leases.ports.len() < count {
            return Err(Error::new(ErrorKind::Conflict, format!("there are no {count} free ports on this machine"))
                .with_hint("delete jobs that are no longer needed, or look who listens with `ss -ltnp`"));
        }
        Ok(leases)
    }

    /// The ports, as many as were asked for.
    #[must_use]
    pub fn ports(&self) -> &[u16] {
        &self.ports
    }
}

impl Drop for PortLeases {
    fn drop(&mut self) {
        for file in &self.files {
            let _ = fs::remove_file(file);
        }
    }
}

/// A lease holds as long as somebody supervises its job.
fn is_leased(file: &Path) -> bool {
    match fs::read_to_string(file) {
        Ok(folder) => JobFolder::at(folder).is_supervised(),
        Err(error) => error.kind() != io::ErrorKind::NotFound,
    }
}

fn is_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).is_ok()
}

/// All ports outside of the ephemeral range, beginning anywhere: jobs of other users, whose leases
/// we don't see, are unlikely to begin at the same.
fn candidates(ephemeral: &RangeInclusive<u16>, start: usize) -> impl Iterator<Item = u16> {
    let all: Vec<u16> = (LOWEST..=u16::MAX).filter(|port| !ephemeral.contains(port)).collect();
    let count = all.len();
    (0..count).filter_map(move |offset| all.get((start + offset) % count).copied())
}

fn ephemeral_range() -> RangeInclusive<u16> {
    let text = fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").unwrap_or_default();
    let mut numbers = text.split_ascii_whitespace().filter_map(|number| number.parse().ok());
    match (numbers.next(), numbers.next()) {
        (Some(low), Some(high)) => low..=high,
        _ => 32_768..=60_999,
    }
}

fn starting_point() -> usize {
    let random = uuid::Uuid::new_v4().as_u128();
    usize::try_from(random % 65_536).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_candidate_is_in_the_ephemeral_range() {
        let mut ports: Vec<u16> = candidates(&(32_768..=60_999), 54_321).collect();
        assert!(ports.iter().all(|port| *port >= LOWEST && !(32_768..=60_999).contains(port)));
        ports.sort_unstable();
        ports.dedup();
        assert_eq!(ports.len(), (10_240..32_768_u16).len() + (61_000..=u16::MAX).len());
    }
}
