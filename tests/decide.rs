//! What becomes of a permit, one sentence for each rule: which phase it reaches, why, and what is done about it.
//!
//! Every decision here is also held against the independent checker. Does not know how effects are carried out.
#![cfg(test)]

#[expect(dead_code, reason = "each binary uses its part of the scene")]
#[path = "support/scene.rs"]
mod scene;

use std::collections::BTreeSet;
use std::time::Duration;

use k8s_openapi::jiff::Timestamp;
use permit_operator::api::facts::Prior;
use permit_operator::api::template::OnRevoke;
use permit_operator::api::vocabulary::{
    Decision as Said, Operation, Outcome, Phase, RevocationReason, TemplateClass,
};
use permit_operator::domain::config::Frozen;
use permit_operator::domain::decide::{Decision, decide};
use permit_operator::domain::effect::Effect;
use permit_operator::domain::invariant;
use permit_operator::domain::lifecycle::{Event, TRANSITIONS};
use permit_operator::domain::parse::FieldError;
use permit_operator::domain::quorum::tally;
use permit_operator::domain::rollout::Rollout;
use permit_operator::domain::template::Revision;
use permit_operator::domain::world::{Admitted, Due, Health};
use scene::*;
use serde_json::{Value, json};

/// Decides, and holds the decision against every invariant.
#[track_caller]
fn of(scene: &Scene) -> Decision {
    let world = scene.world();
    let decision = decide(&world);
    let broken = invariant::check(&world, &decision);
    assert!(broken.is_empty(), "{broken:?}");
    decision
}

/// The permit comes to stand there, and one of its conditions gives this reason.
#[track_caller]
fn check(scene: &Scene, phase: Phase, reason: &str) -> Decision {
    let decision = of(scene);
    let mut conditions = decision.status.conditions.iter();
    assert_eq!(decision.phase, phase, "{decision:#?}");
    assert!(conditions.any(|c| c.reason == reason), "{decision:#?}");
    decision
}

/// The last step that was taken, with the reason that is recorded.
#[track_caller]
fn steps(scene: &Scene, event: Event, to: Phase, reason: &str) -> Decision {
    let decision = of(scene);
    let last = decision
        .transitions
        .last()
        .unwrap_or_else(|| panic!("no step: {decision:#?}"));
    assert_eq!(
        (last.event, last.to, last.reason),
        (event, to, reason),
        "{decision:#?}"
    );
    decision
}

#[track_caller]
fn condition(decision: &Decision, type_: &str, status: &str) {
    let found = decision
        .status
        .conditions
        .iter()
        .find(|c| c.type_ == type_)
        .unwrap();
    assert_eq!(found.status, status, "{found:?}");
}

fn rolls_back(decision: &Decision) -> bool {
    decision
        .after
        .iter()
        .any(|e| matches!(e, Effect::RollBack { .. }))
}

fn revokes(decision: &Decision) -> Option<RevocationReason> {
    decision.before.iter().find_map(|e| match e {
        Effect::Revoke { reason, .. } => Some(*reason),
        _ => None,
    })
}

fn settles(decision: &Decision) -> Option<Outcome> {
    decision
        .before
        .iter()
        .chain(&decision.after)
        .find_map(|e| match e {
            Effect::Settle { spent, .. } => spent.outcome,
            _ => None,
        })
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(start().as_second() + seconds).unwrap()
}

fn reviewed() -> Scene {
    permit().recorded(Phase::InReview)
}

fn revoked(scene: Scene) -> Scene {
    scene.revoked_by("carol", RevocationReason::Incident)
}

// --- request

#[test]
fn a_sound_request_goes_to_review() {
    let decision = check(&permit(), Phase::InReview, "AwaitingApproval");
    assert_eq!(decision.status.summary.message, "needs 1 of tech-lead");
    condition(&decision, "Accepted", "True");
    condition(&decision, "Approved", "Unknown");
}

#[test]
fn every_mistake_of_a_request_is_told_and_refuses_it() {
    let scene = permit().with(|w| {
        w.mistakes = vec![
            FieldError::new("spec.a", "one"),
            FieldError::new("spec.b", "two"),
        ];
    });
    let decision = steps(&scene, Event::Refused, Phase::Rejected, "InvalidSpec");
    assert!(
        decision
            .status
            .summary
            .message
            .contains("spec.a: one\n  spec.b: two")
    );
    condition(&decision, "Accepted", "False");
    assert_eq!(settles(&decision), Some(Outcome::Unused));
}

#[test]
fn a_request_that_can_never_be_granted_is_refused_with_its_reason() {
    let refuses =
        |scene: Scene, reason: &str| drop(steps(&scene, Event::Refused, Phase::Rejected, reason));
    refuses(
        permit().under(|t| t.demands_signature = true),
        "SignatureUnsupported",
    );
    refuses(
        permit().under(|t| t.applies_to.namespaces = vec!["bank".into()]),
        "TemplateNotApplicable",
    );
    refuses(
        permit().under(|t| t.applies_to.environments = vec!["staging".into()]),
        "TemplateNotApplicable",
    );
    refuses(
        permit().with(|w| w.request.spec.environment = Some("staging".into())),
        "EnvironmentMismatch",
    );
    refuses(
        permit().requested_by("system:serviceaccount:flux:bot"),
        "RequesterUnproved",
    );
    refuses(
        permit()
            .emergency()
            .with(|w| w.request.spec.incident = None),
        "IncidentMissing",
    );
    refuses(
        permit().with(|w| w.may_use = Some(false)),
        "TemplateNotPermitted",
    );
}

