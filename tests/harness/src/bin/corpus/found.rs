//! Found: the Deployments below a directory, among whatever else lies there.
//!
//! Decides what is skipped and with which word, and what is a mistake. Does not know what is done with a Deployment.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::Value;

/// One Deployment, and where it stands.
pub(crate) struct Found {
    /// The file.
    pub(crate) file: PathBuf,
    /// Its name.
    pub(crate) name: String,
    /// The manifest, without the namespace that it states.
    pub(crate) manifest: Value,
}

/// A file that was skipped, and why.
pub(crate) type Skipped = (PathBuf, String);

/// Every Deployment below `directory`, and the files that were skipped.
pub(crate) fn below(directory: &Path) -> Result<(Vec<Found>, Vec<Skipped>)> {
    let (mut found, mut skipped) = (Vec::new(), Vec::new());
    for file in files(directory)? {
        let bytes = fs::read(&file).with_context(|| format!("read {}", file.display()))?;
        match deployments(&String::from_utf8_lossy(&bytes)) {
            Ok(manifests) => found.extend(manifests.into_iter().map(|m| of_file(&file, m))),
            Err(Unread::Skipped(why)) => skipped.push((file, why)),
            Err(Unread::Broken(why)) => {
                return Err(why).with_context(|| format!("read {}", file.display()));
            }
        }
    }
    Ok((found, skipped))
}

/// Files that end as manifests do, in a fixed order.
fn files(directory: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(directory);
    let entries = entries.with_context(|| format!("read the directory {}", directory.display()))?;
    let mut paths = entries
        .map(|entry| entry.map(|e| e.path()))
        .collect::<Result<Vec<_>, _>>()?;
    paths.sort();
    let mut all = Vec::new();
    for path in paths {
        if path.is_dir() {
            all.extend(files(&path)?);
        } else if path.extension().is_some_and(|e| e == "yaml" || e == "yml") {
            all.push(path);
        }
    }
    Ok(all)
}

/// Why a file gave nothing.
#[derive(Debug)]
enum Unread {
    /// It is none of our business.
    Skipped(String),
    /// It ought to be readable.
    Broken(anyhow::Error),
}

fn deployments(text: &str) -> Result<Vec<Value>, Unread> {
    let documents: Vec<Value> = match serde_saphyr::from_multiple(text) {
        Ok(documents) => documents,
        Err(_) if text.contains("{{") => {
            let why = "it is a template (`{{ … }}`), no manifest: render it first";
            return Err(Unread::Skipped(why.to_owned()));
        }
        Err(error) => return Err(Unread::Broken(error.into())),
    };
    let objects: Vec<Value> = documents.into_iter().flat_map(items).collect();
    if let Some(old) = objects
        .iter()
        .find(|o| is(o, "Deployment") && !is_apps_v1(o))
    {
        let version = old.get("apiVersion").and_then(Value::as_str);
        return Err(Unread::Skipped(format!(
            "a Deployment of {} is served by no cluster any more",
            version.unwrap_or("no version")
        )));
    }
    let is_named = |o: &Value| o.pointer("/metadata/name").is_some_and(Value::is_string);
    let wanted = |o: &Value| is(o, "Deployment") && is_named(o);
    Ok(objects.into_iter().filter(wanted).collect())
}

/// The items of a List, or the object itself.
fn items(mut document: Value) -> Vec<Value> {
    let is_list = document
        .get("kind")
        .and_then(Value::as_str)
        .is_some_and(|kind| kind.ends_with("List"));
    match document.get_mut("items").map(Value::take) {
        Some(Value::Array(items)) if is_list => items,
        _ => vec![document],
    }
}

fn is(object: &Value, kind: &str) -> bool {
    object.get("kind").and_then(Value::as_str) == Some(kind)
}

fn is_apps_v1(object: &Value) -> bool {
    object.get("apiVersion").and_then(Value::as_str) == Some("apps/v1")
}

fn of_file(file: &Path, mut manifest: Value) -> Found {
    if let Some(metadata) = manifest.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.remove("namespace");
    }
    let name = manifest.pointer("/metadata/name").and_then(Value::as_str);
    Found {
        file: file.to_owned(),
        name: name.unwrap_or_default().to_owned(),
        manifest,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIXED: &str = "apiVersion: v1\nkind: Service\nmetadata: {name: a}\n---\n---\nname: chart\n---\n\
        apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: a, namespace: elsewhere}\n";

    #[test]
    fn deployments_are_found_among_other_documents_and_lose_their_namespace() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("deeper")).unwrap();
        fs::write(dir.path().join("deeper/all.yml"), MIXED).unwrap();
        fs::write(dir.path().join("notes.txt"), "a: [").unwrap();
        let (found, skipped) = below(dir.path()).unwrap();
        assert_eq!((found.len(), skipped.len()), (1, 0));
        assert_eq!(found[0].name, "a");
        assert!(found[0].manifest.pointer("/metadata/namespace").is_none());
    }

    #[test]
    fn a_list_is_taken_apart() {
        let item = MIXED.rsplit("---\n").next().unwrap().replace('\n', "\n  ");
        let list = format!("kind: List\nitems:\n- {item}\n- {item}\n");
        assert_eq!(deployments(&list).unwrap().len(), 2);
    }

    #[test]
    fn a_template_is_skipped_with_a_word_and_broken_yaml_is_a_mistake() {
        let template = "kind: Deployment\nmetadata:\n  {{- include \"labels\" . | nindent 4 }}\n";
        assert!(
            matches!(deployments(template), Err(Unread::Skipped(why)) if why.contains("render"))
        );
        assert!(matches!(deployments("a: ["), Err(Unread::Broken(_))));
    }

    #[test]
    fn a_version_of_long_ago_is_skipped_with_a_word() {
        let old = "apiVersion: extensions/v1beta1\nkind: Deployment\nmetadata: {name: a}\n";
        assert!(
            matches!(deployments(old), Err(Unread::Skipped(why)) if why.contains("extensions/v1beta1"))
        );
    }
}
