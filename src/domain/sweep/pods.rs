//! Pods: by what those that an object describes are told from others.
//!
//! A workload, what is derived from it and the pod itself differ in metadata, and a pod gets much from admission beside:
//! templates are compared by their pod specs, pods by the images of the containers that their owners know.

use serde_json::Value;

use crate::domain::canonical::pod_digest;
use crate::domain::kind::{pod_of, word_of};

/// How many characters of a digest make a print: what is compared stands in one namespace.
const PRINT: usize = 24;

/// The pod spec that an object describes; a ControllerRevision holds that of a revision.
pub fn pods_of(object: &Value) -> Option<&Value> {
    match word_of(object) {
        "ControllerRevision" => object.pointer("/data/spec/template/spec"),
        _ => pod_of(object),
    }
}

/// The print of a pod spec.
pub fn print(pod: &Value) -> Option<String> {
    let digest = pod_digest(pod)?;
    let hex = digest.as_str().trim_start_matches("sha256:");
    Some(hex.chars().take(PRINT).collect())
}

/// `CONTAINER=IMAGE` of each container of a pod spec, those of its start included.
pub fn images(pod: &Value) -> Vec<String> {
    let lists = ["containers", "initContainers"].into_iter();
    let all = lists.filter_map(|list| pod.get(list)?.as_array()).flatten();
    let told = |container: &Value| {
        let word = |key: &str| {
            container
                .get(key)
                .and_then(Value::as_str)
                .map(str::to_owned)
        };
        Some(format!("{}={}", word("name")?, word("image")?))
    };
    all.filter_map(told).collect()
}
