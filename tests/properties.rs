//! What holds in every world, not only in the ones that somebody thought of.
//!
//! Properties 1 to 9 and 11 of the architecture; that the audit chain breaks under any mutation is shown beside the
//! chain (`domain::audit`), and the lattice of single readings beside `domain::breach`. Worlds are generated around one
//! permit, forged statuses and half-done work included.
#![cfg(test)]

#[expect(dead_code, reason = "each binary uses its part of the scene")]
#[path = "support/scene.rs"]
mod scene;
#[expect(dead_code, reason = "each binary uses its part of the cluster")]
#[path = "support/simulation.rs"]
mod simulation;

use std::time::Duration;

use permit_operator::api::facts::Spent;
use permit_operator::api::template::OnRevoke;
use permit_operator::api::vocabulary::{
    Decision as Said, Operation, Outcome, Phase, RevocationReason,
};
use permit_operator::domain::breach::{Verdict, Why};
use permit_operator::domain::decide::decide;
use permit_operator::domain::effect::Effect;
use permit_operator::domain::gate::{GateWorld, gate};
use permit_operator::domain::invariant;
use permit_operator::domain::quorum::{Ballot, tally};
use permit_operator::domain::rollout::Rollout;
use permit_operator::domain::template::Level;
use permit_operator::domain::world::{CheckFact, Due, Health, World};
use proptest::prelude::*;
use proptest::sample::select;
use scene::*;
use serde_json::{Value, json};
use simulation::{Cluster, Until};

prop_compose! {
    fn any_ballot()(
        person in select(vec!["ana", "bob", "carol", "dave", "", "system:serviceaccount:shop:bot"]),
        role in select(vec!["tech-lead", "security-lead", "nobody"]),
        decision in prop_oneof![4 => Just(Said::Approve), 1 => select(Said::ALL)],
        digest in prop_oneof![5 => Just(Some("current")), 1 => Just(Some("sha256:old")), 1 => Just(None)],
        reason in proptest::option::of(select(RevocationReason::ALL)),
        held in prop_oneof![6 => Just(Some(true)), 1 => Just(Some(false)), 1 => Just(None)],
        wildcard in prop_oneof![6 => Just(Some(false)), 1 => Just(Some(true)), 1 => Just(None)],
        break_glass in select(vec![Some(true), Some(false), None]),
        late in 0u64..4000,
    ) -> (&'static str, Ballot) {
        let mut scene = permit().approved_as(person, role);
        let mut ballot = scene.world.ballots.remove(0);
        ballot.decision = decision;
        ballot.digest = digest.map(str::to_owned);
        ballot.reason = reason.filter(|_| decision == Said::Revoke);
        ballot.rights.role = held;
        ballot.rights.wildcard = wildcard;
        ballot.rights.break_glass = break_glass;
        ballot.cast = start().checked_add(Duration::from_secs(late)).unwrap();
        (person, ballot)
    }
}

fn any_object() -> impl Strategy<Value = Value> {
    select(vec![
        old(),
        new(),
        new(),
        deployment("evil:1"),
        set(old(), "/spec/replicas", 0),
        set(new(), "/spec/replicas", 5),
        set(new(), "/spec/paused", true),
        set(old(), "/spec/paused", true),
        set(new(), "/metadata/uid", "u2"),
        set(new(), "/spec/template/spec/containers/1/image", "evil:1"),
        set(old(), "/spec/template/spec/containers/0/env/0/value", "x"),
        set(
            old(),
            "/metadata/annotations/deprecated.deployment.rollback.to",
            "1",
        ),
    ])
}

fn any_rollout() -> impl Strategy<Value = Rollout> {
    select(vec![
        Rollout::Complete,
        Rollout::Complete,
        Rollout::Progressing("on its way".into()),
        Rollout::Paused,
        Rollout::Stuck("gave up".into()),
    ])
}

/// A check as the guard makes them: what cannot be judged never asks to roll back here.
fn any_check() -> impl Strategy<Value = CheckFact> {
    select(vec![
        check(Health::Healthy, Due::Nothing),
        check(Health::Unknown, Due::Nothing),
        check(Health::Unknown, Due::Hold),
        check(Health::Breached, Due::Hold),
        check(Health::Breached, Due::RollBack),
    ])
}

fn any_phase() -> impl Strategy<Value = Phase> {
    select(Phase::ALL)
}

