//! Rollout: how far has a Deployment got with what its spec says?
//!
//! The same reading as `kubectl rollout status`: nothing is believed before `observedGeneration` has caught up.
//! Does not know whether the change was permitted.

use serde_json::Value;

/// How far a rollout is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rollout {
    /// Every replica runs the current template and is available; nothing of the old is left.
    Complete,
    /// On its way. Example: `2 of 4 replicas updated`.
    Progressing(String),
    /// Paused by its spec.
    Paused,
    /// The controller gave up waiting (`ProgressDeadlineExceeded`).
    Stuck(String),
}

/// Reads the rollout of a Deployment from its object.
pub fn of_deployment(object: &Value) -> Rollout {
    let number = |path: &str| object.pointer(path).and_then(Value::as_i64).unwrap_or(0);
    if number("/status/observedGeneration") < number("/metadata/generation") {
        return Rollout::Progressing("not yet seen by its controller".into());
    }
    if let Some(message) = deadline_exceeded(object) {
        return Rollout::Stuck(message);
    }
    let wanted = object
        .pointer("/spec/replicas")
        .and_then(Value::as_i64)
        .unwrap_or(1);
    let (updated, all, available) = (
        number("/status/updatedReplicas"),
        number("/status/replicas"),
        number("/status/availableReplicas"),
    );
    let complete = updated >= wanted && all <= updated && available >= updated;
    if complete {
        return Rollout::Complete;
    }
    if object.pointer("/spec/paused").and_then(Value::as_bool) == Some(true) {
        return Rollout::Paused;
    }
    if updated < wanted {
        Rollout::Progressing(format!("{updated} of {wanted} replicas updated"))
    } else if all > updated {
        Rollout::Progressing(format!(
            "{} old replicas pending termination",
            all - updated
        ))
    } else {
        Rollout::Progressing(format!(
            "{available} of {updated} updated replicas available"
        ))
    }
}

fn deadline_exceeded(object: &Value) -> Option<String> {
    let conditions = object.pointer("/status/conditions")?.as_array()?;
    let progressing = conditions
        .iter()
        .find(|c| c.get("type").and_then(Value::as_str) == Some("Progressing"))?;
    let reason = progressing.get("reason").and_then(Value::as_str)?;
    (reason == "ProgressDeadlineExceeded").then(|| {
        progressing
            .get("message")
            .and_then(Value::as_str)
            .unwrap_or(reason)
            .to_owned()
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn deployment(observed: i64, updated: i64, all: i64, available: i64) -> Value {
        json!({"metadata": {"generation": 2}, "spec": {"replicas": 2}, "status": {
            "observedGeneration": observed, "updatedReplicas": updated, "replicas": all, "availableReplicas": available}})
    }

    #[test]
    fn a_status_from_before_the_change_says_nothing() {
        assert!(matches!(
            of_deployment(&deployment(1, 2, 2, 2)),
            Rollout::Progressing(_)
        ));
    }

    #[test]
    fn a_rollout_is_complete_when_every_replica_is_new_and_available() {
        assert_eq!(of_deployment(&deployment(2, 2, 2, 2)), Rollout::Complete);
        for (updated, all, available) in [(1, 3, 3), (2, 3, 3), (2, 2, 1), (0, 2, 2)] {
            assert!(matches!(
                of_deployment(&deployment(2, updated, all, available)),
                Rollout::Progressing(_)
            ));
        }
    }

    #[test]
    fn a_rollout_that_gave_up_is_stuck() {
        let mut object = deployment(2, 1, 3, 2);
        object["status"]["conditions"] = json!([{"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded", "message": "timed out"}]);
        assert_eq!(of_deployment(&object), Rollout::Stuck("timed out".into()));
    }

    #[test]
    fn a_deployment_scaled_to_zero_is_complete_without_replicas() {
        let mut object = deployment(2, 0, 0, 0);
        object["spec"]["replicas"] = json!(0);
        assert_eq!(of_deployment(&object), Rollout::Complete);
    }
}
