//! Matter: which workload does a review speak of, and does it carry what is needed to judge it?
//!
//! Every kind is named; one that is not is an error, and every error is a denial (threat row 2). Does not know how the
//! namespace is gated.

use crate::api::kind::WorkloadKind;
use crate::domain::kind::of_resource;
use crate::webhook::review::Request;

/// The kind that is judged, or why nothing is.
pub(in crate::webhook) fn kind_of(request: &Request) -> Result<WorkloadKind, String> {
    let (resource, sub) = (&request.resource, request.sub_resource.as_str());
    let form = of_resource(&resource.group, &resource.resource)
        .filter(|form| sub.is_empty() || form.subresources.contains(&sub))
        .ok_or_else(|| {
            let slash = if sub.is_empty() { "" } else { "/" };
            format!(
                "`{}{slash}{sub}` is no kind that this gate judges",
                resource.resource
            )
        })?;
    let objects = (request.object.is_some(), request.old_object.is_some());
    match (request.operation.as_str(), objects) {
        ("CREATE" | "UPDATE", (true, _)) | ("DELETE", (_, true)) => {
            Ok(WorkloadKind::new(form.word))
        }
        ("CREATE" | "UPDATE" | "DELETE", _) => Err("the review carries no object".into()),
        _ => Err("it is no operation that this gate judges".into()),
    }
}
