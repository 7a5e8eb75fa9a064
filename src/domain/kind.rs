//! Kinds: which objects are gated, where in each the pods are described, and who writes them by themselves.
//!
//! One table for webhook rules, match conditions, policies, gate and controller, so that none of them forgets a kind.
//! A kind that is not in it is taken for one with `spec.template`. Does not know which namespaces are gated.

use serde_json::Value;

/// What is known of a gated kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Form {
    /// The kind as permits spell it. Example: `StatefulSet`.
    pub word: &'static str,
    /// The short word that kubectl knows. Example: `sts`.
    pub short: &'static str,
    /// The API group, empty for the core. Example: `apps`.
    pub group: &'static str,
    /// The version that the operator reads it in.
    pub version: &'static str,
    /// The resource of its path. Example: `statefulsets`.
    pub resource: &'static str,
    /// The subresources that are gated on UPDATE.
    pub subresources: &'static [&'static str],
    /// Its deletion is judged; what starts nothing new by going is not.
    pub judges_delete: bool,
    /// Where its pods are described.
    pub pods: Pods,
    /// Whose rollout makes new pods of a restored template.
    pub rolls: bool,
}

/// Where an object describes the pods that it makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pods {
    /// In a template at this path.
    Template(&'static [&'static str]),
    /// It is a pod.
    Itself,
    /// Nowhere.
    Nowhere,
}

impl Form {
    /// Whether a controller may have made it from a workload of another kind.
    pub fn may_be_derived(&self) -> bool {
        DERIVED
            .iter()
            .any(|(resource, ..)| *resource == self.resource)
    }

    /// Whether it says how many pods it wants, by itself and by `scale`.
    pub fn has_replicas(&self) -> bool {
        self.subresources.contains(&"scale")
    }

    /// How kubectl names the type of one object. Example: `statefulset.apps`.
    pub fn type_name(&self) -> String {
        let word = self.word.to_lowercase();
        if self.group.is_empty() {
            word
        } else {
            format!("{word}.{}", self.group)
        }
    }

    /// Whether kubectl takes the word for it: kind, short word or resource, with group or version and group or without.
    fn is_called(&self, word: &str) -> bool {
        let word = word.to_ascii_lowercase();
        let (bare, group) = word.split_once('.').unwrap_or((&word, self.group));
        let group = group
            .split_once('.')
            .filter(|(version, _)| is_version(version))
            .map_or(group, |(_, group)| group);
        let is_named = [self.short, self.resource].contains(&bare)
            || self.word.eq_ignore_ascii_case(bare)
            || ALSO.contains(&(bare, self.word));
        is_named && group == self.group
    }
}

/// Words that kubectl takes besides.
const ALSO: [(&str, &str); 1] = [("po", "Pod")];

fn is_version(text: &str) -> bool {
    text.strip_prefix('v')
        .is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
}

/// Where all but three kinds have their template.
pub const TEMPLATE: [&str; 2] = ["spec", "template"];
/// Where a CronJob has it.
pub const JOB_TEMPLATE: [&str; 4] = ["spec", "jobTemplate", "spec", "template"];

const BASE: Form = Form {
    word: "Deployment",
    short: "deploy",
    group: "apps",
    version: "v1",
    resource: "deployments",
    subresources: &["scale", "status"],
    judges_delete: true,
    pods: Pods::Template(&TEMPLATE),
    rolls: true,
};

/// The kinds that are gated without being asked for.
pub const GATED: [Form; 10] = [
    BASE,
    Form {
        word: "StatefulSet",
        short: "sts",
        resource: "statefulsets",
        ..BASE
    },
    Form {
        word: "DaemonSet",
        short: "ds",
        resource: "daemonsets",
        subresources: &["status"],
        ..BASE
    },
    Form {
        word: "ReplicaSet",
        short: "rs",
        resource: "replicasets",
        subresources: &["scale"],
        rolls: false,
        ..BASE
    },
    Form {
        word: "ControllerRevision",
        short: "controllerrevision",
        resource: "controllerrevisions",
        subresources: &[],
        pods: Pods::Nowhere,
        rolls: false,
        ..BASE
    },
    Form {
        word: "ReplicationController",
        short: "rc",
        group: "",
        resource: "replicationcontrollers",
        subresources: &["scale"],
        rolls: false,
        ..BASE
    },
    Form {
        word: "Job",
        short: "job",
        group: "batch",
        resource: "jobs",
        subresources: &[],
        rolls: false,
        ..BASE
    },
    Form {
        word: "CronJob",
        short: "cj",
        group: "batch",
        resource: "cronjobs",
        subresources: &[],
        pods: Pods::Template(&JOB_TEMPLATE),
        ..BASE
    },
    Form {
        word: "Pod",
        short: "pod",
        group: "",
        resource: "pods",
        subresources: &["ephemeralcontainers", "resize"],
        judges_delete: false,
        pods: Pods::Itself,
        rolls: false,
        ..BASE
    },
    Form {
        word: "HorizontalPodAutoscaler",
        short: "hpa",
        group: "autoscaling",
        version: "v2",
        resource: "horizontalpodautoscalers",
        subresources: &[],
        judges_delete: false,
        pods: Pods::Nowhere,
        rolls: false,
    },
];

/// What a controller writes by itself: the resource, the kind of the controlling owner, its account in `kube-system`.
///
/// Told by all three together and by the id of the credential, never by a group (`decisions.md` 46).
pub const DERIVED: [(&str, &str, &str); 9] = [
    ("replicasets", "Deployment", "deployment-controller"),
    ("pods", "ReplicaSet", "replicaset-controller"),
    ("pods", "ReplicationController", "replication-controller"),
    ("pods", "StatefulSet", "statefulset-controller"),
    ("pods", "DaemonSet", "daemon-set-controller"),
    ("pods", "Job", "job-controller"),
    ("jobs", "CronJob", "cronjob-controller"),
    (
        "controllerrevisions",
        "StatefulSet",
        "statefulset-controller",
    ),
    ("controllerrevisions", "DaemonSet", "daemon-set-controller"),
];

