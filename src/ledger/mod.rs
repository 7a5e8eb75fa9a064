//! The ledger: where audit records are kept, in order, each once.
//!
//! Knows that an append is durable before it is answered, that a key is written once, and that a leader which lost
//! its lease writes no more. Does not know what a record means, or which effect waits for it.

mod backlog;
mod damage;
mod export;
mod key;
mod opening;
mod schema;
mod sqlite;

use std::io::Write;
use std::path::PathBuf;

use futures::future::BoxFuture;
use thiserror::Error;

use crate::domain::audit::{Draft, Hash, Head, Trailer};

pub use backlog::Backlog;
pub use export::export_from;
pub use opening::{Opening, highest_fence};
pub use sqlite::{Place, SqliteLedger};

/// A store of audit records.
pub trait Ledger: Send + Sync {
    /// Appends a record and answers when it is on the disk. A key that was appended before answers with its record.
    fn append(&self, draft: Draft) -> BoxFuture<'_, Result<Appended, LedgerError>>;

    /// Whether a record was appended under a key.
    fn has<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<bool, LedgerError>>;

    /// The last record and its hash.
    fn head(&self) -> BoxFuture<'_, Result<Head, LedgerError>>;

    /// Writes an export, line by line, and answers with its trailer.
    fn export<'a>(
        &'a self,
        out: &'a mut (dyn Write + Send),
        range: Range,
    ) -> BoxFuture<'a, Result<Trailer, LedgerError>>;

    /// Whether a record could be written now: really writes, so that a full disk is noticed.
    fn probe(&self) -> BoxFuture<'_, Result<(), LedgerError>>;
}

/// What became of an append.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Appended {
    /// Place of the record.
    pub seq: u64,
    /// Hash of its line.
    pub hash: Hash,
    /// Whether it was written now; not when its key was there already.
    pub fresh: bool,
}

/// The part of a log to export. Always one unbroken run, because a linear chain cannot prove a selection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Range {
    /// The first record; the beginning if none.
    pub from: Option<u64>,
    /// The last record; the end if none.
    pub to: Option<u64>,
    /// Whether names and comments are left out.
    pub withholds_payloads: bool,
}

/// An act on the ledger that failed.
#[derive(Debug, Error)]
pub enum LedgerError {
    /// The store could not be opened.
    #[error("open ledger `{}`", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: sqlx::Error,
    },
    /// The directory or the key could not be made or read.
    #[error("prepare ledger `{}`", path.display())]
    Prepare {
        /// The file or directory.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The store is not what was written.
    #[error("ledger `{}` is damaged: {why}; restore it from a copy, or move it aside to begin a new one", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// A record could not be appended.
    #[error("append to the ledger")]
    Append(#[source] sqlx::Error),
    /// The store could not be read.
    #[error("read the ledger")]
    Read(#[source] sqlx::Error),
    /// The store did not take a trial write.
    #[error("write to the ledger for a trial")]
    Probe(#[source] sqlx::Error),
    /// The export could not be written.
    #[error("write the export")]
    Write(#[source] std::io::Error),
    /// A record could not be written as JSON.
    #[error("seal a record")]
    Seal(#[source] serde_json::Error),
    /// A moment ago a record could not be written, and since then nobody has found that it can be.
    #[error("the ledger could not be written a moment ago; it is tried again")]
    Stalled,
    /// Another leader has written since.
    #[error(
        "refused: a later leader writes this ledger (its lease transitions are {highest}): {offered}"
    )]
    Fenced {
        /// The writer's lease transitions.
        offered: u64,
        /// The highest that wrote.
        highest: u64,
    },
}

impl LedgerError {
    /// Whether trying again can help.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Open { source, .. }
            | Self::Append(source)
            | Self::Read(source)
            | Self::Probe(source) => is_transient(source),
            Self::Prepare { .. } | Self::Write(_) | Self::Stalled => true,
            Self::Damaged { .. } | Self::Seal(_) | Self::Fenced { .. } => false,
        }
    }
}

/// A locked, busy or full store may recover; a refused statement or a broken file does not.
fn is_transient(error: &sqlx::Error) -> bool {
    const CONSTRAINT: u32 = 19;
    const CORRUPT: u32 = 11;
    const NOT_A_DATABASE: u32 = 26;
    match error
        .as_database_error()
        .and_then(sqlx::error::DatabaseError::code)
        .and_then(|code| code.parse::<u32>().ok())
    {
        Some(code) => ![CONSTRAINT, CORRUPT, NOT_A_DATABASE].contains(&(code & 0xff)),
        None => !matches!(
            error,
            sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_)
        ),
    }
}
