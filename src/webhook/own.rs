//! Our own kinds: what people may write, and what stays as it is.
//!
//! Every mistake at once with its path; frozen specs and protected deletions answer 403, so that `kubectl apply
//! --force` loses nothing (`decisions.md` 10). The same rights are looked up again at every later decision.

use kube::ResourceExt as _;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::Gate;
use super::review::{Answer, Request};
use crate::api::vocabulary::{Decision, Phase};
use crate::api::{Approval, Permit, PermitTemplate};
use crate::domain::parse;
use crate::domain::report::revocation_name;
use crate::domain::request::is_service_account;
use crate::domain::template::{Level, governing};

/// The controller of namespaces, which deletes what is in one that goes.
const NAMESPACE_CONTROLLER: &str = "system:serviceaccount:kube-system:namespace-controller";

/// Judges a write to one of our kinds.
pub(super) async fn review(gate: &Gate, request: &Request) -> Answer {
    let verdict = match request.resource.resource.as_str() {
        "permits" => permit(gate, request).await,
        "approvals" => approval(gate, request).await,
        "permittemplates" => template(request),
        other => Err(format!(
            "GateUnavailable: `{other}` is no kind that this gate judges"
        )),
    };
    match verdict {
        Ok(()) => Answer::admit(),
        Err(message) => Answer::deny(message.chars().take(2000).collect::<String>()),
    }
}

type Verdict = Result<(), String>;

fn typed<K: DeserializeOwned>(object: Option<&Value>) -> Result<K, String> {
    let object = object
        .cloned()
        .ok_or("InvalidObject: the review carries no object")?;
    serde_json::from_value(object).map_err(|error| format!("InvalidObject: {error}"))
}

fn template(request: &Request) -> Verdict {
    if request.operation == "DELETE" {
        return Ok(());
    }
    let template: PermitTemplate = typed(request.object.as_ref())?;
    parse::template(&template.name_any(), "", &template.spec)
        .map(drop)
        .map_err(|errors| {
            format!(
                "InvalidTemplate: {} mistake(s):\n  {}",
                errors.len(),
                parse::listed(&errors)
            )
        })
}

async fn permit(gate: &Gate, request: &Request) -> Verdict {
    match request.operation.as_str() {
        "CREATE" => create_permit(gate, request).await,
        "UPDATE" => update_permit(gate, request).await,
        _ => delete_permit(gate, request),
    }
}

async fn create_permit(gate: &Gate, request: &Request) -> Verdict {
    let permit: Permit = typed(request.object.as_ref())?;
    check_spec(&permit, &request.namespace)?;
    if permit
        .spec
        .requested_by
        .as_ref()
        .map(|r| r.username.as_str())
        != Some(request.user_info.username.as_str())
    {
        return Err(
            "IdentityMismatch: spec.requestedBy is stamped at admission and must be the sender"
                .into(),
        );
    }
    check_template(gate, request, &permit).await
}

fn check_spec(permit: &Permit, namespace: &str) -> Verdict {
    let errors = parse::mistakes(&permit.spec, namespace);
    if errors.is_empty() {
        return Ok(());
    }
    Err(format!(
        "InvalidPermit: {} mistake(s):\n  {}",
        errors.len(),
        parse::listed(&errors)
    ))
}

async fn check_template(gate: &Gate, request: &Request, permit: &Permit) -> Verdict {
    let name = &permit.spec.template;
    let known = gate.caches.template_names();
    if !known.contains(name) {
        return Err(format!(
            "TemplateNotFound: spec.template: `{name}` does not exist; there are: {}",
            if known.is_empty() {
                "none yet".to_owned()
            } else {
                known.join(", ")
            }
        ));
    }
    match gate
        .access
        .may_use_template(&request.identity(), name)
        .await
    {
        Some(true) => Ok(()),
        Some(false) => Err(format!(
            "TemplateNotPermitted: spec.template: {} lacks the verb `use` on permittemplates/{name}",
            request.user_info.username
        )),
        None => Err(
            "GateUnavailable: the right to use the template could not be asked; try again".into(),
        ),
    }
}

