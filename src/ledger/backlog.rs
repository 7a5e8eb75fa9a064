//! What waits to be written while the ledger cannot be.
//!
//! Only for revocation, stop and rollback: they go ahead, and their records follow. Issuance and start call `append`
//! themselves and wait. Bounded; a loss is counted and becomes a record. Does not know when to try again.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use k8s_openapi::jiff::Timestamp;

use super::{Ledger, LedgerError};
use crate::domain::audit::{Draft, RecordType};

/// Drafts in the order in which they happened.
#[derive(Debug)]
pub struct Backlog {
    capacity: usize,
    queue: Mutex<Queue>,
}

#[derive(Debug, Default)]
struct Queue {
    drafts: VecDeque<Draft>,
    lost: u64,
    /// The first draft that found no room: the gap is recorded in its name.
    gap: Option<Draft>,
}

impl Backlog {
    /// A backlog for so many drafts.
    pub fn new(capacity: usize) -> Self {
        Self { capacity, queue: Mutex::default() }
    }

    /// Keeps a draft of what happened at `occurred`. A key that waits already is kept once.
    pub fn push(&self, mut draft: Draft, occurred: Timestamp) {
        draft.details.insert("occurredTime".to_owned(), occurred.to_string());
        let mut queue = self.lock();
        if queue.drafts.iter().any(|waiting| waiting.key == draft.key) {
            return;
        }
        if queue.drafts.len() < self.capacity {
            queue.drafts.push_back(draft);
            return;
        }
        queue.lost = queue.lost.saturating_add(1);
        queue.gap.get_or_insert(draft);
    }

    /// How many drafts wait.
    pub fn len(&self) -> usize {
        self.lock().drafts.len()
    }

    /// Whether nothing waits, neither a draft nor the account of a loss.
    pub fn is_empty(&self) -> bool {
        let queue = self.lock();
        queue.drafts.is_empty() && queue.lost == 0
    }

    /// How many drafts found no room since the last record of a gap.
    pub fn lost(&self) -> u64 {
        self.lock().lost
    }

    /// Appends what waits, in order, under the fence of the leader that writes now. Stops at the first error, and
    /// keeps what was not written.
    pub async fn flush(&self, ledger: &dyn Ledger, fence: u64) -> Result<usize, LedgerError> {
        let mut written: usize = 0;
        while let Some(mut draft) = self.first() {
            draft.fence = fence;
            let key = draft.key.clone();
            ledger.append(draft).await?;
            self.forget(&key);
            written = written.saturating_add(1);
        }
        if let Some((mut gap, lost)) = self.gap() {
            gap.fence = fence;
            ledger.append(gap).await?;
            self.account_for(lost);
        }
        Ok(written)
    }

    fn first(&self) -> Option<Draft> {
        self.lock().drafts.front().cloned()
    }

    /// Two flushes may write the same draft, which the key makes one record; only its own is taken from the queue.
    fn forget(&self, key: &str) {
        self.lock().drafts.pop_front_if(|draft| draft.key == key);
    }

    fn gap(&self) -> Option<(Draft, u64)> {
        let queue = self.lock();
        let first = queue.gap.as_ref()?;
        let mut gap = Draft::new(
            RecordType::Gap,
            first.actor.clone(),
            first.subject.clone(),
            format!("gap/{}/{}", first.key, queue.lost),
        );
        gap.reason = Some("BacklogFull".to_owned());
        gap.details.clone_from(&first.details);
        gap.details.insert("lostRecords".to_owned(), queue.lost.to_string());
        Some((gap, queue.lost))
    }

    fn account_for(&self, lost: u64) {
        let mut queue = self.lock();
        queue.lost = queue.lost.saturating_sub(lost);
        if queue.lost == 0 {
            queue.gap = None;
        }
    }

    /// A panic elsewhere does not make the queue worse, so a poisoned lock is taken.
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
