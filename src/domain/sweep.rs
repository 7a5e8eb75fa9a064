//! Sweep: what of all that stands in a gated namespace did nobody permit?
//!
//! A workload is in order if it is the baseline, if a permit in force covers it, or if the gate let it pass without one.
//! What controllers derive from a workload is judged in `derived`. Finds what came past the gate, whoever made it; does
//! not know who that was, nor who is told.

mod derived;
mod pods;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::Value;

use super::applied::{Applied, applied};
use super::canonical::spec_digest;
use super::kind::{self, word_of};
use super::rollout;
use super::world::{TargetFact, Workload};
use crate::api::facts::{Facts, Known, Prior};
use crate::api::permit::Target;

pub use derived::{Derived, Owner, take_in};
pub use pods::{images, pods_of, print};

/// The most prints and images that are remembered of one workload.
const REMEMBERED: usize = 40;

/// Everything that a sweep of one namespace may see.
pub struct Place<'a> {
    /// What is on record.
    pub facts: &'a Facts,
    /// Every workload that no controller derived, by its key.
    pub live: BTreeMap<String, Arc<Value>>,
    /// Everything that a controller says it derived, or that says so of itself.
    pub derived: Vec<Arc<Derived>>,
    /// The targets of each permit that is on record as issued, each with what stood there before.
    pub permitted: Vec<(Target, Prior)>,
    /// What the gate let pass without a permit and is not on record yet.
    pub granted: Vec<Granted>,
    /// Digest of each workload as it was last found in order.
    pub last: BTreeMap<String, String>,
    /// Kinds of object whose writer the configuration exempts, each with the kind of the owner.
    pub exempt: BTreeSet<(String, String)>,
}

/// A change that the gate let pass without a permit.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Granted {
    /// Key of the workload.
    pub key: String,
    /// Digest of its spec before, empty if there was none.
    pub before: String,
    /// Digest of its spec after, empty if it went.
    pub after: String,
}

/// The most steps from what is in order to what was let pass after it.
const STEPS: usize = 16;

/// What a sweep found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// What stands and nobody permitted, by object.
    pub unpermitted: BTreeMap<String, Unpermitted>,
    /// What was let pass without a permit and is to be put on record, by workload.
    pub granted: BTreeMap<String, String>,
    /// Pods that workloads make with permission and that are not on record yet.
    pub known: BTreeMap<String, Known>,
    /// Digests of the workloads that are in order.
    pub in_order: BTreeMap<String, String>,
}

/// A change that stands and that nobody permitted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unpermitted {
    /// What is wrong.
    pub wrong: Wrong,
    /// UID of the object, empty if it is gone.
    pub uid: String,
    /// Digest of what stands there, empty if nothing does.
    pub digest: String,
    /// Print of the pods that it makes, empty if it makes none.
    pub print: String,
    /// Key of the workload whose permits it concerns.
    pub of: String,
}

/// What is wrong with an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Wrong {
    /// It is not what was permitted last.
    Changed,
    /// Nobody permitted that it was made.
    Created,
    /// Nobody permitted that it went.
    Deleted,
    /// The owner that it names does not exist, or is another one.
    NoOwner,
    /// Its owner never had such pods with permission.
    NotItsOwners,
}

impl Wrong {
    /// The word in records and conditions.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Changed => "Changed",
            Self::Created => "Created",
            Self::Deleted => "Deleted",
            Self::NoOwner => "NoOwner",
            Self::NotItsOwners => "NotItsOwners",
        }
    }

    /// The sentence about an object.
    pub fn sentence(self, object: &str) -> String {
        match self {
            Self::Changed => {
                format!("{object} is not what was permitted last, and no permit covers it")
            }
            Self::Created => format!("{object} was made, and no permit covers it"),
            Self::Deleted => format!("{object} is gone, and no permit covers that"),
            Self::NoOwner => format!("{object} names an owner that does not exist"),
            Self::NotItsOwners => {
                format!("{object} has pods that its owner never had with permission")
            }
        }
    }

    /// Whether it may be so for a moment while controllers and collectors work.
    pub const fn may_pass(self) -> bool {
        matches!(self, Self::NoOwner | Self::NotItsOwners)
    }
}

/// Looks at everything in a namespace whose baselines are on record.
pub fn sweep(place: &Place<'_>) -> Found {
    let mut found = Found::default();
    for (key, object) in &place.live {
        workload(place, key, object, &mut found);
    }
    for key in place.facts.baselines.keys() {
        let of_kind = key.split_once('/').and_then(|(kind, _)| kind::form(kind));
        // What ends by itself, and what starts nothing by going, is missed by nobody.
        let is_missed = of_kind.is_some_and(|form| form.rolls);
        if is_missed && !place.live.contains_key(key) {
            gone(place, key, &mut found);
        }
    }
    derived::judge(place, &mut found);
    found
}

