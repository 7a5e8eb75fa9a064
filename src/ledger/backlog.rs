//! What waits to be written while the ledger cannot be.
//!
//! Only for revocation, stop and rollback: they go ahead, and their records follow. Issuance and start call `append`
//! themselves and wait. Bounded; a loss is counted and becomes a record. Remembers that the ledger stalled, so that
//! what must not wait does not find out by waiting. Does not know when to try again.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use k8s_openapi::jiff::Timestamp;

use super::{Ledger, LedgerError};
use crate::domain::audit::{Draft, RecordType};

/// Drafts in the order in which they happened.
#[derive(Debug)]
pub struct Backlog {
    capacity: usize,
    stalled: AtomicBool,
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
        Self {
            capacity,
            stalled: AtomicBool::new(false),
            queue: Mutex::default(),
        }
    }

    /// Whether the ledger could not be written when that was last tried.
    pub fn is_stalled(&self) -> bool {
        self.stalled.load(Ordering::Relaxed)
    }

    /// Remembers whether the ledger could be written.
    pub fn set_stalled(&self, is_stalled: bool) {
        self.stalled.store(is_stalled, Ordering::Relaxed);
    }

    /// Keeps a draft of what happened at `occurred`. A key that waits already is kept once.
    pub fn push(&self, mut draft: Draft, occurred: Timestamp) {
        draft
            .details
            .insert("occurredTime".to_owned(), occurred.to_string());
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
        gap.details
            .insert("lostRecords".to_owned(), queue.lost.to_string());
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

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::atomic::{AtomicBool, Ordering};

    use futures::FutureExt as _;
    use futures::future::BoxFuture;

    use super::*;
    use crate::domain::audit::{Actor, ActorKind, Hash, Head, Subject, Trailer};
    use crate::ledger::{Appended, Range};

    /// A ledger that can be full.
    #[derive(Default)]
    struct Paper {
        is_full: AtomicBool,
        drafts: Mutex<Vec<Draft>>,
    }

    impl Paper {
        fn keys(&self) -> Vec<String> {
            self.drafts
                .lock()
                .unwrap()
                .iter()
                .map(|draft| draft.key.clone())
                .collect()
        }
    }

    impl Ledger for Paper {
        fn append(&self, draft: Draft) -> BoxFuture<'_, Result<Appended, LedgerError>> {
            if self.is_full.load(Ordering::SeqCst) {
                return futures::future::ready(Err(LedgerError::Append(sqlx::Error::PoolTimedOut)))
                    .boxed();
            }
            let mut drafts = self.drafts.lock().unwrap();
            drafts.push(draft);
            let appended = Appended {
                seq: drafts.len() as u64,
                hash: Hash::of(b""),
                fresh: true,
            };
            futures::future::ready(Ok(appended)).boxed()
        }

        fn head(&self) -> BoxFuture<'_, Result<Head, LedgerError>> {
            futures::future::ready(Ok(Head::genesis("paper"))).boxed()
        }

        fn has<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<bool, LedgerError>> {
            futures::future::ready(Ok(self.keys().iter().any(|known| known == key))).boxed()
        }

        fn export<'a>(
            &'a self,
            _: &'a mut (dyn Write + Send),
            _: Range,
        ) -> BoxFuture<'a, Result<Trailer, LedgerError>> {
            futures::future::ready(Err(LedgerError::Read(sqlx::Error::PoolTimedOut))).boxed()
        }

        fn probe(&self) -> BoxFuture<'_, Result<(), LedgerError>> {
            futures::future::ready(Ok(())).boxed()
        }
    }

    fn draft(key: &str) -> Draft {
        let actor = Actor {
            name: "permit-operator".to_owned(),
            kind: ActorKind::Operator,
        };
        Draft::new(RecordType::Done, actor, Subject::default(), key)
    }

    fn backlog(capacity: usize, keys: &[&str]) -> Backlog {
        let backlog = Backlog::new(capacity);
        for key in keys {
            backlog.push(draft(key), "2026-11-22T12:00:00Z".parse().unwrap());
        }
        backlog
    }

    #[tokio::test]
    async fn what_waits_is_written_in_order_and_says_when_it_happened() {
        let (paper, backlog) = (Paper::default(), backlog(8, &["a", "b", "a", "c"]));
        assert_eq!(backlog.flush(&paper, 7).await.unwrap(), 3);
        assert!(backlog.is_empty());
        assert_eq!(paper.keys(), ["a", "b", "c"]);
        let drafts = paper.drafts.lock().unwrap();
        assert_eq!(drafts[0].details["occurredTime"], "2026-11-22T12:00:00Z");
        assert!(drafts.iter().all(|draft| draft.fence == 7));
    }

    #[tokio::test]
    async fn what_cannot_be_written_waits_on() {
        let (paper, backlog) = (Paper::default(), backlog(8, &["a", "b"]));
        paper.is_full.store(true, Ordering::SeqCst);
        assert!(backlog.flush(&paper, 1).await.unwrap_err().is_transient());
        assert_eq!(backlog.len(), 2);
        paper.is_full.store(false, Ordering::SeqCst);
        assert_eq!(backlog.flush(&paper, 1).await.unwrap(), 2);
        assert_eq!(paper.keys(), ["a", "b"]);
    }

    #[tokio::test]
    async fn a_loss_is_counted_and_becomes_a_record() {
        let (paper, backlog) = (Paper::default(), backlog(1, &["a", "b", "c"]));
        assert_eq!(backlog.lost(), 2);
        assert!(!backlog.is_empty());
        assert_eq!(backlog.flush(&paper, 1).await.unwrap(), 1);
        assert!(backlog.is_empty());
        let gap = paper.drafts.lock().unwrap().pop().unwrap();
        assert_eq!(
            (gap.kind, gap.details["lostRecords"].as_str()),
            (RecordType::Gap, "2")
        );
        assert_eq!(gap.key, "gap/b/2");
    }
}
