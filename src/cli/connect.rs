//! The connection to a cluster, as kubectl would choose it, under the user's own identity.
//!
//! Knows kubeconfig and flags; does not know what is asked of the API server.

use std::time::Duration;

use anyhow::Context as _;
use http::{HeaderValue, header};
use k8s_openapi::api::authentication::v1::SelfSubjectReview;
use kube::api::{Api, PostParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};

use super::args::Connection;
use crate::api::{Approval, Permit};

/// The field manager of what the plugin writes.
pub(super) const FIELD_MANAGER: &str = "kubectl-permit";
/// How the plugin calls itself in the API server's audit log.
const USER_AGENT: &str = concat!("kubectl-permit/", env!("CARGO_PKG_VERSION"));
/// How long one request may take where no flag says otherwise.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);

/// A cluster and the namespace that is meant.
pub(super) struct Cluster {
    /// For single requests; each ends within the request timeout.
    pub(super) client: Client,
    /// For watches, which may be silent for minutes.
    pub(super) watching: Client,
    /// The namespace of the flag or the context.
    pub(super) namespace: String,
    /// Whether the namespace was asked for by flag, and so wins over a file's.
    pub(super) namespace_given: bool,
}

impl Cluster {
    /// Connects as the flags and the kubeconfig say; inside a pod, as its service account.
    pub(super) async fn connect(flags: &Connection) -> anyhow::Result<Self> {
        let mut config = configuration(flags)
            .await
            .context("choose a cluster from flags and kubeconfig")?;
        let namespace = flags
            .namespace
            .clone()
            .unwrap_or_else(|| config.default_namespace.clone());
        if let Some(user) = &flags.as_user {
            config.auth_info.impersonate = Some(user.clone());
            config.auth_info.impersonate_groups =
                (!flags.as_group.is_empty()).then(|| flags.as_group.clone());
        }
        config
            .headers
            .push((header::USER_AGENT, HeaderValue::from_static(USER_AGENT)));
        // A person waits at the terminal: an error now is worth more than an answer in minutes.
        config.default_retry = false;
        let watching = Client::try_from(config.clone()).context("set up the client")?;
        config.read_timeout = flags
            .request_timeout
            .map_or(Some(REQUEST_TIMEOUT), super::args::Wait::limit);
        let client = Client::try_from(config).context("set up the client")?;
        Ok(Self {
            client,
            watching,
            namespace,
            namespace_given: flags.namespace.is_some(),
        })
    }

    /// The permits of the namespace.
    pub(super) fn permits(&self) -> Api<Permit> {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    /// The approvals of the namespace.
    pub(super) fn approvals(&self) -> Api<Approval> {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    /// This cluster, with another namespace meant.
    pub(super) fn in_namespace(&self, namespace: &str) -> Self {
        Self {
            client: self.client.clone(),
            watching: self.watching.clone(),
            namespace: namespace.to_owned(),
            namespace_given: self.namespace_given,
        }
    }

    /// The username that the API server knows the caller by.
    pub(super) async fn whoami(&self) -> anyhow::Result<String> {
        let reviews: Api<SelfSubjectReview> = Api::all(self.client.clone());
        let review = reviews
            .create(&PostParams::default(), &SelfSubjectReview::default())
            .await
            .context("ask the API server who you are")?;
        let username = review
            .status
            .and_then(|status| status.user_info)
            .and_then(|user| user.username);
        username.context("the API server did not say who you are: see kubectl auth whoami")
    }
}

async fn configuration(flags: &Connection) -> anyhow::Result<Config> {
    let options = KubeConfigOptions {
        context: flags.context.clone(),
        cluster: flags.cluster.clone(),
        user: flags.user.clone(),
    };
    if let Some(path) = &flags.kubeconfig {
        let file = Kubeconfig::read_from(path)
            .with_context(|| format!("read kubeconfig `{}`", path.display()))?;
        return Ok(Config::from_custom_kubeconfig(file, &options).await?);
    }
    let chosen = options.context.is_some() || options.cluster.is_some() || options.user.is_some();
    if chosen {
        Ok(Config::from_kubeconfig(&options).await?)
    } else {
        Ok(Config::infer().await?)
    }
}
