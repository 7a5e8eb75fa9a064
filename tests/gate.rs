//! The gate's rules, one sentence each: which change is admitted, and which is denied with which word.
//!
//! Numbers in names are rows of the threat list. Does not know how the worlds are gathered.
#![cfg(test)]

#[expect(dead_code, reason = "each binary uses its part of the scene")]
#[path = "support/scene.rs"]
mod scene;

use std::collections::BTreeSet;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;
use permit_operator::api::facts::Armed;
use permit_operator::api::vocabulary::{
    Decision, GateMode, Operation, Outcome, Phase, RevocationReason,
};
use permit_operator::domain::gate::{Code, GateWorld, gate, line};
use permit_operator::domain::parse;
use permit_operator::domain::template::{Level, Template, Unreadable};
use scene::*;
use serde_json::{Value, json};

#[track_caller]
fn admits(world: &GateWorld) {
    let decision = gate(world);
    assert!(
        decision.judged.admits,
        "{:?} {:#?}",
        decision.judged, decision.trace
    );
    assert!(decision.message.is_empty());
}

#[track_caller]
fn denies(world: &GateWorld, code: Code, told: &str) {
    let decision = gate(world);
    assert_eq!(
        decision.judged.code, code,
        "{:?} {:#?}",
        decision.judged, decision.trace
    );
    assert!(!decision.judged.admits);
    assert!(
        decision.judged.why.contains(told),
        "{}",
        decision.judged.why
    );
    assert!(
        decision.message.starts_with(code.as_str()),
        "{}",
        decision.message
    );
}

fn with(mut world: GateWorld, edit: impl FnOnce(&mut GateWorld)) -> GateWorld {
    edit(&mut world);
    world
}

/// An issued permit's requester writes this over the workload.
fn writes(object: Value) -> GateWorld {
    with(permit().issued().gate(), |w| w.new = Some(object))
}

/// No permit, but these templates.
fn templates(all: Vec<Template>) -> GateWorld {
    with(permit().gate(), |w| {
        w.candidates.clear();
        w.templates = all;
    })
}

/// A template of a level for these operations.
fn for_operations(name: &str, level: i32, operations: &[Operation]) -> Template {
    let mut template = template(name, level);
    template.applies_to.operations = operations.to_vec();
    template
}

const DEMAND: &str = "/metadata/annotations/deprecated.deployment.rollback.to";
const RESTARTED: &str = "/spec/template/metadata/labels/restarted";

// --- enrolment, change, baseline

#[test]
fn a_namespace_that_is_off_is_not_asked_about() {
    admits(&with(permit().gate(), |w| w.mode = GateMode::Off));
}

#[test]
fn the_mode_does_not_change_the_verdict() {
    for mode in [GateMode::Enforce, GateMode::Warn, GateMode::Audit] {
        denies(
            &with(permit().gate(), |w| w.mode = mode),
            Code::PermitPending,
            "needs 1 of tech-lead",
        );
        admits(&with(permit().issued().gate(), |w| w.mode = mode));
    }
}

#[test]
fn what_runs_nothing_else_is_no_change() {
    admits(&with(templates(vec![]), |w| w.new.clone_from(&w.old)));
    admits(&with(templates(vec![]), |w| {
        w.new = Some(set(old(), "/metadata/labels/team", "a"));
    }));
}

#[test]
fn the_baseline_is_always_admitted_and_nothing_near_it() {
    let back = with(templates(vec![]), |w| {
        (w.old, w.new) = (Some(new()), Some(old()));
    });
    admits(&back);
    admits(&with(back.clone(), |w| w.old = None));
    denies(
        &with(back.clone(), |w| w.new = Some(set(old(), RESTARTED, "1"))),
        Code::PermitRequired,
        "",
    );
    denies(&with(back, |w| w.facts = None), Code::PermitRequired, "");
}

#[test]
fn the_baseline_with_other_replicas_is_a_scale() {
    let world = with(templates(vec![]), |w| {
        w.new = Some(set(old(), "/spec/replicas", 5));
    });
    denies(&world, Code::PermitRequired, "");
}

#[test]
fn t53_the_baseline_with_a_rollback_demand_is_none() {
    let world = with(templates(vec![]), |w| w.new = Some(set(old(), DEMAND, "1")));
    denies(&world, Code::PermitRequired, "");
}

#[test]
fn t54_an_owner_that_may_be_dead_needs_a_permit_that_says_delete() {
    let owned = set(
        old(),
        "/metadata/ownerReferences",
        json!([{"uid": "dead", "kind": "ConfigMap", "name": "x", "apiVersion": "v1"}]),
    );
    denies(&writes(owned.clone()), Code::PermitScope, "(Delete)");
    let deletes = permit()
        .wants(&json!({"operations": ["Delete"]}))
        .issued()
        .gate();
    admits(&with(deletes, |w| w.new = Some(owned)));
}

#[test]
fn a_request_without_objects_is_denied() {
    denies(
        &with(permit().issued().gate(), |w| (w.old, w.new) = (None, None)),
        Code::PermitScope,
        "no object",
    );
}

