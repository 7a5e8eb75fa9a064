//! Records: what the ledger says, read as an auditor would: exported, verified, then looked at.
//!
//! Decides what of a record is compared. Does not know which records there ought to be.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use permit_operator::domain::audit::{Record, verify};
use permit_operator::ledger::{Range, export_from};

/// Every record of the ledger in a directory, after the whole chain was verified and no key was found twice.
pub(crate) async fn verified(directory: &Path) -> Result<Vec<Record>> {
    let mut bytes = Vec::new();
    export_from(directory, &mut bytes, Range::default())
        .await
        .context("export the ledger")?;
    verify(&bytes, None).context("verify the exported chain")?;
    let text = String::from_utf8(bytes).context("read the export")?;
    // Payload lines and the trailer are no records.
    let records: Vec<Record> = text
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok())
        .collect();
    let keys: BTreeSet<&str> = records.iter().map(|record| record.key.as_str()).collect();
    ensure!(keys.len() == records.len(), "a key is recorded twice");
    Ok(records)
}

/// The records of one permit in their order: what kind each is, and the step that it tells of.
pub(crate) fn story_of(records: &[Record], uid: &str) -> Vec<String> {
    let told = |record: &Record| match (record.from, record.to) {
        (Some(from), Some(to)) => format!("{:?} {from}>{to}", record.kind),
        _ => format!("{:?}", record.kind),
    };
    records
        .iter()
        .filter(|record| record.subject.uid == uid)
        .map(told)
        .collect()
}
