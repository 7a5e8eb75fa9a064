//! One table, three doors: the rules, the webhook over HTTP, and the plugin's reading of a dry run say the same.
//!
//! Decides what is tried. Does not know the rules: each case says what it expects.

use permit_operator::api::kind::WorkloadKind;
use permit_operator::domain::gate::{Code, GateWorld, gate};
use permit_operator::domain::kind::{Form, GATED, Pods, form};
use permit_operator::domain::verdict_line::{VerdictLine, parse};
use serde_json::{Value, json};

use crate::scene;
use crate::site::{APPROVAL, PERMIT, Site, deployment, rollout};

/// How it stands with the permit that alice asked for.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Permit {
    None,
    Issued,
    Unapproved,
    Revoked,
}

/// One change, and what every door has to say to it.
#[derive(Debug)]
struct Case {
    permit: Permit,
    user: &'static str,
    form: &'static Form,
    sub: &'static str,
    old: Option<Value>,
    new: Option<Value>,
    code: Code,
}

/// An object of the kind, with an image or a number that is its own.
fn object(form: &Form, tag: &str) -> Value {
    let pod =
        json!({"containers": [{"name": "checkout", "image": format!("shop/checkout:{tag}")}]});
    let nest = |inner: Value, key: &&str| json!({ *key: inner });
    let spec = match form.pods {
        Pods::Itself => pod,
        Pods::Nowhere => json!({"maxReplicas": tag.len(), "tag": tag}),
        Pods::Template(path) => {
            let whole = path.iter().rev().fold(json!({"spec": pod}), nest);
            whole["spec"].clone()
        }
    };
    json!({"apiVersion": "v1", "kind": form.word, "spec": spec,
        "metadata": {"name": "checkout", "namespace": "shop", "uid": "d-1"}})
}

fn scale(replicas: u32) -> Value {
    let spec = if replicas == 0 {
        json!({})
    } else {
        json!({"replicas": replicas})
    };
    json!({"apiVersion": "autoscaling/v1", "kind": "Scale", "metadata": {"name": "checkout", "namespace": "shop", "uid": "d-1"}, "spec": spec})
}

/// Every kind and subresource without a permit: made, changed, deleted, scaled, and left as it is.
fn of_every_kind() -> Vec<Case> {
    let mut cases = Vec::new();
    for form in &GATED {
        let (old, new) = (object(form, "1.4.2"), object(form, "9"));
        let mut add = |sub, old, new, code| {
            let (permit, user) = (Permit::None, "alice");
            cases.push(Case {
                permit,
                user,
                form,
                sub,
                old,
                new,
                code,
            });
        };
        add("", None, Some(new.clone()), Code::PermitRequired);
        add(
            "",
            Some(old.clone()),
            Some(new.clone()),
            Code::PermitRequired,
        );
        add("", Some(old.clone()), None, Code::PermitRequired);
        add("", Some(old.clone()), Some(old.clone()), Code::Admitted);
        for sub in form.subresources {
            if *sub == "scale" {
                add(*sub, Some(scale(2)), Some(scale(3)), Code::PermitRequired);
                add(*sub, Some(scale(0)), Some(scale(1)), Code::PermitRequired);
                add(*sub, Some(scale(1)), Some(scale(1)), Code::Admitted);
            } else {
                add(
                    *sub,
                    Some(old.clone()),
                    Some(new.clone()),
                    Code::PermitRequired,
                );
            }
        }
    }
    cases
}

/// The Deployment that a permit is for, in whatever state the permit is.
#[expect(clippy::too_many_lines, reason = "a table of cases")]
fn under_a_permit() -> Vec<Case> {
    let written = |tag: &str, place: &str, value: Value| scene::set(deployment(tag), place, value);
    let owners = json!([{"apiVersion": "v1", "kind": "ConfigMap", "name": "gone", "uid": "dead"}]);
    let annotated = json!({"deprecated.deployment.rollback.to": "1"});
    let changes = [
        (
            Permit::Issued,
            "alice",
            Some(deployment("1.5.0")),
            Code::Admitted,
        ),
        (
            Permit::Issued,
            "alice",
            Some(deployment("1.6.0")),
            Code::PermitScope,
        ),
        (
            Permit::Issued,
            "alice",
            Some(deployment("1.4.2")),
            Code::Admitted,
        ),
        (Permit::Issued, "alice", None, Code::PermitScope),
        (
            Permit::Issued,
            "alice",
            Some(written("1.5.0", "/spec/replicas", json!(3))),
            Code::PermitScope,
        ),
        (
            Permit::Issued,
            "alice",
            Some(written("1.5.0", "/spec/paused", json!(true))),
            Code::PermitScope,
        ),
        (
            Permit::Issued,
            "alice",
            Some(written("1.5.0", "/metadata/ownerReferences", owners)),
            Code::PermitScope,
        ),
        (
            Permit::Issued,
            "alice",
            Some(written("1.4.2", "/metadata/annotations", annotated)),
            Code::PermitScope,
        ),
        (
            Permit::Issued,
            "alice",
            Some(written("1.4.2", "/metadata/labels", json!({"a": "b"}))),
            Code::Admitted,
        ),
        (
            Permit::Issued,
            "bob",
            Some(deployment("1.5.0")),
            Code::PermitSubject,
        ),
        (
            Permit::Unapproved,
            "alice",
            Some(deployment("1.5.0")),
            Code::PermitPending,
        ),
        (
            Permit::Revoked,
            "alice",
            Some(deployment("1.5.0")),
            Code::PermitRevoked,
        ),
    ];
    let form = form("Deployment").unwrap();
    let case = |(permit, user, new, code)| {
        let old = Some(deployment("1.4.2"));
        Case {
            permit,
            user,
            form,
            sub: "",
            old,
            new,
            code,
        }
    };
    let mut cases: Vec<_> = changes.into_iter().map(case).collect();
    let (old, new) = (Some(scale(2)), Some(scale(0)));
    cases.push(Case {
        old,
        new,
        sub: "scale",
        ..case((Permit::Issued, "alice", None, Code::PermitScope))
    });
    cases
}

