//! Writes to a workload that the API server judges and does not store: dry runs, with the warnings they answer with.
//!
//! Knows HTTP and the API server's answers; what they mean is read elsewhere.

use anyhow::Context as _;
use kube::Resource as _;
use kube::api::{
    ApiResource, DynamicObject, GetParams, ListParams, Patch, PatchParams, PostParams,
};
use kube::client::Body;
use kube::core::{Request, Status};
use serde_json::Value;

use super::connect::Cluster;
use super::target::WorkloadRef;
use super::warning;
use crate::cluster::kinds::resource;
use crate::domain::kind::Form;

/// The field manager that `kubectl apply --server-side` uses.
const APPLY_MANAGER: &str = "kubectl";

/// One write.
#[derive(Debug, PartialEq)]
pub(super) enum Step {
    /// A new object.
    Create {
        /// The object.
        object: Value,
    },
    /// A strategic merge patch of one that is there.
    Merge {
        /// The patch.
        patch: Value,
    },
    /// A server-side apply.
    Apply {
        /// The object as it is applied.
        object: Value,
        /// Whether fields are taken from other managers.
        force: bool,
    },
}

/// What the API server answered.
#[derive(Debug)]
pub(super) enum Answer {
    /// It would be stored, as this object.
    Stored {
        /// The object with all defaults.
        object: Value,
        /// The warnings beside it.
        warnings: Vec<String>,
    },
    /// It would be refused.
    Refused(Box<Status>),
}

/// The workload as it is now, if it is there.
pub(super) async fn live(
    cluster: &Cluster,
    workload: &WorkloadRef,
) -> anyhow::Result<Option<Value>> {
    let request = collection(cluster, workload).get(&workload.name, &GetParams::default())?;
    match cluster.client.request::<Value>(request).await {
        Ok(object) => Ok(Some(object)),
        Err(kube::Error::Api(status)) if status.is_not_found() => Ok(None),
        Err(error) => Err(error).with_context(|| format!("read {workload}")),
    }
}

/// The names of the workloads of a kind, at most so many.
pub(super) async fn names(
    cluster: &Cluster,
    form: &'static Form,
    most: u32,
) -> anyhow::Result<Vec<String>> {
    let all = kube::Api::<DynamicObject>::namespaced_with(
        cluster.client.clone(),
        &cluster.namespace,
        &resource(form),
    );
    let some = all
        .list_metadata(&ListParams::default().limit(most))
        .await?;
    Ok(some
        .items
        .into_iter()
        .filter_map(|o| o.metadata.name)
        .collect())
}

/// Has the API server judge a write without storing it.
pub(super) async fn rehearse(
    cluster: &Cluster,
    workload: &WorkloadRef,
    step: &Step,
) -> anyhow::Result<Answer> {
    let (to, name) = (collection(cluster, workload), &workload.name);
    let request = match step {
        Step::Create { object } => {
            let params = PostParams {
                dry_run: true,
                field_manager: Some(APPLY_MANAGER.to_owned()),
            };
            to.create(&params, serde_json::to_vec(object)?)?
        }
        Step::Merge { patch } => to.patch(
            name,
            &PatchParams::default().dry_run(),
            &Patch::Strategic(patch),
        )?,
        Step::Apply { object, force } => {
            let params = PatchParams {
                force: *force,
                ..PatchParams::apply(APPLY_MANAGER).dry_run()
            };
            to.patch(name, &params, &Patch::Apply(object))?
        }
    };
    let response = cluster
        .client
        .send(request.map(Body::from))
        .await
        .context("ask the API server by a dry run")?;
    let (succeeded, code) = (response.status().is_success(), response.status().as_u16());
    let headers = response.headers().get_all("warning").iter();
    let warnings = headers
        .filter_map(|header| warning::text(&String::from_utf8_lossy(header.as_bytes())))
        .collect();
    let body = response
        .into_body()
        .collect_bytes()
        .await
        .context("read the answer to the dry run")?;
    if succeeded {
        let object = serde_json::from_slice(&body).context("read the answer to the dry run")?;
        return Ok(Answer::Stored { object, warnings });
    }
    let unreadable = || Status::failure(&String::from_utf8_lossy(&body), "").with_code(code);
    let mut status = serde_json::from_slice::<Status>(&body).unwrap_or_else(|_| unreadable());
    status.code = code;
    Ok(Answer::Refused(status.boxed()))
}

fn collection(cluster: &Cluster, workload: &WorkloadRef) -> Request {
    let own = resource(workload.form);
    let read = ApiResource {
        api_version: own.api_version.replace(&own.version, &workload.version),
        version: workload.version.clone(),
        ..own
    };
    Request::new(DynamicObject::url_path(&read, Some(&cluster.namespace)))
}
