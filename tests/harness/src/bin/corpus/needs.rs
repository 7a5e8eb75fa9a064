//! Needs: what has to be there before the pods of a Deployment can be created and bound.
//!
//! Decides which objects stand for it: service accounts, and claims with a volume each. What only a kubelet would
//! miss (config maps, secrets, registries) is left out, because nothing here mounts or pulls.

use serde_json::{Value, json};

/// The objects, as a List for `kubectl apply`; nothing where nothing is needed.
pub(crate) fn of(manifest: &Value, namespace: &str) -> Option<Value> {
    let pod = manifest.pointer("/spec/template/spec");
    let account = pod.and_then(|p| p.get("serviceAccountName"));
    let account = account.and_then(Value::as_str).filter(|a| *a != "default");
    let volumes = pod.and_then(|p| p.get("volumes")).and_then(Value::as_array);
    let claims = volumes
        .into_iter()
        .flatten()
        .filter_map(|v| v.pointer("/persistentVolumeClaim/claimName")?.as_str());
    let mut items: Vec<Value> = account
        .map(|name| {
            json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name, "namespace": namespace}})
        })
        .into_iter()
        .collect();
    items.extend(claims.flat_map(|claim| bound(claim, namespace)));
    (!items.is_empty()).then(|| json!({"apiVersion": "v1", "kind": "List", "items": items}))
}

/// A claim, and the volume that it is bound to.
fn bound(claim: &str, namespace: &str) -> [Value; 2] {
    let volume = format!("{namespace}-{claim}");
    let modes = json!(["ReadWriteOnce", "ReadWriteMany"]);
    [
        json!({"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": volume}, "spec": {
            "capacity": {"storage": "1Gi"}, "accessModes": modes, "storageClassName": "",
            "hostPath": {"path": "/nowhere"},
            "claimRef": {"name": claim, "namespace": namespace}}}),
        json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim",
            "metadata": {"name": claim, "namespace": namespace}, "spec": {
            "resources": {"requests": {"storage": "1Gi"}}, "accessModes": modes, "storageClassName": "",
            "volumeName": volume}}),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accounts_and_claims_are_needed_and_config_maps_are_not() {
        let volumes = json!([{"name": "a", "configMap": {"name": "c"}},
            {"name": "b", "persistentVolumeClaim": {"claimName": "data"}}]);
        let pod = json!({"serviceAccountName": "cart", "volumes": volumes});
        let list = of(&json!({"spec": {"template": {"spec": pod}}}), "shop").unwrap();
        let kinds: Vec<_> = list["items"]
            .as_array()
            .unwrap()
            .iter()
            .map(|o| &o["kind"])
            .collect();
        assert_eq!(
            kinds,
            [
                "ServiceAccount",
                "PersistentVolume",
                "PersistentVolumeClaim"
            ]
        );
    }

    #[test]
    fn the_default_account_is_there_already() {
        let pod = json!({"serviceAccountName": "default"});
        let manifest = json!({"spec": {"template": {"spec": pod}}});
        assert_eq!(of(&manifest, "shop"), None);
    }
}
