//! Manifest: what the operator's Deployment says about its process.
//!
//! Decides arguments, environment, account and probe from the YAML alone, and refuses what it cannot follow.
//! Does not know where the process runs instead of a pod.

use anyhow::{Context, Result, bail, ensure};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{Container, EnvVar};

/// What the manifest says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Manifest {
    /// The namespace of the Deployment.
    pub(crate) namespace: String,
    /// The ServiceAccount of the pod.
    pub(crate) service_account: String,
    /// The arguments of the only container.
    pub(crate) args: Vec<String>,
    /// Its environment, fields of the pod filled in.
    pub(crate) env: Vec<(String, String)>,
    /// The path of its readiness probe.
    pub(crate) ready_path: String,
}

/// Reads a Deployment as the kubelet would for a pod named `pod`.
pub(crate) fn read(yaml: &str, pod: &str) -> Result<Manifest> {
    let deployment: Deployment =
        serde_saphyr::from_str(yaml).context("read the operator's Deployment")?;
    let namespace = deployment
        .metadata
        .namespace
        .context("the operator's Deployment names no namespace")?;
    let spec = deployment.spec.and_then(|spec| spec.template.spec);
    let spec = spec.context("the operator's Deployment has no pod template")?;
    let [container] = spec.containers.as_slice() else {
        bail!(
            "the operator's pod has {} containers, one is expected",
            spec.containers.len()
        );
    };
    let args = container.args.clone().unwrap_or_default();
    for arg in &args {
        ensure!(
            !arg.contains("$("),
            "the operator's argument refers to a variable, which is not followed: {arg}"
        );
    }
    let env = container
        .env
        .iter()
        .flatten()
        .map(|var| value(var, &namespace, pod))
        .collect::<Result<_>>()?;
    let service_account = spec
        .service_account_name
        .clone()
        .unwrap_or_else(|| "default".to_owned());
    Ok(Manifest {
        service_account,
        args,
        env,
        ready_path: ready_path(container)?,
        namespace,
    })
}

fn value(var: &EnvVar, namespace: &str, pod: &str) -> Result<(String, String)> {
    let field = var.value_from.as_ref().map(|source| {
        source
            .field_ref
            .as_ref()
            .map(|field| field.field_path.as_str())
    });
    let value = match field {
        None => var.value.clone().unwrap_or_default(),
        Some(Some("metadata.namespace")) => namespace.to_owned(),
        Some(Some("metadata.name")) => pod.to_owned(),
        Some(_) => bail!(
            "the operator's variable has a source that is not followed: {}",
            var.name
        ),
    };
    Ok((var.name.clone(), value))
}

fn ready_path(container: &Container) -> Result<String> {
    let probe = container
        .readiness_probe
        .as_ref()
        .and_then(|probe| probe.http_get.as_ref());
    probe
        .and_then(|get| get.path.clone())
        .context("the operator's Deployment has no readiness probe over HTTP")
}

impl Manifest {
    /// Sets a variable, and drops the argument that would win over it: `PERMIT_DATA_DIR` is `--data-dir`.
    pub(crate) fn substitute(&mut self, variable: &str, value: &str) {
        let flag = format!(
            "--{}",
            variable
                .trim_start_matches("PERMIT_")
                .to_lowercase()
                .replace('_', "-")
        );
        let mut is_value = false;
        self.args.retain(|arg| {
            let is_kept = !is_value && *arg != flag && !arg.starts_with(&format!("{flag}="));
            is_value = *arg == flag;
            is_kept
        });
        self.env.retain(|(name, _)| name != variable);
        self.env.push((variable.to_owned(), value.to_owned()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const YAML: &str = "
apiVersion: apps/v1
kind: Deployment
metadata: {name: permit-operator, namespace: permit-system}
spec:
  selector: {matchLabels: {app: x}}
  template:
    metadata: {labels: {app: x}}
    spec:
      serviceAccountName: permit-operator
      containers:
      - name: operator
        args: [--log-format=json, --data-dir, /var/lib/x, --webhook-listen=0.0.0.0:8443]
        env:
        - {name: PERMIT_NAMESPACE, valueFrom: {fieldRef: {fieldPath: metadata.namespace}}}
        - {name: PERMIT_POD_NAME, valueFrom: {fieldRef: {fieldPath: metadata.name}}}
        - {name: PERMIT_DATA_DIR, value: /var/lib/y}
        readinessProbe: {httpGet: {path: /readyz, port: metrics}}
";

    #[test]
    fn fields_of_the_pod_are_filled_in() {
        let manifest = read(YAML, "pod-7").unwrap();
        assert_eq!(
            (
                manifest.namespace.as_str(),
                manifest.service_account.as_str()
            ),
            ("permit-system", "permit-operator")
        );
        assert_eq!(manifest.ready_path, "/readyz");
        assert_eq!(
            manifest.env[0],
            ("PERMIT_NAMESPACE".to_owned(), "permit-system".to_owned())
        );
        assert_eq!(
            manifest.env[1],
            ("PERMIT_POD_NAME".to_owned(), "pod-7".to_owned())
        );
    }

    #[test]
    fn a_substituted_value_has_no_rival_among_flags_and_variables() {
        let mut manifest = read(YAML, "pod-7").unwrap();
        manifest.substitute("PERMIT_DATA_DIR", "/tmp/z");
        manifest.substitute("PERMIT_WEBHOOK_LISTEN", "127.0.0.1:1");
        assert_eq!(manifest.args, ["--log-format=json"]);
        assert_eq!(
            manifest
                .env
                .iter()
                .filter(|(name, _)| name == "PERMIT_DATA_DIR")
                .count(),
            1
        );
        assert!(
            manifest
                .env
                .contains(&("PERMIT_DATA_DIR".to_owned(), "/tmp/z".to_owned()))
        );
    }

    #[test]
    fn a_source_that_is_not_followed_is_refused_not_left_empty() {
        let yaml = YAML.replace(
            "{fieldRef: {fieldPath: metadata.name}}",
            "{secretKeyRef: {name: a, key: b}}",
        );
        assert!(
            read(&yaml, "pod-7")
                .unwrap_err()
                .to_string()
                .contains("PERMIT_POD_NAME")
        );
    }
}
