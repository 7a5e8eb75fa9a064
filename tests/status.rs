//! What the status says: each condition on its own, the end of a permit as the facts know it, and what stays as it is.
//!
//! Every decision here is also held against the independent checker. Does not know how a status is written.
#![cfg(test)]

#[expect(dead_code, reason = "each binary uses its part of the scene")]
#[path = "support/scene.rs"]
mod scene;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use permit_operator::api::PermitStatus;
use permit_operator::api::facts::Spent;
use permit_operator::api::permit::TraceLine;
use permit_operator::api::vocabulary::{Decision as Said, Outcome, Phase, RevocationReason};
use permit_operator::domain::decide::{Decision, decide};
use permit_operator::domain::effect::Effect;
use permit_operator::domain::invariant;
use permit_operator::domain::news::is_news;
use permit_operator::domain::quorum::Rights;
use permit_operator::domain::rollout::Rollout;
use permit_operator::domain::world::{Due, Health};
use scene::*;
use serde_json::json;

/// Decides, and holds the decision against every invariant.
#[track_caller]
fn of(scene: &Scene) -> Decision {
    let world = scene.world();
    let decision = decide(&world);
    let broken = invariant::check(&world, &decision);
    assert!(broken.is_empty(), "{broken:?}");
    decision
}

fn condition<'a>(status: &'a PermitStatus, type_: &str) -> &'a Condition {
    let mut found = status.conditions.iter().filter(|c| c.type_ == type_);
    found.next().unwrap()
}

/// Each of these conditions has this status and this reason.
#[track_caller]
fn says(status: &PermitStatus, wanted: &[(&str, &str, &str)]) {
    for (type_, value, reason) in wanted {
        let found = condition(status, type_);
        assert_eq!(
            (found.status.as_str(), found.reason.as_str()),
            (*value, *reason),
            "{found:?}"
        );
    }
}

fn settled(decision: &Decision) -> Spent {
    let effects = decision.before.iter().chain(&decision.after);
    let mut spent = effects.filter_map(|e| match e {
        Effect::Settle { spent, .. } => Some(spent.clone()),
        _ => None,
    });
    spent.next().unwrap()
}

/// As it was decided, with what was written read back and the end on record.
fn at_rest(scene: Scene, decision: &Decision) -> Scene {
    let spent = settled(decision);
    scene.with(|w| {
        w.recorded = decision.status.clone();
        w.checks.clear();
        (w.armed, w.spent) = (None, Some(spent));
        // At rest nobody is asked.
        w.may_use = None;
        for ballot in &mut w.ballots {
            ballot.rights = Rights::default();
        }
    })
}

/// As it was decided, with what was written read back.
fn written(scene: Scene, decision: &Decision) -> Scene {
    scene.with(|w| w.recorded = decision.status.clone())
}

/// A scene of every end.
fn ends() -> Vec<(Scene, Phase)> {
    let lost = permit().issued().said("bob", Said::Withdraw);
    let breached = permit()
        .validating()
        .live(old())
        .revoked_by("carol", RevocationReason::Incident)
        .recorded(Phase::Revoked);
    vec![
        (permit().with(|w| w.may_use = Some(false)), Phase::Rejected),
        (permit().said("carol", Said::Reject), Phase::Rejected),
        (permit().issued().after(DAY), Phase::Expired),
        (
            permit().recorded(Phase::InReview).after(DAY),
            Phase::Expired,
        ),
        (permit().said("ana", Said::Cancel), Phase::Cancelled),
        (lost, Phase::Revoked),
        (breached, Phase::Revoked),
        (permit().validating().after(HOUR), Phase::Closed),
    ]
}

#[test]
fn each_condition_gives_a_reason_of_its_own() {
    let review = of(&permit());
    says(
        &review.status,
        &[
            ("Accepted", "True", "TemplateResolved"),
            ("Approved", "Unknown", "AwaitingApproval"),
            ("Decided", "Unknown", "Undecided"),
            ("Active", "False", "NotApproved"),
            ("Executed", "Unknown", "NotStarted"),
            ("Validated", "Unknown", "NotStarted"),
            ("Finished", "Unknown", "Open"),
            ("Succeeded", "Unknown", "Open"),
            ("Held", "False", "NotHeld"),
            ("TemplateOutdated", "False", "TemplateCurrent"),
            ("UnpermittedChange", "False", "NothingFound"),
        ],
    );
    let soaking = of(&permit().validating());
    says(
        &soaking.status,
        &[
            ("Approved", "True", "QuorumReached"),
            ("Active", "False", "RolledOut"),
            ("Executed", "True", "RolledOut"),
            ("Validated", "Unknown", "Soaking"),
        ],
    );
    assert_eq!(
        condition(&soaking.status, "Approved").message,
        "bob as tech-lead"
    );
    let rolling = permit()
        .executing()
        .rolling(Rollout::Progressing("1 of 3".into()));
    says(
        &of(&rolling).status,
        &[
            ("Active", "True", "Executing"),
            ("Executed", "Unknown", "RollingOut"),
        ],
    );
}

