//! The kind of a target: a word of Kubernetes' own kinds, or `Kind.group` of any other.
//!
//! Knows how one is spelled. Does not know which kinds are gated here.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The kind of a target.
#[derive(
    JsonSchema, Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct WorkloadKind(
    #[schemars(
        length(min = 1, max = 253),
        regex(pattern = "^[A-Z][A-Za-z0-9]*([.][a-z0-9]([-a-z0-9.]*[a-z0-9])?)?$")
    )]
    String,
);

impl WorkloadKind {
    /// Kubernetes' own kinds that a target can name, as they are spelled.
    pub const OWN: [&'static str; 13] = [
        "Deployment",
        "StatefulSet",
        "DaemonSet",
        "ReplicaSet",
        "ReplicationController",
        "Job",
        "CronJob",
        "Pod",
        "HorizontalPodAutoscaler",
        "ConfigMap",
        "Secret",
        "Service",
        "Ingress",
    ];

    /// A kind by its word. Example: `StatefulSet`, `Rollout.argoproj.io`.
    pub fn new(word: impl Into<String>) -> Self {
        Self(word.into())
    }

    /// The word as it is written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The kind and the group that the word names; the group of Kubernetes' own kinds is left out.
    pub fn parts(&self) -> (&str, Option<&str>) {
        match self.0.split_once('.') {
            Some((kind, group)) => (kind, Some(group)),
            None => (&self.0, None),
        }
    }
}

impl Default for WorkloadKind {
    fn default() -> Self {
        Self("Deployment".to_owned())
    }
}

impl fmt::Display for WorkloadKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_of_another_group_is_told_by_both() {
        assert_eq!(
            WorkloadKind::new("Rollout.argoproj.io").parts(),
            ("Rollout", Some("argoproj.io"))
        );
        assert_eq!(WorkloadKind::default().parts(), ("Deployment", None));
    }
}
