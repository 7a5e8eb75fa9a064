//! The operator's program: reads its configuration and runs. Knows nothing else.

use permit_operator::config::Config;
use permit_operator::{runtime, telemetry};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let config = Config::of_arguments();
    telemetry::init(config.run.log_format, &config.run.log_filter)?;
    runtime::run(config).await
}
