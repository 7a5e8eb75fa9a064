//! Baselines: which ones does a namespace begin with?
//!
//! What stands there, except where a permit was issued before: of what is being changed under it the state before the
//! change counts, because nobody has validated the other yet. Does not know when a namespace is enrolled.

use std::sync::Arc;

use serde_json::Value;

use super::applied::baseline;
use crate::api::facts::{Baseline, Facts};

/// Takes in what stands in a namespace, each workload by its key.
pub fn take_in(facts: &mut Facts, live: &[(String, Arc<Value>)]) {
    let found: Vec<_> = live
        .iter()
        .filter_map(|(key, object)| Some((key.clone(), of_object(facts, key, object)?)))
        .collect();
    facts.baselines.extend(found);
}

fn of_object(facts: &Facts, key: &str, object: &Value) -> Option<Baseline> {
    let mut priors = facts.armed.values().filter_map(|a| a.targets.get(key));
    match priors.find(|prior| !prior.spec_digest.is_empty()) {
        Some(prior) => Some(Baseline {
            spec_digest: prior.spec_digest.clone(),
            template_digest: prior.template_digest.clone(),
            permit_uid: String::new(),
        }),
        None => baseline(object, ""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::facts::{Armed, Prior};
    use crate::domain::canonical::spec_digest;
    use serde_json::json;

    fn deployment(name: &str) -> (String, Arc<Value>) {
        let object = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name},
            "spec": {"selector": {}, "template": {"spec": {"containers": [{"name": "app", "image": "a:1"}]}}}});
        (format!("Deployment/{name}"), Arc::new(object))
    }

    /// Facts of a namespace where a permit was issued before it was enrolled.
    fn issued_for(name: &str) -> Facts {
        let prior = Prior {
            uid: "u".into(),
            spec_digest: "sha256:before".into(),
            ..Prior::default()
        };
        let armed = Armed {
            targets: [(format!("Deployment/{name}"), prior)].into(),
            ..Armed::default()
        };
        Facts {
            armed: [("p".to_owned(), armed)].into(),
            ..Facts::default()
        }
    }

    #[test]
    fn a_namespace_with_an_issued_permit_gets_the_baselines_of_all_that_stands_there() {
        let mut facts = issued_for("web");
        take_in(&mut facts, &[deployment("web"), deployment("cart")]);
        let of = |key: &str| facts.baselines[key].spec_digest.clone();
        assert_eq!(of("Deployment/web"), "sha256:before");
        let cart = spec_digest(&deployment("cart").1).unwrap();
        assert_eq!(of("Deployment/cart"), cart.to_string());
    }
}
