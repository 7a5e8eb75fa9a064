//! The store keeps its promises, also against other connections and other leaders.

mod tamper;

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use k8s_openapi::jiff::Timestamp;
use sqlx::{AssertSqlSafe, Connection as _};
use tempfile::TempDir;

use super::*;
use crate::domain::audit::{Actor, ActorKind, Fault, RecordType, Subject, verify};
use crate::ledger::export_from;

struct Noon;

impl Clock for Noon {
    fn now(&self) -> Timestamp {
        "2026-11-22T12:00:00Z".parse().unwrap()
    }
}

fn place(directory: &Path) -> Place {
    Place {
        directory: directory.to_owned(),
        log: "permits".to_owned(),
        operator_version: "0.1.0".to_owned(),
    }
}

async fn open(directory: &TempDir) -> SqliteLedger {
    SqliteLedger::open(place(directory.path()), Arc::new(Noon))
        .await
        .unwrap()
}

async fn refusal(directory: &TempDir) -> String {
    match SqliteLedger::open(place(directory.path()), Arc::new(Noon)).await {
        Ok(_) => panic!("the store was opened"),
        Err(error) => {
            assert!(!error.is_transient());
            error.to_string()
        }
    }
}

fn draft(key: &str, fence: u64) -> Draft {
    let actor = Actor {
        name: "alice".to_owned(),
        kind: ActorKind::Person,
    };
    let mut draft = Draft::new(RecordType::Transition, actor, Subject::default(), key);
    draft.fence = fence;
    draft
}

async fn export(ledger: &SqliteLedger, range: Range) -> Vec<u8> {
    let mut out = Vec::new();
    ledger.export(&mut out, range).await.unwrap();
    out
}

/// Runs statements through a connection of one's own, as somebody with the file would.
async fn run(directory: &TempDir, sql: &str) -> Result<(), sqlx::Error> {
    let options = SqliteConnectOptions::new().filename(file_in(directory.path()));
    let mut connection = SqliteConnection::connect_with(&options).await?;
    let done = sqlx::raw_sql(AssertSqlSafe(sql.to_owned()))
        .execute(&mut connection)
        .await
        .map(drop);
    connection.close().await?;
    done
}

#[tokio::test]
async fn what_was_appended_is_exported_and_verifies() {
    let directory = tempfile::tempdir().unwrap();
    let ledger = open(&directory).await;
    for key in ["a", "b", "c"] {
        assert!(ledger.append(draft(key, 1)).await.unwrap().fresh);
    }
    let verified = verify(&export(&ledger, Range::default()).await, None).unwrap();
    assert_eq!(verified.records, 3);
    assert_eq!(verified.head, ledger.head().await.unwrap());
    assert_eq!(verified.without_payload, 0);
}

#[tokio::test]
async fn a_part_without_names_is_exported_and_verifies() {
    let directory = tempfile::tempdir().unwrap();
    let ledger = open(&directory).await;
    for key in ["a", "b", "c", "d"] {
        ledger.append(draft(key, 1)).await.unwrap();
    }
    let file = export(
        &ledger,
        Range {
            from: Some(2),
            to: Some(3),
            withholds_payloads: true,
        },
    )
    .await;
    let verified = verify(&file, None).unwrap();
    assert_eq!(
        (verified.from, verified.records, verified.without_payload),
        (2, 2, 2)
    );
    assert!(!String::from_utf8(file).unwrap().contains("alice"));
    let nothing = export(
        &ledger,
        Range {
            from: Some(9),
            ..Range::default()
        },
    )
    .await;
    assert_eq!(verify(&nothing, None).unwrap().records, 0);
}

#[tokio::test]
async fn a_key_is_written_once() {
    let directory = tempfile::tempdir().unwrap();
    let ledger = open(&directory).await;
    let first = ledger.append(draft("a", 1)).await.unwrap();
    ledger.append(draft("b", 1)).await.unwrap();
    let again = ledger.append(draft("a", 1)).await.unwrap();
    assert_eq!(
        again,
        Appended {
            fresh: false,
            ..first
        }
    );
    assert_eq!(ledger.head().await.unwrap().seq, 2);
}

