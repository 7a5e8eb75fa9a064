//! The soak clock: how long a change has been healthy under watch.
//!
//! Runs only between two healthy polls. Does not know how long the soak has to be.

use std::time::Duration;

use jiff::Timestamp;

use super::{Verdict, elapsed};

/// How long all checks were healthy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Soak {
    healthy: Duration,
    last_healthy: Option<Timestamp>,
}

impl Soak {
    /// A soak that goes on from what was recorded of it; the time since is not counted, for nobody watched.
    pub const fn recorded(healthy: Duration) -> Self {
        Self {
            healthy,
            last_healthy: None,
        }
    }

    /// How long it has been healthy.
    pub const fn healthy(&self) -> Duration {
        self.healthy
    }

    /// Takes the worst verdict of all checks. A gap between two polls counts up to `longest_gap`.
    #[must_use]
    pub fn advance(self, worst: Verdict, now: Timestamp, longest_gap: Duration) -> Self {
        if worst != Verdict::Healthy {
            return Self {
                last_healthy: None,
                ..self
            };
        }
        let since = self
            .last_healthy
            .map_or(Duration::ZERO, |at| elapsed(at, now).min(longest_gap));
        Self {
            healthy: self.healthy.saturating_add(since),
            last_healthy: Some(now),
        }
    }
}
