//! Words: the closed vocabularies, and the transitions between phases.

use permit_operator::api::reason::Reason;
use permit_operator::api::vocabulary::{
    Decision, EventReason, GateMode, Operation, Outcome, Phase, RevocationReason,
};
use permit_operator::domain::gate::Code;
use permit_operator::domain::lifecycle::{TRANSITIONS, mermaid};

/// A section a vocabulary.
pub(crate) fn markdown() -> String {
    let mut text = String::new();
    list(&mut text, "Phases", Phase::ALL);
    text.extend([format!("\n```mermaid\n{}```\n", mermaid())]);
    text += "\n## Transitions\n\n| from | event | to |\n| --- | --- | --- |\n";
    for (from, event, to) in TRANSITIONS {
        text.extend([format!("| `{from}` | `{event:?}` | `{to}` |\n")]);
    }
    text.push('\n');
    list(&mut text, "Outcomes", Outcome::ALL);
    text.push('\n');
    list(&mut text, "Decisions of an Approval", Decision::ALL);
    text.push('\n');
    list(&mut text, "Reasons of a revocation", RevocationReason::ALL);
    text.push('\n');
    list(&mut text, "Reasons of conditions", Reason::ALL);
    text +=
        "\nA permit at rest may also give one of the reasons of a revocation, or its outcome.\n\n";
    list(&mut text, "Operations", Operation::ALL);
    text.push('\n');
    list(&mut text, "Modes of a namespace", GateMode::ALL);
    text += "\n## Codes of the gate\n\nThe first word of a denial.\n\n";
    for code in Code::ALL {
        text.extend([format!("- `{}`: {}\n", code.as_str(), code.meaning())]);
    }
    text
}

pub(crate) fn list<W: Copy + std::fmt::Display + Described>(
    text: &mut String,
    title: &str,
    words: &[W],
) {
    text.extend([format!("## {title}\n\n")]);
    for word in words {
        text.extend([format!("- `{word}`: {}\n", word.meaning())]);
    }
}

/// A word with its meaning.
pub(crate) trait Described {
    fn meaning(&self) -> &'static str;
}

macro_rules! described {
    ($($name:ident),+) => {
        $(impl Described for $name { fn meaning(&self) -> &'static str { $name::meaning(*self) } })+
    };
}

described!(
    EventReason,
    Phase,
    Outcome,
    Decision,
    RevocationReason,
    Reason,
    Operation,
    GateMode
);
