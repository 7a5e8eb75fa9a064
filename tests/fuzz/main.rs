//! The bypass fuzzer: whatever changes what runs, the gate must not have called it nothing.
//!
//! Mutations are drawn from the API server's own description of each kind, every leaf of the pod template among them;
//! the oracle is the API server's answer, compared without the product's code. `make fuzz SEEDS=N` runs N seeds; one
//! seed runs with `SEED=n`, and the seeds that once failed are in `tests/fuzz/seeds`, tried before any other.
#![cfg(test)]

mod leaf;
mod live;
mod pure;
mod seed;
mod stand;
mod value;
mod write;
