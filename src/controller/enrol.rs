//! Enrolment: the first time a namespace is gated, what stands there becomes its baseline.
//!
//! Done once, whatever else is on record about the namespace by then; from then on only a validated change moves a
//! baseline. Does not know how strictly the gate answers.

use tracing::{info, warn};

use super::permit::chain;
use super::{Context, Error, facts};
use crate::api::facts::Facts;
use crate::api::vocabulary::GateMode;
use crate::domain::enrolment;

/// Takes the baselines of every namespace that is gated and was not before.
pub(super) async fn enrol(ctx: &Context) {
    for (namespace, label) in ctx.caches.gated_namespaces() {
        let is_gated = GateMode::of_label(Some(&label), GateMode::Off) != GateMode::Off;
        let known = ctx.caches.shared_facts(&namespace);
        if !is_gated || known.is_some_and(|facts| facts.is_enrolled()) {
            continue;
        }
        match one(ctx, &namespace).await {
            Ok(count) => info!(
                namespace,
                workloads = count,
                "enrolled: what runs is the baseline"
            ),
            Err(error) => warn!(namespace, error = %chain(&error), "not enrolled yet"),
        }
    }
}

async fn one(ctx: &Context, namespace: &str) -> Result<usize, Error> {
    let live = ctx.caches.workloads_in(namespace);
    facts::edit(ctx, namespace, |facts: &mut Facts| {
        enrolment::enrol(facts, &live);
    })
    .await?;
    Ok(live.len())
}
