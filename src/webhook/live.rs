//! Live reads: what an allow rests on, asked of the API server at the moment of the decision (threat row 29).
//!
//! Every call has a deadline; what cannot be read is an error, and every error is a denial.

use futures::future::join_all;
use kube::api::{Api, ApiResource, DynamicObject, ListParams};
use serde_json::Value;

use super::Gate;
use crate::api::Approval;
use crate::api::permit::{Identity, Permit};
use crate::api::vocabulary::Decision;
use crate::cluster::client::{CallError, deadline};
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
    let permits: Api<Permit> = Api::namespaced(gate.client.clone(), namespace);
    let approvals: Api<Approval> = Api::namespaced(gate.client.clone(), namespace);
    let about = ListParams::default().fields(&format!("spec.permitRef.name={name}"));
    let (permit, approvals) = futures::join!(
        deadline(permits.get_opt(name)),
        deadline(approvals.list(&about))
    );
    let (Some(permit), approvals) = (permit?, approvals?) else {
        return Ok(None);
    };
    let (request, mistakes) = crate::domain::parse::request(&permit);
    if !mistakes.is_empty() || request.uid != known.request.uid {
        return Ok(None);
    }
    let ballots: Vec<Ballot> = approvals
        .items
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
    namespace: &str,
    name: &str,
) -> Result<Option<Value>, CallError> {
    let resource = ApiResource::erase::<k8s_openapi::api::apps::v1::Deployment>(&());
    let api: Api<DynamicObject> = Api::namespaced_with(gate.client.clone(), namespace, &resource);
    let found = deadline(api.get_opt(name)).await?;
    Ok(found.and_then(|object| serde_json::to_value(object).ok()))
}
