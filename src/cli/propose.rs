//! The change that somebody has in mind, from flags or from a file, before anybody was asked about it.
//!
//! Pure but for the file. Knows Deployments as plain values, so that no field is lost.

use std::path::PathBuf;

use serde_json::{Value, json};

use super::exit::Refusal;
use super::rehearse::Step;
use super::target::{ImageSetting, WorkloadRef};
use super::{manifest, merge};

/// The change that is meant
#[derive(Debug, clap::Args)]
pub(super) struct ChangeArgs {
    /// The workload: deploy/NAME
    #[arg(
        value_name = "deploy/NAME",
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
    /// File with the Deployments as you would apply them; - is stdin
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
        let name = manifest::name(file).unwrap_or_default().to_owned();
        match live {
            _ if self.server_side => Step::Apply {
                name,
                object: merge::cleaned(file),
                force: self.force_conflicts,
            },
            Some(live) => Step::Merge {
                name,
                patch: merge::patch(live, file),
            },
            None => Step::Create {
                object: merge::cleaned(file),
            },
        }
    }

    /// The write that setting the images and replicas would be.
    pub(super) fn step_of_flags(&self, name: &str, live: &Value) -> Result<Step, Refusal> {
        let mut pod = json!({});
        for (setting, list) in self.located(name, live)? {
            let named = json!({"name": setting.container, "image": setting.image});
            if let Some(fields) = pod.as_object_mut() {
                let list = fields.entry(list).or_insert_with(|| json!([]));
                list.as_array_mut()
                    .into_iter()
                    .for_each(|items| items.push(named.clone()));
            }
        }
        let mut spec = json!({"template": {"spec": pod}});
        if let (Some(replicas), Some(fields)) = (self.scale, spec.as_object_mut()) {
            fields.insert("replicas".to_owned(), json!(replicas));
        }
        Ok(Step::Merge {
            name: name.to_owned(),
            patch: json!({"spec": spec}),
        })
    }

    /// The live object with the images and replicas set.
    pub(super) fn wanted(&self, name: &str, live: &Value) -> Result<Value, Refusal> {
        let mut wanted = live.clone();
        for (setting, list) in self.located(name, live)? {
            let pointer = format!("/spec/template/spec/{list}");
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
        if let (Some(replicas), Some(spec)) = (self.scale, wanted.get_mut("spec")) {
            set(spec, "replicas", json!(replicas));
        }
        Ok(wanted)
    }

    /// Each image setting, with the list that its container stands in.
    fn located(
        &self,
        name: &str,
        live: &Value,
    ) -> Result<Vec<(&ImageSetting, &'static str)>, Refusal> {
        let list_of = |setting: &ImageSetting| {
            let holds = |list: &&str| {
                containers(live, list).any(|container| is_named(container, &setting.container))
            };
            LISTS.into_iter().find(holds)
        };
        let locate = |setting| {
            list_of(setting)
                .map(|list| (setting, list))
                .ok_or_else(|| unknown(name, live, setting))
        };
        self.images.iter().map(locate).collect()
    }
}

/// The lists of a pod's containers that an image can be set in.
const LISTS: [&str; 2] = ["containers", "initContainers"];

fn containers<'v>(object: &'v Value, list: &str) -> impl Iterator<Item = &'v Value> {
    object
        .pointer(&format!("/spec/template/spec/{list}"))
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
}

fn is_named(container: &Value, name: &str) -> bool {
    container.get("name").and_then(Value::as_str) == Some(name)
}

fn set(object: &mut Value, key: &str, value: Value) {
    if let Some(fields) = object.as_object_mut() {
        fields.insert(key.to_owned(), value);
    }
}

fn unknown(name: &str, live: &Value, setting: &ImageSetting) -> Refusal {
    let all = LISTS.into_iter().flat_map(|list| containers(live, list));
    let names = all
        .filter_map(|container| container.get("name")?.as_str())
        .collect::<Vec<_>>()
        .join(", ");
    Refusal::error(
        format!(
            "deployment `{name}` has no container `{}`",
            setting.container
        ),
        format!("name one of its containers: {names}"),
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

    fn args(images: &[&str], scale: Option<i32>) -> ChangeArgs {
        let images = images.iter().map(|text| text.parse().unwrap()).collect();
        let workload = Some(WorkloadRef("checkout".into()));
        ChangeArgs {
            workload,
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
            args(&["app=a:2", "init=i:2"], Some(3)).wanted("checkout", &live()),
            Ok(expected)
        );
    }

    #[test]
    fn an_unknown_container_is_told_the_known_ones() {
        let error = args(&["ap=a:2"], None)
            .wanted("checkout", &live())
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
            .step_of_flags("checkout", &live())
            .unwrap();
        let pod = json!({"containers": [{"name": "app", "image": "a:2"}]});
        let patch = json!({"spec": {"template": {"spec": pod}, "replicas": 0}});
        assert_eq!(
            step,
            Step::Merge {
                name: "checkout".into(),
                patch
            }
        );
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