#[test]
fn a_service_account_may_request_what_needs_nobody() {
    check(
        &permit()
            .automatic()
            .requested_by("system:serviceaccount:flux:bot"),
        Phase::Issued,
        "AwaitingChange",
    );
}

#[test]
fn a_right_that_cannot_be_asked_neither_refuses_nor_accepts() {
    check(
        &permit().with(|w| w.may_use = None),
        Phase::Requested,
        "AccessUnknown",
    );
    check(
        &permit()
            .with(|w| w.may_use = None)
            .recorded(Phase::Approved)
            .approved_by("bob"),
        Phase::Approved,
        "AccessUnknown",
    );
}

#[test]
fn without_its_template_a_permit_waits() {
    let without = |template: Option<Result<_, String>>| {
        permit().with(|w| {
            w.revision = Some(Revision {
                since: start(),
                digest: "sha256:x".into(),
                template: template.unwrap_or(Err("level is missing".into())),
            });
        })
    };
    check(&without(None), Phase::Requested, "TemplateInvalid");
    let mut world = permit().world();
    world.revision = None;
    assert_eq!(
        decide(&world).status.conditions[0].reason,
        "TemplateNotFound"
    );
}

#[test]
fn a_request_is_cancelled_by_its_requester_only() {
    for phase in [
        Phase::Requested,
        Phase::InReview,
        Phase::ChangesRequested,
        Phase::Approved,
    ] {
        let scene = permit().recorded(phase).said("ana", Said::Cancel);
        steps(
            &scene,
            Event::Cancelled,
            Phase::Cancelled,
            "CancelledByRequester",
        );
    }
    check(
        &permit().said("carol", Said::Cancel),
        Phase::InReview,
        "AwaitingApproval",
    );
}

// --- review

#[test]
fn enough_of_the_right_people_issue_it() {
    let decision = steps(
        &reviewed().approved_by("bob"),
        Event::IssueDue,
        Phase::Issued,
        "Issued",
    );
    let entered: Vec<_> = decision.transitions.iter().map(|t| t.to).collect();
    assert_eq!(entered, [Phase::Approved, Phase::Issued]);
    assert!(
        matches!(&decision.before[..], [Effect::Arm(armed)] if armed.targets[KEY] == prior(&old()))
    );
    assert_eq!(decision.status.summary.approvals, "1/1");
    condition(&decision, "Active", "True");
}

#[test]
fn a_level_that_needs_nobody_is_issued_at_once() {
    let decision = check(&permit().automatic(), Phase::Issued, "AwaitingChange");
    assert_eq!(decision.status.summary.approvals, "auto");
}

#[test]
fn a_template_without_rules_is_not_met_by_nobody() {
    check(
        &reviewed().under(|t| t.rules.clear()),
        Phase::InReview,
        "AwaitingApproval",
    );
    check(
        &reviewed()
            .under(|t| t.rules = vec![rule(&["tech-lead"], 0)])
            .approved_by("bob"),
        Phase::InReview,
        "AwaitingApproval",
    );
}

#[test]
fn every_rule_needs_its_own_people() {
    let two = || reviewed().needs(&["security-lead"], 1);
    check(
        &two().approved_by("bob"),
        Phase::InReview,
        "AwaitingApproval",
    );
    check(
        &two().approved_by("bob").approved_as("bob", "security-lead"),
        Phase::InReview,
        "AwaitingApproval",
    );
    check(
        &two()
            .approved_by("bob")
            .approved_as("carol", "security-lead"),
        Phase::Issued,
        "AwaitingChange",
    );
}

#[test]
fn people_are_placed_so_that_the_rules_are_met_if_they_can_be() {
    let scene = reviewed().under(|t| t.rules = vec![rule(&["a", "b"], 1), rule(&["a"], 1)]);
    check(
        &scene.approved_as("bob", "a").approved_as("carol", "b"),
        Phase::Issued,
        "AwaitingChange",
    );
}

#[test]
fn the_same_person_twice_is_one() {
    let scene = reviewed().under(|t| t.rules = vec![rule(&["tech-lead"], 2)]);
    check(
        &scene.clone().approved_by("bob").approved_by("bob"),
        Phase::InReview,
        "AwaitingApproval",
    );
    check(
        &scene.approved_by("bob").approved_by("carol"),
        Phase::Issued,
        "AwaitingChange",
    );
}

#[test]
fn an_approval_that_does_not_count_is_told_with_its_reason() {
    let told = |scene: Scene, why: &str| {
        let message = check(&scene, Phase::InReview, "AwaitingApproval")
            .status
            .summary
            .message;
        assert!(message.contains(why), "{message}");
    };
    told(reviewed().approved_by("ana"), "SelfApprovalBlocked");
    told(
        reviewed().approved_by("system:serviceaccount:a:b"),
        "service account",
    );
    told(reviewed().voted("", |_| {}), "service account");
    told(
        reviewed().voted("bob", |b| b.digest = Some("sha256:old".into())),
        "stale",
    );
    told(reviewed().voted("bob", |b| b.digest = None), "stale");
    told(reviewed().voted("bob", |b| b.role = None), "names no role");
    told(
        reviewed().voted("bob", |b| b.rights.role = Some(false)),
        "does not hold approve",
    );
    told(
        reviewed().voted("bob", |b| b.rights.wildcard = Some(true)),
        "by wildcard",
    );
    told(
        reviewed().approved_by("bob").said("bob", Said::Withdraw),
        "withdrawn",
    );
}

#[test]
fn holders_of_everything_count_up_to_level_1() {
    check(
        &reviewed()
            .level(1)
            .voted("bob", |b| b.rights.wildcard = Some(true)),
        Phase::Issued,
        "AwaitingChange",
    );
}

