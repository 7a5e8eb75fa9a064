//! On the API server: whatever would be stored otherwise than it stands, the gate called a change; and nothing else.
//!
//! The oracle compares what the API server stores, by nothing of the product's own.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Result, ensure};
use futures::StreamExt as _;
use futures::stream;
use permit_operator::domain::change::Change;
use permit_operator::domain::verdict_line::VerdictLine;
use serde_json::{Value, json};

use crate::leaf::{Leaf, Step};
use crate::seed::{Chance, keep, seeds};
use crate::stand::{KINDS, Kind, NAMESPACE, Stand, nest, steps};
use crate::value::sparse;
use crate::write::{Answer, Style, merged, rehearse};

/// Dry runs at once: what one API server and one gate answer without waiting for each other.
const AT_ONCE: usize = 8;

/// One write, and what is drawn for it.
#[derive(Clone)]
struct Trial {
    kind: Kind,
    sub: &'static str,
    style: Style,
    leaf: Leaf,
    sparse: Value,
}

/// What became of a trial.
enum Outcome {
    /// Stored otherwise than it stands, with the leaf in it.
    Reached(Value),
    /// Stored as it stands.
    Equal,
    Refused(String),
}

/// What the API server does not tell apart.
fn plain(mut spec: Value) -> Value {
    for place in ["/suspend", "/paused"] {
        if spec.pointer(place) == Some(&json!(false)) {
            spec.as_object_mut().unwrap().remove(&place[1..]);
        }
    }
    spec
}

/// Whether the gate was asked and said that something changes.
fn is_called_a_change(verdict: Option<&VerdictLine>) -> bool {
    match verdict {
        None => false,
        Some(VerdictLine::Admit { note }) => note != "nothing that runs changes",
        Some(VerdictLine::Deny { .. }) => true,
    }
}

async fn tried(stand: &Stand, trial: &Trial) -> Result<Outcome> {
    let before = stand.live(&trial.kind).await?;
    let write = (trial.style, &before, &trial.sparse);
    let (after, verdict) = match rehearse(&stand.client, (&trial.kind, trial.sub), write).await? {
        Answer::Refused(why) => return Ok(Outcome::Refused(why)),
        Answer::Stored(after, verdict) => (after, verdict),
    };
    let differs = plain(before["spec"].clone()) != plain(after["spec"].clone());
    let told = is_called_a_change(verdict.as_ref());
    ensure!(
        told == differs,
        "{} of {}{} by {:?}: stored otherwise: {differs}, and the gate said {verdict:?}\n{}",
        trial.leaf,
        trial.kind.word,
        trial.sub,
        trial.style,
        trial.sparse
    );
    let change = Change::between(Some(&before), Some(&after));
    ensure!(change.is_empty() != differs, "{}: {change:?}", trial.leaf);
    Ok(if differs && trial.leaf.is_in(&after) {
        Outcome::Reached(*after)
    } else {
        Outcome::Equal
    })
}

/// What is drawn for a leaf of a kind: nested where its template or spec is.
fn trial(
    stand: &Stand,
    (kind, root): (Kind, &[&str]),
    (schema, leaf): (&Value, &Leaf),
    (style, variant): (Style, usize),
) -> Trial {
    let inner = sparse(&stand.types, schema, leaf, variant);
    let mut path = steps(root);
    path.extend(leaf.0.iter().cloned());
    let sub = match path.get(1) {
        Some(Step::Key(key)) if kind.word == "Pod" && key == "ephemeralContainers" => {
            "/ephemeralcontainers"
        }
        _ if kind.word == "Pod" && leaf.0.iter().any(|s| *s == Step::Key("resources".into())) => {
            "/resize"
        }
        _ => "",
    };
    Trial {
        kind,
        sub,
        style,
        leaf: Leaf(path),
        sparse: nest(root, inner),
    }
}

