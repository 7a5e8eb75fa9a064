//! Live reads: what an allow rests on, asked of the API server at the moment of the decision (threat row 29).
//!
//! Every call has a deadline; what cannot be read is an error, and every error is a denial.

use futures::future::join_all;
use kube::Resource;
use kube::api::{Api, ApiResource, DynamicObject, ListParams};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::Gate;
use super::whole::whole;
use crate::api::Approval;
use crate::api::kind::WorkloadKind;
use crate::api::permit::{Identity, Permit};
use crate::api::vocabulary::Decision;
use crate::cluster::client::{CallError, deadline};
use crate::cluster::kinds::resource_of;
use crate::domain::ballot;
use crate::domain::gate::Candidate;
use crate::domain::quorum::Ballot;
use crate::domain::request::Request;
use crate::domain::template::{Level, Template};

/// Reads a candidate anew: the permit, its approvals, and the rights of whoever made them.
pub(super) async fn candidate(
    gate: &Gate,
    known: &Candidate,
) -> Result<Option<Candidate>, CallError> {
    let (namespace, name) = (&known.request.namespace, &known.request.name);
    let (permit, approvals) = futures::join!(
        permit(gate, namespace, name),
        approvals(gate, namespace, name)
    );
    let (Some(permit), approvals) = (permit?, approvals?) else {
        return Ok(None);
    };
    let (request, mistakes) = crate::domain::parse::request(&permit);
    if !mistakes.is_empty() || request.uid != known.request.uid {
        return Ok(None);
    }
    let ballots: Vec<Ballot> = approvals
        .iter()
        .filter_map(|a| ballot::of(a, &request))
        .collect();
    let (ballots, may_use) = futures::join!(
        asked(gate, &request, known.template.as_ref(), ballots),
        gate.access
            .may_use_template(&request.requester, &request.spec.template)
    );
    let recorded = permit.status.as_ref().and_then(|s| s.phase);
    let held = permit.status.as_ref().is_some_and(|s| {
        s.conditions
            .iter()
            .any(|c| c.type_ == "Held" && c.status == "True")
    });
    Ok(Some(Candidate {
        request,
        ballots,
        may_use,
        recorded,
        held,
        ..known.clone()
    }))
}

/// A permit as it is now.
pub(super) async fn permit(
    gate: &Gate,
    namespace: &str,
    name: &str,
) -> Result<Option<Permit>, CallError> {
    let permits = objects::<Permit>(gate, namespace);
    let found = deadline(permits.get_opt(name)).await?;
    found.as_ref().map(typed).transpose()
}

/// The approvals that speak of a permit now.
async fn approvals(gate: &Gate, namespace: &str, name: &str) -> Result<Vec<Approval>, CallError> {
    let about = ListParams::default().fields(&format!("spec.permitRef.name={name}"));
    let approvals = objects::<Approval>(gate, namespace);
    let found = deadline(approvals.list(&about)).await?;
    found.items.iter().map(typed).collect()
}

/// Our own kinds as they are stored, before any of our types has dropped a field that it does not know.
fn objects<K: Resource<DynamicType = ()>>(gate: &Gate, namespace: &str) -> Api<DynamicObject> {
    Api::namespaced_with(
        gate.client.clone(),
        namespace,
        &ApiResource::erase::<K>(&()),
    )
}

/// One that cannot be read whole is an error, so it is never judged on less; an approval may be what ends a permit.
fn typed<K: DeserializeOwned + Serialize>(object: &DynamicObject) -> Result<K, CallError> {
    let unreadable = |error| CallError::Failed(Box::new(kube::Error::SerdeError(error)));
    let value = serde_json::to_value(object).map_err(unreadable)?;
    whole(&value).map_err(|why| unreadable(serde::de::Error::custom(why)))
}

/// The ballots with what the access reviews say, asked side by side.
async fn asked(
    gate: &Gate,
    request: &Request,
    template: Option<&Template>,
    ballots: Vec<Ballot>,
) -> Vec<Ballot> {
    let level = template.map_or(Level::Numbered(4), |t| t.level);
    let all = ballots.into_iter().map(|ballot| async move {
        if ballot.decision != Decision::Approve {
            return ballot;
        }
        let who = Identity {
            username: ballot.person.clone(),
            uid: None,
            groups: ballot.groups.clone(),
        };
        let own = ballot.person == request.requester.username;
        let role = ballot.role.clone().unwrap_or_default();
        let rights = gate.access.rights(&who, request, &role, (level, own)).await;
        Ballot { rights, ..ballot }
    });
    join_all(all).await
}

/// The workload behind a `scale`.
pub(super) async fn parent(
    gate: &Gate,
    kind: &WorkloadKind,
    (namespace, name): (&str, &str),
) -> Result<Option<Value>, CallError> {
    let Some(resource) = resource_of(kind) else {
        return Ok(None);
    };
    let api: Api<DynamicObject> = Api::namespaced_with(gate.client.clone(), namespace, &resource);
    let found = deadline(api.get_opt(name)).await?;
    Ok(found.and_then(|object| serde_json::to_value(object).ok()))
}
