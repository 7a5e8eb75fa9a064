//! Trial: one Deployment from its first denial to a permitted image change.
//!
//! Decides the steps and what has to come of each, with real people and real kubectl. Does not know how the steps
//! are shown, nor how many trials run.

use std::cell::Cell;

use anyhow::{Context, Result, bail, ensure};
use kube::api::{Api, ApiResource, DynamicObject, GroupVersionKind};
use permit_harness::{ControlPlane, Output, Stage, User, eventually, stage};
use serde_json::{Value, json};

use crate::found::Found;
use crate::needs;
use crate::result::Results;
use crate::variant::{images, renamed, with_env, with_tag};

const TEMPLATE: &str = include_str!("template.yaml");
/// The permits of a trial, in their order.
const FIRST: &str = "first";
const NEXT: &str = "next";
/// The phases that nothing follows.
const ENDS: [&str; 5] = ["Closed", "Rejected", "Expired", "Revoked", "Cancelled"];

/// Installs the template that every trial uses.
pub(crate) async fn install_template(plane: &ControlPlane) -> Result<()> {
    Stage::at(plane, "default").apply(TEMPLATE).await
}

/// Runs all steps in a namespace of the trial's own; the first surprise ends it.
pub(crate) async fn run(plane: &ControlPlane, found: &Found, number: usize) -> Results {
    let file = found
        .file
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    let mut results = Results::of(&found.name, file);
    let namespace = format!("corpus-{number}");
    let mut trial = None;
    results
        .step("an enrolled namespace", async {
            trial = Some(Trial::prepare(plane, found, &namespace).await?);
            Ok(namespace.clone())
        })
        .await;
    if let Some(trial) = trial {
        trial.create(&mut results).await;
        trial.change(&mut results).await;
        results.asked_again(trial.again.get());
    }
    results
}

struct Trial<'a> {
    stage: Stage<'a>,
    client: kube::Client,
    found: &'a Found,
    alice: User,
    /// The manifest with the image that the second permit is for.
    next: Value,
    /// How often the gate asked to be asked again.
    again: Cell<usize>,
}

impl<'a> Trial<'a> {
    async fn prepare(plane: &'a ControlPlane, found: &'a Found, namespace: &str) -> Result<Self> {
        let stage = Stage::set_empty(plane, namespace).await?;
        if let Some(needs) = needs::of(&found.manifest, namespace) {
            stage.apply(&needs.to_string()).await?;
        }
        stage.enrol().await?;
        Ok(Self {
            stage,
            client: plane.client(&User::admin()).await?,
            alice: User::person("alice"),
            next: with_tag(&found.manifest, "corpus-2"),
            again: Cell::new(0),
            found,
        })
    }

    /// From nothing to a rolled out workload, by a permit that names its images.
    async fn create(&self, results: &mut Results) {
        let manifest = &self.found.manifest;
        let second_image = with_tag(manifest, "corpus-9");
        let env = with_env(manifest);
        let other = renamed(manifest, "corpus-other");
        results
            .step(
                "create without a permit: denied",
                self.denied(manifest, "PermitRequired"),
            )
            .await;
        results
            .step(
                "a permit that names its images: issued",
                self.permit_creation(),
            )
            .await;
        results
            .step(
                "create with another image: denied",
                self.denied(&second_image, "PermitScope"),
            )
            .await;
        results
            .step(
                "create of another Deployment: denied",
                self.denied(&other, "PermitRequired"),
            )
            .await;
        results
            .step("create: admitted", self.admitted(manifest))
            .await;
        results
            .step(
                "an env change under it: denied",
                self.denied(&env, "PermitScope"),
            )
            .await;
        results
            .step("rolled out, permit closed", self.closes(FIRST))
            .await;
        results
            .step(
                "the same applied again: admitted",
                self.admitted_again(manifest),
            )
            .await;
    }

    /// The next permit admits one image change, and nothing beside it.
    async fn change(&self, results: &mut Results) {
        let second_image = with_tag(&self.found.manifest, "corpus-9");
        let env = with_env(&self.next);
        let other = renamed(&self.next, "corpus-other");
        results
            .step(
                "image change without a permit: denied",
                self.denied(&self.next, "Permit"),
            )
            .await;
        results
            .step(
                "`permit request -f` names the image: issued",
                self.permit_change(),
            )
            .await;
        results
            .step(
                "a second image: denied",
                self.denied(&second_image, "PermitScope"),
            )
            .await;
        results
            .step("an env change: denied", self.denied(&env, "PermitScope"))
            .await;
        results
            .step(
                "another Deployment: denied",
                self.denied(&other, "PermitRequired"),
            )
            .await;
        results
            .step("image change: admitted", self.admitted(&self.next))
            .await;
        results
            .step("rolled out, permit closed", self.closes(NEXT))
            .await;
        results
            .step(
                "the same applied again: admitted",
                self.admitted_again(&self.next),
            )
            .await;
    }

    /// kubectl as somebody. A gate that cannot decide says that nothing was changed and to try again, which is what
    /// people do; the trial goes on, and it is a surprise all the same.
    async fn kubectl(&self, user: &User, args: &[&str], stdin: Option<&str>) -> Result<Output> {
        let attempt = || async {
            let output = self.stage.kubectl(user, args, stdin).await?;
            if output.stderr.contains("GateUnavailable") {
                self.again.set(self.again.get() + 1);
                bail!("{}", output.stderr);
            }
            Ok(output)
        };
        eventually(stage::PATIENCE, "the gate decides", attempt).await
    }

