//! Kubeconfig: the file by which somebody reaches the API server.
//!
//! Decides its content and its place. Does not know what anybody does with it.

use std::path::{Path, PathBuf};

use anyhow::Result;
use serde_json::{Value, json};

use super::component::Site;
use crate::user::User;
use crate::workdir::write_private;

/// How a kubeconfig proves who is asking.
pub(crate) enum Credential<'a> {
    /// A client certificate and its key.
    Certificate {
        /// The certificate.
        certificate: &'a Path,
        /// Its key.
        key: &'a Path,
    },
    /// A file that holds a bearer token, read again whenever it changes.
    TokenFile(&'a Path),
}

/// Gives `user` a certificate and writes the kubeconfig that uses it.
pub(super) fn mint(site: &Site, user: &User) -> Result<PathBuf> {
    let pair = site.authority.client(user)?;
    let path = site
        .workdir
        .subdir("users")?
        .join(format!("{}.kubeconfig", user.file_stem()));
    let credential = Credential::Certificate {
        certificate: &pair.certificate,
        key: &pair.key,
    };
    write_private(
        &path,
        &render(
            &site.apiserver_url(),
            &site.authority.certificate(),
            &credential,
        ),
    )?;
    Ok(path)
}

/// The text of a kubeconfig: JSON, which is YAML too and needs no quoting rules.
pub(crate) fn render(server: &str, authority: &Path, credential: &Credential<'_>) -> String {
    let user: Value = match credential {
        Credential::Certificate { certificate, key } => {
            json!({"client-certificate": certificate, "client-key": key})
        }
        Credential::TokenFile(path) => json!({"tokenFile": path}),
    };
    let config = json!({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "permits", "cluster": {"server": server, "certificate-authority": authority}}],
        "users": [{"name": "self", "user": user}],
        "contexts": [{"name": "permits", "context": {"cluster": "permits", "user": "self"}}],
        "current-context": "permits",
    });
    format!("{config:#}\n")
}
