//! Drifts: puts on record that somebody changed the operator's own webhook configurations or policies, and what is known
//! of it.
//!
//! The API shows managers, times and fields, no users. Does not know how they are repaired, nor what was admitted
//! meanwhile.

use std::sync::Arc;

use tokio::sync::mpsc;

use super::{Context, journal, record};
use crate::cluster::drift::{Change, Drift};
use crate::domain::audit::{Draft, RecordType, Subject};

/// Records every drift for as long as the keepers tell of any.
pub async fn record_drifts(ctx: Arc<Context>, mut drifts: mpsc::UnboundedReceiver<Drift>) {
    while let Some(drift) = drifts.recv().await {
        let draft = told(&drift, &ctx.clock.now().to_string());
        // A refusal by another leader's fence ends the process from where it is found.
        let _ = journal::append_or_keep(&ctx, draft).await;
    }
}

fn told(seen: &Drift, now: &str) -> Draft {
    let Drift { which, name, .. } = seen;
    let subject = Subject {
        kind: match *which {
            "policy" => "ValidatingAdmissionPolicy".into(),
            "binding" => "ValidatingAdmissionPolicyBinding".into(),
            webhook => format!("WebhookConfiguration/{webhook}"),
        },
        name: name.clone(),
        ..Subject::default()
    };
    let key = format!("configuration/{which}/{name}/{now}");
    let mut draft = Draft::new(RecordType::Configuration, record::operator(), subject, key);
    draft.reason = Some("Repaired".into());
    match &seen.change {
        Change::Deleted => {
            draft.details.insert("change".into(), "Deleted".into());
        }
        Change::Edited {
            manager,
            time,
            fields,
        } => {
            draft.details.insert("change".into(), "Edited".into());
            draft.details.insert("fields".into(), fields.join(" "));
            let manager = manager.clone().unwrap_or_else(|| "unknown".into());
            draft.details.insert("manager".into(), manager);
            let time = time.map_or_else(|| "unknown".into(), |time| time.to_string());
            draft.details.insert("changedTime".into(), time);
        }
    }
    draft
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_tells_what_is_known_of_a_drift() {
        let edited = Drift {
            which: "validating",
            name: "gate.permits.dev".into(),
            change: Change::Edited {
                manager: Some("kubectl-edit".into()),
                time: None,
                fields: vec!["webhooks".into(), "webhooks.failurePolicy".into()],
            },
        };
        let draft = told(&edited, "2026-11-22T12:00:00Z");
        assert_eq!(
            draft.key,
            "configuration/validating/gate.permits.dev/2026-11-22T12:00:00Z"
        );
        assert_eq!(draft.details["manager"], "kubectl-edit");
        assert_eq!(draft.details["fields"], "webhooks webhooks.failurePolicy");
        assert_eq!(draft.details["changedTime"], "unknown");
    }
}
