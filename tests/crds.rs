//! The CustomResourceDefinitions: equal to the types, structural, documented, bounded, and with the columns we promise.
//!
//! Does not know whether an API server accepts them; that is shown where one runs.
#![cfg(test)]

#[path = "support/golden.rs"]
mod golden;

use permit_operator::api::all_crds;
use serde_json::Value;

/// Above this, client-side apply fails: it keeps a copy in an annotation of at most 256 KiB.
const LARGEST: usize = 200 * 1024;

fn definitions() -> Vec<(&'static str, Value)> {
    let as_value = |crd| whole_numbers(serde_json::to_value(crd).unwrap());
    all_crds()
        .into_iter()
        .map(|(file, crd)| (file, as_value(crd)))
        .collect()
}

fn definition(kind: &str) -> Value {
    let mut all = definitions().into_iter().map(|(_, crd)| crd);
    all.find(|crd| crd["spec"]["names"]["kind"] == kind)
        .unwrap()
}

/// Limits are floats in the derived type; people write and read `1`, not `1.0`.
fn whole_numbers(value: Value) -> Value {
    match value {
        Value::Number(number) => match number.as_f64().filter(|_| number.is_f64()) {
            Some(float) if float.fract() == 0.0 => {
                serde_json::from_str(&format!("{float}")).unwrap()
            }
            _ => Value::Number(number),
        },
        Value::Array(items) => items.into_iter().map(whole_numbers).collect(),
        Value::Object(fields) => fields
            .into_iter()
            .map(|(name, field)| (name, whole_numbers(field)))
            .collect(),
        Value::Null | Value::Bool(_) | Value::String(_) => value,
    }
}

/// Every schema node with its path, from the root of each version of each kind.
fn nodes() -> Vec<(String, Value)> {
    let mut found = Vec::new();
    for (_, crd) in definitions() {
        for version in crd["spec"]["versions"].as_array().unwrap() {
            let kind = crd["spec"]["names"]["kind"].as_str().unwrap();
            descend(
                kind.to_owned(),
                &version["schema"]["openAPIV3Schema"],
                &mut found,
            );
        }
    }
    found
}

fn descend(path: String, node: &Value, found: &mut Vec<(String, Value)>) {
    for (name, property) in node["properties"].as_object().into_iter().flatten() {
        descend(format!("{path}.{name}"), property, found);
    }
    if node["items"].is_object() {
        descend(format!("{path}[]"), &node["items"], found);
    }
    if node["additionalProperties"].is_object() {
        descend(format!("{path}{{}}"), &node["additionalProperties"], found);
    }
    found.push((path, node.clone()));
}

/// Fails with the path of every node for which the claim does not hold.
#[track_caller]
fn every_node(claim: &str, holds: impl Fn(&str, &Value) -> bool) {
    let failing: Vec<_> = nodes()
        .into_iter()
        .filter(|(path, node)| !holds(path, node))
        .map(|(path, _)| path)
        .collect();
    assert!(failing.is_empty(), "{claim}; not so: {failing:#?}");
}

#[test]
fn the_committed_definitions_are_those_of_the_types() {
    for (file, crd) in definitions() {
        let text = serde_saphyr::to_string(&crd).unwrap();
        let note = "# Generated from the types in src/api; `make crds` writes it anew.\n";
        golden::assert_golden(&format!("crds/{file}"), &format!("{note}{text}"));
    }
}

#[test]
fn the_committed_definitions_read_back_as_they_were_written() {
    for (file, crd) in definitions() {
        let text = serde_saphyr::to_string(&crd).unwrap();
        let read: Value = serde_saphyr::from_str(&text).unwrap();
        assert_eq!(read, crd, "`{file}` means something else once it is read");
    }
}

#[test]
fn every_schema_is_structural() {
    let foreign = [
        "$ref",
        "oneOf",
        "anyOf",
        "allOf",
        "not",
        "nullable",
        "x-kubernetes-preserve-unknown-fields",
        "definitions",
    ];
    every_node(
        "every node has one type and no construct that prunes badly",
        |_, node| node["type"].is_string() && foreign.iter().all(|word| node.get(word).is_none()),
    );
}

#[test]
fn every_property_is_described() {
    every_node("every property says what it is", |path, node| {
        let is_value = path.ends_with("[]") || path.ends_with("{}");
        is_value
            || node["description"]
                .as_str()
                .is_some_and(|text| text.len() > 8 && !text.contains("Auto-generated"))
    });
}

#[test]
fn every_default_is_told() {
    every_node("a property with a default tells it", |_, node| {
        node.get("default").is_none()
            || node["description"]
                .as_str()
                .is_some_and(|text| text.contains("Default: "))
    });
}

#[test]
fn every_optional_word_of_a_spec_has_an_example_or_a_default() {
    every_node(
        "text in a spec comes with an example, a default, or its closed list of words",
        |path, node| {
            let is_text = node["type"] == "string"
                && path.contains(".spec.")
                && !path.ends_with("[]")
                && !path.ends_with("{}");
            let text = node["description"].as_str().unwrap_or_default();
            !is_text
                || node.get("enum").is_some()
                || text.contains("Example: ")
                || text.contains("Default: ")
        },
    );
}

#[test]
fn everything_is_bounded() {
    every_node(
        "lists, maps and text have an upper bound",
        |_, node| match node["type"].as_str() {
            Some("array") => node["maxItems"].is_u64(),
            Some("string") => {
                node["maxLength"].is_u64()
                    || node["enum"].is_array()
                    || node["format"] == "date-time"
            }
            Some("object") => {
                node.get("additionalProperties").is_none() || node["maxProperties"].is_u64()
            }
            _ => true,
        },
    );
}

