//! Effects: what has to be done around the writing of the status, matched exhaustively.

use kube::api::{Api, Patch, PatchParams, PostParams};
use serde_json::json;

use super::{Context, Error, facts, record, rollback};
use crate::api::FIELD_MANAGER;
use crate::api::approval::{Approval, ApprovalSpec, PermitRef};
use crate::api::facts::{Facts, Spent};
use crate::api::vocabulary::{Decision as Said, RevocationReason};
use crate::cluster::client::{CallError, deadline};
use crate::domain::decide::Decision;
use crate::domain::effect::Effect;
use crate::domain::report::revocation_name;
use crate::domain::world::World;

/// What must be done before the status may say so.
pub(super) async fn before(ctx: &Context, world: &World, decision: &Decision) -> Result<(), Error> {
    for effect in &decision.before {
        one(ctx, world, decision, effect).await?;
    }
    Ok(())
}

/// What follows from the status that was written.
pub(super) async fn after(ctx: &Context, world: &World, decision: &Decision) -> Result<(), Error> {
    for effect in &decision.after {
        one(ctx, world, decision, effect).await?;
    }
    Ok(())
}

async fn one(
    ctx: &Context,
    world: &World,
    decision: &Decision,
    effect: &Effect,
) -> Result<(), Error> {
    ctx.ensure_leading()?;
    match effect {
        Effect::Arm(armed) => {
            let uid = world.request.uid.clone();
            let armed = armed.clone();
            facts::edit(ctx, &world.request.namespace, move |f| {
                f.armed.insert(uid, armed);
            })
            .await
        }
        Effect::Revoke { reason, message } => revoke(ctx, world, *reason, message).await,
        Effect::Pause { target } => pause(ctx, world, target).await,
        Effect::RollBack { target } => rollback::roll_back(ctx, world, target).await,
        Effect::Settle { spent, baselines } => {
            record::closure(ctx, world, decision, spent).await?;
            settle(ctx, world, spent, baselines).await
        }
        Effect::Forgive => {
            ctx.guard.forgive(&world.request.uid);
            Ok(())
        }
    }
}

/// Creates the operator's own revocation; that it exists already is as good.
async fn revoke(
    ctx: &Context,
    world: &World,
    reason: RevocationReason,
    message: &str,
) -> Result<(), Error> {
    let name = revocation_name(&world.request.name);
    let mut approval = Approval::new(
        &name,
        ApprovalSpec {
            permit_ref: PermitRef {
                name: world.request.name.clone(),
                request_id: world.request.spec.request_id.clone(),
                digest: None,
            },
            decision: Said::Revoke,
            role: Some("operator".into()),
            reasoning: message.chars().take(1024).collect(),
            reason: Some(reason),
            approver: None,
            submitted_by: None,
        },
    );
    approval.metadata.namespace = Some(world.request.namespace.clone());
    let api: Api<Approval> = Api::namespaced(ctx.client.clone(), &world.request.namespace);
    let params = PostParams {
        field_manager: Some(FIELD_MANAGER.into()),
        ..PostParams::default()
    };
    match deadline(api.create(&params, &approval)).await {
        Ok(_) => Ok(()),
        Err(error) if is_there_already(&error) => Ok(()),
        Err(error) => Err(Error::Revoke(world.request.name.clone(), error)),
    }
}

fn is_there_already(error: &CallError) -> bool {
    error.is_conflict()
}

async fn pause(ctx: &Context, world: &World, target: &str) -> Result<(), Error> {
    let name = target.split_once('/').map_or(target, |(_, name)| name);
    let fact = world.targets.iter().find(|t| t.key() == target);
    let api = fact.and_then(|f| rollback::api(ctx, &world.request.namespace, &f.target));
    let (Some(live), Some(api)) = (fact.and_then(|f| f.live.as_ref()), api) else {
        return Ok(());
    };
    // On exactly the object and version that were looked at: a late pause must not stop a newer rollout.
    let patch = Patch::Merge(json!({
        "metadata": {"uid": live.uid, "resourceVersion": live.object.pointer("/metadata/resourceVersion")},
        "spec": {"paused": true},
    }));
    let params = PatchParams {
        field_manager: Some(FIELD_MANAGER.into()),
        ..PatchParams::default()
    };
    deadline(api.patch(name, &params, &patch))
        .await
        .map(drop)
        .map_err(|e| Error::Pause(target.to_owned(), e))
}

/// The permit is at rest: nothing under it is admitted any more, and what it earned is the new baseline.
async fn settle(
    ctx: &Context,
    world: &World,
    spent: &Spent,
    baselines: &[(String, Option<crate::api::facts::Baseline>)],
) -> Result<(), Error> {
    let (uid, spent, baselines) = (world.request.uid.clone(), spent.clone(), baselines.to_vec());
    facts::edit(ctx, &world.request.namespace, move |f: &mut Facts| {
        f.settle(uid, spent);
        for (key, baseline) in baselines {
            match baseline {
                Some(baseline) => f.baselines.insert(key, baseline),
                None => f.baselines.remove(&key),
            };
        }
    })
    .await?;
    ctx.guard.forget(&world.request.uid);
    ctx.admitted.forget(&world.request.uid);
    Ok(())
}
