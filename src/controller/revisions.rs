//! Revisions: keeps every content that a template ever had, named by the template and the content's digest (`decisions.md` 5).
//!
//! Immutable objects in the operator's namespace; only the time since when a content is the current one moves. Does
//! not know which permit is governed by which.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::ConfigMap;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::{Api, Patch, PatchParams, PostParams};
use serde_json::json;
use tracing::{info, warn};

use super::permit::chain;
use super::{Context, Error};
use crate::api::FIELD_MANAGER;
use crate::api::facts::{CURRENT_SINCE, DATA_KEY, REVISION_LABEL, revision_name};
use crate::cluster::client::deadline;

/// Keeps the current content of every template.
pub(super) async fn keep(ctx: &Context) {
    for (name, digest, content) in ctx.caches.current_templates() {
        let revisions = ctx.caches.revisions(&name);
        let newest = revisions.iter().max_by_key(|r| r.since);
        if newest.is_some_and(|r| r.digest == digest) {
            continue;
        }
        let known = revisions.iter().any(|r| r.digest == digest);
        let kept = if known {
            renew(ctx, &name, &digest).await
        } else {
            create(ctx, &name, &digest, content).await
        };
        match kept {
            Ok(()) => info!(template = name, digest, "template revision kept"),
            Err(error) => {
                warn!(template = name, error = %chain(&error), "template revision not kept yet");
            }
        }
    }
}

async fn create(ctx: &Context, template: &str, digest: &str, content: String) -> Result<(), Error> {
    ctx.ensure_leading()?;
    let map = ConfigMap {
        metadata: ObjectMeta {
            name: Some(revision_name(template, digest)),
            namespace: Some(ctx.namespace.clone()),
            labels: Some(BTreeMap::from([(
                REVISION_LABEL.to_owned(),
                template.to_owned(),
            )])),
            annotations: Some(BTreeMap::from([(
                CURRENT_SINCE.to_owned(),
                ctx.clock.now().to_string(),
            )])),
            ..ObjectMeta::default()
        },
        data: Some(BTreeMap::from([(DATA_KEY.to_owned(), content)])),
        immutable: Some(true),
        ..ConfigMap::default()
    };
    let api: Api<ConfigMap> = Api::namespaced(ctx.client.clone(), &ctx.namespace);
    match deadline(api.create(&PostParams::default(), &map)).await {
        Ok(_) => Ok(()),
        // Written a moment ago and not yet seen by the watch.
        Err(error) if error.is_conflict() => Ok(()),
        Err(error) => Err(Error::Revision(template.to_owned(), error)),
    }
}

/// A content that comes back is current from now on.
async fn renew(ctx: &Context, template: &str, digest: &str) -> Result<(), Error> {
    ctx.ensure_leading()?;
    let api: Api<ConfigMap> = Api::namespaced(ctx.client.clone(), &ctx.namespace);
    let patch = json!({"metadata": {"annotations": {CURRENT_SINCE: ctx.clock.now().to_string()}}});
    let params = PatchParams {
        field_manager: Some(FIELD_MANAGER.into()),
        ..PatchParams::default()
    };
    deadline(api.patch(
        &revision_name(template, digest),
        &params,
        &Patch::Merge(patch),
    ))
    .await
    .map(drop)
    .map_err(|error| Error::Revision(template.to_owned(), error))
}