/// The rules alone, asked of every leaf whether the API server would take it or not: another value is a change.
async fn ruled(
    stand: &Stand,
    (kind, root): (Kind, &[&str]),
    (schema, leaf): (&Value, &Leaf),
) -> Result<()> {
    let before = stand.live(&kind).await?;
    let of = |variant| {
        let drawn = trial(
            stand,
            (kind, root),
            (schema, leaf),
            (Style::Update, variant),
        );
        merged(before.clone(), &drawn.sparse)
    };
    let (one, other) = (of(0), of(1));
    for (old, new) in [(&before, &one), (&one, &other), (&one, &before)] {
        let differs = plain(old["spec"].clone()) != plain(new["spec"].clone());
        let change = Change::between(Some(old), Some(new));
        ensure!(
            change.is_empty() != differs,
            "{leaf} of {}: by the rules alone: {change:?}\n{old}\n{new}",
            kind.word
        );
    }
    Ok(())
}

/// What is known of the leaves so far.
#[derive(Default)]
struct Coverage {
    reached: BTreeSet<Leaf>,
    refused: BTreeMap<Leaf, String>,
}

/// Tries a leaf on one kind after the other, each in another style, until one takes it; then another value of it beside
/// the first.
async fn leaf_by_leaf(
    stand: &Stand,
    kinds: &[(Kind, &[&str])],
    (schema, leaf): (&Value, &Leaf),
    chance: &mut Chance,
) -> Result<Result<(), String>> {
    let first = chance.below(Style::ALL.len());
    let mut why = String::new();
    for (turn, (kind, root)) in kinds.iter().enumerate() {
        ruled(stand, (*kind, root), (schema, leaf)).await?;
        let style = Style::ALL[(first + turn) % Style::ALL.len()];
        let of = |variant| trial(stand, (*kind, root), (schema, leaf), (style, variant));
        match tried(stand, &of(0)).await? {
            Outcome::Refused(told) if why.is_empty() => why = told,
            Outcome::Refused(_) => {}
            Outcome::Equal => why = "stored as it stands".into(),
            Outcome::Reached(one) => {
                if let Outcome::Reached(other) = tried(stand, &of(1)).await? {
                    let differs = plain(one["spec"].clone()) != plain(other["spec"].clone());
                    let change = Change::between(Some(&one), Some(&other));
                    ensure!(
                        change.is_empty() != differs,
                        "{leaf}: between two values: {change:?}"
                    );
                }
                return Ok(Ok(()));
            }
        }
    }
    Ok(Err(why))
}

/// Every one of these leaves, several at once.
async fn sweep(
    stand: &Stand,
    (schema, leaves): (&Value, Vec<Leaf>),
    kinds: &[(Kind, &[&str])],
    seed: u64,
) -> Result<Coverage> {
    let all = leaves.into_iter().enumerate().map(|(at, leaf)| {
        let mut chance = Chance::of(seed.wrapping_add(at as u64));
        async move {
            let outcome = leaf_by_leaf(stand, kinds, (schema, &leaf), &mut chance).await?;
            anyhow::Ok((leaf, outcome))
        }
    });
    let mut found = stream::iter(all).buffer_unordered(AT_ONCE);
    let mut coverage = Coverage::default();
    let mut bypasses = Vec::new();
    while let Some(next) = found.next().await {
        match next {
            Ok((leaf, Ok(()))) => drop(coverage.reached.insert(leaf)),
            Ok((leaf, Err(why))) => drop(coverage.refused.insert(leaf, why)),
            Err(error) => bypasses.push(format!("{error:#}")),
        }
    }
    ensure!(bypasses.is_empty(), "seed {seed}:\n{}", bypasses.join("\n"));
    Ok(coverage)
}

fn print(what: &str, coverage: &Coverage) {
    let (reached, refused) = (coverage.reached.len(), coverage.refused.len());
    println!(
        "{what}: {0} of {0} leaves by the rules; {reached} of {0} stored otherwise by the API server, which refused {refused}",
        reached + refused
    );
    if std::env::var_os("TELL").is_some() {
        for (leaf, why) in &coverage.refused {
            let message: Value = serde_json::from_str(why).unwrap_or_default();
            println!("  {leaf}: {}", message["message"].as_str().unwrap_or(why));
        }
    }
}

