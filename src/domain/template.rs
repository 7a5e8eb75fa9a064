//! A checked template, and which revision of it governs a permit.
//!
//! Templates are judged by content (threat row 45): a permit keeps the revision that stood when it was made.
//! Does not know where revisions are kept.

use std::fmt;
use std::time::Duration;

use k8s_openapi::jiff::Timestamp;

use super::calendar::Recurring;
use super::check::GuardCheck;
use super::parse::FieldError;
use crate::api::template::{AppliesTo, ApprovalRule, OnRevoke};
use crate::api::vocabulary::{Grant, Operation, TemplateClass};

/// The environment of a namespace that says nothing else: unknown is production.
pub const PRODUCTION: &str = "production";

/// The authority that a change needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// 0 automatic to 4 system-wide.
    Numbered(i32),
    /// A class of its own.
    Emergency,
}

impl Level {
    /// Whether members of `system:masters` and holders of wildcard rules count (`decisions.md` 6).
    pub const fn admits_wildcards(self) -> bool {
        matches!(self, Self::Numbered(0 | 1))
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Numbered(n) => write!(f, "{n}"),
            Self::Emergency => f.write_str("emergency"),
        }
    }
}

/// A template whose every field was understood.
#[derive(Clone, Debug, PartialEq)]
pub struct Template {
    /// Its name.
    pub name: String,
    /// Digest of its content.
    pub digest: String,
    /// The authority it demands.
    pub level: Level,
    /// How far one approval reaches.
    pub grant: Grant,
    /// What it governs.
    pub applies_to: AppliesTo,
    /// All of these have to be met.
    pub rules: Vec<ApprovalRule>,
    /// How long review may take.
    pub approval_window: Duration,
    /// How long after issuance a change may start.
    pub window: Duration,
    /// How long the rollout may take.
    pub max_duration: Duration,
    /// A change may start only while one of these is open.
    pub openings: Vec<Recurring>,
    /// What becomes of a running change when the permit is revoked.
    pub on_revoke: OnRevoke,
    /// How long the checks must be healthy.
    pub soak: Duration,
    /// The checks.
    pub checks: Vec<GuardCheck>,
    /// It demands signatures, which are not built (`decisions.md` 43).
    pub demands_signature: bool,
}

/// A template that cannot be used as it is written. What it governs is known, what it demands is not.
#[derive(Clone, Debug, PartialEq)]
pub struct Unreadable {
    /// Its name.
    pub name: String,
    /// The authority it demands.
    pub level: Level,
    /// What it governs.
    pub applies_to: AppliesTo,
    /// Every mistake in it.
    pub mistakes: Vec<FieldError>,
}

impl Unreadable {
    /// What is wrong, by its first mistake.
    pub fn why(&self) -> String {
        let more = match self.mistakes.len() {
            0 | 1 => String::new(),
            all => format!(", and {} more", all - 1),
        };
        let first = self.mistakes.first().map(ToString::to_string);
        format!("{}{more}", first.unwrap_or_default())
    }
}

impl Template {
    /// Its class.
    pub fn class(&self) -> TemplateClass {
        match self.level {
            Level::Emergency => TemplateClass::Emergency,
            Level::Numbered(_) => TemplateClass::Standard,
        }
    }

    /// Whether no person has to approve.
    pub fn is_automatic(&self) -> bool {
        self.grant == Grant::Automatic
    }

    /// Who is needed, in words. Example: `1 of tech-lead or senior-engineer; and 1 of security-lead`.
    pub fn needs(&self) -> String {
        if self.is_automatic() {
            return "no approval".into();
        }
        let rules: Vec<_> = self
            .rules
            .iter()
            .map(|r| format!("{} of {}", r.count, r.roles.join(" or ")))
            .collect();
        rules.join("; and ")
    }

    /// How many approvals are needed in all.
    pub fn needed(&self) -> usize {
        if self.is_automatic() {
            0
        } else {
            self.rules
                .iter()
                .map(|r| usize::try_from(r.count).unwrap_or(usize::MAX))
                .sum()
        }
    }
}

/// Whether a template governs changes in this place; operations are asked where they are known.
pub fn governs_place(applies_to: &AppliesTo, namespace: &str, environment: &str) -> bool {
    (applies_to.namespaces.is_empty() || applies_to.namespaces.iter().any(|n| n == namespace))
        && (applies_to.environments.is_empty()
            || applies_to.environments.iter().any(|e| e == environment))
}

/// Whether a template governs every one of these operations.
pub fn governs_operations<'a>(
    applies_to: &AppliesTo,
    operations: impl IntoIterator<Item = &'a Operation>,
) -> bool {
    applies_to.operations.is_empty()
        || operations
            .into_iter()
            .all(|o| applies_to.operations.contains(o))
}

/// A kept revision of a template: since when it was the current one.
#[derive(Clone, Debug, PartialEq)]
pub struct Revision {
    /// Since when this content was current, by the leader's clock.
    pub since: Timestamp,
    /// What the content says, or why it cannot be used.
    pub template: Result<Template, String>,
    /// Digest of the content.
    pub digest: String,
}

/// The revision that governs a permit made at `created`: the last one that was current by then, else the first after.
///
/// Taken from objects that only the leader writes, never from the permit's status.
pub fn governing(revisions: &[Revision], created: Timestamp) -> Option<&Revision> {
    // A permit's creation time is cut to whole seconds, a revision's is not.
    let horizon = created
        .checked_add(Duration::from_secs(1))
        .unwrap_or(created);
    revisions
        .iter()
        .filter(|r| r.since < horizon)
        .max_by_key(|r| r.since)
        .or_else(|| revisions.iter().min_by_key(|r| r.since))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn revision(second: i64, digest: &str) -> Revision {
        let since = Timestamp::from_second(second).unwrap();
        Revision {
            since,
            template: Err("not looked at".into()),
            digest: digest.into(),
        }
    }

    #[test]
    fn t45_a_permit_keeps_the_revision_that_stood_when_it_was_made() {
        let revisions = [revision(10, "a"), revision(20, "b")];
        let at = |s| {
            governing(&revisions, Timestamp::from_second(s).unwrap()).map(|r| r.digest.as_str())
        };
        assert_eq!(at(15), Some("a"));
        assert_eq!(at(25), Some("b"));
    }

    #[test]
    fn a_permit_that_came_before_its_template_is_governed_by_the_first_revision() {
        let revisions = [revision(10, "a"), revision(20, "b")];
        assert_eq!(
            governing(&revisions, Timestamp::UNIX_EPOCH).map(|r| r.digest.as_str()),
            Some("a")
        );
        assert_eq!(governing(&[], Timestamp::UNIX_EPOCH), None);
    }
}
