//! The way to the API server: one client, and a deadline on every call.
//!
//! kube's own retries last minutes and its reads wait for ever; neither may happen in a gate. Watches live longer than
//! any call, so the deadline is put on each call and not on the connection. Knows nothing of what is read or written.

use http::{HeaderValue, header};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::core::Status;
use kube::{Client, Config};
use std::path::Path;
use std::time::Duration;

/// The longest that one call to the API server may take.
pub const CALL_LIMIT: Duration = Duration::from_secs(5);
const CONNECT_LIMIT: Duration = Duration::from_secs(3);

/// A call that failed. What it was for is said by whoever made it.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// No answer in time.
    #[error("no answer from the API server within {0:?}; it is tried again")]
    Late(Duration),
    /// The API server, or the way to it, answered with an error.
    #[error(transparent)]
    Failed(Box<kube::Error>),
}

impl CallError {
    /// Did somebody else write first, or create it first?
    pub fn is_conflict(&self) -> bool {
        self.code() == Some(409)
    }

    /// Is there an object of that name already?
    pub fn is_already_exists(&self) -> bool {
        self.status()
            .is_some_and(|status| status.code == 409 && status.reason == "AlreadyExists")
    }

    /// Does the API server find the object itself wrong?
    pub fn is_invalid(&self) -> bool {
        matches!(self.code(), Some(400 | 422))
    }

    /// Does the API server say which fields are wrong? A patch whose `test` fails is invalid, and no field is.
    pub fn names_fields(&self) -> bool {
        self.status()
            .and_then(|status| status.details.as_ref())
            .is_some_and(|details| !details.causes.is_empty())
    }

    /// Is the object gone, or was it never there?
    pub fn is_not_found(&self) -> bool {
        self.code() == Some(404)
    }

    /// Was it refused?
    pub fn is_forbidden(&self) -> bool {
        self.code() == Some(403)
    }

    /// Is the same call worth another try without any change to it?
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Late(_) => true,
            Self::Failed(_) => self.code().is_none_or(|code| code == 429 || code >= 500),
        }
    }

    fn code(&self) -> Option<u16> {
        self.status().map(|status| status.code)
    }

    fn status(&self) -> Option<&Status> {
        let Self::Failed(source) = self else {
            return None;
        };
        let kube::Error::Api(status) = source.as_ref() else {
            return None;
        };
        Some(status)
    }
}

/// Why there is no client.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The file cannot be used.
    #[error("kubeconfig `{path}` cannot be used; check `--kubeconfig`: {source}")]
    Kubeconfig {
        /// The file.
        path: String,
        /// Why.
        #[source]
        source: Box<kube::config::KubeconfigError>,
    },
    /// We do not run in a pod.
    #[error("no service account of a pod was found; outside a cluster give `--kubeconfig`: {0}")]
    InCluster(#[source] kube::config::InClusterError),
    /// TLS or authentication could not be prepared.
    #[error("the client for the API server cannot be made: {0}")]
    Client(#[source] Box<kube::Error>),
}

/// Chooses the one TLS implementation of the process. Called first in every `main`; a second call changes nothing.
pub fn install_crypto() {
    // An error says only that one is installed already.
    drop(rustls::crypto::ring::default_provider().install_default());
}

/// A client from the kubeconfig file, or from the pod's service account. A token file is read anew at least once a minute.
pub async fn connect(kubeconfig: Option<&Path>) -> Result<Client, ConnectError> {
    let config = match kubeconfig {
        Some(path) => from_file(path).await?,
        // Never the user's own kubeconfig: an operator must not find itself acting as somebody's admin.
        None => Config::incluster().map_err(ConnectError::InCluster)?,
    };
    Client::try_from(bounded(config)).map_err(|e| ConnectError::Client(Box::new(e)))
}

async fn from_file(path: &Path) -> Result<Config, ConnectError> {
    let unusable = |source| ConnectError::Kubeconfig {
        path: path.display().to_string(),
        source: Box::new(source),
    };
    let kubeconfig = Kubeconfig::read_from(path).map_err(unusable)?;
    Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default())
        .await
        .map_err(unusable)
}

/// How the operator calls itself: the API server's audit log tells its requests from others by it.
const USER_AGENT: &str = concat!("permit-operator/", env!("CARGO_PKG_VERSION"));

/// The configuration with our name and limits: no retries of its own, a short connect, and no read limit, which would
/// end watches.
pub fn bounded(mut config: Config) -> Config {
    config
        .headers
        .push((header::USER_AGENT, HeaderValue::from_static(USER_AGENT)));
    config.default_retry = false;
    config.connect_timeout = Some(CONNECT_LIMIT);
    config.read_timeout = None;
    config.write_timeout = Some(CALL_LIMIT);
    config
}

/// Makes a call under the common deadline.
pub async fn deadline<T>(
    call: impl Future<Output = Result<T, kube::Error>>,
) -> Result<T, CallError> {
    within(CALL_LIMIT, call).await
}

/// Makes a call under a deadline of its own.
pub async fn within<T>(
    limit: Duration,
    call: impl Future<Output = Result<T, kube::Error>>,
) -> Result<T, CallError> {
    match tokio::time::timeout(limit, call).await {
        Ok(answer) => answer.map_err(|source| CallError::Failed(Box::new(source))),
        Err(_) => Err(CallError::Late(limit)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(code: u16) -> CallError {
        let status = Status::failure("no", "AlreadyExists").with_code(code);
        CallError::Failed(Box::new(kube::Error::Api(Box::new(status))))
    }

    #[tokio::test]
    async fn a_call_without_an_answer_ends_at_its_deadline() {
        let never = std::future::pending::<Result<(), kube::Error>>();
        let error = within(Duration::from_millis(1), never).await.unwrap_err();
        assert!(error.is_transient());
        assert!(error.to_string().starts_with("no answer"), "{error}");
    }

    #[test]
    fn overload_and_server_errors_are_worth_another_try_and_refusals_are_not() {
        assert!(refused(429).is_transient() && refused(503).is_transient());
        assert!(
            !refused(403).is_transient()
                && !refused(404).is_transient()
                && !refused(409).is_transient()
        );
        assert!(
            refused(409).is_conflict()
                && refused(404).is_not_found()
                && refused(403).is_forbidden()
        );
    }

    #[test]
    fn the_client_neither_retries_by_itself_nor_ends_watches() {
        let config = bounded(Config::new("https://127.0.0.1:1".parse().unwrap()));
        assert!(!config.default_retry);
        assert_eq!(config.read_timeout, None);
        assert!(config.connect_timeout.is_some());
    }
}