#[test]
fn only_an_emergency_is_approved_by_its_requester_with_the_verb_for_it() {
    let own = |scene: Scene| {
        scene
            .recorded(Phase::InReview)
            .voted("ana", |b| b.rights.break_glass = Some(true))
    };
    check(&own(permit().emergency()), Phase::Issued, "AwaitingChange");
    check(&own(permit()), Phase::InReview, "AwaitingApproval");
    check(
        &permit()
            .emergency()
            .recorded(Phase::InReview)
            .approved_by("ana"),
        Phase::InReview,
        "AwaitingApproval",
    );
}

#[test]
fn an_edit_voids_the_approvals_of_what_was_there() {
    let before = reviewed().approved_by("bob").world();
    let mut edited = before.clone();
    edited.request.spec.targets[0]
        .images
        .insert("app".into(), "evil:1".into());
    assert_eq!(decide(&before).phase, Phase::Issued);
    assert_eq!(decide(&edited).phase, Phase::InReview);
}

#[test]
fn a_review_ends_with_its_window() {
    check(
        &reviewed().after(just_before(DAY)),
        Phase::InReview,
        "AwaitingApproval",
    );
    for phase in [Phase::InReview, Phase::ChangesRequested, Phase::Approved] {
        let scene = permit().approved_by("bob").recorded(phase).after(DAY);
        steps(&scene, Event::WindowClosed, Phase::Expired, "WindowClosed");
    }
}

#[test]
fn a_review_ends_when_the_change_could_no_longer_start() {
    let scene = reviewed()
        .approved_by("bob")
        .with(|w| w.request.latest_start = Some(at(60)));
    check(
        &scene.clone().after(Duration::from_secs(59)),
        Phase::Issued,
        "AwaitingChange",
    );
    steps(
        &scene.after(MINUTE),
        Event::WindowClosed,
        Phase::Expired,
        "WindowClosed",
    );
}

#[test]
fn an_approver_asks_for_changes_until_the_request_is_edited() {
    let asked = reviewed()
        .approved_by("bob")
        .said("carol", Said::RequestChanges);
    check(&asked, Phase::ChangesRequested, "ChangesRequested");
    let later = asked.recorded(Phase::ChangesRequested);
    check(&later, Phase::ChangesRequested, "ChangesRequested");
    let mut edited = later.world();
    edited.request.spec.purpose = "better".into();
    let decision = decide(&edited);
    assert_eq!(
        (decision.transitions[0].event, decision.phase),
        (Event::Edited, Phase::InReview)
    );
}

#[test]
fn one_rejection_ends_a_review() {
    let scene = reviewed().approved_by("bob").said("carol", Said::Reject);
    let decision = steps(
        &scene,
        Event::Refused,
        Phase::Rejected,
        "RejectedByApprover",
    );
    assert_eq!(decision.status.summary.message, "rejected by carol: words");
}

#[test]
fn a_revocation_before_issuance_refuses_or_revokes() {
    steps(
        &revoked(permit()),
        Event::Refused,
        Phase::Rejected,
        "RejectedByApprover",
    );
    steps(
        &revoked(reviewed()),
        Event::Refused,
        Phase::Rejected,
        "RejectedByApprover",
    );
    steps(
        &revoked(permit().recorded(Phase::Approved)),
        Event::Revoked,
        Phase::Revoked,
        "Incident",
    );
}

#[test]
fn a_phase_that_somebody_wrote_proves_no_check() {
    for phase in [Phase::InReview, Phase::Approved] {
        let scene = permit()
            .with(|w| w.may_use = Some(false))
            .approved_by("bob")
            .recorded(phase);
        steps(
            &scene,
            Event::Refused,
            Phase::Rejected,
            "TemplateNotPermitted",
        );
    }
    check(
        &permit().recorded(Phase::Approved),
        Phase::InReview,
        "QuorumLost",
    );
}

// --- issuance

#[test]
fn an_approval_that_falls_away_before_issuance_goes_back_to_review() {
    let decision = of(&permit().recorded(Phase::Approved));
    assert_eq!(decision.transitions[0].event, Event::QuorumLost);
}

#[test]
fn issuance_waits_for_the_record() {
    let decision = check(
        &reviewed()
            .approved_by("bob")
            .with(|w| w.ledger_writable = false),
        Phase::Approved,
        "LedgerNotWritable",
    );
    assert!(decision.before.is_empty());
    assert_eq!(decision.revisit, Some(Duration::from_secs(2)));
}

#[test]
fn issuance_waits_for_a_freeze_that_does_not_let_its_class_through() {
    let frozen = |lets: Vec<TemplateClass>| {
        reviewed().approved_by("bob").with(move |w| {
            let until = w.now + Duration::from_secs(5);
            w.frozen = vec![Frozen {
                name: "year-end".into(),
                reason: "holidays".into(),
                until,
                lets,
            }];
        })
    };
    let waits = frozen(vec![TemplateClass::Emergency]);
    let decision = check(&waits, Phase::Approved, "FreezeActive");
    assert!(decision.before.is_empty(), "nothing is armed");
    assert!(
        decision
            .revisit
            .is_some_and(|turn| turn <= Duration::from_secs(6))
    );
    check(
        &frozen(vec![TemplateClass::Standard]),
        Phase::Issued,
        "AwaitingChange",
    );
    let unsound = reviewed()
        .approved_by("bob")
        .with(|w| w.unsound = Some("freezes[0]".into()));
    check(&unsound, Phase::Approved, "FreezeActive");
}

