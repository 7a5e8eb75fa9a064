//! The install manifests: do they parse, grant no more than they should, and start the operator as it can be started?
//!
//! Reads files only. Whether the rights are enough shows where the operator runs under them.
#![cfg(test)]

use clap::Parser;
use permit_operator::cluster::policies::NAMES;
use permit_operator::cluster::webhook_config::CONFIGURATION;
use permit_operator::config::Config;
use serde_json::Value;
use std::fs;
use std::path::Path;

const INSTALL: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/manifests/install");

fn documents(file: &Path) -> Vec<Value> {
    let text = fs::read_to_string(file).unwrap();
    match serde_saphyr::from_multiple(&text) {
        Ok(documents) => documents,
        Err(error) => panic!("{}: {error}", file.display()),
    }
}

fn installed() -> Vec<Value> {
    let mut files: Vec<_> = fs::read_dir(INSTALL)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    files.iter().flat_map(|file| documents(file)).collect()
}

fn of_kind(kind: &str) -> Vec<Value> {
    installed()
        .into_iter()
        .filter(|object| object["kind"] == kind)
        .collect()
}

fn words(value: &Value) -> Vec<String> {
    value
        .as_array()
        .into_iter()
        .flatten()
        .map(|word| word.as_str().unwrap().to_owned())
        .collect()
}

fn roles() -> Vec<Value> {
    [of_kind("ClusterRole"), of_kind("Role")].concat()
}

fn rules(role: &Value) -> &Vec<Value> {
    role["rules"].as_array().unwrap()
}

fn operator() -> Value {
    of_kind("Deployment").remove(0)
}

#[test]
fn every_file_is_listed_and_every_object_has_a_kind_and_a_name() {
    let kustomization = documents(&Path::new(INSTALL).join("kustomization.yaml")).remove(0);
    let listed = words(&kustomization["resources"]);
    for entry in fs::read_dir(INSTALL).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(
            name == "kustomization.yaml" || listed.contains(&name),
            "`{name}` is not installed"
        );
    }
    for object in installed()
        .iter()
        .filter(|object| object["kind"] != "Kustomization")
    {
        assert!(
            object["apiVersion"].is_string() && object["metadata"]["name"].is_string(),
            "{object}"
        );
    }
    assert!(listed.contains(&"../../crds".to_owned()));
}

#[test]
fn no_manifest_makes_a_webhook_configuration_or_a_policy() {
    for object in installed() {
        let kind = object["kind"].as_str().unwrap();
        assert!(
            !kind.contains("Webhook") && !kind.contains("AdmissionPolicy"),
            "{kind}"
        );
    }
}

#[test]
fn no_role_holds_a_wildcard_or_a_way_to_more_rights() {
    for role in roles() {
        for rule in rules(&role) {
            for word in ["apiGroups", "resources", "verbs"]
                .iter()
                .flat_map(|field| words(&rule[*field]))
            {
                assert!(
                    !word.contains('*'),
                    "wildcard in {}",
                    role["metadata"]["name"]
                );
            }
            for verb in words(&rule["verbs"]) {
                let grants_more = ["escalate", "bind"].contains(&verb.as_str())
                    || verb.starts_with("impersonate");
                assert!(!grants_more, "`{verb}` in {}", role["metadata"]["name"]);
            }
        }
    }
}

#[test]
fn no_role_reads_secrets_outside_the_operators_namespace() {
    for role in roles() {
        let is_own = role["kind"] == "Role" && role["metadata"]["namespace"] == "permit-system";
        for rule in rules(&role) {
            let names_secrets = words(&rule["resources"])
                .iter()
                .any(|resource| resource.starts_with("secrets"));
            assert!(
                is_own || !names_secrets,
                "secrets in {}",
                role["metadata"]["name"]
            );
        }
    }
}

#[test]
fn no_role_is_aggregated_into_those_of_a_namespaces_editors() {
    for role in roles() {
        let labels = role["metadata"]["labels"].as_object().unwrap();
        assert!(
            !labels.keys().any(|label| label.contains("aggregate-to")),
            "{}",
            role["metadata"]["name"]
        );
        assert!(role.get("aggregationRule").is_none());
    }
}

#[test]
fn people_write_no_status_and_delete_no_permit_or_approval() {
    for role in roles()
        .iter()
        .filter(|role| role["metadata"]["name"] != "permit-operator")
    {
        for rule in rules(role) {
            for resource in words(&rule["resources"]) {
                assert!(
                    !resource.ends_with("/status"),
                    "{}",
                    role["metadata"]["name"]
                );
                let is_kept = ["permits", "approvals"].contains(&resource.as_str());
                assert!(!is_kept || !words(&rule["verbs"]).contains(&"delete".to_owned()));
            }
        }
    }
}

