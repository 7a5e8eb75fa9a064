//! Faults: what the operator has to survive, injected on a real control plane (`faults.md` of the design; each test
//! names its row).
//!
//! Each test strikes at everything, so each has a control plane of its own and few run at a time.
#![cfg(test)]

mod api_server;
mod approver;
mod certificate;
mod configuration;
mod crash;
mod deletion;
mod graceful;
mod ground;
mod ledger;
mod metrics_source;
mod no_revisions;
mod records;
mod scene;
mod scripted;
mod two_leaders;
mod unpermitted;
mod unreadable;
mod webhook;
