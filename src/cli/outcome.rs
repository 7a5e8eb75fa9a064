//! From a change to the target of a permit that covers it, as narrow as can be said.
//!
//! Pure. Knows what a target can name; whether a template allows it is decided elsewhere.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::target::WorkloadRef;
use crate::api::kind::WorkloadKind;
use crate::api::permit::Target;
use crate::api::vocabulary::Operation;
use crate::domain::canonical::template_digest;
use crate::domain::change::{Change, FieldChange};
use crate::domain::kind::Pods;
use crate::domain::scope::{OutOfScope, covers};

/// The target that covers the change of `live` to `wanted`; `None` where nothing that is gated changes.
///
/// Where the pod template differs in images only they are named; any other template is named by its digest. What no
/// target can cover is told as the gate would tell it.
pub(super) fn target(
    workload: &WorkloadRef,
    live: Option<&Value>,
    wanted: &Value,
) -> Result<Option<Target>, OutOfScope> {
    let change = Change::between(live, Some(wanted));
    if change.is_empty() {
        return Ok(None);
    }
    let narrow = narrowest(workload, (live, wanted), &change);
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

fn narrowest(
    workload: &WorkloadRef,
    (live, wanted): (Option<&Value>, &Value),
    change: &Change,
) -> Target {
    let mut target = bare(workload);
    if live.is_none() {
        return made_anew(workload, target, wanted);
    }
    let in_template = |field: &&FieldChange| field.is_of_template(workload.form.word);
    let (template, beside): (Vec<&FieldChange>, Vec<&FieldChange>) =
        change.fields.iter().partition(in_template);
    let mut operations: BTreeSet<Operation> = beside.iter().map(|field| field.operation).collect();
    if template.iter().all(|field| is_told_by_name(field)) {
        operations.extend(template.iter().map(|field| field.operation));
    } else if let Some(images) = images_only(&template) {
        target.images = images;
    } else {
        target = by_digest(target, wanted);
    }
    target.operations = operations.into_iter().collect();
    target
}

/// What brings no other code into the pods.
fn is_told_by_name(field: &FieldChange) -> bool {
    matches!(field.operation, Operation::Restart | Operation::Diagnose)
}

/// The target of a workload that is not there yet. Of a Job and a Pod the API server makes up a part of the template
/// anew at every write, so their images are named.
fn made_anew(workload: &WorkloadRef, target: Target, wanted: &Value) -> Target {
    let is_made_up = matches!(workload.form.word, "Job" | "Pod");
    match workload.form.pods {
        Pods::Nowhere => Target {
            operations: vec![Operation::Scale],
            ..target
        },
        _ if is_made_up => {
            let all = Change::between(None, Some(wanted)).image_changes();
            let images = all.into_iter().filter_map(|i| Some((i.container, i.to?)));
            Target {
                images: images.collect(),
                ..target
            }
        }
        _ => by_digest(target, wanted),
    }
}

fn by_digest(target: Target, wanted: &Value) -> Target {
    Target {
        pod_template_digest: template_digest(wanted).map(|digest| digest.to_string()),
        ..target
    }
}

/// A target that names operations only.
pub(super) fn of_operations(workload: &WorkloadRef, operations: &[Operation]) -> Target {
    Target {
        operations: operations.to_vec(),
        ..bare(workload)
    }
}

fn bare(workload: &WorkloadRef) -> Target {
    Target {
        kind: WorkloadKind::new(workload.form.word),
        name: workload.name.clone(),
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

    fn checkout(kind: &str) -> WorkloadRef {
        format!("{kind}/checkout").parse().unwrap()
    }

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
        let target = target(&checkout("deploy"), Some(&live()), &wanted)
            .unwrap()
            .unwrap();
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
        let target = target(&checkout("deploy"), Some(&live()), &wanted)
            .unwrap()
            .unwrap();
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
        let target = target(&checkout("deploy"), Some(&live()), &wanted)
            .unwrap()
            .unwrap();
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
            target(&checkout("deploy"), Some(&live()), &wanted)
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
            &checkout("deploy"),
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
        let target = target(&checkout("deploy"), None, &live()).unwrap().unwrap();
        assert_eq!(
            target.pod_template_digest,
            template_digest(&live()).map(|digest| digest.to_string())
        );
    }

    #[test]
    fn what_no_permit_can_cover_is_told() {
        let annotations = json!({"deprecated.deployment.rollback.to": "3"});
        let outside = target(
            &checkout("deploy"),
            Some(&live()),
            &changed("/metadata/annotations", annotations),
        )
        .unwrap_err();
        assert!(outside.to_string().contains("Rollback"), "{outside}");
    }

    #[test]
    fn without_a_difference_there_is_nothing_to_ask_for() {
        assert_eq!(
            target(&checkout("deploy"), Some(&live()), &live()),
            Ok(None)
        );
    }

    fn of_kind(version: &str, kind: &str, spec: &Value) -> Value {
        json!({"apiVersion": version, "kind": kind, "metadata": {"name": "checkout"}, "spec": spec})
    }

    #[test]
    fn the_image_of_a_cron_job_and_of_a_pod_is_named_too() {
        let pod = |tag: &str| json!({"containers": [{"name": "app", "image": format!("a:{tag}")}]});
        let cron = |tag| json!({"jobTemplate": {"spec": {"template": {"spec": pod(tag)}}}});
        let images = BTreeMap::from([("app".to_owned(), "a:2".to_owned())]);
        let cj = |tag| of_kind("batch/v1", "CronJob", &cron(tag));
        let found = target(&checkout("cj"), Some(&cj("1")), &cj("2"));
        let found = found.unwrap().unwrap();
        assert_eq!((found.kind.as_str(), &found.images), ("CronJob", &images));
        let po = |tag| of_kind("v1", "Pod", &pod(tag));
        let found = target(&checkout("pod"), Some(&po("1")), &po("2"));
        assert_eq!(found.unwrap().unwrap().images, images);
    }

    #[test]
    fn a_new_job_is_named_by_its_images_and_a_new_autoscaler_by_what_it_does() {
        let pod = json!({"containers": [{"name": "app", "image": "a:1"}]});
        let job = of_kind("batch/v1", "Job", &json!({"template": {"spec": pod}}));
        let found = target(&checkout("job"), None, &job).unwrap().unwrap();
        assert_eq!(found.images["app"], "a:1");
        assert_eq!(found.pod_template_digest, None);
        let limits = json!({"minReplicas": 1, "maxReplicas": 3});
        let scaler = of_kind("autoscaling/v2", "HorizontalPodAutoscaler", &limits);
        let found = target(&checkout("hpa"), None, &scaler).unwrap().unwrap();
        assert_eq!(found.operations, [Operation::Scale]);
    }

    #[test]
    fn a_debugger_in_a_pod_is_an_operation() {
        let pod = |debuggers: Value| {
            let spec = json!({"containers": [{"name": "app", "image": "a:1"}], "ephemeralContainers": debuggers});
            of_kind("v1", "Pod", &spec)
        };
        let wanted = pod(json!([{"name": "looks", "image": "busybox"}]));
        let found = target(&checkout("pod"), Some(&pod(json!([]))), &wanted);
        assert_eq!(found.unwrap().unwrap().operations, [Operation::Diagnose]);
    }
}
