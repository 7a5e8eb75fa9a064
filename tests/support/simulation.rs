//! A small cluster in memory, with virtual time: decisions are applied to it until it settles.
//!
//! Applies what `decide` says as the controller does, in its order, and may stop anywhere in between. Judges nothing,
//! but that no decision breaks an invariant.

use std::collections::BTreeMap;
use std::time::Duration;

use permit_operator::api::facts::Baseline;
use permit_operator::api::vocabulary::{Decision as Said, Phase};
use permit_operator::domain::decide::{Decision, decide};
use permit_operator::domain::effect::Effect;
use permit_operator::domain::gate::{Code, GateWorld, gate};
use permit_operator::domain::invariant;
use permit_operator::domain::quorum::{Ballot, Rights};
use permit_operator::domain::report::revocation_name;
use permit_operator::domain::rollout::Rollout;
use permit_operator::domain::world::World;
use serde_json::Value;

use crate::scene::{KEY, OPERATOR, Scene, baseline, gate_of, old};

/// How far a round gets before the process ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Until {
    /// Nothing was done.
    Decided,
    /// What comes before the status is done.
    Before,
    /// The status is written.
    Status,
    /// Everything is done.
    End,
}

/// The cluster.
#[derive(Clone)]
pub(crate) struct Cluster {
    pub(crate) world: World,
    pub(crate) baselines: BTreeMap<String, Baseline>,
    /// The API server refuses every rollback.
    pub(crate) refuses_rollbacks: bool,
    /// Every phase that was entered, in order.
    pub(crate) entered: Vec<Phase>,
    /// How many rollbacks were written.
    pub(crate) rollbacks: usize,
}

impl Cluster {
    pub(crate) fn of(scene: &Scene) -> Self {
        Self::around(scene.world())
    }

    pub(crate) fn around(world: World) -> Self {
        Self {
            world,
            baselines: [(KEY.to_owned(), baseline(&old()))].into(),
            refuses_rollbacks: false,
            entered: Vec::new(),
            rollbacks: 0,
        }
    }

    pub(crate) fn phase(&self) -> Option<Phase> {
        self.world.recorded.phase
    }

    pub(crate) fn live(&self) -> &Value {
        &self.world.targets[0].live.as_ref().unwrap().object
    }

    /// Rounds until nothing is left to do.
    pub(crate) fn settle(&mut self) -> &mut Self {
        for _ in 0..30 {
            let done = self.round(Until::End);
            if !self.progress() && !done {
                return self;
            }
        }
        panic!("it never settles: {:?}", decide(&self.world));
    }

    /// One round; whether anything was done.
    #[track_caller]
    pub(crate) fn round(&mut self, until: Until) -> bool {
        let decision = decide(&self.world);
        let broken = invariant::check(&self.world, &decision);
        assert!(broken.is_empty(), "{broken:?} by {decision:#?}");
        self.apply(&decision, until)
    }

    pub(crate) fn apply(&mut self, decision: &Decision, until: Until) -> bool {
        let does = !decision.before.is_empty() || !decision.after.is_empty();
        let moves = self.world.recorded != decision.status;
        if until == Until::Decided {
            return does || moves;
        }
        decision.before.iter().for_each(|e| self.perform(e));
        if until == Until::Before {
            return does || moves;
        }
        self.world.recorded = decision.status.clone();
        self.entered
            .extend(decision.transitions.iter().map(|t| t.to));
        if until == Until::End {
            decision.after.iter().for_each(|e| self.perform(e));
        }
        does || moves
    }

