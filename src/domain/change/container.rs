//! The containers of a pod template: one list of all of them, whatever part of the pod they stand in.
//!
//! Every rule about images goes through here, so that no sort of container is forgotten. Does not know which images
//! are good.

use serde_json::Value;

use crate::domain::kind::pod_of;

/// The members of a pod spec that hold containers.
pub(super) const LISTS: [&str; 3] = ["initContainers", "containers", "ephemeralContainers"];

/// One container of a pod template.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Container<'a> {
    /// The member of the pod spec that holds it.
    pub list: &'static str,
    /// Its name, empty where it has none.
    pub name: &'a str,
    /// Its image, where it has one.
    pub image: Option<&'a str>,
}

/// Every container of a workload's pod template: init containers, containers, ephemeral containers.
pub fn containers(object: &Value) -> impl Iterator<Item = Container<'_>> {
    let pod = pod_of(object);
    LISTS.into_iter().flat_map(move |list| {
        let elements = pod.and_then(|pod| pod.get(list)).and_then(Value::as_array);
        elements.into_iter().flatten().map(move |element| {
            let text = |key| element.get(key).and_then(Value::as_str);
            Container {
                list,
                name: text("name").unwrap_or_default(),
                image: text("image"),
            }
        })
    })
}

/// Whether the pod template mounts an image as a volume: content that no container's image names.
pub fn mounts_an_image(object: &Value) -> bool {
    pod_of(object)
        .and_then(|pod| pod.get("volumes"))
        .is_some_and(holds_an_image)
}

/// Whether a volume, or one of a list of volumes, is an image.
pub(super) fn holds_an_image(volumes: &Value) -> bool {
    let is_image = |volume: &Value| volume.get("image").is_some_and(|image| !image.is_null());
    volumes
        .as_array()
        .map_or_else(|| is_image(volumes), |list| list.iter().any(is_image))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn with(pod: &Value) -> Value {
        json!({"spec": {"template": {"spec": pod}}})
    }

    #[test]
    fn t13_no_sort_of_container_is_forgotten() {
        let object = with(&json!({
            "containers": [{"name": "app", "image": "a:1"}],
            "initContainers": [{"name": "init", "image": "i:1"}],
            "ephemeralContainers": [{"name": "debug", "image": "d:1"}],
        }));
        let images: Vec<_> = containers(&object)
            .map(|found| (found.list, found.name, found.image))
            .collect();
        assert_eq!(
            images,
            [
                ("initContainers", "init", Some("i:1")),
                ("containers", "app", Some("a:1")),
                ("ephemeralContainers", "debug", Some("d:1")),
            ]
        );
    }

    #[test]
    fn a_container_without_name_or_image_is_still_one() {
        let object = with(&json!({"containers": [{}, "text", {"name": 1, "image": null}]}));
        assert!(containers(&object).all(|found| found.name.is_empty() && found.image.is_none()));
        assert_eq!(containers(&object).count(), 3);
        assert_eq!(containers(&json!({"kind": "Scale", "spec": {}})).count(), 0);
    }

    #[test]
    fn an_image_volume_is_seen() {
        assert!(mounts_an_image(&with(
            &json!({"volumes": [{"name": "a"}, {"name": "b", "image": {}}]})
        )));
        assert!(!mounts_an_image(&with(
            &json!({"volumes": [{"name": "image", "emptyDir": {}}]})
        )));
        assert!(!mounts_an_image(&with(&json!({}))));
    }
}
