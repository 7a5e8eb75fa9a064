//! Values: something for a field to hold that the API server may take, with the neighbours that it then asks for.
//!
//! What is not known to be valid is tried all the same: a write that is refused stores nothing. Does not know objects.

use serde_json::{Map, Value, json};

use crate::leaf::{Leaf, Step, Types};

/// An object that holds the leaf, what its type requires, and nothing else. `variant` 0 and 1 hold different values.
pub(crate) fn sparse(types: &Types, schema: &Value, leaf: &Leaf, variant: usize) -> Value {
    let drawn = Drawn {
        types,
        leaf,
        variant,
    };
    drawn.build(schema, 0)
}

struct Drawn<'a> {
    types: &'a Types,
    leaf: &'a Leaf,
    variant: usize,
}

impl Drawn<'_> {
    fn build(&self, schema: &Value, at: usize) -> Value {
        let (own, above) = self.names(at);
        let Some(step) = self.leaf.0.get(at) else {
            return self.value(schema, (own, above), self.variant);
        };
        let inner = self.types.step(schema, step).unwrap_or(&Value::Null);
        let built = self.build(inner, at + 1);
        match step {
            Step::Item => json!([built]),
            Step::Entry => json!({ entry(own, above): built }),
            Step::Key(key) => {
                // What stands there has what its own type requires.
                let stands = ["", "spec", "template", "jobTemplate"].contains(&own)
                    && above != "volumeClaimTemplate";
                let mut object = if stands {
                    Map::new()
                } else {
                    self.required(schema, own)
                };
                let has = |name: &str| self.has(name);
                for (name, value) in neighbours((own, above), key, has)
                    .as_object()
                    .into_iter()
                    .flatten()
                {
                    object.insert(name.clone(), value.clone());
                }
                object.insert(key.clone(), built);
                Value::Object(object)
            }
        }
    }

    /// The last two members on the way to a place.
    fn names(&self, at: usize) -> (&str, &str) {
        let keys = self.leaf.0.iter().take(at).rev();
        let mut keys = keys.filter_map(|step| match step {
            Step::Key(key) => Some(key.as_str()),
            Step::Item | Step::Entry => None,
        });
        (
            keys.next().unwrap_or_default(),
            keys.next().unwrap_or_default(),
        )
    }

    /// Whether the way leads through a member.
    fn has(&self, name: &str) -> bool {
        self.leaf
            .0
            .iter()
            .any(|step| matches!(step, Step::Key(key) if key == name))
    }

    fn required(&self, schema: &Value, above: &str) -> Map<String, Value> {
        let required = self
            .types
            .resolve(schema)
            .get("required")
            .and_then(Value::as_array);
        let names = required.into_iter().flatten().filter_map(Value::as_str);
        let member = |name: &str| {
            let inner = self.types.step(schema, &Step::Key(name.to_owned()))?;
            Some((name.to_owned(), self.value(inner, (name, above), 0)))
        };
        names.filter_map(member).collect()
    }

    fn value(&self, schema: &Value, (own, above): (&str, &str), variant: usize) -> Value {
        let resolved = self.types.resolve(schema);
        let text = |key: &str| {
            resolved
                .get(key)
                .and_then(Value::as_str)
                .unwrap_or_default()
        };
        if let Some(known) =
            known(own, above, variant).filter(|_| resolved.get("properties").is_none())
        {
            return match text("type") {
                "array" => json!([known]),
                "object" => json!({ entry(own, above): known }),
                _ => known,
            };
        }
        if let Some(choices) = resolved
            .get("enum")
            .or_else(|| schema.get("enum"))
            .and_then(Value::as_array)
        {
            return choices[(choices.len() - 1).min(variant)].clone();
        }
        match (text("type"), text("format")) {
            ("string", "date-time") => json!(format!("2026-01-0{}T00:00:00Z", variant + 1)),
            ("string", "byte") => json!(["YQ==", "Yg=="][variant.min(1)]),
            ("integer" | "number", _) => json!(variant + 1),
            ("boolean", _) => json!(variant == 0),
            ("array", _) => {
                let item = resolved.get("items").unwrap_or(&Value::Null);
                json!([self.value(item, (own, above), variant)])
            }
            ("object", _) if resolved.get("properties").is_none() => {
                match resolved.get("additionalProperties") {
                    Some(inner) => {
                        json!({ entry(own, above): self.value(inner, (own, above), variant) })
                    }
                    None => json!({}),
                }
            }
            ("object", _) => Value::Object(self.required(schema, own)),
            // A quantity, or a number or a name.
            _ if resolved.get("oneOf").is_some() => json!((variant + 1).to_string()),
            _ => json!(["fuzz-a", "fuzz-b"][variant.min(1)]),
        }
    }
}