    async fn apply(&self, manifest: &Value) -> Result<Output> {
        let (apply, manifest) = (["apply", "-f", "-"], manifest.to_string());
        self.kubectl(&self.alice, &apply, Some(&manifest)).await
    }

    async fn denied(&self, manifest: &Value, word: &str) -> Result<String> {
        let output = self.apply(manifest).await?;
        ensure!(!output.is_success(), "it was admitted: {}", output.stdout);
        let line = output
            .stderr
            .lines()
            .find(|line| line.contains("denied the request"));
        let line = line.with_context(|| format!("not refused by the gate: {}", output.stderr))?;
        let reason = line.rsplit("denied the request: ").next().unwrap_or(line);
        ensure!(
            reason.starts_with(word),
            "refused for another reason than {word}: {}",
            output.stderr
        );
        Ok(reason.split(':').next().unwrap_or(reason).to_owned())
    }

    async fn admitted(&self, manifest: &Value) -> Result<String> {
        Ok(self.apply(manifest).await?.ok()?.trim().to_owned())
    }

    /// Server-side, because kubectl alone would find nothing to send.
    async fn admitted_again(&self, manifest: &Value) -> Result<String> {
        let apply = ["apply", "--server-side", "--force-conflicts", "-f", "-"];
        let output = self
            .kubectl(&self.alice, &apply, Some(&manifest.to_string()))
            .await?;
        Ok(output.ok()?.trim().to_owned())
    }

    async fn permit_creation(&self) -> Result<String> {
        let images = images(&self.found.manifest);
        let permit = json!({"apiVersion": "permits.dev/v1alpha1", "kind": "Permit", "metadata": {"name": FIRST},
            "spec": {"template": "corpus", "purpose": "create it", "targets": [{"name": self.found.name, "images": images}]}});
        let (apply, permit) = (["apply", "-f", "-"], permit.to_string());
        self.kubectl(&self.alice, &apply, Some(&permit))
            .await?
            .ok()?;
        self.issued(FIRST).await?;
        Ok(format!("{} images", images.len()))
    }

    /// The plugin works out what the file would change.
    async fn permit_change(&self) -> Result<String> {
        let request = [
            "permit",
            "request",
            "-f",
            "-",
            "--name",
            NEXT,
            "--template",
            "corpus",
            "--purpose",
            "next image",
        ];
        self.kubectl(&self.alice, &request, Some(&self.next.to_string()))
            .await?
            .ok()?;
        let permit = self.issued(NEXT).await?;
        let target = permit
            .pointer("/spec/targets/0")
            .cloned()
            .unwrap_or_default();
        let image = self.next.pointer("/spec/template/spec/containers/0/image");
        let named = target.get("images").and_then(Value::as_object);
        let is_exact = named.is_some_and(|i| i.len() == 1 && i.values().next() == image);
        ensure!(
            is_exact && target.get("operations").is_none(),
            "it asks for more than one image: {target}"
        );
        Ok(image.and_then(Value::as_str).unwrap_or_default().to_owned())
    }

    /// bob approves; returns the permit once it is issued.
    async fn issued(&self, name: &str) -> Result<Value> {
        let approve = [
            "permit",
            "approve",
            name,
            "--role",
            "tech-lead",
            "--reason",
            "reviewed",
        ];
        self.kubectl(&User::person("bob"), &approve, None)
            .await?
            .ok()?;
        self.reaches(name, "Issued").await
    }

    async fn closes(&self, permit: &str) -> Result<String> {
        let closed = self.reaches(permit, "Closed").await?;
        let status = part(&closed, "/status");
        ensure!(
            part(&closed, "/status/outcome") == "Succeeded",
            "it ended as {status}"
        );
        let live = self.get("apps/v1", "Deployment", &self.found.name).await?;
        let count = |path| part(&live, path).as_i64().unwrap_or_default();
        let wanted = count("/spec/replicas");
        for ready in ["/status/updatedReplicas", "/status/availableReplicas"] {
            ensure!(
                count(ready) == wanted,
                "closed before it was rolled out: {}",
                part(&live, "/status")
            );
        }
        Ok(format!("{wanted} of {wanted} available"))
    }

    /// Waits for a phase; a permit that ends otherwise is a surprise at once.
    async fn reaches(&self, name: &str, wanted: &str) -> Result<Value> {
        let look = || async {
            let permit = self.get("permits.dev/v1alpha1", "Permit", name).await?;
            let phase = part(&permit, "/status/phase")
                .as_str()
                .unwrap_or_default()
                .to_owned();
            if phase == wanted || ENDS.contains(&phase.as_str()) {
                return Ok((permit, phase));
            }
            bail!("it is at {phase}: {}", part(&permit, "/status/summary"))
        };
        let what = format!("permit {name} reaches {wanted}");
        let (permit, phase) = eventually(stage::PATIENCE, &what, look).await?;
        ensure!(phase == wanted, "it ended as {}", part(&permit, "/status"));
        Ok(permit)
    }

    /// Any object of the namespace, by a client: polling with kubectl would take the machine.
    async fn get(&self, version: &str, kind: &str, name: &str) -> Result<Value> {
        let (group, version) = version
            .split_once('/')
            .context("a version without a group")?;
        let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind));
        let api: Api<DynamicObject> =
            Api::namespaced_with(self.client.clone(), self.stage.namespace(), &resource);
        Ok(serde_json::to_value(api.get(name).await?)?)
    }
}

/// A part of an object; null where it is missing.
fn part<'v>(object: &'v Value, pointer: &str) -> &'v Value {
    object.pointer(pointer).unwrap_or(&Value::Null)
}
