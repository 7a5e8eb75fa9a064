//! Site: an enrolled namespace with its workload, template and permit, and a gate in front of them.
//!
//! Decides what stands there before a test changes it. Does not know what is judged.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{Request, StatusCode};
use k8s_openapi::jiff::Timestamp;
use permit_operator::api::facts::{Armed, DATA_KEY, FACTS_LABEL, Facts, Prior, facts_name};
use permit_operator::api::{Permit, vocabulary::GateMode};
use permit_operator::clock::Clock;
use permit_operator::cluster::access::Access;
use permit_operator::cluster::caches::{Caches, Feed};
use permit_operator::domain::canonical::{spec_digest, template_digest};
use permit_operator::domain::parse;
use permit_operator::health::Part;
use permit_operator::metrics::Metrics;
use permit_operator::webhook::handover::{self, Handover};
use permit_operator::webhook::{Gate, router};
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tower::ServiceExt as _;

use crate::api::Api;

pub(crate) const PERMIT: &str = "/apis/permits.dev/v1alpha1/namespaces/shop/permits/checkout-1";
pub(crate) const APPROVAL: &str =
    "/apis/permits.dev/v1alpha1/namespaces/shop/approvals/checkout-1.bob";
pub(crate) const REQUEST_ID: &str = "01JD8T6V0W6Z3YB1X2K3M4N5P6";
/// The time of every judgement.
pub(crate) const NOW: &str = "2026-11-21T21:30:00Z";

struct Still;

impl Clock for Still {
    fn now(&self) -> Timestamp {
        NOW.parse().unwrap()
    }
}

/// A gate, and the cluster that it sees.
pub(crate) struct Site {
    pub(crate) api: Api,
    pub(crate) filled: Part,
    pub(crate) metrics: Metrics,
    pub(crate) handovers: mpsc::Receiver<Handover>,
    caches: Arc<Caches>,
    gate: Router,
    _watches: JoinSet<()>,
}

/// An HTTP answer of the gate.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) code: StatusCode,
    pub(crate) body: Value,
    pub(crate) text: String,
}

impl Site {
    /// alice's permit for 1.5.0 is approved by bob, issued and armed.
    pub(crate) async fn issued() -> Self {
        Self::with(|_| {}).await
    }

    /// The same after `edit`, with the caches as they are then.
    pub(crate) async fn with(edit: impl FnOnce(&Api)) -> Self {
        let api = stage();
        edit(&api);
        arm(&api).await;
        let (site_caches, watches) = watch(&api).await;
        let (handover, handovers) = handover::channel();
        let (filled, metrics) = (Part::default(), Metrics::new().unwrap());
        filled.set(true);
        let client = api.client();
        let gate = router(Gate {
            caches: Arc::clone(&site_caches),
            access: Access::new(client.clone()),
            client,
            clock: Arc::new(Still),
            operator: "system:serviceaccount:permit-system:permit-operator".into(),
            default_mode: GateMode::Audit,
            handover,
            filled: filled.clone(),
            metrics: metrics.clone(),
        });
        api.asked();
        Self {
            api,
            filled,
            metrics,
            handovers,
            caches: site_caches,
            gate,
            _watches: watches,
        }
    }

    /// Sends bytes as they are, with their length, as the API server does.
    pub(crate) async fn send(&self, path: &str, kind: &str, body: impl Into<Vec<u8>>) -> Answer {
        let body = body.into();
        let request = Request::post(path)
            .header("content-type", kind)
            .header("content-length", body.len());
        self.answer(request.body(body.into()).unwrap()).await
    }

    /// Sends a body of unstated length.
    pub(crate) async fn stream(&self, path: &str, body: Body) -> Answer {
        let request = Request::post(path).header("content-type", "application/json");
        self.answer(request.body(body).unwrap()).await
    }

    async fn answer(&self, request: Request<Body>) -> Answer {
        let answer = self.gate.clone().oneshot(request).await.unwrap();
        let code = answer.status();
        let bytes = to_bytes(answer.into_body(), 1 << 20).await.unwrap();
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        let body = serde_json::from_str(&text).unwrap_or_default();
        Answer { code, body, text }
    }

