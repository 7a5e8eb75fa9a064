//! Freezes, recurring windows and configured exemptions: what the calendar and the configuration stop and let through.
//!
//! Does not know how the configuration is read.
#![cfg(test)]

#[expect(dead_code, reason = "each binary uses its part of the scene")]
#[path = "support/scene.rs"]
mod scene;

use permit_operator::api::calendar::Recurrence;
use permit_operator::api::config::Exemption;
use permit_operator::api::vocabulary::{Grant, Operation, TemplateClass};
use permit_operator::domain::calendar::Recurring;
use permit_operator::domain::config::Frozen;
use permit_operator::domain::gate::{Code, GateDecision, GateWorld, gate};
use permit_operator::domain::template::Level;
use scene::*;
use serde_json::json;

/// What a case makes different.
type Edit = fn(&mut GateWorld);
/// Where a case puts its windows.
type Put = fn(&mut GateWorld, Vec<Recurring>);

fn frozen(mut world: GateWorld, lets: &[TemplateClass]) -> GateWorld {
    world.frozen = vec![Frozen {
        name: "year-end".into(),
        reason: "no changes over the holidays".into(),
        until: "2027-01-04T06:00:00Z".parse().ok(),
        lets: lets.to_vec(),
    }];
    world
}

/// The same world with its permit's template as one for emergencies.
fn emergency(mut world: GateWorld) -> GateWorld {
    for candidate in &mut world.candidates {
        candidate.template.as_mut().unwrap().level = Level::Emergency;
    }
    world
}

#[track_caller]
fn judged(world: &GateWorld, code: Code) -> GateDecision {
    let decision = gate(world);
    assert_eq!(
        decision.judged.code, code,
        "{:?} {:#?}",
        decision.judged, decision.trace
    );
    decision
}

#[test]
fn a_freeze_denies_what_a_permit_admits_and_says_until_when_and_the_emergency_way() {
    judged(&permit().issued().gate(), Code::Admitted);
    let world = frozen(permit().issued().gate(), &[TemplateClass::Emergency]);
    let told = judged(&world, Code::FreezeActive).message;
    for part in [
        "FreezeActive: Deployment shop/checkout",
        "2027-01-04T06:00:00Z",
        "year-end",
        "holidays",
        "--incident",
    ] {
        assert!(told.contains(part), "`{part}` is not in {told}");
    }
}

#[test]
fn a_freeze_lets_emergencies_through_unless_it_says_otherwise() {
    let through = emergency(frozen(
        permit().issued().gate(),
        &[TemplateClass::Emergency],
    ));
    assert_ne!(gate(&through).judged.code, Code::FreezeActive);
    judged(
        &emergency(frozen(permit().issued().gate(), &[])),
        Code::FreezeActive,
    );
}

#[test]
fn a_permit_of_another_class_gains_nothing_by_an_emergency_beside_it() {
    let mut world = frozen(permit().issued().gate(), &[TemplateClass::Emergency]);
    let other = emergency(permit().gate()).candidates.remove(0);
    world.candidates.push(other);
    assert!(!gate(&world).judged.admits);
}

#[test]
fn a_freeze_stops_automatic_changes_and_never_the_baseline() {
    let mut world = permit().gate();
    world.candidates.clear();
    let mut automatic = template("any", 0);
    (automatic.grant, automatic.rules) = (Grant::Automatic, Vec::new());
    world.templates = vec![automatic];
    judged(&world, Code::Admitted);
    judged(
        &frozen(world.clone(), &[TemplateClass::Emergency]),
        Code::FreezeActive,
    );
    world.facts.as_mut().unwrap().baselines = [(KEY.to_owned(), baseline(&new()))].into();
    judged(&frozen(world, &[]), Code::Admitted);
}

#[test]
fn a_configuration_that_cannot_be_read_stops_everything_but_emergencies_and_the_baseline() {
    let unsound = |mut world: GateWorld| {
        world.unsound = Some("freezes[0]: it ends before it begins".into());
        world
    };
    let told = judged(&unsound(permit().issued().gate()), Code::GateUnavailable);
    assert!(told.message.contains("freezes[0]"), "{}", told.message);
    let through = unsound(emergency(permit().issued().gate()));
    assert_ne!(gate(&through).judged.code, Code::GateUnavailable);
}

fn exempt(operations: &[Operation]) -> GateWorld {
    let mut world = permit().gate();
    world.candidates.clear();
    world.username = "system:serviceaccount:keda:keda-operator".into();
    world.exemptions = vec![Exemption {
        username: world.username.clone(),
        kind: "Deployment".into(),
        operations: operations.to_vec(),
        namespaces: vec!["shop".into()],
        owned_by: None,
        reason: "KEDA scales".into(),
    }];
    world.new = Some(set(old(), "/spec/replicas", 9));
    world
}

#[test]
fn t27_an_exemption_is_for_exactly_its_user_kind_place_and_operations() {
    judged(&exempt(&[Operation::Scale]), Code::Admitted);
    judged(&exempt(&[Operation::Restart]), Code::PermitRequired);
    let edits: [Edit; 6] = [
        |w| w.username = "system:serviceaccount:keda:evil".into(),
        |w| w.has_credential = false,
        |w| w.exemptions[0].kind = "StatefulSet".into(),
        |w| w.exemptions[0].namespaces = vec!["bank".into()],
        |w| w.exemptions[0].owned_by = Some("Rollout".into()),
        |w| w.new = Some(set(new(), "/spec/replicas", 9)),
    ];
    for edit in edits {
        let mut world = exempt(&[Operation::Scale]);
        edit(&mut world);
        judged(&world, Code::PermitRequired);
    }
}

#[test]
fn an_exemption_passes_a_freeze() {
    judged(&frozen(exempt(&[Operation::Scale]), &[]), Code::Admitted);
}

/// A window of one hour that opens every day at this hour.
fn daily(hour: u32) -> Vec<Recurring> {
    let wire: Recurrence =
        serde_json::from_value(json!({"cron": format!("0 {hour} * * *"), "duration": "1h"}))
            .unwrap();
    vec![Recurring::parse(&wire).unwrap()]
}

#[test]
fn a_recurring_window_of_template_or_permit_says_when_it_opens() {
    let world = permit().issued().gate();
    let hour = |ahead: u32| {
        let now: u32 = world.now.to_string()[11..13].parse().unwrap();
        (now + ahead) % 24
    };
    let places: [Put; 2] = [
        |w, windows| w.candidates[0].template.as_mut().unwrap().openings = windows,
        |w, windows| w.candidates[0].request.openings = windows,
    ];
    for put in places {
        let with = |windows: Vec<Recurring>| {
            let mut world = world.clone();
            put(&mut world, windows);
            world
        };
        judged(&with(daily(hour(0))), Code::Admitted);
        // It opens again only after the permit's own window has closed.
        judged(&with(daily(hour(5))), Code::PermitExpired);
        let mut long = with(daily(hour(5)));
        long.candidates[0].template.as_mut().unwrap().window = HOUR * 24;
        let told = judged(&long, Code::PermitWindow).message;
        assert!(told.contains("opens"), "{told}");
    }
}
