//! Whole lives of permits in a small cluster with virtual time, and what may go wrong on the way.
//!
//! Every decision of every story is held against the independent checker. Does not know a real API server.
#![cfg(test)]

#[expect(dead_code, reason = "each binary uses its part of the scene")]
#[path = "support/scene.rs"]
mod scene;
#[path = "support/simulation.rs"]
mod simulation;

use std::time::Duration;

use permit_operator::api::vocabulary::{Decision as Said, Outcome, Phase, RevocationReason};
use permit_operator::domain::gate::{Code, gate};
use permit_operator::domain::world::{CheckFact, Due, Health};
use scene::*;
use simulation::{Cluster, Until};

const SECOND: Duration = Duration::from_secs(1);

/// A template that watches the error rate.
fn watched() -> Scene {
    permit().under(|t| t.soak = 5 * MINUTE)
}

/// A person says something, now.
fn says(cluster: &mut Cluster, person: &str, decision: Said) {
    let now = cluster.world.now;
    let scene = Scene {
        template: watched().template,
        world: cluster.world.clone(),
    };
    let said = scene.voted(person, |b| (b.decision, b.cast) = (decision, now));
    cluster.world.ballots = said.world().ballots;
}

fn revokes(cluster: &mut Cluster) {
    says(cluster, "carol", Said::Revoke);
    cluster.world.ballots.last_mut().unwrap().reason = Some(RevocationReason::Incident);
}

fn finds(cluster: &mut Cluster, verdict: Health, due: Due) {
    cluster.world.checks = vec![CheckFact {
        ..check(verdict, due)
    }];
}

/// Requested, approved by bob, issued.
fn issued() -> Cluster {
    let mut cluster = Cluster::of(&watched());
    assert_eq!(cluster.settle().phase(), Some(Phase::InReview));
    says(&mut cluster, "bob", Said::Approve);
    assert_eq!(cluster.settle().phase(), Some(Phase::Issued));
    cluster
}

/// Its change was made by ana, and rolls out.
fn rolling() -> Cluster {
    let mut cluster = issued();
    assert_eq!(cluster.after(MINUTE).write("ana", &new()), Code::Admitted);
    cluster.round(Until::End);
    assert_eq!(cluster.phase(), Some(Phase::Executing));
    cluster
}

/// Its rollout is complete.
fn soaking() -> Cluster {
    let mut cluster = rolling();
    cluster.progress();
    assert_eq!(cluster.settle().phase(), Some(Phase::Validating));
    cluster
}

/// What the gate would say if the change were made once more, from the state before.
fn asked_again(cluster: &Cluster) -> Code {
    gate(&gate_of(&cluster.world)).judged.code
}

#[track_caller]
fn ended(cluster: &mut Cluster, phase: Phase, outcome: Outcome) {
    assert_eq!(cluster.settle().phase(), Some(phase));
    assert_eq!(cluster.world.recorded.outcome, Some(outcome));
    assert_eq!(
        cluster.world.spent.as_ref().map(|s| (s.phase, s.outcome)),
        Some((phase, Some(outcome)))
    );
    assert!(cluster.world.armed.is_none());
}

#[test]
fn a_change_is_requested_approved_made_watched_and_closed() {
    let mut cluster = Cluster::of(&watched());
    assert_eq!(cluster.write("ana", &new()), Code::PermitPending);
    cluster = soaking();
    ended(cluster.after(5 * MINUTE), Phase::Closed, Outcome::Succeeded);
    let expected = [
        Phase::InReview,
        Phase::Approved,
        Phase::Issued,
        Phase::Executing,
        Phase::Validating,
        Phase::Closed,
    ];
    assert_eq!(cluster.entered, expected);
    assert_eq!(
        cluster.baselines[KEY].spec_digest,
        baseline(&new()).spec_digest
    );
    assert_eq!(cluster.write("flux", &new()), Code::Admitted);
    assert_ne!(cluster.write("ana", &old()), Code::Admitted);
}

#[test]
fn a_breach_rolls_back_and_the_change_stays_out() {
    let mut cluster = soaking();
    finds(cluster.after(MINUTE), Health::Breached, Due::RollBack);
    ended(&mut cluster, Phase::Revoked, Outcome::RolledBack);
    assert_eq!(
        (
            cluster.rollbacks,
            cluster.live()["spec"]["template"] == old()["spec"]["template"]
        ),
        (1, true)
    );
    assert_eq!(cluster.write("ana", &new()), Code::PermitRevoked);
    assert_eq!(
        cluster.baselines[KEY].spec_digest,
        baseline(&old()).spec_digest
    );
}

