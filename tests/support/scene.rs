//! A permit and the world around it, put together in the words of the trade.
//!
//! `permit()` begins with what most permits are: level 2, one tech-lead, ana asks for a new image of checkout. Digests
//! are worked out last, so that an approval is at the request as it ends up unless it says otherwise.

use std::collections::BTreeMap;
use std::time::Duration;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;
use permit_operator::api::facts::{Armed, Baseline, Facts, Prior, Spent};
use permit_operator::api::kind::WorkloadKind;
use permit_operator::api::permit::{Execution, Identity, PermitSpec, PermitStatus, Target};
use permit_operator::api::template::{AppliesTo, ApprovalRule, OnRevoke};
use permit_operator::api::vocabulary::{
    Decision, GateMode, Grant, Operation, Outcome, Phase, RevocationReason,
};
use permit_operator::domain::applied::comparable;
use permit_operator::domain::canonical::{spec_digest, template_digest};
use permit_operator::domain::gate::{Candidate, GateWorld};
use permit_operator::domain::quorum::{Ballot, Rights};
use permit_operator::domain::request::Request;
use permit_operator::domain::rollout::Rollout;
use permit_operator::domain::template::{Level, Revision, Template};
use permit_operator::domain::world::{CheckFact, Due, Health, TargetFact, Workload, World};
use serde_json::{Value, json};

pub(crate) const OPERATOR: &str = "system:serviceaccount:permit-system:permit-operator";
pub(crate) const KEY: &str = "Deployment/checkout";
/// Stands for the digest of the request as it ends up.
const CURRENT: &str = "current";

pub(crate) const MINUTE: Duration = Duration::from_mins(1);
pub(crate) const HOUR: Duration = Duration::from_hours(1);
pub(crate) const DAY: Duration = Duration::from_hours(24);

/// One second less.
pub(crate) fn just_before(time: Duration) -> Duration {
    time.saturating_sub(Duration::from_secs(1))
}

/// When the permit was made; everything is told from here.
pub(crate) fn start() -> Timestamp {
    Timestamp::from_second(1_800_000_000).unwrap()
}

/// The Deployment with an image of its first container.
pub(crate) fn deployment(image: &str) -> Value {
    json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "checkout", "namespace": "shop", "uid": "u1", "resourceVersion": "7", "generation": 1,
                     "labels": {"app": "checkout"}, "annotations": {"deployment.kubernetes.io/revision": "1"}},
        "spec": {"replicas": 2, "selector": {"matchLabels": {"app": "checkout"}}, "strategy": {"type": "RollingUpdate"},
                 "template": {"metadata": {"labels": {"app": "checkout"}}, "spec": {"containers": [
                     {"name": "app", "image": image, "env": [{"name": "MODE", "value": "live"}]},
                     {"name": "proxy", "image": "shop/proxy:2"}]}}},
    })
}

/// The Deployment as it stood when the permit was made.
pub(crate) fn old() -> Value {
    deployment("shop/checkout:1")
}

/// The Deployment as the permit wants it.
pub(crate) fn new() -> Value {
    deployment("shop/checkout:2")
}

/// The object with one place, as a JSON pointer, set; null takes it away.
pub(crate) fn set(mut object: Value, pointer: &str, value: impl Into<Value>) -> Value {
    let (parent, key) = pointer.rsplit_once('/').unwrap();
    let (parent, key) = (object.pointer_mut(parent).unwrap(), key.replace("~1", "/"));
    match (parent, value.into()) {
        (Value::Object(members), Value::Null) => drop(members.remove(&key)),
        (parent, value) => parent[key] = value,
    }
    object
}

/// A `Scale` as the API server writes it: 0 replicas are left out.
pub(crate) fn scale(replicas: u32) -> Value {
    let spec = if replicas == 0 {
        json!({})
    } else {
        json!({"replicas": replicas})
    };
    json!({"apiVersion": "autoscaling/v1", "kind": "Scale",
           "metadata": {"name": "checkout", "namespace": "shop", "uid": "u1"}, "spec": spec})
}

