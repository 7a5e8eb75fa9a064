//! Change: what does a write do to a workload?
//!
//! The old and the new object are compared as they are, field by field, and every difference is told as an operation.
//! Only the objects count, never the verb or the manner of the write. Does not know who writes, what is permitted, or
//! which spec is the baseline.

pub mod container;
mod diff;
#[cfg(test)]
pub(crate) mod fixture;
pub mod image;
mod metadata;
mod operation;
pub mod path;
pub mod prefix;

pub use self::metadata::ADOPTED;

use std::collections::BTreeSet;
use std::fmt;

use serde_json::Value;

use self::container::LISTS;
use self::diff::{Difference, differences};
use self::image::{ImageChange, one_line};
use self::operation::in_pod;
use self::path::{FieldPath, Segment};
use crate::api::vocabulary::Operation;
use crate::domain::kind::{self, Pods};

/// The difference between the old and the new state of one object.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Change {
    /// Every field that differs. A workload that is created tells its images only, one that is deleted nothing.
    pub fields: Vec<FieldChange>,
    /// What the change does; empty only if it does nothing.
    pub operations: BTreeSet<Operation>,
}

/// One field that differs.
#[derive(Clone, PartialEq)]
pub struct FieldChange {
    /// Where the field is.
    pub path: FieldPath,
    /// The value before. Values can be secrets: show `describe()` instead.
    pub old: Option<Value>,
    /// The value after.
    pub new: Option<Value>,
    /// What the difference of this field does.
    pub operation: Operation,
}

/// Where the pod spec of an object stands.
fn pod_path(object: &Value) -> FieldPath {
    match kind::pods_of(kind::word_of(object)) {
        Pods::Template(path) => FieldPath::of_keys(path).then(Segment::Key("spec".to_owned())),
        Pods::Itself | Pods::Nowhere => FieldPath::of_keys(&["spec"]),
    }
}

/// The object, unless it is JSON's null.
fn present(object: Option<&Value>) -> Option<&Value> {
    object.filter(|value| !value.is_null())
}

impl Change {
    /// Works out the difference. An object that is not there is one that comes or goes, and JSON's null is none.
    ///
    /// Without any object nothing can be told: that is a `Configure` of nothing known, never an empty change.
    pub fn between(old: Option<&Value>, new: Option<&Value>) -> Self {
        match (present(old), present(new)) {
            (Some(old), Some(new)) => Self::of_update(old, new),
            (None, Some(new)) => Self::of_create(new),
            (Some(_), None) => Self {
                fields: Vec::new(),
                operations: [Operation::Delete].into(),
            },
            (None, None) => Self {
                fields: Vec::new(),
                operations: [Operation::Configure].into(),
            },
        }
    }

    /// Whether nothing that runs is changed.
    pub fn is_empty(&self) -> bool {
        self.operations.is_empty()
    }

    /// Every container whose image comes, goes or changes.
    pub fn image_changes(&self) -> Vec<ImageChange> {
        self.fields
            .iter()
            .filter_map(FieldChange::image_change)
            .collect()
    }

    fn of_create(new: &Value) -> Self {
        let pod = pod_path(new);
        let images = container::containers(new).filter_map(|found| {
            let path = pod.clone().then(Segment::Key(found.list.to_owned()));
            let path = path
                .then(Segment::Element(found.name.to_owned()))
                .then(Segment::Key("image".to_owned()));
            let image = Value::from(found.image?);
            Some(FieldChange {
                path,
                old: None,
                new: Some(image),
                operation: Operation::Create,
            })
        });
        let fields: Vec<_> = images.chain(metadata::rollback_demand(None, new)).collect();
        let operations = fields
            .iter()
            .map(|field| field.operation)
            .chain([Operation::Create])
            .collect();
        Self { fields, operations }
    }

