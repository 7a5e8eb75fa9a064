//! The cluster as the rest of the program sees it: calls under a deadline, caches, leadership, and what the operator keeps
//! of its own (certificates, webhook configurations, policies).
//!
//! Decides nothing about permits or changes. Knows neither the gate nor the controller.

pub mod access;
pub mod answers;
pub mod authority;
pub mod caches;
pub mod certificates;
pub mod client;
pub mod drift;
#[cfg(test)]
pub(crate) mod fake;
pub mod keeper;
pub mod kinds;
pub mod leadership;
pub mod lease;
pub mod match_conditions;
pub mod policies;
pub mod rights;
pub mod tenure;
pub mod webhook_config;
pub mod webhook_settings;
