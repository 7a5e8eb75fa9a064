//! Facts: the one writer of a namespace's facts.
//!
//! Read from the cache, edited, and replaced on the version that was read: a conflict is an error and is tried again
//! on the newer version. Does not know what an edit means.

use std::collections::BTreeMap;

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::{Api, PostParams};

use super::{Context, Error};
use crate::api::FIELD_MANAGER;
use crate::api::facts::{DATA_KEY, FACTS_LABEL, Facts, facts_name};
use crate::cluster::client::deadline;

/// The most that one object may hold, below the API server's own limit of 1 MiB.
const LARGEST: usize = 900 * 1024;

/// Changes a namespace's facts; writes nothing if nothing changes.
pub(super) async fn edit(
    ctx: &Context,
    namespace: &str,
    change: impl FnOnce(&mut Facts),
) -> Result<(), Error> {
    let (mut facts, version) = match ctx.caches.facts_versioned(namespace) {
        Some((facts, version)) => (facts, Some(version)),
        None => (Facts::default(), None),
    };
    let before = facts.clone();
    change(&mut facts);
    if version.is_some() && facts == before {
        return Ok(());
    }
    write(ctx, namespace, &facts, version).await
}

/// Creates or replaces a namespace's facts.
pub(super) async fn write(
    ctx: &Context,
    namespace: &str,
    facts: &Facts,
    version: Option<String>,
) -> Result<(), Error> {
    ctx.ensure_leading()?;
    let data =
        serde_json::to_vec(facts).map_err(|e| Error::FactsFormat(namespace.to_owned(), e))?;
    if data.len() > LARGEST {
        return Err(Error::FactsFull(namespace.to_owned()));
    }
    let name = facts_name(namespace);
    let secret = Secret {
        metadata: ObjectMeta {
            name: Some(name.clone()),
            namespace: Some(ctx.namespace.clone()),
            labels: Some(BTreeMap::from([(
                FACTS_LABEL.to_owned(),
                namespace.to_owned(),
            )])),
            resource_version: version.clone(),
            ..ObjectMeta::default()
        },
        type_: Some("permits.dev/facts".into()),
        data: Some(BTreeMap::from([(DATA_KEY.to_owned(), ByteString(data))])),
        ..Secret::default()
    };
    let api: Api<Secret> = Api::namespaced(ctx.client.clone(), &ctx.namespace);
    let params = PostParams {
        field_manager: Some(FIELD_MANAGER.into()),
        ..PostParams::default()
    };
    let written = match version {
        Some(_) => deadline(api.replace(&name, &params, &secret)).await,
        None => deadline(api.create(&params, &secret)).await,
    };
    let written = written.map_err(|e| Error::Facts(namespace.to_owned(), e))?;
    // The next decision must not be made on what was just replaced.
    ctx.caches.facts_written(namespace, &written);
    Ok(())
}
