//! Fault proxy: stands between a client and the API server, counts writes and lets a test strike at one of them or
//! keep it back.
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
use tokio::sync::oneshot;

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
/// Which writes a test counts.
type Pick = Box<dyn Fn(&Write) -> bool + Send>;

struct Plan {
    nth: usize,
    act: Act,
}

enum Act {
    Strike(When, Strike),
    /// Says that the write has arrived, waits until it may go on, and says how it was answered.
    Delay(Signals),
}

/// A write that is on its way for as long as the test wants.
pub struct Delayed {
    arrived: Option<oneshot::Receiver<()>>,
    go: oneshot::Sender<()>,
    answer: oneshot::Receiver<StatusCode>,
}

impl Delayed {
    /// Returns when the write has arrived at the proxy; the API server has not seen it.
    pub async fn arrives(&mut self) -> Result<()> {
        match self.arrived.take() {
            Some(arrived) => arrived
                .await
                .context("the proxy ended before the write came"),
            None => Ok(()),
        }
    }

    /// Lets the write go on to the API server, and returns how that answered.
    pub async fn goes_on(self) -> Result<StatusCode> {
        // Nobody waits there if the write never came; then there is no answer either.
        let _ = self.go.send(());
        self.answer.await.context("the write never came")
    }
}

#[derive(Default)]
struct Book {
    writes: Vec<Write>,
    plan: Option<Plan>,
    pick: Option<Pick>,
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

    /// Forgets what was counted and planned, and which writes count.
    pub fn reset(&self) {
        *self.proxy.book() = Book::default();
    }

    /// Begins a new count of those writes alone that `pick` takes: what the writer does beside a test's case passes
    /// uncounted.
    pub fn count_only(&self, pick: impl Fn(&Write) -> bool + Send + 'static) {
        *self.proxy.book() = Book {
            pick: Some(Box::new(pick)),
            ..Book::default()
        };
    }

    /// Strikes once, at the `nth` write counted from 1. `strike` runs to its end before anything else passes
    /// here, and the struck write is not answered.
    pub fn strike_at(&self, nth: usize, when: When, strike: impl FnOnce() + Send + 'static) {
        let act = Act::Strike(when, Box::new(strike));
        self.proxy.book().plan = Some(Plan { nth, act });
    }

    /// Keeps the `nth` write back, counted from 1, until the test lets it go on.
    pub fn delay(&self, nth: usize) -> Delayed {
        let (come, arrived) = oneshot::channel();
        let (go, gone) = oneshot::channel();
        let (told, answer) = oneshot::channel();
        let act = Act::Delay((come, gone, told));
        self.proxy.book().plan = Some(Plan { nth, act });
        Delayed {
            arrived: Some(arrived),
            go,
            answer,
        }
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
    fn count(&self, method: &Method, uri: &Uri) -> Option<Act> {
        if !is_counted(method, uri) {
            return None;
        }
        let write = Write {
            method: method.to_string(),
            path: uri.path().to_owned(),
        };
        let mut book = self.book();
        if !book.pick.as_ref().is_none_or(|pick| pick(&write)) {
            return None;
        }
        book.writes.push(write);
        let number = book.writes.len();
        let due = book.plan.take_if(|plan| plan.nth == number);
        due.map(|plan| plan.act)
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
        Some(Act::Strike(When::Before, strike)) => {
            strike();
            refused()
        }
        Some(Act::Strike(When::After, strike)) => {
            // The whole answer first: only then has the API server done everything.
            if let Ok(answer) = proxy.forward(request).await {
                let _ = to_bytes(answer.into_body(), BODY_LIMIT).await;
            }
            strike();
            refused()
        }
        Some(Act::Delay(signals)) => {
            let delayed = delayed(proxy, request, signals);
            delayed.await.unwrap_or_else(|_| refused())
        }
        None => proxy.forward(request).await.unwrap_or_else(|_| refused()),
    }
}

/// What a delayed write says when it has come, waits for, and says when it is answered.
type Signals = (
    oneshot::Sender<()>,
    oneshot::Receiver<()>,
    oneshot::Sender<StatusCode>,
);

#[expect(
    clippy::disallowed_methods,
    reason = "a write that is on its way arrives, also when the writer has hung up since: it must outlive the request"
)]
fn delayed(
    proxy: Arc<Proxy>,
    request: Request,
    (come, go, told): Signals,
) -> tokio::task::JoinHandle<Response> {
    tokio::spawn(async move {
        // Whoever does not listen any more has given the test up.
        let _ = come.send(());
        let _ = go.await;
        let answer = proxy.forward(request).await;
        let answer = answer.unwrap_or_else(|_| StatusCode::BAD_GATEWAY.into_response());
        let _ = told.send(answer.status());
        answer
    })
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