#[test]
fn t06_a_delete_is_judged_like_an_update() {
    denies(
        &with(permit().issued().gate(), |w| w.new = None),
        Code::PermitScope,
        "Delete",
    );
    denies(
        &with(templates(vec![automatic("all", &[])]), |w| w.new = None),
        Code::PermitRequired,
        "",
    );
    let deletes = permit()
        .wants(&json!({"operations": ["Delete"]}))
        .issued()
        .gate();
    admits(&with(deletes, |w| w.new = None));
}

// --- exemption

/// The operator writes this over the permitted change.
fn operator_writes(object: Value) -> GateWorld {
    with(permit().executing().gate(), |w| {
        w.username = OPERATOR.into();
        (w.old, w.new) = (Some(new()), Some(object));
        w.facts.as_mut().unwrap().baselines.clear();
    })
}

#[test]
fn the_operator_restores_the_recorded_template() {
    let restored = set(
        set(old(), "/metadata/generation", 2),
        "/metadata/managedFields",
        json!([{}]),
    );
    admits(&operator_writes(restored));
}

#[test]
fn t49_the_operator_restores_no_other_template() {
    denies(
        &operator_writes(deployment("shop/checkout:0")),
        Code::PermitSubject,
        "",
    );
}

#[test]
fn t49_the_operator_restores_nothing_into_another_object() {
    let mut world = operator_writes(set(old(), "/metadata/uid", "u2"));
    world.old = Some(set(new(), "/metadata/uid", "u2"));
    denies(&world, Code::PermitSubject, "");
}

#[test]
fn t49_what_the_operator_restores_carries_nothing_else() {
    let owner = json!([{"uid": "dead", "kind": "ConfigMap", "name": "x", "apiVersion": "v1"}]);
    for (place, value) in [
        (DEMAND, json!("1")),
        ("/metadata/ownerReferences", owner),
        ("/metadata/labels/app", json!("other")),
        ("/metadata/finalizers", json!(["a/b"])),
        ("/spec/replicas", json!(9)),
        ("/data", json!({})),
    ] {
        denies(
            &operator_writes(set(old(), place, value)),
            Code::PermitSubject,
            "",
        );
    }
}

#[test]
fn the_operator_pauses_what_is_on_record_and_changes_nothing_else() {
    let paused = set(new(), "/spec/paused", true);
    admits(&operator_writes(paused.clone()));
    for (place, value) in [
        (DEMAND, json!("1")),
        ("/spec/replicas", json!(0)),
        (RESTARTED, json!("1")),
    ] {
        denies(
            &operator_writes(set(paused.clone(), place, value)),
            Code::PermitSubject,
            "",
        );
    }
    denies(
        &with(operator_writes(paused), |w| w.facts = None),
        Code::PermitPending,
        "",
    );
}

#[test]
fn the_operator_does_not_leave_pause_by_itself() {
    let world = with(operator_writes(new()), |w| {
        w.old = Some(set(new(), "/spec/paused", true));
    });
    denies(&world, Code::PermitSubject, "");
}

#[test]
fn t27_whoever_impersonates_the_operator_is_not_exempt() {
    denies(
        &with(operator_writes(old()), |w| w.has_credential = false),
        Code::PermitSubject,
        "",
    );
    denies(
        &with(operator_writes(old()), |w| {
            w.username = "system:serviceaccount:permit-system:evil".into();
        }),
        Code::PermitSubject,
        "",
    );
    denies(
        &with(operator_writes(old()), |w| {
            (w.username, w.operator) = (String::new(), String::new());
        }),
        Code::PermitSubject,
        "",
    );
}

#[test]
fn t49_a_permit_at_rest_leaves_the_operator_nothing_to_restore() {
    let settled = with(operator_writes(old()), |w| {
        w.facts.as_mut().unwrap().armed.clear();
    });
    denies(&settled, Code::PermitPending, "");
}

// --- templates

#[test]
fn an_automatic_template_grants_what_it_names() {
    admits(&templates(vec![automatic("all", &[])]));
    admits(&templates(vec![automatic("deploys", &[Operation::Deploy])]));
    denies(
        &templates(vec![automatic("scales", &[Operation::Scale])]),
        Code::PermitRequired,
        "",
    );
    denies(&templates(vec![]), Code::PermitRequired, "");
}

/// One that cannot be read, of this level, for these operations.
fn unreadable(level: i32, operations: &[Operation]) -> Unreadable {
    let mut spec = json!({"level": level, "approval": {"rules": [{"roles": ["sre"]}]},
        "execution": {"recurring": [{"cron": "never ever", "duration": "1h"}]}});
    spec["appliesTo"] = json!({"operations": operations});
    let spec = serde_json::from_value(spec).unwrap();
    *parse::governing("broken", "", &spec).unwrap_err()
}

#[test]
fn a_template_that_cannot_be_read_stops_what_a_lower_one_would_grant_automatically() {
    let broken = |level, operations: &[Operation]| {
        let world = templates(vec![automatic("all", &[])]);
        with(world, |w| {
            w.unreadable = vec![unreadable(level, operations)];
        })
    };
    for level in [0, 2] {
        let world = broken(level, &[]);
        let told = "template broken cannot be read: spec.execution.recurring[0]";
        denies(&world, Code::GateUnavailable, told);
        let message = gate(&world).message;
        assert!(message.contains(told), "{message}");
        assert!(
            message.contains("kubectl permit template lint"),
            "{message}"
        );
    }
    // It has no say in other operations, nor in an emergency.
    admits(&broken(2, &[Operation::Scale]));
    let mut emergency = broken(2, &[]);
    emergency.unreadable[0].level = Level::Emergency;
    admits(&emergency);
    // Where a permit is needed anyway, that is said.
    let needed = with(templates(vec![template("high", 2)]), |w| {
        w.unreadable = vec![unreadable(2, &[])];
    });
    denies(&needed, Code::PermitRequired, "");
}

