//! Workload: which images serve a Deployment at this moment.
//!
//! Decides from watched objects: pods that its selector covers, that are ready and not on their way out.
//! Does not know what an image does.

use anyhow::{Context, Result, bail};
use futures::{Stream, StreamExt};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Pod;
use kube::core::{Selector, SelectorExt};
use kube::runtime::reflector::{self, Store};
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, Client, ResourceExt};

/// The Deployment and its pods as the API server last told.
#[derive(Clone)]
pub struct Workload {
    deployments: Store<Deployment>,
    pods: Store<Pod>,
}

impl Workload {
    /// Starts to watch; the second half keeps the first up to date as long as it is polled.
    pub fn watch(
        client: &Client,
        namespace: &str,
        deployment: &str,
    ) -> (Self, impl Future<Output = Result<()>>) {
        let only = watcher::Config::default().fields(&format!("metadata.name={deployment}"));
        let (deployments, writer) = reflector::store();
        let changes = watcher(Api::namespaced(client.clone(), namespace), only);
        let follow_deployments = follow(changes.default_backoff().reflect(writer));
        let (pods, writer) = reflector::store();
        let changes = watcher(
            Api::namespaced(client.clone(), namespace),
            watcher::Config::default(),
        );
        let follow_pods = follow(changes.default_backoff().reflect(writer));
        let following = async move {
            tokio::select! { () = follow_deployments => {} () = follow_pods => {} }
            bail!("a watch ended for good")
        };
        (Self { deployments, pods }, following)
    }

    /// The image of each pod that would get a request now; empty when none would.
    pub fn serving_images(&self) -> Result<Vec<String>> {
        let deployments = self.deployments.state();
        let Some(spec) = deployments.first().and_then(|found| found.spec.as_ref()) else {
            return Ok(Vec::new());
        };
        let selector = Selector::try_from(spec.selector.clone()).context("read the selector")?;
        let pods = self.pods.state();
        let serving = pods
            .iter()
            .filter(|pod| selector.matches(pod.labels()) && is_serving(pod));
        Ok(serving.filter_map(|pod| image(pod)).collect())
    }
}

async fn follow<K>(changes: impl Stream<Item = watcher::Result<watcher::Event<K>>>) {
    // Errors are retried by the watch itself; meanwhile the last known state stands.
    changes.for_each(|_| async {}).await;
}

fn is_serving(pod: &Pod) -> bool {
    let conditions = pod
        .status
        .as_ref()
        .and_then(|status| status.conditions.as_ref());
    let is_ready = conditions
        .into_iter()
        .flatten()
        .any(|it| it.type_ == "Ready" && it.status == "True");
    is_ready && pod.metadata.deletion_timestamp.is_none()
}

fn image(pod: &Pod) -> Option<String> {
    pod.spec.as_ref()?.containers.first()?.image.clone()
}
