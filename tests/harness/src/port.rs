//! Port: a TCP port on loopback that is this run's own.
//!
//! Decides numbers that no other run and no outgoing connection takes. Does not know who listens there.

use std::fs::{self, File};
use std::hash::{BuildHasher, RandomState};
use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;

use anyhow::{Context, Result, bail};

use crate::environment;

/// Below the range from which the kernel gives ports to outgoing connections, so that a server which is
/// stopped and started again finds its port free.
const FIRST: u16 = 20_000;
const COUNT: u16 = 12_000;

/// A reserved port, held by a file lock until this is dropped.
#[derive(Debug)]
pub struct Port {
    number: u16,
    _lock: File,
}

impl Port {
    /// A port that nobody listens on and no other run has reserved.
    pub fn reserve() -> Result<Self> {
        let dir = environment::cache_dir()?.join("ports");
        fs::create_dir_all(&dir).with_context(|| format!("create {}", dir.display()))?;
        let start =
            u16::try_from(RandomState::new().hash_one(0) % u64::from(COUNT)).unwrap_or_default();
        for step in 0..COUNT {
            let number = FIRST + (start + step) % COUNT;
            if let Some(port) = Self::try_reserve(&dir, number)? {
                return Ok(port);
            }
        }
        bail!(
            "no free port between {FIRST} and {}: end what listens there",
            FIRST + COUNT
        )
    }

    fn try_reserve(dir: &Path, number: u16) -> Result<Option<Self>> {
        let path = dir.join(number.to_string());
        let lock = File::create(&path).with_context(|| format!("create {}", path.display()))?;
        let is_ours =
            lock.try_lock().is_ok() && TcpListener::bind((Ipv4Addr::LOCALHOST, number)).is_ok();
        Ok(is_ours.then_some(Self {
            number,
            _lock: lock,
        }))
    }

    /// The number.
    pub fn number(&self) -> u16 {
        self.number
    }

    /// `127.0.0.1:PORT`.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reserved_port_is_not_given_twice() {
        let dir = tempfile::tempdir().unwrap();
        let number = Port::reserve().unwrap().number();
        let held = Port::try_reserve(dir.path(), number).unwrap();
        assert!(held.is_some());
        assert!(Port::try_reserve(dir.path(), number).unwrap().is_none());
        drop(held);
        assert!(Port::try_reserve(dir.path(), number).unwrap().is_some());
    }

    #[test]
    fn a_port_in_use_is_passed_over() {
        let dir = tempfile::tempdir().unwrap();
        let port = Port::reserve().unwrap();
        let _listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port.number())).unwrap();
        assert!(
            Port::try_reserve(dir.path(), port.number())
                .unwrap()
                .is_none()
        );
    }
}
