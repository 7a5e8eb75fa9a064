//! Aftermath: what a permit at rest still owes: the undoing of its change, and the settling of the facts.
//!
//! Derived each time from what is live and what was put on record, so that a crash at any point repeats nothing.

use super::applied::{Applied, applied, baseline, is_restored};
use super::decide::Walk;
use super::effect::Effect;
use super::ending;
use super::kind;
use super::quorum::Ballot;
use super::rollout::Rollout;
use super::world::TargetFact;
use crate::api::facts::{Baseline, Prior};
use crate::api::template::OnRevoke;
use crate::api::vocabulary::{Decision, Outcome, Phase, RevocationReason};

/// How often a refused rollback is tried before it counts as failed.
pub const MOST_REFUSALS: u32 = 5;

/// What is left to do, and how far the undoing is.
#[derive(Clone, Debug, Default)]
pub struct Aftermath {
    /// What to do before the status is written.
    pub before: Vec<Effect>,
    /// What to do once the status is written.
    pub effects: Vec<Effect>,
    /// How it ended, once that is known.
    pub outcome: Option<Outcome>,
    /// Where the undoing stands, in one word of `status.revocation.rollback`.
    pub undoing: Option<Undoing>,
}

/// Where the undoing of a revoked change stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Undoing {
    /// Nothing had been changed.
    NotNeeded,
    /// A rollback has to be written.
    Pending,
    /// It is written; the workload is not yet stable.
    Accepted,
    /// The workload is stable on its former template.
    Done,
    /// It cannot be written. Says why.
    Failed(String),
    /// A person decides. Says why.
    Held(String),
    /// A newer permitted change took its place.
    Superseded,
}

impl Undoing {
    /// The word in status.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::NotNeeded => "NotNeeded",
            Self::Pending => "Pending",
            Self::Accepted => "Accepted",
            Self::Done => "Done",
            Self::Failed(_) => "Failed",
            Self::Held(_) => "Held",
            Self::Superseded => "Superseded",
        }
    }

    /// The worse of two: what still has to happen outranks what has happened.
    fn rank(&self) -> u8 {
        match self {
            Self::NotNeeded => 0,
            Self::Done => 1,
            Self::Superseded => 2,
            Self::Held(_) => 3,
            Self::Failed(_) => 4,
            Self::Accepted => 5,
            Self::Pending => 6,
        }
    }

    const fn outcome(&self) -> Option<Outcome> {
        match self {
            Self::NotNeeded => Some(Outcome::Unused),
            Self::Done => Some(Outcome::RolledBack),
            Self::Failed(_) => Some(Outcome::RollbackFailed),
            Self::Held(_) | Self::Superseded => Some(Outcome::Failed),
            Self::Pending | Self::Accepted => None,
        }
    }
}

/// What a permit in its phase still owes.
pub(super) fn aftermath(walk: &Walk<'_>) -> Aftermath {
    if !walk.phase.is_terminal() {
        return Aftermath::default();
    }
    let mut rest = Aftermath::default();
    match walk.phase {
        Phase::Closed => rest.outcome = Some(Outcome::Succeeded),
        Phase::Revoked => undo(walk, &mut rest),
        _ => rest.outcome = Some(Outcome::Unused),
    }
    // What is settled already keeps its outcome; the facts, not the status, remember it.
    if let Some(spent) = &walk.world.spent {
        rest.outcome = spent.outcome.or(rest.outcome);
    } else if let Some(outcome) = rest.outcome {
        settle(walk, outcome, &mut rest);
    }
    rest
}

/// A validated change moves its baselines before the status may say so: a status that says `Closed` on its own proves
/// nothing and earns nothing.
fn settle(walk: &Walk<'_>, outcome: Outcome, rest: &mut Aftermath) {
    let validated = walk.transitions.iter().any(|t| t.to == Phase::Closed);
    let spent = ending::spent(walk, outcome, rest);
    if validated {
        let baselines = earned(walk);
        rest.before.push(Effect::Settle { spent, baselines });
    } else {
        let baselines = Vec::new();
        rest.effects.push(Effect::Settle { spent, baselines });
    }
}

/// Undoes the targets of a revoked permit in reverse order.
fn undo(walk: &Walk<'_>, rest: &mut Aftermath) {
    if walk.world.spent.is_none() && !is_said(walk) {
        rest.before.push(Effect::Revoke {
            reason: RevocationReason::ApproverRequest,
            message: "its status said so".into(),
        });
    }
    let mut worst = Undoing::NotNeeded;
    for fact in walk.world.targets.iter().rev() {
        let Some(prior) = fact.prior(walk.armed.as_ref()) else {
            continue;
        };
        let state = undoing(walk, fact, prior);
        match &state {
            Undoing::Pending => rest.effects.push(Effect::RollBack { target: fact.key() }),
            Undoing::Held(_) if is_rolling(fact) && fact.target.kind.as_str() == "Deployment" => {
                rest.effects.push(Effect::Pause { target: fact.key() });
            }
            _ => {}
        }
        if state.rank() > worst.rank() {
            worst = state;
        }
    }
    rest.outcome = worst.outcome();
    rest.undoing = Some(worst);
}

