//! Every gated kind, and every way round the gate that another kind would be: the rules of `tests/gate.rs` for all.
//!
//! Numbers in names are rows of the threat list. Does not know how the worlds are gathered.
#![cfg(test)]

#[expect(dead_code, reason = "each binary uses its part of the scene")]
#[path = "support/scene.rs"]
mod scene;

use permit_operator::api::facts::Prior;
use permit_operator::api::kind::WorkloadKind;
use permit_operator::api::vocabulary::Operation;
use permit_operator::domain::applied::comparable;
use permit_operator::domain::canonical::{spec_digest, template_digest};
use permit_operator::domain::change::Change;
use permit_operator::domain::gate::{Code, GateWorld, gate};
use permit_operator::domain::kind::{DERIVED, Form, GATED, Pods, controller};
use scene::*;
use serde_json::{Value, json};

/// An object of the kind that runs this image, as far as the kind runs any.
fn object(form: &Form, image: &str) -> Value {
    let pod = json!({"containers": [{"name": "app", "image": image}]});
    let mut object = json!({
        "apiVersion": "v1", "kind": form.word, "spec": {},
        "metadata": {"name": "checkout", "namespace": "shop", "uid": "w-1"},
    });
    match form.pods {
        Pods::Itself => object["spec"] = pod,
        Pods::Nowhere => object["spec"] = json!({"maxReplicas": image.len()}),
        Pods::Template(path) => {
            let nest = |inner: Value, key: &&str| json!({ *key: inner });
            let inner = path.iter().rev().fold(json!({"spec": pod}), nest);
            object["spec"] = inner["spec"].clone();
        }
    }
    object
}

/// Somebody changes the object under this permit, from the state on record.
fn world(form: &Form, old: Option<Value>, new: Option<Value>) -> GateWorld {
    let mut world = permit().issued().gate();
    world.kind = WorkloadKind::new(form.word);
    for target in world
        .candidates
        .iter_mut()
        .flat_map(|c| &mut c.request.spec.targets)
    {
        target.kind = WorkloadKind::new(form.word);
    }
    let digest =
        |d: Option<_>| d.map(|d: permit_operator::domain::canonical::Digest| d.to_string());
    let prior = old.as_ref().map_or_else(Prior::default, |old| Prior {
        uid: "w-1".into(),
        spec_digest: digest(spec_digest(old)).unwrap_or_default(),
        template_digest: digest(template_digest(old)).unwrap_or_default(),
        object: comparable(old),
    });
    let template = world.candidates[0].template.clone().unwrap();
    let digest = world.candidates[0].request.digest(&template.digest);
    for ballot in &mut world.candidates[0].ballots {
        ballot.digest = Some(digest.clone());
    }
    let facts = world.facts.as_mut().unwrap();
    facts.baselines.clear();
    for armed in facts.armed.values_mut() {
        armed.digest.clone_from(&digest);
        armed.targets = [(format!("{}/checkout", form.word), prior.clone())].into();
    }
    (world.old, world.new) = (old, new);
    world
}

#[track_caller]
fn admits(world: &GateWorld) {
    let decision = gate(world);
    assert!(
        decision.judged.admits,
        "{:?} {:#?}",
        decision.judged, decision.trace
    );
}

#[track_caller]
fn denies(world: &GateWorld, code: Code) {
    let decision = gate(world);
    assert_eq!(
        decision.judged.code, code,
        "{:?} {:#?}",
        decision.judged, decision.trace
    );
}

fn unpermitted(mut world: GateWorld) -> GateWorld {
    world.candidates.clear();
    world
}

/// What the permit of the scene asks for.
const NEW: &str = "shop/checkout:2";
const OLD: &str = "shop/checkout:1";

#[test]
fn t09_t12_t14_no_kind_is_created_changed_or_deleted_without_a_permit() {
    for form in &GATED {
        let (old, new) = (object(form, OLD), object(form, "evil"));
        for (old, new) in [
            (None, Some(new.clone())),
            (Some(old.clone()), Some(new)),
            (Some(old), None),
        ] {
            denies(&unpermitted(world(form, old, new)), Code::PermitRequired);
        }
    }
}