    fn perform(&mut self, effect: &Effect) {
        let world = &mut self.world;
        match effect {
            Effect::Arm(armed) => world.armed = Some(armed.clone()),
            Effect::Revoke { reason, message } => {
                let approval = revocation_name(&world.request.name);
                if world.ballots.iter().all(|b| b.approval != approval) {
                    world.ballots.push(Ballot {
                        approval,
                        person: OPERATOR.into(),
                        groups: Vec::new(),
                        role: Some("operator".into()),
                        decision: Said::Revoke,
                        digest: None,
                        request_id: None,
                        reason: Some(*reason),
                        reasoning: message.clone(),
                        cast: world.now,
                        rights: Rights::default(),
                    });
                }
            }
            Effect::Pause { target } => {
                for fact in world.targets.iter_mut().filter(|t| t.key() == *target) {
                    let live = fact.live.as_mut().unwrap();
                    live.object["spec"]["paused"] = true.into();
                    live.rollout = Rollout::Paused;
                }
            }
            Effect::RollBack { target } => self.roll_back(target),
            Effect::Settle { spent, baselines } => {
                world.armed = None;
                world.spent = Some(spent.clone());
                world.checks.clear();
                world.refused_rollbacks.clear();
                for (key, baseline) in baselines {
                    match baseline {
                        Some(baseline) => self.baselines.insert(key.clone(), baseline.clone()),
                        None => self.baselines.remove(key),
                    };
                }
            }
            Effect::Forgive => world.checks.clear(),
        }
    }

    fn roll_back(&mut self, target: &str) {
        if self.refuses_rollbacks {
            *self
                .world
                .refused_rollbacks
                .entry(target.into())
                .or_default() += 1;
            return;
        }
        let armed = self.world.armed.as_ref().unwrap();
        let template = armed.targets[target].object["spec"]["template"].clone();
        let fact = self
            .world
            .targets
            .iter_mut()
            .find(|t| t.key() == target)
            .unwrap();
        let live = fact.live.as_mut().unwrap();
        let mut next = live.object.clone();
        next["spec"]["template"] = template;
        let mut asked = gate_of(&self.world);
        asked.username = OPERATOR.into();
        asked.old = Some(self.world.targets[0].live.as_ref().unwrap().object.clone());
        asked.new = Some(next.clone());
        assert!(
            gate(&asked).judged.admits,
            "the gate admits the operator's own rollback"
        );
        self.rollbacks += 1;
        let fact = self
            .world
            .targets
            .iter_mut()
            .find(|t| t.key() == target)
            .unwrap();
        let live = fact.live.as_mut().unwrap();
        live.object = next;
        live.rollout = Rollout::Progressing("on its way".into());
    }

    /// What progresses gets there; whether anything did.
    pub(crate) fn progress(&mut self) -> bool {
        let workloads = self.world.targets.iter_mut();
        let mut moved = false;
        for live in workloads.filter_map(|t| t.live.as_mut()) {
            if matches!(live.rollout, Rollout::Progressing(_)) {
                live.rollout = Rollout::Complete;
                moved = true;
            }
        }
        moved
    }

    pub(crate) fn after(&mut self, time: Duration) -> &mut Self {
        self.world.now = self.world.now.checked_add(time).unwrap();
        self
    }

    /// Somebody writes the workload, and the gate judges it.
    pub(crate) fn write(&mut self, username: &str, object: &Value) -> Code {
        let mut asked: GateWorld = gate_of(&self.world);
        asked.username = username.into();
        asked.old = self.world.targets[0]
            .live
            .as_ref()
            .map(|l| l.object.clone());
        asked.new = Some(object.clone());
        if let Some(facts) = asked.facts.as_mut() {
            facts.baselines.clone_from(&self.baselines);
        }
        let judged = gate(&asked).judged;
        if judged.admits {
            self.store(object);
        }
        judged.code
    }

    /// The workload becomes this, whatever the gate says.
    pub(crate) fn store(&mut self, object: &Value) {
        let live = self.world.targets[0].live.as_mut().unwrap();
        live.uid = object["metadata"]["uid"].as_str().unwrap().into();
        live.object = object.clone();
        live.rollout = Rollout::Progressing("on its way".into());
    }
}
