//! Stage: an enrolled namespace with people, roles, a template and a workload, as demo and tests need it.
//!
//! Decides who holds which role, and what a permit and an approval of the example look like. Does not know what is
//! played on it.

mod manifests;

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::control_plane::ControlPlane;
use crate::process::Output;
use crate::user::User;
use crate::wait::eventually;

pub use manifests::{QUICK_TEMPLATE, approval, deployment, permit, template};

/// How long anything on a stage may take on a machine that others use too.
pub const PATIENCE: Duration = Duration::from_mins(3);

/// A namespace with the Deployment `checkout`: alice deploys and asks, bob and carol are tech-leads.
#[derive(Clone)]
pub struct Stage<'a> {
    plane: &'a ControlPlane,
    namespace: String,
}

impl<'a> Stage<'a> {
    /// Sets the stage; returns when the workload's first rollout is complete. Not enrolled yet.
    pub async fn set(plane: &'a ControlPlane, namespace: &str) -> Result<Self> {
        let stage = Self::set_empty(plane, namespace).await?;
        stage.apply(&deployment(namespace, "1.4.2")).await?;
        stage.await_rollout().await?;
        Ok(stage)
    }

    /// Sets a stage with its people and without a workload. Not enrolled yet.
    pub async fn set_empty(plane: &'a ControlPlane, namespace: &str) -> Result<Self> {
        let stage = Self::at(plane, namespace);
        stage.apply(&manifests::people()).await?;
        stage.apply(&manifests::namespace(namespace)).await?;
        Ok(stage)
    }

    /// A stage that was set before.
    pub fn at(plane: &'a ControlPlane, namespace: &str) -> Self {
        Self {
            plane,
            namespace: namespace.to_owned(),
        }
    }

    /// The namespace.
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// The control plane.
    pub fn plane(&self) -> &'a ControlPlane {
        self.plane
    }

    /// Installs the template of quick changes and enrols the namespace as production; returns when the operator has
    /// taken both in.
    pub async fn enrol(&self) -> Result<()> {
        self.apply(QUICK_TEMPLATE).await?;
        let labels = [
            "label",
            "--overwrite",
            "namespace",
            &self.namespace,
            "permits.dev/gate=enforce",
            "permits.dev/environment=production",
        ];
        self.plane
            .kubectl(&User::admin(), &labels, None)
            .await?
            .ok()?;
        self.await_enrolment().await
    }

    /// Makes somebody a tech-lead of this namespace beside bob and carol.
    pub async fn make_tech_lead(&self, user: &User) -> Result<()> {
        let yaml = manifests::tech_lead(&self.namespace, user.name());
        self.apply(&yaml).await
    }

    /// Waits until the operator has recorded the namespace's baselines and the template's content.
    pub async fn await_enrolment(&self) -> Result<()> {
        let facts = format!("secret/permit-facts-{}", self.namespace);
        let look = || async {
            for (what, wanted) in [
                (facts.as_str(), "permit-facts-"),
                ("configmaps", "permit-template-"),
                (
                    "validatingwebhookconfigurations/gate.permits.dev",
                    "gate.permits.dev",
                ),
            ] {
                let get = ["get", what, "-n", "permit-system", "-o", "name"];
                let found = self.plane.kubectl(&User::admin(), &get, None).await?.ok()?;
                ensure!(found.contains(wanted), "no {wanted} yet among {what}");
            }
            Ok(())
        };
        eventually(PATIENCE, "the namespace is enrolled", look).await
    }

    /// kubectl in this namespace.
    pub async fn kubectl(&self, user: &User, args: &[&str], stdin: Option<&str>) -> Result<Output> {
        let mut all = args.to_vec();
        all.extend(["-n", &self.namespace]);
        self.plane.kubectl(user, &all, stdin).await
    }

    /// Applies YAML as the administrator.
    pub async fn apply(&self, yaml: &str) -> Result<()> {
        let apply = ["apply", "--server-side", "--force-conflicts", "-f", "-"];
        self.plane
            .kubectl(&User::admin(), &apply, Some(yaml))
            .await?
            .ok()
            .map(drop)
    }

    /// `kubectl set image` of the workload.
    pub async fn set_image(&self, user: &User, tag: &str) -> Result<Output> {
        let image = format!("checkout=shop/checkout:{tag}");
        self.kubectl(user, &["set", "image", "deploy/checkout", &image], None)
            .await
    }

    /// The image that the workload's template names now.
    pub async fn image(&self) -> Result<String> {
        let found = self.get("deploy/checkout").await?;
        let image = found.pointer("/spec/template/spec/containers/0/image");
        let image = image
            .and_then(Value::as_str)
            .context("checkout has no image")?;
        Ok(image.to_owned())
    }

    /// Any object of this namespace, as the administrator sees it.
    pub async fn get(&self, what: &str) -> Result<Value> {
        let get = ["get", what, "-o", "json"];
        let text = self.kubectl(&User::admin(), &get, None).await?.ok()?;
        serde_json::from_str(&text).with_context(|| format!("read {what}"))
    }

    /// alice asks for `tag` under the quick template, bob approves; returns when it is issued.
    pub async fn issue(&self, name: &str, tag: &str) -> Result<()> {
        self.request(&permit(name, "quick-deployment", tag)).await?;
        self.approve(name, "bob").await?;
        self.reaches(name, "Issued").await.map(drop)
    }

    /// Applies a permit as alice.
    pub async fn request(&self, yaml: &str) -> Result<()> {
        let apply = ["apply", "-f", "-"];
        self.kubectl(&User::person("alice"), &apply, Some(yaml))
            .await?
            .ok()
            .map(drop)
    }

    /// Approves what a permit asks for now, as a tech-lead.
    pub async fn approve(&self, name: &str, who: &str) -> Result<()> {
        let permit = self.reaches(name, "InReview").await?;
        let digest = permit.pointer("/status/digest").and_then(Value::as_str);
        let yaml = approval(name, who, digest.unwrap_or_default());
        let apply = ["apply", "-f", "-"];
        self.kubectl(&User::person(who), &apply, Some(&yaml))
            .await?
            .ok()
            .map(drop)
    }

    /// Waits until a permit's phase, or its outcome, is `wanted`; returns the permit.
    pub async fn reaches(&self, name: &str, wanted: &str) -> Result<Value> {
        let what = format!("permit/{name}");
        let look = || async {
            let permit = self.get(&what).await?;
            let text = |path: &str| {
                permit
                    .pointer(path)
                    .and_then(Value::as_str)
                    .unwrap_or_default()
            };
            let (phase, outcome) = (text("/status/phase"), text("/status/outcome"));
            ensure!(
                phase == wanted || outcome == wanted,
                "it is at {phase}/{outcome}: {}",
                text("/status/summary/message")
            );
            Ok(permit)
        };
        eventually(PATIENCE, &format!("permit {name} reaches {wanted}"), look).await
    }

    /// Waits until the workload's rollout is complete.
    pub async fn await_rollout(&self) -> Result<()> {
        let status = ["rollout", "status", "deploy/checkout", "--timeout=170s"];
        self.kubectl(&User::admin(), &status, None)
            .await?
            .ok()
            .map(drop)
    }
}
