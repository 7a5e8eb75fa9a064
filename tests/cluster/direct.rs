//! Straight to the gate's own port, past the API server: what is no review is no answer, and the server speaks nothing
//! but HTTP/1.1 over TLS.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use reqwest::Client;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, ClientConnection, DigitallySignedStruct, SignatureScheme, Stream};
use serde_json::{Value, json};

use crate::site::{site, told};

/// How long a server may say nothing before that is taken for its answer.
const SILENCE: Duration = Duration::from_secs(10);
const JSON: &str = "application/json";

fn client() -> Result<Client> {
    let client = Client::builder().no_proxy();
    Ok(client.tls_danger_accept_invalid_certs(true).build()?)
}

async fn sent(kind: &str, body: Vec<u8>) -> Result<(u16, String)> {
    let url = format!("{}/gate", site().await?.operator.webhook_url());
    let request = client()?.post(url).header("content-type", kind).body(body);
    let answer = request.send().await?;
    Ok((answer.status().as_u16(), answer.text().await?))
}

fn review(request: &Value) -> Vec<u8> {
    json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request})
        .to_string()
        .into_bytes()
}

fn request(resource: &str) -> Value {
    json!({"uid": "r-1", "resource": {"group": "apps", "version": "v1", "resource": resource},
        "name": "checkout", "namespace": "direct", "operation": "UPDATE", "userInfo": {"username": "alice"},
        "object": null, "oldObject": null})
}

#[tokio::test]
async fn what_is_no_review_is_refused_on_the_wire_and_the_server_lives() -> Result<()> {
    told(async {
        let mut nameless = request("deployments");
        nameless["uid"] = json!("");
        let big = request("deployments")
            .as_object_mut()
            .map(|_| "x".repeat(8 << 20));
        let big = json!({"uid": "r-1", "object": {"big": big}});
        for (what, kind, body, code) in [
            ("no body", JSON, Vec::new(), 400),
            (
                "another content type",
                "text/plain",
                review(&request("deployments")),
                415,
            ),
            ("broken JSON", JSON, b"{\"kind\":".to_vec(), 400),
            ("no uid", JSON, review(&nameless), 400),
        ] {
            let (status, text) = sent(kind, body).await?;
            ensure!(
                status == code && text.len() < 300,
                "{what}: {status} {text}"
            );
        }
        // The server may close before the whole of it was sent; it is no answer then, and never an admission.
        if let Ok((status, text)) = sent(JSON, review(&big)).await {
            ensure!(status == 413, "8 MiB: {status} {text}");
        }
        for resource in ["levers", "deployments"] {
            let (status, text) = sent(JSON, review(&request(resource))).await?;
            let answer: Value = serde_json::from_str(&text).with_context(|| text.clone())?;
            let (allowed, code) = (
                &answer["response"]["allowed"],
                &answer["response"]["status"]["code"],
            );
            ensure!(
                status == 200 && *allowed == json!(false) && *code == json!(403),
                "{text}"
            );
            ensure!(text.contains("GateUnavailable"), "{resource}: {text}");
        }
        Ok(())
    })
    .await
}

/// Takes any certificate: the operator's own authority is not what is asked about.
#[derive(Debug)]
struct Any;

impl ServerCertVerifier for Any {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        rustls::crypto::ring::default_provider()
            .signature_verification_algorithms
            .supported_schemes()
    }
}

/// What a client that offers these protocols gets, and what the server says to the beginning of HTTP/2.
fn offered(address: &str, protocols: &[&[u8]]) -> Result<(Option<Vec<u8>>, Vec<u8>)> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Any))
        .with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|p| p.to_vec()).collect();
    let mut connection =
        ClientConnection::new(Arc::new(config), ServerName::try_from("127.0.0.1")?)?;
    let mut socket = TcpStream::connect(address)?;
    socket.set_read_timeout(Some(SILENCE))?;
    connection.complete_io(&mut socket)?;
    let chosen = connection.alpn_protocol().map(<[u8]>::to_vec);
    if chosen.is_some() {
        return Ok((chosen, Vec::new()));
    }
    let mut stream = Stream::new(&mut connection, &mut socket);
    stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")?;
    let mut said = Vec::new();
    // Silence for a while is an answer too, and so is an end without a farewell of TLS.
    let _ = stream.read_to_end(&mut said);
    Ok((None, said))
}

#[tokio::test]
async fn the_gate_speaks_http_1_1_and_nothing_else() -> Result<()> {
    told(async {
        let url = site().await?.operator.webhook_url();
        let address = url.trim_start_matches("https://").to_owned();
        let ask = |protocols: &'static [&'static [u8]]| {
            let address = address.clone();
            tokio::task::spawn_blocking(move || offered(&address, protocols))
        };
        let (chosen, _) = ask(&[b"h2", b"http/1.1"]).await??;
        ensure!(chosen.as_deref() == Some(b"http/1.1"), "{chosen:?}");
        let only_h2 = ask(&[b"h2"]).await?;
        ensure!(only_h2.is_err(), "HTTP/2 is agreed on: {only_h2:?}");
        // Nor without any agreement: the preface of HTTP/2 is no request.
        let (_, said) = ask(&[]).await??;
        let said = String::from_utf8_lossy(&said).into_owned();
        ensure!(said.is_empty() || said.starts_with("HTTP/1.1 4"), "{said}");
        Ok(())
    })
    .await
}
