//! Without an API server: any edit of any object that makes another digest is a change, and an equal one is none.
//!
//! Edits are drawn blindly; most of their outcomes no API server would store. Does not know which change is which.

use permit_operator::domain::canonical::{spec_digest, template_digest};
use permit_operator::domain::change::Change;
use permit_operator::domain::kind::{GATED, Pods};
use serde_json::{Map, Value, json};

use crate::seed::{Chance, keep, seeds};
use crate::stand::{KINDS, nest};

const EDITS: usize = 400;
const WORDS: [&str; 14] = [
    "name",
    "image",
    "env",
    "args",
    "command",
    "paused",
    "suspend",
    "replicas",
    "partition",
    "spec",
    "template",
    "volumes",
    "lifecycle",
    "containers",
];

/// An object of every gated kind.
fn objects() -> Vec<Value> {
    let known = |word: &str| {
        KINDS
            .iter()
            .find(|kind| kind.word == word)
            .map(crate::stand::Kind::object)
    };
    let make = |form: &permit_operator::domain::kind::Form| {
        known(form.word).unwrap_or_else(|| {
            let mut object = KINDS[0].object();
            object["kind"] = form.word.into();
            if form.pods == Pods::Nowhere {
                object["data"] = nest(&["spec", "template"], object["spec"]["template"].clone());
            }
            object
        })
    };
    GATED.iter().map(make).collect()
}

fn drawn(chance: &mut Chance, depth: usize) -> Value {
    match chance.below(if depth == 0 { 5 } else { 7 }) {
        0 => Value::Null,
        1 => json!(chance.below(2) == 0),
        2 => json!(chance.below(3)),
        3 => json!(*chance.pick(&WORDS)),
        4 => json!(""),
        5 => (0..chance.below(3))
            .map(|_| drawn(chance, depth - 1))
            .collect(),
        _ => {
            let mut members = Map::new();
            for _ in 0..chance.below(3) {
                let word = (*chance.pick(&WORDS)).to_owned();
                members.insert(word, drawn(chance, depth - 1));
            }
            members.into()
        }
    }
}

/// Edits one place on the way into a value; more often deep in than not.
fn edit(value: &mut Value, chance: &mut Chance) {
    let goes_in = chance.below(6) > 0;
    match value {
        Value::Object(members) if goes_in && !members.is_empty() => {
            let keys: Vec<String> = members.keys().cloned().collect();
            let key = chance.pick(&keys);
            edit(&mut members[key], chance);
        }
        Value::Array(list) if goes_in && !list.is_empty() => {
            let at = chance.below(list.len());
            edit(&mut list[at], chance);
        }
        Value::Object(members) => match (chance.below(3), members.keys().next().cloned()) {
            (0, Some(key)) => drop(members.remove(&key)),
            (1, Some(key)) => {
                let moved = members.remove(&key).unwrap_or_default();
                members.insert((*chance.pick(&WORDS)).to_owned(), moved);
            }
            _ => drop(members.insert((*chance.pick(&WORDS)).to_owned(), drawn(chance, 2))),
        },
        Value::Array(list) => match chance.below(4) {
            0 => drop(list.pop()),
            1 => list.reverse(),
            2 => list.extend(list.first().cloned()),
            _ => list.push(drawn(chance, 2)),
        },
        plain => *plain = drawn(chance, 2),
    }
}

/// The object with what is a default written out and what is the same left out made one.
fn plain(object: &Value) -> Value {
    let mut object = object.clone();
    if object["kind"] == "Pod" {
        return object;
    }
    for (place, default) in [
        ("/spec/suspend", json!(false)),
        ("/spec/paused", json!(false)),
        ("/spec/updateStrategy/rollingUpdate/partition", json!(0)),
    ] {
        if let Some(found) = object.pointer_mut(place).filter(|found| **found == default) {
            *found = Value::Null;
        }
    }
    object
}

/// What is wrong with the reading of one edit, if anything is.
fn mistake(old: &Value, new: &Value) -> Option<String> {
    let change = Change::between(Some(old), Some(new));
    let (one, other) = (plain(old), plain(new));
    let content = |object: &Value| spec_digest(object).map(String::from);
    let differs =
        content(&one) != content(&other) || template_digest(&one) != template_digest(&other);
    if differs && change.is_empty() {
        return Some("another digest, and no change".into());
    }
    let is_scale = old.pointer("/spec/replicas") != new.pointer("/spec/replicas");
    if !differs && !change.is_empty() && !is_scale && old["metadata"] == new["metadata"] {
        return Some(format!("a change, and the same digest: {change:?}"));
    }
    None
}

#[test]
fn t05_whatever_has_another_digest_is_a_change_and_nothing_else() {
    for seed in seeds(20) {
        let mut chance = Chance::of(seed);
        for object in objects() {
            for _ in 0..EDITS {
                let mut edited = object.clone();
                for _ in 0..=chance.below(3) {
                    // Metadata has rules of its own, and type and version say how all of it is read.
                    let kept =
                        ["kind", "apiVersion", "metadata"].map(|key| (key, object[key].clone()));
                    edit(&mut edited, &mut chance);
                    if !edited.is_object() {
                        edited = object.clone();
                    }
                    for (key, value) in kept {
                        edited[key] = value;
                    }
                }
                for (old, new) in [(&object, &edited), (&edited, &object)] {
                    if let Some(mistake) = mistake(old, new) {
                        keep(seed);
                        panic!("seed {seed}: {mistake}\nold {old}\nnew {new}");
                    }
                }
            }
        }
    }
}
