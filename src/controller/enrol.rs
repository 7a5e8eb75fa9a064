//! Enrolment: the first time a namespace is gated, what stands there becomes its baseline; from then on how it is enrolled
//! is remembered, and one that is made anew is labelled again.
//!
//! Baselines are taken once; then only a validated change moves one. Which labels come back is `domain::enrolment`'s to
//! say.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::Namespace;
use kube::api::{Api, Patch, PatchParams};
use serde_json::json;
use tracing::{info, warn};

use super::permit::chain;
use super::{Context, Error, facts, journal, record};
use crate::api::facts::{Enrolment, Facts};
use crate::api::vocabulary::GateMode;
use crate::api::{ENVIRONMENT_LABEL, FIELD_MANAGER, GATE_LABEL};
use crate::cluster::client::deadline;
use crate::domain::audit::{Draft, RecordType, Subject};
use crate::domain::baselines;
use crate::domain::enrolment::{Step, step};
use crate::domain::sweep;

/// Looks at every namespace that is gated or was.
pub(super) async fn keep(ctx: &Context) {
    for (namespace, seen) in ctx.caches.enrolments() {
        if let Err(error) = one(ctx, &namespace, seen).await {
            warn!(namespace, error = %chain(&error), "enrolment not kept yet");
        }
    }
}

async fn one(ctx: &Context, namespace: &str, seen: Enrolment) -> Result<(), Error> {
    let known = ctx.caches.shared_facts(namespace);
    let Some(before) = known.and_then(|facts| facts.enrolment.clone()) else {
        let mode = GateMode::of_label(Some(&seen.gate), GateMode::Off);
        return match mode {
            GateMode::Off => Ok(()),
            _ => take_in(ctx, namespace, seen).await,
        };
    };
    match step(&before, &seen, ctx.default_mode) {
        Step::Nothing => Ok(()),
        Step::Remember => {
            info!(namespace, gate = seen.gate, "enrolment remembered");
            facts::edit(ctx, namespace, |facts| facts.enrolment = Some(seen)).await
        }
        Step::Restore { gate, environment } => {
            let wanted = Enrolment {
                uid: seen.uid.clone(),
                environment: environment.unwrap_or_else(|| seen.environment.clone()),
                gate,
            };
            label(ctx, namespace, &wanted).await?;
            let draft = told(namespace, &seen, &wanted.gate);
            // Remembered at once: who may lower it from now on lowers this one.
            facts::edit(ctx, namespace, |facts| facts.enrolment = Some(wanted)).await?;
            journal::append_or_keep(ctx, draft).await
        }
    }
}

/// Takes the baselines, whatever else is on record about the namespace by then.
async fn take_in(ctx: &Context, namespace: &str, seen: Enrolment) -> Result<(), Error> {
    let live = ctx.caches.workloads_in(namespace);
    let derived = ctx.caches.derived_in(namespace);
    facts::edit(ctx, namespace, |facts: &mut Facts| {
        baselines::take_in(facts, &live);
        sweep::take_in(&mut facts.known, &derived);
        facts.enrolment = Some(seen.clone());
    })
    .await?;
    let workloads = live.len();
    info!(namespace, workloads, "enrolled: what runs is the baseline");
    Ok(())
}

/// Labels a namespace that was made anew, on exactly the one that was looked at.
async fn label(ctx: &Context, namespace: &str, wanted: &Enrolment) -> Result<(), Error> {
    let labels = [
        (GATE_LABEL, &wanted.gate),
        (ENVIRONMENT_LABEL, &wanted.environment),
    ];
    let labels: BTreeMap<_, _> = labels
        .into_iter()
        .filter(|(_, value)| !value.is_empty())
        .collect();
    let patch = json!({"metadata": {"uid": wanted.uid, "labels": labels}});
    let params = PatchParams {
        field_manager: Some(FIELD_MANAGER.into()),
        ..PatchParams::default()
    };
    ctx.ensure_leading()?;
    let api: Api<Namespace> = Api::all(ctx.client.clone());
    deadline(api.patch(namespace, &params, &Patch::Merge(&patch)))
        .await
        .map_err(|e| Error::Enrolment(namespace.to_owned(), e))?;
    warn!(
        namespace,
        gate = wanted.gate,
        "was made anew without its labels; enrolled again"
    );
    Ok(())
}

fn told(namespace: &str, seen: &Enrolment, gate: &str) -> Draft {
    let subject = Subject {
        kind: "Namespace".into(),
        name: namespace.into(),
        uid: seen.uid.clone(),
        ..Subject::default()
    };
    let key = format!("enrolment/{namespace}/{}", seen.uid);
    let mut draft = Draft::new(RecordType::Configuration, record::operator(), subject, key);
    draft.reason = Some("EnrolledAgain".into());
    draft.details.insert("gate".into(), gate.into());
    draft.details.insert("found".into(), seen.gate.clone());
    draft
}