/// The key of a map's member.
fn entry(own: &str, above: &str) -> &'static str {
    match (own, above) {
        ("requests" | "limits", "resources") => "cpu",
        ("overhead", _) => "cpu",
        _ => "fuzz",
    }
}

/// Fields with a grammar of their own.
fn known(own: &str, above: &str, variant: usize) -> Option<Value> {
    let two = |a: Value, b: Value| Some(if variant == 0 { a } else { b });
    match (own, above) {
        ("image" | "reference", _) => two(json!("evil/app:1"), json!("evil/app:2")),
        ("mountPath" | "devicePath", _) => two(json!("/fuzz-a"), json!("/fuzz-b")),
        ("path", "hostPath" | "httpGet" | "nfs") => two(json!("/fuzz-a"), json!("/fuzz-b")),
        ("fieldPath", _) => two(json!("metadata.name"), json!("metadata.namespace")),
        ("resource", _) => two(json!("limits.cpu"), json!("limits.memory")),
        ("ip" | "nameservers" | "hostIP" | "podIP", _) => two(json!("10.0.0.1"), json!("10.0.0.2")),
        ("operator", "tolerations") => two(json!("Equal"), json!("Exists")),
        ("operator", "matchFields") => two(json!("In"), json!("NotIn")),
        ("operator", _) => two(json!("In"), json!("NotIn")),
        ("key", "matchFields") => Some(json!("metadata.name")),
        ("restartPolicy", "initContainers") => Some(json!("Always")),
        ("accessModes", _) => two(json!("ReadWriteOnce"), json!("ReadOnlyMany")),
        ("monitors", _) => two(json!("a:1"), json!("b:1")),
        ("iqn" | "initiatorName", _) => two(
            json!("iqn.2001-04.com.example:a"),
            json!("iqn.2001-04.com.example:b"),
        ),
        ("targetPortal" | "portals", _) => two(json!("10.0.0.1:3260"), json!("10.0.0.2:3260")),
        ("signerName", _) => two(json!("example.org/a"), json!("example.org/b")),
        ("keyType", _) => two(json!("ED25519"), json!("ECDSAP256")),
        ("maxExpirationSeconds" | "expirationSeconds", _) => two(json!(3600), json!(7200)),
        ("minResources" | "divisor", _) => two(json!("1"), json!("1m")),
        ("schedule", _) => two(json!("0 1 * * *"), json!("0 2 * * *")),
        ("timeZone", _) => two(json!("Etc/UTC"), json!("Europe/Paris")),
        ("defaultMode" | "mode", _) => two(json!(256), json!(384)),
        ("mountOptions", _) => Some(json!("ro")),
        ("volumeName", "fileKeyRef") | ("name", "volumeMounts") => Some(json!("tmp")),
        ("name", "volumeDevices") => Some(json!("disk")),
        ("resourceName", "resizePolicy") => two(json!("cpu"), json!("memory")),
        ("restartPolicy", "resizePolicy") => two(json!("NotRequired"), json!("RestartContainer")),
        ("restartPolicy", "containers") => two(json!("Always"), json!("Never")),
        ("action", "restartPolicyRules") => Some(json!("Restart")),
        ("type", "seccompProfile" | "appArmorProfile") => {
            two(json!("RuntimeDefault"), json!("Unconfined"))
        }
        ("mountPropagation", _) => two(json!("None"), json!("HostToContainer")),
        ("recursiveReadOnly", _) => two(json!("Disabled"), json!("IfPossible")),
        ("name", "os") => two(json!("linux"), json!("windows")),
        ("seLinuxChangePolicy", _) => Some(json!("Recursive")),
        ("limits", "resources") => two(json!("3"), json!("4")),
        ("diskURI", _) => two(
            json!("https://a.blob.core.windows.net/b/c.vhd"),
            json!("https://a.blob.core.windows.net/b/d.vhd"),
        ),
        ("registry", "quobyte") => two(json!("a:1"), json!("b:1")),
        ("kind", "dataSource" | "dataSourceRef") => Some(json!("PersistentVolumeClaim")),
        ("apiVersion", "fieldRef") => Some(json!("v1")),
        ("topologyKey", _) => two(json!("kubernetes.io/hostname"), json!("zone")),
        ("whenUnsatisfiable", _) => two(json!("DoNotSchedule"), json!("ScheduleAnyway")),
        ("stopSignal", _) => two(json!("SIGTERM"), json!("SIGUSR1")),
        ("containerPort" | "port" | "hostPort" | "number", _) => two(json!(8081), json!(8082)),
        ("claimName" | "secretName" | "pdName", _) => two(json!("fuzz-a"), json!("fuzz-b")),
        ("conditionType", _) => two(json!("example.org/a"), json!("example.org/b")),
        _ => None,
    }
}

