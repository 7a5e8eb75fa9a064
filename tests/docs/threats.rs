//! The threat model: every row is answered, and every test that it names exists.
//!
//! Does not know whether a test shows what the row says.

use std::fs;
use std::path::Path;

/// The rows that are about the gate.
fn rows() -> Vec<u32> {
    (1..=29).chain(53..=58).collect()
}

fn page() -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/threat-model.md")).unwrap()
}

/// The number of a line of a table, if it is one, and its text.
fn row(line: &str) -> Option<(u32, &str)> {
    let rest = line.strip_prefix("| ")?;
    let (number, rest) = rest.split_once(" | ")?;
    Some((number.parse().ok()?, rest))
}

/// What is written as `file::test`.
fn tests(text: &str) -> Vec<(&str, &str)> {
    let quoted = text.split('`').skip(1).step_by(2);
    quoted.filter_map(|word| word.split_once("::")).collect()
}

/// Whether a file has a test of that name.
fn has_test(file: &str, name: &str) -> bool {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
    let text = fs::read_to_string(path).unwrap_or_default();
    let Some((before, _)) = text.split_once(&format!("fn {name}()")) else {
        return false;
    };
    // Its attributes stand between the end of what came before and its name.
    let attributes = before.rsplit("\n\n").next().unwrap_or_default();
    attributes.contains("#[test]") || attributes.contains("#[tokio::test")
}

#[test]
fn every_row_about_the_gate_is_answered_once_by_a_test_or_as_residual() {
    let page = page();
    let answered: Vec<_> = page.lines().filter_map(row).collect();
    let numbers: Vec<u32> = answered.iter().map(|(number, _)| *number).collect();
    assert_eq!(numbers, rows());
    for (number, text) in answered {
        assert!(
            !tests(text).is_empty() || text.contains("Residual: "),
            "row {number} shows nothing"
        );
    }
}

#[test]
fn every_test_that_the_threat_model_names_exists() {
    let page = page();
    let missing: Vec<_> = tests(&page)
        .into_iter()
        .filter(|(file, name)| !has_test(file, name))
        .collect();
    assert!(missing.is_empty(), "{missing:#?}");
    assert!(
        !has_test("tests/docs/threats.rs", "page"),
        "what is no test is not taken for one"
    );
}
