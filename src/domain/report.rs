//! Report: what the status says of a decision: phase, conditions, summary, checks.
//!
//! For people and programs that wait; nothing ever takes an allow from it.

mod checks;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;

use self::checks::checks;
use super::aftermath::{Aftermath, Undoing};
use super::conditions::conditions;
use super::decide::Walk;
use super::ending;
use super::quorum::Ballot;
use super::standing::{Window, stamp, told_revocation};
use crate::api::condition::merge;
use crate::api::permit::{Execution, PermitStatus, RevocationStatus, Summary, Target, TraceLine};
use crate::api::vocabulary::{Decision, Phase, RevocationReason};

/// The status to write.
pub(super) fn status(walk: &Walk<'_>, rest: &Aftermath) -> PermitStatus {
    let world = walk.world;
    // Facts hold the time of what was issued; where they hold none there is none, whatever the status says.
    let armed = walk.armed.as_ref().map(|a| &a.issued_time);
    let spent = world.spent.as_ref().map(|s| &s.issued_time);
    let issued = armed.or(spent).and_then(Option::as_ref);
    // At rest nothing may start, and so nothing expires.
    let window = window(walk).filter(|_| !walk.phase.is_terminal());
    PermitStatus {
        phase: Some(walk.phase),
        outcome: rest.outcome,
        observed_generation: world.generation,
        digest: Some(walk.digest.clone()).filter(|d| !d.is_empty()),
        template_digest: world.revision.as_ref().map(|r| r.digest.clone()),
        issued_time: issued.map(whole),
        expires_time: window.map(|w| whole(&Time(w.closes))),
        execution: execution(walk, rest),
        checks: checks(walk),
        revocation: revocation(walk, rest),
        trace: trace(walk),
        summary: summary(walk, rest, window),
        conditions: merge(
            &world.recorded.conditions,
            &conditions(walk, rest),
            world.generation,
            world.now,
        ),
    }
}

/// Nothing has happened, and nothing will.
fn is_at_rest(walk: &Walk<'_>) -> bool {
    walk.transitions.is_empty()
        && walk.phase.is_terminal()
        && walk.world.recorded.phase == Some(walk.phase)
}

/// The rules as they spoke last; at rest those of the step that led there.
pub(super) fn trace(walk: &Walk<'_>) -> Vec<TraceLine> {
    let recorded = &walk.world.recorded.trace;
    match &walk.world.spent {
        Some(spent) => ending::sealed(spent, recorded),
        None if is_at_rest(walk) => recorded.clone(),
        None => walk.trace.lines(),
    }
}

/// A time as it is stored: whole seconds, so that what is read back equals what was written.
pub(super) fn whole(time: &Time) -> Time {
    Time(Timestamp::from_second(time.0.as_second()).unwrap_or(time.0))
}

pub(super) fn window(walk: &Walk<'_>) -> Option<Window> {
    let issued = walk.armed.as_ref()?.issued_time.as_ref()?.0;
    Some(Window::of(&walk.world.request, walk.template?, issued))
}

fn entered(walk: &Walk<'_>, phase: Phase) -> bool {
    walk.transitions.iter().any(|t| t.to == phase)
}

fn execution(walk: &Walk<'_>, rest: &Aftermath) -> Option<Execution> {
    let now = || Some(whole(&Time(walk.world.now)));
    let mut execution = walk.world.recorded.execution.clone();
    if entered(walk, Phase::Executing) {
        execution = Some(Execution {
            started_time: now(),
            ..execution.unwrap_or_default()
        });
    } else if walk.transitions.iter().any(|t| t.from.is_running()) {
        // That it ran is remembered even where somebody erased when.
        execution = Some(execution.unwrap_or_default());
    }
    let mut execution = execution?;
    if entered(walk, Phase::Validating) && execution.rolled_out_time.is_none() {
        execution.rolled_out_time = now();
    }
    // What the gate saw wins over what a status says.
    if let Some(admitted) = &walk.world.admitted {
        execution.executor = Some(admitted.username.clone());
        execution.decision_id = Some(admitted.decision_id.clone());
    }
    if execution.finished_time.is_none() && rest.outcome.is_some() {
        execution.finished_time = now();
    }
    // Whole minutes: what is lost at a restart is less than one.
    let healthy = i64::try_from(walk.world.healthy_for.as_secs()).unwrap_or(i64::MAX);
    if walk.phase == Phase::Validating {
        execution.healthy_seconds = execution.healthy_seconds.max(healthy - healthy % 60);
    } else if walk.phase == Phase::Closed {
        execution.healthy_seconds = execution.healthy_seconds.max(healthy);
    }
    Some(execution)
}

fn revocation(walk: &Walk<'_>, rest: &Aftermath) -> Option<RevocationStatus> {
    if walk.phase != Phase::Revoked {
        return None;
    }
    let undoing = rest
        .undoing
        .as_ref()
        .map_or("Done", Undoing::as_str)
        .to_owned();
    if let Some(mut recorded) = recorded_revocation(walk).cloned() {
        recorded.rollback = if walk.world.spent.is_some() {
            recorded.rollback
        } else {
            undoing
        };
        return Some(recorded);
    }
    let step = walk.transitions.iter().find(|t| t.to == Phase::Revoked);
    let object = revoking(walk);
    Some(RevocationStatus {
        reason: revocation_reason(walk),
        approval: object.map_or_else(
            || revocation_name(&walk.world.request.name),
            |b| b.approval.clone(),
        ),
        message: step
            .map(|s| s.because.clone())
            .or_else(|| object.map(told_revocation))
            .unwrap_or_default(),
        rollback: undoing,
    })
}

