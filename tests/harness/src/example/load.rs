//! Load: steady requests, as users would send them.
//!
//! Decides the pace, and that nobody calls what was never released. Does not know how requests are answered.

use std::time::Duration;

use anyhow::{Context, Result};
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};

use super::workload::Workload;

/// Sends `per_second` requests to `url` for ever. A slow answer delays no other request.
pub async fn steady(url: String, per_second: u32, workload: Workload) -> Result<()> {
    let client = reqwest::Client::builder()
        .no_proxy()
        .timeout(Duration::from_secs(10))
        .build();
    let client = client.context("make a client for the load")?;
    let mut pace = interval(Duration::from_secs(1) / per_second.max(1));
    pace.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut open = JoinSet::new();
    let mut is_released = false;
    loop {
        pace.tick().await;
        // Failures before the first release would be nobody's, and would spoil what "before" means.
        is_released = is_released || !workload.serving_images()?.is_empty();
        if is_released {
            let request = client.get(&url);
            open.spawn(async move { request.send().await.map(drop) });
        }
        while open.try_join_next().is_some() {}
    }
}
