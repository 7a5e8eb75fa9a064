//! Kinds as the API server serves them: which resource a kind of workload is read and written by.
//!
//! Objects are taken as plain values: a typed struct would drop fields that are newer than it. Does not know which
//! kinds are gated.

use kube::api::ApiResource;
use kube::core::GroupVersionKind;

use crate::api::kind::WorkloadKind;
use crate::domain::kind::{Form, form};

/// The resource of a kind, if it is one of the known.
pub fn resource_of(kind: &WorkloadKind) -> Option<ApiResource> {
    form(kind.as_str()).map(resource)
}

/// The resource of a known kind.
pub fn resource(form: &Form) -> ApiResource {
    let kind = GroupVersionKind::gvk(form.group, form.version, form.word);
    ApiResource::from_gvk_with_plural(&kind, form.resource)
}
