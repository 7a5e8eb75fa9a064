//! Lint: what is wrong with templates taken together, that no single one can tell?
//!
//! Two that would govern the same, operations that none governs, windows that a permit can miss, and templates that
//! cannot be read. Judges no change. Does not know who holds which role.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::jiff::Timestamp;
use serde::Serialize;

use super::calendar::longest_closed;
use super::template::{Level, PRODUCTION, Template, Unreadable, governs_operations, governs_place};
use crate::api::template::AppliesTo;
use crate::api::vocabulary::Operation;

/// Templates as they were read.
pub type Read = Result<Template, Box<Unreadable>>;

/// What a finding is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum About {
    /// A template cannot be read; what it governs is not granted by any that is below it.
    Unreadable,
    /// Several of the highest level govern the same; the first by name wins.
    Tie,
    /// No template governs an operation; only an emergency can.
    Gap,
    /// A permit can lapse before a window of its template opens.
    Window,
}

/// One finding.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    /// What it is about.
    pub about: About,
    /// The templates that it is about.
    pub templates: Vec<String>,
    /// The places, as `environment` or `environment/namespace`.
    pub places: Vec<String>,
    /// The operations.
    pub operations: Vec<Operation>,
    /// What is wrong, in words.
    pub message: String,
}

/// Where changes are made: an environment, and a namespace by name, or any that no template names.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The environment.
    pub environment: String,
    /// The namespace.
    pub namespace: Option<String>,
}

impl Place {
    fn told(&self) -> String {
        match &self.namespace {
            Some(namespace) => format!("{}/{namespace}", self.environment),
            None => self.environment.clone(),
        }
    }
}

/// Everything that is wrong with these templates in the places that are known and those that they name themselves.
pub fn lint(templates: &[Read], known: &[Place], now: Timestamp) -> Vec<Finding> {
    let mut findings: Vec<Finding> = templates
        .iter()
        .filter_map(|read| read.as_ref().err().map(|t| unreadable(t)))
        .collect();
    findings.extend(ties(templates, &places(templates, known)));
    findings.extend(gaps(templates, known));
    let sound = templates.iter().filter_map(|read| read.as_ref().ok());
    findings.extend(sound.filter_map(|template| missed(template, now)));
    findings
}

fn unreadable(template: &Unreadable) -> Finding {
    let mistakes: Vec<_> = template.mistakes.iter().map(ToString::to_string).collect();
    Finding {
        about: About::Unreadable,
        templates: vec![template.name.clone()],
        places: Vec::new(),
        operations: template.applies_to.operations.clone(),
        message: mistakes.join("; "),
    }
}

/// Name, level and reach of a template, whether it can be read or not.
fn reach(read: &Read) -> (&str, Level, &AppliesTo) {
    match read {
        Ok(t) => (&t.name, t.level, &t.applies_to),
        Err(t) => (&t.name, t.level, &t.applies_to),
    }
}

/// What can be asked for at all: nobody is permitted to have a controller restore what it kept.
fn operations() -> impl Iterator<Item = Operation> {
    let all = Operation::ALL.iter().copied();
    all.filter(|operation| *operation != Operation::Rollback)
}

/// The known places, and each environment that is named with each namespace that is, and with any other.
fn places(templates: &[Read], known: &[Place]) -> BTreeSet<Place> {
    let reaches = || templates.iter().map(|read| reach(read).2);
    let environments: BTreeSet<&str> = reaches()
        .flat_map(|a| a.environments.iter().map(String::as_str))
        .chain(known.iter().map(|place| place.environment.as_str()))
        .chain([PRODUCTION])
        .collect();
    let is_known = |name: &&String| known.iter().all(|p| p.namespace.as_ref() != Some(name));
    let named = reaches().flat_map(|a| &a.namespaces).filter(is_known);
    let namespaces: BTreeSet<Option<&String>> = named.map(Some).chain([None]).collect();
    let all = environments.iter().flat_map(|environment| {
        namespaces.iter().map(|namespace| Place {
            environment: (*environment).to_owned(),
            namespace: namespace.cloned(),
        })
    });
    all.chain(known.iter().cloned()).collect()
}