async fn update_permit(gate: &Gate, request: &Request) -> Verdict {
    let (permit, old): (Permit, Permit) = (
        typed(request.object.as_ref())?,
        typed(request.old_object.as_ref())?,
    );
    if permit.spec == old.spec {
        return Ok(());
    }
    let uid = old.uid().unwrap_or_default();
    let facts = gate.caches.facts(&request.namespace).unwrap_or_default();
    let phase = old
        .status
        .as_ref()
        .and_then(|s| s.phase)
        .unwrap_or(Phase::Requested);
    let open = matches!(
        phase,
        Phase::Requested | Phase::InReview | Phase::ChangesRequested | Phase::Approved
    );
    if !open || facts.armed.contains_key(&uid) || facts.spent.contains_key(&uid) {
        return Err(format!(
            "PermitFrozen: permit {} is {phase}; its spec stays as it was approved. Request a new permit instead",
            old.name_any()
        ));
    }
    let requester = old
        .spec
        .requested_by
        .as_ref()
        .map(|r| r.username.clone())
        .unwrap_or_default();
    if requester != request.user_info.username {
        return Err(format!(
            "NotTheRequester: only {requester} edits permit {}",
            old.name_any()
        ));
    }
    check_spec(&permit, &request.namespace)?;
    check_template(gate, request, &permit).await
}

fn delete_permit(gate: &Gate, request: &Request) -> Verdict {
    if leaves_with_namespace(gate, request) {
        return Ok(());
    }
    let old: Permit = typed(request.old_object.as_ref())?;
    let uid = old.uid().unwrap_or_default();
    let armed = gate
        .caches
        .facts(&request.namespace)
        .is_some_and(|f| f.armed.contains_key(&uid));
    if armed {
        let name = old.name_any();
        return Err(format!(
            "PermitProtected: permit {name} is issued or executing; end it with kubectl permit cancel or revoke {name}"
        ));
    }
    Ok(())
}

fn leaves_with_namespace(gate: &Gate, request: &Request) -> bool {
    request.user_info.username == NAMESPACE_CONTROLLER
        && gate.caches.is_terminating(&request.namespace)
}

async fn approval(gate: &Gate, request: &Request) -> Verdict {
    match request.operation.as_str() {
        "CREATE" => create_approval(gate, request).await,
        "UPDATE" => {
            let (new, old): (Approval, Approval) = (
                typed(request.object.as_ref())?,
                typed(request.old_object.as_ref())?,
            );
            if new.spec == old.spec {
                return Ok(());
            }
            Err("ApprovalFrozen: a decision stays as it was made; make another one instead".into())
        }
        _ => delete_approval(gate, request),
    }
}

fn delete_approval(gate: &Gate, request: &Request) -> Verdict {
    if leaves_with_namespace(gate, request) {
        return Ok(());
    }
    let old: Approval = typed(request.old_object.as_ref())?;
    let permit = gate
        .caches
        .permit(&request.namespace, &old.spec.permit_ref.name);
    let at_rest = permit.as_ref().is_none_or(|p| {
        let facts = gate.caches.facts(&request.namespace).unwrap_or_default();
        p.uid().is_some_and(|uid| facts.spent.contains_key(&uid))
    });
    if at_rest {
        return Ok(());
    }
    Err("ApprovalProtected: its permit is not at rest; use kubectl permit withdraw to take an approval back".into())
}

