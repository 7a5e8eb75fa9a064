//! The Approval object that a person's decision becomes.
//!
//! Pure: who the person is, what the permit says and what was decided before come in as values. The object's name
//! follows from who decides what at which digest, so that the same decision twice is one object.

use kube::ResourceExt as _;
use sha2::{Digest as _, Sha256};

use super::ballot::Ballot;
use super::exit::Refusal;
use crate::api::approval::PermitRef;
use crate::api::vocabulary::Decision;
use crate::api::{Approval, ApprovalSpec, Permit};

/// The decisions already made about this permit, as far as the next name depends on them.
pub(super) struct Before<'a> {
    /// The person who decides now.
    pub(super) username: &'a str,
    /// Every decision about the permit so far.
    pub(super) approvals: &'a [Approval],
    /// How often a name was found taken by somebody else.
    pub(super) taken: usize,
}

/// The object that says this decision about this permit.
pub(super) fn approval(
    permit: &Permit,
    ballot: &Ballot,
    before: &Before<'_>,
) -> Result<Approval, Refusal> {
    let digest = permit
        .status
        .as_ref()
        .and_then(|status| status.digest.clone());
    if digest.is_none() && ballot.decision == Decision::Approve {
        return Err(Refusal::error(
            format!(
                "permit `{}` has no digest yet: the operator has not reviewed it",
                ballot.name
            ),
            format!("kubectl permit explain {}, then approve again", ballot.name),
        ));
    }
    let name = object_name(permit, ballot, before);
    let permit_ref = PermitRef {
        name: ballot.name.clone(),
        request_id: permit.spec.request_id.clone(),
        digest,
    };
    let spec = ApprovalSpec {
        permit_ref,
        decision: ballot.decision,
        role: ballot.role.clone(),
        reasoning: ballot.reason.clone(),
        reason: ballot.cause,
        approver: None,
        submitted_by: None,
    };
    Ok(Approval::new(&name, spec))
}

/// `PERMIT.HASH`, where the hash is of who decides what, in which role, about which request at which digest.
///
/// An approval that was withdrawn may be given again: the number of decisions it answers is part of the hash.
fn object_name(permit: &Permit, ballot: &Ballot, before: &Before<'_>) -> String {
    let digest = permit
        .status
        .as_ref()
        .and_then(|status| status.digest.as_deref())
        .unwrap_or_default();
    let answers = match ballot.decision {
        Decision::Approve => count(before, Decision::Withdraw, digest),
        Decision::Withdraw => count(before, Decision::Approve, digest),
        Decision::Reject
        | Decision::RequestChanges
        | Decision::Cancel
        | Decision::Revoke
        | Decision::Resume => 0,
    };
    let said = serde_json::json!([
        before.username,
        ballot.role,
        ballot.decision,
        permit.spec.request_id,
        digest,
        answers,
        before.taken
    ]);
    let hash = hex::encode(Sha256::digest(said.to_string().as_bytes()));
    let short: String = hash.chars().take(10).collect();
    let permit: String = permit.name_any().chars().take(242).collect();
    format!("{permit}.{short}")
}

fn count(before: &Before<'_>, decision: Decision, digest: &str) -> usize {
    let is_counted = |approval: &&Approval| {
        let spec = &approval.spec;
        spec.decision == decision
            && spec.permit_ref.digest.as_deref().unwrap_or_default() == digest
            && is_by(approval, before.username)
    };
    before.approvals.iter().filter(is_counted).count()
}

