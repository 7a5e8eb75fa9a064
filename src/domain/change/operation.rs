//! Operations: what does the change of a field do to a workload?
//!
//! The strictest reading wins: whatever brings in something to run is a `Deploy`, and every field of a spec without a
//! rule of its own is a `Configure`. Does not know metadata, which is judged beside the spec.

use serde_json::Value;

use super::container::{LISTS, holds_an_image};
use super::path::{FieldPath, Segment};
use crate::api::vocabulary::Operation;
use crate::domain::kind::{JOB_TEMPLATE, TEMPLATE};

/// What `kubectl rollout restart` writes into a template.
const RESTART: [&str; 3] = [
    "metadata",
    "annotations",
    "kubectl.kubernetes.io/restartedAt",
];
pub(super) const REPLICAS: [&str; 2] = ["spec", "replicas"];
pub(super) const PAUSED: [&str; 2] = ["spec", "paused"];
pub(super) const SUSPEND: [&str; 2] = ["spec", "suspend"];
/// Pods of a StatefulSet below it are left as they are; lowered, it lets a rollout go on (threat row 57).
pub(super) const PARTITION: [&str; 4] = ["spec", "updateStrategy", "rollingUpdate", "partition"];
/// Whether new pods wait until somebody deletes the old ones.
const STRATEGY: [&str; 3] = ["spec", "updateStrategy", "type"];

/// The operation that a changed field outside the metadata amounts to.
pub(super) fn classify(path: &FieldPath, old: Option<&Value>, new: Option<&Value>) -> Operation {
    if path.is(&REPLICAS) {
        Operation::Scale
    } else if let Some(operation) = of_progress(path, old, new) {
        operation
    } else if in_template(path).is_some_and(|rest| is_keys(rest, &RESTART)) {
        Operation::Restart
    } else if is_debugging(path) {
        Operation::Diagnose
    } else if holds_the_pod(path) || in_pod(path).is_some_and(|rest| brings_code(rest, old, new)) {
        Operation::Deploy
    } else {
        Operation::Configure
    }
}

/// What holds a rollout or lets it go on without another template.
fn of_progress(path: &FieldPath, old: Option<&Value>, new: Option<&Value>) -> Option<Operation> {
    let number = |value: Option<&Value>| value.and_then(Value::as_i64).unwrap_or(0);
    if path.is(&PAUSED) || path.is(&SUSPEND) {
        Some(match new {
            Some(Value::Bool(true)) => Operation::Pause,
            _ => Operation::Resume,
        })
    } else if path.is(&PARTITION) {
        Some(if number(new) < number(old) {
            Operation::Resume
        } else {
            Operation::Configure
        })
    } else if path.is(&STRATEGY) {
        Some(if new == Some(&Value::from("OnDelete")) {
            Operation::Configure
        } else {
            Operation::Resume
        })
    } else {
        None
    }
}

/// What follows the pod template, if the path leads into one.
fn in_template(path: &FieldPath) -> Option<&[Segment]> {
    path.below(&JOB_TEMPLATE).or_else(|| path.below(&TEMPLATE))
}

/// What follows the pod spec, if the path leads into one: a template's, or a pod's own.
pub(super) fn in_pod(path: &FieldPath) -> Option<&[Segment]> {
    match in_template(path) {
        Some([spec, rest @ ..]) if spec.is_key("spec") => Some(rest),
        Some(_) => None,
        None => path.below(&["spec"]).filter(|rest| !rest.is_empty()),
    }
}

fn is_keys(segments: &[Segment], keys: &[&str]) -> bool {
    segments.len() == keys.len() && segments.iter().zip(keys).all(|(s, key)| s.is_key(key))
}

/// A container that is put into a running pod: no template has one.
fn is_debugging(path: &FieldPath) -> bool {
    path.below(&["spec"])
        .and_then(<[Segment]>::first)
        .is_some_and(|member| member.is_key("ephemeralContainers"))
}

