//! The Approval object that a person's decision becomes.
//!
//! Pure: who the person is, what the permit says and what was decided before come in as values. The object's name
//! follows from who decides what at which digest, so that the same decision twice is one object.

use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt as _;
use sha2::{Digest as _, Sha256};

use super::ballot::Ballot;
use super::exit::Refusal;
use crate::api::approval::PermitRef;
use crate::api::condition::ConditionType;
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
        Decision::Approve => {
            (count(before, Decision::Withdraw, digest) + lapsed(before, digest)).to_string()
        }
        Decision::Withdraw => count(before, Decision::Approve, digest).to_string(),
        // Each hold is ended by a decision of its own.
        Decision::Resume => held_since(permit).map_or_else(String::new, |since| since.to_string()),
        Decision::Reject | Decision::RequestChanges | Decision::Cancel | Decision::Revoke => {
            String::new()
        }
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

/// How many of the person's approvals at this digest a withdrawal has taken back; one of the same second is among them.
fn lapsed(before: &Before<'_>, digest: &str) -> usize {
    let own = |decision: Decision| {
        before.approvals.iter().filter(move |approval| {
            let spec = &approval.spec;
            spec.decision == decision
                && spec.permit_ref.digest.as_deref().unwrap_or_default() == digest
                && is_by(approval, before.username)
        })
    };
    let cast = |approval: &Approval| approval.creation_timestamp().map(|time| time.0);
    let Some(withdrawn) = own(Decision::Withdraw).map(cast).max() else {
        return 0;
    };
    own(Decision::Approve)
        .filter(|approval| cast(approval) <= withdrawn)
        .count()
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

/// The same decision that this person has made already and that still stands, whatever its object is called.
pub(super) fn standing<'a>(
    permit: &Permit,
    ballot: &Ballot,
    before: &Before<'a>,
) -> Option<&'a Approval> {
    let digest = permit
        .status
        .as_ref()
        .and_then(|status| status.digest.as_deref());
    let cast = |approval: &Approval| approval.creation_timestamp().map(|time| time.0);
    let own = || {
        before
            .approvals
            .iter()
            .filter(|approval| is_by(approval, before.username) && is_about(approval, permit))
    };
    let last = |decision: Decision| {
        own()
            .filter(|approval| approval.spec.decision == decision)
            .map(cast)
            .max()
            .flatten()
    };
    let is_same = |approval: &&Approval| {
        let spec = &approval.spec;
        let same_role = ballot.role.is_none() || spec.role == ballot.role;
        let same_content = spec.permit_ref.digest.as_deref() == digest;
        spec.decision == ballot.decision
            && match ballot.decision {
                Decision::Approve => {
                    same_role && same_content && last(Decision::Withdraw) < cast(approval)
                }
                Decision::Withdraw => last(Decision::Approve) <= cast(approval),
                Decision::Reject | Decision::RequestChanges => same_content,
                Decision::Resume => {
                    held_since(permit).is_none_or(|since| cast(approval) >= Some(since))
                }
                Decision::Cancel | Decision::Revoke => true,
            }
    };
    own().find(is_same)
}

/// Whether an approval speaks of this request, and not of an earlier one under the same name.
fn is_about(approval: &Approval, permit: &Permit) -> bool {
    let stated = approval.spec.permit_ref.request_id.as_ref();
    let (cast, made) = (approval.creation_timestamp(), permit.creation_timestamp());
    (stated.is_none() || stated == permit.spec.request_id.as_ref())
        && cast.map(|time| time.0) >= made.map(|time| time.0)
}

/// Since when the guard holds this permit, if it does.
pub(super) fn held_since(permit: &Permit) -> Option<Timestamp> {
    let conditions = permit.status.iter().flat_map(|status| &status.conditions);
    conditions
        .into_iter()
        .find(|condition| {
            condition.type_ == ConditionType::Held.as_str() && condition.status == "True"
        })
        .map(|condition| condition.last_transition_time.0)
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

    fn cast(who: &str, decision: Decision, role: Option<&str>, time: &str) -> Approval {
        let before = Before {
            username: who,
            approvals: &[],
            taken: 0,
        };
        let mut made =
            approval(&permit(Some("sha256:aa")), &ballot(decision, role), &before).unwrap();
        made.spec.approver = Some(Approver {
            username: who.into(),
        });
        made.metadata.creation_timestamp = Some(
            k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(time.parse().unwrap()),
        );
        made
    }

    fn stands(decision: Decision, role: Option<&str>, approvals: &[Approval]) -> bool {
        let before = Before {
            username: "bob",
            approvals,
            taken: 0,
        };
        standing(&permit(Some("sha256:aa")), &ballot(decision, role), &before).is_some()
    }

    #[test]
    fn a_decision_that_stands_is_found_whatever_its_object_is_called() {
        let (at, later) = ("2026-11-21T21:00:00Z", "2026-11-21T21:05:00Z");
        let mut approved = cast("bob", Decision::Approve, Some("tech-lead"), at);
        approved.metadata.name = Some("by-hand".into());
        let withdrawn = cast("bob", Decision::Withdraw, None, later);
        let given = std::slice::from_ref(&approved);
        assert!(stands(Decision::Approve, Some("tech-lead"), given));
        assert!(stands(Decision::Approve, None, given));
        assert!(!stands(Decision::Approve, Some("security-lead"), given));
        assert!(!stands(Decision::Reject, Some("tech-lead"), given));
        assert!(!stands(
            Decision::Approve,
            Some("tech-lead"),
            &[cast("carol", Decision::Approve, Some("tech-lead"), at)]
        ));
        let both = [approved, withdrawn];
        assert!(!stands(Decision::Approve, Some("tech-lead"), &both));
        assert!(stands(Decision::Withdraw, None, &both));
        let again = [
            both[0].clone(),
            both[1].clone(),
            cast(
                "bob",
                Decision::Approve,
                Some("tech-lead"),
                "2026-11-21T21:09:00Z",
            ),
        ];
        assert!(stands(Decision::Approve, Some("tech-lead"), &again));
        assert!(!stands(Decision::Withdraw, None, &again));
    }

    #[test]
    fn an_approval_of_another_digest_does_not_stand() {
        let mut stale = cast(
            "bob",
            Decision::Approve,
            Some("tech-lead"),
            "2026-11-21T21:00:00Z",
        );
        stale.spec.permit_ref.digest = Some("sha256:bb".into());
        assert!(!stands(Decision::Approve, Some("tech-lead"), &[stale]));
    }

    #[test]
    fn each_hold_is_ended_by_a_decision_of_its_own() {
        let held = |since: &str| {
            let mut held = permit(Some("sha256:aa"));
            let condition = json!([{"type": "Held", "status": "True", "reason": "Held", "message": "m", "lastTransitionTime": since}]);
            held.status.as_mut().unwrap().conditions = serde_json::from_value(condition).unwrap();
            held
        };
        let (first, second) = (held("2026-11-21T21:00:00Z"), held("2026-11-21T22:00:00Z"));
        let resume = ballot(Decision::Resume, Some("tech-lead"));
        let resumed = [cast(
            "bob",
            Decision::Resume,
            Some("tech-lead"),
            "2026-11-21T21:05:00Z",
        )];
        let before = Before {
            username: "bob",
            approvals: &resumed,
            taken: 0,
        };
        assert!(standing(&first, &resume, &before).is_some());
        assert!(standing(&second, &resume, &before).is_none());
        let name = |permit| approval(permit, &resume, &before).unwrap().name_any();
        assert_ne!(name(&first), name(&second));
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
