//! Scope: does a permit's target cover a change?
//!
//! A target names an outcome, and nothing beyond that outcome is covered: one field too many puts the whole change
//! outside. Judges one target and one change; permits never combine. Does not know whether the permit is in force, who
//! asks, or in which namespace the permit stands.

use serde_json::Value;

use crate::api::kind::WorkloadKind;
use crate::api::permit::Target;
use crate::api::vocabulary::{Method, Operation};
use crate::domain::canonical::template_digest;
use crate::domain::change::container::{containers, mounts_an_image};
use crate::domain::change::image::{ImageChange, one_line, repository};
use crate::domain::change::prefix::Prefix;
use crate::domain::change::{Change, FieldChange};
use crate::domain::kind::word_of;

/// What of a change is outside a target; the first that was found.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OutOfScope {
    /// The target is about another workload.
    #[error(
        "the permit is for {}, not for {}",
        quoted(Some(permitted)),
        quoted(Some(found))
    )]
    Workload {
        /// The target, as `Kind/name`.
        permitted: String,
        /// The object, as `Kind/name`.
        found: String,
    },
    /// A container gets, or keeps, an image that the target does not name for it.
    #[error("outside the permitted images: container {} would have {}, permitted is {}",
        quoted(Some(container)), quoted(found.as_ref()), quoted(permitted.as_ref()))]
    Image {
        /// The container.
        container: String,
        /// The image that the target names for it, if it names one.
        permitted: Option<String>,
        /// The image that it would have, if any.
        found: Option<String>,
    },
    /// The pod template is not the one whose digest the target names.
    #[error("outside the permitted pod template: the new one is {}, permitted is `{permitted}`", quoted(found.as_ref()))]
    Template {
        /// The digest that the target names.
        permitted: String,
        /// The digest of the new object's template, if it has one.
        found: Option<String>,
    },
    /// A field may not differ.
    #[error("outside the permitted fields ({operation}): {told}")]
    Field {
        /// The operation that the change of the field amounts to.
        operation: Operation,
        /// The change of the field, without values that can be secrets.
        told: String,
    },
    /// The operation is not permitted, or needs a named outcome that the target does not give.
    #[error("outside the permitted operations: {0}")]
    Operation(Operation),
    /// The workload may not be written in this way.
    #[error("outside the permitted methods: {0}")]
    Method(Method),
    /// The request carries neither an old nor a new object.
    #[error("the request names no object that could be covered")]
    NoObject,
}

/// The operations that a target can permit by their name alone. `Deploy`, `Create` and `Rollback` are not among them:
/// they decide which code runs, and that outcome must be named.
const BY_NAME: [Operation; 7] = [
    Operation::Configure,
    Operation::Scale,
    Operation::Restart,
    Operation::Pause,
    Operation::Resume,
    Operation::Delete,
    Operation::Diagnose,
];

fn quoted(text: Option<&String>) -> String {
    text.map_or_else(|| "none".to_owned(), |text| format!("`{}`", one_line(text)))
}

/// Whether the target covers the whole change from the old to the new object.
pub fn covers(target: &Target, old: Option<&Value>, new: Option<&Value>) -> Result<(), OutOfScope> {
    let (old, new) = (
        old.filter(|object| !object.is_null()),
        new.filter(|object| !object.is_null()),
    );
    let Some(object) = new.or(old) else {
        return Err(OutOfScope::NoObject);
    };
    is_about(target, object)?;
    may_be_written(target, method(old, new))?;
    match (old, new) {
        (None, Some(new)) => covers_create(target, new),
        (_, None) => permits(target, Operation::Delete),
        (Some(old), Some(new)) => {
            covers_update(target, &Change::between(Some(old), Some(new)), new)
        }
    }
}

fn method(old: Option<&Value>, new: Option<&Value>) -> Method {
    match (old, new) {
        (None, _) => Method::Create,
        (Some(_), Some(_)) => Method::Update,
        (Some(_), None) => Method::Delete,
    }
}

/// Whether the workload may be written so, for which its methods are asked.
pub fn may_be_written(target: &Target, method: Method) -> Result<(), OutOfScope> {
    let is_allowed = target.methods.is_empty() || target.methods.contains(&method);
    if is_allowed && !target.forbidden_methods.contains(&method) {
        Ok(())
    } else {
        Err(OutOfScope::Method(method))
    }
}