/// Whether the pod spec as a whole came, went or became something else.
fn holds_the_pod(path: &FieldPath) -> bool {
    let pod = |template: &[&str]| -> Vec<String> {
        let keys = template.iter().chain(&["spec"]);
        keys.map(ToString::to_string).collect()
    };
    let begins = |keys: &[String]| {
        let segments = path.segments();
        !segments.is_empty()
            && segments.len() <= keys.len()
            && segments.iter().zip(keys).all(|(s, key)| s.is_key(key))
    };
    begins(&pod(&TEMPLATE)) || begins(&pod(&JOB_TEMPLATE))
}

/// Whether a field of a pod spec says what is run: an image, a command, arguments, hooks, a container or
/// their order.
fn brings_code(rest: &[Segment], old: Option<&Value>, new: Option<&Value>) -> bool {
    let is_code = |field: &Segment| {
        ["image", "command", "args", "lifecycle"]
            .into_iter()
            .any(|key| field.is_key(key))
    };
    match rest {
        [Segment::Key(list), within @ ..] if LISTS.contains(&list.as_str()) => match within {
            [] | [_] => true,
            [_, field, ..] => is_code(field),
        },
        [Segment::Key(list), within @ ..] if list == "volumes" => match within {
            [] | [_] => [old, new].into_iter().flatten().any(holds_an_image),
            [_, field, ..] => field.is_key("image"),
        },
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const POD: [&str; 3] = ["spec", "template", "spec"];

    fn pod(list: &str) -> FieldPath {
        FieldPath::of_keys(&POD).then(Segment::Key(list.into()))
    }

    fn container(list: &str, field: &str) -> FieldPath {
        pod(list)
            .then(Segment::Element("app".into()))
            .then(Segment::Key(field.into()))
    }

    #[track_caller]
    fn check(path: &FieldPath, expected: Operation) {
        assert_eq!(classify(path, None, Some(&json!("x"))), expected, "{path}");
    }

    #[test]
    fn images_commands_and_arguments_of_every_container_are_a_deploy() {
        for list in LISTS {
            for field in ["image", "command", "args", "lifecycle"] {
                check(&container(list, field), Operation::Deploy);
                check(
                    &container(list, field).then(Segment::Index(0)),
                    Operation::Deploy,
                );
            }
        }
    }

    #[test]
    fn a_container_or_a_list_of_them_as_a_whole_is_a_deploy() {
        for list in LISTS {
            check(&pod(list), Operation::Deploy);
            check(
                &pod(list).then(Segment::Element("app".into())),
                Operation::Deploy,
            );
            check(&pod(list).then(Segment::Index(0)), Operation::Deploy);
        }
        check(&FieldPath::of_keys(&["spec"]), Operation::Deploy);
        check(
            &FieldPath::of_keys(&["spec", "template"]),
            Operation::Deploy,
        );
        check(&FieldPath::of_keys(&POD), Operation::Deploy);
    }

    #[test]
    fn an_image_as_a_volume_is_a_deploy_and_another_volume_is_not() {
        let volume = pod("volumes").then(Segment::Element("a".into()));
        let image = json!({"name": "a", "image": {"reference": "r:1"}});
        assert_eq!(classify(&volume, None, Some(&image)), Operation::Deploy);
        assert_eq!(classify(&volume, Some(&image), None), Operation::Deploy);
        check(
            &volume.clone().then(Segment::Key("image".into())),
            Operation::Deploy,
        );
        check(
            &volume.clone().then(Segment::Key("emptyDir".into())),
            Operation::Configure,
        );
        assert_eq!(
            classify(&volume, None, Some(&json!({"name": "a"}))),
            Operation::Configure
        );
    }

    #[test]
    fn every_other_field_of_the_spec_is_a_configure() {
        for field in [
            "env",
            "resources",
            "livenessProbe",
            "imagePullPolicy",
            "securityContext",
        ] {
            check(&container("containers", field), Operation::Configure);
        }
        for field in [
            "strategy",
            "selector",
            "revisionHistoryLimit",
            "minReadySeconds",
            "progressDeadlineSeconds",
        ] {
            check(&FieldPath::of_keys(&["spec", field]), Operation::Configure);
        }
        check(
            &FieldPath::of_keys(&["spec", "template", "metadata", "labels", "app"]),
            Operation::Configure,
        );
        check(
            &FieldPath::of_keys(&["data", "image"]),
            Operation::Configure,
        );
    }

    #[test]
    fn an_environment_variable_named_like_a_field_stays_one() {
        let spoofed = container("containers", "env").then(Segment::Element("x].image".into()));
        check(
            &spoofed.then(Segment::Key("value".into())),
            Operation::Configure,
        );
    }

    #[test]
    fn only_the_restart_annotation_of_the_template_is_a_restart() {
        let restart = [&TEMPLATE[..], &RESTART].concat();
        check(&FieldPath::of_keys(&restart), Operation::Restart);
        check(
            &FieldPath::of_keys(&["spec", "template", "metadata", "annotations", "other"]),
            Operation::Configure,
        );
    }

    #[test]
    fn replicas_and_pause_have_operations_of_their_own() {
        check(&FieldPath::of_keys(&REPLICAS), Operation::Scale);
        let paused = FieldPath::of_keys(&PAUSED);
        assert_eq!(
            classify(&paused, None, Some(&json!(true))),
            Operation::Pause
        );
        assert_eq!(
            classify(&paused, Some(&json!(true)), None),
            Operation::Resume
        );
        assert_eq!(
            classify(&paused, Some(&json!(true)), Some(&json!(false))),
            Operation::Resume
        );
        check(
            &FieldPath::of_keys(&["spec", "template", "replicas"]),
            Operation::Configure,
        );
    }

    #[test]
    fn the_pods_of_a_cron_job_and_a_pod_itself_are_read_alike() {
        let jobs = ["spec", "jobTemplate", "spec", "template", "spec"];
        for keys in [&jobs[..], &["spec"]] {
            let app = FieldPath::of_keys(keys)
                .then(Segment::Key("containers".into()))
                .then(Segment::Element("app".into()));
            check(
                &app.clone().then(Segment::Key("image".into())),
                Operation::Deploy,
            );
            check(&app.then(Segment::Key("env".into())), Operation::Configure);
        }
        check(&FieldPath::of_keys(&jobs[..2]), Operation::Deploy);
        let annotations = [
            "metadata",
            "annotations",
            "kubectl.kubernetes.io/restartedAt",
        ];
        let restart = [&jobs[..4], &annotations].concat();
        check(&FieldPath::of_keys(&restart), Operation::Restart);
        check(
            &FieldPath::of_keys(&["spec", "schedule"]),
            Operation::Configure,
        );
    }

    #[test]
    fn t13_a_container_put_into_a_running_pod_is_a_diagnose() {
        let debugger = FieldPath::of_keys(&["spec", "ephemeralContainers"]);
        check(&debugger, Operation::Diagnose);
        check(
            &debugger.then(Segment::Element("debugger".into())),
            Operation::Diagnose,
        );
    }

    #[test]
    fn t57_a_lowered_partition_lets_a_rollout_go_on() {
        let path = FieldPath::of_keys(&PARTITION);
        let of = |old: i64, new: i64| classify(&path, Some(&json!(old)), Some(&json!(new)));
        assert_eq!(of(3, 2), Operation::Resume);
        assert_eq!(of(2, 3), Operation::Configure);
        assert_eq!(classify(&path, Some(&json!(3)), None), Operation::Resume);
        let strategy = FieldPath::of_keys(&STRATEGY);
        let to = |word: &str| classify(&strategy, None, Some(&json!(word)));
        assert_eq!(to("RollingUpdate"), Operation::Resume);
        assert_eq!(to("OnDelete"), Operation::Configure);
    }

    #[test]
    fn t08_what_is_suspended_is_resumed_like_what_is_paused() {
        let path = FieldPath::of_keys(&SUSPEND);
        assert_eq!(classify(&path, None, Some(&json!(true))), Operation::Pause);
        assert_eq!(
            classify(&path, Some(&json!(true)), Some(&json!(false))),
            Operation::Resume
        );
        assert_eq!(classify(&path, Some(&json!(true)), None), Operation::Resume);
    }
}
