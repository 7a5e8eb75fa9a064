//! `kubectl permit version`: this program, the operator, the API server, our kinds, and whether they fit together.
//!
//! What may not be seen is told as not seen; only what is seen can be a skew.

use anyhow::Context as _;
use k8s_openapi::api::apps::v1::Deployment;
use kube::Api;
use serde::Serialize;
use serde_json::json;

use super::args::Connection;
use super::connect::Cluster;
use super::exit::Exit;
use super::output::{self, Format};
use crate::api::{GROUP, VERSION};

/// Print versions
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Of this program only; asks no server
    #[arg(long)]
    client: bool,
    /// Namespace that the operator was installed in
    #[arg(long, value_name = "NAME", default_value = "permit-system")]
    operator_namespace: String,
    /// Output of the versions
    #[arg(short, long, value_enum)]
    output: Option<Format>,
}

/// The version of this program.
const CLIENT: &str = env!("CARGO_PKG_VERSION");
/// The Deployment of the operator, as the install manifest names it.
const OPERATOR: &str = "permit-operator";
/// The oldest Kubernetes whose selectable fields are stable.
const OLDEST_MINOR: u32 = 32;

/// What the cluster runs, as far as it was seen.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Server {
    /// The version of Kubernetes. Example: `v1.36.4`.
    kubernetes: String,
    /// Its minor version, where it says one.
    #[serde(skip)]
    minor: Option<u32>,
    /// The version of the operator, where it may be seen.
    operator: Option<String>,
    /// The served versions of our group.
    served: Vec<String>,
    /// Our kinds at the version that this program speaks.
    kinds: Vec<String>,
}

/// Reads and prints.
pub(super) async fn run(args: &Args, flags: &Connection) -> anyhow::Result<Exit> {
    let api = format!("{GROUP}/{VERSION}");
    if args.client {
        let value = json!({"client": CLIENT, "api": api});
        output::show(
            args.output,
            &value,
            CLIENT,
            &format!("client      {CLIENT} (speaks {api})"),
        )?;
        return Ok(Exit::Done);
    }
    let server = ask(&Cluster::connect(flags).await?, &args.operator_namespace).await?;
    let skew = skew(&server);
    let mut value = serde_json::to_value(&server).context("write the versions as JSON")?;
    if let Some(fields) = value.as_object_mut() {
        fields.extend([
            ("client".to_owned(), json!(CLIENT)),
            ("api".to_owned(), json!(api)),
            ("compatible".to_owned(), json!(skew.is_none())),
            ("skew".to_owned(), json!(skew)),
        ]);
    }
    output::show(
        args.output,
        &value,
        CLIENT,
        &render(&server, skew.as_deref()),
    )?;
    Ok(if skew.is_none() {
        Exit::Done
    } else {
        Exit::Error
    })
}

async fn ask(cluster: &Cluster, namespace: &str) -> anyhow::Result<Server> {
    let client = &cluster.client;
    let kubernetes = client
        .apiserver_version()
        .await
        .context("ask the API server its version")?;
    let groups = client
        .list_api_groups()
        .await
        .context("ask the API server its groups")?
        .groups;
    let ours = groups.into_iter().filter(|group| group.name == GROUP);
    let served: Vec<String> = ours
        .flat_map(|group| group.versions)
        .map(|version| version.version)
        .collect();
    let kinds = if is_served(&served) {
        kinds(cluster).await?
    } else {
        Vec::new()
    };
    let digits: String = kubernetes
        .minor
        .chars()
        .take_while(char::is_ascii_digit)
        .collect();
    Ok(Server {
        operator: operator(cluster, namespace).await,
        minor: digits.parse().ok(),
        kubernetes: kubernetes.git_version,
        served,
        kinds,
    })
}

async fn kinds(cluster: &Cluster) -> anyhow::Result<Vec<String>> {
    let resources = cluster
        .client
        .list_api_group_resources(&format!("{GROUP}/{VERSION}"))
        .await
        .context("ask the API server its kinds")?
        .resources;
    let mut kinds: Vec<String> = resources
        .into_iter()
        .map(|resource| resource.name)
        .filter(|name| !name.contains('/'))
        .collect();
    kinds.sort_unstable();
    Ok(kinds)
}

