//! Variant: a manifest with one thing changed, as somebody would change it in an editor.
//!
//! Decides what the next image of a container is called. Does not know what is permitted.

use std::collections::BTreeMap;

use serde_json::{Value, json};

const CONTAINERS: &str = "/spec/template/spec/containers";

/// The images that a manifest names, by container; init containers too.
pub(crate) fn images(manifest: &Value) -> BTreeMap<String, String> {
    let lists = [CONTAINERS, "/spec/template/spec/initContainers"];
    let all = lists
        .iter()
        .filter_map(|list| manifest.pointer(list)?.as_array())
        .flatten();
    let image = |container: &Value| {
        let text = |key| {
            container
                .get(key)
                .and_then(Value::as_str)
                .map(str::to_owned)
        };
        Some((text("name")?, text("image")?))
    };
    all.filter_map(image).collect()
}

/// The same with another tag for the image of the first container.
pub(crate) fn with_tag(manifest: &Value, tag: &str) -> Value {
    let mut changed = manifest.clone();
    if let Some(image) = changed.pointer_mut(&format!("{CONTAINERS}/0/image")) {
        let tagged = format!("{}:{tag}", untagged(image.as_str().unwrap_or_default()));
        *image = json!(tagged);
    }
    changed
}

/// The same with one more variable in the first container's environment.
pub(crate) fn with_env(manifest: &Value) -> Value {
    let mut changed = manifest.clone();
    let container = changed.pointer_mut(&format!("{CONTAINERS}/0"));
    if let Some(container) = container.and_then(Value::as_object_mut) {
        let env = container.entry("env").or_insert_with(|| json!([]));
        if env.is_null() {
            *env = json!([]);
        }
        if let Some(list) = env.as_array_mut() {
            list.push(json!({"name": "CORPUS_WAS_HERE", "value": "1"}));
        }
    }
    changed
}

/// The same under another name.
pub(crate) fn renamed(manifest: &Value, name: &str) -> Value {
    let mut changed = manifest.clone();
    if let Some(metadata) = changed.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.insert("name".to_owned(), json!(name));
    }
    changed
}

/// An image reference without tag and digest; a registry's port is no tag.
fn untagged(image: &str) -> &str {
    let image = image.split('@').next().unwrap_or(image);
    let last = image.rfind('/').map_or(0, |slash| slash + 1);
    let tag = image.get(last..).and_then(|name| name.find(':'));
    tag.and_then(|colon| image.get(..last + colon))
        .unwrap_or(image)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_loses_tag_and_digest_and_keeps_the_port_of_its_registry() {
        for (image, bare) in [
            ("redis:alpine", "redis"),
            ("redis", "redis"),
            ("registry.example:5000/a/b", "registry.example:5000/a/b"),
            (
                "registry.example:5000/a/b:1@sha256:00",
                "registry.example:5000/a/b",
            ),
        ] {
            assert_eq!(untagged(image), bare);
        }
    }

    #[test]
    fn each_variant_changes_one_thing() {
        let container = json!({"name": "app", "image": "a:1", "env": null});
        let pod = json!({"containers": [container], "initContainers": [{"name": "init", "image": "i:1"}]});
        let manifest = json!({"metadata": {"name": "a"}, "spec": {"template": {"spec": pod}}});
        assert_eq!(images(&with_tag(&manifest, "2"))["app"], "a:2");
        assert_eq!(images(&manifest).len(), 2);
        let env = with_env(&manifest);
        assert_eq!(
            env.pointer("/spec/template/spec/containers/0/env/0/value"),
            Some(&json!("1"))
        );
        assert_eq!(
            renamed(&manifest, "b").pointer("/metadata/name"),
            Some(&json!("b"))
        );
    }
}
