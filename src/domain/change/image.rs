//! Image changes, told so that a person sees at once what is new.
//!
//! Knows how an image reference is written. Does not know registries, or what an image holds.

use std::fmt;

/// A container whose image comes, goes or changes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ImageChange {
    /// Name of the container.
    pub container: String,
    /// The image before, if there was one.
    pub from: Option<String>,
    /// The image after, if there is one.
    pub to: Option<String>,
}

/// `image checkout 1.4.2 -> 1.5.0`; both images in full where the repository differs too.
impl fmt::Display for ImageChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (from, to) = match (&self.from, &self.to) {
            (Some(from), Some(to)) => shortened(from, to),
            (from, to) => (
                from.as_deref().unwrap_or("(none)"),
                to.as_deref().unwrap_or("(none)"),
            ),
        };
        write!(
            f,
            "image {} {} -> {}",
            one_line(&self.container),
            one_line(from),
            one_line(to)
        )
    }
}

/// The versions alone, where both images are of one repository.
fn shortened<'a>(from: &'a str, to: &'a str) -> (&'a str, &'a str) {
    match (split(from), split(to)) {
        ((one, Some(before)), (other, Some(after))) if one == other => (before, after),
        _ => (from, to),
    }
}

/// Repository, and tag or digest or both. The colon of a registry's port is none of a tag.
fn split(image: &str) -> (&str, Option<&str>) {
    let name_end = image.find('@').unwrap_or(image.len());
    let path_start = image
        .get(..name_end)
        .and_then(|name| name.rfind('/'))
        .unwrap_or(0);
    let tag = image
        .get(path_start..name_end)
        .and_then(|last| last.find(':'))
        .map(|at| path_start + at);
    match image.split_at_checked(tag.unwrap_or(name_end)) {
        Some((repository, version)) if version.len() > 1 => (repository, version.get(1..)),
        _ => (image, None),
    }
}

/// The repository of an image, without tag and digest. Example: `registry.example.com/shop/checkout`.
pub fn repository(image: &str) -> &str {
    split(image).0
}

/// Whether the bytes behind an image are named too (threat row 15).
pub fn is_pinned(image: &str) -> bool {
    image
        .split_once("@sha256:")
        .is_some_and(|(_, hex)| hex.len() == 64 && hex.bytes().all(|b| b.is_ascii_hexdigit()))
}

/// Text written by a tenant, in a form that cannot break a line or hide part of it.
pub(in crate::domain) fn one_line(text: &str) -> String {
    let is_plain = |c: char| c.is_ascii_graphic() || c == ' ';
    text.chars()
        .flat_map(|c| {
            if is_plain(c) {
                vec![c]
            } else {
                c.escape_unicode().collect()
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(from: Option<&str>, to: Option<&str>, expected: &str) {
        let change = ImageChange {
            container: "app".into(),
            from: from.map(Into::into),
            to: to.map(Into::into),
        };
        assert_eq!(change.to_string(), expected);
    }

    #[test]
    fn a_new_version_of_one_repository_is_told_by_its_version() {
        check(
            Some("shop/checkout:1.4.2"),
            Some("shop/checkout:1.5.0"),
            "image app 1.4.2 -> 1.5.0",
        );
        check(
            Some("host:5000/a/b:1"),
            Some("host:5000/a/b:2@sha256:00"),
            "image app 1 -> 2@sha256:00",
        );
        check(
            Some("a@sha256:00"),
            Some("a@sha256:11"),
            "image app sha256:00 -> sha256:11",
        );
    }

    #[test]
    fn images_of_two_repositories_are_told_in_full() {
        check(
            Some("shop/checkout:1"),
            Some("evil/checkout:1"),
            "image app shop/checkout:1 -> evil/checkout:1",
        );
        check(
            Some("host:5000/a"),
            Some("host:6000/a"),
            "image app host:5000/a -> host:6000/a",
        );
        check(Some("a"), Some("a:2"), "image app a -> a:2");
        check(Some("a:"), Some("a:2"), "image app a: -> a:2");
    }

    #[test]
    fn an_image_that_comes_or_goes_says_so() {
        check(None, Some("a:1"), "image app (none) -> a:1");
        check(Some("a:1"), None, "image app a:1 -> (none)");
    }

    #[test]
    fn an_image_cannot_write_lines_of_its_own() {
        check(
            None,
            Some("a\n  next  do this"),
            "image app (none) -> a\\u{a}  next  do this",
        );
    }
}