#[test]
fn an_issuance_that_was_interrupted_keeps_its_time() {
    let scene = permit()
        .approved_by("bob")
        .armed()
        .recorded(Phase::InReview)
        .after(MINUTE);
    let decision = check(&scene, Phase::Issued, "AwaitingChange");
    assert!(decision.before.is_empty());
    assert_eq!(decision.status.issued_time.as_ref().unwrap().0, start());
}

#[test]
fn an_issuance_of_an_earlier_request_is_none() {
    let scene = permit()
        .armed()
        .with(|w| w.armed.as_mut().unwrap().digest = "sha256:old".into())
        .recorded(Phase::InReview);
    let decision = check(&scene, Phase::InReview, "AwaitingApproval");
    assert!(decision.transitions.is_empty());
    let again = of(&scene.approved_by("bob"));
    assert_eq!(again.transitions[0].event, Event::QuorumMet);
    assert!(matches!(again.before[..], [Effect::Arm(_)]));
}

#[test]
fn t30_a_status_that_says_issued_without_a_record_begins_anew() {
    for phase in [Phase::Issued, Phase::Executing, Phase::Validating] {
        let decision = check(
            &permit().recorded(phase),
            Phase::InReview,
            "AwaitingApproval",
        );
        assert_eq!(decision.transitions[0].from, Phase::Requested);
    }
}

#[test]
fn t30_a_permit_at_rest_written_back_stays_at_rest() {
    for (phase, outcome) in [
        (Phase::Revoked, Outcome::RolledBack),
        (Phase::Expired, Outcome::Unused),
    ] {
        let decision = of(&permit().issued().spent(phase, outcome));
        assert_eq!(
            (decision.phase, decision.status.outcome),
            (phase, Some(outcome))
        );
        assert!(decision.before.is_empty() && decision.after.is_empty());
    }
}

#[test]
fn t30_a_revoked_permit_written_back_to_issued_is_revoked_again() {
    steps(
        &revoked(permit().issued()),
        Event::Revoked,
        Phase::Revoked,
        "Incident",
    );
}

#[test]
fn the_window_waits_until_it_opens() {
    let scene = permit()
        .with(|w| w.request.earliest_start = Some(at(20)))
        .issued();
    let decision = check(&scene, Phase::Issued, "WindowNotOpen");
    condition(&decision, "Active", "False");
    assert_eq!(decision.revisit, Some(Duration::from_millis(20_050)));
}

#[test]
fn the_rights_behind_an_issued_permit_are_asked_again_long_before_its_window_closes() {
    let decision = check(&permit().issued(), Phase::Issued, "AwaitingChange");
    assert_eq!(decision.revisit, Some(16 * MINUTE));
}

#[test]
fn an_unused_permit_expires_once_nothing_can_appear_any_more() {
    let decision = check(
        &permit().issued().after(2 * HOUR),
        Phase::Issued,
        "WindowClosing",
    );
    condition(&decision, "Active", "False");
    assert_eq!(decision.revisit, Some(Duration::from_millis(10_050)));
    let decision = steps(
        &permit().issued().after(2 * HOUR + Duration::from_secs(10)),
        Event::WindowClosed,
        Phase::Expired,
        "WindowClosed",
    );
    assert_eq!(settles(&decision), Some(Outcome::Unused));
}

#[test]
fn an_issued_permit_that_loses_an_approval_is_revoked_by_an_object() {
    let scene = permit().issued().said("bob", Said::Withdraw);
    let decision = steps(&scene, Event::Revoked, Phase::Revoked, "ApproverRequest");
    assert_eq!(revokes(&decision), Some(RevocationReason::ApproverRequest));
    assert_eq!(settles(&decision), Some(Outcome::Unused));
}

#[test]
fn doubt_about_a_right_is_no_loss_of_an_approval() {
    let doubted = |phase| {
        permit()
            .armed()
            .voted("bob", |b| b.rights.role = None)
            .recorded(phase)
    };
    check(&doubted(Phase::Issued), Phase::Issued, "AccessUnknown");
    check(&doubted(Phase::Approved), Phase::Approved, "AccessUnknown");
    check(
        &permit()
            .armed()
            .voted("bob", |b| b.rights.wildcard = None)
            .recorded(Phase::Issued),
        Phase::Issued,
        "AccessUnknown",
    );
}

#[test]
fn a_rejection_after_issuance_revokes() {
    steps(
        &permit().issued().said("carol", Said::Reject),
        Event::Revoked,
        Phase::Revoked,
        "ApproverRequest",
    );
}

#[test]
fn a_cancel_ends_an_issued_permit_but_not_a_change_that_is_stored() {
    let cancelled = permit().issued().said("ana", Said::Cancel);
    steps(
        &cancelled,
        Event::Cancelled,
        Phase::Cancelled,
        "CancelledByRequester",
    );
    steps(
        &cancelled
            .live(new())
            .rolling(Rollout::Progressing("on".into())),
        Event::ChangeStored,
        Phase::Executing,
        "ChangeStored",
    );
    check(
        &permit()
            .executing()
            .said("ana", Said::Cancel)
            .rolling(Rollout::Progressing("on".into())),
        Phase::Executing,
        "RollingOut",
    );
}

#[test]
fn what_moves_the_target_before_the_start_is_the_new_state_to_return_to() {
    let moved = set(old(), "/spec/minReadySeconds", 5);
    let decision = check(
        &permit().issued().live(moved.clone()),
        Phase::Issued,
        "AwaitingChange",
    );
    assert!(
        matches!(&decision.before[..], [Effect::Arm(armed)] if armed.targets[KEY] == prior(&moved))
    );
    let anew = set(old(), "/metadata/uid", "u2");
    let decision = check(
        &permit().issued().live(anew.clone()),
        Phase::Issued,
        "AwaitingChange",
    );
    assert!(matches!(&decision.before[..], [Effect::Arm(armed)] if armed.targets[KEY].uid == "u2"));
}

