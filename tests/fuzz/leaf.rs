//! Leaves: every field that the API server knows of a type, as it describes itself by OpenAPI.
//!
//! Does not know what a field is for, nor which values it takes.

use std::collections::BTreeMap;
use std::fmt;

use anyhow::{Context as _, Result};
use kube::Client;
use serde_json::{Map, Value, json};

/// Where the types of the gated kinds are described.
const GROUPS: [&str; 4] = [
    "api/v1",
    "apis/apps/v1",
    "apis/batch/v1",
    "apis/autoscaling/v2",
];
const PREFIX: &str = "#/components/schemas/";

/// Every type of these groups.
pub(crate) struct Types(BTreeMap<String, Value>);

/// One step to a field.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Step {
    /// A member.
    Key(String),
    /// Any element of a list.
    Item,
    /// Any member of a map.
    Entry,
}

/// One field that holds no other that is described.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Leaf(pub(crate) Vec<Step>);

impl fmt::Display for Leaf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for step in &self.0 {
            match step {
                Step::Key(key) => write!(f, ".{key}")?,
                Step::Item => f.write_str("[]")?,
                Step::Entry => f.write_str("{}")?,
            }
        }
        Ok(())
    }
}

impl Leaf {
    /// Whether an object has the field.
    pub(crate) fn is_in(&self, value: &Value) -> bool {
        reaches(value, &self.0)
    }
}

fn reaches(value: &Value, steps: &[Step]) -> bool {
    match (steps, value) {
        ([], found) => !found.is_null(),
        ([Step::Key(key), rest @ ..], Value::Object(members)) => {
            members.get(key).is_some_and(|inner| reaches(inner, rest))
        }
        ([Step::Item, rest @ ..], Value::Array(list)) => {
            list.iter().any(|inner| reaches(inner, rest))
        }
        ([Step::Entry, rest @ ..], Value::Object(members)) => {
            members.values().any(|inner| reaches(inner, rest))
        }
        _ => false,
    }
}

impl Types {
    /// Asks the API server.
    pub(crate) async fn read(client: &Client) -> Result<Self> {
        let mut types = BTreeMap::new();
        for group in GROUPS {
            let request = http::Request::get(format!("/openapi/v3/{group}")).body(Vec::new())?;
            let document: Value = client
                .request(request)
                .await
                .with_context(|| format!("read {group}"))?;
            let found = document
                .pointer("/components/schemas")
                .and_then(Value::as_object);
            types.extend(found.context("no schemas")?.clone());
        }
        Ok(Self(types))
    }

    /// A reference to a type by the end of its name. Example: `core.v1.PodTemplateSpec`.
    pub(crate) fn named(&self, end: &str) -> Result<Value> {
        let name = self
            .0
            .keys()
            .find(|name| name.ends_with(&format!(".{end}")));
        Ok(
            json!({ "$ref": format!("{PREFIX}{}", name.with_context(|| format!("no type {end}"))?) }),
        )
    }

    /// What is behind a reference.
    pub(crate) fn resolve<'a>(&'a self, schema: &'a Value) -> &'a Value {
        let inner = schema.pointer("/allOf/0").unwrap_or(schema);
        let name = inner
            .get("$ref")
            .and_then(Value::as_str)
            .and_then(|r| r.strip_prefix(PREFIX));
        name.and_then(|name| self.0.get(name)).unwrap_or(inner)
    }

    pub(crate) fn members<'a>(&'a self, schema: &'a Value) -> Option<&'a Map<String, Value>> {
        self.resolve(schema)
            .get("properties")
            .and_then(Value::as_object)
    }

    /// What one step leads to.
    pub(crate) fn step<'a>(&'a self, schema: &'a Value, step: &Step) -> Option<&'a Value> {
        match step {
            Step::Key(key) => self.members(schema)?.get(key),
            Step::Item => self.resolve(schema).get("items"),
            Step::Entry => self.resolve(schema).get("additionalProperties"),
        }
    }

    /// Every field of a type, in order; an object that may be empty is one too.
    pub(crate) fn leaves(&self, schema: &Value) -> Vec<Leaf> {
        let mut found = Vec::new();
        self.walk(schema, &mut Vec::new(), &mut found);
        found
    }

    fn walk(&self, schema: &Value, path: &mut Vec<Step>, found: &mut Vec<Leaf>) {
        let steps: Vec<Step> = if let Some(members) = self.members(schema) {
            members.keys().cloned().map(Step::Key).collect()
        } else {
            [Step::Item, Step::Entry]
                .into_iter()
                .filter(|s| self.step(schema, s).is_some())
                .collect()
        };
        let may_be_empty =
            self.members(schema).is_some() && self.resolve(schema).get("required").is_none();
        if steps.is_empty() || (may_be_empty && !path.is_empty()) {
            found.push(Leaf(path.clone()));
        }
        for step in steps {
            let inner = self.step(schema, &step).unwrap_or(&Value::Null);
            path.push(step);
            self.walk(inner, path, found);
            path.pop();
        }
    }
}
