//! The architecture, as far as a machine can read it: who may use whom, what a layer must not mention, how long a file is.
//!
//! Function length, argument counts and the rest are the lints' to say. There are no exceptions to list here.
#![cfg(test)]

#[path = "support/source.rs"]
mod source;

use std::fs;
use std::path::{Path, PathBuf};

use source::{code_of, has_word, lines_before_tests};

/// The longest a file may be, without its tests.
const LONGEST: usize = 350;
/// Names that say nothing about what is inside.
const EMPTY_NAMES: &[&str] = &[
    "utils", "util", "helpers", "helper", "common", "manager", "misc",
];

/// Each part of the crate, and which other parts it may use. Whoever adds a part adds its row.
const LAYERS: &[(&str, &[&str])] = &[
    ("api", &[]),
    ("domain", &["api"]),
    ("clock", &[]),
    ("config", &["api", "domain"]),
    ("telemetry", &["config"]),
    ("metrics", &["api", "domain"]),
    ("supervise", &[]),
    ("health", &["metrics"]),
    ("cluster", &["api", "domain", "clock"]),
    ("policy", &["api", "domain", "clock"]),
    ("probe", &["api", "domain", "clock"]),
    ("notify", &["api", "domain", "clock"]),
    ("ledger", &["api", "domain", "clock"]),
    (
        "controller",
        &[
            "api", "domain", "cluster", "policy", "probe", "notify", "ledger", "clock", "metrics",
        ],
    ),
    (
        "webhook",
        &[
            "api", "domain", "cluster", "policy", "clock", "health", "metrics",
        ],
    ),
    (
        "dashboard",
        &["api", "domain", "cluster", "ledger", "clock", "metrics"],
    ),
    ("cli", &["api", "domain", "cluster", "config", "clock"]),
];
/// What starts everything may use everything.
const ROOTS: &[&str] = &["runtime", "main", "lib"];

/// What a layer must not mention, as whole words.
const WORDS: &[(&str, &[&str])] = &[
    ("api", &["async", "await", "Client", "Api"]),
    ("domain", &["async", "await", "Client", "Api"]),
];
/// What a layer must not mention, as it is written.
const PHRASES: &[(&str, &[&str])] = &[(
    "domain",
    &[
        "kube::runtime",
        "kube::client",
        "::now(",
        ".now(",
        "std::env",
        "std::fs",
        "std::net",
        "std::io",
        "std::process",
        "std::thread",
    ],
)];
/// The foreign crates of the two pure layers.
const CRATES: &[(&str, &[&str])] = &[
    (
        "api",
        &[
            "serde",
            "serde_json",
            "schemars",
            "kube",
            "k8s_openapi",
            "jiff",
        ],
    ),
    (
        "domain",
        &[
            "serde",
            "serde_json",
            "kube",
            "k8s_openapi",
            "jiff",
            "sha2",
            "hmac",
            "hex",
            "serde_json_canonicalizer",
            "promql_parser",
            "croner",
            "serde_saphyr",
            "thiserror",
        ],
    ),
];
/// Foreign crates that one part keeps to itself, so that they can be exchanged there.
const KEEPERS: &[(&str, &[&str])] = &[
    ("sqlx", &["ledger"]),
    ("reqwest", &["probe", "notify"]),
    ("promql_parser", &["domain"]),
    ("clap", &["config", "cli"]),
    ("anyhow", &["cli", "main", "runtime"]),
];