/// The tag of the operator's image; most people may not see it, and that is no error.
async fn operator(cluster: &Cluster, namespace: &str) -> Option<String> {
    let deployments: Api<Deployment> = Api::namespaced(cluster.client.clone(), namespace);
    let found = deployments.get_opt(OPERATOR).await.ok()??;
    let pod = found.spec?.template.spec?;
    let image = pod.containers.into_iter().next()?.image?;
    tag(&image).map(str::to_owned)
}

/// The tag of an image, without a digest behind it.
fn tag(image: &str) -> Option<&str> {
    let named = image.split('@').next()?;
    let last = named.rsplit('/').next()?;
    last.split_once(':').map(|(_, tag)| tag)
}

fn is_served(served: &[String]) -> bool {
    served.iter().any(|version| version == VERSION)
}

/// What does not fit together, and what to do about it.
fn skew(server: &Server) -> Option<String> {
    if server.served.is_empty() {
        return Some(format!(
            "not installed: the API server knows no group {GROUP}; kubectl apply --server-side -k manifests/install"
        ));
    }
    if !is_served(&server.served) {
        let versions = server.served.join(", ");
        return Some(format!(
            "the API server serves {GROUP}/{versions}, this program speaks {VERSION}: take the plugin of the operator's release"
        ));
    }
    if let Some(minor) = server.minor.filter(|minor| *minor < OLDEST_MINOR) {
        return Some(format!(
            "Kubernetes 1.{minor} is too old: 1.{OLDEST_MINOR} is the oldest that works"
        ));
    }
    let operator = server.operator.as_deref()?;
    let release = |version: &str| {
        version
            .split('.')
            .take(2)
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    (release(operator) != release(CLIENT)).then(|| {
        format!("the operator is {operator}, this program {CLIENT}: take the plugin of the operator's release")
    })
}

fn render(server: &Server, skew: Option<&str>) -> String {
    let operator = server
        .operator
        .as_deref()
        .unwrap_or("not seen: you may not read its Deployment, or it is installed elsewhere");
    let kinds = if server.kinds.is_empty() {
        "none".to_owned()
    } else {
        format!("{}: {}", server.kinds.join(", "), server.served.join(", "))
    };
    let skew = skew.map_or_else(|| "none".to_owned(), str::to_owned);
    format!(
        "client      {CLIENT} (speaks {GROUP}/{VERSION})\noperator    {operator}\nkubernetes  {}\ncrds        {kinds}\nskew        {skew}",
        server.kubernetes
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(served: &[&str], operator: Option<&str>, minor: u32) -> Server {
        Server {
            kubernetes: format!("v1.{minor}.4"),
            minor: Some(minor),
            operator: operator.map(str::to_owned),
            served: served.iter().map(|&version| version.to_owned()).collect(),
            kinds: vec!["approvals".into(), "permits".into()],
        }
    }

    #[test]
    fn what_fits_together_is_no_skew() {
        for operator in [None, Some(CLIENT), Some("0.1.7")] {
            let server = server(&["v1alpha1"], operator, 36);
            assert_eq!(skew(&server), None);
            assert!(render(&server, None).ends_with("skew        none"));
        }
    }

    #[test]
    fn what_does_not_fit_together_is_told_with_what_to_do() {
        for (server, told) in [
            (server(&[], None, 36), "not installed"),
            (
                server(&["v2"], None, 36),
                "take the plugin of the operator's release",
            ),
            (
                server(&["v1alpha1"], Some("0.2.0"), 36),
                "the operator is 0.2.0",
            ),
            (server(&["v1alpha1"], None, 31), "1.32 is the oldest"),
        ] {
            let skew = skew(&server).unwrap();
            assert!(skew.contains(told), "{skew}");
        }
    }

    #[test]
    fn the_tag_of_an_image_is_its_version() {
        assert_eq!(
            tag("ghcr.io/permits-dev/permit-operator:0.1.0"),
            Some("0.1.0")
        );
        assert_eq!(
            tag("localhost:5000/a/permit-operator:0.1.0@sha256:ab"),
            Some("0.1.0")
        );
        assert_eq!(tag("localhost:5000/permit-operator@sha256:ab"), None);
    }
}
