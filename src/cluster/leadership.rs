//! Leadership: may this process write now?
//!
//! Asked before every effect. Validity is monotonic time since the last renewal began, so a process that was stopped and
//! resumed finds itself no leader before its next write. (A monotonic clock runs on while a process is stopped.)
//! Does not know how leadership is won.

use crate::domain::leadership::{Timing, may_act};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

/// Leadership has ended: nothing may be written on the strength of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this process does not lead any more (fence {fence}); another one goes on")]
pub struct NotLeader {
    /// The fence it led under.
    pub fence: i64,
}

/// The right to act, asked before every effect.
#[derive(Clone, Debug)]
pub struct Leadership {
    /// Grows with every change of leader; a write under a lower one is late.
    pub fence: i64,
    /// Cancelled once leadership is lost. A resumed process sees `is_valid` turn first.
    pub lost: CancellationToken,
    renewed: Arc<Renewed>,
}

#[derive(Debug)]
struct Renewed {
    origin: Instant,
    nanos: AtomicU64,
    timing: Timing,
}

impl Leadership {
    /// Leadership that was granted by a write begun at `since`.
    pub fn granted(fence: i64, timing: Timing, since: Instant) -> Self {
        let renewed = Renewed {
            origin: since,
            nanos: AtomicU64::new(0),
            timing,
        };
        Self {
            fence,
            lost: CancellationToken::new(),
            renewed: Arc::new(renewed),
        }
    }

    /// Does this process lead now?
    pub fn is_valid(&self) -> bool {
        self.is_valid_at(Instant::now())
    }

    /// The same as an error, for the line before a write.
    pub fn ensure(&self) -> Result<(), NotLeader> {
        if self.is_valid() {
            Ok(())
        } else {
            Err(NotLeader { fence: self.fence })
        }
    }

    fn is_valid_at(&self, now: Instant) -> bool {
        !self.lost.is_cancelled() && may_act(self.age(now), &self.renewed.timing)
    }

    fn age(&self, now: Instant) -> Duration {
        let renewed = Duration::from_nanos(self.renewed.nanos.load(Ordering::Acquire));
        now.saturating_duration_since(self.renewed.origin)
            .saturating_sub(renewed)
    }

    /// Counts from `begun` on: the moment before the renewal was sent, since others may count from then.
    pub(crate) fn renew(&self, begun: Instant) {
        let since = begun
            .saturating_duration_since(self.renewed.origin)
            .as_nanos();
        self.renewed
            .nanos
            .store(u64::try_from(since).unwrap_or(u64::MAX), Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn granted(since: Instant) -> Leadership {
        Leadership::granted(7, Timing::of_lease(Duration::from_secs(15)), since)
    }

    #[test]
    fn a_resumed_process_finds_itself_no_leader() {
        let start = Instant::now();
        let leadership = granted(start);
        assert!(leadership.is_valid_at(start + Duration::from_secs(9)));
        assert!(!leadership.is_valid_at(start + Duration::from_secs(10)));
    }

    #[test]
    fn a_renewal_counts_from_its_beginning() {
        let start = Instant::now();
        let leadership = granted(start);
        leadership.renew(start + Duration::from_secs(8));
        assert!(leadership.is_valid_at(start + Duration::from_secs(17)));
        assert!(!leadership.is_valid_at(start + Duration::from_secs(18)));
    }

    #[test]
    fn every_copy_learns_of_the_loss() {
        let leadership = granted(Instant::now());
        let copy = leadership.clone();
        leadership.lost.cancel();
        assert_eq!(copy.ensure(), Err(NotLeader { fence: 7 }));
    }
}