#[test]
fn a_template_that_cannot_be_read_is_not_undercut_by_a_permit_below_it() {
    let permitted = |level| {
        with(permit().issued().gate(), |w| {
            w.unreadable = vec![unreadable(level, &[])];
        })
    };
    denies(&permitted(4), Code::PermitScope, "`broken` (level 4)");
    admits(&permitted(1));
}

#[test]
fn an_automatic_template_of_another_place_grants_nothing() {
    let mut staging = automatic("all", &[]);
    staging.applies_to.environments = vec!["staging".into()];
    denies(&templates(vec![staging.clone()]), Code::PermitRequired, "");
    admits(&with(templates(vec![staging]), |w| {
        w.environment = "staging".into();
    }));
}

#[test]
fn the_highest_level_governs_and_of_equals_the_first_by_name() {
    denies(
        &templates(vec![automatic("all", &[]), template("high", 2)]),
        Code::PermitRequired,
        "",
    );
    denies(
        &templates(vec![automatic("b", &[]), template("a", 0)]),
        Code::PermitRequired,
        "",
    );
    admits(&templates(vec![automatic("a", &[]), template("b", 0)]));
}

#[test]
fn a_change_does_not_get_below_a_template_by_doing_one_thing_more() {
    let both = vec![
        automatic("all", &[]),
        for_operations("deploys", 2, &[Operation::Deploy]),
    ];
    denies(&templates(both.clone()), Code::PermitRequired, "");
    let more = with(templates(both), |w| {
        w.new = Some(set(new(), "/spec/replicas", 3));
    });
    denies(&more, Code::PermitRequired, "");
}

#[test]
fn an_emergency_template_neither_grants_nor_takes_part_in_the_comparison() {
    let mut emergency = template("hotfix", 0);
    emergency.level = Level::Emergency;
    admits(&templates(vec![automatic("all", &[]), emergency.clone()]));
    emergency.grant = automatic("x", &[]).grant;
    denies(&templates(vec![emergency]), Code::PermitRequired, "");
}

#[test]
fn a_permit_under_a_lower_template_than_governs_is_outside() {
    let world = with(permit().level(1).issued().gate(), |w| {
        w.templates.push(template("high", 2));
    });
    denies(
        &world,
        Code::PermitScope,
        "template `high` (level 2) governs Deploy here, the permit is under `standard` (level 1)",
    );
}

#[test]
fn a_permit_under_a_template_of_the_same_or_a_higher_level_is_fine() {
    for level in [0, 1, 2] {
        admits(&with(permit().issued().gate(), |w| {
            w.templates.push(template("other", level));
        }));
    }
}

#[test]
fn a_higher_template_of_another_place_or_operation_does_not_govern() {
    let mut elsewhere = template("elsewhere", 2);
    elsewhere.applies_to.namespaces = vec!["bank".into()];
    let scales = for_operations("scales", 2, &[Operation::Scale]);
    admits(&with(permit().level(1).issued().gate(), |w| {
        w.templates.extend([elsewhere, scales]);
    }));
}

#[test]
fn a_permit_whose_own_template_is_for_other_operations_is_outside() {
    let configures = permit().under(|t| t.applies_to.operations = vec![Operation::Configure]);
    denies(
        &configures.issued().gate(),
        Code::PermitScope,
        "does not apply to Deploy",
    );
}

#[test]
fn what_is_automatic_by_itself_is_so_beside_a_permitted_change() {
    let deploys = permit().under(|t| t.applies_to.operations = vec![Operation::Deploy]);
    let deploys =
        deploys.wants(&json!({"images": {"app": "shop/checkout:2"}, "operations": ["Scale"]}));
    let world = with(deploys.issued().gate(), |w| {
        w.new = Some(set(new(), "/spec/replicas", 3));
    });
    denies(&world, Code::PermitScope, "does not apply to Scale");
    admits(&with(world, |w| {
        w.templates.push(automatic("scales", &[Operation::Scale]));
    }));
}

#[test]
fn an_emergency_is_blocked_by_no_level() {
    for level in [2, 3, 4] {
        admits(&with(permit().emergency().issued().gate(), |w| {
            w.templates.push(template("high", level));
        }));
    }
    let elsewhere = permit()
        .emergency()
        .under(|t| t.applies_to.operations = vec![Operation::Configure]);
    denies(
        &elsewhere.issued().gate(),
        Code::PermitScope,
        "does not apply to Deploy",
    );
}

// --- scale

/// Somebody scales the workload, whose spec is this one, by the subresource.
fn scales(from: u32, to: u32, parent: Value) -> GateWorld {
    with(
        templates(vec![automatic("scales", &[Operation::Scale])]),
        |w| {
            w.is_scale = true;
            (w.old, w.new, w.parent) = (Some(scale(from)), Some(scale(to)), Some(parent));
        },
    )
}