#[tokio::test]
async fn a_chain_goes_on_after_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let ledger = open(&directory).await;
    ledger.append(draft("a", 1)).await.unwrap();
    let pseudonym = ledger.pseudonym("alice");
    ledger.close().await;
    let ledger = open(&directory).await;
    assert_eq!(ledger.pseudonym("alice"), pseudonym);
    assert_eq!(ledger.append(draft("b", 1)).await.unwrap().seq, 2);
    assert!(verify(&export(&ledger, Range::default()).await, None).is_ok());
}

#[tokio::test]
async fn a_leader_that_was_overtaken_writes_no_more() {
    let directory = tempfile::tempdir().unwrap();
    let (old, new) = (open(&directory).await, open(&directory).await);
    old.append(draft("a", 4)).await.unwrap();
    new.append(draft("b", 5)).await.unwrap();
    for key in ["c", "a"] {
        let refused = old.append(draft(key, 4)).await.unwrap_err();
        assert!(
            matches!(
                refused,
                LedgerError::Fenced {
                    offered: 4,
                    highest: 5
                }
            ),
            "{refused}"
        );
        assert!(!refused.is_transient());
    }
    assert_eq!(new.head().await.unwrap().seq, 2);
}

#[tokio::test]
async fn a_key_that_is_there_still_moves_the_fence() {
    let directory = tempfile::tempdir().unwrap();
    let (old, new) = (open(&directory).await, open(&directory).await);
    old.append(draft("a", 4)).await.unwrap();
    assert!(!new.append(draft("a", 5)).await.unwrap().fresh);
    assert!(old.append(draft("b", 4)).await.is_err());
}

#[tokio::test]
async fn appends_through_two_stores_make_one_chain() {
    let directory = tempfile::tempdir().unwrap();
    let (one, two) = (open(&directory).await, open(&directory).await);
    let appends = (0..20).map(|n| {
        let ledger = if n % 2 == 0 { &one } else { &two };
        ledger.append(draft(&format!("key-{n}"), 1))
    });
    for appended in futures::future::join_all(appends).await {
        assert!(appended.unwrap().fresh);
    }
    assert_eq!(
        verify(&export(&one, Range::default()).await, None)
            .unwrap()
            .records,
        20
    );
}

#[tokio::test]
async fn an_export_makes_no_store() {
    let directory = tempfile::tempdir().unwrap();
    let missing = export_from(directory.path(), &mut Vec::new(), Range::default()).await;
    assert!(missing.is_err());
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn a_locked_store_is_an_error_that_passes() {
    let directory = tempfile::tempdir().unwrap();
    let ledger = open(&directory).await;
    ledger.probe().await.unwrap();
    let options = SqliteConnectOptions::new().filename(file_in(directory.path()));
    let mut other = SqliteConnection::connect_with(&options).await.unwrap();
    let lock = other.begin_with("BEGIN IMMEDIATE").await.unwrap();
    sqlx::query("PRAGMA busy_timeout = 1")
        .execute(&ledger.writes)
        .await
        .unwrap();
    for failed in [
        ledger.append(draft("a", 1)).await.map(drop),
        ledger.probe().await,
    ] {
        let failed = failed.unwrap_err();
        assert!(failed.is_transient(), "{failed}");
    }
    lock.rollback().await.unwrap();
    ledger.probe().await.unwrap();
    assert_eq!(ledger.append(draft("a", 1)).await.unwrap().seq, 1);
}

#[tokio::test]
async fn a_store_that_was_moved_away_is_not_written_until_it_is_back() {
    let directory = tempfile::tempdir().unwrap();
    let ledger = open(&directory).await;
    ledger.append(draft("a", 1)).await.unwrap();
    let (file, aside) = (
        file_in(directory.path()),
        directory.path().join("moved-away"),
    );
    fs::rename(&file, &aside).unwrap();
    for refused in [
        ledger.append(draft("b", 1)).await.map(drop),
        ledger.probe().await,
    ] {
        let refused = refused.unwrap_err().to_string();
        assert!(refused.contains("put it back"), "{refused}");
    }
    fs::rename(&aside, &file).unwrap();
    assert_eq!(ledger.append(draft("b", 1)).await.unwrap().seq, 2);
}

#[tokio::test]
async fn the_directory_is_for_its_owner_alone() {
    let directory = tempfile::tempdir().unwrap();
    let inner = directory.path().join("made/by/us");
    SqliteLedger::open(place(&inner), Arc::new(Noon))
        .await
        .unwrap();
    assert_eq!(
        fs::metadata(&inner).unwrap().permissions().mode() & 0o777,
        0o700
    );
}