#[test]
fn a_closed_permit_and_one_that_was_rolled_back_say_so_in_every_condition() {
    let closed = of(&permit().validating().after(HOUR));
    says(
        &closed.status,
        &[
            ("Executed", "True", "RolledOut"),
            ("Validated", "True", "Validated"),
            ("Succeeded", "True", "Validated"),
            ("Active", "False", "Validated"),
        ],
    );
    let (breached, _) = ends().remove(6);
    says(
        &of(&breached).status,
        &[
            ("Approved", "True", "QuorumReached"),
            ("Executed", "False", "RolledBack"),
            ("Succeeded", "False", "Incident"),
        ],
    );
}

#[test]
fn only_a_request_that_can_never_be_granted_is_not_accepted() {
    let rejected = permit()
        .recorded(Phase::InReview)
        .said("carol", Said::Reject);
    let decision = of(&rejected);
    let wanted = [
        ("Accepted", "True", "TemplateResolved"),
        ("Approved", "False", "RejectedByApprover"),
    ];
    says(&decision.status, &wanted);
    says(&of(&at_rest(rejected, &decision)).status, &wanted);
    let refused = of(&permit().with(|w| w.may_use = Some(false)));
    says(
        &refused.status,
        &[("Accepted", "False", "TemplateNotPermitted")],
    );
}

#[test]
fn an_approval_that_is_lost_takes_the_approval_back_and_falls_out_of_the_count() {
    let issued = of(&permit().issued());
    assert_eq!(issued.status.summary.approvals, "1/1");
    let lost = written(permit().issued(), &issued).said("bob", Said::Withdraw);
    let decision = of(&lost);
    let wanted = [("Approved", "False", "QuorumLost")];
    says(&decision.status, &wanted);
    assert_eq!(decision.status.summary.approvals, "0/1");
    assert!(
        condition(&decision.status, "Approved")
            .message
            .contains("withdrawn"),
        "{:?}",
        decision.status.conditions
    );
    says(&of(&at_rest(lost, &decision)).status, &wanted);
}

#[test]
fn an_approval_lost_before_issuance_is_told_until_there_is_another() {
    let back = permit().recorded(Phase::Approved);
    let decision = of(&back);
    let wanted = [("Approved", "False", "QuorumLost")];
    assert_eq!(decision.phase, Phase::InReview);
    says(&decision.status, &wanted);
    let waiting = written(back, &decision);
    says(&of(&waiting).status, &wanted);
    let again = of(&waiting.approved_by("bob"));
    says(&again.status, &[("Approved", "True", "QuorumReached")]);
}

#[test]
fn a_right_that_could_not_be_asked_takes_nothing_from_the_count() {
    let issued = of(&permit().issued());
    let doubted = permit()
        .armed()
        .voted("bob", |b| b.rights.role = None)
        .with(|w| w.recorded = issued.status.clone());
    let decision = of(&doubted);
    assert_eq!(decision.status.summary.approvals, "1/1");
    says(
        &decision.status,
        &[
            ("Approved", "True", "QuorumReached"),
            ("Active", "Unknown", "AccessUnknown"),
        ],
    );
}

#[test]
fn the_time_of_a_condition_moves_only_with_its_own_status() {
    let issued = of(&permit().issued());
    let later = written(permit().executing(), &issued)
        .recorded(Phase::Issued)
        .after(MINUTE);
    let now = later.world.now;
    let decision = of(&later);
    assert_eq!(decision.phase, Phase::Validating);
    let since = |type_| condition(&decision.status, type_).last_transition_time.0;
    assert_eq!(since("Approved"), start());
    assert_eq!(since("Executed"), now);
}

#[test]
fn at_rest_the_status_is_what_was_written_last() {
    for (scene, phase) in ends() {
        let first = of(&scene);
        assert_eq!(first.phase, phase);
        let again = of(&at_rest(scene, &first));
        assert_eq!(again.status, first.status);
        assert!(!is_news(Some(&first.status), &again.status));
    }
}

