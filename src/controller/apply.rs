//! Apply: writes only, each idempotent, in the order that survives a crash.
//!
//! Record the intent, do what the status must not claim before it is done, write the transition on the version it was
//! decided on, then act, then show. Revocation, stop and rollback do not wait for the ledger; their records follow.

use kube::ResourceExt as _;
use kube::api::{Api, Patch, PatchParams};
use serde_json::json;
use tracing::{info, warn};

use super::effects::{after, before};
use super::{Context, Error, events, record};
use crate::api::FIELD_MANAGER;
use crate::api::permit::{Permit, PermitStatus};
use crate::api::vocabulary::Phase;
use crate::cluster::client::deadline;
use crate::domain::decide::Decision;
use crate::domain::news::is_news;
use crate::domain::world::World;

/// Does what was decided.
pub(super) async fn apply(
    ctx: &Context,
    permit: &Permit,
    world: &World,
    decision: Decision,
) -> Result<(), Error> {
    ctx.ensure_leading()?;
    record::transitions(ctx, world, &decision).await?;
    before(ctx, world, &decision).await?;
    if is_due(ctx, permit, &decision.status) {
        write_status(ctx, world, &decision.status).await?;
    }
    begin(ctx, world, &decision);
    count(ctx, world, &decision);
    // Side by side: a rollback does not wait for Events, and a refused one is told all the same.
    let showing = events::show(ctx, permit, world, &decision.announcements);
    let ((), done) = futures::join!(showing, after(ctx, world, &decision));
    done
}

/// The start of a change that this process saw is kept, whatever the status says later.
fn begin(ctx: &Context, world: &World, decision: &Decision) {
    let has_begun = decision
        .transitions
        .iter()
        .any(|step| step.to == Phase::Executing);
    let execution = decision.status.execution.as_ref();
    let started = execution.and_then(|e| e.started_time.as_ref());
    if let Some(started) = started.filter(|_| has_begun && !decision.phase.is_terminal()) {
        let is_exact = ctx.desk.has_seen_it_wait(&world.request.uid);
        ctx.guard.begin(&world.request.uid, started.0, is_exact);
    }
}

/// Whether a status is written now: news at once, other numbers of the same state once a minute.
fn is_due(ctx: &Context, permit: &Permit, status: &PermitStatus) -> bool {
    let recorded = permit.status.as_ref();
    let uid = permit.uid().unwrap_or_default();
    is_news(recorded, status) || (recorded != Some(status) && ctx.desk.may_refresh(&uid))
}

/// Server-side apply of the whole status, on the version that was decided on: whoever edited meanwhile wins.
async fn write_status(ctx: &Context, world: &World, status: &PermitStatus) -> Result<(), Error> {
    ctx.ensure_leading()?;
    let (namespace, name) = (&world.request.namespace, &world.request.name);
    let api: Api<Permit> = Api::namespaced(ctx.client.clone(), namespace);
    let body = json!({
        "apiVersion": "permits.dev/v1alpha1",
        "kind": "Permit",
        "metadata": {"name": name, "namespace": namespace, "uid": world.request.uid, "resourceVersion": world.resource_version},
        "status": status,
    });
    let params = PatchParams::apply(FIELD_MANAGER).force();
    let stored = deadline(api.patch_status(name, &params, &Patch::Apply(&body)))
        .await
        .map_err(|error| Error::Status(name.clone(), error))?;
    let stored = erase(&api, stored, status).await?;
    ctx.desk.wrote(
        &world.request.uid,
        stored.metadata.resource_version.as_deref(),
    );
    Ok(())
}

/// Server-side apply leaves alone what somebody else wrote into the status; that is taken out, so that it shows the truth.
async fn erase(api: &Api<Permit>, stored: Permit, status: &PermitStatus) -> Result<Permit, Error> {
    // As they are written: times have fractions of a second only in memory.
    let written = |status: &PermitStatus| json!({"metadata": {}, "status": status});
    let found = written(&stored.status.clone().unwrap_or_default());
    let json_patch::Patch(mut foreign) = json_patch::diff(&found, &written(status));
    if foreign.is_empty() {
        return Ok(stored);
    }
    let (name, version) = (stored.name_any(), stored.resource_version());
    warn!(permit = %name, fields = foreign.len(), "status held what the operator did not write");
    // Only on the version that was just read.
    let same = json!([{"op": "replace", "path": "/metadata/resourceVersion", "value": version}]);
    let mut patch: json_patch::Patch = serde_json::from_value(same).unwrap_or_default();
    patch.0.append(&mut foreign);
    let (params, patch) = (PatchParams::default(), Patch::Json::<()>(patch));
    deadline(api.patch_status(&name, &params, &patch))
        .await
        .map_err(|error| Error::Status(name, error))
}

/// Counts and logs only what was written (a crash before the write must not count twice).
fn count(ctx: &Context, world: &World, decision: &Decision) {
    let level = &decision.status.summary.level;
    for step in &decision.transitions {
        let labels = [step.from.as_str(), step.to.as_str(), level.as_str()];
        ctx.metrics.transitions.with_label_values(&labels).inc();
        if step.to == Phase::Revoked {
            ctx.metrics
                .guard_breaches
                .with_label_values(&[step.reason])
                .inc();
        }
        info!(
            permit = %world.request.name,
            namespace = %world.request.namespace,
            from = %step.from,
            to = %step.to,
            reason = step.reason,
            because = %step.because,
            "permit moved"
        );
    }
}