    fn of_update(old: &Value, new: &Value) -> Self {
        let mut fields = content_changes(old, new);
        fields.extend(metadata::rollback_demand(Some(old), new));
        fields.extend(metadata::added_owners(old, new));
        fields.extend(metadata::relabelled(old, new));
        let operations = fields.iter().map(|field| field.operation).collect();
        Self { fields, operations }
    }
}

/// The differences of everything but metadata and status, which have rules of their own or do not count.
fn content_changes(old: &Value, new: &Value) -> Vec<FieldChange> {
    let judged = |key: &&String| !["metadata", "status"].contains(&key.as_str());
    let keys = [old, new]
        .into_iter()
        .filter_map(Value::as_object)
        .flat_map(serde_json::Map::keys);
    let of_key = |key: &String| {
        differences(
            FieldPath::of_keys(&[key]),
            present(old.get(key)),
            present(new.get(key)),
        )
    };
    let found = keys
        .filter(judged)
        .collect::<BTreeSet<_>>()
        .into_iter()
        .flat_map(of_key);
    found.filter_map(|found| settle(found, new)).collect()
}

/// Gives a difference its operation, unless it is only one between a default written out and the same left out.
fn settle(found: Difference, object: &Value) -> Option<FieldChange> {
    let operation = if kind::word_of(object) == "HorizontalPodAutoscaler" {
        Operation::Scale
    } else {
        operation::classify(&found.path, found.old.as_ref(), found.new.as_ref())
    };
    let default = default_of(&found.path, object);
    let Difference { path, old, new } = found;
    let (old, new) = (old.or_else(|| default.clone()), new.or(default));
    (old != new).then_some(FieldChange {
        path,
        old,
        new,
        operation,
    })
}

/// What a field means where it is left out, for those that the API server does not always write out. A pod has none of
/// them.
fn default_of(path: &FieldPath, object: &Value) -> Option<Value> {
    if kind::pods_of(kind::word_of(object)) == Pods::Itself {
        None
    } else if path.is(&operation::REPLICAS) {
        Some(default_replicas(object))
    } else if path.is(&operation::PAUSED) || path.is(&operation::SUSPEND) {
        Some(Value::Bool(false))
    } else if path.is(&operation::PARTITION) {
        Some(Value::from(0))
    } else {
        None
    }
}

/// A Scale leaves 0 replicas out; a workload that leaves them out has one.
fn default_replicas(object: &Value) -> Value {
    Value::from(u8::from(kind::word_of(object) != "Scale"))
}

impl FieldChange {
    /// The change for people, on one line. Environment, arguments and the like can be secrets: of those the path only.
    pub fn describe(&self) -> String {
        if let Some(image) = self.image_change() {
            return image.to_string();
        }
        let path = self.path.to_string();
        match (&self.old, &self.new) {
            (Some(Value::Number(old)), Some(Value::Number(new)))
                if self.operation == Operation::Scale =>
            {
                format!("{path} {old} -> {new}")
            }
            (None, _) => format!("{path} added"),
            (_, None) => format!("{path} removed"),
            _ => format!("{path} changed"),
        }
    }

    /// The container whose `image` this field is.
    pub fn names_image_of(&self) -> Option<&str> {
        match in_pod(&self.path)? {
            [Segment::Key(list), Segment::Element(name), field]
                if LISTS.contains(&list.as_str()) && field.is_key("image") =>
            {
                Some(name)
            }
            _ => None,
        }
    }

    /// Whether this field is part of the pod template of an object of that kind.
    pub fn is_of_template(&self, kind: &str) -> bool {
        match kind::pods_of(kind) {
            Pods::Template(path) => self.path.below(path).is_some(),
            Pods::Itself => self.path.below(&["spec"]).is_some(),
            Pods::Nowhere => false,
        }
    }

