//! The HTTPS server of the gate: HTTP/1.1 only, certificates taken in without a restart.
//!
//! Over HTTP/2 one dark connection costs 45 s of failures, over HTTP/1.1 one call (`decisions.md` 53). Knows nothing of
//! what is served.

use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum_server::Handle;
use axum_server::tls_rustls::{RustlsAcceptor, RustlsConfig};
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use thiserror::Error;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::{error, info};

use super::crowd::Crowd;
use crate::cluster::authority::Material;
use crate::cluster::certificates::Served;

/// How long calls that run may take to end.
const DRAIN: Duration = Duration::from_secs(5);
/// How long a connection may lie without a whole head of a request. The API server lets go of an idle connection after
/// 90 s; whoever is later than the other must not be us, or calls that are on their way fail.
const HEAD_LIMIT: Duration = Duration::from_mins(2);
/// How long a client may take over the TLS handshake.
const HANDSHAKE_LIMIT: Duration = Duration::from_secs(5);

/// Why the gate cannot be served.
#[derive(Debug, Error)]
pub enum ServeError {
    /// There was never a certificate.
    #[error("no certificate to serve with")]
    NoCertificate,
    /// The certificate cannot be used.
    #[error("use the serving certificate: {0}")]
    Tls(String),
    /// The port could not be served.
    #[error("serve the gate")]
    Listen(#[from] std::io::Error),
}

/// Serves until `stop`, always with the newest certificate that was published.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    mut served: watch::Receiver<Option<Arc<Served>>>,
    stop: CancellationToken,
) -> Result<(), ServeError> {
    let first = tokio::select! {
        found = served.wait_for(Option::is_some) => found.ok().and_then(|s| s.clone()),
        () = stop.cancelled() => return Ok(()),
    };
    let first = first.ok_or(ServeError::NoCertificate)?;
    let tls = RustlsConfig::from_config(Arc::new(config(&first.material)?));
    let handle = Handle::new();
    let acceptor = RustlsAcceptor::new(tls.clone())
        .handshake_timeout(HANDSHAKE_LIMIT)
        .acceptor(Crowd::default());
    let mut https = axum_server::from_tcp(listener)?
        .acceptor(acceptor)
        .handle(handle.clone())
        // Without this a client that begins with HTTP/2 unasked would be served.
        .http1_only();
    https
        .http_builder()
        .http1()
        .timer(hyper_util::rt::TokioTimer::new())
        .header_read_timeout(HEAD_LIMIT);
    let serving = https.serve(router.into_make_service());
    futures::pin_mut!(serving);
    let mut draining = false;
    loop {
        tokio::select! {
            ended = &mut serving => return ended.map_err(ServeError::Listen),
            () = stop.cancelled(), if !draining => {
                handle.graceful_shutdown(Some(DRAIN));
                draining = true;
            }
            Ok(()) = served.changed() => {
                let Some(newest) = served.borrow_and_update().clone() else { continue };
                match config(&newest.material) {
                    Ok(config) => {
                        tls.reload_from_config(Arc::new(config));
                        info!("serving certificate taken in");
                    }
                    Err(why) => error!(%why, "serving certificate not taken in"),
                }
            }
        }
    }
}

/// A TLS configuration that offers HTTP/1.1 and nothing else.
fn config(material: &Material) -> Result<ServerConfig, ServeError> {
    let wrong = |error: &dyn std::fmt::Display| ServeError::Tls(error.to_string());
    let chain: Result<Vec<_>, _> =
        CertificateDer::pem_slice_iter(material.leaf.as_bytes()).collect();
    let chain = chain.map_err(|e| wrong(&e))?;
    let key = PrivateKeyDer::from_pem_slice(material.leaf_key.as_bytes()).map_err(|e| wrong(&e))?;
    let mut config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(|e| wrong(&e))?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}
