//! Fields: the schemas of the kinds as a table of paths.

use permit_operator::api::all_crds;
use permit_operator::api::config::PermitConfig;
use schemars::generate::SchemaSettings;
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

/// One table for `permit-config`, which is no kind and has no definition of its own.
pub(crate) fn configuration() -> String {
    let settings =
        SchemaSettings::draft2020_12().with(|settings| settings.inline_subschemas = true);
    let schema = settings
        .into_generator()
        .into_root_schema_for::<PermitConfig>();
    let mut schema = schema.to_value();
    plain(&mut schema);
    let mut text = String::from("| field | type | meaning |\n| --- | --- | --- |\n");
    rows("", &schema, &mut text);
    text
}

/// The schema as a definition would write it: an optional field is left out and never null, a word is one of a list.
fn plain(schema: &mut Value) {
    if let Some(first) = schema["type"].as_array().and_then(|types| types.first()) {
        schema["type"] = first.clone();
    }
    if let Some(inner) = schema["anyOf"]
        .as_array()
        .and_then(|all| all.first())
        .cloned()
    {
        let described = schema["description"].clone();
        *schema = inner;
        if described.is_string() {
            schema["description"] = described;
        }
    }
    let words = schema["oneOf"].as_array().map(|all| {
        let words = all.iter().map(|word| word["const"].clone());
        Value::Array(words.collect())
    });
    if let Some(words) = words {
        schema["enum"] = words;
    }
    for field in schema["properties"].as_object_mut().into_iter().flatten() {
        plain(field.1);
    }
    if schema["items"].is_object() {
        plain(&mut schema["items"]);
    }
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
