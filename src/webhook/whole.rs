//! Whole: an object as our own type, and nothing of what it asks left behind.
//!
//! A field that this version does not know may be one that narrows what is asked, written by a newer one: an object
//! that carries it is refused rather than judged on less. Knows nothing of the kinds.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// Reads an object whole, or says what stands in the way.
pub(super) fn whole<K: DeserializeOwned + Serialize>(object: &Value) -> Result<K, String> {
    let typed: K = K::deserialize(object).map_err(|error| format!("cannot be read: {error}"))?;
    let known = serde_json::to_value(&typed).map_err(|error| format!("cannot be read: {error}"))?;
    let (asked, known) = (object.get("spec"), known.get("spec"));
    match lost("spec", asked.unwrap_or(&Value::Null), known) {
        Some(path) => Err(format!("`{path}` is unknown to this version")),
        None => Ok(typed),
    }
}

/// The first field that says something and was not understood.
fn lost(path: &str, asked: &Value, known: Option<&Value>) -> Option<String> {
    match (asked, known) {
        (Value::Object(asked), Some(Value::Object(known))) => asked
            .iter()
            .find_map(|(key, value)| lost(&format!("{path}.{key}"), value, known.get(key))),
        (Value::Array(asked), Some(Value::Array(known))) => asked
            .iter()
            .enumerate()
            .find_map(|(at, value)| lost(&format!("{path}[{at}]"), value, known.get(at))),
        (_, Some(_)) => None,
        (asked, None) => (!says_nothing(asked)).then(|| path.to_owned()),
    }
}

/// Left out and empty are the same to our types.
fn says_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.values().all(says_nothing),
        Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::api::Permit;

    fn permit() -> Value {
        json!({"apiVersion": "permits.dev/v1alpha1", "kind": "Permit", "metadata": {"name": "a"}, "spec": {
            "template": "t", "purpose": "p", "executors": [], "schedule": {"earliestStart": "2026-11-21T21:00:00.5Z"},
            "targets": [{"kind": "Deployment", "name": "checkout", "images": {"checkout": "shop/checkout:1"}}]}})
    }

    #[test]
    fn an_object_of_known_fields_is_read() {
        let read: Permit = whole(&permit()).unwrap();
        assert_eq!(read.spec.purpose, "p");
    }

    #[test]
    fn an_unknown_field_is_refused_with_its_path() {
        let mut object = permit();
        object["spec"]["targets"][0]["onlyOnWeekends"] = json!(true);
        let refused = whole::<Permit>(&object).unwrap_err();
        assert_eq!(
            refused,
            "`spec.targets[0].onlyOnWeekends` is unknown to this version"
        );
    }

    #[test]
    fn an_unknown_word_is_refused() {
        let mut object = permit();
        object["spec"]["targets"][0]["operations"] = json!(["Levitate"]);
        assert!(whole::<Permit>(&object).unwrap_err().contains("Levitate"));
    }
}