#[test]
fn a_person_revokes_in_the_middle_of_the_rollout() {
    let mut cluster = rolling();
    revokes(&mut cluster);
    ended(&mut cluster, Phase::Revoked, Outcome::RolledBack);
    assert_eq!(cluster.rollbacks, 1);
}

#[test]
fn nobody_approves_in_time() {
    let mut cluster = Cluster::of(&watched());
    cluster.settle().after(DAY);
    ended(&mut cluster, Phase::Expired, Outcome::Unused);
    says(&mut cluster, "bob", Said::Approve);
    ended(&mut cluster, Phase::Expired, Outcome::Unused);
}

#[test]
fn nobody_makes_the_change_in_time() {
    let mut cluster = issued();
    cluster.after(2 * HOUR);
    assert_eq!(cluster.write("ana", &new()), Code::PermitExpired);
    assert_eq!(cluster.settle().phase(), Some(Phase::Issued));
    ended(cluster.after(10 * SECOND), Phase::Expired, Outcome::Unused);
}

#[test]
fn a_change_of_the_last_second_is_still_watched() {
    let mut cluster = issued();
    assert_eq!(
        cluster.after(2 * HOUR - SECOND).write("ana", &new()),
        Code::Admitted
    );
    let stored = cluster.live().clone();
    cluster.store(&old());
    cluster.progress();
    assert_eq!(
        cluster.after(2 * SECOND).settle().phase(),
        Some(Phase::Issued)
    );
    cluster.store(&stored);
    cluster.round(Until::End);
    assert_eq!(cluster.phase(), Some(Phase::Executing));
}

#[test]
fn an_edit_after_the_approval_starts_review_again() {
    let mut cluster = Cluster::of(&watched());
    says(&mut cluster, "bob", Said::Approve);
    cluster.world.request.spec.purpose = "something else".into();
    assert_eq!(cluster.settle().phase(), Some(Phase::InReview));
    assert_eq!(cluster.write("ana", &new()), Code::PermitPending);
    says(&mut cluster, "bob", Said::Approve);
    assert_eq!(cluster.settle().phase(), Some(Phase::Issued));
}

#[test]
fn an_edit_while_issuance_was_interrupted_is_not_issued() {
    let mut cluster = Cluster::of(&watched());
    cluster.settle();
    says(&mut cluster, "bob", Said::Approve);
    cluster.round(Until::Before);
    cluster.world.request.spec.targets[0]
        .images
        .insert("app".into(), "evil:1".into());
    cluster.world.targets[0].target = cluster.world.request.spec.targets[0].clone();
    assert_eq!(cluster.settle().phase(), Some(Phase::InReview));
    assert_ne!(cluster.write("ana", &deployment("evil:1")), Code::Admitted);
}

#[test]
fn an_issued_permit_that_is_edited_all_the_same_is_revoked() {
    let mut cluster = rolling();
    cluster.world.request.spec.purpose = "something else".into();
    ended(&mut cluster, Phase::Revoked, Outcome::RolledBack);
}

/// The same story, in which the process ends in every round at this point and starts again.
fn interrupted(until: Until, story: impl Fn(&mut Cluster, &dyn Fn(&mut Cluster))) -> Cluster {
    let mut cluster = Cluster::of(&watched());
    let settle = move |cluster: &mut Cluster| {
        for _ in 0..30 {
            let (first, again) = (cluster.round(until), cluster.round(Until::End));
            cluster.progress();
            if !first && !again {
                return;
            }
        }
        panic!("it never settles");
    };
    story(&mut cluster, &settle);
    cluster
}

fn until_closed(cluster: &mut Cluster, settle: &dyn Fn(&mut Cluster)) {
    says(cluster, "bob", Said::Approve);
    settle(cluster);
    cluster.write("ana", &new());
    settle(cluster);
    settle(cluster.after(5 * MINUTE));
}

fn until_rolled_back(cluster: &mut Cluster, settle: &dyn Fn(&mut Cluster)) {
    says(cluster, "bob", Said::Approve);
    settle(cluster);
    cluster.write("ana", &new());
    settle(cluster);
    finds(cluster, Health::Breached, Due::RollBack);
    settle(cluster);
}

