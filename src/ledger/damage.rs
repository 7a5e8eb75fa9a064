//! Is the end of the store what was last written?
//!
//! Checks the last record against its hash, its neighbour and the remembered head: a truncated, restored or edited
//! tail is found before anything is chained to it. Does not read the whole chain; an export's verification does.

use std::path::Path;

use sqlx::{Row as _, SqliteConnection};

use super::LedgerError;
use crate::domain::audit::{Hash, Head, read_link};

/// What the one row of `state` says.
pub(super) struct State {
    pub(super) log: String,
    pub(super) key_id: String,
    pub(super) fence: u64,
    pub(super) head: Head,
}

/// Reads the state.
pub(super) async fn state(
    connection: &mut SqliteConnection,
    path: &Path,
) -> Result<State, LedgerError> {
    let row = sqlx::query("SELECT log, key_id, fence, seq, hash FROM state")
        .fetch_optional(connection)
        .await
        .map_err(LedgerError::Read)?
        .ok_or_else(|| damaged(path, "it does not know its head"))?;
    let hash: Vec<u8> = row.try_get("hash").map_err(LedgerError::Read)?;
    let hash = Hash::from_bytes(&hash).ok_or_else(|| damaged(path, "its head is no hash"))?;
    Ok(State {
        log: row.try_get("log").map_err(LedgerError::Read)?,
        key_id: row.try_get("key_id").map_err(LedgerError::Read)?,
        fence: number(row.try_get("fence").map_err(LedgerError::Read)?),
        head: Head {
            seq: number(row.try_get("seq").map_err(LedgerError::Read)?),
            hash,
        },
    })
}

/// Checks that the last records are those that the state remembers.
pub(super) async fn check_tail(
    connection: &mut SqliteConnection,
    path: &Path,
    state: &State,
) -> Result<(), LedgerError> {
    let tail = sqlx::query("SELECT seq, hash, line FROM record ORDER BY seq DESC LIMIT 2")
        .fetch_all(connection)
        .await
        .map_err(LedgerError::Read)?;
    let mut expected = state.head;
    for row in &tail {
        let seq = number(row.try_get("seq").map_err(LedgerError::Read)?);
        let hash: Vec<u8> = row.try_get("hash").map_err(LedgerError::Read)?;
        let line: Vec<u8> = row.try_get("line").map_err(LedgerError::Read)?;
        if seq != expected.seq {
            return Err(damaged(
                path,
                &format!("its last record should be {}, but is {seq}", expected.seq),
            ));
        }
        if Hash::from_bytes(&hash) != Some(expected.hash) || Hash::of(&line) != expected.hash {
            return Err(damaged(path, &format!("record {seq} was altered")));
        }
        let read =
            read_link(&line).map_err(|fault| damaged(path, &format!("record {seq} is {fault}")))?;
        if read.seq != seq || read.log != state.log {
            return Err(damaged(
                path,
                &format!("record {seq} stands in the wrong place"),
            ));
        }
        expected = Head {
            seq: seq.saturating_sub(1),
            hash: read.prev,
        };
    }
    let is_read_to_the_start = tail.len() < 2;
    if is_read_to_the_start && expected != Head::genesis(&state.log) {
        return Err(damaged(
            path,
            &format!("record {} is missing", expected.seq),
        ));
    }
    Ok(())
}

/// The error of a store that is not what was written.
pub(super) fn damaged(path: &Path, why: &str) -> LedgerError {
    LedgerError::Damaged {
        path: path.to_owned(),
        why: why.to_owned(),
    }
}

/// A number as SQLite keeps it; none of ours is negative.
pub(super) fn number(raw: i64) -> u64 {
    u64::try_from(raw).unwrap_or(0)
}

/// A number as SQLite takes it.
pub(super) fn integer(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
