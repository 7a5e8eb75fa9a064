//! How a live workload stands, kind by kind: in which state, with which images, how much of it is ready.
//!
//! Pure, from a plain value. Concludes nothing about the permit.

use serde_json::Value;

use super::look::Mark;
use crate::api::kind::WorkloadKind;
use crate::domain::change::container::containers;

/// How a workload stands, in words.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Standing {
    pub(super) mark: Mark,
    pub(super) state: String,
    pub(super) info: String,
}

impl Standing {
    /// Of what is not there, or may not be read.
    pub(super) fn unseen() -> Self {
        Self {
            mark: Mark::Unknown,
            state: "not seen".to_owned(),
            info: String::new(),
        }
    }
}

/// How an object of a kind stands.
pub(super) fn standing(kind: &WorkloadKind, found: &Value) -> Standing {
    match kind.as_str() {
        "Deployment" => rollout(found, &revision(found), wanted(found)),
        "StatefulSet" => rollout(found, &hash(found), wanted(found)),
        "DaemonSet" => daemons(found),
        "ReplicaSet" | "ReplicationController" => replicas(found),
        "Job" => job(found),
        "CronJob" => schedule(found),
        "Pod" => pod(found),
        "HorizontalPodAutoscaler" => scaler(found),
        _ => Standing {
            mark: Mark::Neutral,
            state: "there".to_owned(),
            info: String::new(),
        },
    }
}

fn number(object: &Value, pointer: &str) -> i64 {
    object.pointer(pointer).and_then(Value::as_i64).unwrap_or(0)
}

fn text<'v>(object: &'v Value, pointer: &str) -> &'v str {
    object
        .pointer(pointer)
        .and_then(Value::as_str)
        .unwrap_or("-")
}

fn flag(object: &Value, pointer: &str) -> bool {
    object.pointer(pointer) == Some(&Value::Bool(true))
}

/// The replicas that are wanted; one that leaves them out wants one.
fn wanted(object: &Value) -> i64 {
    let stated = object.pointer("/spec/replicas").and_then(Value::as_i64);
    stated.unwrap_or(1)
}

fn revision(object: &Value) -> String {
    let stated = "/metadata/annotations/deployment.kubernetes.io~1revision";
    format!("revision {}", text(object, stated))
}

/// The hash at the end of the revision that a StatefulSet updates to.
fn hash(object: &Value) -> String {
    let name = text(object, "/status/updateRevision");
    let hash = name.rsplit_once('-').map_or(name, |(_, hash)| hash);
    format!("revision {}", if hash.is_empty() { "-" } else { hash })
}

fn images(object: &Value) -> String {
    let named: Vec<_> = containers(object).filter_map(|c| c.image).collect();
    named.join(", ")
}

fn running(is_complete: bool) -> Mark {
    if is_complete {
        Mark::Good
    } else {
        Mark::Running
    }
}

fn rollout(found: &Value, state: &str, wanted: i64) -> Standing {
    let ready = number(found, "/status/readyReplicas");
    let updated = number(found, "/status/updatedReplicas");
    let is_complete =
        updated == wanted && ready == wanted && number(found, "/status/replicas") == wanted;
    Standing {
        mark: running(is_complete),
        state: state.to_owned(),
        info: format!(
            "{}; {updated} updated, {ready} of {wanted} ready",
            images(found)
        ),
    }
}

fn daemons(found: &Value) -> Standing {
    let wanted = number(found, "/status/desiredNumberScheduled");
    let ready = number(found, "/status/numberReady");
    let updated = number(found, "/status/updatedNumberScheduled");
    Standing {
        mark: running(updated == wanted && ready == wanted),
        state: format!("generation {}", number(found, "/metadata/generation")),
        info: format!(
            "{}; {updated} updated, {ready} of {wanted} ready",
            images(found)
        ),
    }
}

fn replicas(found: &Value) -> Standing {
    let (wanted, ready) = (wanted(found), number(found, "/status/readyReplicas"));
    Standing {
        mark: running(ready == wanted),
        state: format!("generation {}", number(found, "/metadata/generation")),
        info: format!("{}; {ready} of {wanted} ready", images(found)),
    }
}

fn job(found: &Value) -> Standing {
    let conditions = found
        .pointer("/status/conditions")
        .and_then(Value::as_array);
    let holds = |type_: &str| {
        let mut all = conditions.into_iter().flatten();
        all.any(|c| text(c, "/type") == type_ && text(c, "/status") == "True")
    };
    let (mark, state) = if holds("Complete") {
        (Mark::Good, "complete")
    } else if holds("Failed") {
        (Mark::Bad, "failed")
    } else if flag(found, "/spec/suspend") {
        (Mark::Waiting, "suspended")
    } else {
        (Mark::Running, "running")
    };
    let wanted = found.pointer("/spec/completions").and_then(Value::as_i64);
    Standing {
        mark,
        state: state.to_owned(),
        info: format!(
            "{}; {} of {} succeeded, {} active, {} failed",
            images(found),
            number(found, "/status/succeeded"),
            wanted.unwrap_or(1),
            number(found, "/status/active"),
            number(found, "/status/failed"),
        ),
    }
}

