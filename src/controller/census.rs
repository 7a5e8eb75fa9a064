//! Census: how many permits stand in which phase, for the metrics.
//!
//! Read from the cache, every combination set, so that a figure falls back to zero. Decides nothing.

use std::collections::BTreeMap;

use super::Context;
use crate::api::vocabulary::Phase;
use crate::cluster::caches::LEVELS;

/// The level of a permit whose template is not known yet.
const UNKNOWN: &str = "unknown";

/// Counts the permits and shows the figures.
pub(super) fn take(ctx: &Context) {
    // Counted where they lie: there may be very many.
    let mut counts = BTreeMap::new();
    ctx.caches
        .each_permit(|card| count(&mut counts, card.phase(), card.level()));
    for phase in Phase::ALL {
        for level in LEVELS.into_iter().chain([UNKNOWN]) {
            let count = counts.get(&(*phase, level)).copied().unwrap_or(0);
            let labels = [phase.as_str(), level];
            ctx.metrics.permits.with_label_values(&labels).set(count);
        }
    }
}

fn count(
    counts: &mut BTreeMap<(Phase, &'static str), i64>,
    phase: Option<Phase>,
    level: Option<&'static str>,
) {
    let standing = (phase.unwrap_or(Phase::Requested), level.unwrap_or(UNKNOWN));
    *counts.entry(standing).or_insert(0) += 1;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn permits_are_counted_by_phase_and_level_and_a_new_one_by_neither() {
        let mut counts = BTreeMap::new();
        for (phase, level) in [
            (Some(Phase::Issued), Some("2")),
            (Some(Phase::Issued), Some("2")),
            (Some(Phase::Closed), Some("emergency")),
            (None, None),
        ] {
            count(&mut counts, phase, level);
        }
        assert_eq!(counts[&(Phase::Issued, "2")], 2);
        assert_eq!(counts[&(Phase::Closed, "emergency")], 1);
        assert_eq!(counts[&(Phase::Requested, "unknown")], 1);
        assert_eq!(counts.len(), 3);
    }
}
