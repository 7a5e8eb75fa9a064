//! Approvals: who decides what about which permit, in which role; and that a decision stays as it was made.
//!
//! The permit is read live: a decision about a request that was edited a moment ago is a decision about another one.

use kube::ResourceExt as _;

use super::{Verdict, is_sender, leaves_with_namespace, typed};
use crate::api::approval::ApprovalSpec;
use crate::api::vocabulary::Decision;
use crate::api::{Approval, Permit};
use crate::domain::parse;
use crate::domain::report::revocation_name;
use crate::domain::request::{Request as Asked, is_service_account};
use crate::domain::template::{Level, Template, governing};
use crate::webhook::Gate;
use crate::webhook::live;
use crate::webhook::review::Request;

/// Judges a write to an approval.
pub(super) async fn review(gate: &Gate, request: &Request) -> Verdict {
    match request.operation.as_str() {
        "CREATE" => create(gate, request).await,
        "UPDATE" => update(request),
        "DELETE" => delete(gate, request),
        other => Err(format!(
            "GateUnavailable: {other} of an approval is not judged"
        )),
    }
}

fn update(request: &Request) -> Verdict {
    let (new, old): (Approval, Approval) = (
        typed(request.object.as_ref())?,
        typed(request.old_object.as_ref())?,
    );
    if new.spec == old.spec {
        return Ok(());
    }
    Err("ApprovalFrozen: a decision stays as it was made; make another one instead".into())
}

fn delete(gate: &Gate, request: &Request) -> Verdict {
    if leaves_with_namespace(gate, request) {
        return Ok(());
    }
    let old: Approval = typed(request.old_object.as_ref())?;
    let (namespace, permit) = (&request.namespace, &old.spec.permit_ref.name);
    let at_rest = gate.caches.permit(namespace, permit).is_none_or(|p| {
        let facts = gate.caches.shared_facts(namespace);
        p.uid()
            .is_some_and(|uid| facts.is_some_and(|f| f.spent.contains_key(&uid)))
    });
    if at_rest {
        return Ok(());
    }
    Err("ApprovalProtected: its permit is not at rest\n  use kubectl permit withdraw to take an approval back".into())
}

async fn create(gate: &Gate, request: &Request) -> Verdict {
    let approval: Approval = typed(request.object.as_ref())?;
    let spec = &approval.spec;
    if !is_sender(spec.submitted_by.as_ref(), request) {
        return Err(
            "IdentityMismatch: spec.submittedBy is stamped at admission and must be the sender"
                .into(),
        );
    }
    if request.user_info.username == gate.operator {
        let own = spec.decision == Decision::Revoke
            && approval.name_any() == revocation_name(&spec.permit_ref.name);
        return if own {
            Ok(())
        } else {
            Err("NotAPerson: the operator only revokes".into())
        };
    }
    check_person(spec, &request.user_info.username)?;
    let name = &spec.permit_ref.name;
    let verdict = match permit(gate, &request.namespace, name).await? {
        Some(permit) => about(gate, request, spec, &permit).await,
        None => Err(String::new()),
    };
    let place = (request.namespace.as_str(), name.as_str());
    match verdict {
        // Who may not see a permit is not told whether there is one, nor anything of it.
        Err(why)
            if why.is_empty()
                || gate.access.may_get(&request.identity(), place).await != Some(true) =>
        {
            Err(format!(
                "PermitNotFound: spec.permitRef.name: there is no permit of that name that you may get and decide about\n  asked for {name}"
            ))
        }
        told => told,
    }
}

/// Only people decide, as themselves and for people's reasons.
fn check_person(spec: &ApprovalSpec, user: &str) -> Verdict {
    if is_service_account(user) || user.starts_with("system:node:") {
        return Err(format!(
            "NotAPerson: a service account is never an approver\n  this was sent by {user}"
        ));
    }
    if spec.approver.as_ref().map(|a| a.username.as_str()) != Some(user) {
        return Err("IdentityMismatch: spec.approver.username must be the sender".into());
    }
    if spec.reason.is_some_and(|r| !r.is_for_people()) {
        return Err(
            "InvalidReason: spec.reason: people give ApproverRequest, Incident or Emergency".into(),
        );
    }
    Ok(())
}