/// The same through the workload itself.
fn resizes(from: u32, to: u32, spec: Value) -> GateWorld {
    with(
        templates(vec![automatic("scales", &[Operation::Scale])]),
        |w| {
            w.old = Some(set(spec.clone(), "/spec/replicas", from));
            w.new = Some(set(spec, "/spec/replicas", to));
        },
    )
}

#[test]
fn t01_a_scale_is_automatic_where_a_template_says_so() {
    admits(&scales(2, 5, new()));
    admits(&resizes(2, 5, new()));
    denies(
        &with(scales(2, 5, new()), |w| w.templates.clear()),
        Code::PermitRequired,
        "",
    );
}

#[test]
fn t01_the_last_replica_in_production_needs_a_permit() {
    denies(&scales(2, 0, old()), Code::PermitRequired, "");
    denies(&resizes(2, 0, old()), Code::PermitRequired, "");
    admits(&with(scales(2, 0, old()), |w| {
        w.environment = "staging".into();
    }));
    admits(&with(resizes(2, 0, old()), |w| {
        w.environment = "staging".into();
    }));
}

#[test]
fn t01_the_baseline_is_woken_automatically() {
    admits(&scales(0, 2, old()));
    admits(&resizes(0, 2, old()));
    let absent = set(old(), "/spec/replicas", Value::Null);
    admits(&with(resizes(0, 2, old()), |w| w.new = Some(absent)));
}

#[test]
fn t01_what_is_no_baseline_is_not_woken_by_a_template_for_scaling_either_way() {
    denies(&scales(0, 2, new()), Code::PermitRequired, "");
    denies(&resizes(0, 2, new()), Code::PermitRequired, "");
    denies(
        &with(scales(0, 2, old()), |w| w.parent = None),
        Code::PermitRequired,
        "",
    );
    let absent = set(new(), "/spec/replicas", Value::Null);
    denies(
        &with(resizes(0, 2, new()), |w| w.new = Some(absent)),
        Code::PermitRequired,
        "",
    );
}

#[test]
fn t01_who_may_deploy_without_a_person_may_wake_too() {
    admits(&with(scales(0, 2, new()), |w| {
        w.templates.push(automatic("deploys", &[Operation::Deploy]));
    }));
}

#[test]
fn t01_a_permit_to_scale_wakes_the_baseline_and_nothing_else() {
    let scales_by_permit = |parent: Value, prior_of: &Value| {
        let recorded = prior(prior_of);
        with(
            permit()
                .wants(&json!({"operations": ["Scale"]}))
                .issued()
                .gate(),
            |w| {
                w.is_scale = true;
                (w.old, w.new, w.parent) = (Some(scale(0)), Some(scale(2)), Some(parent));
                let armed = w.facts.as_mut().unwrap().armed.get_mut("p1").unwrap();
                armed.targets.insert(KEY.into(), recorded);
            },
        )
    };
    admits(&scales_by_permit(old(), &old()));
    denies(
        &scales_by_permit(new(), &new()),
        Code::PermitScope,
        "nobody validated",
    );
    denies(
        &scales_by_permit(new(), &old()),
        Code::PermitScope,
        "nobody validated",
    );
}

#[test]
fn t01_a_permit_wakes_what_it_permits_from_the_baseline() {
    let wants = json!({"images": {"app": "shop/checkout:2"}, "operations": ["Scale"]});
    let zero = |o: Value| set(o, "/spec/replicas", 0);
    let world = with(permit().wants(&wants).issued().gate(), |w| {
        w.old = Some(zero(old()));
    });
    admits(&world);
    let sleeping = set(
        zero(old()),
        "/spec/template/spec/containers/1/image",
        "evil:1",
    );
    let woken = set(new(), "/spec/template/spec/containers/1/image", "evil:1");
    denies(
        &with(world, |w| {
            let armed = w.facts.as_mut().unwrap().armed.get_mut("p1").unwrap();
            armed.targets.insert(KEY.into(), prior(&sleeping));
            (w.old, w.new) = (Some(sleeping), Some(woken));
        }),
        Code::PermitScope,
        "nobody validated",
    );
}

#[test]
fn t01_a_scale_needs_a_target_that_says_so() {
    let world = with(permit().issued().gate(), |w| {
        w.is_scale = true;
        (w.old, w.new, w.parent) = (Some(scale(2)), Some(scale(3)), Some(old()));
    });
    denies(&world, Code::PermitScope, "Scale");
}

#[test]
fn t08_leaving_pause_with_what_is_no_baseline_is_a_deploy() {
    let resumes = |spec: Value, operations: &[Operation]| {
        with(templates(vec![automatic("some", operations)]), |w| {
            w.old = Some(set(spec.clone(), "/spec/paused", true));
            w.new = Some(spec);
        })
    };
    denies(
        &resumes(new(), &[Operation::Resume]),
        Code::PermitRequired,
        "",
    );
    admits(&resumes(new(), &[Operation::Resume, Operation::Deploy]));
    admits(&resumes(old(), &[]));
}

