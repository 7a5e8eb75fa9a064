//! Rights: has the permits looked at again that rest on somebody's rights, once those may have changed.
//!
//! At rest nobody is asked anything. Decides nothing; the gate asks for itself before it admits.

use std::sync::Arc;
use std::time::Duration;

use futures::{FutureExt as _, StreamExt as _};
use tokio::sync::mpsc;

use super::Context;
use crate::api::vocabulary::Phase;
use crate::cluster::caches::{Card, Known, PermitRef};
use crate::cluster::rights::changes;

/// Changes this close together are one: a role comes with its bindings.
const TOGETHER: Duration = Duration::from_millis(200);
/// How long the API server's authorizer may need until it has heard of a change; then all is asked once more.
const HEARD: Duration = Duration::from_secs(5);

/// Follows the changes of rights for as long as it is polled.
pub async fn follow_rights(ctx: Arc<Context>, due: mpsc::Sender<PermitRef>) {
    let mut changes = changes(&ctx.client);
    while changes.next().await.is_some() {
        for pause in [TOGETHER, HEARD] {
            tokio::time::sleep(pause).await;
            while let Some(Some(())) = changes.next().now_or_never() {}
            ask_again(&ctx, &due).await;
        }
    }
}

/// Forgets what was answered, and names every permit that rests on it.
async fn ask_again(ctx: &Context, due: &mpsc::Sender<PermitRef>) {
    ctx.access.forget();
    for known in ctx.caches.known_permits(Card::is_open) {
        if rests_on_rights(ctx, &known) {
            // Who has stopped listening is ending its process.
            let _ = due.send(PermitRef::new(known.namespace, known.name)).await;
        }
    }
}

/// Whether a lost right would change what becomes of a permit: not before anybody approved, nor once it runs.
fn rests_on_rights(ctx: &Context, known: &Known) -> bool {
    match known.card.phase().unwrap_or(Phase::Requested) {
        Phase::Approved | Phase::Issued => true,
        Phase::InReview => {
            let approvals = ctx.caches.approvals_of(&known.namespace, &known.name);
            !approvals.is_empty()
        }
        _ => false,
    }
}
