//! Rights: says that roles or bindings have changed, so that whoever remembers an answer asks again.
//!
//! Watches names alone and keeps nothing. Does not know what a role allows, nor who is bound to it.

use futures::stream::{BoxStream, select_all};
use futures::{StreamExt as _, future};
use k8s_openapi::api::rbac::v1::{ClusterRole, ClusterRoleBinding, Role, RoleBinding};
use kube::api::{Api, PartialObjectMeta};
use kube::runtime::WatchStreamExt as _;
use kube::runtime::watcher::{Config, Event, watcher};
use kube::{Client, Resource};
use serde::de::DeserializeOwned;
use tracing::warn;

/// An item for each change of a role or a binding, and for each time that one may have been missed.
pub fn changes(client: &Client) -> BoxStream<'static, ()> {
    select_all([
        of_kind::<ClusterRole>(client),
        of_kind::<ClusterRoleBinding>(client),
        of_kind::<Role>(client),
        of_kind::<RoleBinding>(client),
    ])
    .boxed()
}

fn of_kind<K>(client: &Client) -> BoxStream<'static, ()>
where
    K: Resource<DynamicType = ()> + Clone + std::fmt::Debug + DeserializeOwned + Send + 'static,
{
    let api: Api<PartialObjectMeta<K>> = Api::all(client.clone());
    watcher(api, Config::default())
        .default_backoff()
        .filter_map(|event| {
            future::ready(match event {
                Ok(Event::Apply(_) | Event::Delete(_) | Event::InitDone) => Some(()),
                Ok(Event::Init | Event::InitApply(_)) => None,
                Err(error) => {
                    warn!(%error, kind = %K::kind(&()), "watch of rights interrupted");
                    None
                }
            })
        })
        // What is there at first is no change: nothing was answered before.
        .skip(1)
        .boxed()
}