#[test]
fn t08_a_permit_to_resume_does_not_start_what_nobody_validated() {
    let paused = set(new(), "/spec/paused", true);
    let recorded = prior(&paused);
    let world = with(
        permit()
            .wants(&json!({"operations": ["Resume"]}))
            .issued()
            .gate(),
        |w| {
            let armed = w.facts.as_mut().unwrap().armed.get_mut("p1").unwrap();
            armed.targets.insert(KEY.into(), recorded);
            (w.old, w.new) = (Some(paused), Some(new()));
        },
    );
    denies(&world, Code::PermitScope, "nobody validated");
}

#[test]
fn t08_a_template_is_gated_while_it_is_paused() {
    denies(
        &writes(set(set(new(), "/spec/paused", true), RESTARTED, "1")),
        Code::PermitScope,
        "(Configure)",
    );
}

// --- permits

#[test]
fn an_issued_permit_admits_its_change_and_says_until_when() {
    let decision = gate(&permit().issued().gate());
    assert!(decision.judged.admits);
    assert_eq!(decision.judged.permit_uid.as_deref(), Some("p1"));
    assert_eq!(
        decision.judged.obligation.as_deref(),
        Some("may start until 2027-01-15T10:00:00Z; the guard watches for 300s")
    );
}

#[test]
fn without_a_permit_the_change_is_denied_with_the_command_that_asks_for_one() {
    let decision = gate(&templates(vec![]));
    assert_eq!(decision.judged.code, Code::PermitRequired);
    assert!(
        decision
            .message
            .contains("kubectl permit request deploy/checkout --image app=shop/checkout:2 -n shop")
    );
}

#[test]
fn a_permit_without_its_template_on_record_waits() {
    denies(
        &with(permit().issued().gate(), |w| {
            w.candidates[0].template = None;
        }),
        Code::PermitPending,
        "template",
    );
}

#[test]
fn a_permit_waits_for_its_quorum() {
    denies(
        &permit().armed().recorded(Phase::Issued).gate(),
        Code::PermitPending,
        "needs 1 of tech-lead",
    );
    denies(
        &permit().needs(&["security-lead"], 1).issued().gate(),
        Code::PermitPending,
        "1 of security-lead",
    );
}

#[test]
fn t35_the_requesters_own_approval_does_not_count() {
    denies(
        &permit().requested_by("bob").issued().gate(),
        Code::PermitPending,
        "needs 1 of tech-lead",
    );
}

#[test]
fn a_requester_who_may_break_the_glass_approves_an_emergency_alone() {
    let own = |scene: Scene| {
        scene
            .voted("ana", |b| b.rights.break_glass = Some(true))
            .armed()
            .recorded(Phase::Issued)
    };
    admits(&own(permit().emergency()).gate());
    denies(&own(permit()).gate(), Code::PermitPending, "");
}

#[test]
fn an_approval_without_the_right_does_not_count_and_neither_does_doubt() {
    for role in [Some(false), None] {
        let scene = permit()
            .voted("bob", |b| b.rights.role = role)
            .armed()
            .recorded(Phase::Issued);
        denies(&scene.gate(), Code::PermitPending, "needs");
    }
    for wildcard in [Some(true), None] {
        let scene = permit()
            .voted("bob", |b| b.rights.wildcard = wildcard)
            .armed()
            .recorded(Phase::Issued);
        denies(&scene.gate(), Code::PermitPending, "needs");
    }
}

#[test]
fn a_service_account_never_approves() {
    let scene = permit()
        .approved_by("system:serviceaccount:shop:bot")
        .armed()
        .recorded(Phase::Issued);
    denies(&scene.gate(), Code::PermitPending, "needs");
}

#[test]
fn a_withdrawn_approval_does_not_count() {
    denies(
        &permit().issued().said("bob", Decision::Withdraw).gate(),
        Code::PermitPending,
        "needs",
    );
}

#[test]
fn t38_an_approval_of_another_digest_does_not_count() {
    let edited =
        |w: &mut permit_operator::domain::world::World| w.request.spec.purpose = "more".into();
    let world = permit().issued().world();
    let mut later = world.clone();
    edited(&mut later);
    denies(&gate_of(&later), Code::PermitPending, "needs");
    admits(&gate_of(&world));
}

#[test]
fn a_permit_edited_after_its_issuance_is_not_the_one_that_was_issued() {
    let scene = permit()
        .automatic()
        .issued()
        .with(|w| w.armed.as_mut().unwrap().digest = "sha256:other".into());
    let world = with(scene.gate(), |w| w.templates = vec![template("high", 0)]);
    denies(&world, Code::PermitPending, "not the one that was issued");
}

#[test]
fn t30_a_status_that_says_issued_gives_nothing() {
    denies(
        &permit().approved_by("bob").recorded(Phase::Issued).gate(),
        Code::PermitPending,
        "waits for issuance",
    );
    let unissued = permit().approved_by("bob").armed().recorded(Phase::Issued);
    denies(
        &unissued
            .with(|w| w.armed.as_mut().unwrap().issued_time = None)
            .gate(),
        Code::PermitPending,
        "waits for issuance",
    );
}

#[test]
fn an_issuance_that_is_not_reported_gives_nothing_yet() {
    for phase in [
        Phase::Requested,
        Phase::InReview,
        Phase::ChangesRequested,
        Phase::Approved,
    ] {
        denies(
            &permit().issued().recorded(phase).gate(),
            Code::PermitPending,
            "not yet reported",
        );
    }
    for phase in [Phase::Issued, Phase::Executing, Phase::Validating] {
        admits(&permit().issued().recorded(phase).gate());
    }
}

