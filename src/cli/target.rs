//! How people name a workload, an image and a window on the command line: `deploy/checkout`,
//! `--image checkout=shop/checkout:1.5.0`, `--recurring '0 22 * * MON-THU;4h;Europe/Berlin'`.

use std::fmt;
use std::str::FromStr;

use serde_json::Value;

use crate::api::calendar::Recurrence;
use crate::api::kind::WorkloadKind;
use crate::api::vocabulary::Operation;
use crate::domain::calendar::Recurring;
use crate::domain::kind::{Form, GATED, called, form_of};

/// A workload of a gated kind, named as kubectl does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct WorkloadRef {
    /// What is known of its kind.
    pub(super) form: &'static Form,
    /// The version of the API that it is read and written in.
    pub(super) version: String,
    /// Its name.
    pub(super) name: String,
}

impl WorkloadRef {
    /// The workload of an object as somebody wrote it, if its kind is gated.
    pub(super) fn of_object(object: &Value) -> Option<Self> {
        let form = form_of(object).filter(|form| can_be_named(form))?;
        let version = object.get("apiVersion")?.as_str()?;
        let version = version.rsplit_once('/').map_or(version, |(_, v)| v);
        let name = object.pointer("/metadata/name").and_then(Value::as_str);
        Some(Self {
            form,
            version: version.to_owned(),
            name: name.unwrap_or_default().to_owned(),
        })
    }

    /// How kubectl names it in what it prints. Example: `statefulset.apps/checkout`.
    pub(super) fn printed(&self) -> String {
        format!("{}/{}", self.form.type_name(), self.name)
    }
}

/// In a sentence. Example: ``statefulset `checkout` ``.
impl fmt::Display for WorkloadRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} `{}`", self.form.word.to_lowercase(), self.name)
    }
}

/// Whether a permit can name the kind.
fn can_be_named(form: &Form) -> bool {
    WorkloadKind::OWN.contains(&form.word)
}

/// The kinds that a permit can name.
pub(super) fn kinds() -> impl Iterator<Item = &'static Form> {
    GATED.iter().filter(|form| can_be_named(form))
}

impl FromStr for WorkloadRef {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (kind, name) = text
            .split_once('/')
            .ok_or_else(|| format!("`{text}` names no kind: write deploy/{text} or sts/{text}"))?;
        let form = called(kind)
            .filter(|form| can_be_named(form))
            .ok_or_else(|| {
                let words: Vec<_> = kinds().map(|form| format!("{}/NAME", form.short)).collect();
                format!(
                    "`{kind}` is no kind that is gated: write {}",
                    words.join(", ")
                )
            })?;
        if name.is_empty() || name.contains('/') {
            return Err(format!(
                "`{text}` names no workload: write {}/NAME",
                form.short
            ));
        }
        Ok(Self {
            form,
            version: form.version.to_owned(),
            name: name.to_owned(),
        })
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

/// Reads a window that opens again and again: cron, duration and zone, parted by semicolons; without a zone it is UTC.
pub(super) fn recurrence(text: &str) -> Result<Recurrence, String> {
    let parts: Vec<&str> = text.split(';').map(str::trim).collect();
    let (cron, duration, zone) = match parts.as_slice() {
        [cron, duration] => (*cron, *duration, None),
        [cron, duration, zone] => (*cron, *duration, Some((*zone).to_owned())),
        _ => {
            return Err(format!(
                "`{text}` is no window: write CRON;DURATION;ZONE, such as `0 22 * * MON-THU;4h;Europe/Berlin`"
            ));
        }
    };
    let wire = Recurrence {
        cron: cron.to_owned(),
        duration: duration.to_owned(),
        zone,
    };
    Recurring::parse(&wire).map(|_| wire)
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
    fn a_workload_is_named_as_kubectl_does() {
        for (text, printed) in [
            ("deploy/checkout", "deployment.apps/checkout"),
            ("Deployment/checkout", "deployment.apps/checkout"),
            ("statefulsets.apps/checkout", "statefulset.apps/checkout"),
            ("sts/checkout", "statefulset.apps/checkout"),
            ("ds/checkout", "daemonset.apps/checkout"),
            ("cj/checkout", "cronjob.batch/checkout"),
            ("job/checkout", "job.batch/checkout"),
            ("pod/checkout", "pod/checkout"),
            ("rc/checkout", "replicationcontroller/checkout"),
            (
                "hpa/checkout",
                "horizontalpodautoscaler.autoscaling/checkout",
            ),
        ] {
            let read = text.parse::<WorkloadRef>().unwrap();
            assert_eq!(read.printed(), printed, "{text}");
        }
    }

    #[test]
    fn what_names_no_workload_is_told_what_to_write() {
        for (text, told) in [
            ("checkout", "write deploy/checkout"),
            ("svc/checkout", "write deploy/NAME, sts/NAME"),
            ("controllerrevision/a", "no kind that is gated"),
            ("deploy/", "write deploy/NAME"),
            ("sts/a/b", "write sts/NAME"),
        ] {
            let error = text.parse::<WorkloadRef>().unwrap_err();
            assert!(error.contains(told), "{text}: {error}");
        }
    }

    #[test]
    fn an_object_is_read_in_the_version_that_it_is_written_in() {
        let of = |version: &str, kind: &str| {
            let metadata = serde_json::json!({"name": "a"});
            let object =
                serde_json::json!({"apiVersion": version, "kind": kind, "metadata": metadata});
            WorkloadRef::of_object(&object).map(|workload| workload.version)
        };
        let scaler = of("autoscaling/v1", "HorizontalPodAutoscaler");
        assert_eq!(scaler.as_deref(), Some("v1"));
        assert_eq!(of("v1", "Pod").as_deref(), Some("v1"));
        assert_eq!(of("v1", "Service"), None);
        assert_eq!(of("apps/v1", "ControllerRevision"), None);
    }

    #[test]
    fn a_window_is_cron_duration_and_zone() {
        let read = recurrence("0 22 * * MON-THU; 4h; Europe/Berlin").unwrap();
        assert_eq!(
            (read.cron.as_str(), read.duration.as_str()),
            ("0 22 * * MON-THU", "4h")
        );
        assert_eq!(read.zone.as_deref(), Some("Europe/Berlin"));
        assert_eq!(recurrence("0 22 * * *;4h").unwrap().zone, None);
        for (text, told) in [
            ("0 22 * * *", "CRON;DURATION;ZONE"),
            ("never;4h", "cron `never`"),
            ("0 22 * * *;soon", "duration `soon`"),
            ("0 22 * * *;4h;Middle/Earth", "Middle/Earth"),
        ] {
            assert!(recurrence(text).unwrap_err().contains(told), "{text}");
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
