//! `approve`, `reject`, `request-changes`, `resume`, `withdraw`, `cancel`, `revoke`: one Approval object under the
//! user's own identity.
//!
//! Whether the person may decide is the API server's to say, and it is asked by trying.

use std::ops::ControlFlow;
use std::time::Duration;

use anyhow::Context as _;
use k8s_openapi::api::authorization::v1::SelfSubjectAccessReview;
use kube::api::{ListParams, PostParams};
use kube::{Api, ResourceExt as _};

use super::ballot::{self, Ballot};
use super::connect::{Cluster, FIELD_MANAGER};
use super::consequence;
use super::decision::{self, Before};
use super::exit::{Exit, Refusal};
use super::follow::Following;
use super::output::{self, permit_ref};
use super::request::DryRun;
use crate::api::vocabulary::Decision;
use crate::api::{Approval, Permit, PermitTemplate};

/// How long an approval waits for the operator to compute the permit's digest.
const REVIEW_PATIENCE: Duration = Duration::from_secs(10);
/// How many names are tried that somebody else has taken.
const MAX_TAKEN: usize = 3;

/// What came of storing a decision.
enum Stored {
    Made(Approval),
    Already(Approval),
}

/// Decides about a permit.
pub(super) async fn run(mut ballot: Ballot, cluster: &Cluster) -> anyhow::Result<Exit> {
    let permit = read_permit(&ballot, cluster).await?;
    let username = cluster.whoami().await?;
    let approvals = approvals_of(&ballot.name, cluster).await;
    let known = approvals.is_ok();
    let approvals = approvals.unwrap_or_default();
    let before = Before {
        username: &username,
        approvals: &approvals,
        taken: 0,
    };
    let stored = if let Some(there) = decision::standing(&permit, &ballot, &before) {
        Stored::Already(there.clone())
    } else {
        consequence::possible(&permit, &ballot, known.then_some(&before))?;
        if ballot.role.is_none() && ballot::needs_role(ballot.decision) {
            ballot.role = Some(role_of(&ballot, &permit.spec.template, cluster).await?);
        }
        store(&permit, &ballot, &before, cluster).await?
    };
    let effect = match &stored {
        Stored::Made(_) if ballot.dry_run == DryRun::None && ballot.output.is_none() => {
            consequence::effect(&permit, &ballot, cluster).await
        }
        Stored::Made(_) | Stored::Already(_) => None,
    };
    tell(&ballot, stored, effect, cluster)
}

/// The permit as it is; before an approval, as the operator has reviewed it.
async fn read_permit(ballot: &Ballot, cluster: &Cluster) -> anyhow::Result<Permit> {
    let permit = cluster
        .permits()
        .get(&ballot.name)
        .await
        .context("read the permit")?;
    if ballot.decision != Decision::Approve || is_reviewed(&permit) {
        return Ok(permit);
    }
    let following = Following {
        cluster,
        name: &ballot.name,
        limit: Some(REVIEW_PATIENCE),
    };
    let reviewed = following
        .until(async |seen: Permit| {
            Ok(if is_reviewed(&seen) {
                ControlFlow::Break(seen)
            } else {
                ControlFlow::Continue(())
            })
        })
        .await?;
    let next = format!(
        "kubectl permit explain {} -n {}",
        ballot.name, cluster.namespace
    );
    let waiting = || {
        let message = format!(
            "permit `{}` is not reviewed by the operator yet, so there is nothing to approve",
            ballot.name
        );
        Refusal::ended(Exit::StillWaiting, message, next)
    };
    reviewed.ok_or_else(|| waiting().into())
}

/// Whether the status speaks of the spec as it is now.
fn is_reviewed(permit: &Permit) -> bool {
    let reviewed = permit
        .status
        .as_ref()
        .filter(|status| status.digest.is_some());
    reviewed.is_some_and(|status| status.observed_generation >= permit.metadata.generation)
}

async fn role_of(ballot: &Ballot, template: &str, cluster: &Cluster) -> anyhow::Result<String> {
    let templates: Api<PermitTemplate> = Api::all(cluster.client.clone());
    let found = templates.get(template).await.map_err(|error| {
        let status = super::exit::report(&anyhow::Error::from(error)).message;
        Refusal::error(
            format!("the roles of template `{template}` cannot be read: {status}"),
            "give --role ROLE",
        )
    })?;
    let roles = ballot::roles(&found.spec);
    if roles.len() > 1
        && let [held] = held_among(ballot, &roles, cluster).await.as_slice()
    {
        return Ok((*held).to_owned());
    }
    Ok(ballot::only_role(template, &roles)?)
}

