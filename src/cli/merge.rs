//! What `kubectl apply` would send: the file as a strategic merge patch, with deletions of what the file no longer
//! holds but the last applied one did.
//!
//! Pure. Knows the merge keys of pods and of what makes them; the API server does the merging.

use serde_json::{Map, Value, json};

/// The annotation in which `kubectl apply` remembers what it applied.
const LAST_APPLIED: &str =
    "/metadata/annotations/kubectl.kubernetes.io~1last-applied-configuration";
/// What the API server writes itself and no file changes.
const SERVER_FIELDS: [&str; 5] = [
    "resourceVersion",
    "uid",
    "creationTimestamp",
    "generation",
    "managedFields",
];

/// The patch that brings `live` to `file`.
pub(super) fn patch(live: &Value, file: &Value) -> Value {
    let last = live
        .pointer(LAST_APPLIED)
        .and_then(Value::as_str)
        .and_then(|text| serde_json::from_str(text).ok());
    merged("", &cleaned(&last.unwrap_or(Value::Null)), &cleaned(file))
}

/// An object without what the API server writes itself.
pub(super) fn cleaned(object: &Value) -> Value {
    let mut object = object.clone();
    if let Some(fields) = object.as_object_mut() {
        fields.remove("status");
    }
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.retain(|key, _| !SERVER_FIELDS.contains(&key.as_str()));
    }
    object
}

fn merged(field: &str, last: &Value, file: &Value) -> Value {
    match file {
        Value::Object(map) => Value::Object(merged_map(field, last, map)),
        Value::Array(_) | Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            file.clone()
        }
    }
}

fn merged_map(field: &str, last: &Value, file: &Map<String, Value>) -> Map<String, Value> {
    let mut out = Map::new();
    for (key, value) in file {
        let before = last.get(key).unwrap_or(&Value::Null);
        match (merge_key(key), value) {
            (Some(merge_key), Value::Array(items)) => {
                // As kubectl does: an empty list merges nothing, and the API server refuses an order of nothing.
                let merged = merged_list(merge_key, before, items);
                if !merged.is_empty() {
                    out.insert(key.clone(), Value::Array(merged));
                }
                if !items.is_empty() {
                    out.insert(format!("$setElementOrder/{key}"), order(merge_key, items));
                }
            }
            _ => {
                out.insert(key.clone(), merged(key, before, value));
            }
        }
    }
    if field == "strategy" {
        // Another strategy may not keep the parameters that were defaulted for the former one.
        out.insert("$retainKeys".to_owned(), file.keys().cloned().collect());
    }
    let gone = last
        .as_object()
        .into_iter()
        .flat_map(Map::keys)
        .filter(|key| !file.contains_key(*key));
    for key in gone {
        out.insert(key.clone(), Value::Null);
    }
    out
}

fn merged_list(key: &str, last: &Value, file: &[Value]) -> Vec<Value> {
    let before = last.as_array().map(Vec::as_slice).unwrap_or_default();
    let same = |item: &Value| {
        before
            .iter()
            .find(|old| old.get(key) == item.get(key))
            .unwrap_or(&Value::Null)
    };
    let kept = file.iter().map(|item| merged("", same(item), item));
    let gone = before
        .iter()
        .filter(|old| !file.iter().any(|item| item.get(key) == old.get(key)));
    kept.chain(gone.map(|old| json!({key: old.get(key), "$patch": "delete"})))
        .collect()
}

fn order(key: &str, items: &[Value]) -> Value {
    items
        .iter()
        .map(|item| json!({key: item.get(key)}))
        .collect()
}

/// By which field the elements of a list are told apart; other lists are replaced as a whole.
fn merge_key(field: &str) -> Option<&'static str> {
    match field {
        "containers"
        | "initContainers"
        | "ephemeralContainers"
        | "volumes"
        | "env"
        | "imagePullSecrets"
        | "resourceClaims" => Some("name"),
        "ports" => Some("containerPort"),
        "volumeMounts" => Some("mountPath"),
        "volumeDevices" => Some("devicePath"),
        "hostAliases" => Some("ip"),
        "topologySpreadConstraints" => Some("topologyKey"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_env(env: &Value) -> Value {
        json!({"kind": "Deployment", "spec": {"template": {"spec": {"containers": [{"name": "app", "env": env}]}}}})
    }

    fn live(last_applied: &Value) -> Value {
        let annotation =
            json!({"kubectl.kubernetes.io/last-applied-configuration": last_applied.to_string()});
        json!({"metadata": {"annotations": annotation}})
    }

    #[test]
    fn what_the_file_no_longer_holds_is_deleted_if_it_was_applied_before() {
        let last = with_env(&json!([{"name": "A", "value": "1"}, {"name": "B", "value": "2"}]));
        let patch = patch(
            &live(&last),
            &with_env(&json!([{"name": "B", "value": "3"}])),
        );
        let env = patch
            .pointer("/spec/template/spec/containers/0/env")
            .unwrap();
        assert_eq!(
            env,
            &json!([{"name": "B", "value": "3"}, {"name": "A", "$patch": "delete"}])
        );
        let order = patch
            .pointer("/spec/template/spec/containers/0/$setElementOrder~1env")
            .unwrap();
        assert_eq!(order, &json!([{"name": "B"}]));
    }

    #[test]
    fn an_empty_list_merges_nothing_and_still_deletes_what_was_applied_before() {
        let container = "/spec/template/spec/containers/0";
        let fresh = patch(&json!({}), &with_env(&json!([])));
        assert_eq!(fresh.pointer(container), Some(&json!({"name": "app"})));
        let last = with_env(&json!([{"name": "A", "value": "1"}]));
        let emptied = patch(&live(&last), &with_env(&json!([])));
        let deleted = json!([{"name": "A", "$patch": "delete"}]);
        assert_eq!(
            emptied.pointer(container),
            Some(&json!({"name": "app", "env": deleted}))
        );
    }

    #[test]
    fn a_key_that_was_applied_before_and_is_gone_is_nulled() {
        let last = json!({"spec": {"minReadySeconds": 5, "replicas": 2}});
        assert_eq!(
            patch(&live(&last), &json!({"spec": {"replicas": 2}})),
            json!({"spec": {"replicas": 2, "minReadySeconds": null}})
        );
    }

    #[test]
    fn without_a_last_applied_file_nothing_is_deleted() {
        assert_eq!(
            patch(&json!({}), &json!({"spec": {"replicas": 2}})),
            json!({"spec": {"replicas": 2}})
        );
    }

    #[test]
    fn what_the_server_writes_is_not_sent() {
        let file = json!({"metadata": {"name": "a", "resourceVersion": "7", "uid": "u"}, "status": {"replicas": 1}});
        assert_eq!(patch(&json!({}), &file), json!({"metadata": {"name": "a"}}));
    }

    #[test]
    fn a_list_without_a_merge_key_is_replaced() {
        let file = json!({"spec": {"command": ["a", "b"]}});
        assert_eq!(patch(&json!({}), &file), file);
    }

    #[test]
    fn another_strategy_keeps_no_parameters_of_the_former() {
        let file = json!({"spec": {"strategy": {"type": "Recreate"}}});
        let strategy = json!({"type": "Recreate", "$retainKeys": ["type"]});
        assert_eq!(
            patch(&json!({}), &file),
            json!({"spec": {"strategy": strategy}})
        );
    }
}
