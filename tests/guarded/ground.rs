//! Ground: the control plane and the operator that all tests here share, and what a refusal by a policy looks like.
//!
//! Decides when policies are in force. Does not know what is refused.

use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use permit_harness::operator::install;
use permit_harness::{ControlPlane, Operator, OperatorOptions, Output, Stage, User, eventually};
use permit_operator::api::facts::{DATA_KEY, Facts, facts_name};
use permit_operator::cluster::policies::NAMES;
use permit_operator::domain::audit::{Record, verify};
use permit_operator::ledger::{Range, export_from};
use serde_json::Value;
use tokio::sync::{OnceCell, RwLock, RwLockReadGuard, RwLockWriteGuard};

pub(crate) use permit_harness::stage::PATIENCE;

const PEOPLE: &str = include_str!("people.yaml");

static GROUND: OnceCell<Ground> = OnceCell::const_new();
/// Held to read by who keeps to namespaces of its own, and to write by who strikes at everybody.
static TURN: RwLock<()> = RwLock::const_new(());
static MARKERS: AtomicUsize = AtomicUsize::new(0);

/// Everything that is shared.
pub(crate) struct Ground {
    pub(crate) plane: &'static ControlPlane,
    pub(crate) operator: Operator,
}

/// The ground, beside others.
pub(crate) async fn shared() -> Result<(&'static Ground, RwLockReadGuard<'static, ()>)> {
    let turn = TURN.read().await;
    Ok((Ground::start_once().await?, turn))
}

/// The ground, with nobody else on it.
pub(crate) async fn alone() -> Result<(&'static Ground, RwLockWriteGuard<'static, ()>)> {
    let turn = TURN.write().await;
    Ok((Ground::start_once().await?, turn))
}

