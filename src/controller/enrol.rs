//! Enrolment: the first time a namespace is gated, what stands there becomes its baseline.
//!
//! Done once; from then on only a validated change moves a baseline. Does not know how strictly the gate answers.

use tracing::{info, warn};

use super::permit::chain;
use super::{Context, Error, facts};
use crate::api::facts::{Baseline, Facts};
use crate::api::vocabulary::GateMode;
use crate::domain::canonical::{spec_digest, template_digest};

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
    let baselines = ctx
        .caches
        .deployments_in(namespace)
        .into_iter()
        .filter_map(|object| {
            let name = object.pointer("/metadata/name")?.as_str()?.to_owned();
            let baseline = Baseline {
                spec_digest: spec_digest(&object)?.to_string(),
                template_digest: template_digest(&object)?.to_string(),
                permit_uid: String::new(),
            };
            Some((format!("Deployment/{name}"), baseline))
        });
    let found = Facts {
        baselines: baselines.collect(),
        ..Facts::default()
    };
    facts::write(ctx, namespace, &found, None).await?;
    Ok(found.baselines.len())
}
