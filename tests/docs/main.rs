//! The reference under `docs/reference`: equal to what the code says, or rewritten with `UPDATE=1`; blocks that would be
//! taken; and links that lead somewhere.
//!
//! Does not know whether the prose around them is true.
#![cfg(test)]

#[path = "../support/golden.rs"]
mod golden;

mod blocks;
mod commands;
mod conditions;
mod denial;
mod fields;
mod links;
mod threats;
mod words;

use golden::assert_golden;
use permit_operator::metrics::Metrics;

/// How every generated page begins.
fn page(title: &str, about: &str, body: &str) -> String {
    let note = "<!-- Generated from the code by `make golden`; edit the code instead. -->";
    format!("{note}\n# {title}\n\n{about}\n\n{body}")
}

#[test]
fn the_reference_of_the_kinds_says_what_the_schemas_say() {
    let about = "The three kinds of group `permits.dev`, version `v1alpha1`. `kubectl explain permit.spec` prints the same.";
    assert_golden(
        "docs/reference/api.md",
        &page("API", about, &fields::markdown()),
    );
}

#[test]
fn the_reference_of_the_configuration_says_what_its_types_say() {
    let about = "What stands in the ConfigMap `permit-config` of the operator's namespace, under the key `config.yaml`. \
        `kubectl permit config lint` tells every mistake, and what is frozen now and next. How-to: \
        [freeze changes](../how-to/freeze-changes.md), [exempt a controller](../how-to/exempt-a-controller.md).";
    assert_golden(
        "docs/reference/config.md",
        &page("permit-config", about, &fields::configuration()),
    );
}

#[test]
fn the_reference_of_the_plugin_says_what_its_help_says() {
    let about = "Each command takes the flags of kubectl that are listed first.";
    let body = commands::markdown(permit_operator::cli::command());
    assert_golden(
        "docs/reference/kubectl-permit.md",
        &page("kubectl permit", about, &body),
    );
}

#[test]
fn the_reference_of_the_operator_says_what_its_help_says() {
    let about = "One process: gate on every replica, controller on the one that leads. Flags win over the environment.";
    let command = <permit_operator::config::Config as clap::CommandFactory>::command();
    assert_golden(
        "docs/reference/permit-operator.md",
        &page("permit-operator", about, &commands::markdown(command)),
    );
}

#[test]
fn the_reference_of_words_lists_every_word() {
    let about = "Closed lists: what stands in status, messages, metrics and the record.";
    assert_golden(
        "docs/reference/words.md",
        &page("Phases, outcomes, codes", about, &words::markdown()),
    );
}

#[test]
fn the_reference_of_conditions_lists_every_word() {
    let about = "What programs wait for and people look up. How to wait: \
        `kubectl wait permit/NAME --for=condition=Finished`, or `kubectl permit wait NAME --for=finished`.";
    let title = "Conditions, Events, refusals, exit codes";
    assert_golden(
        "docs/reference/conditions.md",
        &page(title, about, &conditions::markdown()),
    );
}

#[test]
fn the_reference_of_metrics_lists_every_figure() {
    let metrics = Metrics::new().unwrap();
    let mut figures = metrics.figures().to_vec();
    figures.sort();
    let mut body = String::from("| name | labels | says |\n| --- | --- | --- |\n");
    for figure in figures {
        body.extend([format!(
            "| `{}` | {} | {} |\n",
            figure.name,
            figure.labels.join(", "),
            figure.help
        )]);
    }
    let about = "Served on `/metrics`, beside the standard `process_…` figures. Labels come from closed lists: no names of users, permits or pods.";
    assert_golden("docs/reference/metrics.md", &page("Metrics", about, &body));
}