/// What is recorded of the revocation. A reason that its own object does not give was written by somebody else.
fn recorded_revocation<'a>(walk: &'a Walk<'_>) -> Option<&'a RevocationStatus> {
    let recorded = walk.world.recorded.revocation.as_ref();
    recorded.filter(|recorded| {
        revoking(walk).is_none_or(|b| b.reason.is_none() || b.reason == Some(recorded.reason))
    })
}

/// Why a revoked permit was revoked.
pub(super) fn revocation_reason(walk: &Walk<'_>) -> RevocationReason {
    let step = walk.transitions.iter().find(|t| t.to == Phase::Revoked);
    let word = step.map_or("", |s| s.reason);
    let found = RevocationReason::ALL.iter().find(|r| r.as_str() == word);
    recorded_revocation(walk)
        .map(|r| r.reason)
        .or(found.copied())
        .or_else(|| revoking(walk).and_then(|b| b.reason))
        .unwrap_or(RevocationReason::ApproverRequest)
}

/// The object that ended the permit, which nobody can write away.
fn revoking<'a>(walk: &'a Walk<'_>) -> Option<&'a Ballot> {
    let mut revocations = walk
        .world
        .ballots
        .iter()
        .filter(|b| b.decision == Decision::Revoke);
    revocations.next()
}

/// The fixed name of the operator's own revocation of a permit, so that it is created once.
pub fn revocation_name(permit: &str) -> String {
    // A name has at most 253 characters; what is cut here is unique by the permit's own uniqueness elsewhere.
    let stem = permit.get(..230).unwrap_or(permit);
    format!("{stem}.operator-revoke")
}

fn summary(walk: &Walk<'_>, rest: &Aftermath, window: Option<Window>) -> Summary {
    let spec = &walk.world.request.spec;
    let approvals = match walk.template {
        Some(t) if t.is_automatic() => "auto".to_owned(),
        Some(t) => format!("{}/{}", walk.tally.counted.len(), t.needed()),
        None => "-".to_owned(),
    };
    let recorded = &walk.world.recorded.summary.approvals;
    // What could not be asked is no loss, and at rest nobody is asked; a loss that ends the permit is still shown.
    let counts = walk.lost.is_some() || !walk.phase.is_terminal() && !walk.doubts();
    Summary {
        target: spec
            .targets
            .iter()
            .map(|t| format!("deploy/{}", t.name))
            .collect::<Vec<_>>()
            .join(","),
        approvals: if counts || recorded.is_empty() {
            approvals
        } else {
            recorded.clone()
        },
        change: spec
            .targets
            .iter()
            .map(told_target)
            .collect::<Vec<_>>()
            .join("; "),
        level: walk
            .template
            .map_or_else(|| "-".to_owned(), |t| t.level.to_string()),
        expires: window.map_or_else(|| "-".to_owned(), |w| stamp(w.closes)),
        message: message(walk, rest),
    }
}

/// What a target may become, in short.
pub fn told_target(target: &Target) -> String {
    let mut parts: Vec<_> = target
        .images
        .iter()
        .map(|(c, i)| format!("{c}={i}"))
        .collect();
    parts.extend(
        target
            .pod_template_digest
            .as_deref()
            .map(|d| format!("template {}", super::standing::short(d))),
    );
    parts.extend(target.operations.iter().map(ToString::to_string));
    parts.join(",")
}

/// The most telling sentence about the permit now.
pub(super) fn message(walk: &Walk<'_>, rest: &Aftermath) -> String {
    if let Some(spent) = &walk.world.spent {
        return ending::words(spent, &walk.world.recorded.summary.message);
    }
    if let Some(undoing) = &rest.undoing {
        let cause = cause(walk);
        return match undoing {
            Undoing::NotNeeded => cause,
            Undoing::Pending => format!("{cause}; rolling back"),
            Undoing::Accepted => {
                format!("{cause}; rollback accepted, waiting until the workload is stable")
            }
            Undoing::Done => format!("{cause}; the former template is back"),
            Undoing::Failed(why) => format!("{cause}; the rollback failed: {why}"),
            Undoing::Held(why) => format!("{cause}; not rolled back: {why}"),
            Undoing::Superseded => format!("{cause}; a newer permitted change took its place"),
        };
    }
    match (&walk.waiting, walk.transitions.last()) {
        (Some((_, why)), _) => why.clone(),
        (None, Some(step)) => step.because.clone(),
        (None, None) => {
            let recorded = &walk.world.recorded;
            let kept =
                (recorded.phase == Some(walk.phase)).then(|| recorded.summary.message.clone());
            kept.filter(|words| !words.is_empty())
                .unwrap_or_else(|| format!("it is {}", walk.phase))
        }
    }
}

/// Why a permit was revoked, in words.
fn cause(walk: &Walk<'_>) -> String {
    let step = walk.transitions.last().map(|t| t.because.clone());
    let revocation = walk.world.recorded.revocation.as_ref();
    step.or_else(|| revocation.map(|r| r.message.clone()))
        .or_else(|| revoking(walk).map(told_revocation))
        .filter(|words| !words.is_empty())
        .unwrap_or_else(|| format!("it is {}", walk.phase))
}
