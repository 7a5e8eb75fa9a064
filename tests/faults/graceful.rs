//! A kubelet's part of a process's life: it asks it to end, and it renews its token. Neither loses anything.

use std::convert::Infallible;

use anyhow::{Context as _, Result, ensure};
use axum::body::Bytes;
use futures::StreamExt as _;
use k8s_openapi::api::coordination::v1::Lease;
use kube::Api;
use permit_harness::{Operator, OperatorOptions, Stage, User, eventually};
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::ground::{Ground, PATIENCE, figure, told};

const OPERATOR: &str = "system:serviceaccount:permit-system:permit-operator";

/// Grants replicas without a person, and there is no template beside it.
const SCALING: &str = "apiVersion: permits.dev/v1alpha1\nkind: PermitTemplate\nmetadata: {name: scaling}\nspec:\n  \
    level: 0\n  grant: Automatic\n  appliesTo: {operations: [Scale]}\n";

/// An enrolled namespace where replicas are granted automatically.
async fn scaling(ground: &Ground) -> Result<Stage<'_>> {
    let stage = Stage::set(&ground.plane, "shop").await?;
    stage.apply(SCALING).await?;
    let label = ["label", "namespace", "shop", "permits.dev/gate=enforce"];
    ground
        .plane
        .kubectl(&User::admin(), &label, None)
        .await?
        .ok()?;
    stage.await_enrolment().await?;
    Ok(stage)
}

async fn scales(stage: &Stage<'_>, replicas: u32) -> Result<()> {
    let scale = [
        "scale",
        "deploy/checkout",
        &format!("--replicas={replicas}"),
    ];
    let alice = User::person("alice");
    stage.kubectl(&alice, &scale, None).await?.ok().map(drop)
}

async fn holder(ground: &Ground) -> Result<String> {
    let client = ground.plane.client(&User::admin()).await?;
    let leases: Api<Lease> = Api::namespaced(client, "permit-system");
    let lease = leases.get("permit-operator").await?.spec;
    Ok(lease
        .and_then(|spec| spec.holder_identity)
        .unwrap_or_default())
}

/// A review whose first half is sent; the rest follows when it is told to.
struct HalfAsked {
    rest: mpsc::UnboundedSender<Bytes>,
    second: Bytes,
    answer: JoinSet<Result<(u16, String), reqwest::Error>>,
}

impl HalfAsked {
    fn begin(operator: &Operator) -> Result<Self> {
        let review = json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
            "request": {"uid": "half", "resource": {"group": "apps", "version": "v1", "resource": "levers"},
                "name": "checkout", "namespace": "shop", "operation": "UPDATE", "userInfo": {"username": "alice"}}});
        let mut first = Bytes::from(review.to_string());
        let second = first.split_off(first.len() / 2);
        let (rest, more) = mpsc::unbounded_channel();
        rest.send(first).context("send the first half")?;
        let more = futures::stream::unfold(more, async |mut more| {
            let chunk: Bytes = more.recv().await?;
            Some((Ok::<_, Infallible>(chunk), more))
        });
        let client = reqwest::Client::builder()
            .no_proxy()
            .tls_danger_accept_invalid_certs(true)
            .build()?;
        let url = format!("{}/gate?timeout=30s", operator.webhook_url());
        let request = client
            .post(url)
            .header("content-type", "application/json")
            .body(reqwest::Body::wrap_stream(more.boxed()));
        let mut answer = JoinSet::new();
        answer.spawn(async move {
            let answer = request.send().await?;
            Ok((answer.status().as_u16(), answer.text().await?))
        });
        Ok(Self {
            rest,
            second,
            answer,
        })
    }

    async fn finish(mut self) -> Result<(u16, String)> {
        self.rest.send(self.second).context("send the other half")?;
        drop(self.rest);
        let answer = self.answer.join_next().await;
        Ok(answer.context("nobody asked")???)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_that_is_asked_to_end_answers_what_it_was_asked_and_gives_its_lease_back()
-> Result<()> {
    let ground = Ground::prepare().await?;
    let options = OperatorOptions {
        // So long that nobody would get it by waiting.
        flags: vec!["--lease-duration=10m".to_owned()],
        ..OperatorOptions::default()
    };
    let operator = ground.operator(options).await?;
    told(&operator, async {
        let stage = scaling(&ground).await?;
        scales(&stage, 3).await?;
        let alice = User::person("alice");
        let denied = stage.set_image(&alice, "1.5.0").await?;
        ensure!(denied.stderr.contains("PermitRequired"), "{denied:?}");
        ensure!(!holder(&ground).await?.is_empty(), "nobody leads");
        let half = HalfAsked::begin(&operator)?;
        let opened = || async {
            let reading = figure(&operator, "permit_leader", "").await?;
            ensure!(reading >= 1.0, "it does not lead");
            Ok(())
        };
        eventually(PATIENCE, "the operator leads", opened).await?;
        let ending = operator.sigterm();
        let asked = async {
            let drains = || async {
                let unready = reqwest::get(format!("{}/readyz", operator.metrics_url())).await;
                let is_ready = unready.is_ok_and(|answer| answer.status().is_success());
                ensure!(!is_ready, "it has not heard yet");
                Ok(())
            };
            eventually(PATIENCE, "the operator drains", drains).await?;
            half.finish().await
        };
        let (code, asked) = tokio::join!(ending, asked);
        let (status, answer) = asked.context("what was asked before is not answered")?;
        let answer: Value = serde_json::from_str(&answer).context(answer)?;
        ensure!(
            status == 200 && answer["response"]["uid"] == "half",
            "{status} {answer}"
        );
        ensure!(code? == 0, "it ended with an error");
        let left = holder(&ground).await?;
        ensure!(left.is_empty(), "`{left}` keeps the lease after its end");
        operator.restart().await?;
        eventually(PATIENCE, "the next one leads", opened).await?;
        scales(&stage, 2).await
    })
    .await
}

/// The credentials that the operator's requests came with, one after the other.
fn credentials(events: &[Value]) -> Vec<String> {
    let mut all: Vec<String> = events
        .iter()
        .filter(|event| event["user"]["username"] == OPERATOR)
        .filter_map(|event| {
            let ids = &event["user"]["extra"]["authentication.kubernetes.io/credential-id"];
            Some(ids[0].as_str()?.to_owned())
        })
        .collect();
    all.dedup();
    all
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_that_is_renewed_is_taken_up_without_a_restart() -> Result<()> {
    let ground = Ground::prepare().await?;
    let options = OperatorOptions {
        token_renewal: std::time::Duration::from_secs(5),
        ..OperatorOptions::default()
    };
    let operator = ground.operator(options).await?;
    told(&operator, async {
        let stage = ground.enrolled("shop").await?;
        let before = operator.id();
        let renewed = || async {
            let used = credentials(&ground.plane.audit_events()?);
            ensure!(used.len() > 1, "one credential so far: {used:?}");
            Ok(used)
        };
        eventually(PATIENCE, "the operator uses another token", renewed).await?;
        ensure!(
            before.is_some() && operator.id() == before,
            "it was restarted"
        );
        // It does its work with it: a permit goes all the way.
        stage.issue("one", "1.5.0").await?;
        let events = ground.plane.audit_events()?;
        let refused = events.iter().find(|event| {
            event["user"]["username"] == OPERATOR && event["responseStatus"]["code"] == 401
        });
        ensure!(refused.is_none(), "{refused:?}");
        Ok(())
    })
    .await
}