/// Whether the object is the target's workload or its scale, which carries no kind of its own.
fn is_about(target: &Target, object: &Value) -> Result<(), OutOfScope> {
    let text = |value: Option<&Value>| value.and_then(Value::as_str).unwrap_or_default().to_owned();
    let metadata = |key| {
        object
            .get("metadata")
            .and_then(|metadata| metadata.get(key))
    };
    let (kind, name) = (text(object.get("kind")), text(metadata("name")));
    let is_kind = is_of_kind(&target.kind, object) || kind == "Scale";
    let is_here = target
        .namespace
        .as_ref()
        .is_none_or(|namespace| *namespace == text(metadata("namespace")));
    if is_kind && is_here && name == target.name {
        return Ok(());
    }
    Err(OutOfScope::Workload {
        permitted: format!("{}/{}", target.kind, target.name),
        found: format!("{kind}/{name}"),
    })
}

/// Whether an object is of a kind. Of a kind that is no own one of Kubernetes the group counts too.
fn is_of_kind(kind: &WorkloadKind, object: &Value) -> bool {
    let group = || {
        let version = object.get("apiVersion")?.as_str()?;
        version.split_once('/').map(|(group, _)| group)
    };
    let (word, named) = kind.parts();
    word == word_of(object) && named.is_none_or(|named| group() == Some(named))
}

fn permits(target: &Target, operation: Operation) -> Result<(), OutOfScope> {
    let is_permitted = BY_NAME.contains(&operation) && target.operations.contains(&operation);
    if is_permitted {
        Ok(())
    } else {
        Err(OutOfScope::Operation(operation))
    }
}

/// A new workload has nothing that could be compared: everything in it that is run must be named.
fn covers_create(target: &Target, new: &Value) -> Result<(), OutOfScope> {
    if Change::between(None, Some(new))
        .operations
        .contains(&Operation::Rollback)
    {
        return Err(OutOfScope::Operation(Operation::Rollback));
    }
    if let Some(permitted) = &target.pod_template_digest {
        return has_template(permitted, new);
    }
    if target.images.is_empty() {
        return creates_without_pods(target, new);
    }
    if let Some(other) = containers(new).find(|found| !target.images.contains_key(found.name)) {
        return Err(image_outside(target, other.name, other.image));
    }
    if mounts_an_image(new) {
        let told = "an image mounted as a volume needs `podTemplateDigest`".to_owned();
        return Err(OutOfScope::Field {
            operation: Operation::Create,
            told,
        });
    }
    has_images(target, new)
}

/// What makes no pods is created by the operation that it amounts to, if that is permitted.
fn creates_without_pods(target: &Target, new: &Value) -> Result<(), OutOfScope> {
    let operation = match word_of(new) {
        "HorizontalPodAutoscaler" => Operation::Scale,
        "ConfigMap" | "Secret" | "Service" | "Ingress" => Operation::Configure,
        _ => return Err(OutOfScope::Operation(Operation::Create)),
    };
    permits(target, operation)
}

fn covers_update(target: &Target, change: &Change, new: &Value) -> Result<(), OutOfScope> {
    let beyond = |field: &&FieldChange| !permits_field(target, field);
    let outcome: Vec<_> = change.fields.iter().filter(beyond).collect();
    if outcome.is_empty() {
        return Ok(());
    }
    for field in outcome {
        if !is_of_outcome(target, field) {
            return Err(outside(target, field));
        }
    }
    match &target.pod_template_digest {
        Some(permitted) => has_template(permitted, new),
        None => has_images(target, new),
    }
}

/// Whether a field may differ by an operation alone: where the target says, and of images only their version.
fn permits_field(target: &Target, field: &FieldChange) -> bool {
    let is_permitted = match field.operation {
        Operation::Deploy => {
            target.operations.contains(&Operation::Deploy) && comes_from(target, field)
        }
        operation => permits(target, operation).is_ok(),
    };
    let holds = |prefix: &String| Prefix::parse(prefix).is_ok_and(|p| p.holds(&field.path));
    is_permitted && (target.fields.is_empty() || target.fields.iter().any(holds))
}

