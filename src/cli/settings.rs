//! `kubectl permit config lint`: every mistake in `permit-config`, of a file or of the cluster, and what is frozen now
//! and next.
//!
//! Gathers and prints; what is a mistake is worked out by the operator's own parser.

use std::path::PathBuf;

use anyhow::Context as _;
use k8s_openapi::api::core::v1::ConfigMap;
use k8s_openapi::jiff::Timestamp;
use kube::Api;
use serde_json::{Value, json};

use super::args::Connection;
use super::connect::Cluster;
use super::exit::Exit;
use super::look::{Look, Mark};
use super::manifest;
use super::output::{self, Format};
use crate::api::config::{CONFIG_KEY, CONFIG_NAME, Exemption};
use crate::clock::{Clock as _, SystemClock};
use crate::domain::config::{Config, Freeze};
use crate::domain::parse::{self, FieldError};

/// About the configuration
#[derive(Debug, clap::Subcommand)]
pub(super) enum Settings {
    /// Tell every mistake in permit-config, and what is frozen now and next
    Lint(Args),
}

/// Tell what is wrong with the configuration
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// File with the ConfigMap, or with what stands in it; - is stdin [default: the cluster's]
    #[arg(short, long, value_name = "FILE")]
    filename: Option<PathBuf>,
    /// Namespace of the operator
    #[arg(long, value_name = "NAME", default_value = "permit-system")]
    operator_namespace: String,
    /// Output of mistakes and freezes
    #[arg(short, long, value_enum)]
    output: Option<Format>,
}

/// Reads, judges, prints; exit 1 where there is a mistake.
pub(super) async fn run(args: &Args, connection: &Connection, look: Look) -> anyhow::Result<Exit> {
    let text = match &args.filename {
        Some(path) => {
            let reading = || format!("read `{}`", path.display());
            let text = manifest::text_of(path).with_context(reading)?;
            within(&text).unwrap_or(text)
        }
        None => of_cluster(&args.operator_namespace, connection).await?,
    };
    let (read, now) = (parse::configuration(&text), SystemClock.now());
    let (value, lines) = match &read {
        Ok(config) => (as_value(config, now), told(config, (now, look))),
        Err(mistakes) => (mistaken(mistakes), listed(mistakes, look)),
    };
    output::show(args.output, &value, CONFIG_NAME, &lines.join("\n"))?;
    Ok(if read.is_ok() {
        Exit::Done
    } else {
        Exit::Error
    })
}

/// What stands in the ConfigMap, if the text is one.
fn within(text: &str) -> Option<String> {
    let objects = manifest::objects(text).ok()?;
    let is_map = |object: &&Value| object.get("kind") == Some(&"ConfigMap".into());
    let map = objects.iter().find(is_map)?;
    let content = map.get("data").and_then(|data| data.get(CONFIG_KEY));
    Some(
        content
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned(),
    )
}

async fn of_cluster(namespace: &str, connection: &Connection) -> anyhow::Result<String> {
    let cluster = Cluster::connect(connection).await?;
    let maps: Api<ConfigMap> = Api::namespaced(cluster.client, namespace);
    let found = maps.get_opt(CONFIG_NAME).await;
    let map = found.context("read the configuration")?.unwrap_or_default();
    let content = map.data.and_then(|mut data| data.remove(CONFIG_KEY));
    Ok(content.unwrap_or_default())
}

fn mistaken(mistakes: &[FieldError]) -> Value {
    let one = |m: &FieldError| json!({"path": m.path, "message": m.message});
    json!({"mistakes": mistakes.iter().map(one).collect::<Vec<_>>()})
}

fn listed(mistakes: &[FieldError], look: Look) -> Vec<String> {
    let mark = look.mark(Mark::Bad);
    mistakes.iter().map(|m| format!("{mark} {m}")).collect()
}

/// The freezes that begin after now, the soonest first.
fn coming(config: &Config, now: Timestamp) -> Vec<(Timestamp, &Freeze)> {
    let later = |freeze| Freeze::next(freeze, now).map(|from| (from, freeze));
    let mut coming: Vec<_> = config.freezes.iter().filter_map(later).collect();
    coming.sort_by_key(|(from, _)| *from);
    coming
}

