//! Permits: who asks, for what, under which template; and what stays as it was approved.

use kube::ResourceExt as _;

use super::{Verdict, is_sender, leaves_with_namespace, mistakes, typed};
use crate::api::Permit;
use crate::api::vocabulary::Phase;
use crate::domain::parse;
use crate::webhook::Gate;
use crate::webhook::review::Request;

/// Judges a write to a permit.
pub(super) async fn review(gate: &Gate, request: &Request) -> Verdict {
    match request.operation.as_str() {
        "CREATE" => create(gate, request).await,
        "UPDATE" => update(gate, request).await,
        "DELETE" => delete(gate, request),
        other => Err(format!(
            "GateUnavailable: {other} of a permit is not judged"
        )),
    }
}

async fn create(gate: &Gate, request: &Request) -> Verdict {
    let permit: Permit = typed(request.object.as_ref())?;
    check_spec(&permit, &request.namespace)?;
    if !is_sender(permit.spec.requested_by.as_ref(), request) {
        return Err(
            "IdentityMismatch: spec.requestedBy is stamped at admission and must be the sender"
                .into(),
        );
    }
    if permit.spec.request_id.is_none() {
        return Err(
            "IdentityMismatch: spec.requestId is stamped at admission and is missing".into(),
        );
    }
    check_template(gate, request, &permit).await
}

fn check_spec(permit: &Permit, namespace: &str) -> Verdict {
    let errors = parse::mistakes(&permit.spec, namespace);
    if errors.is_empty() {
        return Ok(());
    }
    Err(mistakes("InvalidPermit", &errors))
}

async fn check_template(gate: &Gate, request: &Request, permit: &Permit) -> Verdict {
    let name = &permit.spec.template;
    let known = gate.caches.template_names();
    if !known.contains(name) {
        let known = if known.is_empty() {
            "none yet".to_owned()
        } else {
            known.join(", ")
        };
        return Err(format!(
            "TemplateNotFound: spec.template: `{}` does not exist\n  there are: {known}",
            short(name)
        ));
    }
    let who = request.identity();
    match gate.access.may_use_template(&who, name).await {
        Some(true) => Ok(()),
        Some(false) => Err(format!(
            "TemplateNotPermitted: spec.template: you lack the verb `use` on it\n  {} needs `use` on permittemplates/{name}",
            who.username
        )),
        None => Err(
            "GateUnavailable: the right to use the template could not be asked; try again".into(),
        ),
    }
}

/// A name that somebody else chose, short enough for a line.
fn short(name: &str) -> String {
    name.chars().take(63).collect()
}

async fn update(gate: &Gate, request: &Request) -> Verdict {
    let (permit, old): (Permit, Permit) = (
        typed(request.object.as_ref())?,
        typed(request.old_object.as_ref())?,
    );
    if permit.spec == old.spec {
        return Ok(());
    }
    // Restored by the stamp; where that did not run they must not move all the same.
    if permit.spec.requested_by != old.spec.requested_by {
        return Err("IdentityMismatch: spec.requestedBy stays as it was stamped".into());
    }
    if permit.spec.request_id != old.spec.request_id {
        return Err("IdentityMismatch: spec.requestId never changes; request a new permit".into());
    }
    check_open(gate, request, &old)?;
    let requester = old.spec.requested_by.as_ref();
    if requester.is_none_or(|r| r.username != request.user_info.username) {
        return Err(format!(
            "NotTheRequester: only its requester edits permit {}",
            short(&old.name_any())
        ));
    }
    check_spec(&permit, &request.namespace)?;
    check_template(gate, request, &permit).await
}

/// A spec may be edited until issuance; each edit makes earlier approvals void.
fn check_open(gate: &Gate, request: &Request, old: &Permit) -> Verdict {
    let uid = old.uid().unwrap_or_default();
    let facts = gate.caches.shared_facts(&request.namespace);
    let is_on_record =
        facts.is_some_and(|f| f.armed.contains_key(&uid) || f.spent.contains_key(&uid));
    let phase = old.status.as_ref().and_then(|s| s.phase);
    let phase = phase.unwrap_or(Phase::Requested);
    let is_open = matches!(
        phase,
        Phase::Requested | Phase::InReview | Phase::ChangesRequested | Phase::Approved
    );
    if is_open && !is_on_record {
        return Ok(());
    }
    Err(format!(
        "PermitFrozen: permit {} is {phase}; its spec stays as it was approved\n  request a new permit instead",
        short(&old.name_any())
    ))
}

fn delete(gate: &Gate, request: &Request) -> Verdict {
    if leaves_with_namespace(gate, request) {
        return Ok(());
    }
    let old: Permit = typed(request.old_object.as_ref())?;
    let uid = old.uid().unwrap_or_default();
    let facts = gate.caches.shared_facts(&request.namespace);
    if facts.is_some_and(|f| f.armed.contains_key(&uid)) {
        let name = old.name_any();
        return Err(format!(
            "PermitProtected: permit {} is issued or executing\n  end it with kubectl permit cancel {name} or kubectl permit revoke {name}",
            short(&name)
        ));
    }
    Ok(())
}
