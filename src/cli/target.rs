//! How people name a workload and an image on the command line: `deploy/checkout`, `--image checkout=shop/checkout:1.5.0`.

use std::str::FromStr;

use crate::api::vocabulary::Operation;

/// The words kubectl takes for Deployments, the only kind that is gated.
const DEPLOYMENT_WORDS: [&str; 5] = [
    "deploy",
    "deployment",
    "deployments",
    "deployment.apps",
    "deployments.apps",
];

/// A Deployment, named as kubectl does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct WorkloadRef(pub(super) String);

impl FromStr for WorkloadRef {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (kind, name) = text
            .split_once('/')
            .ok_or_else(|| format!("`{text}` names no kind: write deploy/{text}"))?;
        if !DEPLOYMENT_WORDS.contains(&kind.to_ascii_lowercase().as_str()) {
            return Err(format!(
                "`{kind}` is not gated, only Deployments are: write deploy/NAME"
            ));
        }
        if name.is_empty() || name.contains('/') {
            return Err(format!("`{text}` names no workload: write deploy/NAME"));
        }
        Ok(Self(name.to_owned()))
    }
}

/// The image that a container is to have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ImageSetting {
    /// Name of the container.
    pub(super) container: String,
    /// The image.
    pub(super) image: String,
}

impl FromStr for ImageSetting {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once('=') {
            Some((container, image)) if !container.is_empty() && !image.is_empty() => Ok(Self {
                container: container.to_owned(),
                image: image.to_owned(),
            }),
            _ => Err(format!(
                "`{text}` is no image of a container: write CONTAINER=IMAGE"
            )),
        }
    }
}

/// Reads an operation, in any case.
pub(super) fn operation(text: &str) -> Result<Operation, String> {
    let found = Operation::ALL
        .iter()
        .find(|operation| operation.as_str().eq_ignore_ascii_case(text));
    found.copied().ok_or_else(|| {
        let words = Operation::ALL
            .iter()
            .map(|operation| operation.as_str())
            .collect::<Vec<_>>()
            .join(", ");
        format!("`{text}` is no operation: write one of {words}")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deployment_is_named_as_kubectl_does() {
        for text in [
            "deploy/checkout",
            "deployment/checkout",
            "deployments.apps/checkout",
            "Deployment/checkout",
        ] {
            assert_eq!(text.parse(), Ok(WorkloadRef("checkout".into())), "{text}");
        }
    }

    #[test]
    fn what_names_no_deployment_is_told_what_to_write() {
        for text in ["checkout", "sts/checkout", "deploy/", "deploy/a/b"] {
            assert!(
                text.parse::<WorkloadRef>()
                    .unwrap_err()
                    .contains("write deploy/"),
                "{text}"
            );
        }
    }

    #[test]
    fn an_image_may_hold_an_equals_sign_but_no_empty_part() {
        let setting = "app=host/app@sha256:9f=".parse::<ImageSetting>().unwrap();
        assert_eq!(
            (setting.container.as_str(), setting.image.as_str()),
            ("app", "host/app@sha256:9f=")
        );
        assert!(
            ["app", "=x", "app="]
                .into_iter()
                .all(|text| text.parse::<ImageSetting>().is_err())
        );
    }

    #[test]
    fn an_unknown_operation_lists_the_known_ones() {
        assert_eq!(operation("restart"), Ok(Operation::Restart));
        assert!(
            operation("explode")
                .unwrap_err()
                .contains("Deploy, Configure, Scale")
        );
    }
}
