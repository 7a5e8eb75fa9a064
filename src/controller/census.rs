//! Census: how many permits stand in which phase, and how many unpermitted changes stand, for the metrics.
//!
//! Read from the cache, every combination set, so that a figure falls back to zero. Decides nothing.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Context;
use crate::api::permit::Permit;
use crate::api::vocabulary::Phase;
use crate::domain::kind::GATED;

/// The levels that a permit can have, and that of one whose template is not known yet.
const LEVELS: [&str; 7] = ["0", "1", "2", "3", "4", "emergency", "unknown"];

/// Counts the permits and shows the figures.
pub(super) fn take(ctx: &Context) {
    unpermitted(ctx);
    let counts = counted(&ctx.caches.permit_store().state());
    for phase in Phase::ALL {
        for level in LEVELS {
            let count = counts.get(&(*phase, level)).copied().unwrap_or(0);
            let labels = [phase.as_str(), level];
            ctx.metrics.permits.with_label_values(&labels).set(count);
        }
    }
}

/// Counts the unpermitted changes that stand, by kind.
fn unpermitted(ctx: &Context) {
    let mut counts: BTreeMap<&str, i64> = GATED.iter().map(|form| (form.word, 0)).collect();
    for namespace in ctx.caches.namespaces_with_facts() {
        let facts = ctx.caches.shared_facts(&namespace);
        for key in facts.iter().flat_map(|facts| facts.unpermitted.keys()) {
            let kind = key
                .split_once('/')
                .and_then(|(kind, _)| counts.get_mut(kind));
            if let Some(count) = kind {
                *count += 1;
            }
        }
    }
    for (kind, count) in counts {
        let figure = &ctx.metrics.unpermitted_standing;
        figure.with_label_values(&[kind]).set(count);
    }
}

fn counted(permits: &[Arc<Permit>]) -> BTreeMap<(Phase, &'static str), i64> {
    let mut counts = BTreeMap::new();
    for permit in permits {
        let status = permit.status.as_ref();
        let phase = status.and_then(|s| s.phase).unwrap_or(Phase::Requested);
        let level = status.map_or("", |s| s.summary.level.as_str());
        let known = LEVELS.iter().find(|l| **l == level);
        *counts
            .entry((phase, known.copied().unwrap_or("unknown")))
            .or_insert(0) += 1;
    }
    counts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn permit(phase: Option<Phase>, level: &str) -> Arc<Permit> {
        let spec = serde_json::json!({"template": "t", "purpose": "p", "targets": []});
        let mut permit = Permit::new("a", serde_json::from_value(spec).unwrap());
        let mut status = crate::api::PermitStatus {
            phase,
            ..Default::default()
        };
        status.summary.level = level.to_owned();
        permit.status = phase.map(|_| status);
        Arc::new(permit)
    }

    #[test]
    fn permits_are_counted_by_phase_and_level_and_a_new_one_by_neither() {
        let all = [
            permit(Some(Phase::Issued), "2"),
            permit(Some(Phase::Issued), "2"),
            permit(Some(Phase::Closed), "emergency"),
            permit(None, ""),
        ];
        let counts = counted(&all);
        assert_eq!(counts[&(Phase::Issued, "2")], 2);
        assert_eq!(counts[&(Phase::Closed, "emergency")], 1);
        assert_eq!(counts[&(Phase::Requested, "unknown")], 1);
        assert_eq!(counts.len(), 3);
    }
}