/// Those that have a say in an operation at a place, emergencies left out.
fn applying<'t>(
    templates: &'t [Read],
    place: &'t Place,
    operation: Operation,
) -> impl Iterator<Item = (&'t str, Level)> {
    let namespace = place.namespace.as_deref().unwrap_or_default();
    let all = templates.iter().map(reach);
    let applies = move |(_, level, applies_to): &(&str, Level, &AppliesTo)| {
        *level != Level::Emergency
            && governs_place(applies_to, namespace, &place.environment)
            && governs_operations(applies_to, [&operation])
    };
    all.filter(applies).map(|(name, level, _)| (name, level))
}

fn ties(templates: &[Read], places: &BTreeSet<Place>) -> Vec<Finding> {
    type Where<'p> = (BTreeSet<Operation>, BTreeSet<&'p Place>);
    let mut ties: BTreeMap<(Level, BTreeSet<&str>), Where<'_>> = BTreeMap::new();
    for place in places {
        for operation in operations() {
            let all: Vec<_> = applying(templates, place, operation).collect();
            let Some(level) = all.iter().map(|(_, level)| *level).max() else {
                continue;
            };
            let top: BTreeSet<&str> = all
                .iter()
                .filter(|(_, l)| *l == level)
                .map(|(name, _)| *name)
                .collect();
            if top.len() > 1 {
                let (operations, places) = ties.entry((level, top)).or_default();
                operations.insert(operation);
                places.insert(place);
            }
        }
    }
    ties.into_iter()
        .map(|((level, names), (operations, places))| {
            let first = names.first().copied().unwrap_or_default();
            Finding {
                about: About::Tie,
                message: format!("all are of level {level}; `{first}` governs by its name"),
                templates: names.iter().map(ToString::to_string).collect(),
                places: places.into_iter().map(Place::told).collect(),
                operations: operations.into_iter().collect(),
            }
        })
        .collect()
}

/// Of each environment what none governs there; where its namespaces are known, in each of them.
fn gaps(templates: &[Read], known: &[Place]) -> Vec<Finding> {
    let of_templates = templates
        .iter()
        .flat_map(|read| &reach(read).2.environments);
    let all = of_templates.map(String::as_str).chain([PRODUCTION]);
    let is_known = |environment: &str| known.iter().any(|p| p.environment == environment);
    let unknown = all.filter(|e| !is_known(e)).map(|environment| Place {
        environment: environment.to_owned(),
        namespace: None,
    });
    let places: BTreeSet<Place> = unknown.chain(known.iter().cloned()).collect();
    let mut gaps: BTreeMap<(&str, Vec<Operation>), Vec<String>> = BTreeMap::new();
    for place in &places {
        let is_open = |o: &Operation| applying(templates, place, *o).next().is_none();
        let missing: Vec<_> = operations().filter(is_open).collect();
        if !missing.is_empty() {
            let key = (place.environment.as_str(), missing);
            gaps.entry(key).or_default().push(place.told());
        }
    }
    gaps.into_iter()
        .map(|((_, operations), places)| Finding {
            about: About::Gap,
            templates: Vec::new(),
            places,
            operations,
            message: "no template governs it; only an emergency can be permitted".into(),
        })
        .collect()
}

/// A template whose windows are further apart than a permit under it lives.
fn missed(template: &Template, now: Timestamp) -> Option<Finding> {
    let message = match longest_closed(&template.openings, now) {
        None => "its windows never open again".to_owned(),
        Some(closed) if closed > template.window => format!(
            "a permit lives for {} after it is issued, and its windows are up to {} apart: it can lapse before one opens",
            hours(template.window),
            hours(closed)
        ),
        Some(_) => return None,
    };
    Some(Finding {
        about: About::Window,
        templates: vec![template.name.clone()],
        places: Vec::new(),
        operations: Vec::new(),
        message,
    })
}