#[test]
fn a_crash_at_any_point_of_any_round_changes_no_end() {
    for until in [Until::Decided, Until::Before, Until::Status] {
        let mut closed = interrupted(until, until_closed);
        ended(&mut closed, Phase::Closed, Outcome::Succeeded);
        assert_eq!(
            closed.baselines[KEY].spec_digest,
            baseline(&new()).spec_digest,
            "{until:?}"
        );
        let mut back = interrupted(until, until_rolled_back);
        ended(&mut back, Phase::Revoked, Outcome::RolledBack);
        assert_eq!(
            (
                back.rollbacks,
                back.baselines[KEY].spec_digest == baseline(&old()).spec_digest
            ),
            (1, true),
            "{until:?}"
        );
    }
}

#[test]
fn a_crash_between_the_status_and_the_rollback_repeats_the_rollback_only() {
    let mut cluster = soaking();
    finds(&mut cluster, Health::Breached, Due::RollBack);
    cluster.round(Until::Status);
    assert_eq!(
        (cluster.phase(), cluster.rollbacks),
        (Some(Phase::Revoked), 0)
    );
    cluster.world.checks.clear();
    ended(&mut cluster, Phase::Revoked, Outcome::RolledBack);
    assert_eq!(cluster.rollbacks, 1);
}

#[test]
fn a_crash_between_the_revocation_and_its_status_forgets_nothing() {
    let mut cluster = soaking();
    finds(&mut cluster, Health::Breached, Due::RollBack);
    cluster.round(Until::Before);
    cluster.world.checks.clear();
    ended(&mut cluster, Phase::Revoked, Outcome::RolledBack);
    assert_eq!(
        cluster.world.recorded.revocation.as_ref().unwrap().reason,
        RevocationReason::SafetyViolation
    );
}

#[test]
fn somebody_changes_the_workload_between_the_closure_and_its_status() {
    let mut cluster = soaking();
    cluster.after(5 * MINUTE).round(Until::Before);
    cluster.store(&deployment("evil:1"));
    ended(&mut cluster, Phase::Closed, Outcome::Succeeded);
    assert_eq!(
        cluster.baselines[KEY].spec_digest,
        baseline(&new()).spec_digest
    );
}

#[test]
fn approvals_in_any_order_issue_the_same() {
    for order in [
        ["bob", "carol", "dave"],
        ["dave", "carol", "bob"],
        ["carol", "bob", "dave"],
    ] {
        let scene = watched().under(|t| t.rules = vec![rule(&["tech-lead"], 2)]);
        let mut cluster = Cluster::of(
            &order
                .iter()
                .fold(scene, |scene, person| scene.approved_by(person)),
        );
        assert_eq!(cluster.settle().phase(), Some(Phase::Issued));
    }
}

#[test]
fn an_approval_comes_before_the_permit_is_looked_at() {
    let mut cluster = Cluster::of(&watched().approved_by("bob"));
    assert_eq!(cluster.settle().phase(), Some(Phase::Issued));
}

#[test]
fn a_withdrawal_overtakes_the_change() {
    let mut cluster = issued();
    says(&mut cluster, "bob", Said::Withdraw);
    assert_eq!(cluster.write("ana", &new()), Code::PermitPending);
    ended(&mut cluster, Phase::Revoked, Outcome::Unused);
}

#[test]
fn a_cancel_right_after_the_change_does_not_switch_the_guard_off() {
    let mut cluster = issued();
    cluster.write("ana", &new());
    says(&mut cluster, "ana", Said::Cancel);
    cluster.settle();
    assert_eq!(cluster.phase(), Some(Phase::Validating));
    finds(&mut cluster, Health::Breached, Due::RollBack);
    ended(&mut cluster, Phase::Revoked, Outcome::RolledBack);
}

#[test]
fn an_outage_of_prometheus_holds_and_rolls_nothing_back() {
    let mut cluster = soaking();
    finds(&mut cluster, Health::Unknown, Due::Nothing);
    assert_eq!(
        cluster.after(MINUTE).settle().phase(),
        Some(Phase::Validating)
    );
    finds(&mut cluster, Health::Unknown, Due::Hold);
    cluster.after(MINUTE).settle();
    assert_eq!(asked_again(&cluster), Code::TargetBusy);
    assert_eq!(cluster.after(DAY).settle().phase(), Some(Phase::Validating));
    assert_eq!(cluster.rollbacks, 0);
    says(&mut cluster, "bob", Said::Resume);
    ended(&mut cluster, Phase::Closed, Outcome::Succeeded);
}

