//! The SQLite store: one file, one transaction an append, on the disk before it is answered.
//!
//! The head is read and the fence compared inside the transaction that appends, never remembered: a leader that was
//! stopped in the middle finds out here that another one writes. Does not know what a record means.

mod open;

use std::fs;
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use sqlx::{Row as _, SqliteConnection, SqlitePool};

use super::damage::{check_tail, damaged, integer, number, state};
use super::{Appended, Ledger, LedgerError, Range, export};
use crate::clock::Clock;
use crate::domain::audit::{Draft, Hash, Head, PseudonymKey, Sealed, Stamp, Trailer, seal};
use open::{pool, prepare};

pub(super) use open::open_reads;

/// How long a statement waits for another writer.
const BUSY: Duration = Duration::from_secs(5);

/// Where a store is, and what its records carry.
#[derive(Clone, Debug)]
pub struct Place {
    /// The directory of the store and its key.
    pub directory: PathBuf,
    /// Name of the log.
    pub log: String,
    /// Version of the operator.
    pub operator_version: String,
}

impl Place {
    /// The file of the records.
    pub(super) fn file(&self) -> PathBuf {
        file_in(&self.directory)
    }

    fn key(&self) -> PathBuf {
        self.directory.join("pseudonym.key")
    }
}

/// The ledger in a SQLite file.
pub struct SqliteLedger {
    place: Place,
    file: PathBuf,
    /// Device and number of the file that was opened.
    identity: Option<(u64, u64)>,
    pseudonyms: PseudonymKey,
    clock: Arc<dyn Clock>,
    writes: SqlitePool,
    reads: SqlitePool,
}

impl SqliteLedger {
    /// Opens the store, makes it if there is none, and refuses one whose end is not what was written.
    pub async fn open(place: Place, clock: Arc<dyn Clock>) -> Result<Self, LedgerError> {
        let file = place.file();
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&place.directory)
            .map_err(|source| LedgerError::Prepare {
                path: place.directory.clone(),
                source,
            })?;
        let options = SqliteConnectOptions::new()
            .filename(&file)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(BUSY);
        let unopened = |source| LedgerError::Open {
            path: file.clone(),
            source,
        };
        let writes = pool(1).connect_with(options).await.map_err(unopened)?;
        let pseudonyms = prepare(&writes, &place).await?;
        let reads = open_reads(&file).await?;
        Ok(Self {
            identity: identity(&file),
            place,
            file,
            pseudonyms,
            clock,
            writes,
            reads,
        })
    }

    /// The pseudonym under which this ledger knows a name.
    pub fn pseudonym(&self, name: &str) -> String {
        self.pseudonyms.pseudonym(name)
    }

    /// Closes the store in order.
    pub async fn close(&self) {
        self.reads.close().await;
        self.writes.close().await;
    }

    /// An open file can be written for ever after it was deleted or moved away, and nobody would find the records.
    fn ensure_in_place(&self) -> Result<(), LedgerError> {
        if identity(&self.file) == self.identity {
            return Ok(());
        }
        let why = "another file, or none, stands where it was opened; put it back, or restart to begin a new one";
        Err(damaged(&self.file, why))
    }

    async fn write(&self, draft: &Draft) -> Result<Appended, LedgerError> {
        self.ensure_in_place()?;
        let mut transaction = self
            .writes
            .begin_with("BEGIN IMMEDIATE")
            .await
            .map_err(LedgerError::Append)?;
        let state = state(&mut transaction, &self.file).await?;
        if draft.fence < state.fence {
            return Err(LedgerError::Fenced {
                offered: draft.fence,
                highest: state.fence,
            });
        }
        check_tail(&mut transaction, &self.file, &state).await?;
        let known = known(&mut transaction, &draft.key).await?;
        let sealed = if known.is_some() {
            None
        } else {
            Some(self.insert(&mut transaction, draft, &state.head).await?)
        };
        let head = sealed.as_ref().map_or(state.head, |sealed| sealed.head);
        sqlx::query("UPDATE state SET fence = ?, seq = ?, hash = ? WHERE only_row = 1")
            .bind(integer(draft.fence))
            .bind(integer(head.seq))
            .bind(head.hash.as_bytes().to_vec())
            .execute(&mut *transaction)
            .await
            .map_err(LedgerError::Append)?;
        transaction.commit().await.map_err(LedgerError::Append)?;
        Ok(known.unwrap_or(Appended {
            seq: head.seq,
            hash: head.hash,
            fresh: true,
        }))
    }

    async fn insert(
        &self,
        connection: &mut SqliteConnection,
        draft: &Draft,
        head: &Head,
    ) -> Result<Sealed, LedgerError> {
        let salt: [u8; 32] = rand::random();
        let stamp = Stamp {
            log: &self.place.log,
            time: self.clock.now(),
            salt,
            pseudonyms: &self.pseudonyms,
            operator_version: &self.place.operator_version,
        };
        let sealed = seal(draft, &stamp, head).map_err(LedgerError::Seal)?;
        sqlx::query("INSERT INTO record (seq, key, hash, line) VALUES (?, ?, ?, ?)")
            .bind(integer(sealed.head.seq))
            .bind(&draft.key)
            .bind(sealed.head.hash.as_bytes().to_vec())
            .bind(&sealed.line)
            .execute(&mut *connection)
            .await
            .map_err(LedgerError::Append)?;
        sqlx::query("INSERT INTO payload (seq, salt, body) VALUES (?, ?, ?)")
            .bind(integer(sealed.head.seq))
            .bind(salt.to_vec())
            .bind(&sealed.payload)
            .execute(&mut *connection)
            .await
            .map_err(LedgerError::Append)?;
        Ok(sealed)
    }
}

