//! What a sweep finds, case by case.

use serde_json::json;

use super::*;
use crate::api::facts::Baseline;

const KEY: &str = "Deployment/web";

fn deployment(image: &str) -> Value {
    json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "namespace": "shop", "uid": "d"},
        "spec": {"replicas": 2, "selector": {}, "template": {"spec": {"containers": [{"name": "app", "image": image}]}}}})
}

fn digest(image: &str) -> String {
    spec_digest(&deployment(image)).unwrap().to_string()
}

fn derived(kind: &'static str, name: &str, owner: (&str, &str, &str), image: &str) -> Arc<Derived> {
    let pod = json!({"containers": [{"name": "app", "image": image}]});
    Arc::new(Derived {
        kind,
        name: name.into(),
        uid: name.into(),
        owner: Owner {
            kind: owner.0.into(),
            name: owner.1.into(),
            uid: owner.2.into(),
        },
        print: print(&pod),
        images: images(&pod),
        rests: false,
    })
}

/// Facts of a namespace that was enrolled when `web` ran `a:1`.
fn facts() -> Facts {
    let baseline = Baseline {
        spec_digest: digest("a:1"),
        template_digest: String::new(),
        permit_uid: String::new(),
    };
    Facts {
        baselines: [(KEY.to_owned(), baseline)].into(),
        ..Facts::default()
    }
}

fn place(facts: &Facts, live: Option<Value>) -> Place<'_> {
    Place {
        facts,
        live: live
            .map(|object| (KEY.to_owned(), Arc::new(object)))
            .into_iter()
            .collect(),
        derived: Vec::new(),
        permitted: Vec::new(),
        granted: Vec::new(),
        last: BTreeMap::new(),
        exempt: BTreeSet::new(),
    }
}

fn wrongs(place: &Place<'_>) -> Vec<(String, Wrong)> {
    let found = sweep(place).unpermitted.into_iter();
    found.map(|(key, one)| (key, one.wrong)).collect()
}

fn permitted(operations: &Value, image: &str, prior: Value) -> (Target, Prior) {
    let target = json!({"kind": "Deployment", "name": "web", "operations": operations, "images": {"app": image}});
    let uid = if prior.is_null() { "" } else { "d" };
    let prior = Prior {
        uid: uid.into(),
        spec_digest: spec_digest(&prior)
            .map(|d| d.to_string())
            .unwrap_or_default(),
        object: prior,
        ..Prior::default()
    };
    (serde_json::from_value(target).unwrap(), prior)
}

#[test]
fn the_baseline_is_in_order_however_many_replicas_it_has() {
    let facts = facts();
    let mut live = deployment("a:1");
    live["spec"]["replicas"] = json!(7);
    assert!(wrongs(&place(&facts, Some(live))).is_empty());
}

#[test]
fn a_spec_that_is_neither_baseline_nor_permitted_is_found() {
    let facts = facts();
    let found = sweep(&place(&facts, Some(deployment("a:2"))));
    let one = &found.unpermitted[KEY];
    assert_eq!(
        (one.wrong, one.uid.as_str(), one.digest.as_str()),
        (Wrong::Changed, "d", digest("a:2").as_str())
    );
    assert!(
        found.in_order.is_empty() && found.known.is_empty(),
        "nothing is learned of it"
    );
}

#[test]
fn a_workload_without_a_baseline_was_made_and_one_that_is_missed_went() {
    let (empty, full) = (Facts::default(), facts());
    assert_eq!(
        wrongs(&place(&empty, Some(deployment("a:1")))),
        [(KEY.to_owned(), Wrong::Created)]
    );
    assert_eq!(
        wrongs(&place(&full, None)),
        [(KEY.to_owned(), Wrong::Deleted)]
    );
}

#[test]
fn what_ends_by_itself_is_missed_by_nobody() {
    let mut facts = facts();
    let baseline = facts.baselines.remove(KEY).unwrap();
    facts
        .baselines
        .insert("Job/migrate".into(), baseline.clone());
    facts.baselines.insert("Pod/shell".into(), baseline);
    assert!(wrongs(&place(&facts, None)).is_empty());
}