#[test]
fn a_hold_that_comes_again_needs_another_resume() {
    let mut cluster = soaking();
    finds(&mut cluster, Health::Unknown, Due::Hold);
    cluster.settle();
    says(cluster.after(SECOND), "bob", Said::Resume);
    cluster.settle();
    finds(cluster.after(MINUTE), Health::Unknown, Due::Hold);
    assert_eq!(cluster.after(DAY).settle().phase(), Some(Phase::Validating));
    revokes(&mut cluster);
    ended(&mut cluster, Phase::Revoked, Outcome::RolledBack);
}

#[test]
fn a_ledger_that_cannot_be_written_delays_issuance_start_and_closure_only() {
    let mut cluster = Cluster::of(
        &watched()
            .approved_by("bob")
            .with(|w| w.ledger_writable = false),
    );
    assert_eq!(cluster.settle().phase(), Some(Phase::Approved));
    assert_eq!(cluster.write("ana", &new()), Code::PermitPending);
    cluster.world.ledger_writable = true;
    assert_eq!(cluster.settle().phase(), Some(Phase::Issued));
    cluster.write("ana", &new());
    cluster.world.ledger_writable = false;
    assert_eq!(cluster.settle().phase(), Some(Phase::Issued));
    cluster.world.ledger_writable = true;
    assert_eq!(cluster.settle().phase(), Some(Phase::Validating));
    cluster.world.ledger_writable = false;
    assert_eq!(
        cluster.after(HOUR).settle().phase(),
        Some(Phase::Validating)
    );
    finds(&mut cluster, Health::Breached, Due::RollBack);
    ended(&mut cluster, Phase::Revoked, Outcome::RolledBack);
}

#[test]
fn a_template_that_is_edited_meanwhile_voids_nothing() {
    let mut cluster = rolling();
    cluster.world.outdated = true;
    assert_eq!(cluster.settle().phase(), Some(Phase::Validating));
    ended(cluster.after(5 * MINUTE), Phase::Closed, Outcome::Succeeded);
}

#[test]
fn a_rollback_that_is_always_refused_fails_and_is_said_so() {
    let mut cluster = soaking();
    cluster.refuses_rollbacks = true;
    revokes(&mut cluster);
    ended(&mut cluster, Phase::Revoked, Outcome::RollbackFailed);
    assert!(
        cluster
            .world
            .recorded
            .summary
            .message
            .contains("refused 5 times")
    );
}

#[test]
fn a_workload_made_anew_under_a_running_permit_is_never_rolled_back() {
    let mut cluster = soaking();
    cluster.store(&set(deployment("evil:1"), "/metadata/uid", "u2"));
    ended(&mut cluster, Phase::Revoked, Outcome::RollbackFailed);
    assert_eq!(cluster.rollbacks, 0);
}

#[test]
fn an_operator_that_was_down_for_hours_finds_the_rollout_complete() {
    let mut cluster = rolling();
    cluster.progress();
    assert_eq!(
        cluster.after(5 * HOUR).settle().phase(),
        Some(Phase::Validating)
    );
    ended(cluster.after(5 * MINUTE), Phase::Closed, Outcome::Succeeded);
}

#[test]
fn a_revoked_permit_written_back_to_life_comes_back_to_rest() {
    let mut cluster = rolling();
    revokes(&mut cluster);
    cluster.round(Until::Status);
    cluster.world.recorded.phase = Some(Phase::Issued);
    assert_eq!(asked_again(&cluster), Code::PermitRevoked);
    ended(&mut cluster, Phase::Revoked, Outcome::RolledBack);
    cluster.world.recorded.phase = Some(Phase::Executing);
    assert_eq!(cluster.write("ana", &new()), Code::PermitRevoked);
    ended(&mut cluster, Phase::Revoked, Outcome::RolledBack);
}

#[test]
fn a_status_forged_to_closed_in_the_soak_earns_nothing() {
    let mut cluster = soaking();
    cluster.world.recorded.phase = Some(Phase::Closed);
    ended(&mut cluster, Phase::Closed, Outcome::Succeeded);
    assert_eq!(
        cluster.baselines[KEY].spec_digest,
        baseline(&old()).spec_digest
    );
}

#[test]
fn a_change_undone_by_hand_is_no_success() {
    let mut cluster = soaking();
    assert_eq!(cluster.write("ana", &old()), Code::Admitted);
    ended(&mut cluster, Phase::Revoked, Outcome::RolledBack);
    assert_eq!(cluster.rollbacks, 0);
}
