//! Pinning: are the bytes behind the images named too?
//!
//! Behind a tag they change without any write that a gate could see (threat row 15). From level 3 each image is by
//! digest, at level 2 a tag is warned of (`decisions.md` 22). Does not know registries.

use serde_json::Value;

use super::GateWorld;
use crate::domain::change::container::containers;
use crate::domain::change::image::{is_pinned, one_line};
use crate::domain::template::{Level, Template};

/// The first image of an object that is not by digest, with its container.
fn loose(object: &Value) -> Option<(&str, &str)> {
    let found = containers(object).filter_map(|c| Some((c.name, c.image?)));
    let mut loose = found.filter(|(_, image)| !is_pinned(image));
    loose.next()
}

/// What would run: of a `scale` its parent.
fn runs(world: &GateWorld) -> Option<&Value> {
    world.parent.as_ref().or(world.new.as_ref())
}

/// Why the images are not named as the level of the permit demands.
pub(super) fn demanded(world: &GateWorld, template: &Template) -> Result<(), String> {
    let is_high = matches!(template.level, Level::Numbered(3..));
    match runs(world).and_then(loose).filter(|_| is_high) {
        None => Ok(()),
        Some((container, image)) => Err(format!(
            "level {} demands images by digest (`@sha256:`): container `{}` has `{}`",
            template.level,
            one_line(container),
            one_line(image)
        )),
    }
}

/// What whoever makes the change is told of images by tag.
pub(super) fn warning(world: &GateWorld, template: &Template) -> Option<String> {
    let (container, image) = runs(world).and_then(loose)?;
    (template.level == Level::Numbered(2)).then(|| {
        format!(
            "container `{}` has image `{}` by tag: name it by digest, or other bytes may run at the next start",
            one_line(container),
            one_line(image)
        )
    })
}

/// Whether every image that would run is by digest.
pub(super) fn is_whole(world: &GateWorld) -> bool {
    runs(world).is_some_and(|object| loose(object).is_none())
}
