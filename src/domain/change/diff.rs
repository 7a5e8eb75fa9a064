//! The structural difference of two values: which fields are not the same?
//!
//! Lists whose elements have unique names are compared name by name, other lists place by place. Nothing that differs
//! is left out, the order of a list included: init containers run in it. A null member counts as an absent one. Does
//! not know what any field means.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::path::{FieldPath, Segment};

/// One field that is not the same.
#[derive(Clone, PartialEq)]
pub(super) struct Difference {
    pub(super) path: FieldPath,
    pub(super) old: Option<Value>,
    pub(super) new: Option<Value>,
}

/// Every field that differs between the two values at this path.
pub(super) fn differences(
    path: FieldPath,
    old: Option<&Value>,
    new: Option<&Value>,
) -> Vec<Difference> {
    let mut walk = Walk {
        path,
        found: Vec::new(),
    };
    walk.compare(old, new);
    walk.found
}

struct Walk {
    path: FieldPath,
    found: Vec<Difference>,
}

type Named<'a> = Vec<(&'a str, &'a Value)>;

impl Walk {
    fn compare(&mut self, old: Option<&Value>, new: Option<&Value>) {
        if old == new {
            return;
        }
        let nothing = Map::new();
        match (old, new) {
            (Some(Value::Object(old)), Some(Value::Object(new))) => self.objects(old, new),
            (Some(Value::Object(old)), None) if self.opens(old) => self.objects(old, &nothing),
            (None, Some(Value::Object(new))) if self.opens(new) => self.objects(&nothing, new),
            (Some(Value::Array(old)), Some(Value::Array(new))) => self.lists(old, new),
            (Some(Value::Array(old)), None) if !old.is_empty() => self.lists(old, &[]),
            (None, Some(Value::Array(new))) if !new.is_empty() => self.lists(&[], new),
            _ => self.record(old.cloned(), new.cloned()),
        }
    }

    /// Whether an object that came or went is told by its members. An element of a list comes and goes as a whole,
    /// and an object without members would have nothing to tell.
    fn opens(&self, object: &Map<String, Value>) -> bool {
        let is_element = self.path.segments().last().is_some_and(Segment::is_element);
        !is_element && object.values().any(|value| !value.is_null())
    }

    fn objects(&mut self, old: &Map<String, Value>, new: &Map<String, Value>) {
        for key in old
            .keys()
            .chain(new.keys().filter(|key| !old.contains_key(*key)))
        {
            let (before, after) = (member(old, key), member(new, key));
            if before != after {
                self.step(Segment::Key(key.clone()), before, after);
            }
        }
    }

    fn lists(&mut self, old: &[Value], new: &[Value]) {
        if let (Some(old), Some(new)) = (named(old), named(new)) {
            return self.named_lists(&old, &new);
        }
        for at in 0..old.len().max(new.len()) {
            self.step(Segment::Index(at), old.get(at), new.get(at));
        }
    }

    fn named_lists(&mut self, old: &Named<'_>, new: &Named<'_>) {
        let before: BTreeMap<_, _> = old.iter().copied().collect();
        let after: BTreeMap<_, _> = new.iter().copied().collect();
        for (name, value) in old {
            self.step(
                Segment::Element((*name).to_owned()),
                Some(value),
                after.get(name).copied(),
            );
        }
        for (name, value) in new.iter().filter(|(name, _)| !before.contains_key(name)) {
            self.step(Segment::Element((*name).to_owned()), None, Some(value));
        }
        let kept = |list: &Named<'_>, other: &BTreeMap<&str, &Value>| -> Vec<String> {
            list.iter()
                .filter(|(name, _)| other.contains_key(name))
                .map(|(name, _)| (*name).to_owned())
                .collect()
        };
        let (order_before, order_after) = (kept(old, &after), kept(new, &before));
        if order_before != order_after {
            self.record(Some(order_before.into()), Some(order_after.into()));
        }
    }

    fn step(&mut self, segment: Segment, old: Option<&Value>, new: Option<&Value>) {
        if old != new {
            self.path.push(segment);
            self.compare(old, new);
            self.path.pop();
        }
    }

    fn record(&mut self, old: Option<Value>, new: Option<Value>) {
        self.found.push(Difference {
            path: self.path.clone(),
            old,
            new,
        });
    }
}