#[test]
fn a_request_edited_after_its_issuance_is_revoked() {
    let cases = [
        (permit().issued(), RevocationReason::ApproverRequest),
        (permit().validating(), RevocationReason::ScopeExpansion),
    ];
    for (scene, reason) in cases {
        let scene = scene
            .automatic()
            .with(|w| w.armed.as_mut().unwrap().digest = "sha256:other".into());
        let decision = steps(&scene, Event::Revoked, Phase::Revoked, reason.as_str());
        assert_eq!(revokes(&decision), Some(reason));
    }
}

// --- execution

#[test]
fn a_covered_change_that_is_stored_starts_the_execution() {
    let scene = permit()
        .issued()
        .live(new())
        .rolling(Rollout::Progressing("1 of 2".into()));
    let scene = scene.with(|w| {
        w.admitted = Some(Admitted {
            username: "ana".into(),
            decision_id: "d-9".into(),
        });
    });
    let decision = check(&scene, Phase::Executing, "RollingOut");
    let execution = decision.status.execution.unwrap();
    assert_eq!(execution.executor.as_deref(), Some("ana"));
    assert_eq!(execution.started_time.unwrap().0, start());
}

#[test]
fn a_change_that_was_stored_in_time_starts_even_if_it_is_seen_late() {
    steps(
        &permit()
            .issued()
            .live(new())
            .rolling(Rollout::Progressing("on".into()))
            .after(3 * HOUR),
        Event::ChangeStored,
        Phase::Executing,
        "ChangeStored",
    );
}

#[test]
fn the_start_waits_for_the_record() {
    let scene = permit()
        .issued()
        .live(new())
        .with(|w| w.ledger_writable = false);
    check(&scene.after(3 * HOUR), Phase::Issued, "LedgerNotWritable");
}

#[test]
fn a_complete_rollout_is_validated() {
    steps(
        &permit().executing(),
        Event::RolledOut,
        Phase::Validating,
        "RolledOut",
    );
}

#[test]
fn a_rollout_that_takes_too_long_is_revoked_and_rolled_back() {
    let scene = permit()
        .executing()
        .rolling(Rollout::Progressing("1 of 2".into()));
    check(
        &scene.clone().after(just_before(HOUR)),
        Phase::Executing,
        "RollingOut",
    );
    let decision = steps(
        &scene.after(HOUR),
        Event::Revoked,
        Phase::Revoked,
        "TimeExceeded",
    );
    assert!(rolls_back(&decision) && revokes(&decision) == Some(RevocationReason::TimeExceeded));
}

#[test]
fn a_rollout_that_was_complete_while_nobody_looked_is_not_too_late() {
    steps(
        &permit().executing().after(2 * HOUR),
        Event::RolledOut,
        Phase::Validating,
        "RolledOut",
    );
}

#[test]
fn a_rollout_that_its_controller_gave_up_is_revoked() {
    let decision = steps(
        &permit()
            .executing()
            .rolling(Rollout::Stuck("gave up".into())),
        Event::Revoked,
        Phase::Revoked,
        "TimeExceeded",
    );
    assert!(rolls_back(&decision));
}

#[test]
fn a_paused_rollout_waits() {
    check(
        &permit().executing().rolling(Rollout::Paused),
        Phase::Executing,
        "RollingOut",
    );
}

#[test]
fn more_than_was_permitted_revokes() {
    for scene in [permit().executing(), permit().validating()] {
        let decision = steps(
            &scene.live(deployment("evil:1")),
            Event::Revoked,
            Phase::Revoked,
            "ScopeExpansion",
        );
        assert!(
            rolls_back(&decision) && revokes(&decision) == Some(RevocationReason::ScopeExpansion)
        );
    }
}

#[test]
fn replicas_that_an_autoscaler_moves_are_nothing_more() {
    check(
        &permit().validating().live(set(new(), "/spec/replicas", 7)),
        Phase::Validating,
        "Soaking",
    );
}

#[test]
fn a_change_undone_by_hand_ends_the_permit() {
    let decision = steps(
        &permit().executing().live(old()),
        Event::Revoked,
        Phase::Revoked,
        "ApproverRequest",
    );
    assert_eq!(settles(&decision), Some(Outcome::RolledBack));
}

// --- guard

#[test]
fn a_breach_revokes_by_an_object_and_rolls_back() {
    for scene in [permit().executing(), permit().validating()] {
        let decision = steps(
            &scene.checked(Health::Breached, Due::RollBack),
            Event::Revoked,
            Phase::Revoked,
            "SafetyViolation",
        );
        assert_eq!(revokes(&decision), Some(RevocationReason::SafetyViolation));
        assert!(rolls_back(&decision) && settles(&decision).is_none());
        assert_eq!(decision.status.revocation.unwrap().rollback, "Pending");
    }
}

#[test]
fn a_check_that_cannot_be_judged_revokes_nothing() {
    for due in [Due::Nothing, Due::Hold] {
        let decision = of(&permit()
            .validating()
            .checked(Health::Unknown, due)
            .after(HOUR));
        assert!(!rolls_back(&decision) && revokes(&decision).is_none());
        if due == Due::Hold {
            condition(&decision, "Held", "True");
            assert_eq!(decision.phase, Phase::Validating);
        }
    }
}

