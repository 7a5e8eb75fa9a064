//! Identity: a kubeconfig of the operator's own account.
//!
//! Decides that the process reads a mounted token and never holds a certificate. Does not know how tokens are made.

use std::path::{Path, PathBuf};

use anyhow::Result;

use super::manifest::Manifest;
use super::options::OperatorOptions;
use super::token;
use crate::background::Background;
use crate::control_plane::ControlPlane;
use crate::control_plane::kubeconfig::{Credential, render};
use crate::user::User;
use crate::workdir::write_private;

/// A kubeconfig that reads the token of the manifest's account from a file, and what keeps that file fresh.
pub(super) async fn identity(
    plane: &ControlPlane,
    manifest: &Manifest,
    dir: &Path,
    options: &OperatorOptions,
) -> Result<(PathBuf, Background)> {
    // In the place of the kubelet, told from the administrator in the record.
    let kubelet = User::new("permit-harness", &["system:masters"]);
    let file = dir.join("token");
    let order = token::Order {
        kubeconfig: plane.kubeconfig(&kubelet)?,
        namespace: manifest.namespace.clone(),
        account: manifest.service_account.clone(),
        file: file.clone(),
        renewal: options.token_renewal,
    };
    let token = token::keep(order).await?;
    let server = options
        .api_server_url
        .clone()
        .unwrap_or_else(|| plane.url());
    let path = dir.join("kubeconfig");
    write_private(
        &path,
        &render(
            &server,
            &plane.authority_file(),
            &Credential::TokenFile(&file),
        ),
    )?;
    Ok((path, token))
}