fn as_value(config: &Config, now: Timestamp) -> Value {
    let described = |freeze: &Freeze| {
        json!({"name": freeze.name, "reason": freeze.reason, "lets": freeze.lets,
            "environments": freeze.environments, "namespaces": freeze.namespaces})
    };
    let with = |mut value: Value, key: &str, time: Timestamp| {
        if let Some(fields) = value.as_object_mut() {
            fields.insert(key.to_owned(), json!(time.to_string()));
        }
        value
    };
    let frozen = config.freezes.iter();
    let frozen = frozen.filter_map(|f| Some(with(described(f), "until", f.ends(now)?)));
    let next = coming(config, now).into_iter();
    let next = next.map(|(from, freeze)| with(described(freeze), "from", from));
    json!({"mistakes": [], "frozen": frozen.collect::<Vec<_>>(), "next": next.collect::<Vec<_>>(),
        "exemptions": config.exemptions})
}

fn told(config: &Config, (now, look): (Timestamp, Look)) -> Vec<String> {
    let mut lines = Vec::new();
    for freeze in &config.freezes {
        if let Some(until) = freeze.ends(now) {
            let mark = look.mark(Mark::Warning);
            lines.push(format!(
                "{mark} frozen   {} until {until}{}",
                freeze.name,
                reach(freeze)
            ));
        }
    }
    if lines.is_empty() {
        lines.push(format!("{} frozen   nothing now", look.mark(Mark::Good)));
    }
    for (from, freeze) in coming(config, now) {
        let mark = look.mark(Mark::Waiting);
        lines.push(format!(
            "{mark} next     {} from {from}{}",
            freeze.name,
            reach(freeze)
        ));
    }
    let mark = look.mark(Mark::Neutral);
    let exempt = config.exemptions.iter().map(exemption);
    lines.extend(exempt.map(|told| format!("{mark} exempt   {told}")));
    lines
}

/// Where a freeze holds, and why.
fn reach(freeze: &Freeze) -> String {
    let named = |what: &str, names: &[String]| match names {
        [] => String::new(),
        names => format!(", {what} {}", names.join(" ")),
    };
    let environments = named("environments", &freeze.environments);
    let namespaces = named("namespaces", &freeze.namespaces);
    format!("{environments}{namespaces}: {}", freeze.reason)
}

fn exemption(exemption: &Exemption) -> String {
    let operations: Vec<_> = exemption.operations.iter().map(|o| o.as_str()).collect();
    let (who, kind) = (&exemption.username, &exemption.kind);
    format!(
        "{who} may {} {kind}: {}",
        operations.join(" "),
        exemption.reason
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const YAML: &str = "freezes:\n- {name: year-end, reason: holidays, environments: [production], \
        from: '2026-12-20T00:00:00Z', until: '2027-01-04T06:00:00Z'}\n\
        - {name: nightly, reason: batch runs, recurring: {cron: '0 1 * * *', duration: 2h}}\n\
        exemptions:\n- {username: keda, kind: HorizontalPodAutoscaler, operations: [Scale], reason: within limits}\n";

    const LOOK: Look = Look {
        unicode: true,
        colour: false,
    };

    fn at(now: &str) -> Vec<String> {
        let config = parse::configuration(YAML).unwrap();
        told(&config, (now.parse().unwrap(), LOOK))
    }

    #[test]
    fn what_is_frozen_now_and_next_is_told() {
        assert_eq!(
            at("2026-12-21T12:00:00Z"),
            [
                "⚠ frozen   year-end until 2027-01-04T06:00:00Z, environments production: holidays",
                "◷ next     nightly from 2026-12-22T01:00:00Z: batch runs",
                "• exempt   keda may Scale HorizontalPodAutoscaler: within limits",
            ]
        );
        let earlier = at("2026-12-01T12:00:00Z");
        assert_eq!(earlier[0], "✔ frozen   nothing now");
        assert!(
            earlier[2].contains("year-end from 2026-12-20T00:00:00Z"),
            "{earlier:?}"
        );
    }

    #[test]
    fn a_config_map_is_read_by_what_stands_in_it() {
        let map = json!({"apiVersion": "v1", "kind": "ConfigMap", "data": {CONFIG_KEY: YAML}});
        assert_eq!(within(&map.to_string()).as_deref(), Some(YAML));
        assert_eq!(within(YAML), None);
    }

    #[test]
    fn mistakes_are_told_with_their_paths() {
        let mistakes = parse::configuration("freezes: [{name: a, reason: r}]").unwrap_err();
        let lines = listed(&mistakes, LOOK);
        assert_eq!(
            lines,
            ["✖ freezes[0]: write either from and until, or recurring"]
        );
        assert_eq!(mistaken(&mistakes)["mistakes"][0]["path"], "freezes[0]");
    }
}