    /// The container whose image this field names, or that comes or goes with this field.
    pub fn image_change(&self) -> Option<ImageChange> {
        let [Segment::Key(list), element, rest @ ..] = in_pod(&self.path)? else {
            return None;
        };
        if !LISTS.contains(&list.as_str()) {
            return None;
        }
        let image = |value: &Option<Value>| match rest {
            [] => value.as_ref()?.get("image")?.as_str().map(str::to_owned),
            [field] if field.is_key("image") => value.as_ref()?.as_str().map(str::to_owned),
            _ => None,
        };
        let (from, to) = (image(&self.old), image(&self.new));
        let container = match element {
            Segment::Element(name) | Segment::Key(name) => name.clone(),
            Segment::Index(index) => format!("{list}[{index}]"),
        };
        (from != to).then_some(ImageChange {
            container,
            from,
            to,
        })
    }
}

/// Values stay out of logs: what is printed is what people are told.
impl fmt::Debug for FieldChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.operation, one_line(&self.describe()))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::fixture::{any_template, deployment, scale, set, with};
    use super::*;
    use crate::domain::canonical::{spec_digest, template_digest};

    const APP: &str = "/spec/template/spec/containers/0";

    #[track_caller]
    fn check(old: &Value, new: &Value, operations: &[Operation], told: &[&str]) {
        let change = Change::between(Some(old), Some(new));
        assert_eq!(
            change.operations.iter().copied().collect::<Vec<_>>(),
            operations
        );
        assert_eq!(
            change
                .fields
                .iter()
                .map(FieldChange::describe)
                .collect::<Vec<_>>(),
            told
        );
        assert_eq!(change.is_empty(), operations.is_empty());
    }

    #[track_caller]
    fn check_edit(pointer: &str, value: impl Into<Value>, operation: Operation, told: &str) {
        check(&deployment(), &with(pointer, value), &[operation], &[told]);
    }

    #[test]
    fn an_equal_object_is_no_change() {
        check(&deployment(), &deployment(), &[], &[]);
    }

    #[test]
    fn an_image_is_a_deploy_and_told_by_its_versions() {
        check_edit(
            &format!("{APP}/image"),
            "shop/checkout:1.5.0",
            Operation::Deploy,
            "image app 1.4.2 -> 1.5.0",
        );
        check_edit(
            "/spec/template/spec/initContainers/0/image",
            "evil:1",
            Operation::Deploy,
            "image init shop/init:1 -> evil:1",
        );
    }

    #[test]
    fn a_container_that_comes_or_goes_is_a_deploy() {
        let added = json!([{"name": "init", "image": "shop/init:1"}, {"name": "more", "image": "shop/more:1"}]);
        check_edit(
            "/spec/template/spec/initContainers",
            added,
            Operation::Deploy,
            "image more (none) -> shop/more:1",
        );
        check_edit(
            "/spec/template/spec/initContainers",
            Value::Null,
            Operation::Deploy,
            "image init shop/init:1 -> (none)",
        );
        let ephemeral = json!([{"name": "debug", "image": "busybox"}]);
        check_edit(
            "/spec/template/spec/ephemeralContainers",
            ephemeral,
            Operation::Deploy,
            "image debug (none) -> busybox",
        );
    }

    #[test]
    fn a_command_is_a_deploy() {
        let path = "spec.template.spec.containers[app].command[0] added";
        check_edit(
            &format!("{APP}/command"),
            json!(["sh"]),
            Operation::Deploy,
            path,
        );
    }

    #[test]
    fn values_that_can_be_secrets_are_never_told() {
        let change = Change::between(
            Some(&deployment()),
            Some(&with(&format!("{APP}/env/0/value"), "hunter3")),
        );
        let told = format!("{:?} {}", change, change.fields[0].describe());
        assert!(!told.contains("hunter"), "{told}");
        assert!(
            told.contains("containers[app].env[TOKEN].value changed"),
            "{told}"
        );
        check_edit(
            &format!("{APP}/args/0"),
            "--key=secret",
            Operation::Deploy,
            "spec.template.spec.containers[app].args[0] changed",
        );
    }

    #[test]
    fn every_other_field_of_the_spec_is_a_configure() {
        check_edit(
            "/spec/strategy/type",
            "Recreate",
            Operation::Configure,
            "spec.strategy.type changed",
        );
        check_edit(
            "/spec/revisionHistoryLimit",
            0,
            Operation::Configure,
            "spec.revisionHistoryLimit added",
        );
        let path = "spec.template.metadata.labels.tier added";
        check_edit(
            "/spec/template/metadata/labels/tier",
            "1",
            Operation::Configure,
            path,
        );
    }

    #[test]
    fn a_member_beside_spec_metadata_and_status_counts() {
        check_edit(
            "/data",
            json!({"key": "value"}),
            Operation::Configure,
            "data.key added",
        );
        check_edit("/kind", "StatefulSet", Operation::Configure, "kind changed");
    }

    #[test]
    fn a_restart_changes_nothing_but_its_annotation() {
        let path =
            "spec.template.metadata.annotations[\"kubectl.kubernetes.io/restartedAt\"] added";
        let pointer = "/spec/template/metadata/annotations/kubectl.kubernetes.io~1restartedAt";
        check_edit(pointer, "2026-11-21", Operation::Restart, path);
        let more = set(
            with(pointer, "2026-11-21"),
            &format!("{APP}/image"),
            "evil:1",
        );
        let change = Change::between(Some(&deployment()), Some(&more));
        assert_eq!(
            change.operations,
            [Operation::Deploy, Operation::Restart].into()
        );
    }

    #[test]
    fn t01_a_scale_without_replicas_has_none() {
        check(
            &scale(3),
            &scale(0),
            &[Operation::Scale],
            &["spec.replicas 3 -> 0"],
        );
        check(
            &scale(0),
            &scale(2),
            &[Operation::Scale],
            &["spec.replicas 0 -> 2"],
        );
        check(&scale(0), &scale(0), &[], &[]);
        check(&scale(0), &set(scale(0), "/spec/replicas", 0), &[], &[]);
    }

    #[test]
    fn replicas_of_a_workload_are_a_scale_and_default_to_one() {
        check_edit(
            "/spec/replicas",
            0,
            Operation::Scale,
            "spec.replicas 3 -> 0",
        );
        check_edit(
            "/spec/replicas",
            Value::Null,
            Operation::Scale,
            "spec.replicas 3 -> 1",
        );
        check(
            &with("/spec/replicas", 1),
            &with("/spec/replicas", Value::Null),
            &[],
            &[],
        );
    }

    #[test]
    fn t04_no_authority_and_no_change_comes_from_status_labels_or_annotations() {
        check(&deployment(), &with("/status/replicas", 9), &[], &[]);
        check(
            &deployment(),
            &with("/metadata/annotations/permits.dev~1permit", "p"),
            &[],
            &[],
        );
        check(
            &deployment(),
            &with("/metadata/labels/app", "other"),
            &[],
            &[],
        );
        check(
            &deployment(),
            &with("/metadata/resourceVersion", "2"),
            &[],
            &[],
        );
    }

    #[test]
    fn t05_without_an_old_object_the_write_is_a_create() {
        for old in [None, Some(&Value::Null)] {
            let change = Change::between(old, Some(&deployment()));
            assert_eq!(change.operations, [Operation::Create].into());
            let images: Vec<_> = change
                .image_changes()
                .iter()
                .map(ToString::to_string)
                .collect();
            assert_eq!(
                images,
                [
                    "image init (none) -> shop/init:1",
                    "image app (none) -> shop/checkout:1.4.2",
                    "image proxy (none) -> shop/proxy:2",
                ]
            );
        }
    }

    #[test]
    fn t06_without_a_new_object_the_write_is_a_delete_whatever_the_name() {
        for new in [None, Some(&Value::Null)] {
            let change = Change::between(Some(&with("/metadata/name", "")), new);
            assert_eq!(change.operations, [Operation::Delete].into());
        }
    }

    #[test]
    fn without_any_object_the_change_is_not_empty() {
        assert!(!Change::between(None, None).is_empty());
        assert!(!Change::between(Some(&Value::Null), Some(&Value::Null)).is_empty());
    }

    #[test]
    fn t07_a_deletion_timestamp_excuses_nothing() {
        let parked = with("/metadata/deletionTimestamp", "2026-11-21T21:00:00Z");
        let edited = set(parked.clone(), &format!("{APP}/image"), "evil:1");
        check(
            &parked,
            &edited,
            &[Operation::Deploy],
            &["image app shop/checkout:1.4.2 -> evil:1"],
        );
        check(
            &set(parked.clone(), "/metadata/finalizers", json!(["a"])),
            &parked,
            &[],
            &[],
        );
    }

    #[test]
    fn t08_an_edit_while_paused_is_a_change_and_so_is_leaving_pause() {
        let paused = with("/spec/paused", true);
        check(
            &deployment(),
            &paused,
            &[Operation::Pause],
            &["spec.paused changed"],
        );
        let edited = set(paused.clone(), &format!("{APP}/image"), "shop/checkout:2");
        check(
            &paused,
            &edited,
            &[Operation::Deploy],
            &["image app 1.4.2 -> 2"],
        );
        check(
            &edited,
            &set(edited.clone(), "/spec/paused", Value::Null),
            &[Operation::Resume],
            &["spec.paused changed"],
        );
        check(&deployment(), &with("/spec/paused", false), &[], &[]);
    }

    #[test]
    fn t53_the_rollback_annotation_is_a_rollback_of_an_update_and_a_create() {
        let demand = with(
            "/metadata/annotations/deprecated.deployment.rollback.to",
            "1",
        );
        let path = "metadata.annotations[\"deprecated.deployment.rollback.to\"] added";
        check(&deployment(), &demand, &[Operation::Rollback], &[path]);
        let created = Change::between(None, Some(&demand));
        assert_eq!(
            created.operations,
            [Operation::Rollback, Operation::Create].into()
        );
    }

    #[test]
    fn t54_an_added_owner_is_a_delete_by_the_main_resource_and_by_status() {
        let owned = with(
            "/metadata/ownerReferences",
            json!([{"kind": "ConfigMap", "name": "gone", "uid": "dead"}]),
        );
        let by_status = set(owned.clone(), "/status/replicas", 9);
        for new in [owned, by_status] {
            check(
                &deployment(),
                &new,
                &[Operation::Delete],
                &["metadata.ownerReferences[0] added"],
            );
        }
    }

    fn templated(template: &Value) -> Value {
        with("/spec/template", template.clone())
    }

    proptest! {
        #[test]
        fn a_change_is_empty_exactly_if_the_digests_are_equal(old in any_template(), new in any_template()) {
            let (old, new) = (templated(&old), templated(&new));
            let change = Change::between(Some(&old), Some(&new));
            prop_assert_eq!(change.is_empty(), spec_digest(&old) == spec_digest(&new));
            if template_digest(&old).is_some() && template_digest(&new).is_some() {
                prop_assert_eq!(change.is_empty(), template_digest(&old) == template_digest(&new));
            }
        }

        #[test]
        fn an_equal_template_is_never_a_change(template in any_template()) {
            prop_assert!(Change::between(Some(&templated(&template)), Some(&templated(&template))).is_empty());
        }

        #[test]
        fn the_way_back_changes_the_same_places(old in any_template(), new in any_template()) {
            let (old, new) = (templated(&old), templated(&new));
            let places = |a, b| {
                let fields = Change::between(Some(a), Some(b)).fields;
                fields.into_iter().map(|field| field.path).collect::<BTreeSet<_>>()
            };
            prop_assert_eq!(places(&old, &new), places(&new, &old));
        }
    }
}
