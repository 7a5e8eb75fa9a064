//! Prefixes: the beginning of a field path, as a permit writes it.
//!
//! Spelled as a denial prints paths: `spec.template.spec.containers[app].env`, with `["a b"]` around what is no plain
//! word. Does not know what a field means.

use super::path::{FieldPath, Segment};

/// The beginning of field paths.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prefix(Vec<Step>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    /// A member, written after a dot.
    Member(String),
    /// In brackets: an element by name or place, or a member that is no plain word.
    Bracket(String),
}

impl Prefix {
    /// Reads a prefix; says what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut steps = Vec::new();
        let mut rest = text;
        while !rest.is_empty() {
            let (step, after) = if let Some(within) = rest.strip_prefix('[') {
                bracket(within)?
            } else {
                let word = if steps.is_empty() {
                    Some(rest)
                } else {
                    rest.strip_prefix('.')
                };
                member(word.ok_or_else(|| format!("`{rest}` follows without a dot"))?)?
            };
            steps.push(step);
            rest = after;
        }
        match steps.first() {
            Some(Step::Member(first)) if !["metadata", "status"].contains(&first.as_str()) => {
                Ok(Self(steps))
            }
            Some(Step::Member(first)) => {
                Err(format!("`{first}` is no part that a permit is about"))
            }
            _ => {
                Err("is no path; write one such as `spec.template.spec.containers[app].env`".into())
            }
        }
    }

    /// Whether a field lies there or below.
    pub fn holds(&self, path: &FieldPath) -> bool {
        let is_it = |(step, segment): (&Step, &Segment)| match (step, segment) {
            (Step::Member(word), Segment::Key(key)) => word == key,
            (Step::Bracket(word), Segment::Element(name) | Segment::Key(name)) => word == name,
            (Step::Bracket(word), Segment::Index(at)) => *word == at.to_string(),
            (Step::Member(_), Segment::Element(_) | Segment::Index(_)) => false,
        };
        let segments = path.segments();
        segments.len() >= self.0.len() && self.0.iter().zip(segments).all(is_it)
    }
}

fn member(text: &str) -> Result<(Step, &str), String> {
    let end = text.find(['.', '[']).unwrap_or(text.len());
    match text.split_at_checked(end) {
        Some((word, rest)) if !word.is_empty() => Ok((Step::Member(word.to_owned()), rest)),
        _ => Err("names no member where one must stand".into()),
    }
}

fn bracket(within: &str) -> Result<(Step, &str), String> {
    let unclosed = || "a bracket is not closed".to_owned();
    if within.starts_with('"') {
        let mut words = serde_json::Deserializer::from_str(within).into_iter::<String>();
        let word = words.next().and_then(Result::ok).ok_or_else(unclosed)?;
        let after = within.get(words.byte_offset()..).unwrap_or_default();
        let rest = after.strip_prefix(']').ok_or_else(unclosed)?;
        return Ok((Step::Bracket(word), rest));
    }
    let (word, rest) = within.split_once(']').ok_or_else(unclosed)?;
    if word.is_empty() || word.contains('[') {
        return Err("a bracket holds a name or a place".into());
    }
    Ok((Step::Bracket(word.to_owned()), rest))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn path(list: &str, name: &str, field: &str) -> FieldPath {
        FieldPath::of_keys(&["spec", "template", "spec", list])
            .then(Segment::Element(name.into()))
            .then(Segment::Key(field.into()))
    }

    #[test]
    fn a_field_lies_below_its_prefix_and_no_other() {
        let env = path("containers", "app", "env").then(Segment::Element("MODE".into()));
        for (prefix, holds) in [
            ("spec.template.spec.containers[app].env", true),
            ("spec.template.spec.containers[app].env[MODE]", true),
            ("spec.template", true),
            ("spec.template.spec.containers[app].env[MOD]", false),
            ("spec.template.spec.containers[app].en", false),
            ("spec.template.spec.containers[other].env", false),
            ("spec.template.spec.containers.app.env", false),
            ("spec.template.spec.containers[app].env[MODE].value", false),
        ] {
            assert_eq!(
                Prefix::parse(prefix).unwrap().holds(&env),
                holds,
                "{prefix}"
            );
        }
    }

    #[test]
    fn what_is_no_path_says_why() {
        for (text, told) in [
            ("", "is no path"),
            ("[app]", "is no path"),
            ("metadata.labels", "`metadata`"),
            ("status", "`status`"),
            ("spec..template", "names no member"),
            ("spec.", "names no member"),
            ("spec.containers[app", "not closed"),
            ("spec.containers[]", "name or a place"),
            ("spec.containers[app]env", "without a dot"),
        ] {
            let why = Prefix::parse(text).unwrap_err();
            assert!(why.contains(told), "{text}: {why}");
        }
    }

    proptest! {
        #[test]
        fn every_path_that_is_told_is_a_prefix_of_itself(name in "[ -~]{1,12}", key in "[ -~]{1,12}") {
            let told = path("containers", &name, &key);
            prop_assert!(Prefix::parse(&told.to_string()).unwrap().holds(&told), "{told}");
        }
    }
}