/// One source file.
struct File {
    /// From the root of the package.
    path: String,
    /// The part of the crate that it belongs to.
    layer: String,
    /// Its modules, from the root of the crate.
    modules: Vec<String>,
    text: String,
    /// Without comments, literals and tests.
    code: String,
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn rust_files_below(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(rust_files_below(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found.sort();
    found
}

fn read(path: &Path) -> File {
    let text = fs::read_to_string(path).unwrap();
    let all = code_of(&text);
    let length = lines_before_tests(&all).unwrap_or(usize::MAX);
    let code = all.lines().take(length).collect::<Vec<_>>().join("\n");
    let path = path
        .strip_prefix(root())
        .unwrap()
        .to_string_lossy()
        .replace('\\', "/");
    let inside = path
        .strip_prefix("src/")
        .unwrap_or(&path)
        .trim_end_matches(".rs")
        .trim_end_matches("/mod");
    let modules: Vec<String> = inside.split('/').map(str::to_owned).collect();
    File {
        layer: modules[0].clone(),
        modules,
        text,
        code,
        path,
    }
}

/// The crate's own sources; files that hold nothing but tests are none.
fn sources() -> Vec<File> {
    let files = rust_files_below(&root().join("src"));
    files
        .iter()
        .map(|path| read(path))
        .filter(|file| file.modules.last().is_none_or(|name| name != "tests"))
        .collect()
}

fn all_files() -> Vec<File> {
    let directories = ["src", "tests", "benches"];
    directories
        .iter()
        .flat_map(|name| rust_files_below(&root().join(name)))
        .map(|path| read(&path))
        .collect()
}

fn row<'a>(table: &'a [(&str, &[&str])], name: &str) -> Option<&'a [&'a str]> {
    table
        .iter()
        .find(|(key, _)| *key == name)
        .map(|(_, row)| *row)
}

#[track_caller]
fn none(rule: &str, findings: impl IntoIterator<Item = String>) {
    let findings: Vec<_> = findings.into_iter().collect();
    assert!(findings.is_empty(), "{rule}:\n  {}", findings.join("\n  "));
}

/// Every line of code on which `finds` says something, with file and line.
fn on_lines(file: &File, finds: impl Fn(&str) -> Option<String>) -> Vec<String> {
    let lines = file.code.lines().enumerate();
    lines
        .filter_map(|(n, line)| finds(line).map(|what| format!("{}:{}: {what}", file.path, n + 1)))
        .collect()
}

/// The parts of the crate that a file's code names, each with its line.
fn parts_used(file: &File) -> Vec<(usize, String)> {
    let mut used = Vec::new();
    for start in ["crate::", "permit_operator::"] {
        for (at, _) in file.code.match_indices(start) {
            used.extend(
                first_names(&file.code[at + start.len()..])
                    .into_iter()
                    .map(|name| (at, name)),
            );
        }
    }
    for (at, _) in file.code.match_indices("super::") {
        if file.code[..at].ends_with("super::") {
            continue;
        }
        let rest = file.code[at..].trim_start_matches("super::");
        let climbed = (file.code.len() - at - rest.len()) / "super::".len();
        if climbed >= file.modules.len() {
            used.extend(first_names(rest).into_iter().map(|name| (at, name)));
        }
    }
    used.into_iter()
        .map(|(at, name)| (file.code[..at].matches('\n').count() + 1, name))
        .collect()
}

/// The names that a path goes on with: one, or those of a group in braces.
fn first_names(rest: &str) -> Vec<String> {
    let name_at = |text: &str| {
        text.chars()
            .take_while(|c| c.is_alphanumeric() || *c == '_')
            .collect::<String>()
    };
    let Some(group) = rest.strip_prefix('{') else {
        return vec![name_at(rest)];
    };
    let mut depth = 0_i32;
    let mut names = vec![name_at(group.trim_start())];
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => names.push(name_at(group[at + 1..].trim_start())),
            _ => {}
        }
    }
    names.retain(|name| !name.is_empty());
    names
}

/// The crates that `Cargo.toml` names, as code spells them.
fn foreign_crates() -> Vec<String> {
    let manifest = fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let dependencies = manifest
        .split("\n[")
        .filter(|table| table.starts_with("dependencies]"));
    let lines = dependencies
        .flat_map(str::lines)
        .filter_map(|line| line.split_once('='));
    lines
        .map(|(name, _)| name.trim().replace('-', "_"))
        .filter(|name| !name.starts_with('#'))
        .collect()
}

fn uses_crate(line: &str, name: &str) -> bool {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(&format!("{name}::")).any(|(at, _)| {
        let before = &line[..at];
        !before.ends_with(is_part)
            && !before
                .strip_suffix("::")
                .is_some_and(|path| path.ends_with(is_part))
    })
}

#[test]
fn every_part_of_the_crate_has_a_row() {
    let parts = sources()
        .into_iter()
        .filter(|file| file.layer != "bin" && !ROOTS.contains(&file.layer.as_str()));
    let unknown = parts.filter(|file| row(LAYERS, &file.layer).is_none());
    none(
        "a part of the crate says whom it may use (LAYERS)",
        unknown.map(|file| file.path),
    );
}

#[test]
fn each_layer_uses_only_the_layers_below_it() {
    let mut findings = Vec::new();
    for file in sources() {
        let allowed = if file.layer == "bin" {
            Some(&["cli"][..])
        } else {
            row(LAYERS, &file.layer)
        };
        let Some(allowed) = allowed else { continue };
        for (line, part) in parts_used(&file) {
            let is_part = row(LAYERS, &part).is_some() || ROOTS.contains(&part.as_str());
            if is_part && part != file.layer && !allowed.contains(&part.as_str()) {
                findings.push(format!(
                    "{}:{line}: `{}` may use {allowed:?}, not `{part}`",
                    file.path, file.layer
                ));
            }
        }
    }
    none("each layer uses only the layers below it", findings);
}

#[test]
fn the_pure_layers_mention_nothing_of_the_world() {
    let mut findings = Vec::new();
    for file in sources() {
        let words = row(WORDS, &file.layer).unwrap_or_default();
        let phrases = row(PHRASES, &file.layer).unwrap_or_default();
        findings.extend(on_lines(&file, |line| {
            let word = words.iter().find(|word| has_word(line, word));
            let found = word.or_else(|| phrases.iter().find(|phrase| line.contains(**phrase)))?;
            Some(format!("`{}` must not mention `{found}`", file.layer))
        }));
    }
    none(
        "no waiting, no client, no clock, no environment in the pure layers",
        findings,
    );
}