/// Whether the field is the image of a container that stays, and the new one is from a permitted repository.
fn comes_from(target: &Target, field: &FieldChange) -> bool {
    let to = field.image_change().and_then(|change| change.to);
    field.names_image_of().is_some()
        && to.is_some_and(|to| target.repositories.iter().any(|r| r == repository(&to)))
}

/// Whether the field belongs to the outcome that the target names: the pod template, or an image of a named container.
fn is_of_outcome(target: &Target, field: &FieldChange) -> bool {
    if target.pod_template_digest.is_some() {
        return field.is_of_template(target.kind.parts().0);
    }
    field
        .names_image_of()
        .is_some_and(|container| target.images.contains_key(container))
}

fn outside(target: &Target, field: &FieldChange) -> OutOfScope {
    match field.image_change() {
        Some(ImageChange {
            container,
            to: Some(to),
            ..
        }) if !target.images.is_empty() => image_outside(target, &container, Some(&to)),
        _ => OutOfScope::Field {
            operation: field.operation,
            told: field.describe(),
        },
    }
}

fn image_outside(target: &Target, container: &str, found: Option<&str>) -> OutOfScope {
    OutOfScope::Image {
        container: container.to_owned(),
        permitted: target.images.get(container).cloned(),
        found: found.map(str::to_owned),
    }
}

/// Whether every container that the target names is there and has exactly the named image.
fn has_images(target: &Target, new: &Value) -> Result<(), OutOfScope> {
    for (name, image) in &target.images {
        let mut named = containers(new)
            .filter(|found| found.name == name)
            .peekable();
        if named.peek().is_none() {
            return Err(image_outside(target, name, None));
        }
        if let Some(other) = named.find(|found| found.image != Some(image)) {
            return Err(image_outside(target, name, other.image));
        }
    }
    Ok(())
}

