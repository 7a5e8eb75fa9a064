//! Orphans: what the facts still say of permits that are gone, deleted with their namespace or after their end.
//!
//! The end of one that was issued is recorded before it is forgotten. Does not know why it was deleted.

use std::collections::BTreeSet;
use std::sync::Arc;

use tracing::{info, warn};

use super::permit::chain;
use super::{Context, Error, facts, record};
use crate::api::facts::Facts;

/// Forgets what is gone, in every namespace that has facts.
pub(super) async fn sweep(ctx: &Context) {
    let namespaces = ctx.caches.namespaces_with_facts().into_iter();
    let known: Vec<(String, Arc<Facts>)> = namespaces
        .filter_map(|namespace| {
            ctx.caches
                .shared_facts(&namespace)
                .map(|facts| (namespace, facts))
        })
        .collect();
    // Looked at after the facts: a permit is known before anything is put on record about it.
    let mut living: BTreeSet<Arc<str>> = BTreeSet::new();
    ctx.caches.each_permit(|card| {
        living.insert(Arc::clone(card.uid()));
    });
    ctx.guard.keep(&living);
    ctx.admitted.keep(&living);
    ctx.desk.keep(&living);
    for (namespace, known) in &known {
        if let Err(error) = one(ctx, namespace, known, &living).await {
            warn!(namespace, error = %chain(&error), "facts of deleted permits not forgotten yet");
        }
    }
}

async fn one(
    ctx: &Context,
    namespace: &str,
    known: &Facts,
    living: &BTreeSet<Arc<str>>,
) -> Result<(), Error> {
    let gone: BTreeSet<String> = known
        .armed
        .keys()
        .chain(known.spent.keys())
        .filter(|uid| !living.contains(uid.as_str()))
        .cloned()
        .collect();
    if gone.is_empty() {
        return Ok(());
    }
    for (uid, armed) in known.armed.iter().filter(|(uid, _)| gone.contains(*uid)) {
        record::deleted(ctx, namespace, uid, armed).await?;
        info!(
            namespace,
            permit = armed.permit,
            "permit deleted before it came to rest"
        );
    }
    facts::edit(ctx, namespace, move |facts| {
        facts.armed.retain(|uid, _| !gone.contains(uid));
        // A UID never comes back, so nothing can bring a deleted permit to life again.
        facts.spent.retain(|uid, _| !gone.contains(uid));
    })
    .await
}
