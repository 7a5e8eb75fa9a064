//! Behaviour: how well an image serves.
//!
//! Decides errors and delay from an image's tag. Does not know which image runs, nor HTTP.

use std::time::Duration;

/// How requests to an image end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Behaviour {
    /// How many of a hundred requests fail.
    pub errors_percent: u64,
    /// How long each takes.
    pub delay: Duration,
}

const GOOD: Behaviour = Behaviour {
    errors_percent: 0,
    delay: Duration::from_millis(5),
};

/// The images that are not good. Every other tag is: `1.4.2`, `1.5.0`, …
const BAD: [(&str, Behaviour); 2] = [
    (
        "1.6.0",
        Behaviour {
            errors_percent: 30,
            delay: Duration::from_millis(5),
        },
    ),
    (
        "1.7.0",
        Behaviour {
            errors_percent: 0,
            delay: Duration::from_millis(1500),
        },
    ),
];

impl Behaviour {
    /// What `image` does, by its tag.
    pub fn of_image(image: &str) -> Self {
        let tag = tag(image);
        BAD.into_iter()
            .find(|(bad, _)| *bad == tag)
            .map_or(GOOD, |(_, behaviour)| behaviour)
    }

    /// Whether the request number `turn` fails: evenly spread, the same in every run.
    pub fn fails(&self, turn: u64) -> bool {
        turn.wrapping_mul(self.errors_percent) % 100 < self.errors_percent
    }
}

/// The tag of an image reference, with or without a digest; a registry's port is no tag.
fn tag(image: &str) -> &str {
    let name = image.split('@').next().unwrap_or(image);
    let last = name.rsplit('/').next().unwrap_or(name);
    last.split_once(':').map_or("", |(_, tag)| tag)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tag_decides_with_or_without_a_digest() {
        for image in [
            "shop:1.6.0",
            "registry.example:5000/a/shop:1.6.0",
            "shop:1.6.0@sha256:abc",
        ] {
            assert_eq!(Behaviour::of_image(image).errors_percent, 30, "{image}");
        }
        for image in [
            "shop:1.4.2",
            "shop",
            "registry.example:1.6.0/shop",
            "shop@sha256:abc",
        ] {
            assert_eq!(Behaviour::of_image(image), GOOD, "{image}");
        }
        assert_eq!(
            Behaviour::of_image("shop:1.7.0").delay,
            Duration::from_millis(1500)
        );
    }

    #[test]
    fn as_many_requests_fail_as_the_percentage_says() {
        let bad = Behaviour::of_image("shop:1.6.0");
        assert_eq!((0..1000).filter(|&turn| bad.fails(turn)).count(), 300);
        assert_eq!((0..1000).filter(|&turn| GOOD.fails(turn)).count(), 0);
    }
}
