//! Enrolment: the first time a namespace is gated, what stands there becomes its baseline.
//!
//! Done once; from then on only a validated change moves a baseline. Does not know how strictly the gate answers.

use tracing::{info, warn};

use super::permit::chain;
use super::{Context, Error, facts};
use crate::api::facts::Facts;
use crate::api::vocabulary::GateMode;
use crate::domain::applied::baseline;

/// Takes the baselines of every namespace that is gated and has none yet.
pub(super) async fn enrol(ctx: &Context) {
    for (namespace, label) in ctx.caches.gated_namespaces() {
        let is_gated = GateMode::of_label(Some(&label), GateMode::Off) != GateMode::Off;
        if !is_gated || ctx.caches.facts(&namespace).is_some() {
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
    let found = ctx.caches.workloads_in(namespace).into_iter();
    let baselines = found.filter_map(|(key, object)| Some((key, baseline(&object, "")?)));
    let found = Facts {
        baselines: baselines.collect(),
        ..Facts::default()
    };
    facts::write(ctx, namespace, &found, None).await?;
    Ok(found.baselines.len())
}
