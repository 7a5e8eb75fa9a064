//! The change that somebody has in mind, from flags or from a file, before anybody was asked about it.
//!
//! Pure but for the file. Knows workloads as plain values, so that no field is lost.

use std::path::PathBuf;

use serde_json::{Value, json};

use super::exit::Refusal;
use super::merge;
use super::rehearse::Step;
use super::target::{ImageSetting, WorkloadRef};
use crate::domain::kind::{Form, Pods};

/// The change that is meant
#[derive(Debug, clap::Args)]
pub(super) struct ChangeArgs {
    /// The workload, as kubectl is told of it: deploy/NAME, sts/NAME, ds/NAME, cj/NAME, job/NAME, pod/NAME, hpa/NAME
    #[arg(
        value_name = "KIND/NAME",
        required_unless_present = "filename",
        conflicts_with = "filename"
    )]
    pub(super) workload: Option<WorkloadRef>,
    /// Image that a container is to have, may be repeated
    #[arg(
        long = "image",
        value_name = "CONTAINER=IMAGE",
        conflicts_with = "filename"
    )]
    pub(super) images: Vec<ImageSetting>,
    /// Number of replicas
    #[arg(long, value_name = "N", conflicts_with = "filename", value_parser = clap::value_parser!(i32).range(0..))]
    pub(super) scale: Option<i32>,
    /// File with the workloads as you would apply them; - is stdin
    #[arg(short, long, value_name = "FILE")]
    pub(super) filename: Option<PathBuf>,
    /// The file will be applied with kubectl apply --server-side
    #[arg(long, requires = "filename")]
    pub(super) server_side: bool,
    /// The file will be applied with --force-conflicts as well
    #[arg(long, requires = "server_side")]
    pub(super) force_conflicts: bool,
}

impl ChangeArgs {
    /// Whether flags say what is to change.
    pub(super) fn says_what(&self) -> bool {
        self.filename.is_some() || !self.images.is_empty() || self.scale.is_some()
    }

    /// The write that applying this object would be.
    pub(super) fn step_of_file(&self, live: Option<&Value>, file: &Value) -> Step {
        match live {
            _ if self.server_side => Step::Apply {
                object: merge::cleaned(file),
                force: self.force_conflicts,
            },
            Some(live) => Step::Merge {
                patch: merge::patch(live, file),
            },
            None => Step::Create {
                object: merge::cleaned(file),
            },
        }
    }

    /// The write that setting the images and replicas would be.
    pub(super) fn step_of_flags(
        &self,
        workload: &WorkloadRef,
        live: &Value,
    ) -> Result<Step, Refusal> {
        let mut pod = json!({});
        for (setting, list) in self.located(workload, live)? {
            let named = json!({"name": setting.container, "image": setting.image});
            if let Some(fields) = pod.as_object_mut() {
                let list = fields.entry(list).or_insert_with(|| json!([]));
                list.as_array_mut()
                    .into_iter()
                    .for_each(|items| items.push(named.clone()));
            }
        }
        let mut patch = json!({"spec": pod});
        if let Pods::Template(path) = workload.form.pods {
            for key in path.iter().rev() {
                patch = json!({*key: patch});
            }
        }
        if let (Some(replicas), Some(spec)) = (self.replicas(workload)?, patch.get_mut("spec")) {
            set(spec, "replicas", json!(replicas));
        }
        Ok(Step::Merge { patch })
    }

    /// The live object with the images and replicas set.
    pub(super) fn wanted(&self, workload: &WorkloadRef, live: &Value) -> Result<Value, Refusal> {
        let mut wanted = live.clone();
        for (setting, list) in self.located(workload, live)? {
            let pointer = list_pointer(workload.form, list).unwrap_or_default();
            let containers = wanted
                .pointer_mut(&pointer)
                .and_then(Value::as_array_mut)
                .into_iter()
                .flatten();
            for container in containers.filter(|container| is_named(container, &setting.container))
            {
                set(container, "image", json!(setting.image));
            }
        }
        if let (Some(replicas), Some(spec)) = (self.replicas(workload)?, wanted.get_mut("spec")) {
            set(spec, "replicas", json!(replicas));
        }
        Ok(wanted)
    }

    /// The number of replicas that is asked for, of a kind that has any.
    fn replicas(&self, workload: &WorkloadRef) -> Result<Option<i32>, Refusal> {
        if self.scale.is_none() || workload.form.has_replicas() {
            return Ok(self.scale);
        }
        Err(Refusal::error(
            format!("{workload} has no replicas that could be set"),
            "leave --scale out; -f FILE asks for any other change",
        ))
    }

    /// Each image setting, with the list that its container stands in.
    fn located(
        &self,
        workload: &WorkloadRef,
        live: &Value,
    ) -> Result<Vec<(&ImageSetting, &'static str)>, Refusal> {
        let list_of = |setting: &ImageSetting| {
            let holds = |list: &&str| {
                containers(workload.form, live, list)
                    .any(|container| is_named(container, &setting.container))
            };
            LISTS.into_iter().find(holds)
        };
        let locate = |setting| {
            list_of(setting)
                .map(|list| (setting, list))
                .ok_or_else(|| unknown(workload, live, setting))
        };
        self.images.iter().map(locate).collect()
    }
}

/// The lists of a pod's containers that an image can be set in.
const LISTS: [&str; 2] = ["containers", "initContainers"];

/// Where a list of containers stands in an object of the kind, if it describes pods.
fn list_pointer(form: &Form, list: &str) -> Option<String> {
    match form.pods {
        Pods::Template(path) => Some(format!("/{}/spec/{list}", path.join("/"))),
        Pods::Itself => Some(format!("/spec/{list}")),
        Pods::Nowhere => None,
    }
}