#[test]
fn a_held_change_is_not_closed_until_a_person_resumes() {
    let held = permit()
        .validating()
        .checked(Health::Unknown, Due::Hold)
        .after(HOUR);
    let first = check(&held, Phase::Validating, "Held");
    let scene = held
        .with(|w| w.recorded = first.status.clone())
        .after(MINUTE);
    check(
        &scene
            .clone()
            .voted("bob", |b| (b.decision, b.cast) = (Said::Resume, at(0))),
        Phase::Validating,
        "Held",
    );
    check(
        &scene.clone().voted("bob", |b| {
            (b.decision, b.rights.role) = (Said::Resume, None);
        }),
        Phase::Validating,
        "Held",
    );
    let resumed = steps(
        &scene.said("bob", Said::Resume),
        Event::SoakPassed,
        Phase::Closed,
        "Validated",
    );
    assert!(
        resumed
            .before
            .iter()
            .any(|e| matches!(e, Effect::Settle { .. }))
    );
}

#[test]
fn a_resume_makes_the_guard_forget_what_it_saw() {
    let held = permit().validating().checked(Health::Unknown, Due::Hold);
    let first = of(&held);
    let resumed = held
        .with(|w| w.recorded = first.status.clone())
        .said("bob", Said::Resume);
    let decision = check(&resumed, Phase::Validating, "Soaking");
    assert_eq!(decision.before, [Effect::Forgive]);
    condition(&decision, "Held", "False");
}

#[test]
fn the_soak_passes_when_it_is_long_enough() {
    check(
        &permit().validating().after(just_before(5 * MINUTE)),
        Phase::Validating,
        "Soaking",
    );
    let decision = steps(
        &permit().validating().after(5 * MINUTE),
        Event::SoakPassed,
        Phase::Closed,
        "Validated",
    );
    condition(&decision, "Succeeded", "True");
    let settled = decision.before.iter().find_map(|e| match e {
        Effect::Settle { spent, baselines } => Some((spent.outcome, baselines.clone())),
        _ => None,
    });
    let (outcome, baselines) = settled.unwrap();
    assert_eq!(outcome, Some(Outcome::Succeeded));
    assert_eq!(
        baselines[0].1.as_ref().unwrap().spec_digest,
        baseline(&new()).spec_digest
    );
}

#[test]
fn closure_waits_for_the_record() {
    check(
        &permit()
            .validating()
            .after(HOUR)
            .with(|w| w.ledger_writable = false),
        Phase::Validating,
        "LedgerNotWritable",
    );
}

#[test]
fn a_rollout_that_falls_back_stops_the_validation() {
    check(
        &permit()
            .validating()
            .after(HOUR)
            .rolling(Rollout::Progressing("1 of 2".into())),
        Phase::Validating,
        "RollingOut",
    );
}

#[test]
fn people_are_told_once_that_something_waits_or_is_held_and_when_it_goes_on() {
    let told = |scene: &Scene| -> Vec<&'static str> {
        of(scene).announcements.iter().map(|a| a.reason).collect()
    };
    let stalled = reviewed()
        .approved_by("bob")
        .with(|w| w.ledger_writable = false);
    assert!(told(&stalled).contains(&"LedgerNotWritable"));
    let status = of(&stalled).status;
    let again = reviewed().approved_by("bob").with(move |w| {
        w.ledger_writable = false;
        w.recorded = status.clone();
    });
    assert!(
        !told(&again).contains(&"LedgerNotWritable"),
        "it is told once"
    );
    let held = permit().validating().checked(Health::Breached, Due::Hold);
    assert!(told(&held).contains(&"PermitHeld"));
    let status = of(&held).status;
    let at_hold = status.clone();
    let still = held.with(move |w| w.recorded = at_hold.clone());
    assert!(!told(&still).contains(&"PermitHeld"), "it is told once");
    let freed = permit()
        .validating()
        .with(move |w| w.recorded = status.clone());
    assert!(told(&freed).contains(&"PermitResumed"));
}

#[test]
fn a_rollout_that_falls_back_for_good_is_undone() {
    let fallen = |rollout| permit().validating().after(3 * HOUR).rolling(rollout);
    for rollout in [
        Rollout::Progressing("1 of 2".into()),
        Rollout::Stuck("gave up".into()),
    ] {
        let decision = steps(
            &fallen(rollout),
            Event::Revoked,
            Phase::Revoked,
            "TimeExceeded",
        );
        assert!(rolls_back(&decision));
    }
    let stuck = permit()
        .validating()
        .rolling(Rollout::Stuck("gave up".into()));
    steps(&stuck, Event::Revoked, Phase::Revoked, "TimeExceeded");
}

#[test]
fn t30_an_executor_that_somebody_wrote_into_the_status_is_written_over() {
    let scene = permit()
        .executing()
        .rolling(Rollout::Progressing("1 of 2".into()));
    let scene = scene.with(|w| {
        let forged = w.recorded.execution.as_mut().unwrap();
        forged.executor = Some("mallory".into());
        w.admitted = Some(Admitted {
            username: "ana".into(),
            decision_id: "d-9".into(),
        });
    });
    let execution = of(&scene).status.execution.unwrap();
    assert_eq!(execution.executor.as_deref(), Some("ana"));
}

#[test]
fn t30_a_status_that_says_closed_earns_no_baseline() {
    let scene = permit()
        .validating()
        .live(deployment("evil:1"))
        .recorded(Phase::Closed);
    let decision = of(&scene);
    let earned: Vec<_> = decision.before.iter().chain(&decision.after).collect();
    assert!(
        matches!(&earned[..], [Effect::Settle { baselines, .. }] if baselines.is_empty()),
        "{earned:?}"
    );
}

