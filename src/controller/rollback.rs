//! Rollback: restores the recorded pod template, on exactly the object and version that were looked at.
//!
//! Restores the template only; replicas, strategy and configuration objects stay (`decisions.md` 30). Counts what the
//! API server refuses; when it counts as failed is decided in `domain::aftermath`.

use kube::api::{Api, ApiResource, DynamicObject, Patch, PatchParams};
use serde_json::{Value, json};
use tracing::warn;

use super::permit::chain;
use super::{Context, Error, record};
use crate::api::FIELD_MANAGER;
use crate::cluster::client::{CallError, deadline};
use crate::domain::world::World;

/// Deployments as plain values: a typed struct would drop fields that are newer than it.
pub(super) fn deployments(ctx: &Context, namespace: &str) -> Api<DynamicObject> {
    let resource = ApiResource::erase::<k8s_openapi::api::apps::v1::Deployment>(&());
    Api::namespaced_with(ctx.client.clone(), namespace, &resource)
}

/// Writes the rollback of one target.
pub(super) async fn roll_back(ctx: &Context, world: &World, target: &str) -> Result<(), Error> {
    let fact = world.targets.iter().find(|t| t.key() == target);
    let Some(prior) = fact.and_then(|f| f.prior(world.armed.as_ref())) else {
        return Ok(());
    };
    let Some(live) = fact.and_then(|f| f.live.as_ref()) else {
        return Ok(());
    };
    record::rollback_intent(ctx, world, target, prior).await?;
    let Some(patch) = patch(&live.object, &prior.object) else {
        return Ok(());
    };
    let name = target.split_once('/').map_or(target, |(_, name)| name);
    let params = PatchParams {
        field_manager: Some(FIELD_MANAGER.into()),
        ..PatchParams::default()
    };
    ctx.ensure_leading()?;
    let api = deployments(ctx, &world.request.namespace);
    match deadline(api.patch(name, &params, &Patch::<Value>::Json(patch))).await {
        Ok(_) => {
            ctx.metrics.rollbacks.with_label_values(&["accepted"]).inc();
            record::rollback_accepted(ctx, world, target, prior).await?;
        }
        Err(error) => refused(ctx, world, target, &error),
    }
    Ok(())
}

/// The prior template, guarded by the UID and the version that were looked at.
fn patch(live: &Value, prior: &Value) -> Option<json_patch::Patch> {
    let operations = json!([
        {"op": "test", "path": "/metadata/uid", "value": live.pointer("/metadata/uid")?},
        {"op": "test", "path": "/metadata/resourceVersion", "value": live.pointer("/metadata/resourceVersion")?},
        {"op": "replace", "path": "/spec/template", "value": prior.pointer("/spec/template")?},
    ]);
    serde_json::from_value(operations).ok()
}

/// A lost race is tried again on what is there then; a refusal counts. A `test` that fails answers 422 as a template
/// does that is not valid any more, but names no field.
fn refused(ctx: &Context, world: &World, target: &str, error: &CallError) {
    let is_lost_race = error.is_conflict() || (error.is_invalid() && !error.names_fields());
    if !is_lost_race && !error.is_transient() {
        ctx.guard.note_refusal(&world.request.uid, target);
        ctx.metrics.rollbacks.with_label_values(&["refused"]).inc();
    }
    warn!(permit = %world.request.name, target, error = %chain(error), "rollback not written");
}
