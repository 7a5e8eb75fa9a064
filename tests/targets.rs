//! What a target permits beside an exact outcome: fields, repositories and methods; and what its level demands of images.
//!
//! Does not know whether the permit is in force.
#![cfg(test)]

#[expect(dead_code, reason = "each binary uses its part of the scene")]
#[path = "support/scene.rs"]
mod scene;

use permit_operator::api::permit::Target;
use permit_operator::api::vocabulary::{Grant, Operation};
use permit_operator::domain::gate::{Code, GateWorld, gate};
use permit_operator::domain::parse;
use permit_operator::domain::scope::covers;
use permit_operator::domain::template::Level;
use scene::*;
use serde_json::{Value, json};

const ENV: &str = "/spec/template/spec/containers/0/env";
const IMAGE: &str = "/spec/template/spec/containers/0/image";

fn target(terms: &Value) -> Target {
    let mut target = json!({"name": "checkout"});
    target
        .as_object_mut()
        .unwrap()
        .extend(terms.as_object().unwrap().clone());
    serde_json::from_value(target).unwrap()
}

#[track_caller]
fn covered(terms: &Value, new: impl Into<Option<Value>>) {
    let new = new.into();
    assert_eq!(covers(&target(terms), Some(&old()), new.as_ref()), Ok(()));
}

#[track_caller]
fn outside(terms: &Value, new: impl Into<Option<Value>>, told: &str) {
    let new = new.into();
    let why = covers(&target(terms), Some(&old()), new.as_ref()).unwrap_err();
    assert!(why.to_string().contains(told), "{why}");
}

fn with(pointer: &str, value: impl Into<Value>) -> Value {
    set(old(), pointer, value)
}

#[test]
fn fields_narrow_what_an_operation_permits() {
    let env =
        json!({"operations": ["Configure"], "fields": ["spec.template.spec.containers[app].env"]});
    let other = json!([{"name": "MODE", "value": "dark"}]);
    covered(&env, with(ENV, other.clone()));
    outside(
        &env,
        with("/spec/template/spec/containers/1/env", other.clone()),
        "env",
    );
    outside(&env, with("/spec/minReadySeconds", 5), "minReadySeconds");
    outside(&env, with(IMAGE, "evil:1"), "image");
    covered(
        &json!({"operations": ["Configure"]}),
        with("/spec/minReadySeconds", 5),
    );
}

#[test]
fn an_image_may_come_from_a_permitted_repository_and_nothing_else_may() {
    let deploy = json!({"operations": ["Deploy"], "repositories": ["shop/checkout"]});
    covered(&deploy, with(IMAGE, "shop/checkout:9"));
    covered(
        &deploy,
        with(IMAGE, format!("shop/checkout@sha256:{}", "a".repeat(64))),
    );
    for evil in [
        "evil/shop/checkout:9",
        "shop/checkout-evil:9",
        "shop/checkou:9",
        "evil:1",
        "shop/checkout.evil/x:1",
    ] {
        outside(&deploy, with(IMAGE, evil), "image");
    }
    outside(
        &deploy,
        with("/spec/template/spec/containers/0/command", json!(["sh"])),
        "command",
    );
    let more = json!({"name": "more", "image": "shop/checkout:9"});
    let mut with_more = old();
    with_more["spec"]["template"]["spec"]["containers"]
        .as_array_mut()
        .unwrap()
        .push(more);
    outside(&deploy, Some(with_more), "image");
    outside(
        &json!({"operations": ["Deploy"]}),
        with(IMAGE, "shop/checkout:9"),
        "image",
    );
}

#[test]
fn methods_say_how_a_workload_may_be_written() {
    let delete = json!({"operations": ["Delete", "Scale"]});
    covered(&delete, None);
    for narrowed in [
        json!({"methods": ["Update"]}),
        json!({"forbiddenMethods": ["Delete"]}),
    ] {
        let mut terms = delete.clone();
        terms
            .as_object_mut()
            .unwrap()
            .extend(narrowed.as_object().unwrap().clone());
        outside(&terms, None, "permitted methods: Delete");
        covered(&terms, with("/spec/replicas", 9));
    }
    let images = json!({"images": {"app": "shop/checkout:1", "proxy": "shop/proxy:2"}, "methods": ["Update"]});
    let why = covers(&target(&images), None, Some(&old())).unwrap_err();
    assert!(
        why.to_string().contains("permitted methods: Create"),
        "{why}"
    );
}

