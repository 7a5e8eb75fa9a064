//! Seeds: where chance comes from, so that what failed can be seen again.
//!
//! Knows nothing of what is drawn.

use std::env;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::Path;

/// The seeds that once failed, one a line.
const KEPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fuzz/seeds");

/// Numbers by chance: `SplitMix64`, so that a seed means the same everywhere.
pub(crate) struct Chance(u64);

impl Chance {
    pub(crate) const fn of(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number below `end`.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % end.max(1) as u64).unwrap()
    }

    pub(crate) fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }
}

/// `SEED=n` alone, or those that were kept and `SEEDS=n` new ones. If nothing is said, `few` that are always the same:
/// what was right yesterday is not wrong by chance today.
pub(crate) fn seeds(few: u64) -> Vec<u64> {
    let number = |name: &str| {
        env::var(name)
            .ok()
            .and_then(|text| text.trim().parse().ok())
    };
    if let Some(seed) = number("SEED") {
        return vec![seed];
    }
    let kept = std::fs::read_to_string(KEPT).unwrap_or_default();
    let kept = kept.lines().filter_map(|line| line.trim().parse().ok());
    match number("SEEDS") {
        Some(new) => kept.chain((0..new).map(|_| rand::random())).collect(),
        None => kept.chain(1..=few).collect(),
    }
}

/// Keeps a seed that failed.
pub(crate) fn keep(seed: u64) {
    let kept = std::fs::read_to_string(KEPT).unwrap_or_default();
    if !kept.lines().any(|line| line == seed.to_string())
        && Path::new(KEPT).parent().is_some_and(Path::exists)
    {
        let mut file = OpenOptions::new()
            .create(true)
            .append(true)
            .open(KEPT)
            .unwrap();
        writeln!(file, "{seed}").unwrap();
    }
}
