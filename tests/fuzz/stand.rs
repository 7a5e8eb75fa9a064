//! Stand: an enrolled namespace with one object of each kind, and nobody who has a permit.
//!
//! Decides what stands there. Does not know what is tried on it.

use anyhow::{Context as _, Result, ensure};
use kube::Client;
use permit_harness::operator::install;
use permit_harness::{ControlPlane, Operator, OperatorOptions, Stage, User, eventually, stage};
use serde_json::{Value, json};
use tokio::sync::OnceCell;

use crate::leaf::{Step, Types};

pub(crate) const NAMESPACE: &str = "fuzz";

/// A kind to write to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Kind {
    pub(crate) word: &'static str,
    /// Group and version. Example: `apps/v1`.
    pub(crate) version: &'static str,
    pub(crate) plural: &'static str,
    /// The name of its type. Example: `apps.v1.DeploymentSpec`.
    pub(crate) spec: &'static str,
    /// Where its pod template is, if it has one.
    pub(crate) template: &'static [&'static str],
}

const TEMPLATE: &[&str] = &["spec", "template"];

/// Every kind that the fuzzer writes to; those first whose template takes most fields.
pub(crate) const KINDS: [Kind; 7] = [
    kind(
        ("Deployment", "apps/v1"),
        ("deployments", "apps.v1.DeploymentSpec"),
        TEMPLATE,
    ),
    kind(
        ("CronJob", "batch/v1"),
        ("cronjobs", "batch.v1.CronJobSpec"),
        &["spec", "jobTemplate", "spec", "template"],
    ),
    kind(
        ("StatefulSet", "apps/v1"),
        ("statefulsets", "apps.v1.StatefulSetSpec"),
        TEMPLATE,
    ),
    kind(
        ("DaemonSet", "apps/v1"),
        ("daemonsets", "apps.v1.DaemonSetSpec"),
        TEMPLATE,
    ),
    kind(("Job", "batch/v1"), ("jobs", "batch.v1.JobSpec"), TEMPLATE),
    kind(("Pod", "v1"), ("pods", "core.v1.PodSpec"), &[]),
    kind(
        ("HorizontalPodAutoscaler", "autoscaling/v2"),
        (
            "horizontalpodautoscalers",
            "autoscaling.v2.HorizontalPodAutoscalerSpec",
        ),
        &[],
    ),
];

const fn kind(
    (word, version): (&'static str, &'static str),
    (plural, spec): (&'static str, &'static str),
    template: &'static [&'static str],
) -> Kind {
    Kind {
        word,
        version,
        plural,
        spec,
        template,
    }
}

impl Kind {
    pub(crate) fn name(&self) -> String {
        self.word.to_lowercase()
    }

    /// Where its object is.
    pub(crate) fn path(&self) -> String {
        let root = if self.version == "v1" {
            "/api/v1".to_owned()
        } else {
            format!("/apis/{}", self.version)
        };
        format!(
            "{root}/namespaces/{NAMESPACE}/{}/{}",
            self.plural,
            self.name()
        )
    }

    /// The object that stands there.
    pub(crate) fn object(&self) -> Value {
        let name = self.name();
        let labels = json!({"app": name});
        let mut pod = json!({
            "containers": [{"name": "app", "image": "shop/app:1", "resources": {"limits": {"cpu": "2", "memory": "1Gi"}}}],
            "initContainers": [{"name": "init", "image": "shop/init:1"}],
            "volumes": [{"name": "tmp", "emptyDir": {}}, {"name": "disk", "persistentVolumeClaim": {"claimName": "disk"}}],
        });
        if ["CronJob", "Job"].contains(&self.word) {
            pod["restartPolicy"] = json!("Never");
        }
        if self.word == "Pod" {
            pod["volumes"] = json!([{"name": "tmp", "emptyDir": {}}]);
        }
        let template = json!({"metadata": {"labels": labels}, "spec": pod});
        let selector = json!({"matchLabels": labels});
        let spec = match self.word {
            "Pod" => pod,
            "Job" => json!({"suspend": true, "template": template}),
            "CronJob" => {
                json!({"schedule": "0 0 1 1 *", "jobTemplate": {"spec": {"template": template}}})
            }
            "HorizontalPodAutoscaler" => {
                json!({"maxReplicas": 3, "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "deployment"}})
            }
            "StatefulSet" => {
                json!({"replicas": 0, "serviceName": "none", "selector": selector, "template": template})
            }
            "DaemonSet" => json!({"selector": selector, "template": with_selector(template)}),
            _ => json!({"replicas": 0, "selector": selector, "template": template}),
        };
        json!({"apiVersion": self.version, "kind": self.word, "metadata": {"name": name, "namespace": NAMESPACE, "labels": labels}, "spec": spec})
    }
}

/// No node fits, so that no pod comes.
fn with_selector(mut template: Value) -> Value {
    template["spec"]["nodeSelector"] = json!({"nowhere": "true"});
    template
}

/// Everything that is written to, and the API server's own description of it.
pub(crate) struct Stand {
    pub(crate) client: Client,
    pub(crate) types: Types,
}

/// The operator that both tests share; it ends with the process.
static OPERATOR: OnceCell<Operator> = OnceCell::const_new();

impl Stand {
    pub(crate) async fn set() -> Result<Self> {
        let plane = ControlPlane::shared().await?;
        OPERATOR.get_or_try_init(|| enrolled(plane)).await?;
        let client = plane.client(&User::admin()).await?;
        let types = Types::read(&client).await?;
        Ok(Self { client, types })
    }

    pub(crate) async fn live(&self, kind: &Kind) -> Result<Value> {
        let request = http::Request::get(kind.path()).body(Vec::new())?;
        self.client
            .request(request)
            .await
            .with_context(|| format!("read {}", kind.word))
    }
}

async fn enrolled(plane: &'static ControlPlane) -> Result<Operator> {
    install(plane).await?;
    let operator = Operator::start(plane, OperatorOptions::default()).await?;
    let stage = Stage::set_empty(plane, NAMESPACE).await?;
    for kind in KINDS {
        stage.apply(&kind.object().to_string()).await?;
    }
    let is_placed = || async {
        let pod = stage.get("pod/pod").await?;
        ensure!(pod["spec"]["nodeName"].is_string(), "the pod has no node");
        Ok(())
    };
    eventually(stage::PATIENCE, "the pod has a node", is_placed).await?;
    stage.enrol().await?;
    Ok(operator)
}

/// The steps of a path of members.
pub(crate) fn steps(keys: &[&str]) -> Vec<Step> {
    keys.iter()
        .map(|key| Step::Key((*key).to_owned()))
        .collect()
}

/// A value under a path of members.
pub(crate) fn nest(keys: &[&str], value: Value) -> Value {
    keys.iter()
        .rev()
        .fold(value, |inner, key| json!({ *key: inner }))
}