/// What is on record of the issuance.
#[derive(Clone, Copy, Debug)]
enum Record {
    Nothing,
    Armed,
    OfAnother,
    Absent,
    Spent(Phase),
}

fn any_record() -> impl Strategy<Value = Record> {
    let ended = select(vec![Phase::Closed, Phase::Revoked, Phase::Expired]);
    prop_oneof![
        2 => Just(Record::Nothing),
        5 => Just(Record::Armed),
        1 => Just(Record::OfAnother),
        1 => Just(Record::Absent),
        1 => ended.prop_map(Record::Spent),
    ]
}

prop_compose! {
    /// The request and its template.
    fn any_request()(
        level in select(vec![Level::Numbered(0), Level::Numbered(1), Level::Numbered(2), Level::Emergency]),
        two in any::<bool>(), automatic in prop::bool::weighted(0.15), holds in prop::bool::weighted(0.2),
        requester in prop_oneof![8 => Just("ana"), 1 => Just("system:serviceaccount:flux:bot")],
        wants in select(vec![
            json!({"images": {"app": "shop/checkout:2"}}),
            json!({"images": {"app": "shop/checkout:2"}}),
            json!({"images": {"app": "shop/checkout:2"}, "operations": ["Scale", "Resume"]}),
            json!({"operations": ["Scale", "Delete"]}),
            json!({"images": {"app": "shop/checkout:2", "proxy": "shop/proxy:2"}}),
        ]),
        earliest in proptest::option::weighted(0.1, 0u64..4000),
    ) -> Scene {
        let mut scene = permit().requested_by(requester).wants(&wants);
        scene.template.level = level;
        if two {
            scene = scene.needs(&["security-lead", "tech-lead"], 1);
        }
        if automatic {
            scene = scene.automatic();
        }
        if holds {
            scene.template.on_revoke = OnRevoke::Hold;
        }
        if level == Level::Emergency {
            scene.world.request.spec.incident = Some("INC-1".into());
        }
        scene.world.request.earliest_start = earliest.map(|s| start().checked_add(Duration::from_secs(s)).unwrap());
        scene
    }
}

prop_compose! {
    /// Any world around any permit, at any point of its life, however it came there.
    fn any_scene()(
        scene in any_request(),
        ballots in prop::collection::vec(any_ballot(), 0..5),
        phase in proptest::option::weighted(0.9, any_phase()),
        record in any_record(),
        object in proptest::option::weighted(0.9, any_object()),
        rollout in any_rollout(),
        checks in prop::collection::vec(any_check(), 0..3),
        times in (0u64..100_000, 0u64..10_000, 0u64..600),
        flags in (prop::bool::weighted(0.85), prop::bool::weighted(0.1), any::<bool>(), prop::bool::weighted(0.1)),
        may_use in prop_oneof![8 => Just(Some(true)), 1 => Just(Some(false)), 1 => Just(None)],
        refused in 0u32..7,
    ) -> Scene {
        let (now, issued, healthy) = times;
        let (writable, busy, executed, outdated) = flags;
        let mut scene = scene.after(Duration::from_secs(issued));
        scene = match record {
            Record::Nothing => scene,
            Record::Armed | Record::OfAnother | Record::Absent => scene.armed(),
            Record::Spent(phase) => {
                let outcome = if phase == Phase::Closed { Outcome::Succeeded } else { Outcome::Unused };
                scene.spent(phase, outcome)
            }
        };
        if let (Record::OfAnother, Some(armed)) = (record, scene.world.armed.as_mut()) {
            armed.digest = "sha256:old".into();
        }
        if let (Record::Absent, Some(armed)) = (record, scene.world.armed.as_mut()) {
            armed.targets.insert(KEY.into(), permit_operator::api::facts::Prior::default());
        }
        if executed {
            scene = scene.with(|w| w.recorded.execution = permit().executing().world.recorded.execution);
        }
        scene = match object {
            Some(object) => scene.live(object).rolling(rollout),
            None => scene.gone(),
        };
        scene.with(|w| {
            w.ballots.extend(ballots.into_iter().map(|(_, ballot)| ballot));
            w.recorded.phase = phase;
            w.checks = checks;
            w.healthy_for = Duration::from_secs(healthy);
            w.now = start().checked_add(Duration::from_secs(now)).unwrap();
            w.ledger_writable = writable;
            w.outdated = outdated;
            w.may_use = may_use;
            w.targets[0].busy_with = busy.then(|| "other".to_owned());
            w.refused_rollbacks.insert(KEY.into(), refused);
        })
    }
}

