//! Soak: the rollout is complete and the guard watches; has it been healthy for long enough?
//!
//! A rollout may fall back and come up again, but not for ever. Does not know what healthy means, nor how a change ran.

use std::time::Duration;

use super::{Happening, Walk, happening};
use crate::api::vocabulary::RevocationReason;
use crate::domain::hold::held;
use crate::domain::lifecycle::Event;
use crate::domain::template::Template;
use crate::domain::trace::{Rule, Verdict};
use crate::domain::world::Health;

impl<'a> Walk<'a> {
    pub(super) fn validating(&mut self, template: &'a Template) -> Option<Happening> {
        if let Some(end) = self.astray() {
            return Some(end);
        }
        if let Some(progress) = self.unfinished() {
            return self.fallen_back(template, progress);
        }
        if let Some(why) = held(self) {
            return self.wait(Rule::Guard, "Held", why);
        }
        let soaked = if template.checks.is_empty() {
            self.since_rollout()
        } else {
            self.world.healthy_for
        };
        if soaked < template.soak {
            let worst = self
                .world
                .checks
                .iter()
                .find(|c| c.verdict != Health::Healthy);
            let told = worst.map_or_else(String::new, |c| format!("; {}: {}", c.name, c.because));
            return self.wait(
                Rule::Guard,
                "Soaking",
                format!(
                    "healthy for {}s of {}s{told}",
                    soaked.as_secs(),
                    template.soak.as_secs()
                ),
            );
        }
        if !self.world.ledger_writable {
            return self.wait(
                Rule::Ledger,
                "LedgerNotWritable",
                "closure waits: the record cannot be written",
            );
        }
        self.trace.push(
            Rule::Guard,
            Verdict::Pass,
            format!("healthy for {}s", soaked.as_secs()),
        );
        Some(happening(
            Event::SoakPassed,
            "Validated",
            format!("healthy for {}s", soaked.as_secs()),
        ))
    }

    pub(in crate::domain) fn since_rollout(&self) -> Duration {
        let rolled_out = self
            .world
            .recorded
            .execution
            .as_ref()
            .and_then(|e| e.rolled_out_time.as_ref());
        rolled_out
            .and_then(|t| Duration::try_from(self.world.now.duration_since(t.0)).ok())
            .unwrap_or_default()
    }

    /// A rollout that was complete and is no more: it may come up again, but not for ever.
    fn fallen_back(&mut self, template: &Template, progress: String) -> Option<Happening> {
        if let Some(stuck) = self.stuck() {
            return Some(self.revoke(RevocationReason::TimeExceeded, stuck));
        }
        let longest = template.max_duration.saturating_add(template.soak);
        if self.since_rollout() >= longest {
            let why = format!("the rollout fell back and did not come up again: {progress}");
            return Some(self.revoke(RevocationReason::TimeExceeded, why));
        }
        self.wait(Rule::Rollout, "RollingOut", progress)
    }
}