#[test]
fn the_status_has_no_defaults() {
    every_node("nothing is added to a report", |path, node| {
        !path.contains(".status") || node.get("default").is_none()
    });
}

#[test]
fn lists_of_objects_say_how_they_are_merged() {
    let ordered = [
        "PermitTemplate.spec.approval.rules",
        "PermitTemplate.spec.execution.recurring",
        "Permit.spec.schedule.recurring",
        "Permit.status.trace",
    ];
    every_node(
        "a list of objects is a map by its keys, unless its order is what it says",
        |path, node| {
            let is_list_of_objects = node["type"] == "array" && node["items"]["type"] == "object";
            !is_list_of_objects
                || ordered.contains(&path)
                || node["x-kubernetes-list-type"] == "map"
        },
    );
}

#[test]
fn every_rule_explains_itself_and_freezes_nothing() {
    every_node(
        "a rule has a message of its own, looks at no old object and says nothing of immutability",
        |_, node| {
            node["x-kubernetes-validations"]
                .as_array()
                .into_iter()
                .flatten()
                .all(|rule| {
                    let message = rule["message"].as_str().unwrap_or_default();
                    // The words make some appliers delete the object and create it anew.
                    let is_safe = !message.contains("immutable");
                    !message.is_empty()
                        && is_safe
                        && !rule["rule"]
                            .as_str()
                            .unwrap_or_default()
                            .contains("oldSelf")
                })
        },
    );
}

#[test]
fn each_definition_is_small_enough_for_client_side_apply() {
    for (file, crd) in definitions() {
        let size = crd.to_string().len();
        assert!(
            size < LARGEST,
            "`{file}` has {size} bytes, more than {LARGEST}"
        );
    }
}

#[test]
fn names_are_those_that_people_type() {
    let wanted = [
        ("Permit", "permits", "pmt", "Namespaced"),
        ("PermitTemplate", "permittemplates", "pmtt", "Cluster"),
        ("Approval", "approvals", "appr", "Namespaced"),
    ];
    for (kind, plural, short, scope) in wanted {
        let spec = definition(kind)["spec"].clone();
        let names = &spec["names"];
        assert_eq!(spec["group"], "permits.dev");
        assert_eq!(spec["scope"], scope, "scope of {kind}");
        assert_eq!(names["plural"], plural);
        assert_eq!(
            names["shortNames"],
            serde_json::json!([short]),
            "short names of {kind}"
        );
        assert_eq!(
            names["categories"],
            serde_json::json!(["permitting"]),
            "categories of {kind}"
        );
    }
}

#[test]
fn only_permits_have_a_status_and_it_is_a_subresource() {
    for (kind, wanted) in [
        ("Permit", true),
        ("PermitTemplate", false),
        ("Approval", false),
    ] {
        let version = definition(kind)["spec"]["versions"][0].clone();
        assert_eq!(
            version["subresources"]["status"].is_object(),
            wanted,
            "status subresource of {kind}"
        );
        assert_eq!(
            version["schema"]["openAPIV3Schema"]["properties"]["status"].is_object(),
            wanted,
            "status of {kind}"
        );
    }
}

#[test]
fn the_columns_are_those_that_the_documentation_shows() {
    let wanted = [
        (
            "Permit",
            "Target Phase Outcome Approvals Expires Age",
            "Level Requester Template Change Message",
        ),
        (
            "PermitTemplate",
            "Level Class Grant Window Age",
            "Description",
        ),
        ("Approval", "Permit Decision By Age", "Role Reasoning"),
    ];
    for (kind, narrow, wide) in wanted {
        let columns = definition(kind)["spec"]["versions"][0]["additionalPrinterColumns"].clone();
        let named = |is_wide: bool| {
            let columns = columns
                .as_array()
                .unwrap()
                .iter()
                .filter(|column| (column["priority"] == 1) == is_wide);
            columns
                .map(|column| column["name"].as_str().unwrap())
                .collect::<Vec<_>>()
                .join(" ")
        };
        assert_eq!(named(false), narrow, "columns of {kind}");
        assert_eq!(named(true), wide, "wide columns of {kind}");
    }
}

#[test]
fn no_future_time_is_printed_as_a_date() {
    for (_, crd) in definitions() {
        let columns = crd["spec"]["versions"][0]["additionalPrinterColumns"].clone();
        let dates = columns
            .as_array()
            .unwrap()
            .iter()
            .filter(|column| column["type"] == "date");
        for column in dates {
            // A date in the future prints as `<invalid>`.
            assert_eq!(
                column["jsonPath"], ".metadata.creationTimestamp",
                "column {}",
                column["name"]
            );
        }
    }
}

#[test]
fn what_is_looked_up_by_field_is_selectable() {
    let wanted = [
        ("Permit", vec![".spec.template", ".status.phase"]),
        ("PermitTemplate", vec![".spec.class"]),
        ("Approval", vec![".spec.permitRef.name"]),
    ];
    for (kind, fields) in wanted {
        let selectable = definition(kind)["spec"]["versions"][0]["selectableFields"].clone();
        let paths: Vec<_> = selectable
            .as_array()
            .unwrap()
            .iter()
            .map(|field| field["jsonPath"].as_str().unwrap())
            .collect();
        assert_eq!(paths, fields, "selectable fields of {kind}");
    }
}