#[test]
fn exactly_what_a_permit_in_force_covers_is_in_order() {
    let facts = facts();
    let operations = json!(["Deploy"]);
    let covered = |image: &str| {
        let mut place = place(&facts, Some(deployment("a:2")));
        place.permitted = vec![permitted(&operations, image, deployment("a:1"))];
        wrongs(&place).is_empty()
    };
    assert!(covered("a:2"));
    assert!(!covered("a:3"));
}

#[test]
fn a_state_from_before_a_permit_is_not_in_order_by_it() {
    let facts = facts();
    let mut place = place(&facts, Some(deployment("a:2")));
    place.permitted = vec![permitted(&json!(["Deploy"]), "a:3", deployment("a:2"))];
    assert_eq!(wrongs(&place), [(KEY.to_owned(), Wrong::Changed)]);
}

#[test]
fn a_permitted_deletion_is_in_order() {
    let facts = facts();
    let mut place = place(&facts, None);
    place.permitted = vec![permitted(&json!(["Delete"]), "a:1", deployment("a:1"))];
    assert!(wrongs(&place).is_empty());
}

fn granted(before: &str, after: &str) -> Granted {
    Granted {
        key: KEY.into(),
        before: before.into(),
        after: after.into(),
    }
}

#[test]
fn what_the_gate_let_pass_from_what_was_in_order_is_put_on_record() {
    let facts = facts();
    let mut place = place(&facts, Some(deployment("a:3")));
    place.granted = vec![
        granted(&digest("a:1"), &digest("a:2")),
        granted(&digest("a:2"), &digest("a:3")),
    ];
    let found = sweep(&place);
    assert!(found.unpermitted.is_empty());
    assert_eq!(found.granted[KEY], digest("a:3"));
}

#[test]
fn what_was_not_in_order_does_not_become_so_by_what_is_let_pass_after_it() {
    let facts = facts();
    let mut place = place(&facts, Some(deployment("a:3")));
    place.granted = vec![granted(&digest("a:2"), &digest("a:3"))];
    assert_eq!(wrongs(&place), [(KEY.to_owned(), Wrong::Changed)]);
    // It was under a permit, when it was last looked at.
    place.last = [(KEY.to_owned(), digest("a:2"))].into();
    assert!(wrongs(&place).is_empty());
}

#[test]
fn what_was_let_pass_long_ago_counts_no_longer_once_the_baseline_stands_again() {
    let mut facts = facts();
    facts.granted.insert(KEY.into(), digest("a:2"));
    assert!(wrongs(&place(&facts, Some(deployment("a:2")))).is_empty());
    let found = sweep(&place(&facts, Some(deployment("a:1"))));
    assert_eq!(found.granted[KEY], digest("a:1"));
}

#[test]
fn a_pod_is_the_same_before_and_after_it_has_a_node() {
    let pod = |node: Option<&str>| {
        let mut pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web", "uid": "p"},
            "spec": {"containers": [{"name": "app", "image": "a:1"}]}});
        if let Some(node) = node {
            pod["spec"]["nodeName"] = json!(node);
        }
        pod
    };
    let mut facts = Facts::default();
    let baseline = super::super::applied::baseline(&pod(None), "").unwrap();
    facts.baselines.insert("Pod/web".into(), baseline);
    let mut place = place(&facts, None);
    place.live = [("Pod/web".to_owned(), Arc::new(pod(Some("node-1"))))].into();
    assert!(wrongs(&place).is_empty());
}

/// A namespace with `web` at its baseline and these beside it.
fn beside(facts: &Facts, all: Vec<Arc<Derived>>) -> Vec<(String, Wrong)> {
    let mut place = place(facts, Some(deployment("a:1")));
    place.derived = all;
    wrongs(&place)
}

const WEB: (&str, &str, &str) = ("Deployment", "web", "d");