    /// Sends a review.
    pub(crate) async fn ask(&self, path: &str, request: Value) -> Answer {
        let review = json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request});
        let answer = self
            .send(path, "application/json", review.to_string())
            .await;
        assert_eq!(answer.code, StatusCode::OK, "{}", answer.text);
        assert_eq!(answer.body["response"]["uid"], request["uid"]);
        answer.is_well_formed();
        answer
    }

    /// The digest that an approval of the permit has to name.
    pub(crate) fn digest(&self) -> String {
        let permit = self.caches.permit("shop", "checkout-1").unwrap();
        digest(&self.caches, &permit)
    }
}

impl Answer {
    pub(crate) fn response(&self) -> &Value {
        &self.body["response"]
    }

    pub(crate) fn message(&self) -> &str {
        self.response()["status"]["message"]
            .as_str()
            .unwrap_or_default()
    }

    pub(crate) fn warnings(&self) -> Vec<&str> {
        let warnings = self.response()["warnings"].as_array();
        warnings
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect()
    }

    #[track_caller]
    pub(crate) fn is_allowed(&self) -> &Self {
        assert_eq!(self.response()["allowed"], true, "{}", self.text);
        self
    }

    /// Denied, with this code word.
    #[track_caller]
    pub(crate) fn is_denied(&self, word: &str) -> &Self {
        assert_eq!(self.response()["allowed"], false, "{}", self.text);
        assert!(
            self.message().starts_with(&format!("{word}: ")),
            "{}",
            self.message()
        );
        self
    }

    #[track_caller]
    pub(crate) fn tells(&self, part: &str) -> &Self {
        assert!(self.text.contains(part), "`{part}` is not in {}", self.text);
        self
    }

    #[track_caller]
    pub(crate) fn hides(&self, part: &str) -> &Self {
        assert!(!self.text.contains(part), "`{part}` is in {}", self.text);
        self
    }

    /// What holds for every answer.
    fn is_well_formed(&self) {
        let response = self.response();
        if response["allowed"] == false {
            let status = &response["status"];
            assert_eq!(
                (&status["code"], &status["reason"]),
                (&json!(403), &json!("Forbidden"))
            );
            let first = self.message().lines().next().unwrap();
            assert!(
                first.len() <= 160 && self.message().len() <= 1000,
                "{}",
                self.message()
            );
            assert!(
                !self.message().contains("immutable"),
                "Flux would delete the object"
            );
        }
        for warning in self.warnings() {
            assert!(
                warning.len() <= 256 && !warning.chars().any(char::is_control),
                "{warning}"
            );
        }
    }
}

/// The Deployment as it stands, with the image of `tag`.
pub(crate) fn deployment(tag: &str) -> Value {
    json!({"apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": "checkout", "namespace": "shop", "uid": "d-1", "resourceVersion": "7"},
        "spec": {"replicas": 2, "selector": {"matchLabels": {"app": "checkout"}},
            "template": {"metadata": {"labels": {"app": "checkout"}},
                "spec": {"containers": [{"name": "checkout", "image": format!("shop/checkout:{tag}")}]}}}})
}

/// A review of an update of the Deployment by `user`.
pub(crate) fn rollout(user: &str, tag: &str) -> Value {
    json!({"uid": "r-1", "resource": {"group": "apps", "version": "v1", "resource": "deployments"},
        "name": "checkout", "namespace": "shop", "operation": "UPDATE", "userInfo": {"username": user, "groups": ["dev"]},
        "object": deployment(tag), "oldObject": deployment("1.4.2")})
}

pub(crate) fn permit() -> Value {
    json!({"apiVersion": "permits.dev/v1alpha1", "kind": "Permit",
        "metadata": {"name": "checkout-1", "namespace": "shop", "uid": "p-1", "resourceVersion": "8",
            "creationTimestamp": "2026-11-21T21:00:00Z"},
        "spec": {"template": "quick", "purpose": "a fix", "requestId": REQUEST_ID,
            "targets": [{"kind": "Deployment", "name": "checkout", "images": {"checkout": "shop/checkout:1.5.0"}}],
            "requestedBy": {"username": "alice", "groups": ["dev"]}},
        "status": {"phase": "Issued"}})
}