/// The first door: the rules, in a world that says what the site's cluster says.
fn world(case: &Case) -> GateWorld {
    let mut permit = scene::permit()
        .requested_by("alice")
        .wants(&json!({"images": {"checkout": "shop/checkout:1.5.0"}}))
        .live(deployment("1.4.2"))
        .issued();
    if case.permit == Permit::Unapproved {
        permit = permit.with(|w| w.ballots.clear());
    }
    if case.permit == Permit::Revoked {
        permit = permit.recorded(permit_operator::api::vocabulary::Phase::Revoked);
    }
    let mut world = permit.gate();
    let facts = world.facts.as_mut().unwrap();
    facts.baselines.clear();
    for armed in facts.armed.values_mut() {
        armed.targets = [(scene::KEY.to_owned(), scene::prior(&deployment("1.4.2")))].into();
    }
    if case.permit == Permit::None {
        facts.armed.clear();
        world.candidates.clear();
    }
    world.username = case.user.into();
    world.kind = WorkloadKind::new(case.form.word);
    world.is_scale = case.sub == "scale";
    world.parent = (world.is_scale && case.form.word == "Deployment").then(|| deployment("1.4.2"));
    (world.old, world.new) = (case.old.clone(), case.new.clone());
    world
}

fn review(case: &Case, is_dry_run: bool) -> Value {
    let mut review = rollout(case.user, "1.4.2");
    review["resource"] = json!({"group": case.form.group, "version": case.form.version, "resource": case.form.resource});
    review["subResource"] = case.sub.into();
    review["operation"] = match (&case.old, &case.new) {
        (None, _) => "CREATE",
        (_, None) => "DELETE",
        _ => "UPDATE",
    }
    .into();
    (review["oldObject"], review["object"]) = (case.old.clone().into(), case.new.clone().into());
    review["dryRun"] = is_dry_run.into();
    review
}

async fn site(permit: Permit) -> Site {
    let site = Site::with(|api| match permit {
        Permit::None => api.remove(PERMIT),
        Permit::Revoked => api.change(PERMIT, |p| p["status"]["phase"] = json!("Revoked")),
        Permit::Issued | Permit::Unapproved => {}
    })
    .await;
    if permit == Permit::Unapproved {
        site.api.remove(APPROVAL);
    }
    site
}

#[tokio::test]
async fn t02_t14_rules_webhook_and_plugin_say_the_same_of_every_case() {
    let cases: Vec<_> = of_every_kind()
        .into_iter()
        .chain(under_a_permit())
        .collect();
    assert!(cases.len() >= 25);
    for permit in [
        Permit::None,
        Permit::Issued,
        Permit::Unapproved,
        Permit::Revoked,
    ] {
        let site = site(permit).await;
        for case in cases.iter().filter(|case| case.permit == permit) {
            let ruled = gate(&world(case)).judged;
            assert_eq!(
                (ruled.code, ruled.admits),
                (case.code, case.code == Code::Admitted),
                "{case:?}"
            );

            let answer = site.ask("/gate", review(case, false)).await;
            let said = &answer.response()["auditAnnotations"]["reason"];
            assert_eq!(said, case.code.as_str(), "{case:?}");
            assert_eq!(answer.response()["allowed"], ruled.admits, "{case:?}");

            let rehearsed = site.ask("/gate", review(case, true)).await;
            let read = rehearsed
                .is_allowed()
                .warnings()
                .into_iter()
                .find_map(parse);
            let code = match read {
                Some(VerdictLine::Deny { code, .. }) => code,
                Some(VerdictLine::Admit { .. }) => Code::Admitted.as_str().to_owned(),
                None => "nothing".to_owned(),
            };
            assert_eq!(code, case.code.as_str(), "{case:?}");
        }
    }
}

#[tokio::test]
async fn t02_every_gated_kind_and_subresource_has_a_handler() {
    let site = site(Permit::None).await;
    let mut asked = 0;
    for case in of_every_kind() {
        let answer = site.ask("/gate", review(&case, false)).await;
        assert_ne!(
            answer.response()["auditAnnotations"]["reason"],
            "GateUnavailable",
            "{case:?}"
        );
        asked += 1;
    }
    assert!(asked > GATED.len());
    let mut unknown = review(&of_every_kind()[0], false);
    unknown["subResource"] = json!("rollback");
    site.ask("/gate", unknown)
        .await
        .is_denied("GateUnavailable");
}

#[tokio::test]
async fn t03_the_version_of_a_write_does_not_matter() {
    let site = site(Permit::None).await;
    for version in ["v1", "v1beta2", "v1beta1", "v2"] {
        for case in of_every_kind() {
            let mut review = review(&case, false);
            review["resource"]["version"] = version.into();
            let answer = site.ask("/gate", review).await;
            assert_eq!(
                answer.response()["auditAnnotations"]["reason"],
                case.code.as_str(),
                "{version} {case:?}"
            );
        }
    }
}
