//! Install: what stands in the cluster before the operator starts.
//!
//! Decides that the shipped manifests are applied as users apply them. Does not know what they hold.

use anyhow::{Context, Result};

use crate::control_plane::ControlPlane;
use crate::user::User;

/// The manifests of this checkout.
pub(super) const INSTALL: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../manifests/install");

/// Applies CRDs, namespaces, accounts and RBAC as the README says: `kubectl apply --server-side -k`.
pub async fn install(plane: &ControlPlane) -> Result<()> {
    let apply = ["apply", "--server-side", "-k", INSTALL];
    plane
        .kubectl(&User::admin(), &apply, None)
        .await?
        .ok()
        .context("apply manifests/install")?;
    Ok(())
}