#[test]
fn a_status_at_rest_denies_whatever_else_is_true() {
    for phase in Phase::ALL.iter().filter(|p| p.is_terminal()) {
        let code = match phase {
            Phase::Closed | Phase::Expired => Code::PermitExpired,
            _ => Code::PermitRevoked,
        };
        denies(
            &permit().issued().recorded(*phase).gate(),
            code,
            "its status says",
        );
    }
}

#[test]
fn t30_a_revoked_permit_written_back_to_issued_stays_revoked() {
    let scene = permit()
        .issued()
        .revoked_by("carol", RevocationReason::Incident);
    denies(&scene.gate(), Code::PermitRevoked, "Incident by carol");
    denies(
        &permit()
            .issued()
            .spent(Phase::Revoked, Outcome::RolledBack)
            .gate(),
        Code::PermitRevoked,
        "spent",
    );
}

#[test]
fn a_denial_under_a_spent_permit_says_why_and_when_it_ended() {
    let scene = permit()
        .issued()
        .spent(Phase::Revoked, Outcome::RolledBack)
        .with(|w| {
            let spent = w.spent.as_mut().unwrap();
            spent.reason = "SafetyViolation".into();
            spent.time = Some(Time(start()));
            spent.message = "errors: 0.2 is over 0.05; the former template is back".into();
        });
    denies(
        &scene.gate(),
        Code::PermitRevoked,
        "it is spent: Revoked (SafetyViolation) at 2027-01-15T08:00:00Z: errors: 0.2 is over 0.05",
    );
}

#[test]
fn t30_an_expired_permit_written_back_to_issued_stays_expired() {
    denies(
        &permit().issued().after(2 * HOUR).gate(),
        Code::PermitExpired,
        "closed",
    );
    denies(
        &permit()
            .issued()
            .spent(Phase::Expired, Outcome::Unused)
            .gate(),
        Code::PermitExpired,
        "spent",
    );
}

#[test]
fn a_rejection_or_the_requesters_cancel_ends_it() {
    denies(
        &permit().issued().said("carol", Decision::Reject).gate(),
        Code::PermitRevoked,
        "rejected by carol",
    );
    denies(
        &permit().issued().said("ana", Decision::Cancel).gate(),
        Code::PermitRevoked,
        "cancelled by ana",
    );
    admits(&permit().issued().said("carol", Decision::Cancel).gate());
}

#[test]
fn a_rejection_of_an_earlier_digest_does_not_end_it() {
    admits(
        &permit()
            .issued()
            .voted("carol", |b| {
                (b.decision, b.digest) = (Decision::Reject, Some("sha256:old".into()));
            })
            .gate(),
    );
}

#[test]
fn a_template_that_demands_signatures_is_never_enough() {
    denies(
        &permit()
            .under(|t| t.demands_signature = true)
            .issued()
            .gate(),
        Code::PermitRevoked,
        "signed approvals",
    );
}

#[test]
fn a_permit_for_another_place_is_never_enough() {
    let elsewhere = permit().under(|t| t.applies_to.namespaces = vec!["bank".into()]);
    denies(
        &elsewhere.issued().gate(),
        Code::PermitRevoked,
        "does not govern namespace `shop`",
    );
    let staging = permit().with(|w| w.request.spec.environment = Some("staging".into()));
    denies(
        &staging.issued().gate(),
        Code::PermitRevoked,
        "says environment `staging`",
    );
}

#[test]
fn a_service_accounts_permit_is_never_enough() {
    let bot = "system:serviceaccount:flux:bot";
    denies(
        &permit().requested_by(bot).issued().gate(),
        Code::PermitRevoked,
        "no person signed",
    );
}

#[test]
fn an_emergency_without_its_incident_is_never_enough() {
    denies(
        &permit()
            .emergency()
            .with(|w| w.request.spec.incident = None)
            .issued()
            .gate(),
        Code::PermitRevoked,
        "incident",
    );
}

#[test]
fn the_requester_must_be_allowed_to_use_the_template_now() {
    denies(
        &permit().with(|w| w.may_use = Some(false)).issued().gate(),
        Code::PermitRevoked,
        "lacks the verb `use`",
    );
    denies(
        &permit().with(|w| w.may_use = None).issued().gate(),
        Code::PermitPending,
        "could not be asked",
    );
}

#[test]
fn the_window_opens_and_closes_to_the_second() {
    let at = |seconds: i64| Timestamp::from_second(start().as_second() + seconds).unwrap();
    let scene = permit().with(|w| {
        (w.request.earliest_start, w.request.latest_start) = (Some(at(60)), Some(at(120)));
    });
    let now = |seconds| with(scene.clone().issued().gate(), |w| w.now = at(seconds));
    denies(&now(59), Code::PermitWindow, "opens 2027-01-15T08:01:00Z");
    admits(&now(60));
    admits(&now(119));
    denies(
        &now(120),
        Code::PermitExpired,
        "closed 2027-01-15T08:02:00Z",
    );
}