prop_compose! {
    /// Any change of any workload, asked of the gate in any world.
    fn any_ask()(
        scene in any_scene(),
        healthy in any::<bool>(),
        objects in (any_object(), any_object()),
        username in prop_oneof![6 => Just("ana"), 1 => Just("eve"), 1 => Just(OPERATOR)],
        has_credential in any::<bool>(),
        scales in proptest::option::weighted(0.2, (0u32..3, 0u32..3)),
        others in prop::collection::vec(0i32..3, 0..2),
        grants in proptest::option::weighted(0.2, select(Operation::ALL)),
    ) -> GateWorld {
        // Half of them from a permit in good order, or nearly nothing would be admitted.
        let mut world = if healthy { permit().issued().gate() } else { scene.gate() };
        (world.old, world.new) = (Some(objects.0.clone()), Some(objects.1));
        world.username = username.into();
        world.has_credential = has_credential;
        world.templates.extend(others.into_iter().map(|level| template("other", level)));
        world.templates.extend(grants.map(|operation| automatic("auto", &[operation])));
        if let Some((from, to)) = scales {
            world.is_scale = true;
            (world.old, world.new, world.parent) = (Some(scale(from)), Some(scale(to)), Some(objects.0));
        }
        world
    }
}

/// Whether anything of this world is in order: the quorum that the checker would count, by the tally itself.
fn counted(world: &World) -> Vec<String> {
    let revision = world.revision.as_ref().unwrap();
    let template = revision.template.as_ref().unwrap();
    let digest = world.request.digest(&revision.digest);
    let requester = &world.request.requester.username;
    let tally = tally(template, requester, &digest, &world.ballots);
    tally
        .counted
        .into_iter()
        .map(|(person, _)| person)
        .collect()
}