async fn create_approval(gate: &Gate, request: &Request) -> Verdict {
    let approval: Approval = typed(request.object.as_ref())?;
    let spec = &approval.spec;
    let user = &request.user_info.username;
    if spec.submitted_by.as_ref().map(|s| s.username.as_str()) != Some(user.as_str()) {
        return Err(
            "IdentityMismatch: spec.submittedBy is stamped at admission and must be the sender"
                .into(),
        );
    }
    if *user == gate.operator {
        let own = spec.decision == Decision::Revoke
            && approval.name_any() == revocation_name(&spec.permit_ref.name);
        return if own {
            Ok(())
        } else {
            Err("NotAPerson: the operator only revokes".into())
        };
    }
    if is_service_account(user) || user.starts_with("system:node:") {
        return Err(format!(
            "NotAPerson: {user} is a service account, which is never an approver"
        ));
    }
    if spec.approver.as_ref().map(|a| a.username.as_str()) != Some(user.as_str()) {
        return Err("IdentityMismatch: spec.approver.username must be the sender".into());
    }
    if spec.reason.is_some_and(|r| !r.is_for_people()) {
        return Err(
            "InvalidReason: spec.reason: people give ApproverRequest, Incident or Emergency".into(),
        );
    }
    let Some(permit) = gate
        .caches
        .permit(&request.namespace, &spec.permit_ref.name)
    else {
        return Err(format!(
            "PermitNotFound: spec.permitRef.name: `{}` does not exist here",
            spec.permit_ref.name
        ));
    };
    about_permit(gate, request, &approval, &permit).await
}

async fn about_permit(
    gate: &Gate,
    request: &Request,
    approval: &Approval,
    permit: &Permit,
) -> Verdict {
    let (spec, user) = (&approval.spec, &request.user_info.username);
    let (parsed, _) = parse::request(permit);
    let own = parsed.requester.username == *user;
    let revisions = gate.caches.revisions(&parsed.spec.template);
    let template = governing(&revisions, parsed.created).and_then(|r| r.template.clone().ok());
    let level = template.as_ref().map_or(Level::Numbered(4), |t| t.level);
    if spec.decision == Decision::Approve {
        let digest = template.as_ref().map(|t| parsed.digest(&t.digest));
        if digest.is_none() || spec.permit_ref.digest != digest {
            return Err(format!(
                "DigestMismatch: spec.permitRef.digest is not the request as it stands now; read it again and approve `{}`",
                digest
                    .as_deref()
                    .unwrap_or("(the permit is not reviewed yet)")
            ));
        }
    }
    if matches!(spec.decision, Decision::Withdraw) {
        return Ok(());
    }
    if spec.decision == Decision::Cancel {
        return if own {
            Ok(())
        } else {
            Err("NotTheRequester: only the requester cancels; others reject or revoke".into())
        };
    }
    let role = spec.role.as_deref().unwrap_or_default();
    right(gate, request, &parsed, (role, spec.decision, level, own)).await
}

/// The right to decide, by access review; the requester's own approval is no approval.
async fn right(
    gate: &Gate,
    request: &Request,
    permit: &crate::domain::request::Request,
    asked: (&str, Decision, Level, bool),
) -> Verdict {
    let (role, decision, level, own) = asked;
    let (who, user) = (request.identity(), &request.user_info.username);
    let about = (permit.namespace.as_str(), permit.name.as_str());
    if own && decision == Decision::Approve {
        let alone = level == Level::Emergency
            && gate.access.holds(&who, "break-glass", role, about).await == Some(true);
        if !alone {
            return Err(format!(
                "SelfApprovalBlocked: {user} requested permit {}; somebody else has to approve it",
                permit.name
            ));
        }
    }
    let verb = if decision == Decision::Revoke {
        "revoke"
    } else {
        "approve"
    };
    match gate.access.holds(&who, verb, role, about).await {
        Some(true) => {}
        Some(false) => {
            return Err(format!(
                "RoleNotHeld: {user} does not hold the verb `{verb}` on permits/{role} in {}",
                permit.namespace
            ));
        }
        None => return Err("GateUnavailable: the role could not be asked; try again".into()),
    }
    if decision == Decision::Approve
        && !level.admits_wildcards()
        && gate.access.is_wildcard(&who, verb, about).await != Some(false)
    {
        return Err(format!(
            "WildcardHolder: {user} holds every role by system:masters or a wildcard rule; from level 2 that is nobody's role"
        ));
    }
    Ok(())
}
