//! TLS of the gate: what is served with, and its exchange without a lost call.
//!
//! HTTP/1.1 only: over HTTP/2 a connection that goes dark costs an API server 45 s of failures, over HTTP/1.1 one call.
//! Open connections keep the certificate they began with. Does not know where certificates come from.

use crate::cluster::authority::Material;
use crate::cluster::certificates::Served;
use axum_server::tls_rustls::RustlsConfig;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::sync::Arc;
use tokio::sync::watch;

/// Why a certificate cannot be served with.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// It is no PEM.
    #[error("the gate's certificate or key cannot be read: {0}")]
    Pem(#[from] rustls::pki_types::pem::Error),
    /// Certificate and key cannot be used together.
    #[error("the gate's certificate cannot be served: {0}")]
    Serve(#[from] rustls::Error),
}

/// A configuration of the TLS server.
pub fn server_config(material: &Material) -> Result<Arc<ServerConfig>, TlsError> {
    let chain: Vec<_> =
        CertificateDer::pem_slice_iter(material.leaf.as_bytes()).collect::<Result<_, _>>()?;
    let key = PrivateKeyDer::from_pem_slice(material.leaf_key.as_bytes())?;
    let mut config =
        ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(chain, key)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

/// Waits for the first certificate.
pub async fn first(
    served: &mut watch::Receiver<Option<Arc<Served>>>,
) -> Result<Option<RustlsConfig>, TlsError> {
    let Ok(first) = served.wait_for(Option::is_some).await else {
        return Ok(None);
    };
    first
        .as_ref()
        .map(|served| Ok(RustlsConfig::from_config(server_config(&served.material)?)))
        .transpose()
}

/// Exchanges the certificate whenever there is a newer one. One that cannot be used leaves the last in place.
pub async fn follow(config: RustlsConfig, mut served: watch::Receiver<Option<Arc<Served>>>) {
    loop {
        let newest = served.borrow_and_update().clone();
        if let Some(newest) = newest {
            match server_config(&newest.material) {
                Ok(newest) => config.reload_from_config(newest),
                Err(error) => tracing::error!(%error, "the certificate was not exchanged"),
            }
        }
        if served.changed().await.is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::authority::start;
    use crate::domain::certificate::Wanted;
    use k8s_openapi::jiff::{SignedDuration, Timestamp};

    fn material() -> Material {
        let names = ["127.0.0.1".to_owned()].into();
        start(
            Timestamp::UNIX_EPOCH,
            &Wanted {
                lifetime: SignedDuration::from_hours(1),
                names,
            },
        )
        .unwrap()
    }

    #[test]
    fn only_http_1_is_offered() {
        assert_eq!(
            server_config(&material()).unwrap().alpn_protocols,
            [b"http/1.1".to_vec()]
        );
    }

    #[test]
    fn a_key_of_another_certificate_is_refused() {
        let mixed = Material {
            leaf_key: material().leaf_key,
            ..material()
        };
        assert!(matches!(server_config(&mixed), Err(TlsError::Serve(_))));
        let empty = Material {
            leaf_key: String::new(),
            ..material()
        };
        assert!(matches!(server_config(&empty), Err(TlsError::Pem(_))));
    }
}
