//! A ledger that is opened when it can be.
//!
//! A store that cannot be opened stops permits, not the process: whoever appends is told why, and each try opens it
//! anew. Does not know what a store looks like.

use std::path::Path;
use std::sync::Arc;

use futures::future::BoxFuture;
use tokio::sync::Mutex;

use super::damage::state;
use super::sqlite::{file_in, open_reads};
use super::{Appended, Ledger, LedgerError, Place, Range, SqliteLedger};
use crate::clock::Clock;
use crate::domain::audit::{Draft, Head, Trailer};

/// A store, opened by whoever first needs it and can.
pub struct Opening {
    place: Place,
    clock: Arc<dyn Clock>,
    opened: Mutex<Option<Arc<SqliteLedger>>>,
}

impl Opening {
    /// A store at a place, not opened yet.
    pub fn new(place: Place, clock: Arc<dyn Clock>) -> Self {
        Self {
            place,
            clock,
            opened: Mutex::default(),
        }
    }

    async fn open(&self) -> Result<Arc<SqliteLedger>, LedgerError> {
        let mut opened = self.opened.lock().await;
        if let Some(ledger) = opened.as_ref() {
            return Ok(Arc::clone(ledger));
        }
        let ledger = SqliteLedger::open(self.place.clone(), Arc::clone(&self.clock)).await?;
        Ok(Arc::clone(opened.insert(Arc::new(ledger))))
    }
}

impl Ledger for Opening {
    fn append(&self, draft: Draft) -> BoxFuture<'_, Result<Appended, LedgerError>> {
        Box::pin(async move { self.open().await?.append(draft).await })
    }

    fn has<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<bool, LedgerError>> {
        Box::pin(async move { self.open().await?.has(key).await })
    }

    fn head(&self) -> BoxFuture<'_, Result<Head, LedgerError>> {
        Box::pin(async move { self.open().await?.head().await })
    }

    fn export<'a>(
        &'a self,
        out: &'a mut (dyn std::io::Write + Send),
        range: Range,
    ) -> BoxFuture<'a, Result<Trailer, LedgerError>> {
        Box::pin(async move { self.open().await?.export(out, range).await })
    }

    fn probe(&self) -> BoxFuture<'_, Result<(), LedgerError>> {
        Box::pin(async move { self.open().await?.probe().await })
    }
}

/// The highest lease transitions under which the store in a directory was written; an error where there is none yet.
pub async fn highest_fence(directory: &Path) -> Result<u64, LedgerError> {
    let file = file_in(directory);
    let reads = open_reads(&file).await?;
    let fence = async {
        let mut connection = reads.acquire().await.map_err(LedgerError::Read)?;
        Ok(state(&mut connection, &file).await?.fence)
    };
    let fence = fence.await;
    reads.close().await;
    fence
}

#[cfg(test)]
mod tests {
    use k8s_openapi::jiff::Timestamp;

    use super::*;
    use crate::domain::audit::{Actor, ActorKind, RecordType, Subject};

    struct Noon;

    impl Clock for Noon {
        fn now(&self) -> Timestamp {
            "2026-11-22T12:00:00Z".parse().unwrap()
        }
    }

    fn opening(directory: &Path) -> Opening {
        let place = Place {
            directory: directory.to_owned(),
            log: "permits".to_owned(),
            operator_version: "0.1.0".to_owned(),
        };
        Opening::new(place, Arc::new(Noon))
    }

    fn draft(key: &str, fence: u64) -> Draft {
        let actor = Actor {
            name: "permit-operator".to_owned(),
            kind: ActorKind::Operator,
        };
        let mut draft = Draft::new(RecordType::Done, actor, Subject::default(), key);
        draft.fence = fence;
        draft
    }

    #[tokio::test]
    async fn a_store_that_cannot_be_opened_is_opened_once_it_can_be() {
        let directory = tempfile::tempdir().unwrap();
        let ledger = opening(directory.path());
        // A directory where the file should be: nobody can open that, not even root.
        std::fs::create_dir(file_in(directory.path())).unwrap();
        assert!(
            ledger
                .append(draft("a", 1))
                .await
                .unwrap_err()
                .is_transient()
        );
        assert!(ledger.probe().await.is_err());
        std::fs::remove_dir(file_in(directory.path())).unwrap();
        ledger.probe().await.unwrap();
        assert_eq!(ledger.append(draft("a", 1)).await.unwrap().seq, 1);
        assert!(ledger.has("a").await.unwrap() && !ledger.has("b").await.unwrap());
    }

    #[tokio::test]
    async fn the_highest_fence_is_known_before_the_store_is_opened() {
        let directory = tempfile::tempdir().unwrap();
        assert!(highest_fence(directory.path()).await.is_err());
        let ledger = opening(directory.path());
        ledger.append(draft("a", 7)).await.unwrap();
        assert_eq!(highest_fence(directory.path()).await.unwrap(), 7);
    }
}