/// One seed over every leaf: the pod template first, then what is the kind's own.
async fn run(stand: &Stand, seed: u64) -> Result<()> {
    println!("seed {seed}");
    let template = stand.types.named("core.v1.PodTemplateSpec")?;
    let with_template: Vec<(Kind, &[&str])> = KINDS
        .iter()
        .filter(|kind| !kind.template.is_empty())
        .map(|kind| (*kind, kind.template))
        .collect();
    let pods: Vec<(Kind, &[&str])> = KINDS
        .iter()
        .filter(|kind| kind.word == "Pod")
        .map(|kind| (*kind, &[][..]))
        .collect();
    let turn = usize::try_from(seed % 3).unwrap_or_default();
    let mut order = with_template;
    order[..3].rotate_left(turn);
    order.extend(pods);
    let leaves = stand.types.leaves(&template);
    let coverage = sweep(stand, (&template, leaves), &order, seed).await?;
    print("pod template", &coverage);
    for kind in KINDS {
        let spec = stand.types.named(kind.spec)?;
        let own = own_leaves(stand, &spec, &kind);
        let coverage = sweep(stand, (&spec, own), &[(kind, &["spec"])], seed).await?;
        print(&format!("spec of {}", kind.word), &coverage);
    }
    Ok(())
}

/// The leaves of a spec that are not of its pod template.
fn own_leaves(stand: &Stand, spec: &Value, kind: &Kind) -> Vec<Leaf> {
    let template = steps(kind.template.get(1..).unwrap_or_default());
    let is_own = |leaf: &Leaf| template.is_empty() || !leaf.0.starts_with(&template);
    stand
        .types
        .leaves(spec)
        .into_iter()
        .filter(is_own)
        .collect()
}

#[tokio::test]
async fn t05_whatever_is_stored_otherwise_was_called_a_change_and_nothing_else() -> Result<()> {
    let stand = Stand::set().await?;
    for seed in seeds(1) {
        run(&stand, seed).await.inspect_err(|_| keep(seed))?;
    }
    Ok(())
}

/// Metadata that nobody's work hangs on is no change, whatever the way; what is restored or collected by it is one.
#[tokio::test]
async fn t04_t53_t54_metadata_is_a_change_where_something_runs_by_it() -> Result<()> {
    let stand = Stand::set().await?;
    let owner = json!([{"apiVersion": "v1", "kind": "ConfigMap", "name": "gone", "uid": "00000000-0000-0000-0000-000000000000"}]);
    for kind in KINDS.iter().filter(|kind| !kind.template.is_empty()) {
        for (metadata, is_change) in [
            (json!({"labels": {"fuzz": "a"}}), false),
            (json!({"annotations": {"fuzz": "a"}}), false),
            (json!({"finalizers": ["example.org/fuzz"]}), false),
            (
                json!({"annotations": {"deprecated.deployment.rollback.to": "1"}}),
                true,
            ),
            (json!({"ownerReferences": owner}), true),
        ] {
            for style in Style::ALL {
                let before = stand.live(kind).await?;
                let change = json!({ "metadata": metadata });
                let write = (style, &before, &change);
                let Answer::Stored(_, verdict) = rehearse(&stand.client, (kind, ""), write).await?
                else {
                    anyhow::bail!(
                        "{} in {NAMESPACE} refuses {metadata} by {style:?}",
                        kind.word
                    );
                };
                ensure!(
                    is_called_a_change(verdict.as_ref()) == is_change,
                    "{} {metadata} by {style:?}: {verdict:?}",
                    kind.word
                );
            }
        }
    }
    Ok(())
}

#[test]
fn named_elements_are_merged_by_name() {
    let object = json!({"containers": [{"name": "a", "image": "x"}], "args": ["1"]});
    let more = json!({"containers": [{"name": "a", "tty": true}, {"name": "b"}], "args": ["2"]});
    let expected = json!({"containers": [{"name": "a", "image": "x", "tty": true}, {"name": "b"}], "args": ["2"]});
    assert_eq!(merged(object, &more), expected);
}