impl Ledger for SqliteLedger {
    fn append(&self, draft: Draft) -> BoxFuture<'_, Result<Appended, LedgerError>> {
        Box::pin(async move { self.write(&draft).await })
    }

    fn has<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<bool, LedgerError>> {
        Box::pin(async move {
            let mut connection = self.reads.acquire().await.map_err(LedgerError::Read)?;
            Ok(known(&mut connection, key).await?.is_some())
        })
    }

    fn head(&self) -> BoxFuture<'_, Result<Head, LedgerError>> {
        Box::pin(async move {
            let mut connection = self.reads.acquire().await.map_err(LedgerError::Read)?;
            Ok(state(&mut connection, &self.file).await?.head)
        })
    }

    fn export<'a>(
        &'a self,
        out: &'a mut (dyn Write + Send),
        range: Range,
    ) -> BoxFuture<'a, Result<Trailer, LedgerError>> {
        Box::pin(export::write(&self.reads, &self.file, out, range))
    }

    fn probe(&self) -> BoxFuture<'_, Result<(), LedgerError>> {
        Box::pin(async move {
            self.ensure_in_place()?;
            sqlx::query("UPDATE probe SET times = times + 1 WHERE only_row = 1")
                .execute(&self.writes)
                .await
                .map(drop)
                .map_err(LedgerError::Probe)
        })
    }
}

/// The file of the records in a ledger's directory.
pub(super) fn file_in(directory: &Path) -> PathBuf {
    directory.join("ledger.db")
}

/// What tells a file from another one under the same name.
fn identity(file: &Path) -> Option<(u64, u64)> {
    fs::metadata(file)
        .ok()
        .map(|found| (found.dev(), found.ino()))
}

/// The record that was appended under a key.
async fn known(
    connection: &mut SqliteConnection,
    key: &str,
) -> Result<Option<Appended>, LedgerError> {
    let row = sqlx::query("SELECT seq, hash FROM record WHERE key = ?")
        .bind(key)
        .fetch_optional(connection)
        .await
        .map_err(LedgerError::Append)?;
    let Some(row) = row else { return Ok(None) };
    let seq = number(row.try_get("seq").map_err(LedgerError::Append)?);
    let raw: Vec<u8> = row.try_get("hash").map_err(LedgerError::Append)?;
    Ok(Hash::from_bytes(&raw).map(|hash| Appended {
        seq,
        hash,
        fresh: false,
    }))
}

#[cfg(test)]
mod tests;
