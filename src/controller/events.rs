//! Events: what people see with `kubectl describe`, on the permit and on its workloads.
//!
//! Shown after the status is written, never waited for longer than a call, never an authority.

use kube::Resource as _;
use kube::runtime::events::{Event, EventType};
use tracing::debug;

use super::Context;
use crate::api::permit::Permit;
use crate::cluster::client::deadline;
use crate::domain::effect::Announcement;
use crate::domain::world::World;

/// The longest note that the API server takes.
const LONGEST_NOTE: usize = 1000;

/// Shows the announcements; a lost Event is not an error, the record is the ledger.
pub(super) async fn show(
    ctx: &Context,
    permit: &Permit,
    world: &World,
    announcements: &[Announcement],
) {
    for announcement in announcements {
        let event = Event {
            type_: if announcement.warning {
                EventType::Warning
            } else {
                EventType::Normal
            },
            reason: announcement.reason.to_owned(),
            note: Some(announcement.note.chars().take(LONGEST_NOTE).collect()),
            action: announcement.reason.to_owned(),
            secondary: None,
        };
        let mut about = vec![permit.object_ref(&())];
        if announcement.on_targets {
            about.extend(world.targets.iter().filter_map(workload_ref));
        }
        for reference in about {
            if let Err(error) = deadline(ctx.recorder.publish(&event, &reference)).await {
                debug!(%error, reason = announcement.reason, "event not shown");
            }
        }
    }
}

fn workload_ref(
    fact: &crate::domain::world::TargetFact,
) -> Option<k8s_openapi::api::core::v1::ObjectReference> {
    let live = fact.live.as_ref()?;
    let text = |path: &str| {
        live.object
            .pointer(path)
            .and_then(|v| v.as_str())
            .map(str::to_owned)
    };
    Some(k8s_openapi::api::core::v1::ObjectReference {
        api_version: text("/apiVersion"),
        kind: Some(fact.target.kind.to_string()),
        name: text("/metadata/name"),
        namespace: text("/metadata/namespace"),
        uid: Some(live.uid.clone()),
        ..Default::default()
    })
}