fn containers<'v>(form: &Form, object: &'v Value, list: &str) -> impl Iterator<Item = &'v Value> {
    let found = list_pointer(form, list).and_then(|pointer| object.pointer(&pointer));
    found.and_then(Value::as_array).into_iter().flatten()
}

fn is_named(container: &Value, name: &str) -> bool {
    container.get("name").and_then(Value::as_str) == Some(name)
}

fn set(object: &mut Value, key: &str, value: Value) {
    if let Some(fields) = object.as_object_mut() {
        fields.insert(key.to_owned(), value);
    }
}

fn unknown(workload: &WorkloadRef, live: &Value, setting: &ImageSetting) -> Refusal {
    let all = LISTS
        .into_iter()
        .flat_map(|list| containers(workload.form, live, list));
    let names: Vec<_> = all
        .filter_map(|container| container.get("name")?.as_str())
        .collect();
    let next = if names.is_empty() {
        "leave --image out; -f FILE asks for any other change".to_owned()
    } else {
        format!("name one of its containers: {}", names.join(", "))
    };
    Refusal::error(
        format!("{workload} has no container `{}`", setting.container),
        next,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn live() -> Value {
        json!({"spec": {"replicas": 2, "template": {"spec": {
            "initContainers": [{"name": "init", "image": "i:1"}],
            "containers": [{"name": "app", "image": "a:1", "env": []}, {"name": "side", "image": "s:1"}]}}}})
    }

    fn checkout(kind: &str) -> WorkloadRef {
        format!("{kind}/checkout").parse().unwrap()
    }

    fn args(images: &[&str], scale: Option<i32>) -> ChangeArgs {
        let images = images.iter().map(|text| text.parse().unwrap()).collect();
        ChangeArgs {
            workload: Some(checkout("deploy")),
            images,
            scale,
            filename: None,
            server_side: false,
            force_conflicts: false,
        }
    }

    #[test]
    fn images_and_replicas_are_set_and_nothing_else() {
        let mut expected = live();
        *expected
            .pointer_mut("/spec/template/spec/containers/0/image")
            .unwrap() = json!("a:2");
        *expected
            .pointer_mut("/spec/template/spec/initContainers/0/image")
            .unwrap() = json!("i:2");
        *expected.pointer_mut("/spec/replicas").unwrap() = json!(3);
        assert_eq!(
            args(&["app=a:2", "init=i:2"], Some(3)).wanted(&checkout("deploy"), &live()),
            Ok(expected)
        );
    }

    #[test]
    fn an_unknown_container_is_told_the_known_ones() {
        let error = args(&["ap=a:2"], None)
            .wanted(&checkout("deploy"), &live())
            .unwrap_err();
        assert_eq!(error.message, "deployment `checkout` has no container `ap`");
        assert_eq!(
            error.next.as_deref(),
            Some("name one of its containers: app, side, init")
        );
    }

    #[test]
    fn flags_become_the_patch_that_set_image_sends() {
        let step = args(&["app=a:2"], Some(0))
            .step_of_flags(&checkout("deploy"), &live())
            .unwrap();
        let pod = json!({"containers": [{"name": "app", "image": "a:2"}]});
        let patch = json!({"spec": {"template": {"spec": pod}, "replicas": 0}});
        assert_eq!(step, Step::Merge { patch });
    }

    #[test]
    fn images_are_set_where_each_kind_has_its_pods() {
        let pod = json!({"containers": [{"name": "app", "image": "a:1"}]});
        let cron = json!({"spec": {"jobTemplate": {"spec": {"template": {"spec": pod}}}}});
        let args = args(&["app=a:2"], None);
        for (kind, live, image) in [
            (
                "cj",
                cron,
                "/spec/jobTemplate/spec/template/spec/containers/0/image",
            ),
            ("pod", json!({"spec": pod}), "/spec/containers/0/image"),
        ] {
            let wanted = args.wanted(&checkout(kind), &live).unwrap();
            assert_eq!(wanted.pointer(image), Some(&json!("a:2")), "{wanted}");
            let Ok(Step::Merge { patch }) = args.step_of_flags(&checkout(kind), &live) else {
                panic!("no patch");
            };
            assert_eq!(patch.pointer(image), Some(&json!("a:2")), "{patch}");
        }
    }

    #[test]
    fn what_a_kind_does_not_have_is_not_set() {
        for kind in ["ds", "cj", "pod", "hpa"] {
            let refused = args(&[], Some(2)).wanted(&checkout(kind), &json!({"spec": {}}));
            let told = refused.unwrap_err().message;
            assert!(told.contains("has no replicas"), "{told}");
        }
        let refused = args(&["app=a:2"], None).wanted(&checkout("hpa"), &json!({"spec": {}}));
        let told = refused.unwrap_err();
        assert!(told.message.contains("horizontalpodautoscaler `checkout`"));
        assert!(told.next.unwrap().contains("-f FILE"));
    }

    #[test]
    fn a_file_creates_what_is_not_there_and_merges_into_what_is() {
        let file = json!({"metadata": {"name": "checkout"}});
        let by_file = args(&[], None);
        assert!(matches!(
            by_file.step_of_file(None, &file),
            Step::Create { .. }
        ));
        assert!(matches!(
            by_file.step_of_file(Some(&live()), &file),
            Step::Merge { .. }
        ));
        let applied = ChangeArgs {
            server_side: true,
            ..args(&[], None)
        };
        assert!(matches!(
            applied.step_of_file(Some(&live()), &file),
            Step::Apply { force: false, .. }
        ));
    }
}
