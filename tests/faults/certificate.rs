//! F24: the gate's certificate and its authority are exchanged under a steady load of calls, and none of them fails.
//!
//! A life of 30 s is the shortest that there is: the authority lives ten times as long and is replaced after two
//! thirds of that, so both rotations are seen.

use std::collections::BTreeSet;

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::admissionregistration::v1::ValidatingWebhookConfiguration;
use k8s_openapi::api::core::v1::Secret;
use kube::{Api, Client};
use permit_harness::{OperatorOptions, User};
use tokio::time::{Duration, Instant, interval};

use crate::ground::{Ground, told};
use crate::scene::{NEXT, Scene};

/// Longer than two rotations of the authority on a slow machine.
const LONGEST: Duration = Duration::from_mins(8);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f24_no_call_fails_while_certificate_and_authority_are_exchanged() -> Result<()> {
    let ground = Ground::prepare().await?;
    let options = OperatorOptions {
        flags: vec![
            "--certificate-lifetime=30s".to_owned(),
            "--lease-duration=15s".to_owned(),
        ],
        ..OperatorOptions::default()
    };
    let operator = ground.operator(options).await?;
    told(&operator, async {
        ground.enrolled("ground").await?;
        let scene = Scene::set(&ground.plane, "shop").await?;
        scene.enrol().await?;
        let admin = ground.plane.client(&User::admin()).await?;
        let (mut leaves, mut bundles) = (BTreeSet::new(), Vec::<String>::new());
        let (mut calls, end) = (0, Instant::now() + LONGEST);
        let mut pace = interval(Duration::from_millis(100));
        let is_exchanged = |leaves: &BTreeSet<Vec<u8>>, bundles: &[String]| {
            leaves.len() > 3 && roots(bundles).len() > 1
        };
        while !is_exchanged(&leaves, &bundles) {
            ensure!(
                Instant::now() < end,
                "{} leaves and {} bundles after {calls} calls",
                leaves.len(),
                bundles.len()
            );
            pace.tick().await;
            let denied = scene
                .set_image(NEXT)
                .await
                .err()
                .context("admitted without a permit")?
                .to_string();
            ensure!(
                denied.contains("PermitRequired"),
                "call {calls} failed: {denied}"
            );
            calls += 1;
            if calls % 10 == 0 {
                leaves.insert(leaf(&admin).await?);
                let bundle = bundle(&admin).await?;
                if bundles.last() != Some(&bundle) {
                    bundles.push(bundle);
                }
            }
        }
        for pair in bundles.windows(2) {
            let [before, after] = pair else { continue };
            let known = certificates(before);
            ensure!(
                certificates(after).iter().any(|one| known.contains(one)),
                "no overlap: {before}\n{after}"
            );
        }
        Ok(())
    })
    .await
}

/// Every authority that was ever trusted.
fn roots(bundles: &[String]) -> BTreeSet<&str> {
    bundles
        .iter()
        .flat_map(|bundle| certificates(bundle))
        .collect()
}

fn certificates(bundle: &str) -> BTreeSet<&str> {
    bundle
        .split_inclusive("-----END CERTIFICATE-----\n")
        .map(str::trim)
        .filter(|pem| !pem.is_empty())
        .collect()
}

async fn leaf(admin: &Client) -> Result<Vec<u8>> {
    let secrets: Api<Secret> = Api::namespaced(admin.clone(), "permit-system");
    let data = secrets
        .get("permit-gate-tls")
        .await?
        .data
        .unwrap_or_default();
    Ok(data
        .get("tls.crt")
        .context("the secret holds no certificate")?
        .0
        .clone())
}

async fn bundle(admin: &Client) -> Result<String> {
    let configurations: Api<ValidatingWebhookConfiguration> = Api::all(admin.clone());
    let found = configurations.get("gate.permits.dev").await?;
    let first = found.webhooks.and_then(|all| all.into_iter().next());
    let bundle = first
        .and_then(|entry| entry.client_config.ca_bundle)
        .context("no bundle")?;
    String::from_utf8(bundle.0).context("read the bundle")
}