pub(crate) fn approval(who: &str, digest: &str) -> Value {
    json!({"apiVersion": "permits.dev/v1alpha1", "kind": "Approval",
        "metadata": {"name": format!("checkout-1.{who}"), "namespace": "shop", "uid": format!("a-{who}"), "resourceVersion": "9",
            "creationTimestamp": "2026-11-21T21:10:00Z"},
        "spec": {"permitRef": {"name": "checkout-1", "digest": digest}, "decision": "Approve", "role": "tech-lead",
            "reasoning": "reviewed", "approver": {"username": who}, "submittedBy": {"username": who, "groups": ["dev"]}}})
}

pub(crate) fn template_spec() -> Value {
    json!({"description": "a quick change", "level": 2, "approval": {"rules": [{"roles": ["tech-lead"], "count": 1}]},
        "execution": {"window": "1h", "maxDuration": "5m"}, "guard": {"soak": "5s", "checks": []}})
}

fn stage() -> Api {
    let api = Api::default();
    for (name, mode) in [
        ("shop", Some("enforce")),
        ("watched", Some("warn")),
        ("plain", None),
    ] {
        let mut labels = json!({"permits.dev/environment": "production"});
        if let Some(mode) = mode {
            labels["permits.dev/gate"] = mode.into();
        }
        api.put(json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}));
    }
    api.put(deployment("1.4.2"));
    api.put(permit());
    api.put(json!({"apiVersion": "permits.dev/v1alpha1", "kind": "PermitTemplate", "metadata": {"name": "quick"}, "spec": template_spec()}));
    api.put(json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "permit-template-1", "namespace": "permit-system",
        "labels": {"permits.dev/template": "quick"}, "annotations": {"permits.dev/current-since": "2026-11-21T20:00:00Z"}},
        "data": {DATA_KEY: template_spec().to_string()}}));
    for grant in [
        "alice use permittemplates",
        "alice get permits",
        "bob get permits",
        "bob approve permits/tech-lead",
        "bob revoke permits/tech-lead",
    ] {
        api.grant(grant);
    }
    api
}

/// bob's approval at the digest of the permit as it is, and the facts of its issuance.
async fn arm(api: &Api) {
    let (caches, _watches) = watch(api).await;
    let Some(permit) = caches.permit("shop", "checkout-1") else {
        return;
    };
    let digest = digest(&caches, &permit);
    api.put(approval("bob", &digest));
    let live = deployment("1.4.2");
    let prior = Prior {
        uid: "d-1".into(),
        spec_digest: spec_digest(&live).unwrap().to_string(),
        template_digest: template_digest(&live).unwrap().to_string(),
        object: json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "checkout"}, "spec": live["spec"]}),
    };
    let armed = Armed {
        permit: "checkout-1".into(),
        digest,
        issued_time: serde_json::from_value(json!("2026-11-21T21:20:00Z")).unwrap(),
        targets: [("Deployment/checkout".to_owned(), prior)].into(),
    };
    let facts = Facts {
        armed: [("p-1".to_owned(), armed)].into(),
        ..Facts::default()
    };
    let data = k8s_openapi::ByteString(serde_json::to_vec(&facts).unwrap());
    api.put(json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": facts_name("shop"), "namespace": "permit-system",
        "resourceVersion": "10", "labels": {FACTS_LABEL: "shop"}}, "data": {DATA_KEY: data}}));
}

fn digest(caches: &Caches, permit: &Permit) -> String {
    let revision = caches.revisions("quick").pop().unwrap();
    parse::request(permit).0.digest(&revision.digest)
}

async fn watch(api: &Api) -> (Arc<Caches>, JoinSet<()>) {
    let feed = Feed::new(&api.client(), "permit-system");
    let mut watches = JoinSet::new();
    for watch in feed.watches {
        watches.spawn(watch.run);
    }
    let filled = feed.caches.filled();
    let in_time = tokio::time::timeout(Duration::from_mins(1), filled).await;
    in_time.expect("every list is answered");
    (feed.caches, watches)
}