#[test]
fn what_another_permit_runs_earns_this_one_no_baseline() {
    let scene = permit()
        .validating()
        .after(5 * MINUTE)
        .with(|w| w.targets[0].busy_with = Some("other".into()));
    assert!(
        of(&scene)
            .before
            .iter()
            .any(|e| matches!(e, Effect::Settle { baselines, .. } if baselines.is_empty()))
    );
}

#[test]
fn a_permitted_delete_ends_the_baseline() {
    let scene = permit()
        .wants(&json!({"operations": ["Delete"]}))
        .validating()
        .after(5 * MINUTE)
        .gone();
    assert!(of(&scene).before.iter().any(
        |e| matches!(e, Effect::Settle { baselines, .. } if baselines == &[(KEY.to_owned(), None)])
    ));
}

// --- revocation

#[test]
fn a_person_revokes_a_running_change_and_it_is_rolled_back() {
    for reason in RevocationReason::ALL.iter().filter(|r| r.is_for_people()) {
        let scene = permit().executing().revoked_by("carol", *reason);
        let decision = steps(&scene, Event::Revoked, Phase::Revoked, reason.as_str());
        assert!(rolls_back(&decision) && revokes(&decision).is_none());
        assert_eq!(
            decision.status.revocation.unwrap().approval,
            "checkout-1.carol.1"
        );
    }
}

#[test]
fn revocation_and_rollback_do_not_wait_for_the_record() {
    let scene = permit().executing().with(|w| w.ledger_writable = false);
    assert!(rolls_back(&of(&revoked(scene.clone()))));
    assert!(rolls_back(&of(
        &scene.checked(Health::Breached, Due::RollBack)
    )));
}

#[test]
fn an_unused_permit_that_is_revoked_leaves_everything_alone() {
    let decision = of(&revoked(permit().issued()));
    assert_eq!(
        (settles(&decision), rolls_back(&decision)),
        (Some(Outcome::Unused), false)
    );
}

#[test]
fn a_change_stored_at_the_moment_of_its_revocation_is_rolled_back() {
    assert!(rolls_back(&of(&revoked(permit().issued().live(new())))));
}

#[test]
fn what_another_one_did_before_the_start_is_not_undone() {
    let decision = of(&revoked(
        permit().issued().live(deployment("shop/checkout:9")),
    ));
    assert_eq!(
        (settles(&decision), rolls_back(&decision)),
        (Some(Outcome::Unused), false)
    );
    let decision = of(&revoked(permit().issued().gone()));
    assert_eq!(settles(&decision), Some(Outcome::Unused));
}

#[test]
fn an_erased_execution_does_not_keep_the_guard_from_rolling_back() {
    let scene = permit()
        .issued()
        .recorded(Phase::Revoked)
        .live(deployment("evil:1"));
    let found = scene.revoked_by(OPERATOR, RevocationReason::ScopeExpansion);
    assert!(rolls_back(&of(&found)));
}

/// Revoked while it ran, and looked at again.
fn undoing(scene: Scene) -> Scene {
    revoked(scene).recorded(Phase::Revoked)
}

#[test]
fn a_rollback_is_followed_until_the_workload_is_stable() {
    let told = |scene: Scene| {
        let decision = of(&scene);
        (
            decision.status.revocation.clone().unwrap().rollback,
            decision.status.outcome,
        )
    };
    assert_eq!(
        told(undoing(permit().executing())),
        ("Pending".into(), None)
    );
    let accepted = undoing(permit().executing()).live(old());
    assert_eq!(
        told(accepted.clone().rolling(Rollout::Progressing("on".into()))),
        ("Accepted".into(), None)
    );
    assert_eq!(
        told(accepted.clone()),
        ("Done".into(), Some(Outcome::RolledBack))
    );
    assert_eq!(
        told(accepted.rolling(Rollout::Stuck("no".into()))),
        ("Failed".into(), Some(Outcome::RollbackFailed))
    );
}

#[test]
fn a_rollback_that_is_refused_too_often_has_failed() {
    let refused = |times| {
        undoing(permit().executing())
            .with(|w| w.refused_rollbacks.extend([(KEY.to_owned(), times)]))
    };
    assert!(rolls_back(&of(&refused(4))));
    let decision = of(&refused(5));
    assert_eq!(
        (settles(&decision), rolls_back(&decision)),
        (Some(Outcome::RollbackFailed), false)
    );
}

#[test]
fn a_workload_made_anew_is_not_rolled_back() {
    let anew = undoing(permit().executing()).live(set(new(), "/metadata/uid", "u2"));
    let decision = of(&anew);
    assert_eq!(
        (settles(&decision), rolls_back(&decision)),
        (Some(Outcome::RollbackFailed), false)
    );
    assert_eq!(
        settles(&of(&undoing(permit().executing()).gone())),
        Some(Outcome::RollbackFailed)
    );
}

#[test]
fn a_template_that_holds_pauses_the_rollout_and_leaves_it_to_people() {
    let holds = undoing(permit().executing()).under(|t| t.on_revoke = OnRevoke::Hold);
    let decision = of(&holds.rolling(Rollout::Progressing("on".into())));
    assert!(matches!(decision.after[0], Effect::Pause { .. }) && !rolls_back(&decision));
    assert_eq!(settles(&decision), Some(Outcome::Failed));
}