#[test]
fn what_controllers_made_of_the_baseline_is_in_order() {
    let all = vec![
        derived("ReplicaSet", "web-1", WEB, "a:1"),
        derived("Pod", "web-1-x", ("ReplicaSet", "web-1", "web-1"), "a:1"),
    ];
    assert!(beside(&facts(), all).is_empty());
}

#[test]
fn t11_an_orphan_that_a_workload_adopted_is_found_by_its_template() {
    let adopted = derived("ReplicaSet", "web-2", WEB, "evil:1");
    let pod = derived("Pod", "web-2-x", ("ReplicaSet", "web-2", "web-2"), "evil:1");
    // The pod is what its owner asks for: one finding is enough.
    let found = beside(&facts(), vec![adopted, pod]);
    assert_eq!(
        found,
        [("ReplicaSet/web-2".to_owned(), Wrong::NotItsOwners)]
    );
}

#[test]
fn t11_an_owner_that_does_not_exist_or_is_another_one_owns_nothing() {
    let all = vec![
        derived("Pod", "ghost", ("ReplicaSet", "gone", "u"), "a:1"),
        derived(
            "ReplicaSet",
            "other",
            ("Deployment", "web", "before"),
            "a:1",
        ),
        derived("Pod", "strange", ("Rollout", "web", "r"), "a:1"),
    ];
    let found: BTreeMap<_, _> = beside(&facts(), all).into_iter().collect();
    for key in ["Pod/ghost", "ReplicaSet/other", "Pod/strange"] {
        assert_eq!(found[key], Wrong::NoOwner, "{key}");
    }
}

#[test]
fn what_a_workload_had_with_permission_may_still_run() {
    let mut facts = facts();
    let old = derived("ReplicaSet", "web-0", WEB, "a:0");
    take_in(&mut facts.known, &[Arc::clone(&old)]);
    assert!(beside(&facts, vec![old]).is_empty());
    // As after an unpermitted change that was told of and undone.
    let told = derived("ReplicaSet", "web-3", WEB, "a:9");
    facts
        .known
        .get_mut(KEY)
        .unwrap()
        .told
        .extend(told.print.clone());
    assert!(beside(&facts, vec![told]).is_empty());
}

#[test]
fn a_pod_with_another_image_than_its_owner_ever_had_is_found() {
    let all = vec![
        derived("ReplicaSet", "web-1", WEB, "a:1"),
        derived("Pod", "web-1-x", ("ReplicaSet", "web-1", "web-1"), "evil:1"),
    ];
    assert_eq!(
        beside(&facts(), all),
        [("Pod/web-1-x".to_owned(), Wrong::NotItsOwners)]
    );
}

#[test]
fn what_admission_adds_to_a_pod_is_not_its_owners_matter() {
    let replica_set = derived("ReplicaSet", "web-1", WEB, "a:1");
    let mut pod = Derived::clone(&derived(
        "Pod",
        "web-1-x",
        ("ReplicaSet", "web-1", "web-1"),
        "a:1",
    ));
    pod.images.push("mesh=mesh/proxy:1".into());
    assert!(beside(&facts(), vec![replica_set, Arc::new(pod)]).is_empty());
}

#[test]
fn what_rests_runs_nothing_and_what_is_exempt_is_not_asked_about() {
    let facts = facts();
    let mut resting = Derived::clone(&derived("ReplicaSet", "web-2", WEB, "evil:1"));
    resting.rests = true;
    let mut place = place(&facts, Some(deployment("a:1")));
    place.derived = vec![
        Arc::new(resting),
        derived("ReplicaSet", "web-3", ("Rollout", "web", "r"), "a:1"),
    ];
    place.exempt = [("ReplicaSet".to_owned(), "Rollout".to_owned())].into();
    assert!(wrongs(&place).is_empty());
}

#[test]
fn of_what_is_remembered_the_oldest_makes_room() {
    let mut list = Vec::new();
    remember(&mut list, (0..=REMEMBERED).map(|n| n.to_string()));
    remember(&mut list, ["1".to_owned()]);
    assert_eq!(list.len(), REMEMBERED);
    assert_eq!(list.first().map(String::as_str), Some("1"));
}
