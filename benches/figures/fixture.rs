//! Fixture: a change of one workload, and the permit, approval and facts that cover it.
//!
//! Decides sizes and names; everything is made by the same functions that the operator uses. Does not know what is
//! measured with it.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;
use permit_operator::api::facts::{Armed, Facts, Prior};
use permit_operator::api::kind::WorkloadKind;
use permit_operator::api::vocabulary::{Decision, GateMode, Phase};
use permit_operator::api::{Permit, PermitTemplate};
use permit_operator::domain::canonical::{digest_of, spec_digest, template_digest};
use permit_operator::domain::gate::{Candidate, GateWorld};
use permit_operator::domain::parse;
use permit_operator::domain::quorum::{Ballot, Rights};
use permit_operator::domain::request::Request;
use permit_operator::domain::template::Template;
use serde_json::{Value, json};

/// The workload that every measured change is about.
pub(crate) const WORKLOAD: &str = "checkout";
/// Its namespace.
pub(crate) const NAMESPACE: &str = "shop";
/// Over how many namespaces the permits are spread.
const NAMESPACES: usize = 50;
const UID: &str = "6f1c2f0e-9d0b-4c57-a9c1-5c8f0a7d1e11";
const CREATED: &str = "2026-11-21T20:00:00Z";
const TEMPLATE: &str = "standard";
/// So much is sent for one change of a workload of this size: an admission review of about 8 KB.
const VARIABLES: usize = 28;

/// The workload with an image, as the API server shows it.
pub(crate) fn deployment(name: &str, tag: &str) -> Value {
    let variable = |n| json!({"name": format!("SERVICE_{n}_ADDRESS"), "value": format!("service-{n}.shop.svc:8080")});
    let env: Vec<Value> = (0..VARIABLES).map(variable).collect();
    let probe = json!({"httpGet": {"path": "/healthz", "port": 8080, "scheme": "HTTP"}, "timeoutSeconds": 1,
        "periodSeconds": 10, "successThreshold": 1, "failureThreshold": 3});
    let container = json!({"name": "app", "image": format!("shop/checkout:{tag}"), "env": env,
        "ports": [{"containerPort": 8080, "protocol": "TCP"}], "livenessProbe": probe, "readinessProbe": probe,
        "resources": {"limits": {"cpu": "200m", "memory": "128Mi"}, "requests": {"cpu": "100m", "memory": "64Mi"}},
        "terminationMessagePath": "/dev/termination-log", "terminationMessagePolicy": "File",
        "imagePullPolicy": "IfNotPresent"});
    let pod = json!({"containers": [container], "restartPolicy": "Always", "terminationGracePeriodSeconds": 30,
        "dnsPolicy": "ClusterFirst", "securityContext": {}, "schedulerName": "default-scheduler"});
    json!({"apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": name, "namespace": NAMESPACE, "uid": UID, "generation": 3, "creationTimestamp": CREATED,
            "labels": {"app": name}},
        "spec": {"replicas": 2, "selector": {"matchLabels": {"app": name}},
            "template": {"metadata": {"labels": {"app": name}}, "spec": pod},
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": "25%", "maxSurge": "25%"}},
            "revisionHistoryLimit": 10, "progressDeadlineSeconds": 600}})
}

/// An AdmissionReview of an update, as bytes.
pub(crate) fn review(name: &str, (old, new): (&Value, &Value)) -> Vec<u8> {
    let user = json!({"username": "alice@example.com", "groups": ["dev", "system:authenticated"]});
    let deployments = json!({"group": "apps", "version": "v1", "resource": "deployments"});
    let kind = json!({"group": "apps", "version": "v1", "kind": "Deployment"});
    let request = json!({"uid": "705ab4f5-6393-11e8-b7cc-42010a800002", "kind": kind, "resource": deployments,
        "requestKind": kind, "requestResource": deployments, "name": name, "namespace": NAMESPACE,
        "operation": "UPDATE", "userInfo": user, "object": new, "oldObject": old, "dryRun": false,
        "options": {"kind": "UpdateOptions", "apiVersion": "meta.k8s.io/v1"}});
    let review =
        json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request});
    review.to_string().into_bytes()
}

/// The template that governs every permit here: level 2, one approval.
pub(crate) fn permit_template() -> Result<PermitTemplate> {
    let spec = json!({"level": 2, "approval": {"rules": [{"roles": ["tech-lead"], "count": 1}]}});
    let object = json!({"apiVersion": "permits.dev/v1alpha1", "kind": "PermitTemplate",
        "metadata": {"name": TEMPLATE, "uid": "t", "resourceVersion": "1"}, "spec": spec});
    serde_json::from_value(object).context("make a template")
}

