//! Fault proxy: stands between a client and the API server, counts writes and lets a test strike at one of them.
//!
//! Decides what a write is and when a strike falls. Does not know what the strike does, nor who is behind.

use std::net::TcpListener;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::{Context, Result};
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::{Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum_server::tls_rustls::RustlsConfig;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::background::Background;
use crate::control_plane::ControlPlane;
use crate::port::Port;

/// Resources whose writes are no step of a lifecycle.
const UNCOUNTED: [&str; 3] = ["leases", "events", "subjectaccessreviews"];
/// More than any object of a test.
const BODY_LIMIT: usize = 16 << 20;

/// When a strike falls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// The write has arrived here; the API server never sees it.
    Before,
    /// The API server has answered; the writer never sees the answer.
    After,
}

/// A counted write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Write {
    /// `POST`, `PUT`, `PATCH` or `DELETE`.
    pub method: String,
    /// The path without the query.
    pub path: String,
}

/// What a test does to the writer, such as ending it.
type Strike = Box<dyn FnOnce() + Send>;

struct Plan {
    nth: usize,
    when: When,
    strike: Strike,
}

#[derive(Default)]
struct Book {
    writes: Vec<Write>,
    plan: Option<Plan>,
}

struct Proxy {
    upstream: String,
    client: reqwest::Client,
    book: Mutex<Book>,
}

/// A running proxy. It ends when this is dropped.
pub struct FaultProxy {
    proxy: Arc<Proxy>,
    port: Port,
    _service: Background,
}

impl FaultProxy {
    /// Starts one in front of the API server of `plane`, trusted by whoever trusts that.
    pub fn start(plane: &ControlPlane) -> Result<Self> {
        let port = Port::reserve()?;
        let tls = server_config(plane, port.number())
            .context("prepare the certificate of the fault proxy")?;
        let authority =
            reqwest::Certificate::from_pem(plane.authority().certificate_pem().as_bytes())?;
        let client = reqwest::Client::builder()
            .no_proxy()
            .tls_certs_only([authority])
            .build()?;
        let proxy = Arc::new(Proxy {
            upstream: plane.url(),
            client,
            book: Mutex::default(),
        });
        let listener = TcpListener::bind(port.address())
            .with_context(|| format!("listen: {}", port.address()))?;
        listener
            .set_nonblocking(true)
            .context("prepare the listener of the fault proxy")?;
        let router = Router::new().fallback(pass).with_state(Arc::clone(&proxy));
        let service = Background::start("fault-proxy", move || async move {
            if let Ok(server) =
                axum_server::from_tcp_rustls(listener, RustlsConfig::from_config(tls))
            {
                let _ = server.serve(router.into_make_service()).await;
            }
        })?;
        Ok(Self {
            proxy,
            port,
            _service: service,
        })
    }

    /// Where it listens: `https://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        format!("https://{}", self.port.address())
    }

    /// The writes so far, without dry runs, leases, events and access reviews.
    pub fn writes(&self) -> Vec<Write> {
        self.proxy.book().writes.clone()
    }

    /// Forgets what was counted and planned.
    pub fn reset(&self) {
        *self.proxy.book() = Book::default();
    }

    /// Strikes once, at the `nth` write counted from 1. `strike` runs to its end before anything else passes
    /// here, and the struck write is not answered.
    pub fn strike_at(&self, nth: usize, when: When, strike: impl FnOnce() + Send + 'static) {
        self.proxy.book().plan = Some(Plan {
            nth,
            when,
            strike: Box::new(strike),
        });
    }

    /// Whether a planned strike has not fallen yet.
    pub fn is_armed(&self) -> bool {
        self.proxy.book().plan.is_some()
    }
}

impl Proxy {
    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a write; returns the strike that is due at it.
    fn count(&self, method: &Method, uri: &Uri) -> Option<Plan> {
        if !is_counted(method, uri) {
            return None;
        }
        let mut book = self.book();
        book.writes.push(Write {
            method: method.to_string(),
            path: uri.path().to_owned(),
        });
        let number = book.writes.len();
        book.plan.take_if(|plan| plan.nth == number)
    }