fn schedule(found: &Value) -> Standing {
    let active = found.pointer("/status/active").and_then(Value::as_array);
    let is_suspended = flag(found, "/spec/suspend");
    Standing {
        mark: if is_suspended {
            Mark::Waiting
        } else {
            Mark::Good
        },
        state: if is_suspended {
            "suspended"
        } else {
            "scheduled"
        }
        .to_owned(),
        info: format!(
            "{}; {}, {} active, last {}",
            images(found),
            text(found, "/spec/schedule"),
            active.map_or(0, Vec::len),
            text(found, "/status/lastScheduleTime"),
        ),
    }
}

fn pod(found: &Value) -> Standing {
    let statuses = found.pointer("/status/containerStatuses");
    let statuses = statuses.and_then(Value::as_array);
    let ready = statuses.map_or(0, |all| all.iter().filter(|s| flag(s, "/ready")).count());
    let wanted = found.pointer("/spec/containers").and_then(Value::as_array);
    let wanted = wanted.map_or(0, Vec::len);
    let phase = text(found, "/status/phase");
    let mark = match phase {
        "Running" => running(ready == wanted),
        "Succeeded" => Mark::Good,
        "Failed" => Mark::Bad,
        _ => Mark::Running,
    };
    Standing {
        mark,
        state: phase.to_owned(),
        info: format!("{}; {ready} of {wanted} ready", images(found)),
    }
}

fn scaler(found: &Value) -> Standing {
    let (current, desired) = (
        number(found, "/status/currentReplicas"),
        number(found, "/status/desiredReplicas"),
    );
    let least = found.pointer("/spec/minReplicas").and_then(Value::as_i64);
    Standing {
        mark: running(current == desired),
        state: format!("{current} of {desired}"),
        info: format!(
            "{}/{}, from {} to {}",
            text(found, "/spec/scaleTargetRef/kind"),
            text(found, "/spec/scaleTargetRef/name"),
            least.unwrap_or(1),
            number(found, "/spec/maxReplicas"),
        ),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn told(kind: &str, mut object: Value) -> (Mark, String) {
        object["kind"] = json!(kind);
        let standing = standing(&WorkloadKind::new(kind), &object);
        (
            standing.mark,
            format!("{} | {}", standing.state, standing.info),
        )
    }

    #[test]
    fn each_kind_is_told_by_what_it_has() {
        let pod = json!({"containers": [{"name": "app", "image": "a:1"}]});
        let template = json!({"spec": pod});
        for (kind, object, mark, expected) in [
            (
                "StatefulSet",
                json!({"spec": {"replicas": 3, "template": template}, "status": {"updateRevision": "db-7c9f", "replicas": 3, "updatedReplicas": 1, "readyReplicas": 3}}),
                Mark::Running,
                "revision 7c9f | a:1; 1 updated, 3 of 3 ready",
            ),
            (
                "DaemonSet",
                json!({"metadata": {"generation": 2}, "spec": {"template": template}, "status": {"desiredNumberScheduled": 2, "numberReady": 2, "updatedNumberScheduled": 2}}),
                Mark::Good,
                "generation 2 | a:1; 2 updated, 2 of 2 ready",
            ),
            (
                "ReplicationController",
                json!({"metadata": {"generation": 1}, "spec": {"template": template}, "status": {"readyReplicas": 1}}),
                Mark::Good,
                "generation 1 | a:1; 1 of 1 ready",
            ),
            (
                "Job",
                json!({"spec": {"completions": 2, "template": template}, "status": {"succeeded": 2, "conditions": [{"type": "Complete", "status": "True"}]}}),
                Mark::Good,
                "complete | a:1; 2 of 2 succeeded, 0 active, 0 failed",
            ),
            (
                "CronJob",
                json!({"spec": {"schedule": "0 1 * * *", "suspend": true, "jobTemplate": {"spec": {"template": template}}}}),
                Mark::Waiting,
                "suspended | a:1; 0 1 * * *, 0 active, last -",
            ),
            (
                "Pod",
                json!({"spec": pod, "status": {"phase": "Running", "containerStatuses": [{"ready": false}]}}),
                Mark::Running,
                "Running | a:1; 0 of 1 ready",
            ),
            (
                "HorizontalPodAutoscaler",
                json!({"spec": {"maxReplicas": 5, "scaleTargetRef": {"kind": "Deployment", "name": "web"}}, "status": {"currentReplicas": 2, "desiredReplicas": 2}}),
                Mark::Good,
                "2 of 2 | Deployment/web, from 1 to 5",
            ),
        ] {
            assert_eq!(told(kind, object), (mark, expected.to_owned()), "{kind}");
        }
    }

    #[test]
    fn an_empty_object_is_told_without_a_panic() {
        for kind in WorkloadKind::OWN {
            assert!(!told(kind, json!({})).1.is_empty(), "{kind}");
        }
    }
}
