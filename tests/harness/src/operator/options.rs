//! Options: what may differ between operators beyond what a place outside a pod demands.
//!
//! Decides defaults. Does not know how they reach the process.

use std::path::PathBuf;
use std::time::Duration;

/// What may differ between operators. The default is the manifest's one replica.
#[derive(Debug, Clone)]
pub struct OperatorOptions {
    /// The program; else the one that Cargo built beside the running one.
    pub binary: Option<PathBuf>,
    /// The name that the process has as a pod: give a second replica another.
    pub pod: String,
    /// Where it finds the API server, for a proxy in between; else directly.
    pub api_server_url: Option<String>,
    /// Where it finds Prometheus; else nowhere.
    pub prometheus_url: Option<String>,
    /// Its ledger's directory, to share or keep one; else one of its own in the control plane's directory.
    pub data_dir: Option<PathBuf>,
    /// How often its token is replaced.
    pub token_renewal: Duration,
    /// Flags beyond the manifest's, such as `--certificate-lifetime=1m`.
    pub flags: Vec<String>,
}

impl Default for OperatorOptions {
    fn default() -> Self {
        Self {
            binary: None,
            pod: "permit-operator-0".to_owned(),
            api_server_url: None,
            prometheus_url: None,
            data_dir: None,
            token_renewal: Duration::from_mins(5),
            flags: Vec::new(),
        }
    }
}