/// Whether an object ends the permit. A status that says `Revoked` on its own could be written away again.
fn is_said(walk: &Walk<'_>) -> bool {
    let ends = |b: &Ballot| matches!(b.decision, Decision::Revoke | Decision::Reject);
    let own = |e: &Effect| matches!(e, Effect::Revoke { .. });
    walk.world.ballots.iter().any(ends) || walk.before.iter().any(own)
}

/// Whether the permit's change was ever seen live, or had to be undone before anybody watched it. The guard's own
/// findings tell it where the status does not.
fn has_begun(walk: &Walk<'_>) -> bool {
    let undone = [Undoing::Pending, Undoing::Accepted, Undoing::Done];
    let revocation = walk.world.recorded.revocation.as_ref();
    let found = |b: &Ballot| b.reason.is_some_and(|reason| !reason.is_for_people());
    walk.world.recorded.execution.is_some()
        || walk.transitions.iter().any(|t| t.from.is_running())
        || walk.world.ballots.iter().any(found)
        || revocation.is_some_and(|r| undone.iter().any(|u| u.as_str() == r.rollback))
}

fn is_rolling(fact: &TargetFact) -> bool {
    fact.live
        .as_ref()
        .is_some_and(|l| matches!(l.rollout, Rollout::Progressing(_) | Rollout::Stuck(_)))
}

fn undoing(walk: &Walk<'_>, fact: &TargetFact, prior: &Prior) -> Undoing {
    let refused = walk
        .world
        .refused_rollbacks
        .get(&fact.key())
        .copied()
        .unwrap_or(0);
    let state = applied(fact, prior);
    let begun = has_begun(walk);
    let Some(live) = &fact.live else {
        let is_ours = begun || state == Applied::Covered;
        return if prior.uid.is_empty() || !is_ours {
            Undoing::NotNeeded
        } else {
            Undoing::Failed("the workload is gone".into())
        };
    };
    if is_restored(fact, prior) {
        return match (&live.rollout, begun) {
            (_, false) => Undoing::NotNeeded,
            (Rollout::Complete | Rollout::Paused, true) => Undoing::Done,
            (Rollout::Progressing(_), true) => Undoing::Accepted,
            (Rollout::Stuck(why), true) => {
                Undoing::Failed(format!("the former template does not come up: {why}"))
            }
        };
    }
    match state {
        Applied::Unchanged => Undoing::NotNeeded,
        // What another one did before this permit's change began is not its to undo.
        Applied::Foreign(_) if !begun => Undoing::NotNeeded,
        // Something newer that another permit admitted: a person's change wins over a pending rollback.
        Applied::Foreign(_) if fact.busy_with.is_some() => Undoing::Superseded,
        Applied::Covered | Applied::Foreign(_) if prior.uid.is_empty() => Undoing::Held(
            "there was no workload before, so there is no template to return to".into(),
        ),
        Applied::Covered | Applied::Foreign(_) if prior.uid != live.uid => {
            Undoing::Failed("the workload was made anew since; it is not the one on record".into())
        }
        Applied::Covered | Applied::Foreign(_) if !rolls(fact) => Undoing::Held(
            "a restored template makes no new pods of this kind; a person undoes it".into(),
        ),
        Applied::Covered | Applied::Foreign(_) if holds(walk) => {
            Undoing::Held("the template says that a person decides".into())
        }
        Applied::Covered | Applied::Foreign(_) if refused >= MOST_REFUSALS => {
            Undoing::Failed(format!("the rollback was refused {refused} times"))
        }
        Applied::Covered | Applied::Foreign(_) => Undoing::Pending,
    }
}

/// Whether the operator can bring a workload of this kind back; one that it does not know it leaves to people.
fn rolls(fact: &TargetFact) -> bool {
    kind::form(fact.target.kind.as_str()).is_some_and(|form| form.rolls)
}

fn holds(walk: &Walk<'_>) -> bool {
    walk.template.is_none_or(|t| t.on_revoke == OnRevoke::Hold)
}

/// The baselines that a validated change earns: where it is what is live, and nobody else's.
fn earned(walk: &Walk<'_>) -> Vec<(String, Option<Baseline>)> {
    let is_own = |fact: &&TargetFact| {
        let prior = fact.prior(walk.armed.as_ref());
        fact.busy_with.is_none() && prior.is_some_and(|p| applied(fact, p) == Applied::Covered)
    };
    let one = |fact: &TargetFact| {
        let live = fact.live.as_ref();
        let earned = live.and_then(|l| baseline(&l.object, &walk.world.request.uid));
        (fact.key(), earned)
    };
    let own = walk.world.targets.iter().filter(is_own);
    own.map(one).collect()
}
