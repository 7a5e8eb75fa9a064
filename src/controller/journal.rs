//! The journal: how records get into the ledger, in the order of events, each once.
//!
//! What must not wait for a ledger that hangs is kept and written later. A record that another leader's fence refuses
//! stops everything: this process is late. Does not know what a record says.

use std::time::Duration;

use tracing::{error, info, warn};

use super::permit::chain;
use super::{Context, Error};
use crate::domain::audit::Draft;
use crate::ledger::LedgerError;

/// The longest that a revocation or a rollback is kept up by its record.
const LONGEST_WAIT: Duration = Duration::from_secs(1);

/// Appends a record that its effect waits for.
pub(super) async fn append(ctx: &Context, draft: Draft) -> Result<(), Error> {
    in_order(ctx, draft)
        .await
        .map_err(|error| not_written(ctx, error))
}

/// Appends a record, or keeps it where that fails or takes long: its effect does not wait.
pub(super) async fn append_or_keep(ctx: &Context, draft: Draft) -> Result<(), Error> {
    let error = match tokio::time::timeout(LONGEST_WAIT, in_order(ctx, draft.clone())).await {
        Ok(Ok(())) => return Ok(()),
        Ok(Err(error)) => error,
        Err(_) => LedgerError::Stalled,
    };
    let is_late = matches!(error, LedgerError::Fenced { .. });
    let error = not_written(ctx, error);
    if is_late {
        return Err(error);
    }
    // One that was written after all is found again by its key.
    warn!(error = %chain(&error), key = %draft.key, "record kept until the ledger can be written");
    ctx.backlog.push(draft, ctx.clock.now());
    Ok(())
}

/// What waits already comes first, or the order of the log would not be the order of events.
async fn in_order(ctx: &Context, draft: Draft) -> Result<(), LedgerError> {
    flush(ctx).await?;
    let fence = ctx.fence();
    if ctx.ledger.append(Draft { fence, ..draft }).await?.fresh {
        ctx.metrics.audit_records.inc();
    }
    Ok(())
}

/// Writes what waits already.
async fn flush(ctx: &Context) -> Result<(), LedgerError> {
    if ctx.backlog.is_stalled() {
        return Err(LedgerError::Stalled);
    }
    let waited = ctx.backlog.flush(ctx.ledger.as_ref(), ctx.fence()).await?;
    ctx.metrics
        .audit_records
        .inc_by(u64::try_from(waited).unwrap_or(0));
    Ok(())
}

/// Remembers why nothing is written: the ledger stalls, or another leader writes it.
fn not_written(ctx: &Context, error: LedgerError) -> Error {
    if matches!(error, LedgerError::Fenced { .. }) {
        error!(error = %chain(&error), "another leader writes the ledger: this process ends");
        ctx.leadership.lost.cancel();
    } else {
        ctx.backlog.set_stalled(true);
    }
    Error::Record(error)
}

/// Writes what waits once the ledger can be written again.
pub(super) async fn catch_up(ctx: &Context) {
    if ctx.backlog.is_stalled() {
        if ctx.ledger.probe().await.is_err() {
            return;
        }
        ctx.backlog.set_stalled(false);
    }
    if ctx.backlog.is_empty() {
        return;
    }
    match flush(ctx).await {
        Ok(()) => info!("records that waited are written"),
        Err(error) => drop(not_written(ctx, error)),
    }
}

/// Whether a record is in the ledger under a key, what waited included.
pub(super) async fn has(ctx: &Context, key: &str) -> Result<bool, Error> {
    let found = async {
        flush(ctx).await?;
        ctx.ledger.has(key).await
    };
    found.await.map_err(|error| not_written(ctx, error))
}
