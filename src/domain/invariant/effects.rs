//! Rules about the effects of a decision: what may be done to workloads and facts, and when.

use crate::api::facts::Spent;
use crate::api::template::OnRevoke;
use crate::api::vocabulary::{Decision as Said, Phase};
use crate::domain::decide::Decision;
use crate::domain::effect::Effect;
use crate::domain::lifecycle::Event;
use crate::domain::world::World;

fn all(decision: &Decision) -> impl Iterator<Item = &Effect> {
    decision.before.iter().chain(&decision.after)
}

fn rolled_back(decision: &Decision) -> impl Iterator<Item = &str> {
    all(decision).filter_map(|effect| match effect {
        Effect::RollBack { target } => Some(target.as_str()),
        _ => None,
    })
}

pub(super) fn at_rest(_: &World, decision: &Decision) -> Option<String> {
    let early = decision
        .after
        .first()
        .filter(|_| !decision.phase.is_terminal());
    early.map(|effect| format!("{effect:?} while {}", decision.phase))
}

pub(super) fn revoked(world: &World, decision: &Decision) -> Option<String> {
    let target = rolled_back(decision).next()?;
    if decision.phase != Phase::Revoked {
        return Some(format!("{target} while {}", decision.phase));
    }
    let ends = |said: Said| matches!(said, Said::Revoke | Said::Reject);
    let said = world.ballots.iter().any(|b| ends(b.decision));
    let own = decision
        .before
        .iter()
        .any(|e| matches!(e, Effect::Revoke { .. }));
    (!said && !own).then(|| format!("{target}, and nobody revoked it"))
}

pub(super) fn returns(world: &World, decision: &Decision) -> Option<String> {
    let Some(Ok(template)) = world.revision.as_ref().map(|r| &r.template) else {
        return rolled_back(decision)
            .next()
            .map(|t| format!("{t} without a template"));
    };
    rolled_back(decision).find_map(|key| {
        let prior = world.armed.as_ref().and_then(|a| a.targets.get(key));
        let live = world.targets.iter().find(|t| t.key() == key);
        let live = live.and_then(|t| t.live.as_ref());
        let is_same = prior
            .zip(live)
            .is_some_and(|(prior, live)| prior.uid == live.uid);
        if !is_same {
            return Some(format!("{key} is not the object on record"));
        }
        (template.on_revoke == OnRevoke::Hold).then(|| format!("{key}, and a person decides"))
    })
}

pub(super) fn settled(world: &World, decision: &Decision) -> Option<String> {
    let settled: Vec<&Spent> = all(decision)
        .filter_map(|effect| match effect {
            Effect::Settle { spent, .. } => Some(spent),
            _ => None,
        })
        .collect();
    let first = settled.first()?;
    if settled.len() > 1 || world.spent.is_some() {
        return Some("settled again".into());
    }
    if first.phase != decision.phase || !decision.phase.is_terminal() {
        return Some(format!("{} while {}", first.phase, decision.phase));
    }
    (first.outcome.is_none() || first.outcome != decision.status.outcome)
        .then(|| format!("{:?} is not the outcome told", first.outcome))
}

pub(super) fn earned(_: &World, decision: &Decision) -> Option<String> {
    let validated = decision
        .transitions
        .iter()
        .any(|t| t.event == Event::SoakPassed);
    let mut moved = all(decision).filter_map(|effect| match effect {
        Effect::Settle { baselines, .. } => baselines.first(),
        _ => None,
    });
    moved
        .next()
        .filter(|_| !validated)
        .map(|(key, _)| key.clone())
}