#[test]
fn a_permit_admits_its_images_in_every_kind_that_runs_any() {
    for form in GATED.iter().filter(|form| form.pods != Pods::Nowhere) {
        let (old, new) = (object(form, OLD), object(form, NEW));
        admits(&world(form, Some(old.clone()), Some(new.clone())));
        admits(&world(form, None, Some(new)));
        denies(
            &world(form, Some(old), Some(object(form, "evil"))),
            Code::PermitScope,
        );
    }
}

#[test]
fn a_permit_for_one_kind_is_none_for_another_of_the_same_name() {
    for form in GATED
        .iter()
        .filter(|form| form.word != "Deployment" && form.pods != Pods::Nowhere)
    {
        let mut world = world(form, Some(object(form, OLD)), Some(object(form, NEW)));
        for target in &mut world.candidates[0].request.spec.targets {
            target.kind = WorkloadKind::default();
        }
        assert!(!gate(&world).judged.admits, "{}", form.word);
    }
}

/// What a controller writes for its owner.
fn derived(resource: &str, owner: &str) -> (&'static Form, Value) {
    let form = GATED.iter().find(|form| form.resource == resource).unwrap();
    let owners = json!([{"apiVersion": "v1", "kind": owner, "name": "checkout", "uid": "o-1", "controller": true}]);
    (
        form,
        set(object(form, "any"), "/metadata/ownerReferences", owners),
    )
}

#[test]
fn t10_what_a_controller_derives_is_exempt_for_that_controller_alone() {
    for (resource, owner, account) in DERIVED {
        let (form, new) = derived(resource, owner);
        let by = |username: &str, new: &Value| {
            let mut world = unpermitted(world(form, None, Some(new.clone())));
            world.username = username.to_owned();
            world
        };
        admits(&by(&controller(account), &new));
        denies(&by("alice", &new), Code::PermitRequired);
        denies(
            &by("system:serviceaccount:kube-system:evil", &new),
            Code::PermitRequired,
        );
        denies(
            &by("system:kube-controller-manager", &new),
            Code::PermitRequired,
        );
        let impersonated = GateWorld {
            has_credential: false,
            ..by(&controller(account), &new)
        };
        denies(&impersonated, Code::PermitRequired);
        for forged in [
            set(new.clone(), "/metadata/ownerReferences", Value::Null),
            set(new.clone(), "/metadata/ownerReferences/0/controller", false),
            set(new, "/metadata/ownerReferences/0/kind", "ConfigMap"),
        ] {
            denies(&by(&controller(account), &forged), Code::PermitRequired);
        }
    }
}

#[test]
fn t09_a_controller_moves_a_replica_set_and_never_its_template() {
    let (form, old) = derived("replicasets", "Deployment");
    let by = |new: Value| {
        let mut world = unpermitted(world(form, Some(old.clone()), Some(new)));
        world.username = controller("deployment-controller");
        world
    };
    admits(&by(set(old.clone(), "/spec/replicas", 5)));
    let image = "/spec/template/spec/containers/0/image";
    denies(&by(set(old.clone(), image, "evil")), Code::PermitRequired);
}

#[test]
fn t56_no_permit_covers_a_controller_revision_written_by_hand() {
    let form = GATED
        .iter()
        .find(|form| form.word == "ControllerRevision")
        .unwrap();
    let revision = |image: &str| {
        json!({"apiVersion": "apps/v1", "kind": "ControllerRevision", "revision": 2,
            "metadata": {"name": "checkout", "namespace": "shop", "uid": "w-1"}, "data": {"image": image}})
    };
    let (old, new) = (revision(OLD), revision(NEW));
    denies(
        &world(form, Some(old.clone()), Some(new.clone())),
        Code::PermitScope,
    );
    denies(&world(form, None, Some(new)), Code::PermitScope);
    denies(&world(form, Some(old), None), Code::PermitScope);
}

