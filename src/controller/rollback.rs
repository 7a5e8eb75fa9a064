//! Rollback: restores the recorded pod template, on exactly the object and version that were looked at.
//!
//! Restores the template only; replicas, strategy and configuration objects stay (`decisions.md` 30). Counts what the
//! API server refuses; when it counts as failed is decided in `domain::aftermath`.

use kube::api::{Api, DynamicObject, Patch, PatchParams};
use serde_json::{Value, json};
use tracing::warn;

use super::permit::chain;
use super::{Context, Error, record};
use crate::api::FIELD_MANAGER;
use crate::api::permit::Target;
use crate::cluster::client::{CallError, deadline};
use crate::cluster::kinds;
use crate::domain::kind::{self, Pods};
use crate::domain::world::World;

/// A target's kind as plain values, if it is one that the operator writes.
pub(super) fn api(ctx: &Context, namespace: &str, target: &Target) -> Option<Api<DynamicObject>> {
    let form = kind::form(target.kind.as_str()).filter(|form| form.rolls)?;
    let resource = kinds::resource(form);
    Some(Api::namespaced_with(
        ctx.client.clone(),
        namespace,
        &resource,
    ))
}

/// Writes the rollback of one target.
pub(super) async fn roll_back(ctx: &Context, world: &World, target: &str) -> Result<(), Error> {
    let fact = world.targets.iter().find(|t| t.key() == target);
    let Some(prior) = fact.and_then(|f| f.prior(world.armed.as_ref())) else {
        return Ok(());
    };
    let api = fact.and_then(|f| api(ctx, &world.request.namespace, &f.target));
    let (Some(live), Some(api)) = (fact.and_then(|f| f.live.as_ref()), api) else {
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
    let Pods::Template(path) = kind::pods_of(kind::word_of(live)) else {
        return None;
    };
    let operations = json!([
        {"op": "test", "path": "/metadata/uid", "value": live.pointer("/metadata/uid")?},
        {"op": "test", "path": "/metadata/resourceVersion", "value": live.pointer("/metadata/resourceVersion")?},
        {"op": "replace", "path": format!("/{}", path.join("/")), "value": kind::at(prior, path)?},
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
