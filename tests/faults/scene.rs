//! Scene: one change under a permit, played by API calls so that many fit into a test.
//!
//! Decides what people do, and that they try again while the gate is away. Does not know what strikes meanwhile.

use anyhow::{Context, Result, bail, ensure};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{Namespace, Secret};
use k8s_openapi::api::rbac::v1::RoleBinding;
use kube::api::{Api, ListParams, Patch, PatchParams, PostParams};
use kube::{Client, ResourceExt};
use permit_harness::{ControlPlane, User, eventually};
use permit_operator::api::facts::{DATA_KEY, Facts, facts_name};
use permit_operator::api::vocabulary::{Outcome, Phase};
use permit_operator::api::{Approval, Permit};
use serde_json::{Value, json};

use crate::ground::PATIENCE;

/// The image that runs before.
pub(crate) const GOOD: &str = "shop/checkout:1.4.2";
/// The image that is permitted.
pub(crate) const NEXT: &str = "shop/checkout:1.6.0";

/// One namespace with its workload, and those who act in it.
pub(crate) struct Scene {
    pub(crate) namespace: String,
    admin: Client,
    alice: Client,
    bob: Client,
}

impl Scene {
    /// Sets up an enrolled namespace; returns before anything in it is ready. The roles of the stage must exist.
    pub(crate) async fn set(plane: &ControlPlane, namespace: &str) -> Result<Self> {
        let scene = Self {
            namespace: namespace.to_owned(),
            admin: plane.client(&User::admin()).await?,
            alice: plane.client(&User::person("alice")).await?,
            bob: plane.client(&User::person("bob")).await?,
        };
        let made: Namespace = of(json!({"metadata": {"name": namespace}}))?;
        let admin = || scene.admin.clone();
        Api::all(admin())
            .create(&PostParams::default(), &made)
            .await?;
        for (name, role, person) in [
            ("developers", "stage-developer", "alice@example.com"),
            ("tech-leads", "stage-tech-lead", "bob@example.com"),
        ] {
            let binding: RoleBinding = of(json!({
                "metadata": {"name": name},
                "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role},
                "subjects": [{"kind": "User", "apiGroup": "rbac.authorization.k8s.io", "name": person}],
            }))?;
            let bindings: Api<RoleBinding> = Api::namespaced(admin(), namespace);
            bindings.create(&PostParams::default(), &binding).await?;
        }
        let workload: Deployment = of(json!({
            "metadata": {"name": "checkout"},
            "spec": {
                "replicas": 1,
                "selector": {"matchLabels": {"app": "checkout"}},
                "template": {
                    "metadata": {"labels": {"app": "checkout"}},
                    "spec": {"containers": [{"name": "checkout", "image": GOOD}]},
                },
            },
        }))?;
        scene
            .deployments(&scene.admin)
            .create(&PostParams::default(), &workload)
            .await?;
        Ok(scene)
    }

    /// Enrols it once its workload is rolled out, so that the baseline is what runs.
    pub(crate) async fn enrol(&self) -> Result<()> {
        self.rolled_out().await?;
        let labels = json!({"metadata": {"labels": {"permits.dev/gate": "enforce", "permits.dev/environment": "production"}}});
        let namespaces: Api<Namespace> = Api::all(self.admin.clone());
        let params = PatchParams::default();
        namespaces
            .patch(&self.namespace, &params, &Patch::Merge(labels))
            .await?;
        let is_enrolled = || async { self.facts().await.map(drop) };
        eventually(PATIENCE, "the namespace is enrolled", is_enrolled).await
    }

    async fn rolled_out(&self) -> Result<()> {
        let look = || async {
            let status = self.workload().await?.status.unwrap_or_default();
            ensure!(status.available_replicas == Some(1), "not available yet");
            Ok(())
        };
        eventually(PATIENCE, "the workload is rolled out", look).await
    }

    fn deployments(&self, who: &Client) -> Api<Deployment> {
        Api::namespaced(who.clone(), &self.namespace)
    }

    fn permits(&self, who: &Client) -> Api<Permit> {
        Api::namespaced(who.clone(), &self.namespace)
    }

    /// alice asks for [`NEXT`] under a template, as often as it takes.
    pub(crate) async fn request(&self, permit: &str, template: &str) -> Result<()> {
        let asked: Permit = of(json!({
            "metadata": {"name": permit},
            "spec": {
                "template": template,
                "purpose": "roll out checkout",
                "targets": [{"name": "checkout", "images": {"checkout": NEXT}}],
            },
        }))?;
        let create = || async {
            created(
                self.permits(&self.alice)
                    .create(&PostParams::default(), &asked)
                    .await,
            )
        };
        eventually(PATIENCE, "alice requests the permit", create).await
    }

