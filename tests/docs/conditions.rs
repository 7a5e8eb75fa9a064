//! Conditions, Events, refusals and exit codes: the words that programs wait for and people look up.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use permit_operator::api::condition::ConditionType;
use permit_operator::api::vocabulary::EventReason;
use permit_operator::cli::EXIT_CODES;
use permit_operator::webhook::REFUSALS;

use super::words::list;

/// Where writes to our own kinds are refused.
const SPEAKERS: [&str; 4] = ["own.rs", "own/permit.rs", "own/approval.rs", "stamp.rs"];

/// A section a list.
pub(crate) fn markdown() -> String {
    let mut text = String::from(
        "## Condition types\n\nWhat True says; every permit has all of them from its first look on. \
        Their reasons are in [the lists of words](words.md).\n\n",
    );
    for type_ in ConditionType::ALL {
        text += &format!("- `{}`: {}\n", type_.as_str(), type_.meaning());
    }
    text += "\n";
    list(&mut text, "Reasons of Events", EventReason::ALL);
    text += "\n## Refusals of permits, approvals and templates\n\n\
        The first word of the answer; changes of workloads are denied with the [codes of the gate](words.md).\n\n";
    for (code, meaning) in REFUSALS {
        text += &format!("- `{code}`: {meaning}\n");
    }
    text += "\n## Exit codes of kubectl permit\n\n| code | says |\n| --- | --- |\n";
    for (code, meaning) in EXIT_CODES {
        text += &format!("| {code} | {meaning} |\n");
    }
    text
}

#[test]
fn every_refusal_that_is_spoken_is_listed_and_no_other() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/webhook");
    let mut spoken = BTreeSet::new();
    for file in SPEAKERS {
        let text = fs::read_to_string(source.join(file)).unwrap();
        spoken.extend(text.split('"').filter_map(code));
    }
    let listed: BTreeSet<_> = REFUSALS.iter().map(|(c, _)| (*c).to_owned()).collect();
    assert_eq!(spoken, listed);
}

/// The code that a literal begins with: several words in one, and then a colon or nothing.
fn code(literal: &str) -> Option<String> {
    let word = literal.split(": ").next()?;
    let is_word = word.chars().all(char::is_alphabetic) && word.contains(char::is_lowercase);
    let humps = word.chars().filter(|c| c.is_uppercase()).count();
    let begins = word.starts_with(char::is_uppercase);
    (is_word && begins && humps > 1).then(|| word.to_owned())
}
