//! What somebody with the file can do to it, and how it shows.

use super::*;

#[tokio::test]
async fn no_connection_changes_or_deletes_what_was_written() {
    let directory = tempfile::tempdir().unwrap();
    let ledger = open(&directory).await;
    ledger.append(draft("a", 3)).await.unwrap();
    let before = export(&ledger, Range::default()).await;
    for sql in [
        "UPDATE record SET line = x'00'",
        "UPDATE record SET seq = 7",
        "DELETE FROM record",
        "REPLACE INTO record (seq, key, hash, line) VALUES (1, 'z', x'00', x'00')",
        "INSERT OR REPLACE INTO record (seq, key, hash, line) VALUES (2, 'a', x'00', x'00')",
        "INSERT INTO record (seq, key, hash, line) VALUES (9, 'z', x'00', x'00')",
        "UPDATE payload SET body = x'00'",
        "REPLACE INTO payload (seq, salt, body) VALUES (1, x'00', x'00')",
        "UPDATE state SET fence = 2",
        "UPDATE state SET seq = 0",
        "UPDATE state SET log = 'other'",
        "UPDATE state SET key_id = 'other'",
        "DELETE FROM state",
        "REPLACE INTO state (only_row, log, key_id, fence, seq, hash) VALUES (1, 'permits', '', 0, 0, x'00')",
    ] {
        let refused = run(&directory, sql).await.unwrap_err();
        assert!(!crate::ledger::is_transient(&refused), "{sql}");
        assert!(
            refused.to_string().contains("ledger is append-only")
                || refused.to_string().contains("not changed"),
            "{sql}: {refused}"
        );
    }
    assert_eq!(export(&ledger, Range::default()).await, before);
}

#[tokio::test]
async fn an_erased_payload_leaves_the_chain_whole() {
    let directory = tempfile::tempdir().unwrap();
    let ledger = open(&directory).await;
    ledger.append(draft("a", 1)).await.unwrap();
    run(&directory, "DELETE FROM payload WHERE seq = 1")
        .await
        .unwrap();
    let file = export(&ledger, Range::default()).await;
    assert_eq!(verify(&file, None).unwrap().without_payload, 1);
    assert!(!String::from_utf8(file).unwrap().contains("alice"));
}

#[tokio::test]
async fn a_truncated_tail_is_refused_and_its_export_names_what_is_missing() {
    let directory = tempfile::tempdir().unwrap();
    let ledger = open(&directory).await;
    for key in ["a", "b", "c"] {
        ledger.append(draft(key, 1)).await.unwrap();
    }
    run(&directory, "DROP TRIGGER record_no_delete; DELETE FROM payload WHERE seq = 3; DELETE FROM record WHERE seq = 3")
        .await
        .unwrap();
    let refused = ledger.append(draft("d", 1)).await.unwrap_err();
    assert!(
        refused.to_string().contains("should be 3, but is 2"),
        "{refused}"
    );
    ledger.close().await;
    assert!(refusal(&directory).await.contains("is damaged"));
    let mut out = Vec::new();
    export_from(directory.path(), &mut out, Range::default())
        .await
        .unwrap();
    let broken = verify(&out, None).unwrap_err();
    assert_eq!(
        (broken.seq, broken.why),
        (Some(3), Fault::Missing { first: 3, last: 3 })
    );
}

#[tokio::test]
async fn an_emptied_store_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let ledger = open(&directory).await;
    ledger.append(draft("a", 1)).await.unwrap();
    ledger.close().await;
    run(
        &directory,
        "DROP TRIGGER record_no_delete; DELETE FROM payload; DELETE FROM record",
    )
    .await
    .unwrap();
    assert!(refusal(&directory).await.contains("record 1 is missing"));
}

#[tokio::test]
async fn an_altered_tail_is_refused_and_its_export_names_it() {
    let directory = tempfile::tempdir().unwrap();
    let ledger = open(&directory).await;
    for key in ["a", "b"] {
        ledger.append(draft(key, 1)).await.unwrap();
    }
    ledger.close().await;
    let sql = "DROP TRIGGER record_no_update; UPDATE record SET line = CAST(replace(line, 'Person\"', 'Operator\"') AS BLOB) WHERE seq = 2";
    run(&directory, sql).await.unwrap();
    assert!(refusal(&directory).await.contains("record 2 was altered"));
    let mut out = Vec::new();
    export_from(directory.path(), &mut out, Range::default())
        .await
        .unwrap();
    let broken = verify(&out, None).unwrap_err();
    assert_eq!(
        (broken.line, broken.seq, broken.why),
        (3, Some(2), Fault::Altered)
    );
}

#[tokio::test]
async fn a_store_of_another_log_or_version_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    open(&directory).await.close().await;
    let other = Place {
        log: "other".to_owned(),
        ..place(directory.path())
    };
    let Err(refused) = SqliteLedger::open(other, Arc::new(Noon)).await else {
        panic!("the store was opened")
    };
    assert!(
        refused
            .to_string()
            .contains("it holds the log `permits`, not `other`"),
        "{refused}"
    );
    run(&directory, "PRAGMA user_version = 2").await.unwrap();
    assert!(refusal(&directory).await.contains("version 2"));
}

#[tokio::test]
async fn a_store_without_its_key_or_with_another_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    open(&directory).await.close().await;
    let key = directory.path().join("pseudonym.key");
    fs::write(&key, "0".repeat(64)).unwrap();
    assert!(refusal(&directory).await.contains("is another one"));
    fs::remove_file(&key).unwrap();
    assert!(refusal(&directory).await.contains("is missing"));
    assert!(!key.exists());
}

#[tokio::test]
async fn a_file_that_is_no_store_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(file_in(directory.path()), "no database ".repeat(100)).unwrap();
    assert!(refusal(&directory).await.contains("open ledger"));
}
