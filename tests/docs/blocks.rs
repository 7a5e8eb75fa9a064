//! Blocks: every piece of YAML in README and docs is one that the API server and the operator would take, and every
//! command of ours is one that the programs would take.
//!
//! Does not know what the blocks are meant to show.

use std::fs;

use clap::CommandFactory as _;
use permit_operator::api::all_crds;
use permit_operator::api::approval::Approval;
use permit_operator::api::config::{CONFIG_KEY, CONFIG_NAME};
use permit_operator::api::permit::Permit;
use permit_operator::api::template::PermitTemplate;
use permit_operator::cli;
use permit_operator::config::Config;
use permit_operator::domain::parse;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::links::pages;

/// A block of a page: where it stands, and its text.
struct Block {
    at: String,
    text: String,
}

/// The blocks in one language, of README and of every page of the docs.
fn blocks(language: &str) -> Vec<Block> {
    let fence = format!("```{language}");
    let mut all = Vec::new();
    for page in pages() {
        let text = fs::read_to_string(&page).unwrap();
        let mut open: Option<Block> = None;
        for (i, line) in text.lines().enumerate() {
            match &mut open {
                None if line.trim() == fence => {
                    open = Some(Block {
                        at: format!("{}:{}", page.display(), i + 1),
                        text: String::new(),
                    });
                }
                Some(_) if line.trim() == "```" => all.extend(open.take()),
                Some(block) => block.text.extend([line, "\n"]),
                None => {}
            }
        }
        assert!(open.is_none(), "{}: a block has no end", page.display());
    }
    all
}

#[test]
fn every_block_of_yaml_is_an_object_that_would_be_taken() {
    let all = blocks("yaml");
    let mut kinds = Vec::new();
    for Block { at, text } in all {
        let objects: Vec<Value> = serde_saphyr::from_multiple(&with_digests(&text))
            .unwrap_or_else(|error| panic!("{at}: {error}"));
        for object in objects {
            let kind = object["kind"].as_str().unwrap_or_default().to_owned();
            let mistakes = mistakes(&kind, &object);
            assert!(mistakes.is_empty(), "{at}: {mistakes:#?}");
            kinds.push(kind);
        }
    }
    for kind in ["PermitTemplate", "Permit", "Approval", "ConfigMap"] {
        assert!(kinds.iter().any(|k| k == kind), "no block shows a {kind}");
    }
}

/// The text with every digest that is cut short in its place; nobody can write one down beforehand.
fn with_digests(text: &str) -> String {
    let whole = "0".repeat(64);
    let mut parts = text.split('…').rev();
    let mut filled = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let begin = part.rfind("sha256:").expect("only digests are cut short");
        filled = format!("{}sha256:{whole}{filled}", &part[..begin]);
    }
    filled
}

/// What is wrong with an object of ours: against its schema, as its type, and by the operator's own parser.
fn mistakes(kind: &str, object: &Value) -> Vec<String> {
    if kind == "ConfigMap" {
        let content = object["data"][CONFIG_KEY].as_str().unwrap_or_default();
        let read = parse::configuration(content).err().unwrap_or_default();
        let named = object["metadata"]["name"] == CONFIG_NAME;
        let misnamed = (!named).then(|| "no ConfigMap that the operator reads".to_owned());
        let told = read.iter().map(ToString::to_string);
        return told.chain(misnamed).collect();
    }
    let crds = all_crds();
    let crd = crds.iter().find(|(_, crd)| crd.spec.names.kind == kind);
    let Some((_, crd)) = crd else {
        return vec![format!("`{kind}` is no kind of ours: add it to this test")];
    };
    let crd = serde_json::to_value(crd).unwrap();
    let schema = &crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
    let mut found = Vec::new();
    against(
        "spec",
        &schema["properties"]["spec"],
        &object["spec"],
        &mut found,
    );
    let parsed = match kind {
        "PermitTemplate" => typed(object).map(|t: PermitTemplate| {
            let parsed = parse::template("template", "", &t.spec);
            parsed.err().unwrap_or_default()
        }),
        "Permit" => typed(object).map(|p: Permit| {
            let namespace = p.metadata.namespace.clone().unwrap_or_default();
            parse::mistakes(&p.spec, &namespace)
        }),
        _ => typed(object).map(|_: Approval| Vec::new()),
    };
    match parsed {
        Ok(errors) => found.extend(errors.iter().map(ToString::to_string)),
        Err(error) => found.push(error),
    }
    found
}