/// Who deletes what nobody needs any more.
pub const COLLECTORS: [&str; 3] = [
    "generic-garbage-collector",
    "namespace-controller",
    "ttl-after-finished-controller",
];

/// The account of a controller of `kube-controller-manager`. Example: `job-controller`.
pub fn controller(name: &str) -> String {
    format!("system:serviceaccount:kube-system:{name}")
}

/// What is known of a kind, by its word.
pub fn form(word: &str) -> Option<&'static Form> {
    GATED.iter().find(|form| form.word == word)
}

/// What is known of a kind, by any word that kubectl takes for it. Example: `sts`, `statefulsets.v1.apps`.
pub fn called(word: &str) -> Option<&'static Form> {
    GATED.iter().find(|form| form.is_called(word))
}

/// What is known of an object's kind, by what it states.
pub fn form_of(object: &Value) -> Option<&'static Form> {
    let version = object.get("apiVersion").and_then(Value::as_str)?;
    let group = version.split_once('/').map_or("", |(group, _)| group);
    form(word_of(object)).filter(|form| form.group == group)
}

/// How kubectl is told of a kind. Example: `sts`.
pub fn short(word: &str) -> String {
    form(word).map_or_else(|| word.to_lowercase(), |form| form.short.to_owned())
}

/// What is known of a resource.
pub fn of_resource(group: &str, resource: &str) -> Option<&'static Form> {
    let is_it = |form: &&Form| form.group == group && form.resource == resource;
    GATED.iter().find(is_it)
}

/// Where the pods of a kind are described.
pub fn pods_of(word: &str) -> Pods {
    match (form(word), word) {
        (Some(form), _) => form.pods,
        (None, "Scale") => Pods::Nowhere,
        (None, _) => Pods::Template(&TEMPLATE),
    }
}

/// The kind that an object states.
pub fn word_of(object: &Value) -> &str {
    object.get("kind").and_then(Value::as_str).unwrap_or("")
}

/// The pod spec of an object, wherever it stands.
pub fn pod_of(object: &Value) -> Option<&Value> {
    match pods_of(word_of(object)) {
        Pods::Template(path) => at(object, path)?.get("spec"),
        Pods::Itself => object.get("spec"),
        Pods::Nowhere => None,
    }
}

/// The member of an object at a path.
pub fn at<'v>(object: &'v Value, path: &[&str]) -> Option<&'v Value> {
    path.iter().try_fold(object, |value, key| value.get(key))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::json;

    use super::*;

    #[test]
    fn t14_each_kind_that_makes_pods_is_gated_once() {
        let words: BTreeSet<_> = GATED.iter().map(|form| form.word).collect();
        let resources: BTreeSet<_> = GATED.iter().map(|f| (f.group, f.resource)).collect();
        assert_eq!((words.len(), resources.len()), (GATED.len(), GATED.len()));
        for (resource, owner, _) in DERIVED {
            assert!(GATED.iter().any(|form| form.resource == resource));
            assert!(form(owner).is_some(), "{owner}");
        }
    }

    #[test]
    fn a_kind_is_called_as_kubectl_calls_it() {
        for (word, kind) in [
            ("deploy", "Deployment"),
            ("StatefulSet", "StatefulSet"),
            ("statefulsets.apps", "StatefulSet"),
            ("statefulsets.v1.apps", "StatefulSet"),
            ("sts.apps", "StatefulSet"),
            ("cj", "CronJob"),
            ("rc", "ReplicationController"),
            ("po", "Pod"),
            ("pods.v1.", "Pod"),
            ("hpa.v2.autoscaling", "HorizontalPodAutoscaler"),
        ] {
            assert_eq!(called(word).map(|f| f.word), Some(kind), "{word}");
        }
        for word in ["svc", "statefulsets.batch", "rollouts.argoproj.io", ""] {
            assert_eq!(called(word), None, "{word}");
        }
    }

    #[test]
    fn an_object_is_of_a_kind_by_its_group_too() {
        let of = |version: &str, kind: &str| {
            form_of(&json!({"apiVersion": version, "kind": kind})).map(Form::type_name)
        };
        assert_eq!(
            of("apps/v1", "StatefulSet").as_deref(),
            Some("statefulset.apps")
        );
        assert_eq!(of("v1", "Pod").as_deref(), Some("pod"));
        assert_eq!(of("apps.example.com/v1", "StatefulSet"), None);
    }

    #[test]
    fn the_pod_is_found_in_every_kind() {
        let pod = json!({"containers": []});
        for (kind, object) in [
            ("Deployment", json!({"spec": {"template": {"spec": pod}}})),
            (
                "CronJob",
                json!({"spec": {"jobTemplate": {"spec": {"template": {"spec": pod}}}}}),
            ),
            ("Pod", json!({"spec": pod})),
            ("Rollout", json!({"spec": {"template": {"spec": pod}}})),
        ] {
            let mut object = object;
            object["kind"] = json!(kind);
            assert_eq!(pod_of(&object), Some(&pod), "{kind}");
        }
        assert_eq!(pod_of(&json!({"kind": "Scale", "spec": {}})), None);
        let scaler =
            json!({"kind": "HorizontalPodAutoscaler", "spec": {"template": {"spec": pod}}});
        assert_eq!(pod_of(&scaler), None);
    }
}