pub(crate) fn baseline(object: &Value) -> Baseline {
    Baseline {
        spec_digest: spec_digest(object).unwrap().to_string(),
        template_digest: template_digest(object).unwrap().to_string(),
        permit_uid: String::new(),
    }
}

pub(crate) fn prior(object: &Value) -> Prior {
    Prior {
        uid: object["metadata"]["uid"].as_str().unwrap().into(),
        spec_digest: spec_digest(object).unwrap().to_string(),
        template_digest: template_digest(object).unwrap().to_string(),
        object: comparable(object),
    }
}

pub(crate) fn template(name: &str, level: i32) -> Template {
    Template {
        name: name.into(),
        digest: format!("sha256:{name}"),
        level: Level::Numbered(level),
        grant: Grant::EachChange,
        applies_to: AppliesTo::default(),
        rules: vec![rule(&["tech-lead"], 1)],
        approval_window: DAY,
        window: 2 * HOUR,
        max_duration: HOUR,
        openings: Vec::new(),
        on_revoke: OnRevoke::RollBack,
        soak: 5 * MINUTE,
        checks: Vec::new(),
        demands_signature: false,
    }
}

/// A template that grants these operations, or all of them, without a person.
pub(crate) fn automatic(name: &str, operations: &[Operation]) -> Template {
    let mut template = Template {
        grant: Grant::Automatic,
        rules: Vec::new(),
        ..template(name, 0)
    };
    template.applies_to.operations = operations.to_vec();
    template
}

pub(crate) fn rule(roles: &[&str], count: i32) -> ApprovalRule {
    serde_json::from_value(json!({"roles": roles, "count": count})).unwrap()
}

pub(crate) fn target(fields: &Value) -> Target {
    let mut target = json!({"name": "checkout"});
    target
        .as_object_mut()
        .unwrap()
        .extend(fields.as_object().unwrap().clone());
    serde_json::from_value(target).unwrap()
}

/// What one check says.
pub(crate) fn check(verdict: Health, due: Due) -> CheckFact {
    CheckFact {
        name: "error-rate".into(),
        target: KEY.into(),
        verdict,
        because: format!("{verdict:?}"),
        value: None,
        limit: "0.01".into(),
        reason: RevocationReason::SafetyViolation,
        due,
    }
}

/// A permit in the making.
#[derive(Clone, Debug)]
pub(crate) struct Scene {
    pub(crate) template: Template,
    pub(crate) world: World,
}

/// The permit that most sentences begin with.
pub(crate) fn permit() -> Scene {
    let spec: PermitSpec = serde_json::from_value(json!({
        "template": "standard", "purpose": "roll out checkout 2",
        "targets": [{"name": "checkout", "images": {"app": "shop/checkout:2"}}],
    }))
    .unwrap();
    let request = Request {
        namespace: "shop".into(),
        name: "checkout-1".into(),
        uid: "p1".into(),
        created: start(),
        spec,
        requester: Identity {
            username: "ana".into(),
            ..Identity::default()
        },
        earliest_start: None,
        latest_start: None,
        openings: Vec::new(),
    };
    let world = World {
        now: start(),
        request,
        mistakes: Vec::new(),
        recorded: PermitStatus::default(),
        generation: Some(1),
        resource_version: "1".into(),
        revision: None,
        outdated: false,
        may_use: Some(true),
        mode: GateMode::Enforce,
        environment: "production".into(),
        frozen: Vec::new(),
        unsound: None,
        ballots: Vec::new(),
        armed: None,
        spent: None,
        targets: Vec::new(),
        checks: Vec::new(),
        healthy_for: Duration::ZERO,
        admitted: None,
        ledger_writable: true,
        refused_rollbacks: BTreeMap::new(),
    };
    Scene {
        template: template("standard", 2),
        world,
    }
    .live(old())
}

impl Scene {
    pub(crate) fn with(mut self, edit: impl FnOnce(&mut World)) -> Self {
        edit(&mut self.world);
        self
    }