/// What stands beside a member, as its object's rules demand. `has` tells what else the way leads through.
fn neighbours((own, above): (&str, &str), key: &str, has: impl Fn(&str) -> bool) -> Value {
    let is_one_of = |keys: &[&str]| keys.contains(&key);
    match own {
        "containers" if key == "restartPolicyRules" => {
            json!({"name": "app", "image": "shop/app:1", "restartPolicy": "Never"})
        }
        "containers" => json!({"name": "app", "image": "shop/app:1"}),
        "initContainers" => {
            let sidecar = is_one_of(&[
                "lifecycle",
                "livenessProbe",
                "readinessProbe",
                "startupProbe",
                "restartPolicyRules",
            ]);
            let mut object = json!({"name": "init", "image": "shop/init:1"});
            if sidecar {
                object["restartPolicy"] = json!("Always");
            }
            object
        }
        "ephemeralContainers" => json!({"name": "debug", "image": "shop/debug:1"}),
        "volumes" => json!({"name": "fuzz"}),
        "volumeMounts" if key == "recursiveReadOnly" => {
            json!({"name": "tmp", "mountPath": "/fuzz", "readOnly": true})
        }
        "volumeMounts" => json!({"name": "tmp", "mountPath": "/fuzz"}),
        "volumeDevices" => json!({"name": "disk", "devicePath": "/dev/fuzz"}),
        "livenessProbe" | "startupProbe" | "readinessProbe"
            if !is_one_of(&["exec", "grpc", "httpGet", "tcpSocket"]) =>
        {
            json!({"tcpSocket": {"port": 80}})
        }
        "lifecycle" if key == "stopSignal" => json!({}),
        "preStop" | "postStart" if is_one_of(&["httpHeaders"]) => json!({}),
        "httpGet" => json!({"port": 80}),
        "ports" => json!({"containerPort": 8080}),
        "tolerations" if key == "tolerationSeconds" => {
            json!({"key": "a", "operator": "Exists", "effect": "NoExecute"})
        }
        "tolerations" if key == "value" => json!({"key": "a"}),
        "tolerations" => json!({"operator": "Exists", "key": "a"}),
        "matchExpressions" | "matchFields" => {
            json!({"key": if own == "matchFields" { "metadata.name" } else { "a" }, "operator": "In", "values": ["a"]})
        }
        "topologySpreadConstraints" => {
            json!({"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule", "labelSelector": {"matchLabels": {"a": "b"}}})
        }
        "requiredDuringSchedulingIgnoredDuringExecution" | "podAffinityTerm"
            if above != "nodeAffinity" =>
        {
            json!({"topologyKey": "zone", "labelSelector": {"matchLabels": {"a": "b"}}})
        }
        "preference" => json!({}),
        "seccompProfile" | "appArmorProfile" if key == "localhostProfile" => {
            json!({"type": "Localhost"})
        }
        "seccompProfile" | "appArmorProfile" => json!({}),
        "sysctls" => json!({"name": "kernel.shm_rmid_forced", "value": "1"}),
        "hostAliases" => json!({"ip": "10.0.0.3"}),
        "env" => json!({"name": "FUZZ"}),
        "configMapKeyRef" | "secretKeyRef" => json!({"name": "fuzz", "key": "a"}),
        "configMapRef" | "secretRef" | "nodePublishSecretRef" => json!({"name": "fuzz"}),
        "envFrom" if key == "prefix" => json!({"configMapRef": {"name": "fuzz"}}),
        "options" => json!({"name": "a"}),
        "resizePolicy" => json!({"resourceName": "cpu", "restartPolicy": "NotRequired"}),
        "restartPolicyRules" => {
            json!({"action": "Restart", "exitCodes": {"operator": "In", "values": [1]}})
        }
        "exitCodes" => json!({"operator": "In", "values": [1]}),
        "volumeClaimTemplate" if key != "spec" => {
            json!({"spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}})
        }
        "iscsi" if key.starts_with("chap") => {
            json!({"targetPortal": "10.0.0.1:3260", "iqn": "iqn.2001-04.com.example:a", "lun": 1, "secretRef": {"name": "fuzz"}})
        }
        "fileKeyRef" => json!({"volumeName": "tmp", "path": "a", "key": "A"}),
        "resourceClaims" if key == "name" => json!({"resourceClaimName": "claim"}),
        "resourceClaims" => json!({"name": "fuzz"}),
        "fc" => json!({"targetWWNs": ["50060e801049cfd1"], "lun": 1}),
        "iscsi" => {
            json!({"targetPortal": "10.0.0.1:3260", "iqn": "iqn.2001-04.com.example:a", "lun": 1})
        }
        "flocker" => json!({}),
        "ephemeral" | "volumeClaimTemplate" | "dataSource" | "dataSourceRef" => json!({}),
        "spec" if above == "volumeClaimTemplate" => {
            json!({"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}})
        }
        "clusterTrustBundle" if key == "name" => json!({"path": "a"}),
        "clusterTrustBundle" => json!({"path": "a", "signerName": "example.org/a"}),
        "podCertificate" => {
            json!({"signerName": "example.org/a", "keyType": "ED25519", "credentialBundlePath": "a"})
        }
        "configMap" | "secret" if above == "sources" => json!({"name": "fuzz"}),
        "configMap" => json!({"name": "fuzz"}),
        "secret" => json!({"secretName": "fuzz"}),
        "items" if has("downwardAPI") && !is_one_of(&["fieldRef", "resourceFieldRef"]) => {
            json!({"path": "a", "fieldRef": {"fieldPath": "metadata.name"}})
        }
        "items" if has("downwardAPI") => json!({"path": "a"}),
        "resourceFieldRef" => json!({"containerName": "app", "resource": "limits.cpu"}),
        "ownerReferences" => {
            json!({"apiVersion": "v1", "kind": "ConfigMap", "name": "a", "uid": "u"})
        }
        "policies" | "metrics" => json!({"type": "Pods", "value": 1, "periodSeconds": 15}),
        _ => json!({}),
    }
}
