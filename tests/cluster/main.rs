//! What users rely on, shown on a real control plane: one API server, one operator, one Prometheus for the whole
//! suite, a namespace of its own for each test.
//!
//! Faults that would hit every test at once are in `tests/faults`.
#![cfg(test)]

mod bad_input;
mod calendar;
mod direct;
mod forgery;
mod gated;
mod health;
mod kinds;
mod lifecycle;
mod owners;
mod plugin;
mod site;
mod ways;
