//! example-server: a workload whose error rate and delay follow the image that its ready pods run.
//!
//! Decides nothing but its flags. Nobody tells it which image that is: it watches the pods.

use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::Parser;
use permit_harness::control_plane::client_from;
use permit_harness::example::{load, server::Server, workload::Workload};
use tokio::net::TcpListener;

/// A server in the place of a Deployment's pods, under a steady load of its own.
#[derive(Debug, Parser)]
struct Args {
    /// The kubeconfig to watch pods and Deployments with.
    #[arg(long)]
    kubeconfig: PathBuf,
    /// The namespace of the Deployment.
    #[arg(long)]
    namespace: String,
    /// The Deployment whose ready pods this server stands for.
    #[arg(long)]
    deployment: String,
    /// Where to listen, such as 127.0.0.1:8080.
    #[arg(long)]
    listen: String,
    /// How many requests a second the server sends to itself.
    #[arg(long, default_value_t = 50)]
    load_rps: u32,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let args = Args::parse();
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = client_from(&args.kubeconfig).await?;
    let (workload, watching) = Workload::watch(&client, &args.namespace, &args.deployment);
    let listener = TcpListener::bind(&args.listen).await;
    let listener = listener.with_context(|| format!("listen: {}", args.listen))?;
    let url = format!("http://{}/", args.listen);
    let serving = axum::serve(listener, Server::new(workload.clone())?.router());
    tokio::select! {
        ended = watching => ended,
        ended = load::steady(url, args.load_rps, workload) => ended,
        ended = serving => ended.context("serve"),
    }
}
