//! The second net: what the API server refuses by the operator's policies, on a real control plane, by threat row.
//!
//! One control plane and one operator for all; each test keeps to namespaces of its own, and what strikes at everybody
//! runs alone.
#![cfg(test)]

mod alone;
mod approvals;
mod configurations;
mod ground;
mod namespaces;
mod own;
mod statuses;
mod workloads;
