//! Configuration: is `permit-config` sound, and what does it say of one change?
//!
//! Every mistake is told, with its place. What is not sound is not used, and while there is none that is sound, nothing
//! is changed by a permit: a freeze or a narrowed exemption may stand in what cannot be read. Does not know where it
//! was read from.

use std::sync::Arc;

use k8s_openapi::jiff::Timestamp;

use super::calendar::{Recurring, Stretch};
use super::canonical::digest_of;
use super::kind;
use super::parse::FieldError;
use crate::api::config as wire;
use crate::api::kind::WorkloadKind;
use crate::api::vocabulary::{Operation, TemplateClass};

/// A sound configuration.
#[derive(Clone, Debug, Default)]
pub struct Config {
    /// Digest of its content; it stands in every decision.
    pub digest: String,
    /// When nothing may change.
    pub freezes: Vec<Freeze>,
    /// Who may write what without a permit.
    pub exemptions: Vec<wire::Exemption>,
    /// What follows where a change stands that nobody permitted.
    pub on_unpermitted: wire::OnUnpermitted,
}

/// A freeze that can be asked about a moment.
#[derive(Clone, Debug)]
pub struct Freeze {
    /// Its name.
    pub name: String,
    /// Why.
    pub reason: String,
    /// Classes of template that it lets through.
    pub lets: Vec<TemplateClass>,
    /// Environments that it is for; none is all.
    pub environments: Vec<String>,
    /// Namespaces that it is for; none is all.
    pub namespaces: Vec<String>,
    stretch: Stretch,
}

/// A freeze that is in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frozen {
    /// The freeze's name.
    pub name: String,
    /// Why.
    pub reason: String,
    /// When it is over; left out where a person lifts it.
    pub until: Option<Timestamp>,
    /// Classes of template that it lets through.
    pub lets: Vec<TemplateClass>,
}

/// What the configuration and the operator's own freezes say of one place at one moment.
#[derive(Clone, Debug, Default)]
pub struct InForce {
    /// The freezes; of several the one that lasts longest comes first.
    pub frozen: Vec<Frozen>,
    /// Why the configuration cannot be used, if it cannot.
    pub unsound: Option<String>,
    /// The configuration itself; one that says nothing where it cannot be used.
    pub config: Arc<Config>,
}

impl InForce {
    /// What is in force; `standing` says why a person has to lift a freeze of this place, if one has to.
    pub fn of(
        config: Result<Arc<Config>, String>,
        standing: Option<&str>,
        now: Timestamp,
        place: (&str, &str),
    ) -> Self {
        let (config, unsound) = match config {
            Ok(config) => (config, None),
            Err(why) => (Arc::default(), Some(why)),
        };
        // It lasts longer than any calendar says.
        let lasting = standing.map(Frozen::after_unpermitted);
        let frozen = lasting.into_iter().chain(config.frozen(now, place));
        Self {
            frozen: frozen.collect(),
            unsound,
            config,
        }
    }
}

impl Config {
    /// Checks a configuration; every mistake is told.
    pub fn check(wire: &wire::PermitConfig) -> Result<Self, Vec<FieldError>> {
        let mut mistakes = Vec::new();
        let mut freezes: Vec<Freeze> = Vec::new();
        for (at, freeze) in wire.freezes.iter().enumerate() {
            let path = format!("freezes[{at}]");
            let earlier = wire.freezes.iter().take(at);
            if earlier.map(|f| &f.name).any(|name| *name == freeze.name) {
                let told = format!("`{}` is named twice", freeze.name);
                mistakes.push(FieldError::new(format!("{path}.name"), told));
            }
            let texts = [("name", &freeze.name), ("reason", &freeze.reason)];
            mistakes.extend(empty(&path, &texts));
            freezes.extend(
                stretch_of(&path, freeze, &mut mistakes).map(|stretch| Freeze {
                    name: freeze.name.clone(),
                    reason: freeze.reason.clone(),
                    lets: freeze.lets.clone(),
                    environments: freeze.environments.clone(),
                    namespaces: freeze.namespaces.clone(),
                    stretch,
                }),
            );
        }
        for (at, exemption) in wire.exemptions.iter().enumerate() {
            exemption_mistakes(&format!("exemptions[{at}]"), exemption, &mut mistakes);
        }
        if !mistakes.is_empty() {
            return Err(mistakes);
        }
        Ok(Self {
            digest: digest_of("permit-operator/config/v1", wire).to_string(),
            freezes,
            exemptions: wire.exemptions.clone(),
            on_unpermitted: wire.on_unpermitted,
        })
    }