#[test]
fn the_operators_rights_on_configurations_and_policies_are_limited_to_its_own() {
    let operator = roles()
        .into_iter()
        .find(|role| role["metadata"]["name"] == "permit-operator")
        .unwrap();
    let mut named = Vec::new();
    for rule in rules(&operator) {
        let groups = words(&rule["apiGroups"]);
        if groups.contains(&"admissionregistration.k8s.io".to_owned())
            && words(&rule["verbs"]) != ["create"]
        {
            named.push((words(&rule["resources"]), words(&rule["resourceNames"])));
        }
    }
    let own = |resources: [&str; 2], names: &[&str]| {
        let owned = |all: &[&str]| all.iter().map(ToString::to_string).collect::<Vec<_>>();
        (owned(&resources), owned(names))
    };
    let webhooks = [
        "validatingwebhookconfigurations",
        "mutatingwebhookconfigurations",
    ];
    let policies = [
        "validatingadmissionpolicies",
        "validatingadmissionpolicybindings",
    ];
    assert_eq!(
        named,
        [own(webhooks, &[CONFIGURATION]), own(policies, &NAMES)]
    );
}

#[test]
fn the_operator_deletes_nothing() {
    for role in roles()
        .iter()
        .filter(|role| role["metadata"]["name"] == "permit-operator")
    {
        for rule in rules(role) {
            let verbs = words(&rule["verbs"]);
            assert!(
                !verbs.iter().any(|verb| verb.starts_with("delete")),
                "{rule}"
            );
        }
    }
}

#[test]
fn every_verb_of_ours_is_one_that_is_asked_for() {
    let known = [
        "get",
        "list",
        "watch",
        "create",
        "update",
        "patch",
        "delete", // the API server's own
        "approve",
        "revoke",
        "break-glass",
        "use",
        "unenrol",
    ];
    for role in roles() {
        for verb in rules(&role).iter().flat_map(|rule| words(&rule["verbs"])) {
            let name = &role["metadata"]["name"];
            assert!(
                known.contains(&verb.as_str()),
                "nothing reads `{verb}` of {name}"
            );
        }
    }
}

#[test]
fn only_the_administrators_role_may_unenrol() {
    let may = |role: &Value| {
        let unenrols = |rule: &Value| words(&rule["verbs"]).contains(&"unenrol".to_owned());
        rules(role).iter().any(unenrols)
    };
    let holders: Vec<_> = roles().into_iter().filter(may).collect();
    assert_eq!(holders.len(), 1);
    assert_eq!(holders[0]["metadata"]["name"], "permit-admin");
    assert_eq!(holders[0]["kind"], "ClusterRole");
}

#[test]
fn every_binding_names_a_role_and_an_account_that_are_installed() {
    let names = |kind: &str| {
        of_kind(kind)
            .iter()
            .map(|object| object["metadata"]["name"].clone())
            .collect::<Vec<_>>()
    };
    for binding in [of_kind("ClusterRoleBinding"), of_kind("RoleBinding")].concat() {
        assert!(
            names(binding["roleRef"]["kind"].as_str().unwrap())
                .contains(&binding["roleRef"]["name"])
        );
        for subject in binding["subjects"].as_array().unwrap() {
            assert_eq!(subject["kind"], "ServiceAccount");
            assert!(names("ServiceAccount").contains(&subject["name"]));
        }
    }
}

#[test]
fn the_deployments_flags_and_variables_start_the_operator() {
    let container = operator()["spec"]["template"]["spec"]["containers"][0].clone();
    let mut line = vec!["permit-operator".to_owned()];
    line.extend(words(&container["args"]));
    // A variable is the flag of the same name in other letters.
    for variable in container["env"].as_array().unwrap() {
        let name = variable["name"].as_str().unwrap();
        let flag = name
            .strip_prefix("PERMIT_")
            .unwrap()
            .to_lowercase()
            .replace('_', "-");
        line.push(format!(
            "--{flag}={}",
            variable["value"].as_str().unwrap_or("permit-system")
        ));
    }
    let config = Config::try_parse_from(line).unwrap();
    assert!(config.command.is_none());
    let ports = container["ports"].as_array().unwrap();
    let port = |name: &str| {
        ports.iter().find(|port| port["name"] == name).unwrap()["containerPort"].clone()
    };
    assert_eq!(port("webhook"), config.run.webhook_listen.port());
    assert_eq!(port("metrics"), config.run.metrics_listen.port());
    assert_eq!(
        container["volumeMounts"][0]["mountPath"].as_str(),
        config.run.data_dir.to_str()
    );
}

#[test]
fn the_pod_meets_the_restricted_standard_that_its_namespace_enforces() {
    let namespace = of_kind("Namespace").remove(0);
    assert_eq!(
        namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"],
        "restricted"
    );
    let pod = operator()["spec"]["template"]["spec"].clone();
    assert_eq!(pod["securityContext"]["runAsNonRoot"], true);
    assert_eq!(
        pod["securityContext"]["seccompProfile"]["type"],
        "RuntimeDefault"
    );
    let container = pod["containers"][0]["securityContext"].clone();
    assert_eq!(container["allowPrivilegeEscalation"], false);
    assert_eq!(container["readOnlyRootFilesystem"], true);
    assert_eq!(words(&container["capabilities"]["drop"]), ["ALL"]);
}

#[test]
fn the_services_select_the_operators_pods_by_ports_that_they_have() {
    let pod = operator()["spec"]["template"].clone();
    let ports: Vec<_> = pod["spec"]["containers"][0]["ports"]
        .as_array()
        .unwrap()
        .iter()
        .map(|port| &port["name"])
        .collect();
    for service in of_kind("Service") {
        assert_eq!(service["spec"]["selector"], pod["metadata"]["labels"]);
        assert!(ports.contains(&&service["spec"]["ports"][0]["targetPort"]));
    }
}