/// The roles that the API server says this person holds; it is asked for convenience, and asked again by admission.
async fn held_among<'r>(ballot: &Ballot, roles: &[&'r str], cluster: &Cluster) -> Vec<&'r str> {
    let reviews: Api<SelfSubjectAccessReview> = Api::all(cluster.client.clone());
    let mut held = Vec::new();
    for role in roles {
        let asked = ballot::right(ballot, role, &cluster.namespace);
        let answer = reviews.create(&PostParams::default(), &asked).await;
        let may = answer.ok().and_then(|review| review.status);
        held.extend(may.is_some_and(|status| status.allowed).then_some(*role));
    }
    held
}

/// The decisions about a permit so far.
pub(super) async fn approvals_of(permit: &str, cluster: &Cluster) -> anyhow::Result<Vec<Approval>> {
    let about = ListParams::default().fields(&format!("spec.permitRef.name={permit}"));
    Ok(cluster
        .approvals()
        .list(&about)
        .await
        .context("list the permit's approvals")?
        .items)
}

/// Creates the object; one that is there already and is ours says the same.
async fn store(
    permit: &Permit,
    ballot: &Ballot,
    before: &Before<'_>,
    cluster: &Cluster,
) -> anyhow::Result<Stored> {
    let params = PostParams {
        dry_run: ballot.dry_run == DryRun::Server,
        field_manager: Some(FIELD_MANAGER.to_owned()),
    };
    for taken in 0..=MAX_TAKEN {
        let approval = decision::approval(permit, ballot, &Before { taken, ..*before })?;
        if ballot.dry_run == DryRun::Client {
            return Ok(Stored::Made(approval));
        }
        match cluster.approvals().create(&params, &approval).await {
            Ok(made) => return Ok(Stored::Made(made)),
            Err(kube::Error::Api(status)) if status.is_already_exists() => {}
            Err(error) => return Err(error).context("create the approval"),
        }
        let there = cluster
            .approvals()
            .get(&approval.name_any())
            .await
            .context("read the approval that is there")?;
        if decision::is_by(&there, before.username) && there.spec.decision == ballot.decision {
            return Ok(Stored::Already(there));
        }
    }
    let message = format!(
        "the names for this decision about permit `{}` are taken by other people's objects",
        ballot.name
    );
    let next = format!("kubectl get approvals -n {}", cluster.namespace);
    Err(Refusal::error(message, next).into())
}

fn tell(
    ballot: &Ballot,
    stored: Stored,
    effect: Option<String>,
    cluster: &Cluster,
) -> anyhow::Result<Exit> {
    let reference = permit_ref(&ballot.name);
    let done = ballot::participle(ballot.decision);
    let effect = effect
        .map(|effect| format!(" ({effect})"))
        .unwrap_or_default();
    let (approval, text) = match stored {
        Stored::Made(approval) => (
            approval,
            format!("{reference} {done}{}{effect}", ballot.dry_run.suffix()),
        ),
        Stored::Already(approval) => (approval, format!("{reference} already {done} by you")),
    };
    let name = format!("approval.permits.dev/{}", approval.name_any());
    output::show(ballot.output, &approval, &name, &text)?;
    if ballot.dry_run == DryRun::None {
        output::hint(&format!(
            "  next    kubectl permit get {} -n {}",
            ballot.name, cluster.namespace
        ));
    }
    Ok(Exit::Done)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn permit(generation: i64, observed: Option<i64>, digest: Option<&str>) -> Permit {
        serde_json::from_value(json!({
            "apiVersion": "permits.dev/v1alpha1", "kind": "Permit",
            "metadata": {"name": "x", "generation": generation},
            "spec": {"template": "t", "purpose": "p", "targets": []},
            "status": {"observedGeneration": observed, "digest": digest},
        }))
        .unwrap()
    }

    #[test]
    fn a_permit_edited_since_its_review_is_not_approved_by_its_old_digest() {
        assert!(is_reviewed(&permit(2, Some(2), Some("sha256:aa"))));
        assert!(!is_reviewed(&permit(2, Some(1), Some("sha256:aa"))));
        assert!(!is_reviewed(&permit(1, Some(1), None)));
    }
}