    /// The freezes that are in force for a place; of several the one that lasts longest comes first.
    pub fn frozen(&self, now: Timestamp, (namespace, environment): (&str, &str)) -> Vec<Frozen> {
        let is_for = |freeze: &&Freeze| {
            let names =
                |list: &[String], one: &str| list.is_empty() || list.iter().any(|n| n == one);
            names(&freeze.namespaces, namespace) && names(&freeze.environments, environment)
        };
        let in_force = |freeze: &Freeze| {
            Some(Frozen {
                name: freeze.name.clone(),
                reason: freeze.reason.clone(),
                until: Some(freeze.ends(now)?),
                lets: freeze.lets.clone(),
            })
        };
        let mut frozen: Vec<_> = self
            .freezes
            .iter()
            .filter(is_for)
            .filter_map(in_force)
            .collect();
        frozen.sort_by_key(|frozen| std::cmp::Reverse(frozen.until));
        frozen
    }
}

impl Frozen {
    /// The freeze that followed an unpermitted change.
    pub fn after_unpermitted(because: &str) -> Self {
        Self {
            name: "unpermitted-change".into(),
            reason: because.to_owned(),
            until: None,
            lets: vec![TemplateClass::Emergency],
        }
    }
}

impl Freeze {
    /// When it is over, if it is in force.
    pub fn ends(&self, now: Timestamp) -> Option<Timestamp> {
        self.stretch.ends(now)
    }

    /// When it begins next, after `now`.
    pub fn next(&self, now: Timestamp) -> Option<Timestamp> {
        self.stretch.next(now)
    }
}

fn empty<'a>(path: &'a str, texts: &'a [(&str, &String)]) -> impl Iterator<Item = FieldError> + 'a {
    let are_empty = texts.iter().filter(|(_, text)| text.trim().is_empty());
    are_empty.map(move |(field, _)| FieldError::new(format!("{path}.{field}"), "is empty"))
}

fn stretch_of(
    path: &str,
    freeze: &wire::Freeze,
    mistakes: &mut Vec<FieldError>,
) -> Option<Stretch> {
    let before = mistakes.len();
    let mut time = |text: &Option<String>, field: &str| -> Option<Timestamp> {
        let text = text.as_ref()?;
        let told = format!("`{text}` is no time; write one such as 2026-12-20T00:00:00Z");
        let refuse = |_| mistakes.push(FieldError::new(format!("{path}.{field}"), told));
        text.parse().map_err(refuse).ok()
    };
    let (from, until) = (time(&freeze.from, "from"), time(&freeze.until, "until"));
    if mistakes.len() > before {
        return None;
    }
    let mistake = match (from, until, &freeze.recurring) {
        (None, None, Some(recurring)) => match Recurring::parse(recurring) {
            Ok(recurring) => return Some(Stretch::Recurring(Box::new(recurring))),
            Err(why) => FieldError::new(format!("{path}.recurring"), why),
        },
        (Some(from), Some(until), None) if from < until => {
            return Some(Stretch::Once { from, until });
        }
        (Some(_), Some(_), None) => FieldError::new(
            format!("{path}.until"),
            "it ends before it begins: until must be after from",
        ),
        _ => FieldError::new(path, "write either from and until, or recurring"),
    };
    mistakes.push(mistake);
    None
}

