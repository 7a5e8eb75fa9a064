//! Rollout: how far has a workload got with what its spec says?
//!
//! The same reading as `kubectl rollout status`, for every kind that is gated: nothing is believed before `observedGeneration` has caught up.
//! Does not know whether the change was permitted.

use serde_json::Value;

use super::kind;

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

/// Reads how far a workload is from its object.
pub fn of(object: &Value) -> Rollout {
    let seen = Seen(object);
    match kind::word_of(object) {
        "Job" => of_job(seen),
        "Pod" => of_pod(seen),
        "StatefulSet" | "DaemonSet" | "ReplicaSet" | "ReplicationController"
            if seen.is_behind() =>
        {
            behind()
        }
        "StatefulSet" => of_stateful_set(seen),
        "DaemonSet" => of_daemon_set(seen),
        "ReplicaSet" | "ReplicationController" => {
            available(seen.wanted(), seen.status("availableReplicas"))
        }
        // What only describes other things has nothing to roll out.
        "CronJob" | "HorizontalPodAutoscaler" | "ConfigMap" | "Secret" | "Service" | "Ingress" => {
            Rollout::Complete
        }
        _ => of_deployment(seen),
    }
}

/// An object, read field by field.
#[derive(Clone, Copy)]
struct Seen<'a>(&'a Value);

impl Seen<'_> {
    fn number(self, path: &str) -> Option<i64> {
        self.0.pointer(path).and_then(Value::as_i64)
    }

    /// A number of the status; the API server leaves zeros out.
    fn status(self, key: &str) -> i64 {
        self.number(&format!("/status/{key}")).unwrap_or(0)
    }

    /// The replicas that the spec asks for.
    fn wanted(self) -> i64 {
        self.number("/spec/replicas").unwrap_or(1)
    }

    /// Whether the status is from before the spec.
    fn is_behind(self) -> bool {
        self.status("observedGeneration") < self.number("/metadata/generation").unwrap_or(0)
    }

    /// The message of a condition that is true.
    fn holds(self, condition: &str) -> Option<String> {
        let conditions = self.0.pointer("/status/conditions")?.as_array()?;
        let is_it = |c: &&Value| {
            c.get("type").and_then(Value::as_str) == Some(condition)
                && c.get("status").and_then(Value::as_str) == Some("True")
        };
        let found = conditions.iter().find(is_it)?;
        let message = found.get("message").and_then(Value::as_str);
        Some(message.unwrap_or(condition).to_owned())
    }
}

fn behind() -> Rollout {
    Rollout::Progressing("not yet seen by its controller".into())
}

fn updated(wanted: i64, updated: i64) -> Rollout {
    Rollout::Progressing(format!("{updated} of {wanted} replicas updated"))
}

fn available(wanted: i64, available: i64) -> Rollout {
    if available >= wanted {
        Rollout::Complete
    } else {
        Rollout::Progressing(format!("{available} of {wanted} replicas available"))
    }
}

/// Pods below the partition stay as they are; the rollout is complete without them.
fn of_stateful_set(seen: Seen<'_>) -> Rollout {
    let wanted = seen.wanted();
    let partition = seen.number("/spec/updateStrategy/rollingUpdate/partition");
    let moving = (wanted - partition.unwrap_or(0)).max(0);
    // Its status counts the updated only against the revision that it rolls to.
    let is_one =
        seen.0.pointer("/status/updateRevision") == seen.0.pointer("/status/currentRevision");
    let new = if is_one {
        wanted
    } else {
        seen.status("updatedReplicas")
    };
    if new < moving {
        updated(moving, new)
    } else {
        available(wanted, seen.status("availableReplicas"))
    }
}

fn of_daemon_set(seen: Seen<'_>) -> Rollout {
    let wanted = seen.status("desiredNumberScheduled");
    let new = seen.status("updatedNumberScheduled");
    if new < wanted {
        updated(wanted, new)
    } else {
        available(wanted, seen.status("numberAvailable"))
    }
}

fn of_job(seen: Seen<'_>) -> Rollout {
    if seen.0.pointer("/spec/suspend") == Some(&Value::Bool(true)) {
        Rollout::Paused
    } else if let Some(message) = seen.holds("Failed") {
        Rollout::Stuck(message)
    } else if seen.holds("Complete").is_some() {
        Rollout::Complete
    } else {
        Rollout::Progressing(format!("{} pods succeeded", seen.status("succeeded")))
    }
}

fn of_pod(seen: Seen<'_>) -> Rollout {
    match seen.0.pointer("/status/phase").and_then(Value::as_str) {
        Some("Failed") => Rollout::Stuck("the pod failed".into()),
        Some("Succeeded") => Rollout::Complete,
        _ if seen.holds("Ready").is_some() => Rollout::Complete,
        _ => Rollout::Progressing("the pod is not ready".into()),
    }
}

fn of_deployment(seen: Seen<'_>) -> Rollout {
    let object = seen.0;
    if seen.is_behind() {
        return behind();
    }
    if let Some(message) = deadline_exceeded(object) {
        return Rollout::Stuck(message);
    }
    let wanted = seen.wanted();
    let (new, all) = (seen.status("updatedReplicas"), seen.status("replicas"));
    let ready = seen.status("availableReplicas");
    if new >= wanted && all <= new && ready >= new {
        return Rollout::Complete;
    }
    if object.pointer("/spec/paused").and_then(Value::as_bool) == Some(true) {
        return Rollout::Paused;
    }
    if new < wanted {
        updated(wanted, new)
    } else if all > new {
        Rollout::Progressing(format!("{} old replicas pending termination", all - new))
    } else {
        Rollout::Progressing(format!("{ready} of {new} updated replicas available"))
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
            of(&deployment(1, 2, 2, 2)),
            Rollout::Progressing(_)
        ));
    }

    #[test]
    fn a_rollout_is_complete_when_every_replica_is_new_and_available() {
        assert_eq!(of(&deployment(2, 2, 2, 2)), Rollout::Complete);
        for (updated, all, available) in [(1, 3, 3), (2, 3, 3), (2, 2, 1), (0, 2, 2)] {
            assert!(matches!(
                of(&deployment(2, updated, all, available)),
                Rollout::Progressing(_)
            ));
        }
    }

    #[test]
    fn a_rollout_that_gave_up_is_stuck() {
        let mut object = deployment(2, 1, 3, 2);
        object["status"]["conditions"] = json!([{"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded", "message": "timed out"}]);
        assert_eq!(of(&object), Rollout::Stuck("timed out".into()));
    }

    #[test]
    fn a_deployment_scaled_to_zero_is_complete_without_replicas() {
        let mut object = deployment(2, 0, 0, 0);
        object["spec"]["replicas"] = json!(0);
        assert_eq!(of(&object), Rollout::Complete);
    }
}