    pub(crate) fn under(mut self, edit: impl FnOnce(&mut Template)) -> Self {
        edit(&mut self.template);
        self
    }

    pub(crate) fn level(self, level: i32) -> Self {
        self.under(|t| t.level = Level::Numbered(level))
    }

    pub(crate) fn emergency(self) -> Self {
        self.under(|t| t.level = Level::Emergency)
            .with(|w| w.request.spec.incident = Some("INC-1".into()))
    }

    pub(crate) fn automatic(self) -> Self {
        self.under(|t| *t = automatic("standard", &[]))
    }

    pub(crate) fn needs(self, roles: &[&str], count: i32) -> Self {
        let rule = rule(roles, count);
        self.under(|t| t.rules.push(rule))
    }

    pub(crate) fn requested_by(self, person: &str) -> Self {
        self.with(|w| w.request.requester.username = person.into())
    }

    pub(crate) fn wants(self, fields: &Value) -> Self {
        let target = target(fields);
        self.with(|w| {
            w.request.spec.targets = vec![target.clone()];
            w.targets.iter_mut().for_each(|t| t.target = target.clone());
        })
    }

    pub(crate) fn approved_by(self, person: &str) -> Self {
        self.approved_as(person, "tech-lead")
    }

    pub(crate) fn approved_as(self, person: &str, role: &str) -> Self {
        self.voted(person, |b| b.role = Some(role.into()))
    }

    pub(crate) fn said(self, person: &str, decision: Decision) -> Self {
        self.voted(person, |b| b.decision = decision)
    }

    pub(crate) fn revoked_by(self, person: &str, reason: RevocationReason) -> Self {
        self.voted(person, |b| {
            b.decision = Decision::Revoke;
            b.reason = Some(reason);
        })
    }

    /// An approval of the right person, but for what `edit` changes of it.
    pub(crate) fn voted(mut self, person: &str, edit: impl FnOnce(&mut Ballot)) -> Self {
        let mut ballot = Ballot {
            approval: format!("checkout-1.{person}.{}", self.world.ballots.len()),
            person: person.into(),
            groups: Vec::new(),
            role: Some("tech-lead".into()),
            decision: Decision::Approve,
            digest: Some(CURRENT.into()),
            request_id: None,
            reason: None,
            reasoning: "words".into(),
            cast: self.world.now,
            rights: Rights {
                role: Some(true),
                wildcard: Some(false),
                break_glass: Some(false),
            },
        };
        edit(&mut ballot);
        self.world.ballots.push(ballot);
        self
    }

    /// What is live under the first target's name.
    pub(crate) fn live(mut self, object: Value) -> Self {
        let live = Workload {
            uid: object["metadata"]["uid"].as_str().unwrap().into(),
            object,
            rollout: Rollout::Complete,
        };
        let target = self.world.request.spec.targets[0].clone();
        self.world.targets = vec![TargetFact {
            target,
            live: Some(live),
            busy_with: None,
        }];
        self
    }

    pub(crate) fn rolling(self, rollout: Rollout) -> Self {
        self.with(|w| w.targets[0].live.as_mut().unwrap().rollout = rollout)
    }

    pub(crate) fn gone(self) -> Self {
        self.with(|w| w.targets[0].live = None)
    }

    pub(crate) fn after(self, time: Duration) -> Self {
        self.with(|w| w.now = w.now.checked_add(time).unwrap())
    }

    pub(crate) fn recorded(self, phase: Phase) -> Self {
        self.with(|w| w.recorded.phase = Some(phase))
    }

    /// Put on record at this moment, with what stood there at first.
    pub(crate) fn armed(self) -> Self {
        self.with(|w| {
            w.armed = Some(Armed {
                permit: "checkout-1".into(),
                digest: CURRENT.into(),
                issued_time: Some(Time(w.now)),
                targets: [(KEY.to_owned(), prior(&old()))].into(),
            });
        })
    }