#[test]
fn only_the_executors_make_the_change() {
    denies(
        &with(permit().issued().gate(), |w| w.username = "eve".into()),
        Code::PermitSubject,
        "not one of its executors",
    );
    let flux = permit().with(|w| w.request.spec.executors = vec!["flux".into()]);
    denies(&flux.clone().issued().gate(), Code::PermitSubject, "");
    admits(&with(flux.issued().gate(), |w| w.username = "flux".into()));
    denies(
        &with(permit().requested_by("").issued().gate(), |w| {
            w.username = String::new();
        }),
        Code::PermitSubject,
        "",
    );
}

#[test]
fn nothing_beyond_the_permit_is_covered() {
    denies(&writes(deployment("evil:1")), Code::PermitScope, "`evil:1`");
    denies(
        &writes(set(
            new(),
            "/spec/template/spec/containers/0/env/0/value",
            "x",
        )),
        Code::PermitScope,
        "(Configure)",
    );
    denies(
        &writes(set(new(), DEMAND, "1")),
        Code::PermitScope,
        "(Rollback)",
    );
    let hook = json!({"postStart": {"exec": {"command": ["sh"]}}});
    denies(
        &writes(set(
            new(),
            "/spec/template/spec/containers/0/lifecycle",
            hook,
        )),
        Code::PermitScope,
        "(Deploy)",
    );
    let elsewhere = with(permit().issued().gate(), |w| w.name = "cart".into());
    denies(&elsewhere, Code::PermitScope, "does not name this workload");
}

#[test]
fn a_change_starts_from_the_state_on_record() {
    let strange = set(old(), RESTARTED, "1");
    denies(
        &with(writes(set(new(), RESTARTED, "1")), |w| {
            w.old = Some(strange);
        }),
        Code::PermitPending,
        "being recorded",
    );
    let anew = |o: Value| set(o, "/metadata/uid", "u2");
    denies(
        &with(writes(anew(new())), |w| w.old = Some(anew(old()))),
        Code::PermitPending,
        "being recorded",
    );
    denies(
        &with(permit().issued().gate(), |w| w.old = None),
        Code::PermitScope,
        "container `proxy`",
    );
    let unarmed = permit()
        .issued()
        .with(|w| w.armed.as_mut().unwrap().targets.clear());
    denies(&unarmed.gate(), Code::PermitPending, "being recorded");
}

#[test]
fn the_same_outcome_again_is_admitted() {
    let world = with(
        permit()
            .wants(&json!({"images": {"app": "shop/checkout:2"}, "operations": ["Scale"]}))
            .issued()
            .gate(),
        |w| {
            (w.old, w.new) = (Some(new()), Some(set(new(), "/spec/replicas", 3)));
        },
    );
    admits(&world);
}

#[test]
fn a_first_create_is_covered_by_a_permit_that_names_every_image() {
    let wants = json!({"images": {"app": "shop/checkout:2", "proxy": "shop/proxy:2"}});
    let scene = permit().wants(&wants).issued().with(|w| {
        w.armed
            .as_mut()
            .unwrap()
            .targets
            .insert(KEY.into(), permit_operator::api::facts::Prior::default());
    });
    admits(&with(scene.gate(), |w| w.old = None));
    let recorded = permit().wants(&wants).issued();
    denies(
        &with(recorded.gate(), |w| w.old = None),
        Code::PermitPending,
        "being recorded",
    );
}

#[test]
fn another_running_permit_keeps_the_target() {
    denies(
        &with(permit().issued().gate(), |w| {
            w.candidates[0].busy_with = Some("other".into());
        }),
        Code::TargetBusy,
        "permit other runs on it",
    );
    denies(
        &with(permit().issued().gate(), |w| {
            w.candidates[0].busy_with = Some(String::new());
        }),
        Code::TargetBusy,
        "another permitted change",
    );
}

#[test]
fn a_held_permit_takes_no_further_change() {
    denies(
        &with(permit().issued().gate(), |w| w.candidates[0].held = true),
        Code::TargetBusy,
        "the guard holds it",
    );
}

#[test]
fn t44_permits_never_combine() {
    let (half, whole) = (
        json!({"images": {"app": "shop/checkout:2"}}),
        json!({"images": {"app": "shop/checkout:2", "proxy": "shop/proxy:3"}}),
    );
    let other = json!({"images": {"proxy": "shop/proxy:3"}});
    let both = set(
        new(),
        "/spec/template/spec/containers/1/image",
        "shop/proxy:3",
    );
    let world_of = |wants: &[&Value]| {
        let mut all = permit().wants(wants[0]).issued().gate();
        for (i, wants) in wants.iter().enumerate().skip(1) {
            let scene = permit()
                .wants(wants)
                .with(|w| w.request.uid = format!("p{}", i + 1));
            let more = scene.issued().gate();
            all.facts
                .as_mut()
                .unwrap()
                .armed
                .extend(more.facts.unwrap().armed);
            all.candidates.extend(more.candidates);
        }
        with(all, |w| w.new = Some(both.clone()))
    };
    denies(&world_of(&[&half, &other]), Code::PermitScope, "");
    admits(&world_of(&[&half, &other, &whole]));
}