proptest! {
    // More of them by PROPTEST_CASES.
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_same_world_gets_the_same_decision(scene in any_scene()) {
        let world = scene.world();
        prop_assert_eq!(format!("{:?}", decide(&world)), format!("{:?}", decide(&world.clone())));
        prop_assert_eq!(format!("{:?}", gate(&gate_of(&world))), format!("{:?}", gate(&gate_of(&world))));
    }

    #[test]
    fn no_decision_breaks_an_invariant(scene in any_scene()) {
        let world = scene.world();
        let decision = decide(&world);
        let broken = invariant::check(&world, &decision);
        prop_assert!(broken.is_empty(), "{:?} by {:#?}", broken, decision);
    }

    #[test]
    fn what_is_decided_and_done_leaves_nothing_to_do(scene in any_scene()) {
        let mut cluster = Cluster::of(&scene);
        cluster.settle();
        let again = decide(&cluster.world);
        prop_assert!(again.transitions.is_empty() && again.before.is_empty() && again.after.is_empty(), "{:#?}", again);
        prop_assert_eq!(&again.status, &cluster.world.recorded);
    }

    #[test]
    fn a_step_taken_is_not_taken_again(scene in any_scene()) {
        let mut cluster = Cluster::of(&scene);
        let first = decide(&cluster.world);
        cluster.apply(&first, Until::End);
        let again = decide(&cluster.world);
        for step in &first.transitions {
            prop_assert!(!again.transitions.contains(step), "{:?} again: {:#?}", step, again);
        }
    }

    #[test]
    fn a_crash_anywhere_leads_to_the_same_rest(
        scene in any_scene(), until in select(vec![Until::Decided, Until::Before, Until::Status]),
    ) {
        let mut straight = Cluster::of(&scene);
        // Forged to run, issued in earnest, and crashed in between: it is taken by its word, and ended.
        let claims = |p: Phase| p == Phase::Issued || p.is_running();
        prop_assume!(straight.world.armed.is_some() || !straight.phase().is_some_and(claims));
        let mut crashed = straight.clone();
        straight.settle();
        crashed.round(until);
        crashed.settle();
        prop_assert_eq!(straight.phase(), crashed.phase());
        prop_assert_eq!(straight.world.recorded.outcome, crashed.world.recorded.outcome);
        // After a crash the object that ended it is quoted; what it says is the same.
        let end = |cluster: &Cluster| cluster.world.spent.clone().map(|spent| Spent {
            message: String::new(),
            trace: String::new(),
            ..spent
        });
        prop_assert_eq!(end(&straight), end(&crashed));
        prop_assert_eq!(straight.baselines, crashed.baselines);
    }

    #[test]
    fn a_phase_at_rest_absorbs(scene in any_scene(), phase in select(vec![
        Phase::Closed, Phase::Rejected, Phase::Expired, Phase::Revoked, Phase::Cancelled,
    ])) {
        let scene = scene.with(|w| w.spent = None).recorded(phase);
        let decision = decide(&scene.world());
        prop_assert_eq!(decision.phase, phase);
        prop_assert!(decision.transitions.is_empty());
    }

    #[test]
    fn nothing_executes_without_a_quorum_or_after_its_end(scene in any_scene()) {
        let world = scene.world();
        let decision = decide(&world);
        if decision.transitions.iter().any(|t| matches!(t.to, Phase::Issued | Phase::Executing)) {
            let automatic = scene.template.is_automatic();
            prop_assert!(automatic || counted(&world).len() >= scene.template.needed());
            let ends = |b: &Ballot| b.decision == Said::Revoke;
            prop_assert!(!world.ballots.iter().any(ends) && world.spent.is_none() && world.ledger_writable);
        }
    }

    #[test]
    fn the_gate_admits_by_a_permit_only_with_quorum_window_and_record(world in any_ask()) {
        let judged = gate(&world).judged;
        if judged.permit_uid.is_none() {
            return Ok(());
        }
        let candidate = &world.candidates[0];
        let template = candidate.template.as_ref().unwrap();
        let digest = candidate.request.digest(&template.digest);
        let counts = tally(template, &candidate.request.requester.username, &digest, &candidate.ballots);
        prop_assert!(counts.met && candidate.may_use == Some(true));
        let armed = &world.facts.as_ref().unwrap().armed[&candidate.request.uid];
        let issued = armed.issued_time.as_ref().unwrap().0;
        prop_assert!(armed.digest == digest && armed.targets.contains_key(KEY));
        prop_assert!(world.now >= issued && world.now < issued.checked_add(template.window).unwrap());
        prop_assert!(!candidate.ballots.iter().any(|b| b.decision == Said::Revoke));
        prop_assert!(world.facts.as_ref().unwrap().spent.is_empty());
        prop_assert!(candidate.request.may_execute(&world.username));
    }

    #[test]
    fn taking_an_approval_away_never_admits(world in any_ask(), which in any::<prop::sample::Index>()) {
        let approvals = |w: &GateWorld| -> Vec<usize> {
            let ballots = w.candidates[0].ballots.iter().enumerate();
            ballots.filter(|(_, b)| b.decision == Said::Approve).map(|(i, _)| i).collect()
        };
        let all = approvals(&world);
        if all.is_empty() {
            return Ok(());
        }
        let mut fewer = world.clone();
        fewer.candidates[0].ballots.remove(all[which.index(all.len())]);
        prop_assert!(gate(&world).judged.admits || !gate(&fewer).judged.admits);
    }

    #[test]
    fn a_constraint_more_never_admits(world in any_ask(), level in 0i32..4) {
        let before = gate(&world).judged.admits;
        let narrower: [fn(&mut GateWorld); 7] = [
            |w| w.candidates[0].held = true,
            |w| w.candidates[0].busy_with = Some("other".into()),
            |w| w.candidates[0].may_use = None,
            |w| w.candidates[0].request.latest_start = Some(start()),
            |w| w.candidates[0].request.spec.executors = vec!["nobody".into()],
            |w| w.has_credential = false,
            |w| w.facts.as_mut().unwrap().baselines.clear(),
        ];
        for edit in narrower {
            let mut world = world.clone();
            edit(&mut world);
            prop_assert!(before || !gate(&world).judged.admits);
        }
        let mut higher = world.clone();
        higher.templates.push(template("another", level));
        prop_assert!(before || !gate(&higher).judged.admits);
    }

    #[test]
    fn no_status_admits_what_the_facts_do_not(world in any_ask(), phase in proptest::option::of(any_phase())) {
        // Whatever is written there: without what the leader put on record no permit admits anything.
        let mut forged = world.clone();
        forged.candidates[0].recorded = phase;
        forged.facts.as_mut().unwrap().armed.clear();
        prop_assert!(gate(&forged).judged.permit_uid.is_none());
        // And at rest it denies, whatever the facts say.
        let mut ended = world;
        ended.candidates[0].recorded = phase.filter(|p| p.is_terminal()).or(Some(Phase::Revoked));
        prop_assert!(gate(&ended).judged.permit_uid.is_none());
    }

    #[test]
    fn the_requester_never_counts_but_by_breaking_the_glass(scene in any_scene()) {
        let world = scene.world();
        let requester = &world.request.requester.username;
        let broke = world.ballots.iter().any(|b| b.rights.break_glass == Some(true) && b.person == *requester);
        let may = scene.template.level == Level::Emergency && broke;
        let counted = counted(&world);
        prop_assert!(may || !counted.contains(requester));
        prop_assert!(counted.iter().all(|p| !p.is_empty() && !p.starts_with("system:serviceaccount:")));
        let mut people = counted.clone();
        people.sort();
        people.dedup();
        prop_assert_eq!(people.len(), counted.len());
    }

    #[test]
    fn what_is_unknown_never_admits_and_never_rolls_back(scene in any_scene()) {
        let doubtful = scene.with(|w| {
            w.may_use = None;
            w.ballots.iter_mut().for_each(|b| b.rights = permit_operator::domain::quorum::Rights::default());
            w.ballots.retain(|b| b.decision == Said::Approve);
            w.checks = vec![check(Health::Unknown, Due::Hold)];
        });
        let world = doubtful.world();
        prop_assert!(gate(&gate_of(&world)).judged.permit_uid.is_none());
        let decision = decide(&world);
        let issued = decision.transitions.iter().any(|t| t.to == Phase::Issued);
        prop_assert!(!issued);
        let guard = [RevocationReason::SafetyViolation, RevocationReason::PerformanceDegradation];
        let found = |e: &Effect| matches!(e, Effect::Revoke { reason, .. } if guard.contains(reason));
        prop_assert!(!decision.before.iter().any(found));
    }

    #[test]
    fn doubt_about_an_approver_ends_nothing(scene in any_scene(), phase in select(vec![Phase::Approved, Phase::Issued])) {
        let sound = scene.with(|w| {
            w.ballots.clear();
            w.spent = None;
            w.may_use = Some(true);
            w.now = w.request.created;
        });
        let sound = sound.voted("bob", |b| b.rights.role = None).voted("carol", |b| b.rights.role = None);
        let sound = sound.requested_by("ana").armed().live(old()).recorded(phase);
        let decision = decide(&sound.world());
        prop_assert!(!decision.phase.is_terminal(), "{:#?}", decision);
    }

    #[test]
    fn the_worst_verdict_is_the_same_in_any_order(a in any_verdict(), b in any_verdict(), c in any_verdict()) {
        prop_assert_eq!(a.worst(b), b.worst(a));
        prop_assert_eq!(a.worst(b).worst(c), a.worst(b.worst(c)));
        prop_assert_eq!(a.worst(a), a);
        prop_assert_eq!(a.worst(Verdict::Breached), Verdict::Breached);
        prop_assert_eq!(a.worst(Verdict::Healthy), a);
    }
}

