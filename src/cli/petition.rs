//! The Permit object that is asked for.
//!
//! Pure: targets, namespace and the request's id come in as values.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};
use k8s_openapi::jiff::Timestamp;

use super::target;
use crate::api::calendar::Recurrence;
use crate::api::permit::{Schedule, Target};
use crate::api::{Permit, PermitSpec};

/// What is asked for besides the change
#[derive(Debug, clap::Args)]
pub(super) struct Wish {
    /// Name of the permit [default: the workload's, and a short suffix]
    #[arg(long)]
    name: Option<String>,
    /// Template that governs the change
    #[arg(long)]
    template: String,
    /// Why the change is made, in words
    #[arg(long, value_name = "TEXT")]
    purpose: String,
    /// Ticket that the change belongs to
    #[arg(long)]
    ticket: Option<String>,
    /// Incident, for an emergency
    #[arg(long)]
    incident: Option<String>,
    /// Environment that is meant; it must be the namespace's
    #[arg(long)]
    environment: Option<String>,
    /// The change may not start before, such as 2026-11-21T21:00:00Z
    #[arg(long, value_name = "TIME")]
    earliest_start: Option<Timestamp>,
    /// The change may not start after
    #[arg(long, value_name = "TIME")]
    latest_start: Option<Timestamp>,
    /// The change may start only while such a window is open, such as '0 22 * * MON-THU;4h;Europe/Berlin'; may be repeated
    #[arg(long = "recurring", value_name = "CRON;DURATION;ZONE", value_parser = target::recurrence)]
    recurring: Vec<Recurrence>,
    /// Username that may make the change, may be repeated [default: you]
    #[arg(long = "executor", value_name = "USER")]
    executors: Vec<String>,
}

/// The permit as it is asked for.
pub(super) fn permit(
    wish: &Wish,
    targets: Vec<Target>,
    namespace: &str,
    request_id: String,
) -> Permit {
    let is_scheduled =
        wish.earliest_start.is_some() || wish.latest_start.is_some() || !wish.recurring.is_empty();
    let schedule = is_scheduled.then(|| Schedule {
        earliest_start: wish.earliest_start.map(Time),
        latest_start: wish.latest_start.map(Time),
        recurring: wish.recurring.clone(),
    });
    let name = wish
        .name
        .clone()
        .unwrap_or_else(|| permit_name(&targets, &request_id));
    let spec = PermitSpec {
        template: wish.template.clone(),
        purpose: wish.purpose.clone(),
        ticket: wish.ticket.clone(),
        incident: wish.incident.clone(),
        environment: wish.environment.clone(),
        request_id: Some(request_id),
        targets,
        schedule,
        executors: wish.executors.clone(),
        requested_by: None,
    };
    let mut permit = Permit::new(&name, spec);
    permit.metadata.namespace = Some(namespace.to_owned());
    permit
}

/// The permit as a file that can be applied: what the API server and admission write themselves is left out.
pub(super) fn as_file(permit: &Permit) -> Permit {
    let ObjectMeta {
        name,
        namespace,
        labels,
        annotations,
        ..
    } = permit.metadata.clone();
    Permit {
        metadata: ObjectMeta {
            name,
            namespace,
            labels,
            annotations,
            ..ObjectMeta::default()
        },
        spec: PermitSpec {
            requested_by: None,
            ..permit.spec.clone()
        },
        status: None,
    }
}

/// The first workload's name and the random end of the request's id: readable, and new each time.
fn permit_name(targets: &[Target], request_id: &str) -> String {
    let workload = targets
        .first()
        .map_or("permit", |target| target.name.as_str());
    let end = request_id
        .get(request_id.len().saturating_sub(5)..)
        .unwrap_or_default();
    let base: String = workload.chars().take(200).collect();
    format!("{base}-{}", end.to_ascii_lowercase())
}

/// A new request's id: its time, and randomness.
pub(super) fn ulid(now: Timestamp) -> String {
    let milliseconds = u64::try_from(now.as_millisecond()).unwrap_or_default();
    ulid::Ulid::from_parts(milliseconds, rand::random()).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    const REQUEST: &str = "01JD8T6V0W6Z3YB1X2K3M4N5P6";

    fn target(name: &str) -> Target {
        let workload = format!("deploy/{name}").parse().unwrap();
        let restart = [crate::api::vocabulary::Operation::Restart];
        crate::cli::outcome::of_operations(&workload, &restart)
    }

    #[test]
    fn a_permit_is_named_after_its_workload_and_its_request() {
        assert_eq!(
            permit_name(&[target("checkout")], REQUEST),
            "checkout-4n5p6"
        );
    }

    #[test]
    fn a_file_holds_nothing_that_the_server_writes() {
        let stored: Permit = serde_json::from_value(serde_json::json!({
            "apiVersion": "permits.dev/v1alpha1", "kind": "Permit",
            "metadata": {"name": "x", "namespace": "shop", "uid": "u", "resourceVersion": "7", "generation": 1},
            "spec": {"template": "t", "purpose": "p", "targets": [], "requestId": REQUEST, "requestedBy": {"username": "alice"}},
            "status": {"phase": "Issued"},
        }))
        .unwrap();
        let expected = serde_json::json!({
            "apiVersion": "permits.dev/v1alpha1", "kind": "Permit", "metadata": {"name": "x", "namespace": "shop"},
            "spec": {"template": "t", "purpose": "p", "targets": [], "requestId": REQUEST},
        });
        assert_eq!(serde_json::to_value(as_file(&stored)).unwrap(), expected);
    }

    #[test]
    fn a_request_id_is_a_ulid_of_its_time() {
        let id = ulid("2026-11-21T21:00:00Z".parse().unwrap());
        assert_eq!(id.len(), 26);
        assert_eq!(
            ulid::Ulid::from_string(&id).unwrap().timestamp_ms(),
            1_795_294_800_000
        );
        assert_ne!(id, ulid("2026-11-21T21:00:00Z".parse().unwrap()));
    }
}
