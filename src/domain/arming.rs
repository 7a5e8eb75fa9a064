//! Arming: what is put on record before a permit's change can be admitted.
//!
//! The gate admits a change only from exactly the state on record here, so that there is always something to return
//! to (threat row 49). Taken at issuance, taken again when something else moved the target before the start.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::applied::{Applied, applied, comparable};
use super::canonical::{spec_digest, template_digest};
use super::decide::Walk;
use super::effect::Effect;
use super::world::TargetFact;
use crate::api::facts::{Armed, Prior};
use crate::api::vocabulary::Phase;

impl Walk<'_> {
    /// Puts on record what stands there now, keeping the time of an issuance that was interrupted.
    pub(super) fn arm(&mut self) {
        if self.armed.as_ref().is_some_and(|a| a.digest == self.digest) {
            return;
        }
        let armed = Armed {
            permit: self.world.request.name.clone(),
            digest: self.digest.clone(),
            issued_time: Some(Time(self.world.now)),
            targets: self
                .world
                .targets
                .iter()
                .map(|t| (t.key(), prior_of(t)))
                .collect(),
        };
        self.before.push(Effect::Arm(armed.clone()));
        self.armed = Some(armed);
    }

    /// Takes the state again where something that this permit does not cover has moved a target before the start.
    pub(super) fn rearm(&mut self) {
        if self.phase != Phase::Issued || !self.transitions.is_empty() {
            return;
        }
        let Some(mut armed) = self.armed.clone() else {
            return;
        };
        let mut moved = false;
        for fact in &self.world.targets {
            let now = prior_of(fact);
            let Some(prior) = armed.targets.get(&fact.key()) else {
                continue;
            };
            let elsewhere =
                matches!(applied(fact, prior), Applied::Foreign(_)) || prior.uid != now.uid;
            if elsewhere && applied(fact, prior) != Applied::Covered {
                armed.targets.insert(fact.key(), now);
                moved = true;
            }
        }
        if moved {
            self.before.push(Effect::Arm(armed.clone()));
            self.armed = Some(armed);
        }
    }
}

/// What stands there now.
fn prior_of(fact: &TargetFact) -> Prior {
    let Some(live) = &fact.live else {
        return Prior::default();
    };
    let text = |d: Option<super::canonical::Digest>| d.map(|d| d.to_string()).unwrap_or_default();
    Prior {
        uid: live.uid.clone(),
        spec_digest: text(spec_digest(&live.object)),
        template_digest: text(template_digest(&live.object)),
        object: comparable(&live.object),
    }
}
