//! The gate over HTTP, in front of an API server of scripted objects: what is admitted, what is denied, and in which
//! words; and what becomes of anything that is no review.
//!
//! No control plane is needed. What a real API server does with the answers is shown in `tests/cluster`.
#![cfg(test)]

mod api;
mod approvals;
mod doors;
mod envelope;
mod permits;
mod reports;
#[expect(dead_code, reason = "each binary uses its part of the scene")]
#[path = "../support/scene.rs"]
mod scene;
mod site;
mod workloads;
