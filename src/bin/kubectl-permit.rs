//! `kubectl permit`: what people use to ask, decide, follow and verify. Everything is in the library's `cli`.

use std::process::ExitCode;

fn main() -> ExitCode {
    permit_operator::cli::main(std::env::args_os())
}