/// Whether an approval was sent by this person, as admission stamped it.
pub(super) fn is_by(approval: &Approval, username: &str) -> bool {
    let sender = approval
        .spec
        .submitted_by
        .as_ref()
        .map(|identity| &identity.username);
    let approver = approval
        .spec
        .approver
        .as_ref()
        .map(|approver| &approver.username);
    sender.or(approver).is_some_and(|name| name == username)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::approval::Approver;
    use crate::api::vocabulary::RevocationReason;
    use crate::cli::request::DryRun;
    use serde_json::json;

    fn permit(digest: Option<&str>) -> Permit {
        let mut permit: Permit = serde_json::from_value(json!({
            "apiVersion": "permits.dev/v1alpha1", "kind": "Permit", "metadata": {"name": "checkout-7f3c9"},
            "spec": {"template": "t", "purpose": "p", "requestId": "01JD8T6V0W6Z3YB1X2K3M4N5P6",
                "targets": [{"name": "checkout", "operations": ["Scale"]}]},
        }))
        .unwrap();
        let digest = digest.map(str::to_owned);
        permit.status = Some(crate::api::PermitStatus {
            digest,
            ..Default::default()
        });
        permit
    }

    fn ballot(decision: Decision, role: Option<&str>) -> Ballot {
        Ballot {
            name: "checkout-7f3c9".into(),
            decision,
            role: role.map(str::to_owned),
            cause: None,
            reason: "why".into(),
            dry_run: DryRun::None,
            output: None,
        }
    }

    fn named(username: &str, ballot: &Ballot, approvals: &[Approval]) -> String {
        let before = Before {
            username,
            approvals,
            taken: 0,
        };
        approval(&permit(Some("sha256:aa")), ballot, &before)
            .unwrap()
            .name_any()
    }

    #[test]
    fn the_same_decision_twice_has_one_name() {
        let ballot = ballot(Decision::Approve, Some("tech-lead"));
        assert_eq!(named("bob", &ballot, &[]), named("bob", &ballot, &[]));
        assert!(named("bob", &ballot, &[]).starts_with("checkout-7f3c9."));
    }

    #[test]
    fn another_person_role_or_decision_has_another_name() {
        let names = [
            named("bob", &ballot(Decision::Approve, Some("tech-lead")), &[]),
            named("carol", &ballot(Decision::Approve, Some("tech-lead")), &[]),
            named(
                "bob",
                &ballot(Decision::Approve, Some("security-lead")),
                &[],
            ),
            named("bob", &ballot(Decision::Reject, Some("tech-lead")), &[]),
        ];
        assert_eq!(
            names
                .iter()
                .collect::<std::collections::BTreeSet<_>>()
                .len(),
            names.len()
        );
    }

    #[test]
    fn an_approval_that_was_withdrawn_can_be_given_again() {
        let approve = ballot(Decision::Approve, Some("tech-lead"));
        let before = Before {
            username: "bob",
            approvals: &[],
            taken: 0,
        };
        let mut withdrawn = approval(
            &permit(Some("sha256:aa")),
            &ballot(Decision::Withdraw, None),
            &before,
        )
        .unwrap();
        withdrawn.spec.approver = Some(Approver {
            username: "bob".into(),
        });
        assert_ne!(
            named("bob", &approve, std::slice::from_ref(&withdrawn)),
            named("bob", &approve, &[])
        );
        assert_eq!(
            named("carol", &approve, &[withdrawn]),
            named("carol", &approve, &[])
        );
    }

    #[test]
    fn an_approval_binds_the_digest_and_the_request() {
        let before = Before {
            username: "bob",
            approvals: &[],
            taken: 0,
        };
        let ballot = ballot(Decision::Approve, Some("tech-lead"));
        let spec = approval(&permit(Some("sha256:aa")), &ballot, &before)
            .unwrap()
            .spec;
        assert_eq!(spec.permit_ref.digest.as_deref(), Some("sha256:aa"));
        assert_eq!(
            spec.permit_ref.request_id.as_deref(),
            Some("01JD8T6V0W6Z3YB1X2K3M4N5P6")
        );
        assert!(approval(&permit(None), &ballot, &before).is_err());
    }

    #[test]
    fn a_revocation_needs_no_digest_and_names_its_cause() {
        let before = Before {
            username: "bob",
            approvals: &[],
            taken: 0,
        };
        let cause = Some(RevocationReason::Incident);
        let revocation = Ballot {
            cause,
            ..ballot(Decision::Revoke, Some("sre"))
        };
        let spec = approval(&permit(None), &revocation, &before).unwrap().spec;
        assert_eq!((spec.decision, spec.reason), (Decision::Revoke, cause));
    }
}
