//! Parsing: wire types to checked ones, every mistake at once, each with its field path.
//!
//! The one parser of webhook, controller, CLI and tests. Knows nothing of who asks or of what stands in the cluster.

mod config;
mod permit;
mod template;

use std::fmt;

use super::calendar::Recurring;
use crate::api::calendar::Recurrence;

pub use config::{config, configuration};
pub use permit::{mistakes, request};
pub use template::{governing, template};

/// One mistake: where it is, what is wrong, and what to write instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldError {
    /// Path of the field, as `kubectl explain` spells it. Example: `spec.targets[0].namespace`.
    pub path: String,
    /// What is wrong there.
    pub message: String,
}

impl FieldError {
    /// A mistake at a path.
    pub fn new(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            message: message.into(),
        }
    }
}

impl fmt::Display for FieldError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path, self.message)
    }
}

/// The windows of a list that were understood; the mistakes of the others are reported.
fn openings((path, wire): (&str, &[Recurrence]), errors: &mut Vec<FieldError>) -> Vec<Recurring> {
    let mut understood = Vec::new();
    for (i, recurrence) in wire.iter().enumerate() {
        match Recurring::parse(recurrence) {
            Ok(recurring) => understood.push(recurring),
            Err(why) => errors.push(FieldError::new(format!("{path}.recurring[{i}]"), why)),
        }
    }
    understood
}

/// All mistakes in one line each.
pub fn listed(errors: &[FieldError]) -> String {
    errors
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join("\n  ")
}
