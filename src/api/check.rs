//! A check of the guard: what is asked of Prometheus, and the limit it is held against.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

/// One check.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Check {
    /// Name of the check.
    pub name: String,
}
