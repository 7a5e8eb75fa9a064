//! Opening a store: connections, tables, and whether what stands there is ours and whole.
//!
//! A store that is not what was written is refused here, before anything is chained to it. Does not append.

use std::path::Path;

use sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions};
use sqlx::{Row as _, SqliteConnection, SqlitePool};

use super::{BUSY, Place};
use crate::domain::audit::{Head, PseudonymKey};
use crate::ledger::damage::{check_tail, damaged, state};
use crate::ledger::{LedgerError, key, schema};

/// Opens a store for reading alone; it must be there.
pub(in crate::ledger) async fn open_reads(file: &Path) -> Result<SqlitePool, LedgerError> {
    let options = SqliteConnectOptions::new()
        .filename(file)
        .read_only(true)
        .busy_timeout(BUSY);
    pool(2)
        .connect_with(options)
        .await
        .map_err(|source| LedgerError::Open {
            path: file.to_owned(),
            source,
        })
}

pub(super) fn pool(connections: u32) -> SqlitePoolOptions {
    SqlitePoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(BUSY)
        .idle_timeout(None)
        .max_lifetime(None)
}

/// Makes the tables of a new store or checks those of an old one, and answers with the key of the pseudonyms.
pub(super) async fn prepare(
    writes: &SqlitePool,
    place: &Place,
) -> Result<PseudonymKey, LedgerError> {
    let file = place.file();
    let unopened = |source| LedgerError::Open {
        path: file.clone(),
        source,
    };
    let mut transaction = writes
        .begin_with("BEGIN IMMEDIATE")
        .await
        .map_err(unopened)?;
    let row = sqlx::query("PRAGMA user_version")
        .fetch_one(&mut *transaction)
        .await
        .map_err(unopened)?;
    let key = match row.try_get::<i64, _>(0).map_err(unopened)? {
        0 => create(&mut transaction, place).await?,
        schema::VERSION => inspect(&mut transaction, place).await?,
        other => {
            return Err(damaged(
                &file,
                &format!("version {other} of its tables is not known here"),
            ));
        }
    };
    transaction.commit().await.map_err(unopened)?;
    Ok(key)
}

async fn create(
    connection: &mut SqliteConnection,
    place: &Place,
) -> Result<PseudonymKey, LedgerError> {
    let unopened = |source| LedgerError::Open {
        path: place.file(),
        source,
    };
    let key = match read_key(place)? {
        Some(key) => key,
        None => key::make(&place.key()).map_err(|source| LedgerError::Prepare {
            path: place.key(),
            source,
        })?,
    };
    sqlx::raw_sql(schema::CREATE)
        .execute(&mut *connection)
        .await
        .map_err(unopened)?;
    sqlx::query(
        "INSERT INTO state (only_row, log, key_id, fence, seq, hash) VALUES (1, ?, ?, 0, 0, ?)",
    )
    .bind(&place.log)
    .bind(key.fingerprint())
    .bind(Head::genesis(&place.log).hash.as_bytes().to_vec())
    .execute(connection)
    .await
    .map_err(unopened)?;
    Ok(key)
}

async fn inspect(
    connection: &mut SqliteConnection,
    place: &Place,
) -> Result<PseudonymKey, LedgerError> {
    let file = place.file();
    let state = state(connection, &file).await?;
    if state.log != place.log {
        return Err(damaged(
            &file,
            &format!("it holds the log `{}`, not `{}`", state.log, place.log),
        ));
    }
    check_tail(connection, &file, &state).await?;
    match read_key(place)? {
        Some(key) if key.fingerprint() == state.key_id => Ok(key),
        Some(_) => Err(damaged(
            &file,
            "the key of its pseudonyms, `pseudonym.key`, is another one",
        )),
        None => Err(damaged(
            &file,
            "the key of its pseudonyms, `pseudonym.key`, is missing",
        )),
    }
}

fn read_key(place: &Place) -> Result<Option<PseudonymKey>, LedgerError> {
    key::read(&place.key()).map_err(|source| LedgerError::Prepare {
        path: place.key(),
        source,
    })
}
