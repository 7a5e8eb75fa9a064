//! cluster
pub mod access;
pub mod authority;
pub mod caches;
pub mod certificates;
pub mod client;
pub mod drift;
#[cfg(test)]
pub(crate) mod fake;
pub mod leadership;
pub mod lease;
pub mod match_conditions;
pub mod tenure;
pub mod webhook_config;
pub mod webhook_keeper;
pub mod webhook_settings;