#[test]
fn a_first_create_has_nothing_to_return_to() {
    let created = undoing(
        permit()
            .wants(&json!({"images": {"app": "shop/checkout:2", "proxy": "shop/proxy:2"}}))
            .executing(),
    );
    let decision = of(&created.with(|w| {
        let armed = w.armed.as_mut().unwrap();
        armed.targets.insert(KEY.into(), Prior::default());
    }));
    assert_eq!(
        (settles(&decision), rolls_back(&decision)),
        (Some(Outcome::Failed), false)
    );
}

#[test]
fn a_newer_permitted_change_wins_over_a_pending_rollback() {
    let newer = undoing(permit().executing())
        .live(deployment("shop/checkout:3"))
        .with(|w| w.targets[0].busy_with = Some("other".into()));
    let decision = of(&newer);
    assert_eq!(
        (settles(&decision), rolls_back(&decision)),
        (Some(Outcome::Failed), false)
    );
}

#[test]
fn a_status_that_says_revoked_is_given_its_object() {
    let decision = of(&permit().executing().recorded(Phase::Revoked));
    assert_eq!(revokes(&decision), Some(RevocationReason::ApproverRequest));
}

#[test]
fn the_targets_are_undone_in_reverse_order() {
    let mut scene = undoing(permit().executing());
    let mut second = scene.world.targets[0].clone();
    second.target.name = "cart".into();
    let live = second.live.as_mut().unwrap();
    live.object = set(new(), "/metadata/name", "cart");
    scene.world.request.spec.targets.push(second.target.clone());
    scene.world.targets.push(second);
    let armed = scene.world.armed.as_mut().unwrap();
    armed.targets.insert(
        "Deployment/cart".into(),
        prior(&set(old(), "/metadata/name", "cart")),
    );
    let keys: Vec<_> = of(&scene).after.iter().map(|e| format!("{e:?}")).collect();
    assert!(
        keys[0].contains("cart") && keys[1].contains("checkout"),
        "{keys:?}"
    );
}

// --- words

#[test]
fn at_rest_the_reason_and_the_trace_of_the_last_step_stay() {
    let scene = permit().with(|w| w.may_use = Some(false));
    let first = of(&scene);
    assert_eq!(first.status.trace.last().unwrap().rule, "use");
    let spent = first.after.iter().find_map(|e| match e {
        Effect::Settle { spent, .. } => Some(spent.clone()),
        _ => None,
    });
    let spent = scene.with(|w| (w.recorded, w.spent) = (first.status.clone(), spent));
    assert_eq!(of(&spent).status, first.status);
}

#[test]
fn an_outdated_template_is_told_and_voids_nothing() {
    let decision = check(
        &permit().issued().with(|w| w.outdated = true),
        Phase::Issued,
        "AwaitingChange",
    );
    condition(&decision, "TemplateOutdated", "True");
}

#[test]
fn each_step_is_announced_once() {
    let decision = of(&reviewed().approved_by("bob"));
    let told: Vec<_> = decision.announcements.iter().map(|a| a.reason).collect();
    assert_eq!(told, ["PermitApproved", "PermitIssued"]);
}

#[test]
fn every_transition_is_reached_by_some_world_exhaustive() {
    let progressing = || Rollout::Progressing("on".into());
    let edited = |scene: Scene| {
        scene.voted("carol", |b| {
            (b.decision, b.digest) = (Said::RequestChanges, Some("sha256:old".into()));
        })
    };
    let cancelled = |phase| permit().recorded(phase).said("ana", Said::Cancel);
    let worlds = vec![
        permit(),
        permit().with(|w| w.may_use = Some(false)),
        cancelled(Phase::Requested),
        reviewed().approved_by("bob"),
        reviewed().said("carol", Said::RequestChanges),
        reviewed().said("carol", Said::Reject),
        reviewed().after(DAY),
        cancelled(Phase::InReview),
        edited(permit().recorded(Phase::ChangesRequested)),
        permit().recorded(Phase::ChangesRequested).after(DAY),
        cancelled(Phase::ChangesRequested),
        permit()
            .recorded(Phase::Approved)
            .with(|w| w.may_use = Some(false)),
        permit().recorded(Phase::Approved),
        permit().recorded(Phase::Approved).after(DAY),
        revoked(permit().recorded(Phase::Approved)),
        cancelled(Phase::Approved),
        permit().issued().live(new()).rolling(progressing()),
        permit().issued().after(DAY),
        revoked(permit().issued()),
        permit().issued().said("ana", Said::Cancel),
        permit().executing(),
        revoked(permit().executing().rolling(progressing())),
        permit().validating().after(HOUR),
        revoked(permit().validating()),
    ];
    let reached: BTreeSet<_> = worlds
        .iter()
        .flat_map(|scene| of(scene).transitions)
        .map(|t| (t.from, t.event, t.to))
        .collect();
    assert_eq!(reached, TRANSITIONS.iter().copied().collect());
}

#[test]
fn the_tally_names_whom_it_counts() {
    let scene = permit().approved_by("bob").approved_by("ana");
    let world = scene.world();
    let tally = tally(&scene.template, "ana", &scene.digest(), &world.ballots);
    assert_eq!(tally.counted, [("bob".to_owned(), "tech-lead".to_owned())]);
}

#[test]
fn a_scale_that_is_permitted_is_seen_and_undone_in_its_template_only() {
    let scales = permit().wants(&json!({"operations": ["Scale"]})).issued();
    assert_eq!(
        scales.world.request.spec.targets[0].operations,
        [Operation::Scale]
    );
    let resized = scales.live(set(old(), "/spec/replicas", Value::from(5)));
    steps(&resized, Event::RolledOut, Phase::Validating, "RolledOut");
}
