//! Kept: everything stays up after the story, for whoever wants to look around.
//!
//! Decides what a visitor is told. Does not know the story.

use anyhow::Result;
use permit_harness::{ControlPlane, Operator, Prometheus, User};

use crate::shown::say;

/// Says how to get in and how to end it, and waits for ever.
pub(crate) async fn keep(
    plane: &ControlPlane,
    operator: &Operator,
    prometheus: &Prometheus,
) -> Result<()> {
    say("\n== everything stays up; end it with Ctrl-C");
    say(&format!("  export PATH={}", plane.search_path()?));
    let people = ["alice", "bob", "carol"].map(User::person);
    for user in [User::admin()].iter().chain(&people) {
        let who = user.name().split('@').next().unwrap_or_default();
        let path = plane.kubeconfig(user)?.display().to_string();
        say(&format!("  export KUBECONFIG={path}   # {who}"));
    }
    say(&format!("  Prometheus   {}", prometheus.url()));
    say(&format!(
        "  metrics      {}/metrics",
        operator.metrics_url()
    ));
    say(&format!("  ledger       {}", operator.data_dir().display()));
    say(&format!("  log          {}", operator.log().display()));
    std::future::pending().await
}