    /// bob approves what is asked now, as often as it takes.
    pub(crate) async fn approve(&self, permit: &str) -> Result<()> {
        let approvals: Api<Approval> = Api::namespaced(self.bob.clone(), &self.namespace);
        let create = || async {
            let asked = self.permit(permit).await?.status.unwrap_or_default();
            let digest = asked.digest.context("the permit has no digest yet")?;
            let approval: Approval = of(json!({
                "metadata": {"name": format!("{permit}.bob")},
                "spec": {
                    "permitRef": {"name": permit, "digest": digest},
                    "decision": "Approve", "role": "tech-lead", "reasoning": "reviewed",
                },
            }))?;
            created(approvals.create(&PostParams::default(), &approval).await)
        };
        eventually(PATIENCE, "bob approves", create).await
    }

    /// alice sets the image of the workload, once.
    pub(crate) async fn set_image(&self, image: &str) -> Result<Deployment, kube::Error> {
        let change = json!({"spec": {"template": {"spec": {"containers": [{"name": "checkout", "image": image}]}}}});
        let params = PatchParams::default();
        self.deployments(&self.alice)
            .patch("checkout", &params, &Patch::Strategic(change))
            .await
    }

    /// alice rolls out [`NEXT`], as often as it takes.
    pub(crate) async fn roll_out(&self) -> Result<()> {
        let set = || async {
            self.set_image(NEXT)
                .await
                .map(drop)
                .context("set the image")
        };
        eventually(PATIENCE, "alice rolls out", set).await
    }

    /// The permit.
    pub(crate) async fn permit(&self, permit: &str) -> Result<Permit> {
        self.permits(&self.admin)
            .get(permit)
            .await
            .context("get the permit")
    }

    /// Waits until the permit is in a phase; one that has come to rest elsewhere is an error at once.
    pub(crate) async fn reaches(&self, permit: &str, wanted: Phase) -> Result<Permit> {
        let look = || async {
            let found = self.permit(permit).await?;
            let status = found.status.clone().unwrap_or_default();
            if status.phase == Some(wanted) {
                return Ok(Ok(found));
            }
            let told = format!("{:?}: {}", status.phase, status.summary.message);
            if status.outcome.is_some() {
                return Ok(Err(told));
            }
            bail!("it is at {told}")
        };
        let reached = eventually(PATIENCE, &format!("{permit} reaches {wanted}"), look).await?;
        reached.map_err(|told| anyhow::anyhow!("{permit} came to rest before {wanted}: {told}"))
    }

    /// Waits until the permit's first check has a verdict.
    pub(crate) async fn is_judged(&self, permit: &str, verdict: &str) -> Result<()> {
        let look = || async {
            let status = self.permit(permit).await?.status.unwrap_or_default();
            let found = status.checks.first().map(|check| check.verdict.clone());
            ensure!(
                found.as_deref() == Some(verdict),
                "the check says {found:?}: {}",
                status.summary.message
            );
            Ok(())
        };
        eventually(PATIENCE, &format!("{permit} is judged {verdict}"), look).await
    }

    /// Waits until the permit is at rest, in the facts as in the status.
    pub(crate) async fn rests(&self, permit: &str, wanted: Outcome) -> Result<Permit> {
        let look = || async {
            let found = self.permit(permit).await?;
            let status = found.status.clone().unwrap_or_default();
            ensure!(
                status.outcome == Some(wanted),
                "it is at {:?}/{:?}: {}",
                status.phase,
                status.outcome,
                status.summary.message
            );
            let (facts, uid) = (self.facts().await?, found.uid().unwrap_or_default());
            ensure!(
                facts.spent.contains_key(&uid) && !facts.armed.contains_key(&uid),
                "not settled yet"
            );
            Ok(found)
        };
        eventually(PATIENCE, &format!("{permit} rests as {wanted}"), look).await
    }

    /// The workload as it is.
    pub(crate) async fn workload(&self) -> Result<Deployment> {
        self.deployments(&self.admin)
            .get("checkout")
            .await
            .context("get the workload")
    }

    /// The names of the approvals that revoke something here.
    pub(crate) async fn revocations(&self) -> Result<Vec<String>> {
        let approvals: Api<Approval> = Api::namespaced(self.admin.clone(), &self.namespace);
        let all = approvals.list(&ListParams::default()).await?;
        let revokes = |a: &&Approval| a.spec.decision.to_string() == "Revoke";
        Ok(all
            .iter()
            .filter(revokes)
            .map(ResourceExt::name_any)
            .collect())
    }

    /// What the operator keeps about the namespace.
    pub(crate) async fn facts(&self) -> Result<Facts> {
        let secrets: Api<Secret> = Api::namespaced(self.admin.clone(), "permit-system");
        let found = secrets
            .get(&facts_name(&self.namespace))
            .await
            .context("get the facts")?;
        let data = found.data.and_then(|mut data| data.remove(DATA_KEY));
        serde_json::from_slice(&data.context("the facts are empty")?.0).context("read the facts")
    }
}

/// Anything typed, from JSON.
fn of<T: serde::de::DeserializeOwned>(value: Value) -> Result<T> {
    serde_json::from_value(value).context("describe an object")
}

/// What exists already was created by a try whose answer was lost.
fn created<T>(answer: kube::Result<T>) -> Result<()> {
    match answer {
        Err(kube::Error::Api(status)) if status.is_already_exists() => Ok(()),
        other => other.map(drop).context("create"),
    }
}