/// So many permits; the first names the measured workload, every other one a workload of its own.
pub(crate) fn permits(count: usize) -> impl Iterator<Item = Value> {
    (0..count).map(|n| {
        let (namespace, name) = match n {
            0 => (NAMESPACE.to_owned(), WORKLOAD.to_owned()),
            _ => (format!("team-{}", n % NAMESPACES), format!("service-{n}")),
        };
        let target = json!({"name": name, "images": {"app": "shop/checkout:1.5.0"}});
        json!({"apiVersion": "permits.dev/v1alpha1", "kind": "Permit",
            "metadata": {"name": format!("{name}-1"), "namespace": namespace, "uid": format!("permit-{n}"),
                "resourceVersion": "1", "creationTimestamp": CREATED},
            "spec": {"template": TEMPLATE, "purpose": "roll out the next version", "targets": [target],
                "requestId": format!("01JD8T6V0W6Z3YB1X2{n:08}"),
                "requestedBy": {"username": "alice@example.com", "groups": ["dev", "system:authenticated"]}},
            "status": {"phase": "Issued", "summary": {"target": format!("deploy/{name}"), "level": "2"}}})
    })
}

/// What a gate sees when the permit covers the change: the whole judgement, to its end.
pub(crate) fn covered(permit: &Permit) -> Result<GateWorld> {
    let (old, new) = (deployment(WORKLOAD, "1.4.2"), deployment(WORKLOAD, "1.5.0"));
    let template = template()?;
    let (request, mistakes) = parse::request(permit);
    anyhow::ensure!(mistakes.is_empty(), "{}", parse::listed(&mistakes));
    let digest = request.digest(&template.digest);
    let now: Timestamp = "2026-11-21T20:10:00Z".parse().context("a time")?;
    let facts = Facts {
        armed: BTreeMap::from([(request.uid.clone(), armed(&digest, now, &old))]),
        ..Facts::default()
    };
    Ok(GateWorld {
        now,
        decision_id: "d-00000001".to_owned(),
        mode: GateMode::Enforce,
        environment: "production".to_owned(),
        username: "alice@example.com".to_owned(),
        has_credential: true,
        operator: "system:serviceaccount:permit-system:permit-operator".to_owned(),
        namespace: NAMESPACE.to_owned(),
        kind: WorkloadKind::default(),
        name: WORKLOAD.to_owned(),
        is_scale: false,
        old: Some(old),
        new: Some(new),
        parent: None,
        frozen: Vec::new(),
        unsound: None,
        exemptions: Vec::new(),
        facts: Some(facts),
        candidates: vec![candidate(request, &template, &digest)],
        templates: vec![template],
        unreadable: Vec::new(),
    })
}

fn template() -> Result<Template> {
    let object = permit_template()?;
    // Any digest serves: nothing here compares it with a revision on record.
    let digest = digest_of("template", &object.spec).to_string();
    parse::template(TEMPLATE, &digest, &object.spec).map_err(|e| anyhow::anyhow!(parse::listed(&e)))
}

fn armed(digest: &str, now: Timestamp, old: &Value) -> Armed {
    let text = |digest: Option<permit_operator::domain::canonical::Digest>| {
        digest.map(|d| d.to_string()).unwrap_or_default()
    };
    let prior = Prior {
        uid: UID.to_owned(),
        spec_digest: text(spec_digest(old)),
        template_digest: text(template_digest(old)),
        object: old.clone(),
    };
    Armed {
        permit: format!("{WORKLOAD}-1"),
        digest: digest.to_owned(),
        issued_time: Some(Time(now)),
        targets: BTreeMap::from([(format!("Deployment/{WORKLOAD}"), prior)]),
    }
}

fn candidate(request: Request, template: &Template, digest: &str) -> Candidate {
    let bob = Ballot {
        approval: format!("{WORKLOAD}-1.bob"),
        person: "bob@example.com".to_owned(),
        groups: vec!["dev".to_owned()],
        role: Some("tech-lead".to_owned()),
        decision: Decision::Approve,
        digest: Some(digest.to_owned()),
        request_id: None,
        reason: None,
        reasoning: "reviewed".to_owned(),
        cast: request.created,
        rights: Rights {
            role: Some(true),
            wildcard: Some(false),
            break_glass: Some(false),
        },
    };
    Candidate {
        request,
        template: Some(template.clone()),
        ballots: vec![bob],
        may_use: Some(true),
        recorded: Some(Phase::Issued),
        held: false,
        busy_with: None,
        may_see: true,
    }
}