#[test]
fn a_term_that_cannot_be_read_is_a_mistake_with_its_path() {
    for (terms, told) in [
        (
            json!({"operations": ["Configure"], "fields": ["metadata.labels"]}),
            "fields[0]",
        ),
        (
            json!({"operations": ["Deploy"], "repositories": ["shop/*"]}),
            "repositories[0]",
        ),
        (
            json!({"operations": ["Deploy"], "repositories": ["shop/checkout:1"]}),
            "repositories[0]",
        ),
        (json!({"operations": ["Deploy"]}), "operations"),
        (
            json!({"operations": ["Create"], "repositories": ["shop/checkout"]}),
            "operations",
        ),
    ] {
        let mut request = permit().issued().gate().candidates.remove(0).request;
        request.spec.targets = vec![target(&terms)];
        let mistakes = parse::listed(&parse::mistakes(&request.spec, "shop"));
        assert!(mistakes.contains(told), "{terms}: {mistakes}");
    }
    // One that can be read no more covers nothing.
    outside(
        &json!({"operations": ["Scale"], "fields": ["["]}),
        with("/spec/replicas", 9),
        "replicas",
    );
}

/// An issued permit of that level rolls out this image.
fn at_level(level: i32, image: &str) -> GateWorld {
    let mut world = permit().issued().gate();
    let candidate = &mut world.candidates[0];
    candidate.template.as_mut().unwrap().level = Level::Numbered(level);
    for target in &mut candidate.request.spec.targets {
        target.images = [("app".to_owned(), image.to_owned())].into();
    }
    let digest = candidate
        .request
        .digest(&candidate.template.as_ref().unwrap().digest);
    for ballot in &mut candidate.ballots {
        ballot.digest = Some(digest.clone());
    }
    for armed in world.facts.as_mut().unwrap().armed.values_mut() {
        armed.digest.clone_from(&digest);
    }
    world.templates = world.candidates[0].template.iter().cloned().collect();
    world.new = Some(with(IMAGE, image));
    world
}

#[test]
fn t15_from_level_3_images_are_named_by_digest_and_at_level_2_a_tag_is_warned_of() {
    let pinned = format!("shop/checkout@sha256:{}", "a".repeat(64));
    let decision = gate(&at_level(3, "shop/checkout:2"));
    assert_eq!(
        decision.judged.code,
        Code::PermitScope,
        "{:?}",
        decision.judged
    );
    assert!(decision.message.contains("sha256"), "{}", decision.message);
    let warned = gate(&at_level(2, "shop/checkout:2")).judged;
    assert!(
        warned.admits && warned.notes.iter().any(|n| n.contains("digest")),
        "{warned:?}"
    );
    // The other container's image is not what is rolled out, and still not pinned.
    assert!(!gate(&at_level(3, &pinned)).judged.admits);
    let mut all = at_level(3, &pinned);
    for object in [&mut all.old, &mut all.new] {
        let object = object.as_mut().unwrap();
        for place in ["initContainers/0", "containers/1"] {
            if let Some(image) = object.pointer_mut(&format!("/spec/template/spec/{place}/image")) {
                *image = json!(pinned);
            }
        }
    }
    assert_ne!(gate(&all).judged.code, Code::PermitScope);
}

#[test]
fn t15_a_restart_is_automatic_only_where_the_bytes_are_named() {
    let restart = "/spec/template/metadata/annotations";
    let mut world = permit().gate();
    world.candidates.clear();
    let mut automatic = template("any", 0);
    (automatic.grant, automatic.rules) = (Grant::Automatic, Vec::new());
    automatic.applies_to.operations = vec![Operation::Restart];
    world.templates = vec![automatic];
    let annotated = |object: &Value| {
        set(
            object.clone(),
            restart,
            json!({"kubectl.kubernetes.io/restartedAt": "2026-11-25"}),
        )
    };
    world.new = Some(annotated(&old()));
    assert!(
        !gate(&world).judged.admits,
        "a tag may hold other bytes by now"
    );
    let text = old().to_string();
    let pinned = format!("@sha256:{}", "a".repeat(64));
    let text = by_digest(&text, &pinned);
    let old: Value = serde_json::from_str(&text).unwrap();
    (world.new, world.old) = (Some(annotated(&old)), Some(old));
    assert!(gate(&world).judged.admits);
}

/// Every image of the text by digest.
fn by_digest(text: &str, pinned: &str) -> String {
    let mut parts = text.split("\"image\":\"");
    let first = parts.next().unwrap_or_default().to_owned();
    let pin = |part: &str| {
        let (image, rest) = part.split_once('"').unwrap();
        let name = image.split(':').next().unwrap_or_default();
        format!("\"image\":\"{name}{pinned}\"{rest}")
    };
    parts.map(pin).fold(first, |told, part| told + &part)
}