#[test]
fn a_permit_that_ended_and_was_for_something_else_is_not_told_of() {
    let other = permit()
        .wants(&json!({"images": {"app": "shop/checkout:9"}}))
        .issued();
    denies(
        &other
            .clone()
            .spent(Phase::Closed, Outcome::Succeeded)
            .gate(),
        Code::PermitRequired,
        "no permit covers it",
    );
    denies(
        &permit()
            .issued()
            .spent(Phase::Closed, Outcome::Succeeded)
            .gate(),
        Code::PermitExpired,
        "spent",
    );
}

#[test]
fn nothing_of_a_permit_is_told_to_whoever_may_not_see_it() {
    let decision = gate(&with(permit().gate(), |w| w.candidates[0].may_see = false));
    assert!(
        !decision.message.contains("checkout-1") && !decision.message.contains("tech-lead"),
        "{}",
        decision.message
    );
    assert_eq!(decision.judged.permit.as_deref(), Some(""));
}

#[test]
fn the_armed_facts_of_one_permit_serve_no_other() {
    let world = with(permit().issued().gate(), |w| {
        let facts = w.facts.as_mut().unwrap();
        let armed: Armed = facts.armed.remove("p1").unwrap();
        facts.armed.insert("p2".into(), armed);
    });
    denies(&world, Code::PermitPending, "waits for issuance");
}

// --- words

#[track_caller]
fn advises(world: &GateWorld, lines: &[&str]) {
    let message = gate(world).message;
    for line in lines {
        let is_said = message.lines().any(|said| said == *line);
        assert!(is_said, "no `{line}` in:\n{message}");
    }
}

#[test]
fn a_permit_that_waits_for_people_tells_the_whole_command_that_approves_it() {
    advises(
        &permit()
            .needs(&["security-lead", "sre"], 1)
            .approved_by("bob")
            .armed()
            .recorded(Phase::Issued)
            .gate(),
        &[
            "  change    image app 1 -> 2",
            "  template  standard (level 2: 1 of tech-lead; and 1 of security-lead or sre, never the requester)",
            "  next      kubectl permit approve checkout-1 -n shop --role security-lead --reason TEXT",
            "  status    kubectl permit get checkout-1 -n shop",
        ],
    );
    // Nobody has anything to approve where only the operator has something to do.
    let waits = permit().approved_by("bob").recorded(Phase::Approved);
    advises(&waits.gate(), &["  next      wait, then apply again"]);
}

#[test]
fn a_denial_without_a_permit_names_the_template_that_governs() {
    let all = vec![template("low", 1), template("high", 2)];
    advises(
        &templates(all),
        &[
            "  template  high (level 2: 1 of tech-lead, never the requester)",
            "  next      kubectl permit request deploy/checkout --image app=shop/checkout:2 -n shop --template high --purpose TEXT",
        ],
    );
}

#[test]
fn a_permit_that_can_never_be_granted_is_requested_anew_and_not_approved() {
    let refused = permit().under(|t| t.demands_signature = true).issued();
    let message = gate(&refused.gate()).message;
    assert!(
        message.contains("  next      kubectl permit request deploy/checkout"),
        "{message}"
    );
}

#[test]
fn somebody_else_is_told_who_may_make_the_change() {
    let by = |executors: &[&str]| {
        let named = executors.iter().map(ToString::to_string).collect();
        let scene = permit().with(|w| w.request.spec.executors = named);
        with(scene.issued().gate(), |w| w.username = "mallory".into())
    };
    advises(&by(&[]), &["  next      let an executor do it: ana"]);
    advises(
        &by(&["flux", "argo"]),
        &["  next      let an executor do it: flux, argo"],
    );
}

#[test]
fn a_message_is_bounded_and_its_first_line_stands_alone() {
    let long = "x".repeat(5000);
    let decision = gate(&with(permit().gate(), |w| {
        w.candidates[0].request.name = long;
    }));
    assert!(
        decision.message.len() <= 1000 && decision.message.lines().next().unwrap().len() <= 160
    );
    assert_eq!(line("a\nb\u{1b}c"), "a b c");
    assert!(line(&"ä".repeat(300)).len() <= 256);
}

#[test]
fn a_secret_value_is_in_no_message() {
    let decision = gate(&writes(set(
        new(),
        "/spec/template/spec/containers/0/env/0/value",
        "hunter2",
    )));
    assert!(!format!("{decision:?}").contains("hunter2"));
}

#[test]
fn every_code_has_its_own_word_exhaustive() {
    let all = [
        Code::Admitted,
        Code::PermitRequired,
        Code::PermitPending,
        Code::PermitWindow,
        Code::PermitScope,
        Code::PermitSubject,
        Code::PermitRevoked,
        Code::PermitExpired,
        Code::TargetBusy,
        Code::FreezeActive,
        Code::GateUnavailable,
    ];
    for code in all {
        // Whoever adds a code is sent here by the compiler, and adds a sentence above.
        match code {
            Code::Admitted
            | Code::PermitRequired
            | Code::PermitPending
            | Code::PermitWindow
            | Code::PermitScope
            | Code::PermitSubject
            | Code::PermitRevoked
            | Code::PermitExpired
            | Code::TargetBusy
            | Code::FreezeActive
            | Code::GateUnavailable => {}
        }
    }
    assert_eq!(
        all.iter()
            .map(|c| c.as_str())
            .collect::<BTreeSet<_>>()
            .len(),
        all.len()
    );
}
