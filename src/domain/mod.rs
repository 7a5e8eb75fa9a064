//! The pure part: what is decided, by plain values alone.
//!
//! No async, no client, no clock, no environment, no log. `decide` judges a permit, `gate` judges a change to a
//! workload; both answer with a trace. Everything they may see is in their input.

pub mod aftermath;
mod announce;
pub mod applied;
mod arming;
pub mod audit;
pub mod ballot;
pub mod baselines;
pub mod breach;
pub mod calendar;
pub mod canonical;
pub mod certificate;
pub mod change;
pub mod check;
mod conditions;
pub mod config;
pub mod decide;
pub mod effect;
mod ending;
pub mod enrolment;
pub mod gate;
mod hold;
pub mod invariant;
pub mod kind;
pub mod leadership;
pub mod lifecycle;
pub mod lint;
pub mod news;
pub mod parse;
pub mod quantity;
pub mod query;
pub mod quorum;
pub mod reading;
pub mod report;
pub mod request;
mod revisit;
pub mod rollout;
pub mod scope;
pub mod standing;
pub mod stop;
pub mod sweep;
pub mod template;
pub mod trace;
pub mod verdict_line;
pub mod world;