async fn permit(gate: &Gate, namespace: &str, name: &str) -> Result<Option<Permit>, String> {
    live::permit(gate, namespace, name).await.map_err(|error| {
        gate.metrics.gate_errors.inc();
        tracing::warn!(%error, "live read failed");
        "GateUnavailable: the permit could not be read; try again".to_owned()
    })
}

async fn about(gate: &Gate, request: &Request, spec: &ApprovalSpec, permit: &Permit) -> Verdict {
    let (asked, _) = parse::request(permit);
    let stated = spec.permit_ref.request_id.as_deref();
    if stated.is_some() && stated != asked.spec.request_id.as_deref() {
        return Err(
            "PermitMismatch: spec.permitRef.requestId is another permit's of that name".into(),
        );
    }
    let revisions = gate.caches.revisions(&asked.spec.template);
    let template = governing(&revisions, asked.created).and_then(|r| r.template.clone().ok());
    let own = asked.requester.username == request.user_info.username;
    match spec.decision {
        Decision::Withdraw => Ok(()),
        Decision::Cancel if own => Ok(()),
        Decision::Cancel => {
            Err("NotTheRequester: only the requester cancels; others reject or revoke".into())
        }
        Decision::Approve => {
            check_digest(spec, &asked, template.as_ref())?;
            right(gate, request, (spec, &asked, template.as_ref())).await
        }
        _ => right(gate, request, (spec, &asked, template.as_ref())).await,
    }
}

/// An approval is of exactly this request under exactly this template.
fn check_digest(spec: &ApprovalSpec, asked: &Asked, template: Option<&Template>) -> Verdict {
    let digest = template.map(|t| asked.digest(&t.digest));
    if digest.is_some() && spec.permit_ref.digest == digest {
        return Ok(());
    }
    let now = digest.unwrap_or_else(|| "(not reviewed yet)".into());
    Err(format!(
        "DigestMismatch: spec.permitRef.digest is not the request as it stands now\n  read it again and approve {now}"
    ))
}

/// The right to decide, by access review; the requester's own approval is no approval.
async fn right(
    gate: &Gate,
    request: &Request,
    about: (&ApprovalSpec, &Asked, Option<&Template>),
) -> Verdict {
    let (spec, asked, template) = about;
    let (who, role) = (request.identity(), spec.role.as_deref().unwrap_or_default());
    let level = template.map_or(Level::Numbered(4), |t| t.level);
    let place = (asked.namespace.as_str(), asked.name.as_str());
    let approves = spec.decision == Decision::Approve;
    if approves && asked.requester.username == who.username {
        let alone = level == Level::Emergency
            && gate.access.holds(&who, "break-glass", role, place).await == Some(true);
        if !alone {
            return Err(format!(
                "SelfApprovalBlocked: you requested this permit; somebody else has to approve it\n  requester {}",
                who.username
            ));
        }
    }
    let verb = if spec.decision == Decision::Revoke {
        "revoke"
    } else {
        "approve"
    };
    match gate.access.holds(&who, verb, role, place).await {
        Some(true) => {}
        Some(false) => {
            return Err(format!(
                "RoleNotHeld: you do not hold the verb `{verb}` in the role {role}\n  on permits/{role} in {}, as {}",
                asked.namespace, who.username
            ));
        }
        None => return Err("GateUnavailable: the role could not be asked; try again".into()),
    }
    let wildcards_count = !approves || level.admits_wildcards();
    if !wildcards_count && gate.access.is_wildcard(&who, verb, place).await != Some(false) {
        return Err(
            "WildcardHolder: who holds every role, by system:masters or a wildcard rule, approves nothing from level 2"
                .into(),
        );
    }
    Ok(())
}