fn workload(place: &Place<'_>, key: &str, object: &Arc<Value>, found: &mut Found) {
    let Some(digests) = digests(object) else {
        return;
    };
    let is_in_order = digests
        .iter()
        .any(|digest| is_on_record(place, key, digest))
        || is_covered(place, key, Some(object));
    let passed = digests
        .iter()
        .find(|digest| was_let_pass(place, key, digest));
    let newest = digests.last().cloned().unwrap_or_default();
    if is_in_order || passed.is_some() {
        if let Some(digest) = passed.filter(|_| !is_in_order) {
            found.granted.insert(key.to_owned(), digest.clone());
        }
        outdate(place, key, &digests, found);
        found.in_order.insert(key.to_owned(), newest);
        learn(place, key, object, found);
        return;
    }
    let is_new = !place.facts.baselines.contains_key(key) && !place.facts.granted.contains_key(key);
    let unpermitted = Unpermitted {
        wrong: if is_new {
            Wrong::Created
        } else {
            Wrong::Changed
        },
        uid: text(object, "/metadata/uid"),
        digest: newest,
        print: pods_of(object).and_then(print).unwrap_or_default(),
        of: key.to_owned(),
    };
    found.unpermitted.insert(key.to_owned(), unpermitted);
}

/// What was let pass once counts no longer when the baseline stands there again, or a newer one.
fn outdate(place: &Place<'_>, key: &str, digests: &[String], found: &mut Found) {
    let recorded = (place.facts.baselines.get(key), place.facts.granted.get(key));
    let (Some(baseline), Some(granted)) = recorded else {
        return;
    };
    if digests.contains(&baseline.spec_digest) && *granted != baseline.spec_digest {
        found
            .granted
            .insert(key.to_owned(), baseline.spec_digest.clone());
    }
}

/// Whether a digest is the workload's baseline, or was let pass last.
fn is_on_record(place: &Place<'_>, key: &str, digest: &str) -> bool {
    let baseline = place
        .facts
        .baselines
        .get(key)
        .map(|b| b.spec_digest.as_str());
    let granted = place.facts.granted.get(key).map(String::as_str);
    baseline == Some(digest) || granted == Some(digest)
}

/// Whether the gate let a digest pass from what was in order, be it by several steps.
fn was_let_pass(place: &Place<'_>, key: &str, digest: &str) -> bool {
    let is_sound = |before: &str| {
        is_on_record(place, key, before)
            || place.last.get(key).is_some_and(|last| last == before)
            || (before.is_empty() && !place.facts.baselines.contains_key(key))
    };
    let mut at = digest;
    for _ in 0..STEPS {
        let step = place
            .granted
            .iter()
            .rev()
            .find(|g| g.key == key && g.after == at);
        match step {
            Some(step) if is_sound(&step.before) => return true,
            Some(step) => at = &step.before,
            None => return false,
        }
    }
    false
}

/// The digests by which an object may be on record: a pod may have been put there before it had a node.
fn digests(object: &Value) -> Option<Vec<String>> {
    let digest = spec_digest(object)?.to_string();
    if word_of(object) != "Pod" {
        return Some(vec![digest]);
    }
    let mut unbound = object.clone();
    if let Some(spec) = unbound.get_mut("spec").and_then(Value::as_object_mut) {
        spec.remove("nodeName");
    }
    let unbound = spec_digest(&unbound).map(|d| d.to_string());
    Some([digest].into_iter().chain(unbound).collect())
}

fn gone(place: &Place<'_>, key: &str, found: &mut Found) {
    if place.facts.granted.get(key).is_some_and(String::is_empty) || is_covered(place, key, None) {
        return;
    }
    if was_let_pass(place, key, "") {
        found.granted.insert(key.to_owned(), String::new());
        return;
    }
    let unpermitted = Unpermitted {
        wrong: Wrong::Deleted,
        uid: String::new(),
        digest: String::new(),
        print: String::new(),
        of: key.to_owned(),
    };
    found.unpermitted.insert(key.to_owned(), unpermitted);
}

/// Whether a permit that is on record as issued covers what stands there.
fn is_covered(place: &Place<'_>, key: &str, live: Option<&Arc<Value>>) -> bool {
    let of_key = place.permitted.iter();
    let mut of_key = of_key.filter(|(target, _)| format!("{}/{}", target.kind, target.name) == key);
    of_key.any(|(target, prior)| {
        let fact = TargetFact {
            target: target.clone(),
            live: live.map(|object| Workload {
                uid: text(object, "/metadata/uid"),
                rollout: rollout::of(object),
                object: Value::clone(object),
            }),
            busy_with: None,
        };
        applied(&fact, prior) == Applied::Covered
    })
}

/// Notes the pods of a workload that is in order, if they are not on record.
fn learn(place: &Place<'_>, key: &str, object: &Value, found: &mut Found) {
    let Some(pod) = pods_of(object) else { return };
    let mut known = place.facts.known.get(key).cloned().unwrap_or_default();
    let (before, images) = (known.clone(), images(pod));
    remember(&mut known.prints, print(pod));
    remember(&mut known.images, images);
    if known != before {
        found.known.insert(key.to_owned(), known);
    }
}

/// Adds what is new; what is oldest makes room.
pub fn remember(list: &mut Vec<String>, new: impl IntoIterator<Item = String>) {
    for one in new {
        if !list.contains(&one) {
            list.push(one);
        }
    }
    let surplus = list.len().saturating_sub(REMEMBERED);
    list.drain(..surplus);
}

fn text(object: &Value, path: &str) -> String {
    let found = object.pointer(path).and_then(Value::as_str);
    found.unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests;
