//! An embedded control plane: the real Kubernetes programs, a real Prometheus and a measured example workload,
//! for the tests, the demo and the corpus runs of permit-operator.
//!
//! | module | says |
//! | --- | --- |
//! | [`control_plane`] | etcd, kube-apiserver, controllers, scheduler and kwok as processes on loopback |
//! | [`prometheus`], [`example`] | the real Prometheus, and a workload whose metrics follow the image its pods run |
//! | [`operator`] | the permit-operator as its Deployment says, under its own account |
//! | [`stage`] | an enrolled namespace with people, roles, a template and a workload |
//! | [`fault_proxy`] | between the operator and the API server: counts writes and strikes at one |
//! | [`user`] | who the API server is asked as |
//! | [`wait`] | ask again until it is so |
//! | [`toolchain`], [`program`] | how the programs are built from the modules in `tests/control-plane`, and kept |
//! | [`binary`] | the programs of this workspace, fresh from their sources |
//! | [`process`] | one child, its log, its end |
//! | [`allocations`] | how often a thread asked for memory, for benchmarks |
//!
//! Everything listens on 127.0.0.1 only, on ports of the run's own, in a directory of its own; nothing outlives
//! the process that started it, however that ends.

pub mod allocations;
mod background;
pub mod binary;
pub mod control_plane;
mod environment;
pub mod example;
pub mod fault_proxy;
mod lifeline;
pub mod operator;
mod pki;
pub mod port;
pub mod process;
pub mod program;
pub mod prometheus;
pub mod stage;
#[cfg(test)]
mod testing;
pub mod toolchain;
pub mod user;
pub mod wait;
mod workdir;

pub use control_plane::{ControlPlane, Options};
pub use example::Example;
pub use fault_proxy::FaultProxy;
pub use operator::{Operator, OperatorOptions};
pub use process::Output;
pub use prometheus::Prometheus;
pub use stage::Stage;
pub use user::User;
pub use wait::eventually;
