//! Permit to `Request`: what is asked, by whom, for what; every mistake with its path.

use std::collections::BTreeSet;

use k8s_openapi::jiff::Timestamp;

use super::{FieldError, openings};
use crate::api::permit::{Permit, PermitSpec, Target};
use crate::api::vocabulary::Operation;
use crate::domain::change::image::repository;
use crate::domain::change::prefix::Prefix;
use crate::domain::request::Request;

/// The request that a stored permit makes, and the mistakes in it. A request with mistakes is never granted.
pub fn request(permit: &Permit) -> (Request, Vec<FieldError>) {
    let meta = &permit.metadata;
    let namespace = meta.namespace.clone().unwrap_or_default();
    let errors = mistakes(&permit.spec, &namespace);
    let schedule = permit.spec.schedule.clone().unwrap_or_default();
    let requester = permit.spec.requested_by.clone().unwrap_or_default();
    let request = Request {
        name: meta.name.clone().unwrap_or_default(),
        uid: meta.uid.clone().unwrap_or_default(),
        created: meta
            .creation_timestamp
            .as_ref()
            .map_or(Timestamp::UNIX_EPOCH, |t| t.0),
        namespace,
        spec: permit.spec.clone(),
        requester,
        openings: openings(("spec.schedule", &schedule.recurring), &mut Vec::new()),
        earliest_start: schedule.earliest_start.map(|t| t.0),
        latest_start: schedule.latest_start.map(|t| t.0),
    };
    (request, errors)
}

/// Every mistake in a permit's spec.
pub fn mistakes(spec: &PermitSpec, namespace: &str) -> Vec<FieldError> {
    let mut errors = Vec::new();
    if spec.purpose.trim().is_empty() {
        errors.push(FieldError::new(
            "spec.purpose",
            "is empty; say why the change is made",
        ));
    }
    if spec.targets.is_empty() {
        errors.push(FieldError::new("spec.targets", "names no workload"));
    }
    let mut seen = BTreeSet::new();
    for (i, target) in spec.targets.iter().enumerate() {
        target_mistakes(
            &format!("spec.targets[{i}]"),
            target,
            namespace,
            &mut errors,
        );
        if !seen.insert((&target.kind, &target.name)) {
            errors.push(FieldError::new(
                format!("spec.targets[{i}].name"),
                format!(
                    "`{}` is named twice; permits never combine, give one target its whole outcome",
                    target.name
                ),
            ));
        }
    }
    let recurring = spec.schedule.as_ref().map(|s| s.recurring.as_slice());
    openings(
        ("spec.schedule", recurring.unwrap_or_default()),
        &mut errors,
    );
    if let Some(schedule) = &spec.schedule
        && let (Some(earliest), Some(latest)) = (&schedule.earliest_start, &schedule.latest_start)
        && latest <= earliest
    {
        errors.push(FieldError::new(
            "spec.schedule.latestStart",
            format!(
                "the window ends before it starts: `{}` is not after `{}`",
                latest.0, earliest.0
            ),
        ));
    }
    errors
}

fn target_mistakes(path: &str, target: &Target, namespace: &str, errors: &mut Vec<FieldError>) {
    if let Some(other) = target.namespace.as_deref().filter(|n| *n != namespace) {
        errors.push(FieldError::new(
            format!("{path}.namespace"),
            format!("a permit covers workloads of its own namespace `{namespace}` only; request one in `{other}`"),
        ));
    }
    let names_outcome = !target.images.is_empty() || target.pod_template_digest.is_some();
    if !names_outcome && target.operations.is_empty() {
        errors.push(FieldError::new(
            path,
            "names no outcome; give images, podTemplateDigest or operations",
        ));
    }
    if !target.images.is_empty() && target.pod_template_digest.is_some() {
        errors.push(FieldError::new(
            format!("{path}.podTemplateDigest"),
            "excludes images: the digest already names every image",
        ));
    }
    for operation in &target.operations {
        let is_unnamed = match operation {
            Operation::Deploy => target.repositories.is_empty(),
            Operation::Create | Operation::Rollback => true,
            _ => false,
        };
        if is_unnamed {
            errors.push(FieldError::new(
                format!("{path}.operations"),
                format!(
                    "`{operation}` needs a named outcome; give images or podTemplateDigest instead"
                ),
            ));
        }
    }
    for (i, field) in target.fields.iter().enumerate() {
        if let Err(why) = Prefix::parse(field) {
            errors.push(FieldError::new(format!("{path}.fields[{i}]"), why));
        }
    }
    for (i, named) in target.repositories.iter().enumerate() {
        let is_exact = !named.contains(['*', '?', ' ', '@']) && repository(named) == named;
        if !is_exact {
            errors.push(FieldError::new(
                format!("{path}.repositories[{i}]"),
                format!(
                    "is no exact repository: `{named}`; write it without tag, digest and wildcard"
                ),
            ));
        }
    }
    for (container, image) in &target.images {
        if image.trim() != image || image.is_empty() || image.contains(char::is_whitespace) {
            errors.push(FieldError::new(
                format!("{path}.images[{container}]"),
                format!("is no image reference: `{image}`; example: `shop/checkout:1.5.0`"),
            ));
        }
    }
}
