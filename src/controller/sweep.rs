//! The sweep: gather what stands in a namespace, let the domain find what nobody permitted, and keep that on record.
//!
//! At the start every namespace that has baselines, then each in which anything was stirred. Works in every mode: in
//! audit mode it is the only one who finds anything. How it is told is `unpermitted`'s.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use kube::ResourceExt as _;
use tokio::sync::mpsc;
use tracing::warn;

use super::permit::chain;
use super::{Context, Error, facts, unpermitted};
use crate::api::GATE_LABEL;
use crate::api::facts::{Armed, Facts, Finding, Prior};
use crate::api::permit::{Permit, Target};

use crate::api::vocabulary::GateMode;
use crate::cluster::caches::PermitRef;
use crate::domain::request::target_key;
use crate::domain::sweep::{Found, Place, Unpermitted, remember, sweep};

/// The most findings that the facts of one namespace hold.
const MOST: usize = 200;

/// Looks at every namespace in which something may have changed.
pub(super) async fn look(ctx: &Context, due: &mpsc::Sender<PermitRef>) {
    let mut namespaces = ctx.caches.take_stirred();
    namespaces.extend(ctx.findings.restless());
    if ctx.findings.is_whole_due(Instant::now()) {
        namespaces.extend(ctx.caches.namespaces_with_facts());
    }
    for namespace in namespaces {
        let looked = one(ctx, &namespace).await;
        ctx.findings.again(&namespace, looked.is_err());
        match looked {
            Ok(concerned) => {
                for permit in concerned {
                    // Full means that it is named already.
                    let _ = due.try_send(permit);
                }
            }
            Err(error) => warn!(namespace, error = %chain(&error), "not swept yet"),
        }
    }
}

/// Looks at one namespace; returns the permits whose condition says something else now.
async fn one(ctx: &Context, namespace: &str) -> Result<Vec<PermitRef>, Error> {
    let Some(known) = ctx.caches.shared_facts(namespace) else {
        return Ok(Vec::new());
    };
    if known.enrolment.is_none() || ctx.caches.is_terminating(namespace) {
        return Ok(Vec::new());
    }
    let found = if is_gated(ctx, namespace) {
        sweep(&gather(ctx, namespace, &known))
    } else {
        Found::default()
    };
    let ripe = ctx
        .findings
        .take(namespace, &found, (is_told(&known), Instant::now()));
    let gone: BTreeMap<_, _> = known
        .unpermitted
        .iter()
        .filter(|(key, _)| !found.unpermitted.contains_key(*key))
        .map(|(key, finding)| (key.clone(), finding.clone()))
        .collect();
    let room = MOST.saturating_sub(known.unpermitted.len());
    let mut new = BTreeMap::new();
    for (key, one) in ripe.into_iter().take(room) {
        if let Some(finding) = unpermitted::tell(ctx, namespace, (&key, &one)).await? {
            new.insert(key, finding);
        }
    }
    for (key, finding) in &gone {
        unpermitted::tell_gone(ctx, namespace, (key, finding)).await?;
    }
    let concerned = concerned(ctx, new.values().chain(gone.values()));
    keep(ctx, namespace, (found, new, gone)).await?;
    Ok(concerned)
}

/// Puts on record what is new, in one write, and in none where nothing is.
async fn keep(
    ctx: &Context,
    namespace: &str,
    (found, new, gone): (Found, BTreeMap<String, Finding>, BTreeMap<String, Finding>),
) -> Result<(), Error> {
    let granted = found.granted.clone();
    facts::edit(ctx, namespace, move |facts: &mut Facts| {
        facts.granted.extend(found.granted);
        facts.known.extend(found.known);
        for (key, finding) in gone {
            facts.unpermitted.remove(&key);
            let told = &mut facts.known.entry(key).or_default().told;
            remember(told, Some(finding.print).filter(|print| !print.is_empty()));
        }
        facts.unpermitted.extend(new);
    })
    .await?;
    ctx.granted.forget(namespace, &granted);
    Ok(())
}

fn is_gated(ctx: &Context, namespace: &str) -> bool {
    let labels = ctx.caches.namespace_labels(namespace).unwrap_or_default();
    let label = labels.get(GATE_LABEL).map(String::as_str);
    GateMode::of_label(label, ctx.default_mode) != GateMode::Off
}

/// Whether something is told of already; the same object with other content is another finding.
fn is_told(known: &Facts) -> impl Fn(&str, &Unpermitted) -> bool {
    move |key, one| {
        known.unpermitted.get(key).is_some_and(|told| {
            let same = (told.reason.as_str(), &told.uid, &told.digest);
            same == (one.wrong.as_str(), &one.uid, &one.digest)
        })
    }
}

fn gather<'a>(ctx: &Context, namespace: &str, facts: &'a Facts) -> Place<'a> {
    let permitted = facts.armed.iter();
    Place {
        facts,
        live: ctx.caches.workloads_in(namespace).into_iter().collect(),
        derived: ctx.caches.derived_in(namespace),
        permitted: permitted
            .flat_map(|(uid, armed)| targets(ctx, namespace, (uid, armed)))
            .collect(),
        granted: ctx.granted.of(namespace),
        last: ctx.findings.in_order(namespace),
        exempt: exempt(ctx, namespace),
    }
}

/// The targets of a permit that is on record, each with what stood there before.
fn targets(ctx: &Context, namespace: &str, (uid, armed): (&str, &Armed)) -> Vec<(Target, Prior)> {
    let permit = ctx.caches.permit(namespace, &armed.permit);
    let Some(permit) = permit.filter(|p| p.uid().as_deref() == Some(uid)) else {
        return Vec::new();
    };
    let targets = permit.spec.targets.iter();
    let with_prior = |target: &Target| {
        let prior = armed.targets.get(&target_key(target))?;
        Some((target.clone(), prior.clone()))
    };
    targets.filter_map(with_prior).collect()
}

fn exempt(ctx: &Context, namespace: &str) -> BTreeSet<(String, String)> {
    // What cannot be read exempts nobody.
    let config = ctx.caches.configuration().unwrap_or_default();
    let is_for = |namespaces: &[String]| {
        namespaces.is_empty() || namespaces.iter().any(|name| name == namespace)
    };
    let here = config.exemptions.iter().filter(|e| is_for(&e.namespaces));
    here.filter_map(|e| Some((e.kind.clone(), e.owned_by.clone()?)))
        .collect()
}

/// Names the permits that findings are about.
fn concerned<'a>(ctx: &Context, findings: impl Iterator<Item = &'a Finding>) -> Vec<PermitRef> {
    let uids: BTreeSet<_> = findings.map(|f| f.permit_uid.as_str()).collect();
    if uids.iter().all(|uid| uid.is_empty()) {
        return Vec::new();
    }
    ctx.caches
        .permit_refs(|card| uids.contains(card.uid().as_ref()))
}

/// The newest permit for a workload.
pub(super) fn last_permit(ctx: &Context, namespace: &str, key: &str) -> Option<Permit> {
    let named = ctx.caches.permits_naming(namespace, key).into_iter();
    named.max_by_key(|known| known.card.created())?.whole()
}
