//! From a change to the target of a permit that covers it, as narrow as can be said.
//!
//! Pure. Knows what a target can name; whether a template allows it is decided elsewhere.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::api::kind::WorkloadKind;
use crate::api::permit::Target;
use crate::api::vocabulary::Operation;
use crate::domain::canonical::template_digest;
use crate::domain::change::{Change, FieldChange};
use crate::domain::scope::{OutOfScope, covers};

/// The target that covers the change of `live` to `wanted`; `None` where nothing that is gated changes.
///
/// Where the pod template differs in images only they are named; any other template is named by its digest. What no
/// target can cover is told as the gate would tell it.
pub(super) fn target(
    name: &str,
    live: Option<&Value>,
    wanted: &Value,
) -> Result<Option<Target>, OutOfScope> {
    let change = Change::between(live, Some(wanted));
    if change.is_empty() {
        return Ok(None);
    }
    let narrow = narrowest(bare(name), live, wanted, &change);
    let covered = covers(&narrow, live, Some(wanted)).map(|()| narrow.clone());
    // Images that are mounted as volumes have no container to name: then the whole template is named.
    let covered = covered.or_else(|outside| {
        let digest = by_digest(
            Target {
                images: BTreeMap::new(),
                ..narrow
            },
            wanted,
        );
        covers(&digest, live, Some(wanted))
            .map(|()| digest)
            .map_err(|_| outside)
    });
    covered.map(Some)
}

fn narrowest(mut target: Target, live: Option<&Value>, wanted: &Value, change: &Change) -> Target {
    if live.is_none() {
        return by_digest(target, wanted);
    }
    let in_template = |field: &&FieldChange| field.path.below(&["spec", "template"]).is_some();
    let (template, beside): (Vec<&FieldChange>, Vec<&FieldChange>) =
        change.fields.iter().partition(in_template);
    let mut operations: BTreeSet<Operation> = beside.iter().map(|field| field.operation).collect();
    if template
        .iter()
        .all(|field| field.operation == Operation::Restart)
    {
        operations.extend(template.iter().map(|field| field.operation));
    } else if let Some(images) = images_only(&template) {
        target.images = images;
    } else {
        target = by_digest(target, wanted);
    }
    target.operations = operations.into_iter().collect();
    target
}

fn by_digest(target: Target, wanted: &Value) -> Target {
    Target {
        pod_template_digest: template_digest(wanted).map(|digest| digest.to_string()),
        ..target
    }
}

/// A target that names operations only.
pub(super) fn of_operations(name: &str, operations: &[Operation]) -> Target {
    Target {
        operations: operations.to_vec(),
        ..bare(name)
    }
}

fn bare(name: &str) -> Target {
    Target {
        kind: WorkloadKind::default(),
        name: name.to_owned(),
        namespace: None,
        images: BTreeMap::new(),
        pod_template_digest: None,
        operations: Vec::new(),
        fields: Vec::new(),
        repositories: Vec::new(),
        methods: Vec::new(),
        forbidden_methods: Vec::new(),
    }
}

/// The new images, if every difference is the image of a container that was there and stays.
fn images_only(fields: &[&FieldChange]) -> Option<BTreeMap<String, String>> {
    let image = |field: &&FieldChange| {
        let change = field.image_change()?;
        change.from?;
        Some((change.container, change.to?))
    };
    fields.iter().map(image).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn live() -> Value {
        json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "checkout"},
            "spec": {"replicas": 2, "selector": {"matchLabels": {"app": "checkout"}}, "template": {
                "metadata": {"labels": {"app": "checkout"}},
                "spec": {"containers": [{"name": "app", "image": "shop/app:1"}, {"name": "side", "image": "side:1"}]}}}})
    }

    fn changed(pointer: &str, value: Value) -> Value {
        let mut object = live();
        let (parent, key) = pointer.rsplit_once('/').unwrap();
        object
            .pointer_mut(parent)
            .unwrap()
            .as_object_mut()
            .unwrap()
            .insert(key.replace("~1", "/"), value);
        object
    }

    #[test]
    fn an_image_change_names_the_image_and_only_that() {
        let wanted = changed(
            "/spec/template/spec/containers/0/image",
            json!("shop/app:2"),
        );
        let target = target("checkout", Some(&live()), &wanted).unwrap().unwrap();
        assert_eq!(
            target.images,
            BTreeMap::from([("app".to_owned(), "shop/app:2".to_owned())])
        );
        assert!(target.operations.is_empty() && target.pod_template_digest.is_none());
    }

    #[test]
    fn any_other_template_is_named_by_its_digest() {
        let wanted = changed(
            "/spec/template/spec/containers/0/env",
            json!([{"name": "A", "value": "1"}]),
        );
        let target = target("checkout", Some(&live()), &wanted).unwrap().unwrap();
        assert_eq!(
            target.pod_template_digest,
            template_digest(&wanted).map(|digest| digest.to_string())
        );
        assert!(target.images.is_empty());
    }

    #[test]
    fn an_image_beside_another_difference_is_no_image_change() {
        let mut wanted = changed(
            "/spec/template/spec/containers/0/image",
            json!("shop/app:2"),
        );
        *wanted
            .pointer_mut("/spec/template/spec/containers/1/name")
            .unwrap() = json!("other");
        let target = target("checkout", Some(&live()), &wanted).unwrap().unwrap();
        assert!(target.images.is_empty() && target.pod_template_digest.is_some());
    }

    #[test]
    fn replicas_are_an_operation_beside_the_images() {
        let mut wanted = changed(
            "/spec/template/spec/containers/0/image",
            json!("shop/app:2"),
        );
        *wanted.pointer_mut("/spec/replicas").unwrap() = json!(5);
        assert_eq!(
            target("checkout", Some(&live()), &wanted)
                .unwrap()
                .unwrap()
                .operations,
            [Operation::Scale]
        );
    }

    #[test]
    fn a_restart_needs_no_digest() {
        let annotations = json!({"kubectl.kubernetes.io/restartedAt": "2026-11-21T21:00:00Z"});
        let target = target(
            "checkout",
            Some(&live()),
            &changed("/spec/template/metadata/annotations", annotations),
        )
        .unwrap()
        .unwrap();
        assert_eq!(target.operations, [Operation::Restart]);
        assert!(target.pod_template_digest.is_none());
    }

    #[test]
    fn a_new_workload_is_named_by_its_template() {
        let target = target("checkout", None, &live()).unwrap().unwrap();
        assert_eq!(
            target.pod_template_digest,
            template_digest(&live()).map(|digest| digest.to_string())
        );
    }

    #[test]
    fn what_no_permit_can_cover_is_told() {
        let annotations = json!({"deprecated.deployment.rollback.to": "3"});
        let outside = target(
            "checkout",
            Some(&live()),
            &changed("/metadata/annotations", annotations),
        )
        .unwrap_err();
        assert!(outside.to_string().contains("Rollback"), "{outside}");
    }

    #[test]
    fn without_a_difference_there_is_nothing_to_ask_for() {
        assert_eq!(target("checkout", Some(&live()), &live()), Ok(None));
    }
}
