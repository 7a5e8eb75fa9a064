//! Readiness: when a control plane can be used.
//!
//! Decides what has to answer before a start is over. Does not know how the programs were started.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::core::v1::{Node, ServiceAccount};
use kube::api::{Api, PostParams};
use serde_json::json;

use super::ControlPlane;
use crate::program::Program;
use crate::user::User;
use crate::wait::eventually;

/// Generous: a loaded machine is no failure.
const START: Duration = Duration::from_secs(90);

impl ControlPlane {
    pub(super) async fn await_apiserver(&self) -> Result<()> {
        let client = self.client(&User::admin()).await?;
        let is_ready = || async {
            let request = axum::http::Request::get("/readyz")
                .body(Vec::new())
                .context("ask for /readyz")?;
            let answer = client.request_text(request).await?;
            ensure!(answer == "ok", "/readyz answers: {answer}");
            Ok(())
        };
        self.while_alive("the API server is ready", is_ready).await
    }

    /// A ready node shows that kwok works, an account that the controllers do.
    pub(super) async fn await_node(&self) -> Result<()> {
        let client = self.client(&User::admin()).await?;
        let nodes: Api<Node> = Api::all(client.clone());
        nodes
            .create(&PostParams::default(), &node()?)
            .await
            .context("create the node")?;
        let accounts: Api<ServiceAccount> = Api::namespaced(client, "default");
        let is_ready = || async {
            accounts
                .get("default")
                .await
                .context("look for the account `default`")?;
            let conditions = nodes
                .get_status("node-0")
                .await?
                .status
                .and_then(|status| status.conditions);
            let is_ready = conditions
                .iter()
                .flatten()
                .any(|it| it.type_ == "Ready" && it.status == "True");
            ensure!(
                is_ready,
                "the node is not ready: {}",
                self.log_tail(Program::Kwok)
            );
            Ok(())
        };
        self.while_alive("node and controllers are ready", is_ready)
            .await
    }

    /// Waits for `check`, or for a program that ended meanwhile, whose last words are the better error.
    async fn while_alive<F, Fut>(&self, what: &str, mut check: F) -> Result<()>
    where
        F: FnMut() -> Fut,
        Fut: Future<Output = Result<()>>,
    {
        let attempt = || {
            let answer = check();
            async move {
                match self.check_alive() {
                    Ok(()) => answer.await.map(Ok),
                    Err(ended) => Ok(Err(ended)),
                }
            }
        };
        eventually(START, what, attempt).await?
    }
}

fn node() -> Result<Node> {
    let labels = json!({
        "kubernetes.io/os": "linux",
        "kubernetes.io/arch": "amd64",
        "kubernetes.io/hostname": "node-0",
    });
    let node = json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "node-0", "labels": labels}});
    serde_json::from_value(node).context("describe the node")
}
