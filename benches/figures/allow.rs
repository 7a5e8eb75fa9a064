//! Allow: an admission that rests on a permit, against one bare GET of that permit.
//!
//! Decides how the two are compared: on the real control plane, in one run, turn about.

use anyhow::{Context, Result, ensure};
use kube::api::{Api, ApiResource, DynamicObject, GroupVersionKind};
use permit_harness::User;
use permit_operator::cluster::webhook_config::GATE_PATH;
use serde_json::{Value, json};

use crate::measure::{Samples, WarmUp};
use crate::report::Report;
use crate::site::{MEASURED, Site};

const NAME: &str = "allow-1";
const TAG: &str = "1.5.1";
const TURNS: usize = 40;
const CALLS_A_TURN: usize = 25;

/// Measures the ratio of the medians.
pub(crate) async fn measure(report: &mut Report, (site, warm_up): (&Site, WarmUp)) -> Result<()> {
    site.issue(&site.measured(), (NAME, "quick-deployment", TAG))
        .await?;
    let review = review(site).await?;
    let gate = Gate::of(site)?;
    let resource =
        ApiResource::from_gvk(&GroupVersionKind::gvk("permits.dev", "v1alpha1", "Permit"));
    let client = site.plane.client(&User::admin()).await?;
    let permits: Api<DynamicObject> = Api::namespaced_with(client, MEASURED, &resource);
    let (allow, bare) = (
        || async { gate.admits(&review).await },
        || async { Ok(permits.get(NAME).await.map(drop)?) },
    );
    let (warm_allow, warm_bare) = (
        warm_up.of_async(allow).await?,
        warm_up.of_async(bare).await?,
    );
    let (mut allows, mut gets) = (Samples::default(), Samples::default());
    for _ in 0..TURNS {
        allows.extend(&warm_allow, CALLS_A_TURN, allow).await?;
        gets.extend(&warm_bare, CALLS_A_TURN, bare).await?;
    }
    report.raw("allow", &allows);
    report.raw("bare-get", &gets);
    report.figure(
        "allow-to-get-p50",
        (allows.percentile(50) / gets.percentile(50), "times"),
        3.0,
    );
    report.figure("allow-p99", (allows.percentile(99) / 1_000.0, "ms"), 50.0);
    report.note(
        "allow",
        format!(
            "an AdmissionReview for a change that an issued permit with one approval covers, posted to the running \
             operator over TLS and HTTP/1.1 keep-alive (live GET, LIST and access reviews inside), against a GET of the \
             same permit by kube's client. {TURNS} turns of {CALLS_A_TURN} each, ABAB, one at a time. Wall clock, \
             therefore only the ratio of medians means much."
        ),
    );
    Ok(())
}

/// What the API server would send for alice's change.
async fn review(site: &Site) -> Result<String> {
    let old = site.measured().get("deploy/checkout").await?;
    let mut new = old.clone();
    let image = new.pointer_mut("/spec/template/spec/containers/0/image");
    *image.context("checkout has no image")? = json!(format!("shop/checkout:{TAG}"));
    let user = json!({"username": "alice@example.com", "groups": ["dev", "system:authenticated"],
        "extra": {"authentication.kubernetes.io/credential-id": ["X509SHA256=0"]}});
    let request = json!({"uid": "705ab4f5-6393-11e8-b7cc-42010a800002", "operation": "UPDATE", "name": "checkout",
        "namespace": MEASURED, "userInfo": user, "object": new, "oldObject": old, "dryRun": false,
        "kind": {"group": "apps", "version": "v1", "kind": "Deployment"},
        "resource": {"group": "apps", "version": "v1", "resource": "deployments"}});
    Ok(
        json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request})
            .to_string(),
    )
}

/// The operator's webhook, as the API server reaches it.
struct Gate {
    client: reqwest::Client,
    url: String,
}

impl Gate {
    fn of(site: &Site) -> Result<Self> {
        let client = reqwest::Client::builder().no_proxy().http1_only();
        Ok(Self {
            client: client.tls_danger_accept_invalid_certs(true).build()?,
            url: format!("{}{GATE_PATH}?timeout=5s", site.operator.webhook_url()),
        })
    }

    async fn admits(&self, review: &str) -> Result<()> {
        let request = self
            .client
            .post(&self.url)
            .header("content-type", "application/json");
        let answer: Value = request.body(review.to_owned()).send().await?.json().await?;
        let is_allowed = answer.pointer("/response/allowed").and_then(Value::as_bool);
        ensure!(is_allowed == Some(true), "not admitted: {answer}");
        Ok(())
    }
}
