//! Operations: what does the change of a field do to a workload?
//!
//! The strictest reading wins: whatever brings in something to run is a `Deploy`, and every field of a spec without a
//! rule of its own is a `Configure`. Does not know metadata, which is judged beside the spec.

use serde_json::Value;

use super::container::{LISTS, POD, holds_an_image};
use super::path::{FieldPath, Segment};
use crate::api::vocabulary::Operation;

/// What `kubectl rollout restart` writes.
const RESTART: [&str; 5] = [
    "spec",
    "template",
    "metadata",
    "annotations",
    "kubectl.kubernetes.io/restartedAt",
];
pub(super) const REPLICAS: [&str; 2] = ["spec", "replicas"];
pub(super) const PAUSED: [&str; 2] = ["spec", "paused"];

/// The operation that a changed field outside the metadata amounts to.
pub(super) fn classify(path: &FieldPath, old: Option<&Value>, new: Option<&Value>) -> Operation {
    if path.is(&REPLICAS) {
        Operation::Scale
    } else if path.is(&PAUSED) {
        if new == Some(&Value::Bool(true)) {
            Operation::Pause
        } else {
            Operation::Resume
        }
    } else if path.is(&RESTART) {
        Operation::Restart
    } else if holds_the_pod(path)
        || path
            .below(&POD)
            .is_some_and(|rest| brings_code(rest, old, new))
    {
        Operation::Deploy
    } else {
        Operation::Configure
    }
}

/// Whether the pod spec as a whole came, went or became something else.
fn holds_the_pod(path: &FieldPath) -> bool {
    (1..=POD.len())
        .filter_map(|length| POD.get(..length))
        .any(|keys| path.is(keys))
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
        check(&FieldPath::of_keys(&RESTART), Operation::Restart);
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
}
