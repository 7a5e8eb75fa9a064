//! Metadata that changes what runs although the spec is equal.
//!
//! Three fields do: an annotation that makes the deployment controller restore an old template; an owner, because the
//! garbage collector deletes what belongs to something dead; and the labels of what controllers adopt by its labels.
//! All other metadata is no change; a deletion timestamp in particular excuses nothing. Does not know whether an owner
//! lives.

use serde_json::Value;

use super::FieldChange;
use super::path::{FieldPath, Segment};
use crate::api::vocabulary::Operation;
use crate::domain::kind::{at, word_of};

/// Still obeyed by the deployment controller: it writes the named revision's template into the Deployment.
const ROLLBACK: &str = "deprecated.deployment.rollback.to";

/// What controllers adopt by its labels.
pub const ADOPTED: [&str; 2] = ["ReplicaSet", "ControllerRevision"];

/// The demand to restore an old template, if the new object carries one that the old did not.
pub(super) fn rollback_demand(old: Option<&Value>, new: &Value) -> Option<FieldChange> {
    let annotation = |object: &Value| {
        object
            .get("metadata")?
            .get("annotations")?
            .get(ROLLBACK)
            .cloned()
    };
    let before = old.and_then(annotation);
    let demand = annotation(new).filter(|value| !value.is_null() && *value != "")?;
    (before.as_ref() != Some(&demand)).then(|| FieldChange {
        path: FieldPath::of_keys(&["metadata", "annotations", ROLLBACK]),
        old: before,
        new: Some(demand),
        operation: Operation::Rollback,
    })
}

/// Every owner reference that the old object did not have exactly so. To a dead owner's dependants the garbage
/// collector is a `Delete`, and it looks an owner up by version, kind and name: with any of them another one, a known
/// uid is a dead owner's. The match condition of the webhook compares references whole as well.
pub(super) fn added_owners<'a>(
    old: &'a Value,
    new: &'a Value,
) -> impl Iterator<Item = FieldChange> + 'a {
    owners(new)
        .enumerate()
        .filter(|(_, owner)| !owners(old).any(|known| known == *owner))
        .map(|(at, owner)| FieldChange {
            path: FieldPath::of_keys(&["metadata", "ownerReferences"]).then(Segment::Index(at)),
            old: None,
            new: Some(owner.clone()),
            operation: Operation::Delete,
        })
}

/// Other labels on what is adopted and orphaned by them (threat row 55).
pub(super) fn relabelled(old: &Value, new: &Value) -> Option<FieldChange> {
    let labels = |object: &Value| at(object, &["metadata", "labels"]).cloned();
    let (before, after) = (labels(old), labels(new));
    let is_adopted = ADOPTED.contains(&word_of(new)) || ADOPTED.contains(&word_of(old));
    (is_adopted && before != after).then(|| FieldChange {
        path: FieldPath::of_keys(&["metadata", "labels"]),
        old: before,
        new: after,
        operation: Operation::Configure,
    })
}

fn owners(object: &Value) -> impl Iterator<Item = &Value> {
    let list = object
        .get("metadata")
        .and_then(|metadata| metadata.get("ownerReferences"));
    list.and_then(Value::as_array).into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn annotated(value: &Value) -> Value {
        json!({"metadata": {"annotations": {ROLLBACK: value}}})
    }

    fn owned(owners: &Value) -> Value {
        json!({"metadata": {"ownerReferences": owners}})
    }

    #[test]
    fn t53_a_new_rollback_annotation_is_a_rollback() {
        let plain = json!({"metadata": {}});
        for (old, new) in [
            (&plain, "3"),
            (&annotated(&json!("2")), "3"),
            (&annotated(&json!("")), "0"),
        ] {
            let found = rollback_demand(Some(old), &annotated(&json!(new)));
            assert_eq!(
                found.map(|found| found.operation),
                Some(Operation::Rollback),
                "{old} -> {new}"
            );
        }
        assert!(rollback_demand(None, &annotated(&json!("3"))).is_some());
    }

    #[test]
    fn t53_the_same_or_a_removed_rollback_annotation_is_no_change() {
        let three = annotated(&json!("3"));
        assert_eq!(rollback_demand(Some(&three), &three), None);
        assert_eq!(rollback_demand(Some(&three), &annotated(&json!(""))), None);
        assert_eq!(rollback_demand(Some(&three), &json!({})), None);
    }

    #[test]
    fn t54_an_added_owner_is_a_delete() {
        let one = json!({"apiVersion": "v1", "kind": "ConfigMap", "name": "a", "uid": "1"});
        let two = json!({"apiVersion": "v1", "kind": "ConfigMap", "name": "a", "uid": "2"});
        let found: Vec<_> =
            added_owners(&owned(&json!([one])), &owned(&json!([one, two]))).collect();
        assert_eq!(
            found
                .iter()
                .map(|found| found.operation)
                .collect::<Vec<_>>(),
            [Operation::Delete]
        );
        assert_eq!(
            found.first().map(|found| found.path.to_string()).as_deref(),
            Some("metadata.ownerReferences[1]")
        );
        assert_eq!(added_owners(&json!({}), &owned(&json!([one]))).count(), 1);
    }

    #[test]
    fn t54_an_owner_of_known_uid_in_another_reference_is_a_delete() {
        let known = json!({"apiVersion": "v1", "kind": "ConfigMap", "name": "a", "uid": "1"});
        for key in [
            "name",
            "kind",
            "apiVersion",
            "controller",
            "blockOwnerDeletion",
        ] {
            let mut moved = known.clone();
            moved[key] = json!("gone");
            assert_eq!(
                added_owners(&owned(&json!([known])), &owned(&json!([moved]))).count(),
                1,
                "{key}"
            );
        }
    }

    #[test]
    fn t54_a_kept_or_removed_owner_is_no_change() {
        let one = json!({"apiVersion": "v1", "kind": "ConfigMap", "name": "a", "uid": "1"});
        assert_eq!(
            added_owners(&owned(&json!([one])), &owned(&json!([one]))).count(),
            0
        );
        assert_eq!(added_owners(&owned(&json!([one])), &json!({})).count(), 0);
    }

    #[test]
    fn t55_other_labels_are_a_change_of_what_is_adopted_by_them() {
        let labelled =
            |kind: &str, app: &str| json!({"kind": kind, "metadata": {"labels": {"app": app}}});
        for (kind, is_change) in [
            ("ReplicaSet", true),
            ("ControllerRevision", true),
            ("Deployment", false),
        ] {
            let found = relabelled(&labelled(kind, "a"), &labelled(kind, "b"));
            assert_eq!(found.is_some(), is_change, "{kind}");
            assert_eq!(relabelled(&labelled(kind, "a"), &labelled(kind, "a")), None);
        }
    }
}