fn typed<K: DeserializeOwned>(object: &Value) -> Result<K, String> {
    serde_json::from_value(object.clone()).map_err(|error| error.to_string())
}

/// Unknown fields, missing ones and words outside a closed list.
fn against(path: &str, schema: &Value, value: &Value, found: &mut Vec<String>) {
    for required in schema["required"].as_array().into_iter().flatten() {
        let name = required.as_str().unwrap();
        if value.get(name).is_none() {
            found.push(format!("{path}.{name} is missing"));
        }
    }
    if let (Some(words), false) = (schema["enum"].as_array(), value.is_null())
        && !words.contains(value)
    {
        found.push(format!("{path}: {value} is none of {words:?}"));
    }
    let is_map = schema["additionalProperties"].is_object();
    for (name, inner) in value.as_object().into_iter().flatten() {
        let path = format!("{path}.{name}");
        match schema["properties"].get(name) {
            Some(field) => against(&path, field, inner, found),
            None if is_map => against(&path, &schema["additionalProperties"], inner, found),
            None => found.push(format!("{path} is no field")),
        }
    }
    for (i, inner) in value.as_array().into_iter().flatten().enumerate() {
        against(&format!("{path}[{i}]"), &schema["items"], inner, found);
    }
}

#[test]
fn a_mistake_in_a_block_would_be_seen() {
    let permit = |spec: &str| {
        let text = format!("{{kind: Permit, metadata: {{name: a}}, spec: {spec}}}");
        let object: Value = serde_saphyr::from_str(&text).unwrap();
        mistakes("Permit", &object)
    };
    let good = "{template: a, purpose: b, targets: [{name: c, operations: [Scale]}]}";
    assert!(permit(good).is_empty(), "{:?}", permit(good));
    for (bad, told) in [
        (good.replace("purpose", "why"), "spec.why is no field"),
        (
            good.replace("template: a, ", ""),
            "spec.template is missing",
        ),
        (good.replace("Scale", "Explode"), "\"Explode\" is none of"),
        (
            good.replace("operations: [Scale]", "images: {c: ''}"),
            "no image reference",
        ),
        (
            good.replace("name: c", "name: c, namespaces: x"),
            "spec.targets[0].namespaces is no field",
        ),
    ] {
        let found = permit(&bad);
        assert!(found.iter().any(|m| m.contains(told)), "{bad}: {found:?}");
    }
}

/// The commands of a shell block, continued lines joined, without what follows a pipe or another command.
fn commands(block: &str) -> Vec<String> {
    let joined = block.replace("\\\n", " ");
    let mut quote = None;
    let parts = joined.split(|c: char| {
        match (c, quote) {
            ('"' | '\'', None) => quote = Some(c),
            (c, Some(open)) if c == open => quote = None,
            _ => {}
        }
        quote.is_none() && ['|', ';', '>', '\n'].contains(&c)
    });
    parts.map(|part| part.trim().to_owned()).collect()
}

/// Words as a shell would part them; quotes keep them together.
fn words(command: &str) -> Vec<String> {
    let (mut all, mut word, mut quote) = (Vec::new(), String::new(), None);
    for c in command.chars() {
        match (c, quote) {
            ('"' | '\'', None) => quote = Some(c),
            (c, Some(open)) if c == open => quote = None,
            (c, None) if c.is_whitespace() => all.push(std::mem::take(&mut word)),
            (c, _) => word.push(c),
        }
    }
    all.push(word);
    all.retain(|word| !word.is_empty());
    all
}

#[test]
fn every_command_of_ours_in_a_page_is_one_that_its_program_takes() {
    let mut tried = 0;
    for Block { at, text } in blocks("sh") {
        for command in commands(&with_digests(&text)) {
            let words = words(&command);
            let own = words.iter().position(|w| w == "permit-operator");
            let taken = if words.starts_with(&["kubectl".into(), "permit".into()]) {
                cli::command().try_get_matches_from(&words[1..]).err()
            } else if let Some(own) = own.filter(|_| command.contains(" -- ")) {
                Config::command().try_get_matches_from(&words[own..]).err()
            } else {
                continue;
            };
            assert!(taken.is_none(), "{at}: {command}\n{}", taken.unwrap());
            tried += 1;
        }
    }
    assert!(tried > 10, "only {tried} commands were found");
}