#[test]
fn t58_an_autoscaler_is_a_scale_whatever_of_it_changes() {
    let form = GATED
        .iter()
        .find(|form| form.word == "HorizontalPodAutoscaler")
        .unwrap();
    let scaler = |most: u32| {
        let mut scaler = object(form, OLD);
        scaler["spec"] = json!({"maxReplicas": most, "minReplicas": 1});
        scaler
    };
    let change = Change::between(Some(&scaler(3)), Some(&scaler(300)));
    assert_eq!(change.operations, [Operation::Scale].into());
    let mut world = world(form, Some(scaler(3)), Some(scaler(300)));
    denies(&world, Code::PermitScope);
    let target = &mut world.candidates[0].request.spec.targets[0];
    (target.images, target.operations) = (
        std::collections::BTreeMap::default(),
        vec![Operation::Scale],
    );
    let change = gate(&world);
    assert_ne!(change.judged.code, Code::PermitScope, "{:?}", change.judged);
}

#[test]
fn t57_a_lowered_partition_is_a_start_and_needs_what_is_started_to_be_known() {
    let form = GATED
        .iter()
        .find(|form| form.word == "StatefulSet")
        .unwrap();
    let partition = |n: u32| {
        set(
            object(form, OLD),
            "/spec/updateStrategy",
            json!({"type": "RollingUpdate", "rollingUpdate": {"partition": n}}),
        )
    };
    let lowered = world(form, Some(partition(3)), Some(partition(0)));
    denies(&unpermitted(lowered.clone()), Code::PermitRequired);
    let decision = gate(&lowered);
    assert!(!decision.judged.admits, "{decision:#?}");
    let mut known = lowered;
    let facts = known.facts.as_mut().unwrap();
    facts.baselines = [("StatefulSet/checkout".to_owned(), baseline(&partition(0)))].into();
    admits(&known);
}

#[test]
fn t01_the_scale_of_every_kind_is_judged_and_the_autoscaler_moves_only_what_runs() {
    for form in GATED
        .iter()
        .filter(|form| form.subresources.contains(&"scale"))
    {
        let scale = |n: u32| {
            json!({"apiVersion": "autoscaling/v1", "kind": "Scale", "metadata": {"name": "checkout", "namespace": "shop"},
                "spec": {"replicas": n}})
        };
        let by = |username: &str, from: u32, to: u32| {
            let mut world = unpermitted(world(form, Some(scale(from)), Some(scale(to))));
            (world.is_scale, world.username) = (true, username.to_owned());
            world
        };
        let scaler = controller("horizontal-pod-autoscaler");
        admits(&by(&scaler, 2, 5));
        for (from, to) in [(0, 2), (2, 0)] {
            denies(&by(&scaler, from, to), Code::PermitRequired);
        }
        denies(&by("alice", 2, 5), Code::PermitRequired);
        let impersonated = GateWorld {
            has_credential: false,
            ..by(&scaler, 2, 5)
        };
        denies(&impersonated, Code::PermitRequired);
    }
}

#[test]
fn t54_an_added_owner_is_a_delete_of_every_kind() {
    for form in &GATED {
        let owners =
            json!([{"apiVersion": "v1", "kind": "ConfigMap", "name": "gone", "uid": "dead"}]);
        let old = object(form, OLD);
        let new = set(old.clone(), "/metadata/ownerReferences", owners);
        denies(
            &unpermitted(world(form, Some(old), Some(new))),
            Code::PermitRequired,
        );
    }
}

#[test]
fn a_job_that_the_permit_names_as_a_migration_is_granted_as_one() {
    let form = GATED.iter().find(|form| form.word == "Job").unwrap();
    let mut world = world(form, None, Some(object(form, NEW)));
    let template = world.candidates[0].template.as_mut().unwrap();
    template.applies_to.operations = vec![Operation::DatabaseMigration];
    world.templates = vec![template.clone()];
    denies(&world, Code::PermitScope);
    let operations = &mut world.candidates[0].request.spec.targets[0].operations;
    *operations = vec![Operation::DatabaseMigration];
    let decision = gate(&world);
    // The digest moved with the request: what is asked here is only whether the template governs.
    assert!(
        !decision.judged.why.contains("does not apply"),
        "{:?}",
        decision.judged
    );
}
