//! Manifests as people keep them: files or stdin, YAML or JSON, several documents, Lists.
//!
//! Knows how they are written; does not know what is asked of the API server with them.

use std::io::Read as _;
use std::path::Path;

use anyhow::Context as _;
use serde_json::Value;

use super::exit::Refusal;
use super::target::WorkloadRef;

/// The largest manifest that is read.
const MAX_BYTES: u64 = 4 << 20;

/// The workloads of a file, and how many objects of other kinds stand beside them.
#[derive(Debug, PartialEq)]
pub(super) struct Manifest {
    /// Each workload with its object as it is written.
    pub(super) workloads: Vec<(WorkloadRef, Value)>,
    /// Objects of kinds that are not gated.
    pub(super) others: usize,
}

/// Reads the workloads of a file; `-` is stdin.
pub(super) fn read(path: &Path) -> anyhow::Result<Manifest> {
    let text = text_of(path).with_context(|| format!("read `{}`", path.display()))?;
    let manifest =
        parse(&text).with_context(|| format!("read the manifests in `{}`", path.display()))?;
    if manifest.workloads.is_empty() {
        let message = format!("`{}` holds no workload that is gated", path.display());
        return Err(Refusal::error(
            message,
            "give the file that you would apply, with at least one Deployment, StatefulSet or the like",
        )
        .into());
    }
    Ok(manifest)
}

/// The text of a file; `-` is stdin.
pub(super) fn text_of(path: &Path) -> anyhow::Result<String> {
    let mut text = String::new();
    let read = if path.as_os_str() == "-" {
        std::io::stdin()
            .lock()
            .take(MAX_BYTES + 1)
            .read_to_string(&mut text)?
    } else {
        std::fs::File::open(path)?
            .take(MAX_BYTES + 1)
            .read_to_string(&mut text)?
    };
    anyhow::ensure!(
        read as u64 <= MAX_BYTES,
        "it is larger than {MAX_BYTES} bytes: split it"
    );
    Ok(text)
}

/// Takes a text apart into objects.
pub(super) fn objects(text: &str) -> anyhow::Result<Vec<Value>> {
    let documents: Vec<Value> = serde_saphyr::from_multiple(text)?;
    let objects = documents.into_iter().flat_map(items);
    Ok(objects.filter(|object| !object.is_null()).collect())
}

fn parse(text: &str) -> anyhow::Result<Manifest> {
    let objects = objects(text)?;
    let all = objects.len();
    let named = |object: Value| Some((WorkloadRef::of_object(&object)?, object));
    let workloads: Vec<_> = objects.into_iter().filter_map(named).collect();
    for (workload, _) in &workloads {
        anyhow::ensure!(
            !workload.name.is_empty(),
            "a {} has no name: set metadata.name",
            workload.form.word
        );
    }
    Ok(Manifest {
        others: all - workloads.len(),
        workloads,
    })
}

/// The items of a List, or the object itself.
fn items(mut document: Value) -> Vec<Value> {
    let is_list = text_at(&document, "/kind").is_some_and(|kind| kind.ends_with("List"));
    match document.get_mut("items").map(Value::take) {
        Some(Value::Array(items)) if is_list => items,
        _ => vec![document],
    }
}

fn text_at<'v>(object: &'v Value, pointer: &str) -> Option<&'v str> {
    object.pointer(pointer).and_then(Value::as_str)
}

/// The namespace that an object states.
pub(super) fn namespace(object: &Value) -> Option<&str> {
    text_at(object, "/metadata/namespace")
}

/// The one namespace that all objects state, where any does; a permit has one namespace.
pub(super) fn common_namespace(
    workloads: &[(WorkloadRef, Value)],
) -> Result<Option<&str>, Refusal> {
    let of_each = workloads.iter().filter_map(|(_, object)| namespace(object));
    let mut stated: Vec<&str> = of_each.collect();
    stated.sort_unstable();
    stated.dedup();
    match stated.as_slice() {
        [] => Ok(None),
        [one] => Ok(Some(one)),
        several => Err(Refusal::error(
            format!(
                "the file holds workloads of several namespaces: {}",
                several.join(", ")
            ),
            "give one file a namespace: a permit covers workloads of its own namespace only",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const MIXED: &str = "apiVersion: v1\nkind: Service\nmetadata: {name: a}\n---\n# nothing\n---\n\
        apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: a, namespace: shop}\n---\n\
        apiVersion: batch/v1\nkind: CronJob\nmetadata: {name: b}\n";

    #[test]
    fn workloads_of_every_kind_are_found_among_other_documents() {
        let manifest = parse(MIXED).unwrap();
        let found: Vec<_> = manifest
            .workloads
            .iter()
            .map(|(w, _)| w.printed())
            .collect();
        assert_eq!(found, ["deployment.apps/a", "cronjob.batch/b"]);
        assert_eq!(manifest.others, 1);
    }

    #[test]
    fn a_list_is_taken_apart() {
        let item =
            json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "a"}});
        let list = json!({"apiVersion": "v1", "kind": "List", "items": [item, item]});
        assert_eq!(parse(&list.to_string()).unwrap().workloads.len(), 2);
    }

    #[test]
    fn a_workload_without_a_name_is_refused() {
        assert!(
            parse("apiVersion: apps/v1\nkind: Deployment\n")
                .unwrap_err()
                .to_string()
                .contains("metadata.name")
        );
    }

    #[test]
    fn broken_yaml_is_an_error_and_no_panic() {
        assert!(parse("a: [").is_err());
    }

    #[test]
    fn two_namespaces_in_one_file_are_refused() {
        let stated = |metadata: Value| {
            let workload: WorkloadRef = "sts/a".parse().unwrap();
            (workload, json!({"metadata": metadata}))
        };
        let of = |namespace: &str| stated(json!({"namespace": namespace}));
        let none = || stated(json!({}));
        assert_eq!(common_namespace(&[of("shop"), none()]), Ok(Some("shop")));
        assert_eq!(common_namespace(&[none()]), Ok(None));
        assert!(
            common_namespace(&[of("shop"), of("bank")])
                .unwrap_err()
                .message
                .ends_with("bank, shop")
        );
    }
}
