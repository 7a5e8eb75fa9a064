//! Field paths: where in an object is a field?
//!
//! A path is kept in its parts and only rendered for people: names inside an object are written by tenants, and a
//! judgement by text could be led astray by a name such as `x].image`. Does not know what a field means.

use std::fmt;

/// One step into an object.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Segment {
    /// A member of an object.
    Key(String),
    /// An element of a list whose elements are told apart by their `name`.
    Element(String),
    /// An element of any other list.
    Index(usize),
}

/// The place of a field, such as `spec.template.spec.containers[app].image`.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FieldPath(Vec<Segment>);

impl FieldPath {
    /// The path that leads through members only.
    pub fn of_keys(keys: &[&str]) -> Self {
        Self(
            keys.iter()
                .map(|key| Segment::Key((*key).to_owned()))
                .collect(),
        )
    }

    /// The path one step further in.
    #[must_use]
    pub fn then(mut self, segment: Segment) -> Self {
        self.0.push(segment);
        self
    }

    /// The steps of the path.
    pub fn segments(&self) -> &[Segment] {
        &self.0
    }

    /// Whether the path consists of exactly these members.
    pub fn is(&self, keys: &[&str]) -> bool {
        self.below(keys).is_some_and(<[Segment]>::is_empty)
    }

    /// What follows these members, if the path begins with them.
    pub fn below(&self, keys: &[&str]) -> Option<&[Segment]> {
        let (head, rest) = self.0.split_at_checked(keys.len())?;
        head.iter()
            .zip(keys)
            .all(|(segment, key)| segment.is_key(key))
            .then_some(rest)
    }

    pub(super) fn push(&mut self, segment: Segment) {
        self.0.push(segment);
    }

    pub(super) fn pop(&mut self) {
        self.0.pop();
    }
}

impl Segment {
    /// Whether this is the member of that name.
    pub fn is_key(&self, key: &str) -> bool {
        matches!(self, Self::Key(own) if own == key)
    }

    /// Whether this leads to an element of a list.
    pub const fn is_element(&self) -> bool {
        matches!(self, Self::Element(_) | Self::Index(_))
    }
}

/// Dots and brackets; whatever is no plain word is quoted and escaped, so that a path is always one line.
impl fmt::Display for FieldPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, segment) in self.0.iter().enumerate() {
            match segment {
                Segment::Key(key) if is_plain(key) && at == 0 => f.write_str(key)?,
                Segment::Key(key) if is_plain(key) => write!(f, ".{key}")?,
                Segment::Element(name) if is_plain(name) => write!(f, "[{name}]")?,
                Segment::Key(word) | Segment::Element(word) => write!(f, "[{word:?}]")?,
                Segment::Index(index) => write!(f, "[{index}]")?,
            }
        }
        Ok(())
    }
}

/// Whether a word can be read without quotes. A number is not: it would look like an index.
fn is_plain(word: &str) -> bool {
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    word.chars().all(is_word) && word.chars().any(|c| c.is_ascii_alphabetic())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_reads_like_the_ones_people_write() {
        let path = FieldPath::of_keys(&["spec", "template", "spec", "containers"])
            .then(Segment::Element("app".into()))
            .then(Segment::Key("args".into()))
            .then(Segment::Index(2));
        assert_eq!(
            path.to_string(),
            "spec.template.spec.containers[app].args[2]"
        );
    }

    #[test]
    fn a_name_that_looks_like_a_path_is_quoted_and_escaped() {
        let path = |name: &str| {
            FieldPath::of_keys(&["env"])
                .then(Segment::Element(name.into()))
                .to_string()
        };
        assert_eq!(path("x].image"), "env[\"x].image\"]");
        assert_eq!(path("a\nnext"), "env[\"a\\nnext\"]");
        assert_eq!(path("2"), "env[\"2\"]");
        let key = FieldPath::of_keys(&["annotations", "example.org/a"]);
        assert_eq!(key.to_string(), "annotations[\"example.org/a\"]");
    }

    #[test]
    fn a_path_lies_below_its_own_beginning_and_no_other() {
        let path = FieldPath::of_keys(&["spec", "template", "spec"]);
        assert_eq!(
            path.below(&["spec", "template"]).map(<[Segment]>::len),
            Some(1)
        );
        assert_eq!(path.below(&["spec", "other"]), None);
        assert_eq!(path.below(&["spec", "template", "spec", "volumes"]), None);
        assert!(path.is(&["spec", "template", "spec"]));
        assert!(!path.is(&["spec", "template"]));
    }
}
