//! The pure part: what is decided, by plain values alone.
//!
//! No async, no client, no clock, no environment, no log. `decide` judges a permit, `gate` judges a change to a
//! workload; both answer with a trace. Everything they may see is in their input.

pub mod audit;
pub mod breach;
pub mod canonical;
pub mod change;
pub mod check;
pub mod quantity;
pub mod query;
pub mod reading;
