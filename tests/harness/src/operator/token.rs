//! Token: the credential of a ServiceAccount as the kubelet would mount it.
//!
//! Decides how long a token lives and when it is replaced in its file. Does not know who reads the file.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};
use k8s_openapi::api::authentication::v1::{TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::Api;
use kube::api::PostParams;
use tokio::time::sleep;

use crate::background::Background;
use crate::control_plane::client_from;
use crate::workdir::write_private;

/// The shortest life that the API server grants.
const LIFE_SECONDS: i64 = 600;
/// After a failed renewal; the old token still serves for minutes.
const RETRY: Duration = Duration::from_secs(2);

/// Whose token is asked for, and where it goes.
#[derive(Debug, Clone)]
pub(crate) struct Order {
    /// The kubeconfig of the one who asks, in the place of a kubelet.
    pub(crate) kubeconfig: PathBuf,
    /// The namespace of the account.
    pub(crate) namespace: String,
    /// The account.
    pub(crate) account: String,
    /// The file.
    pub(crate) file: PathBuf,
    /// How often it is replaced.
    pub(crate) renewal: Duration,
}

/// Writes a first token and keeps the file fresh until the handle is dropped.
pub(crate) async fn keep(order: Order) -> Result<Background> {
    write(&order).await?;
    Background::start("token", move || async move {
        let mut pause = order.renewal;
        loop {
            sleep(pause).await;
            pause = if write(&order).await.is_ok() {
                order.renewal
            } else {
                RETRY
            };
        }
    })
}

/// Asks for one token, bound to the account, and writes it.
async fn write(order: &Order) -> Result<()> {
    let accounts: Api<ServiceAccount> =
        Api::namespaced(client_from(&order.kubeconfig).await?, &order.namespace);
    let spec = TokenRequestSpec {
        expiration_seconds: Some(LIFE_SECONDS),
        ..TokenRequestSpec::default()
    };
    let request = TokenRequest {
        spec: Some(spec),
        ..TokenRequest::default()
    };
    let granted = accounts
        .create_token_request(&order.account, &PostParams::default(), &request)
        .await;
    let granted = granted.with_context(|| {
        format!(
            "ask for a token of `{}/{}`: are manifests/install applied?",
            order.namespace, order.account
        )
    })?;
    let token = granted.status.and_then(|status| status.token);
    let token = token.context("a token request was answered without a token")?;
    write_private(&order.file, &token)
}