fn member<'a>(object: &'a Map<String, Value>, key: &str) -> Option<&'a Value> {
    object.get(key).filter(|value| !value.is_null())
}

/// The elements with their names, if each has one and no two share it.
fn named(list: &[Value]) -> Option<Named<'_>> {
    let elements: Named<'_> = list
        .iter()
        .map(|value| Some((value.get("name")?.as_str()?, value)))
        .collect::<Option<_>>()?;
    let unique: BTreeMap<_, _> = elements.iter().copied().collect();
    (unique.len() == elements.len()).then_some(elements)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check(old: &Value, new: &Value, expected: &[&str]) {
        let paths = |old, new| -> Vec<String> {
            differences(FieldPath::default(), Some(old), Some(new))
                .iter()
                .map(|found| found.path.to_string())
                .collect()
        };
        assert_eq!(paths(old, new), expected);
        let back = paths(new, old);
        assert_eq!(back.len(), expected.len(), "the way back: {back:?}");
    }

    #[test]
    fn equal_values_do_not_differ() {
        let value = json!({"a": [1, {"name": "x"}], "b": null});
        check(&value, &value, &[]);
    }

    #[test]
    fn elements_with_names_are_told_by_name() {
        let old = json!({"env": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}]});
        let new = json!({"env": [{"name": "B", "value": "3"}, {"name": "C", "value": "4"}]});
        check(&old, &new, &["env[A]", "env[B].value", "env[C]"]);
    }

    #[test]
    fn another_order_of_names_is_a_difference() {
        let old = json!({"initContainers": [{"name": "a"}, {"name": "b"}]});
        let new = json!({"initContainers": [{"name": "b"}, {"name": "a"}]});
        check(&old, &new, &["initContainers"]);
    }

    #[test]
    fn elements_without_or_with_doubled_names_are_told_by_place() {
        check(
            &json!({"args": ["a", "b"]}),
            &json!({"args": ["a", "c", "d"]}),
            &["args[1]", "args[2]"],
        );
        let old = json!([{"name": "x", "value": "1"}, {"name": "x", "value": "2"}]);
        let new = json!([{"name": "x", "value": "2"}, {"name": "x", "value": "2"}]);
        check(&old, &new, &["[0].value"]);
        check(
            &json!([{"name": "x"}]),
            &json!([{"name": 1}]),
            &["[0].name"],
        );
    }

    #[test]
    fn an_object_that_comes_is_told_by_its_members() {
        check(
            &json!({}),
            &json!({"metadata": {"annotations": {"a": "1"}}}),
            &["metadata.annotations.a"],
        );
        check(&json!({}), &json!({"env": [{"name": "A"}]}), &["env[A]"]);
    }

    #[test]
    fn an_empty_object_or_list_that_comes_is_a_difference() {
        check(&json!({}), &json!({"emptyDir": {}}), &["emptyDir"]);
        check(
            &json!({}),
            &json!({"emptyDir": {"medium": null}}),
            &["emptyDir"],
        );
        check(&json!({}), &json!({"list": []}), &["list"]);
    }

    #[test]
    fn a_null_member_is_an_absent_one_and_a_null_element_is_not() {
        check(&json!({"a": {"b": null}}), &json!({"a": {}}), &[]);
        check(&json!({"a": [null]}), &json!({"a": []}), &["a[0]"]);
    }

    #[test]
    fn a_value_of_another_sort_is_one_difference() {
        check(&json!({"a": {"b": 1}}), &json!({"a": [1]}), &["a"]);
        check(&json!({"a": {"b": 1}}), &json!({"a": "b"}), &["a"]);
    }
}
