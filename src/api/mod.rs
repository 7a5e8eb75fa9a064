//! Wire types: the three kinds of group `permits.dev`, and the typed objects that the operator keeps for itself.
//!
//! Serde, schema and constructors only. Nothing here judges; `domain::parse` turns these into checked types.

#![expect(
    unreachable_pub,
    reason = "the schema derive repeats each `pub struct` inside a constant"
)]

pub mod approval;
pub mod calendar;
pub mod check;
pub mod condition;
pub mod config;
pub mod facts;
pub mod kind;
pub mod permit;
pub mod reason;
mod schema;
mod status;
pub mod template;
pub mod vocabulary;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::CustomResourceExt as _;

pub use approval::{Approval, ApprovalSpec};
pub use permit::{Permit, PermitSpec, PermitStatus};
pub use template::{PermitTemplate, PermitTemplateSpec};

/// The API group of all our kinds.
pub const GROUP: &str = "permits.dev";
/// The one served and stored version.
pub const VERSION: &str = "v1alpha1";
/// The field manager of everything that the operator applies.
pub const FIELD_MANAGER: &str = "permit-operator";
/// Namespace label: how strictly changes are gated there (`enforce`, `warn`, `audit`, `off`).
pub const GATE_LABEL: &str = "permits.dev/gate";
/// Namespace label: the environment; whatever is not explicitly something else is production.
pub const ENVIRONMENT_LABEL: &str = "permits.dev/environment";

/// The three CustomResourceDefinitions, with the file name each is kept under in `crds/`.
pub fn all_crds() -> [(&'static str, CustomResourceDefinition); 3] {
    [
        ("permits.yaml", schema::tidied(Permit::crd())),
        (
            "permittemplates.yaml",
            schema::tidied(PermitTemplate::crd()),
        ),
        ("approvals.yaml", schema::tidied(Approval::crd())),
    ]
}
