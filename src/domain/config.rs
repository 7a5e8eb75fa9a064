//! Configuration: is `permit-config` sound, and what does it say of one change?
//!
//! Every mistake is told, with its place. What is not sound is not used, and while there is none that is sound, nothing
//! is changed by a permit: a freeze or a narrowed exemption may stand in what cannot be read. Does not know where it
//! was read from.

use k8s_openapi::jiff::Timestamp;

use super::calendar::{Recurring, Stretch};
use super::canonical::digest_of;
use super::parse::FieldError;
use crate::api::config as wire;
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
    environments: Vec<String>,
    namespaces: Vec<String>,
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

impl Config {
    /// Checks a configuration; every mistake is told.
    pub fn check(wire: &wire::PermitConfig) -> Result<Self, Vec<FieldError>> {
        let mut mistakes = Vec::new();
        let freezes = wire.freezes.iter().enumerate().filter_map(|(at, freeze)| {
            stretch_of(freeze)
                .map(|stretch| Freeze {
                    name: freeze.name.clone(),
                    reason: freeze.reason.clone(),
                    lets: freeze.lets.clone(),
                    environments: freeze.environments.clone(),
                    namespaces: freeze.namespaces.clone(),
                    stretch,
                })
                .map_err(|why| mistakes.push(FieldError::new(format!("freezes[{at}]"), why)))
                .ok()
        });
        let freezes = freezes.collect();
        for (at, exemption) in wire.exemptions.iter().enumerate() {
            if let Some(why) = too_broad(exemption) {
                mistakes.push(FieldError::new(format!("exemptions[{at}]"), why));
            }
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
                until: Some(freeze.stretch.ends(now)?),
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

fn stretch_of(freeze: &wire::Freeze) -> Result<Stretch, String> {
    let time = |text: &Option<String>, which: &str| -> Result<Option<Timestamp>, String> {
        let Some(text) = text else { return Ok(None) };
        let read = text.parse().map_err(|_| {
            format!("{which} `{text}` is no time; write one such as 2026-12-20T00:00:00Z")
        });
        read.map(Some)
    };
    let (from, until) = (time(&freeze.from, "from")?, time(&freeze.until, "until")?);
    match (from, until, &freeze.recurring) {
        (None, None, Some(recurring)) => {
            Recurring::parse(recurring).map(|r| Stretch::Recurring(Box::new(r)))
        }
        (Some(from), Some(until), None) if from < until => Ok(Stretch::Once { from, until }),
        (Some(_), Some(_), None) => {
            Err("it ends before it begins: until must be after from".into())
        }
        _ => Err("write either from and until, or recurring".into()),
    }
}

/// Why an exemption would be a way round the gate (threat row 27).
fn too_broad(exemption: &wire::Exemption) -> Option<String> {
    let username = exemption.username.as_str();
    if username.contains('*') || username.trim().is_empty() {
        return Some("username is one exact name; groups and patterns are not exempt".into());
    }
    if exemption.operations.is_empty() {
        return Some("operations says what the change may amount to; it is empty".into());
    }
    let is_everything = Operation::ALL
        .iter()
        .all(|operation| exemption.operations.contains(operation));
    is_everything.then(|| "it names every operation; name those that the account makes".into())
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
            "exemptions[0]",
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