#[test]
fn at_rest_a_forged_time_of_issuance_and_a_forged_trace_are_written_back() {
    for (scene, phase) in ends() {
        let first = of(&scene);
        let forged = at_rest(scene, &first).with(|w| {
            w.recorded.issued_time = Some(Time(w.now));
            w.recorded.trace = vec![TraceLine {
                rule: "approvals".into(),
                verdict: "Pass".into(),
                because: "everybody".into(),
            }];
            w.recorded.summary.message = "all is well".into();
        });
        let status = of(&forged).status;
        assert_eq!(status.issued_time, first.status.issued_time, "{phase}");
        assert_eq!(status.summary.message, first.status.summary.message);
        let words: Vec<_> = status.trace.iter().map(|l| l.because.as_str()).collect();
        assert!(words.concat().contains(phase.as_str()), "{words:?}");
        // What was written back is left alone.
        let again = forged.with(|w| w.recorded = status.clone());
        assert_eq!(of(&again).status, status);
    }
}

#[test]
fn at_rest_words_that_were_too_long_for_the_facts_stay() {
    let long = "because ".repeat(60);
    let scene = permit().said("carol", Said::Reject).with(|w| {
        w.ballots[0].reasoning.clone_from(&long);
    });
    let first = of(&scene);
    assert!(settled(&first).message.len() < long.len());
    assert_eq!(of(&at_rest(scene, &first)).status, first.status);
}

#[test]
fn a_running_change_shows_every_check_before_its_first_answer() {
    let scene = permit().executing().under(|t| t.checks = checked());
    let first = of(&scene).status;
    let told: Vec<_> = first
        .checks
        .iter()
        .map(|c| (c.name.as_str(), c.verdict.as_str(), c.reason.as_str()))
        .collect();
    assert_eq!(told, [("errors", "Unknown", "not asked yet")]);
    let mut unknown = check(Health::Unknown, Due::Nothing);
    (unknown.name, unknown.limit) = ("errors".into(), "0.05".into());
    let asked = scene.with(|w| {
        w.recorded = first.clone();
        w.checks = vec![unknown];
    });
    assert!(!is_news(Some(&first), &of(&asked).status));
}

/// A check of errors, as a template carries it.
fn checked() -> Vec<permit_operator::domain::check::GuardCheck> {
    let check = json!({"name": "errors", "signal": "ErrorRate", "max": "0.05", "window": "5s", "interval": "1s",
        "scrapeInterval": "1s", "query": "sum by (namespace, workload) (increase(a[{{ window }}]))",
        "total": "sum by (namespace, workload) (increase(b[{{ window }}]))"});
    let spec = json!({"level": 2, "approval": {"rules": [{"roles": ["tech-lead"]}]}, "guard": {"checks": [check]}});
    let spec = serde_json::from_value(spec).unwrap();
    permit_operator::domain::parse::template("t", "d", &spec)
        .unwrap()
        .checks
}

#[test]
fn a_soak_is_no_news_from_second_to_second() {
    let scene = permit()
        .validating()
        .under(|t| t.checks = checked())
        .with(|w| w.healthy_for = std::time::Duration::from_secs(1));
    let first = of(&scene).status;
    let later = written(scene, &of(&permit())).with(|w| {
        w.recorded = first.clone();
        w.healthy_for = std::time::Duration::from_secs(2);
    });
    let next = of(&later).status;
    assert_ne!(first, next, "progress is told");
    assert!(!is_news(Some(&first), &next));
}

#[test]
fn the_facts_keep_the_words_of_the_last_ends_and_the_reason_of_all() {
    let mut facts = permit_operator::api::facts::Facts::default();
    let spent = settled(&of(&ends().remove(0).0));
    for n in 0..600_i64 {
        let time = start() + std::time::Duration::from_secs(n.unsigned_abs());
        let spent = Spent {
            time: Some(Time(time)),
            ..spent.clone()
        };
        facts.settle(format!("{n:03}"), spent);
    }
    let worded = |uid: &str| !facts.spent[uid].message.is_empty();
    assert!(!worded("000") && !worded("099") && worded("100") && worded("599"));
    assert_eq!(facts.spent.len(), 600);
    assert_eq!(facts.spent["000"].reason, "TemplateNotPermitted");
    assert_eq!(facts.spent["000"].outcome, Some(Outcome::Unused));
}
