//! Permit Operator.

pub mod api;
pub mod cli;
pub mod clock;
pub mod cluster;
pub mod config;
pub mod controller;
pub mod domain;
pub mod health;
pub mod ledger;
pub mod metrics;
pub mod probe;
pub mod runtime;
pub mod supervise;
pub mod telemetry;
pub mod webhook;
