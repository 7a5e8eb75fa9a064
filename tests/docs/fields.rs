//! Fields: the schemas of the kinds as a table of paths.

use permit_operator::api::all_crds;
use serde_json::Value;

/// A section a kind, a row a field.
pub(crate) fn markdown() -> String {
    let mut text = String::new();
    for (_, crd) in all_crds() {
        let crd = serde_json::to_value(crd).unwrap();
        let version = &crd["spec"]["versions"][0];
        let schema = &version["schema"]["openAPIV3Schema"];
        text.extend([format!(
            "## {}\n\n{}\n\n",
            crd["spec"]["names"]["kind"].as_str().unwrap(),
            schema["description"].as_str().unwrap_or_default()
        )]);
        for part in ["spec", "status"] {
            let part_schema = &schema["properties"][part];
            if part_schema.is_object() {
                text.extend([format!(
                    "### {part}\n\n| field | type | meaning |\n| --- | --- | --- |\n"
                )]);
                rows("", part_schema, &mut text);
                text.push('\n');
            }
        }
    }
    text
}

fn rows(prefix: &str, schema: &Value, text: &mut String) {
    let empty = serde_json::Map::new();
    let required: Vec<_> = schema["required"]
        .as_array()
        .into_iter()
        .flatten()
        .collect();
    for (name, field) in schema["properties"].as_object().unwrap_or(&empty) {
        let path = format!("{prefix}{name}");
        let is_required = required.iter().any(|r| *r == name);
        let meaning = field["description"].as_str().unwrap_or_default();
        text.extend([format!(
            "| `{path}`{} | {} | {} |\n",
            if is_required { " (required)" } else { "" },
            kind(field),
            meaning.replace('\n', " ").replace('|', "\\|")
        )]);
        rows(&format!("{path}."), field, text);
        rows(&format!("{path}[]."), &field["items"], text);
    }
}

fn kind(field: &Value) -> String {
    if let Some(words) = field["enum"].as_array() {
        let words: Vec<_> = words.iter().filter_map(Value::as_str).collect();
        return format!("one of `{}`", words.join("`, `"));
    }
    let text = |value: &Value| value.as_str().unwrap_or("object").to_owned();
    match field["type"].as_str() {
        Some("array") => format!("list of {}", kind(&field["items"])),
        Some("object") if field["additionalProperties"].is_object() => {
            format!("map to {}", kind(&field["additionalProperties"]))
        }
        _ if field["format"] == "date-time" => "time".to_owned(),
        _ => text(&field["type"]),
    }
}
