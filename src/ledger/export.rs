//! The export of a SQLite store, line by line, from one snapshot.
//!
//! The trailer is made from the remembered head, not from the lines: rows that went missing or were edited are
//! written as they are, and the verification of the file names them. Does not judge what it writes.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;

use futures::TryStreamExt as _;
use sqlx::sqlite::SqliteRow;
use sqlx::{Row as _, SqliteConnection, SqlitePool};

use super::damage::{State, damaged, integer, number, state};
use super::sqlite::{file_in, open_reads};
use super::{LedgerError, Range};
use crate::domain::audit::{Hash, Head, Personal, Trailer, payload_line, trailer_line};

/// Exports the store in a directory, also while an operator writes it, and also when its end is damaged.
pub async fn export_from(
    directory: &Path,
    out: &mut (dyn Write + Send),
    range: Range,
) -> Result<Trailer, LedgerError> {
    let file = file_in(directory);
    let reads = open_reads(&file).await?;
    let trailer = write(&reads, &file, out, range).await;
    reads.close().await;
    trailer
}

/// Writes the export.
pub(super) async fn write(
    reads: &SqlitePool,
    file: &Path,
    out: &mut (dyn Write + Send),
    range: Range,
) -> Result<Trailer, LedgerError> {
    let mut snapshot = reads.begin().await.map_err(LedgerError::Read)?;
    let state = state(&mut snapshot, file).await?;
    let trailer = frame(&mut snapshot, file, &state, range).await?;
    let mut rows = sqlx::query(
        "SELECT record.seq, line, salt, body FROM record LEFT JOIN payload ON payload.seq = record.seq
         WHERE record.seq BETWEEN ? AND ? ORDER BY record.seq",
    )
    .bind(integer(trailer.from))
    .bind(integer(trailer.to))
    .fetch(&mut *snapshot);
    while let Some(row) = rows.try_next().await.map_err(LedgerError::Read)? {
        let seq = number(row.try_get("seq").map_err(LedgerError::Read)?);
        let line: Vec<u8> = row.try_get("line").map_err(LedgerError::Read)?;
        let personal = if range.withholds_payloads {
            None
        } else {
            personal(&row, file, seq)?
        };
        put(out, &line)?;
        put(
            out,
            &payload_line(&state.log, seq, personal).map_err(LedgerError::Seal)?,
        )?;
    }
    put(out, &trailer_line(&trailer).map_err(LedgerError::Seal)?)?;
    out.flush().map_err(LedgerError::Write)?;
    Ok(trailer)
}

/// What the export will hold, by the remembered head.
async fn frame(
    snapshot: &mut SqliteConnection,
    file: &Path,
    state: &State,
    range: Range,
) -> Result<Trailer, LedgerError> {
    let to = range.to.unwrap_or(state.head.seq).min(state.head.seq);
    let from = range.from.unwrap_or(1).clamp(1, to.saturating_add(1));
    let before = from.saturating_sub(1);
    let prev = hash_at(snapshot, file, state, before).await?;
    let head = hash_at(snapshot, file, state, to).await?;
    let records = to.saturating_sub(before);
    Ok(Trailer {
        log: state.log.clone(),
        records,
        from,
        to,
        prev,
        head,
    })
}

async fn hash_at(
    snapshot: &mut SqliteConnection,
    file: &Path,
    state: &State,
    seq: u64,
) -> Result<Hash, LedgerError> {
    if seq == 0 {
        return Ok(Head::genesis(&state.log).hash);
    }
    if seq == state.head.seq {
        return Ok(state.head.hash);
    }
    let row = sqlx::query("SELECT hash FROM record WHERE seq = ?")
        .bind(integer(seq))
        .fetch_optional(snapshot)
        .await
        .map_err(LedgerError::Read)?;
    let raw: Vec<u8> = match row {
        Some(row) => row.try_get("hash").map_err(LedgerError::Read)?,
        None => Vec::new(),
    };
    Hash::from_bytes(&raw).ok_or_else(|| damaged(file, &format!("record {seq} is missing")))
}

/// The payload of a row, unless it was erased.
fn personal(row: &SqliteRow, file: &Path, seq: u64) -> Result<Option<Personal>, LedgerError> {
    let salt: Option<Vec<u8>> = row.try_get("salt").map_err(LedgerError::Read)?;
    let body: Option<Vec<u8>> = row.try_get("body").map_err(LedgerError::Read)?;
    let (Some(salt), Some(body)) = (salt, body) else {
        return Ok(None);
    };
    let unread = || damaged(file, &format!("the payload of record {seq} cannot be read"));
    let body: BTreeMap<String, String> = serde_json::from_slice(&body).map_err(|_| unread())?;
    let salt = salt.try_into().map_err(|_| unread())?;
    Ok(Some(Personal { salt, body }))
}

fn put(out: &mut (dyn Write + Send), line: &[u8]) -> Result<(), LedgerError> {
    out.write_all(line)
        .and_then(|()| out.write_all(b"\n"))
        .map_err(LedgerError::Write)
}