fn hours(span: std::time::Duration) -> String {
    let minutes = span.as_secs().div_ceil(60);
    match (minutes / 60, minutes % 60) {
        (0, minutes) => format!("{minutes}m"),
        (hours, 0) => format!("{hours}h"),
        (hours, minutes) => format!("{hours}h{minutes}m"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::domain::parse;

    fn read(name: &str, fields: &Value) -> Read {
        let mut spec = json!({"level": 2, "approval": {"rules": [{"roles": ["sre"]}]}});
        for (field, value) in fields.as_object().unwrap() {
            spec[field] = value.clone();
        }
        parse::governing(name, "", &serde_json::from_value(spec).unwrap())
    }

    fn found(templates: &[Read], known: &[Place]) -> Vec<Finding> {
        lint(templates, known, "2026-11-25T12:00:00Z".parse().unwrap())
    }

    fn place(environment: &str, namespace: &str) -> Place {
        Place {
            environment: environment.into(),
            namespace: Some(namespace.into()),
        }
    }

    #[test]
    fn one_template_for_everything_has_nothing_wrong() {
        assert_eq!(
            found(&[read("all", &json!({}))], &[place("staging", "shop")]),
            []
        );
    }

    #[test]
    fn two_of_the_same_highest_level_are_a_tie_where_both_apply() {
        let all = [
            read("all", &json!({})),
            read(
                "b",
                &json!({"level": 3, "appliesTo": {"operations": ["Scale"]}}),
            ),
            read(
                "a",
                &json!({"level": 3, "appliesTo": {"namespaces": ["shop"], "operations": ["Scale", "Deploy"]}}),
            ),
        ];
        let ties = found(&all, &[]);
        assert_eq!(ties.len(), 1, "{ties:#?}");
        assert_eq!(ties[0].about, About::Tie);
        assert_eq!(ties[0].templates, ["a", "b"]);
        assert_eq!(ties[0].places, ["production/shop"]);
        assert_eq!(ties[0].operations, [Operation::Scale]);
        assert!(ties[0].message.contains("`a` governs"), "{ties:?}");
        // Below a higher one they govern nothing, and an emergency takes no part.
        let high = read("high", &json!({"level": 4}));
        let emergency = json!({"level": 4, "class": "Emergency", "execution": {"window": "1h"}});
        let above: Vec<_> = all
            .into_iter()
            .chain([high, read("now", &emergency)])
            .collect();
        assert_eq!(found(&above, &[]), []);
    }

    #[test]
    fn what_no_template_governs_is_a_gap_of_its_environment() {
        let deploys =
            json!({"appliesTo": {"environments": ["production"], "operations": ["Deploy"]}});
        let gaps = found(&[read("deploys", &deploys)], &[]);
        assert_eq!(gaps.len(), 1, "{gaps:#?}");
        assert_eq!(
            (gaps[0].about, &gaps[0].places[..]),
            (About::Gap, &["production".to_owned()][..])
        );
        assert!(!gaps[0].operations.contains(&Operation::Deploy));
        assert!(
            !gaps[0].operations.contains(&Operation::Rollback),
            "nobody can ask for it"
        );
        assert!(gaps[0].operations.contains(&Operation::Delete));
        let known = [place("staging", "shop"), place("staging", "cart")];
        let gaps = found(&[read("deploys", &deploys)], &known);
        assert_eq!(gaps[1].places, ["staging/cart", "staging/shop"]);
        assert!(gaps[1].operations.contains(&Operation::Deploy));
    }

    #[test]
    fn one_that_cannot_be_read_is_told_with_its_mistakes_and_is_no_gap() {
        let broken = json!({"execution": {"recurring": [{"cron": "never ever", "duration": "1h"}], "window": "0h"}});
        let told = found(&[read("broken", &broken)], &[]);
        assert_eq!(told.len(), 1, "{told:#?}");
        assert_eq!(told[0].about, About::Unreadable);
        assert!(
            told[0].message.contains("spec.execution.recurring[0]"),
            "{told:?}"
        );
    }

    #[test]
    fn windows_that_a_permit_can_miss_are_told() {
        let nightly = |window: &str| {
            let recurring = json!([{"cron": "0 22 * * *", "duration": "4h"}]);
            let execution = json!({"window": window, "recurring": recurring});
            found(&[read("nightly", &json!({"execution": execution}))], &[])
        };
        let told = nightly("2h");
        assert_eq!(told[0].about, About::Window);
        assert!(
            told[0].message.contains("lives for 2h") && told[0].message.contains("20h apart"),
            "{told:?}"
        );
        assert_eq!(nightly("20h"), []);
    }
}
