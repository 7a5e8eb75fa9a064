//! Generated files that are committed: equal to what the code says now, or rewritten with `UPDATE=1`.
//!
//! Does not know what the files mean.

use std::path::Path;
use std::{env, fs};

/// Fails unless the file at `path`, from the root of the package, holds exactly `text`; `UPDATE=1` writes it instead.
#[track_caller]
pub(crate) fn assert_golden(path: &str, text: &str) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    let committed = fs::read_to_string(&file).unwrap_or_default();
    if committed == text {
        return;
    }
    if env::var_os("UPDATE").is_some() {
        fs::write(&file, text).unwrap_or_else(|error| panic!("write `{path}`: {error}"));
        return;
    }
    let line = committed
        .lines()
        .zip(text.lines())
        .take_while(|(old, new)| old == new)
        .count()
        + 1;
    panic!(
        "`{path}` differs from what the code generates, first at line {line}: run the tests with UPDATE=1 and commit the file\n  committed  {}\n  generated  {}",
        committed.lines().nth(line - 1).unwrap_or("(end of file)"),
        text.lines().nth(line - 1).unwrap_or("(end of file)"),
    );
}