impl Ground {
    async fn start_once() -> Result<&'static Self> {
        GROUND
            .get_or_try_init(|| async {
                let plane = ControlPlane::shared().await?;
                install(plane).await?;
                Stage::at(plane, "default").apply(PEOPLE).await?;
                let operator = Operator::start(plane, OperatorOptions::default()).await?;
                let ground = Self { plane, operator };
                ground.in_force().await?;
                Ok(ground)
            })
            .await
    }

    /// A stage in an enrolled namespace.
    pub(crate) async fn enrolled(&self, namespace: &str) -> Result<Stage<'static>> {
        let stage = Stage::set(self.plane, namespace).await?;
        stage.enrol().await?;
        Ok(stage)
    }

    /// kubectl, wherever.
    pub(crate) async fn kubectl(
        &self,
        user: &User,
        line: &str,
        stdin: Option<&str>,
    ) -> Result<Output> {
        let words: Vec<&str> = line.split(' ').collect();
        self.plane.kubectl(user, &words, stdin).await
    }

    /// kubectl that has to pass.
    pub(crate) async fn passes(
        &self,
        user: &User,
        line: &str,
        stdin: Option<&str>,
    ) -> Result<String> {
        let output = self.kubectl(user, line, stdin).await?;
        output
            .ok()
            .with_context(|| format!("{}: {line}", user.name()))
    }

    /// kubectl that a policy has to refuse, with 403 and one line that holds `said`.
    pub(crate) async fn refuses(
        &self,
        user: &User,
        (line, stdin): (&str, Option<&str>),
        said: &str,
    ) -> Result<()> {
        let output = self.kubectl(user, line, stdin).await?;
        let told = &output.stderr;
        ensure!(
            !output.is_success() && told.contains("ValidatingAdmissionPolicy"),
            "{}: {line}: not refused by a policy: {output:?}",
            user.name()
        );
        ensure!(
            told.contains("orbidden") && told.contains(said),
            "{}: {line}: not told `{said}`: {told}",
            user.name()
        );
        Ok(())
    }

    /// Returns when every policy stands and the API server asks it. What it knows in turn it shows by one more policy,
    /// made after all others: once that one refuses, so do the others.
    pub(crate) async fn in_force(&self) -> Result<()> {
        for kind in [
            "validatingadmissionpolicies",
            "validatingadmissionpolicybindings",
        ] {
            let line = format!("get {kind} -o name {}", NAMES.join(" "));
            let stand = || async { self.passes(&User::admin(), &line, None).await.map(drop) };
            eventually(PATIENCE, &format!("all {kind} stand"), stand).await?;
        }
        self.caught_up().await
    }

    /// Returns when the API server has taken in every change to policies and bindings so far.
    pub(crate) async fn caught_up(&self) -> Result<()> {
        let name = format!("marker-{}", MARKERS.fetch_add(1, Ordering::Relaxed));
        let marker = format!(
            "apiVersion: admissionregistration.k8s.io/v1\nkind: ValidatingAdmissionPolicy\nmetadata: {{name: {name}}}\nspec:\n\
             \x20 matchConstraints: {{resourceRules: [{{apiGroups: [''], apiVersions: [v1], operations: [CREATE], resources: [configmaps]}}]}}\n\
             \x20 validations: [{{expression: \"object.metadata.name != '{name}'\", message: caught up}}]\n---\n\
             apiVersion: admissionregistration.k8s.io/v1\nkind: ValidatingAdmissionPolicyBinding\nmetadata: {{name: {name}}}\n\
             spec: {{policyName: {name}, validationActions: [Deny]}}\n"
        );
        let admin = User::admin();
        self.passes(&admin, "create -f -", Some(&marker)).await?;
        let try_it = format!("create configmap {name} -n default --dry-run=server");
        let refused = || async {
            let output = self.kubectl(&admin, &try_it, None).await?;
            ensure!(output.stderr.contains("caught up"), "{output:?}");
            Ok(())
        };
        eventually(PATIENCE, "the API server has caught up", refused).await?;
        let gone = format!(
            "delete validatingadmissionpolicybinding/{name} validatingadmissionpolicy/{name}"
        );
        self.passes(&admin, &gone, None).await.map(drop)
    }

    /// Any object, as the administrator sees it.
    pub(crate) async fn get(&self, what: &str) -> Result<Value> {
        let text = self
            .passes(&User::admin(), &format!("get {what} -o json"), None)
            .await?;
        serde_json::from_str(&text).with_context(|| format!("read {what}"))
    }

    /// The label of the gate that the operator remembers of a namespace.
    pub(crate) async fn remembered(&self, namespace: &str) -> Result<String> {
        let secrets: Api<Secret> =
            Api::namespaced(self.plane.client(&User::admin()).await?, "permit-system");
        let found = secrets.get(&facts_name(namespace)).await?;
        let data = found.data.and_then(|mut data| data.remove(DATA_KEY));
        let facts: Facts = serde_json::from_slice(&data.context("the facts are empty")?.0)?;
        Ok(facts.enrolment.context("nothing is remembered")?.gate)
    }

    /// Every record of the operator so far, verified.
    pub(crate) async fn records(&self) -> Result<Vec<Record>> {
        let mut bytes = Vec::new();
        export_from(self.operator.data_dir(), &mut bytes, Range::default())
            .await
            .context("export the ledger")?;
        verify(&bytes, None).context("verify the exported chain")?;
        let text = String::from_utf8(bytes).context("read the export")?;
        let lines = text.lines();
        Ok(lines
            .filter_map(|line| serde_json::from_str(line).ok())
            .collect())
    }
}

/// The operator's own account, as somebody who stole its credential has it.
pub(crate) fn thief() -> User {
    User::new("system:serviceaccount:permit-system:permit-operator", &[])
}

/// Runs a test's body; where it fails, the operator's last words are shown with it.
pub(crate) async fn told<F: Future<Output = Result<()>>>(body: F) -> Result<()> {
    body.await.map_err(|error| match GROUND.get() {
        Some(ground) => error.context(format!(
            "the operator's log ends so:\n{}",
            ground.operator.log_tail()
        )),
        None => error,
    })
}
