//! Component: the command line of each program of the control plane.
//!
//! Decides flags. Does not know how the programs are built, started or watched.

use std::path::PathBuf;

use anyhow::Result;

use super::kubeconfig;
use crate::pki::{Authority, Pair};
use crate::port::Port;
use crate::program::Program;
use crate::user::User;
use crate::workdir::{Workdir, write_private};

/// A documentation address (RFC 5737). Nothing connects to it: without it the API server looks for a default
/// route and ends where a machine has none.
const ADVERTISED: &str = "192.0.2.1";

/// Everything the command lines name: ports and files of one control plane.
pub(super) struct Site {
    pub(super) workdir: Workdir,
    pub(super) authority: Authority,
    serving: Pair,
    service_accounts: Pair,
    etcd: Port,
    etcd_peers: Port,
    apiserver: Port,
    controller_manager: Port,
    scheduler: Port,
    kwok: Port,
}

impl Site {
    /// Reserves the ports and writes the files.
    pub(super) fn prepare() -> Result<Self> {
        let workdir = Workdir::create()?;
        let authority = Authority::create(&workdir.subdir("pki")?)?;
        let site = Self {
            serving: authority.serving("kube-apiserver")?,
            service_accounts: authority.service_accounts()?,
            etcd: Port::reserve()?,
            etcd_peers: Port::reserve()?,
            apiserver: Port::reserve()?,
            controller_manager: Port::reserve()?,
            scheduler: Port::reserve()?,
            kwok: Port::reserve()?,
            workdir,
            authority,
        };
        write_private(
            &site.path("audit-policy.yaml"),
            include_str!("audit-policy.yaml"),
        )?;
        write_private(&site.path("stages.yaml"), include_str!("stages.yaml"))?;
        Ok(site)
    }

    /// Where the API server listens.
    pub(super) fn apiserver_url(&self) -> String {
        format!("https://{}", self.apiserver.address())
    }

    /// Where etcd listens.
    pub(super) fn etcd_url(&self) -> String {
        format!("http://{}", self.etcd.address())
    }

    /// The API server's own record of requests.
    pub(super) fn audit_log(&self) -> PathBuf {
        self.path("audit.log")
    }

    /// The arguments of `program`, which kubectl and Prometheus do not have here.
    pub(super) fn arguments(&self, program: Program) -> Result<Vec<String>> {
        match program {
            Program::Etcd => Ok(self.etcd()),
            Program::KubeApiserver => Ok(self.apiserver()),
            Program::KubeControllerManager => self.controller_manager(),
            Program::KubeScheduler => self.scheduler(),
            Program::Kwok => self.kwok(),
            Program::Kubectl | Program::Prometheus => Ok(Vec::new()),
        }
    }

    fn etcd(&self) -> Vec<String> {
        let peers = format!("http://{}", self.etcd_peers.address());
        vec![
            "--name=n0".to_owned(),
            format!("--data-dir={}", self.file("etcd")),
            format!("--listen-client-urls={}", self.etcd_url()),
            format!("--advertise-client-urls={}", self.etcd_url()),
            format!("--listen-peer-urls={peers}"),
            format!("--initial-advertise-peer-urls={peers}"),
            format!("--initial-cluster=n0={peers}"),
            "--unsafe-no-fsync=true".to_owned(), // the data is thrown away with the run
            "--log-level=warn".to_owned(),
        ]
    }

    fn apiserver(&self) -> Vec<String> {
        vec![
            format!("--etcd-servers={}", self.etcd_url()),
            "--bind-address=127.0.0.1".to_owned(),
            format!("--advertise-address={ADVERTISED}"),
            format!("--secure-port={}", self.apiserver.number()),
            "--endpoint-reconciler-type=none".to_owned(),
            format!("--tls-cert-file={}", self.serving.certificate.display()),
            format!("--tls-private-key-file={}", self.serving.key.display()),
            format!(
                "--client-ca-file={}",
                self.authority.certificate().display()
            ),
            format!("--cert-dir={}", self.file("kube-apiserver")),
            "--service-account-issuer=https://kubernetes.default.svc".to_owned(),
            format!(
                "--service-account-key-file={}",
                self.service_accounts.certificate.display()
            ),
            format!(
                "--service-account-signing-key-file={}",
                self.service_accounts.key.display()
            ),
            "--service-cluster-ip-range=10.96.0.0/16".to_owned(),
            "--authorization-mode=Node,RBAC".to_owned(),
            "--allow-privileged=true".to_owned(),
            format!("--audit-policy-file={}", self.file("audit-policy.yaml")),
            format!("--audit-log-path={}", self.audit_log().display()),
            "--audit-log-maxsize=10000".to_owned(), // one file for the whole run
        ]
    }

    fn controller_manager(&self) -> Result<Vec<String>> {
        let user = User::new("system:kube-controller-manager", &[]);
        Ok(vec![
            format!("--kubeconfig={}", kubeconfig::mint(self, &user)?.display()),
            // Each controller under its own account, so that admission sees who derived an object.
            "--use-service-account-credentials=true".to_owned(),
            "--bind-address=127.0.0.1".to_owned(),
            format!("--secure-port={}", self.controller_manager.number()),
            "--leader-elect=false".to_owned(),
            format!(
                "--service-account-private-key-file={}",
                self.service_accounts.key.display()
            ),
            format!("--root-ca-file={}", self.authority.certificate().display()),
            "--authorization-always-allow-paths=/healthz,/readyz,/livez,/metrics".to_owned(),
            "--controllers=*,-node-ipam-controller,-persistentvolume-attach-detach-controller"
                .to_owned(),
        ])
    }

    fn scheduler(&self) -> Result<Vec<String>> {
        let user = User::new("system:kube-scheduler", &[]);
        Ok(vec![
            format!("--kubeconfig={}", kubeconfig::mint(self, &user)?.display()),
            "--bind-address=127.0.0.1".to_owned(),
            format!("--secure-port={}", self.scheduler.number()),
            "--leader-elect=false".to_owned(),
            "--authorization-always-allow-paths=/healthz,/readyz,/livez,/metrics".to_owned(),
        ])
    }

    fn kwok(&self) -> Result<Vec<String>> {
        Ok(vec![
            format!(
                "--kubeconfig={}",
                kubeconfig::mint(self, &User::admin())?.display()
            ),
            "--manage-all-nodes=true".to_owned(),
            format!("--config={}", self.file("stages.yaml")),
            "--node-lease-duration-seconds=40".to_owned(),
            "--cidr=10.244.0.0/16".to_owned(),
            "--node-ip=10.0.0.1".to_owned(),
            format!("--server-address={}", self.kwok.address()),
        ])
    }

    fn path(&self, name: &str) -> PathBuf {
        self.workdir.path().join(name)
    }

    fn file(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }
}
