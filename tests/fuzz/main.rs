//! The bypass fuzzer: whatever changes what runs, the gate must not have called it nothing.
//!
//! Mutations are drawn from the API server's own description of each kind, every leaf of the pod template among them;
//! the oracle is the API server's answer, compared without the product's code. `make fuzz SEEDS=N` runs N seeds; one
//! seed runs with `SEED=n`, and the seeds that once failed are in `tests/fuzz/seeds`, tried before any other.
#![cfg(test)]

mod leaf;
#[expect(
    clippy::print_stdout,
    clippy::similar_names,
    reason = "coverage is printed; one and other are values of one leaf"
)]
mod live;
mod pure;
#[expect(
    clippy::disallowed_methods,
    reason = "seeds are told by the environment"
)]
mod seed;
mod stand;
#[expect(
    clippy::match_same_arms,
    clippy::too_many_lines,
    reason = "tables of fields, each in its place"
)]
mod value;
mod write;