/// What makes an exemption a way round the gate (threat row 27), or one that is for nobody.
fn exemption_mistakes(path: &str, exemption: &wire::Exemption, mistakes: &mut Vec<FieldError>) {
    let mut mistake = |field: &str, told: &str| {
        mistakes.push(FieldError::new(format!("{path}.{field}"), told));
    };
    let username = exemption.username.as_str();
    if username.contains('*') || username.trim().is_empty() {
        mistake(
            "username",
            "is one exact name; groups and patterns are not exempt",
        );
    }
    // One of another group, named with it, may be gated by a newer version.
    let is_kind = |word: &str| {
        kind::form(word).is_some() || WorkloadKind::OWN.contains(&word) || word.contains('.')
    };
    if !is_kind(&exemption.kind) {
        let told = format!("`{}` is no kind that is gated", exemption.kind);
        mistake("kind", &told);
    }
    let names = |operation: &Operation| exemption.operations.contains(operation);
    if exemption.operations.is_empty() {
        mistake(
            "operations",
            "says what the change may amount to; it is empty",
        );
    } else if Operation::ALL.iter().all(names) {
        mistake(
            "operations",
            "names every operation; name those that the account makes",
        );
    }
    if exemption.reason.trim().is_empty() {
        mistake("reason", "is empty");
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(value: serde_json::Value) -> Result<Config, String> {
        let wire: wire::PermitConfig = serde_json::from_value(value).map_err(|e| e.to_string())?;
        Config::check(&wire).map_err(|mistakes| crate::domain::parse::listed(&mistakes))
    }

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn a_freeze_is_in_force_in_its_place_and_time_only() {
        let config = check(json!({"freezes": [{"name": "year-end", "reason": "holidays", "environments": ["production"],
            "from": "2026-12-20T00:00:00Z", "until": "2027-01-04T06:00:00Z"}]}))
        .unwrap();
        let frozen =
            |now: &str, environment: &str| config.frozen(at(now), ("shop", environment)).len();
        assert_eq!(frozen("2026-12-24T12:00:00Z", "production"), 1);
        assert_eq!(frozen("2026-12-24T12:00:00Z", "staging"), 0);
        assert_eq!(frozen("2027-01-04T06:00:00Z", "production"), 0);
        assert_eq!(frozen("2026-12-19T23:59:59Z", "production"), 0);
        let told = config
            .frozen(at("2026-12-24T12:00:00Z"), ("shop", "production"))
            .remove(0);
        assert_eq!(
            told.lets,
            [TemplateClass::Emergency],
            "the way for emergencies is open unless it is shut"
        );
    }

    #[test]
    fn every_mistake_is_told_with_its_place() {
        let told = check(json!({
            "freezes": [
                {"name": "a", "reason": "r", "from": "2026-12-20T00:00:00Z", "until": "2026-12-19T00:00:00Z"},
                {"name": "b", "reason": "r", "recurring": {"cron": "never", "duration": "1h"}},
                {"name": "c", "reason": "r"},
                {"name": "d", "reason": "r", "from": "tomorrow", "until": "2026-12-19T00:00:00Z"}],
            "exemptions": [{"username": "system:serviceaccount:*", "kind": "Pod", "operations": ["Create"], "reason": "r"}]}))
        .unwrap_err();
        for part in [
            "freezes[0]",
            "ends before it begins",
            "freezes[1]",
            "cron `never`",
            "freezes[2]",
            "either",
            "freezes[3]",
            "`tomorrow`",
            "exemptions[0].username",
            "exact",
        ] {
            assert!(told.contains(part), "`{part}` is not in {told}");
        }
    }

    #[test]
    fn an_unknown_field_is_a_mistake() {
        assert!(check(json!({"frezes": []})).unwrap_err().contains("frezes"));
    }

    #[test]
    fn another_content_has_another_digest() {
        let one = check(json!({})).unwrap();
        let two = check(json!({"exemptions": [{"username": "a", "kind": "Pod", "operations": ["Create"], "reason": "r"}]})).unwrap();
        assert_ne!(one.digest, two.digest);
    }

    #[test]
    fn t27_an_exemption_of_everything_is_refused() {
        let all: Vec<_> = Operation::ALL.iter().map(|o| o.as_str()).collect();
        let told = check(
            json!({"exemptions": [{"username": "a", "kind": "Pod", "operations": all, "reason": "r"}]}),
        );
        assert!(told.unwrap_err().contains("every operation"));
    }
}