#[test]
fn the_pure_layers_use_only_the_crates_of_their_row() {
    let crates = foreign_crates();
    assert!(
        crates.iter().any(|name| name == "tokio"),
        "the dependencies were not found in Cargo.toml"
    );
    let mut findings = Vec::new();
    for file in sources() {
        let Some(allowed) = row(CRATES, &file.layer) else {
            continue;
        };
        findings.extend(on_lines(&file, |line| {
            let found = crates
                .iter()
                .find(|name| !allowed.contains(&name.as_str()) && uses_crate(line, name))?;
            Some(format!("`{}` must not use the crate `{found}`", file.layer))
        }));
    }
    none("the pure layers use few foreign crates", findings);
}

#[test]
fn a_foreign_crate_is_used_only_where_it_is_kept() {
    let mut findings = Vec::new();
    for file in sources() {
        findings.extend(on_lines(&file, |line| {
            let mut misplaced = KEEPERS
                .iter()
                .filter(|(_, keepers)| !keepers.contains(&file.layer.as_str()));
            let (name, keepers) = misplaced.find(|(name, _)| uses_crate(line, name))?;
            Some(format!("the crate `{name}` is used only in {keepers:?}"))
        }));
    }
    none("a foreign crate is used only where it is kept", findings);
}

#[test]
fn every_file_opens_with_what_it_decides() {
    let silent = all_files()
        .into_iter()
        .filter(|file| !file.text.starts_with("//! "));
    none(
        "a file opens with `//!`: what it decides, and what it does not know",
        silent.map(|file| format!("{}:1", file.path)),
    );
}

#[test]
fn no_file_is_too_long() {
    let is_test = |file: &File| {
        (file.path.starts_with("tests/") && !file.path.starts_with("tests/harness/src/"))
            || file.path.ends_with("/tests.rs")
    };
    let long = all_files()
        .into_iter()
        .filter(|file| !is_test(file))
        .filter_map(|file| {
            let length = file.code.lines().count();
            (length > LONGEST).then(|| {
                format!(
                    "{}: {length} lines without tests, at most {LONGEST}",
                    file.path
                )
            })
        });
    none("a long file holds more than one noun: split it", long);
}

#[test]
fn tests_stand_at_the_bottom() {
    let findings = sources().into_iter().filter_map(|file| {
        let line = lines_before_tests(&code_of(&file.text)).err()?;
        Some(format!(
            "{}:{line}: code follows the test module",
            file.path
        ))
    });
    none("the test module is the last thing in a file", findings);
}

#[test]
fn names_say_what_is_inside() {
    let named = |file: &File| {
        file.path
            .split(['/', '.'])
            .any(|part| EMPTY_NAMES.contains(&part))
    };
    let mut findings: Vec<_> = all_files()
        .into_iter()
        .filter(named)
        .map(|file| file.path)
        .collect();
    for file in all_files() {
        findings.extend(on_lines(&file, |line| {
            let name = line.split_once("mod ")?.1.trim_end_matches([';', ' ', '{']);
            EMPTY_NAMES
                .contains(&name)
                .then(|| format!("module `{name}`"))
        }));
    }
    none("a module is named after its noun", findings);
}

#[test]
fn comments_leave_nothing_for_later() {
    let mut findings = Vec::new();
    // Spelled in two parts, so that this line is none of its own findings.
    let marks = [
        concat!("TO", "DO"),
        concat!("FIX", "ME"),
        concat!("XX", "X"),
    ];
    for file in all_files() {
        for (n, line) in file.text.lines().enumerate() {
            let found = marks.iter().find(|mark| has_word(line, mark));
            findings.extend(found.map(|mark| format!("{}:{}: {mark}", file.path, n + 1)));
        }
    }
    none("what is left to do is an issue, not a comment", findings);
}

#[test]
fn comments_and_literals_are_no_code() {
    let source = "a(\"tokio::spawn\", 'x', '\\'', r#\"b\"c\"#); // crate::x\n/* /* y */ z */ fn d<'e>(f: &'e str) {}";
    let code = code_of(source);
    assert_eq!(code.lines().count(), 2);
    assert_eq!(
        code.split_whitespace().collect::<String>(),
        "a(,,,);fnd<'e>(f:&'estr){}"
    );
}

#[test]
fn a_path_is_followed_through_groups_and_parents() {
    let code = "use crate::{api::permit::{A, B}, ledger};\nuse super::super::webhook::C;\nuse super::change;";
    let modules = vec!["domain".to_owned(), "gate".to_owned()];
    let file = File {
        path: String::new(),
        layer: "domain".into(),
        modules,
        text: String::new(),
        code: code.into(),
    };
    let used: Vec<_> = parts_used(&file);
    assert_eq!(
        used,
        [
            (1, "api".to_owned()),
            (1, "ledger".to_owned()),
            (2, "webhook".to_owned())
        ]
    );
}

#[test]
fn code_after_the_tests_is_found() {
    assert_eq!(
        lines_before_tests("fn a() {}\n#[cfg(test)]\nmod tests {\n}\n"),
        Ok(1)
    );
    assert_eq!(
        lines_before_tests("#[cfg(test)]\nmod tests {\n}\n\nfn a() {}\n"),
        Err(5)
    );
    assert_eq!(
        lines_before_tests("#[cfg(test)]\nfn a() {}\nfn b() {}\n"),
        Ok(3)
    );
}