    async fn forward(&self, request: Request) -> Result<Response> {
        let (head, body) = request.into_parts();
        let path = head.uri.path_and_query().map_or("/", |path| path.as_str());
        let mut headers = head.headers;
        headers.remove(header::HOST);
        let body = to_bytes(body, BODY_LIMIT).await.context("read a request")?;
        let request = self
            .client
            .request(head.method, format!("{}{path}", self.upstream));
        let answer = request
            .headers(headers)
            .body(body)
            .send()
            .await
            .context("ask the API server")?;
        let (status, mut headers) = (answer.status(), answer.headers().clone());
        headers.remove(header::TRANSFER_ENCODING);
        headers.remove(header::CONNECTION);
        // As a stream: a watch answers for as long as it is open.
        Ok((status, headers, Body::from_stream(answer.bytes_stream())).into_response())
    }
}

async fn pass(State(proxy): State<Arc<Proxy>>, request: Request) -> Response {
    let refused = || StatusCode::BAD_GATEWAY.into_response();
    match proxy.count(request.method(), request.uri()) {
        Some(Plan {
            when: When::Before,
            strike,
            ..
        }) => {
            strike();
            refused()
        }
        Some(Plan {
            when: When::After,
            strike,
            ..
        }) => {
            // The whole answer first: only then has the API server done everything.
            if let Ok(answer) = proxy.forward(request).await {
                let _ = to_bytes(answer.into_body(), BODY_LIMIT).await;
            }
            strike();
            refused()
        }
        None => proxy.forward(request).await.unwrap_or_else(|_| refused()),
    }
}

fn is_counted(method: &Method, uri: &Uri) -> bool {
    let is_write = [Method::POST, Method::PUT, Method::PATCH, Method::DELETE].contains(method);
    let is_dry = uri
        .query()
        .unwrap_or_default()
        .split('&')
        .any(|pair| pair.starts_with("dryRun="));
    is_write && !is_dry && !uri.path().split('/').any(|part| UNCOUNTED.contains(&part))
}

/// HTTP/1.1 only: each watch then has a connection of its own, which ends with its client.
fn server_config(plane: &ControlPlane, port: u16) -> Result<Arc<ServerConfig>> {
    let pair = plane.authority().serving(&format!("fault-proxy-{port}"))?;
    let certificate = CertificateDer::from_pem_file(&pair.certificate)?;
    let key = PrivateKeyDer::from_pem_file(&pair.key)?;
    let mut config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(method: &Method, uri: &'static str, expected: bool) {
        assert_eq!(
            is_counted(method, &Uri::from_static(uri)),
            expected,
            "{method} {uri}"
        );
    }

    #[test]
    fn steps_of_a_lifecycle_are_counted_and_nothing_else() {
        check(
            &Method::PATCH,
            "/apis/permits.dev/v1alpha1/namespaces/shop/permits/x/status?fieldManager=a",
            true,
        );
        check(
            &Method::POST,
            "/apis/permits.dev/v1alpha1/namespaces/shop/approvals",
            true,
        );
        check(
            &Method::GET,
            "/apis/permits.dev/v1alpha1/namespaces/shop/approvals",
            false,
        );
        check(
            &Method::PATCH,
            "/apis/apps/v1/namespaces/shop/deployments/x?dryRun=All",
            false,
        );
        check(
            &Method::PUT,
            "/apis/coordination.k8s.io/v1/namespaces/permit-system/leases/x",
            false,
        );
        check(
            &Method::POST,
            "/apis/events.k8s.io/v1/namespaces/shop/events",
            false,
        );
        check(
            &Method::POST,
            "/apis/authorization.k8s.io/v1/subjectaccessreviews",
            false,
        );
    }
}