fn any_verdict() -> impl Strategy<Value = Verdict> {
    select(vec![
        Verdict::Healthy,
        Verdict::Unknown(Why::TooEarly),
        Verdict::Unknown(Why::SourceDown),
        Verdict::Unknown(Why::Stale),
        Verdict::Unknown(Why::Missing),
        Verdict::Breached,
    ])
}

/// The generated worlds are no straw men: they reach every phase, and the gate says yes and no.
#[test]
fn the_generated_worlds_reach_every_phase_and_both_answers() {
    use proptest::strategy::ValueTree as _;
    use proptest::test_runner::TestRunner;
    let mut runner = TestRunner::deterministic();
    let mut phases = std::collections::BTreeSet::new();
    let mut answers = std::collections::BTreeSet::new();
    let mut rolled_back = false;
    for _ in 0..1000 {
        let decision = decide(&any_scene().new_tree(&mut runner).unwrap().current().world());
        phases.extend(
            decision
                .transitions
                .iter()
                .map(|t| t.to)
                .chain([decision.phase]),
        );
        rolled_back |= decision
            .after
            .iter()
            .any(|e| matches!(e, Effect::RollBack { .. }));
        let judged = gate(&any_ask().new_tree(&mut runner).unwrap().current()).judged;
        answers.insert((judged.code, judged.permit_uid.is_some()));
    }
    assert_eq!(phases.len(), Phase::ALL.len(), "{phases:?}");
    assert!(rolled_back);
    assert!(
        answers.len() >= 7 && answers.iter().any(|(_, by_permit)| *by_permit),
        "{answers:?}"
    );
}