    /// Approved by bob, on record, and reported.
    pub(crate) fn issued(self) -> Self {
        self.approved_by("bob").armed().recorded(Phase::Issued)
    }

    /// Issued, and its change is live since this moment.
    pub(crate) fn executing(self) -> Self {
        self.issued()
            .recorded(Phase::Executing)
            .live(new())
            .with(|w| {
                let started_time = Some(Time(w.now));
                w.recorded.execution = Some(Execution {
                    started_time,
                    ..Execution::default()
                });
            })
    }

    /// Executing, and its rollout is complete since this moment.
    pub(crate) fn validating(self) -> Self {
        self.executing().recorded(Phase::Validating).with(|w| {
            let execution = w.recorded.execution.as_mut().unwrap();
            execution.rolled_out_time = Some(Time(w.now));
        })
    }

    pub(crate) fn checked(self, verdict: Health, due: Due) -> Self {
        self.with(|w| w.checks.push(check(verdict, due)))
    }

    pub(crate) fn spent(self, phase: Phase, outcome: Outcome) -> Self {
        self.with(|w| {
            w.armed = None;
            w.spent = Some(Spent {
                permit: "checkout-1".into(),
                phase,
                outcome: Some(outcome),
                reason: String::new(),
                message: String::new(),
                time: None,
                issued_time: None,
                trace: String::new(),
            });
        })
    }

    pub(crate) fn digest(&self) -> String {
        self.world.request.digest(&self.template.digest)
    }

    /// The world that a decision about the permit sees.
    pub(crate) fn world(&self) -> World {
        let (mut world, digest) = (self.world.clone(), self.digest());
        for ballot in &mut world.ballots {
            ballot.digest = ballot
                .digest
                .take()
                .map(|d| if d == CURRENT { digest.clone() } else { d });
        }
        if let Some(armed) = world.armed.as_mut().filter(|a| a.digest == CURRENT) {
            armed.digest = digest;
        }
        if world.revision.is_none() {
            world.revision = Some(Revision {
                since: start(),
                digest: self.template.digest.clone(),
                template: Ok(self.template.clone()),
            });
        }
        world
    }

    /// The world that the gate sees when the requester makes the permitted change.
    pub(crate) fn gate(&self) -> GateWorld {
        gate_of(&self.world())
    }
}

/// The permit as the gate knows it.
pub(crate) fn candidate(world: &World) -> Candidate {
    let revision = world.revision.as_ref();
    Candidate {
        request: world.request.clone(),
        template: revision.and_then(|r| r.template.clone().ok()),
        ballots: world.ballots.clone(),
        may_use: world.may_use,
        recorded: world.recorded.phase,
        held: world
            .recorded
            .conditions
            .iter()
            .any(|c| c.type_ == "Held" && c.status == "True"),
        busy_with: None,
        may_see: true,
    }
}

/// What the gate sees of a permit's world when its requester makes the permitted change of the first state.
pub(crate) fn gate_of(world: &World) -> GateWorld {
    let candidate = candidate(world);
    let uid = || world.request.uid.clone();
    GateWorld {
        now: world.now,
        decision_id: "d-1".into(),
        mode: world.mode,
        environment: world.environment.clone(),
        username: world.request.requester.username.clone(),
        has_credential: true,
        operator: OPERATOR.into(),
        namespace: "shop".into(),
        kind: WorkloadKind::default(),
        name: "checkout".into(),
        is_scale: false,
        old: Some(old()),
        new: Some(new()),
        parent: None,
        frozen: Vec::new(),
        unsound: None,
        exemptions: Vec::new(),
        facts: Some(Facts {
            baselines: [(KEY.to_owned(), baseline(&old()))].into(),
            armed: world.armed.iter().map(|a| (uid(), a.clone())).collect(),
            spent: world.spent.iter().map(|s| (uid(), s.clone())).collect(),
            enrolment: None,
        }),
        templates: candidate.template.iter().cloned().collect(),
        unreadable: Vec::new(),
        candidates: vec![candidate],
    }
}