fn has_template(permitted: &str, new: &Value) -> Result<(), OutOfScope> {
    let found = template_digest(new);
    if found
        .as_ref()
        .is_some_and(|digest| digest.as_str() == permitted)
    {
        return Ok(());
    }
    Err(OutOfScope::Template {
        permitted: permitted.to_owned(),
        found: found.map(String::from),
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::domain::change::fixture::{any_json, any_template, deployment, scale, set, with};

    const APP: &str = "/spec/template/spec/containers/0";
    const RESTART: &str = "/spec/template/metadata/annotations/kubectl.kubernetes.io~1restartedAt";

    fn target(fields: &Value) -> Target {
        let mut target = json!({"name": "checkout"});
        target
            .as_object_mut()
            .unwrap()
            .extend(fields.as_object().unwrap().clone());
        serde_json::from_value(target).unwrap()
    }

    fn images() -> Target {
        target(&json!({"images": {"app": "shop/checkout:1.5.0"}}))
    }

    fn all_images() -> Target {
        target(
            &json!({"images": {"init": "shop/init:1", "app": "shop/checkout:1.4.2", "proxy": "shop/proxy:2"}}),
        )
    }

    fn digest_of(object: &Value) -> Target {
        target(&json!({"podTemplateDigest": template_digest(object).unwrap()}))
    }

    fn operations(words: &[&str]) -> Target {
        target(&json!({"operations": words}))
    }

    /// The Deployment with the image that `images()` permits.
    fn deployed() -> Value {
        with(&format!("{APP}/image"), "shop/checkout:1.5.0")
    }

    #[track_caller]
    fn accepts(target: &Target, old: impl Into<Option<Value>>, new: impl Into<Option<Value>>) {
        assert_eq!(
            covers(target, old.into().as_ref(), new.into().as_ref()),
            Ok(())
        );
    }

    #[track_caller]
    fn rejects(
        target: &Target,
        old: impl Into<Option<Value>>,
        new: impl Into<Option<Value>>,
        told: &str,
    ) {
        let message = covers(target, old.into().as_ref(), new.into().as_ref())
            .unwrap_err()
            .to_string();
        assert!(message.contains(told), "{message}");
    }

    #[test]
    fn the_named_image_is_covered_and_so_is_no_change_at_all() {
        accepts(&images(), deployment(), deployed());
        accepts(&images(), deployed(), deployed());
        accepts(&images(), deployment(), deployment());
    }

    #[test]
    fn another_image_for_the_named_container_is_outside() {
        let new = with(&format!("{APP}/image"), "evil:1");
        rejects(
            &images(),
            deployment(),
            new,
            "container `app` would have `evil:1`, permitted is `shop/checkout:1.5.0`",
        );
    }

    #[test]
    fn a_second_image_is_outside() {
        let new = set(
            deployed(),
            "/spec/template/spec/containers/1/image",
            "evil:1",
        );
        rejects(
            &images(),
            deployment(),
            new,
            "container `proxy` would have `evil:1`, permitted is none",
        );
        let init = set(
            deployed(),
            "/spec/template/spec/initContainers/0/image",
            "evil:1",
        );
        rejects(&images(), deployment(), init, "container `init`");
    }

    #[test]
    fn every_named_image_must_be_reached_at_once() {
        let both =
            target(&json!({"images": {"app": "shop/checkout:1.5.0", "proxy": "shop/proxy:3"}}));
        rejects(
            &both,
            deployment(),
            deployed(),
            "container `proxy` would have `shop/proxy:2`",
        );
        accepts(
            &both,
            deployment(),
            set(
                deployed(),
                "/spec/template/spec/containers/1/image",
                "shop/proxy:3",
            ),
        );
        let missing = target(&json!({"images": {"app": "shop/checkout:1.5.0", "other": "a:1"}}));
        rejects(
            &missing,
            deployment(),
            deployed(),
            "container `other` would have none",
        );
    }

    #[test]
    fn a_field_beside_the_images_is_outside_and_its_value_is_not_told() {
        let env = set(deployed(), &format!("{APP}/env/0/value"), "hunter3");
        rejects(
            &images(),
            deployment(),
            env.clone(),
            "(Configure): spec.template.spec.containers[app].env[TOKEN].value",
        );
        assert!(
            !covers(&images(), Some(&deployment()), Some(&env))
                .unwrap_err()
                .to_string()
                .contains("hunter")
        );
        rejects(
            &images(),
            deployment(),
            set(deployed(), &format!("{APP}/command"), json!(["sh"])),
            "command",
        );
        rejects(
            &images(),
            deployment(),
            set(deployed(), "/spec/replicas", 4),
            "(Scale): spec.replicas 3 -> 4",
        );
        rejects(
            &images(),
            deployment(),
            set(deployed(), "/spec/paused", true),
            "(Pause)",
        );
        rejects(
            &images(),
            deployment(),
            set(deployed(), RESTART, "now"),
            "(Restart)",
        );
        rejects(
            &images(),
            deployment(),
            set(deployed(), "/data", json!({"a": 1})),
            "data.a",
        );
    }

    #[test]
    fn t44_an_added_container_is_outside_even_with_a_named_image() {
        let app = json!({"name": "app", "image": "shop/checkout:1.5.0"});
        let new = set(
            deployment(),
            "/spec/template/spec/ephemeralContainers",
            json!([app]),
        );
        rejects(&images(), deployment(), new, "container `app`");
        let reordered = json!([
            deployed()["spec"]["template"]["spec"]["containers"][1],
            deployed()["spec"]["template"]["spec"]["containers"][0]
        ]);
        rejects(
            &images(),
            deployment(),
            with("/spec/template/spec/containers", reordered),
            "spec.containers changed",
        );
    }

    #[test]
    fn a_named_operation_is_covered_besides_the_images() {
        let wide = target(
            &json!({"images": {"app": "shop/checkout:1.5.0"}, "operations": ["Scale", "Configure"]}),
        );
        accepts(&wide, deployment(), set(deployed(), "/spec/replicas", 4));
        accepts(
            &wide,
            deployment(),
            set(deployed(), &format!("{APP}/env/0/value"), "x"),
        );
        accepts(&wide, deployment(), with("/spec/replicas", 4));
        rejects(
            &wide,
            deployment(),
            with(&format!("{APP}/image"), "evil:1"),
            "`evil:1`",
        );
        rejects(&wide, deployment(), with("/spec/paused", true), "(Pause)");
    }

    #[test]
    fn each_operation_is_covered_by_its_own_name_only() {
        let owned = with("/metadata/ownerReferences", json!([{"uid": "dead"}]));
        let cases = [
            ("Scale", with("/spec/replicas", 0)),
            ("Restart", with(RESTART, "now")),
            ("Pause", with("/spec/paused", true)),
            ("Configure", with("/spec/minReadySeconds", 5)),
            ("Delete", owned),
        ];
        for (word, new) in &cases {
            for (other, _) in &cases {
                let verdict = covers(&operations(&[other]), Some(&deployment()), Some(new));
                assert_eq!(
                    verdict.is_ok(),
                    word == other,
                    "{word} under {other}: {verdict:?}"
                );
            }
        }
        accepts(
            &operations(&["Resume"]),
            with("/spec/paused", true),
            deployment(),
        );
        rejects(
            &operations(&["Pause"]),
            with("/spec/paused", true),
            deployment(),
            "(Resume)",
        );
    }

    #[test]
    fn what_decides_which_code_runs_is_never_covered_by_name_alone() {
        let every: Vec<&str> = Operation::ALL
            .iter()
            .map(|operation| operation.as_str())
            .collect();
        rejects(
            &operations(&every),
            deployment(),
            deployed(),
            "(Deploy): image app 1.4.2 -> 1.5.0",
        );
        rejects(
            &operations(&every),
            None,
            deployment(),
            "operations: Create",
        );
        let demand = with(
            "/metadata/annotations/deprecated.deployment.rollback.to",
            "1",
        );
        rejects(&operations(&every), deployment(), demand, "(Rollback)");
    }

    #[test]
    fn t53_a_rollback_demand_is_outside_every_target() {
        let demand = |object| {
            set(
                object,
                "/metadata/annotations/deprecated.deployment.rollback.to",
                "1",
            )
        };
        rejects(&images(), deployment(), demand(deployed()), "(Rollback)");
        rejects(
            &digest_of(&deployed()),
            deployment(),
            demand(deployed()),
            "(Rollback)",
        );
        rejects(
            &all_images(),
            None,
            demand(deployment()),
            "operations: Rollback",
        );
        rejects(
            &digest_of(&deployment()),
            None,
            demand(deployment()),
            "operations: Rollback",
        );
    }

    #[test]
    fn t06_a_delete_needs_its_name() {
        accepts(&operations(&["Delete"]), deployment(), None);
        accepts(&operations(&["Delete"]), deployment(), Some(Value::Null));
        rejects(&images(), deployment(), None, "operations: Delete");
        rejects(
            &digest_of(&deployment()),
            deployment(),
            None,
            "operations: Delete",
        );
    }

    #[test]
    fn a_create_is_covered_if_every_container_has_its_named_image() {
        accepts(&all_images(), None, deployment());
        rejects(
            &images(),
            None,
            deployed(),
            "container `init` would have `shop/init:1`, permitted is none",
        );
        rejects(
            &all_images(),
            None,
            deployed(),
            "container `app` would have `shop/checkout:1.5.0`",
        );
        rejects(
            &all_images(),
            None,
            with("/spec/template/spec/initContainers", Value::Null),
            "container `init` would have none",
        );
    }

    #[test]
    fn a_create_with_an_image_volume_is_covered_by_digest_only() {
        let volume = json!([{"name": "tmp", "image": {"reference": "evil:1"}}]);
        let new = with("/spec/template/spec/volumes", volume);
        rejects(&all_images(), None, new.clone(), "mounted as a volume");
        accepts(&digest_of(&new), None, new);
    }

    #[test]
    fn the_named_template_is_covered_and_no_other() {
        let new = set(deployed(), &format!("{APP}/env/0/value"), "x");
        accepts(&digest_of(&new), deployment(), new.clone());
        accepts(&digest_of(&new), None, new.clone());
        rejects(
            &digest_of(&new),
            deployment(),
            deployed(),
            "outside the permitted pod template",
        );
        rejects(
            &digest_of(&new),
            None,
            deployed(),
            "outside the permitted pod template",
        );
    }

    #[test]
    fn beside_the_named_template_nothing_may_differ_but_what_is_named() {
        let new = set(deployed(), "/spec/replicas", 4);
        rejects(&digest_of(&new), deployment(), new.clone(), "(Scale)");
        rejects(
            &digest_of(&new),
            deployment(),
            set(deployed(), "/spec/strategy/type", "Recreate"),
            "spec.strategy.type",
        );
        let mut wide = digest_of(&new);
        wide.operations = vec![Operation::Scale];
        accepts(&wide, deployment(), new);
    }

    #[test]
    fn t01_a_scale_is_covered_by_its_name_only() {
        accepts(&operations(&["Scale"]), scale(3), scale(0));
        rejects(
            &images(),
            scale(3),
            scale(0),
            "(Scale): spec.replicas 3 -> 0",
        );
        rejects(
            &digest_of(&deployment()),
            scale(0),
            scale(3),
            "(Scale): spec.replicas 0 -> 3",
        );
    }

    #[test]
    fn another_workload_is_outside() {
        rejects(
            &images(),
            with("/metadata/name", "cart"),
            set(deployed(), "/metadata/name", "cart"),
            "not for `Deployment/cart`",
        );
        rejects(
            &images(),
            deployment(),
            set(deployed(), "/kind", "StatefulSet"),
            "not for `StatefulSet/checkout`",
        );
        let elsewhere =
            target(&json!({"namespace": "bank", "images": {"app": "shop/checkout:1.5.0"}}));
        rejects(&elsewhere, deployment(), deployed(), "permit is for");
        rejects(
            &operations(&["Scale"]),
            scale(1),
            set(scale(2), "/metadata/name", "cart"),
            "not for `Scale/cart`",
        );
    }

    #[test]
    fn a_request_without_objects_is_never_covered() {
        let every: Vec<&str> = Operation::ALL
            .iter()
            .map(|operation| operation.as_str())
            .collect();
        rejects(&operations(&every), None, None, "no object");
        rejects(
            &operations(&every),
            Some(Value::Null),
            Some(Value::Null),
            "no object",
        );
    }

    #[test]
    fn what_is_outside_cannot_write_lines_of_its_own() {
        let new = with(&format!("{APP}/image"), "a\nPermitOk");
        rejects(&images(), deployment(), new, "`a\\u{a}PermitOk`");
    }

    /// The object with the images of some containers, wherever in the pod they stand, replaced.
    fn with_images(mut object: Value, images: &[(&str, &str)]) -> Value {
        for list in ["initContainers", "containers", "ephemeralContainers"] {
            let pointer = format!("/spec/template/spec/{list}");
            let list = object.pointer_mut(&pointer).and_then(Value::as_array_mut);
            for container in list.into_iter().flatten() {
                for (name, image) in images {
                    if container.get("name") == Some(&json!(name)) {
                        container["image"] = json!(image);
                    }
                }
            }
        }
        object
    }

    proptest! {
        #[test]
        fn images_never_cover_a_difference_beyond_the_named_images(
            old in any_template(), other in any_template(), is_edit: bool, is_named: bool,
        ) {
            let named = [("app", "shop/checkout:2"), ("proxy", "shop/proxy:3")];
            let images = target(&json!({"images": BTreeMap::from(named)}));
            let (old, other) = (with("/spec/template", old), with("/spec/template", other));
            let new = if is_edit { other } else { old.clone() };
            let new = if is_named { with_images(new, &named) } else { new };
            if covers(&images, Some(&old), Some(&new)).is_ok() && template_digest(&old) != template_digest(&new) {
                let blind = |object: &Value| with_images(object.clone(), &[("app", "same"), ("proxy", "same")]);
                prop_assert_eq!(template_digest(&blind(&old)), template_digest(&blind(&new)));
                for (name, image) in named {
                    let all: Vec<_> = containers(&new).filter(|found| found.name == name).collect();
                    prop_assert!(!all.is_empty() && all.iter().all(|found| found.image == Some(image)));
                }
            }
        }

        #[test]
        fn the_named_images_are_covered_whatever_else_the_template_holds(env in any_json(), labels in any_json()) {
            let old = set(with(&format!("{APP}/env"), env), "/spec/template/metadata/labels", labels);
            let new = set(old.clone(), &format!("{APP}/image"), "shop/checkout:1.5.0");
            prop_assert_eq!(covers(&images(), Some(&old), Some(&new)), Ok(()));
        }

        #[test]
        fn a_digest_never_covers_another_template(old in any_template(), new in any_template()) {
            let (old, new) = (with("/spec/template", old), with("/spec/template", new));
            let changed = template_digest(&old) != template_digest(&new);
            prop_assert_eq!(covers(&digest_of(&deployment()), Some(&old), Some(&new)).is_ok(),
                !changed || template_digest(&new) == template_digest(&deployment()));
        }
    }
}
