//! Unpermitted changes: looked at once more where they stand, then put on record, shown and counted; a namespace is
//! frozen where the configuration says so.
//!
//! The API shows managers, times and fields, no users. What is unpermitted is `domain::sweep`'s to say.

use k8s_openapi::api::core::v1::{ConfigMap, ObjectReference};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::api::{Api, DynamicObject, ObjectMeta, PostParams};
use kube::runtime::events::{Event, EventType};
use kube::{Resource as _, ResourceExt};
use tracing::{debug, info, warn};

use super::{Context, Error, journal, record, sweep};
use crate::api::FIELD_MANAGER;
use crate::api::config::{FREEZE_KEY, FREEZE_LABEL, OnUnpermitted, freeze_name};
use crate::api::facts::Finding;
use crate::api::permit::Permit;
use crate::api::vocabulary::EventReason;
use crate::cluster::client::deadline;
use crate::cluster::drift::{Change, blame_for};
use crate::cluster::kinds;
use crate::domain::audit::{Draft, RecordType, Subject};
use crate::domain::kind::{self, Form};
use crate::domain::sweep::{Unpermitted, Wrong};

/// Tells of an unpermitted change, unless it is not there any more.
pub(super) async fn tell(
    ctx: &Context,
    namespace: &str,
    (key, one): (&str, &Unpermitted),
) -> Result<Option<Finding>, Error> {
    let Some((form, name)) = parts(key) else {
        return Ok(None);
    };
    let api = of_kind(ctx, namespace, form);
    let live = deadline(api.get_opt(name)).await;
    let live = live.map_err(|error| Error::Suspect(key.to_owned(), error))?;
    let is_so = match &live {
        None => one.wrong == Wrong::Deleted,
        Some(live) => live.uid().as_deref() == Some(one.uid.as_str()),
    };
    if !is_so || has_its_owner(ctx, namespace, (one, live.as_ref())).await? {
        return Ok(None);
    }
    let permit = sweep::last_permit(ctx, namespace, &one.of);
    let mut finding = Finding {
        reason: one.wrong.as_str().into(),
        message: one.wrong.sentence(&format!("{}/{name}", form.short)),
        uid: one.uid.clone(),
        digest: one.digest.clone(),
        print: one.print.clone(),
        permit_uid: permit
            .as_ref()
            .and_then(ResourceExt::uid)
            .unwrap_or_default(),
        since: Some(Time(ctx.clock.now())),
        key: String::new(),
    };
    let draft = told(
        (namespace, key),
        &finding,
        live.as_ref(),
        &ctx.clock.now().to_string(),
    );
    finding.key.clone_from(&draft.key);
    warn!(namespace, what = key, reason = finding.reason, permit = ?permit.as_ref().map(ResourceExt::name_any),
        "a change that nobody permitted");
    journal::append_or_keep(ctx, draft).await?;
    ctx.metrics
        .unpermitted_changes
        .with_label_values(&[form.word])
        .inc();
    let workload = live
        .is_some()
        .then(|| reference(form, (namespace, name), &one.uid));
    show(
        ctx,
        (permit.as_ref(), workload),
        (EventReason::UnpermittedChange, &finding.message),
    )
    .await;
    freeze(ctx, namespace, &finding).await?;
    Ok(Some(finding))
}

/// Tells that an unpermitted change does not stand any more.
pub(super) async fn tell_gone(
    ctx: &Context,
    namespace: &str,
    (key, finding): (&str, &Finding),
) -> Result<(), Error> {
    let mut draft = Draft::new(
        RecordType::UnpermittedChange,
        record::operator(),
        subject(namespace, key, &finding.uid),
        format!("{}/gone", finding.key),
    );
    draft.reason = Some("Gone".into());
    journal::append_or_keep(ctx, draft).await?;
    info!(
        namespace,
        what = key,
        "what nobody permitted is gone, or is permitted now"
    );
    let uid = finding.permit_uid.as_str();
    let named = ctx
        .caches
        .permit_refs(|card| !uid.is_empty() && card.uid().as_ref() == uid);
    let permit = named
        .first()
        .and_then(|named| ctx.caches.permit(&named.namespace, &named.name));
    let note = format!("no longer: {}", finding.message);
    show(
        ctx,
        (permit.as_ref(), None),
        (EventReason::UnpermittedChangeGone, &note),
    )
    .await;
    Ok(())
}

/// Whether the owner that an object names stands there after all: the watch may not have brought it yet.
async fn has_its_owner(
    ctx: &Context,
    namespace: &str,
    (one, live): (&Unpermitted, Option<&DynamicObject>),
) -> Result<bool, Error> {
    let owners = live.map(ResourceExt::owner_references).unwrap_or_default();
    let owner = owners.iter().find(|o| o.controller == Some(true));
    let Some(owner) = owner.filter(|_| one.wrong == Wrong::NoOwner) else {
        return Ok(false);
    };
    // The sweep judges by kind too; of one that it does not know, existence proves nothing.
    let Some(form) = kind::form(&owner.kind) else {
        return Ok(false);
    };
    let found = deadline(of_kind(ctx, namespace, form).get_opt(&owner.name)).await;
    let found = found.map_err(|error| Error::Suspect(owner.name.clone(), error))?;
    Ok(found.is_some_and(|found| found.uid().as_deref() == Some(owner.uid.as_str())))
}

fn parts(key: &str) -> Option<(&'static Form, &str)> {
    let (word, name) = key.split_once('/')?;
    Some((kind::form(word)?, name))
}

fn of_kind(ctx: &Context, namespace: &str, form: &Form) -> Api<DynamicObject> {
    Api::namespaced_with(ctx.client.clone(), namespace, &kinds::resource(form))
}

fn subject(namespace: &str, key: &str, uid: &str) -> Subject {
    let (kind, name) = key.split_once('/').unwrap_or(("", key));
    Subject {
        kind: kind.into(),
        ns: namespace.into(),
        name: name.into(),
        uid: uid.into(),
        ..Subject::default()
    }
}

/// The record: what was found, and what is known of who did it. The same state of the same object is one record.
fn told(
    (namespace, key): (&str, &str),
    finding: &Finding,
    live: Option<&DynamicObject>,
    now: &str,
) -> Draft {
    let part = if key.starts_with("ControllerRevision/") {
        "f:data"
    } else {
        "f:spec"
    };
    let managed = live.and_then(|live| live.metadata.managed_fields.as_deref());
    let Change::Edited {
        manager,
        time,
        fields,
    } = blame_for(managed.unwrap_or_default(), part, FIELD_MANAGER)
    else {
        return Draft::new(
            RecordType::UnpermittedChange,
            record::operator(),
            Subject::default(),
            key,
        );
    };
    let time = time.map(|time| time.to_string());
    let (uid, digest) = (&finding.uid, &finding.digest);
    let when = time.clone().unwrap_or_else(|| now.to_owned());
    let id = format!("unpermitted/{namespace}/{key}/{uid}/{digest}/{when}");
    let of = subject(namespace, key, uid);
    let mut draft = Draft::new(RecordType::UnpermittedChange, record::operator(), of, id);
    draft.reason = Some(finding.reason.clone());
    let unknown = || "unknown".to_owned();
    draft
        .details
        .insert("manager".into(), manager.unwrap_or_else(unknown));
    draft
        .details
        .insert("changedTime".into(), time.unwrap_or_else(unknown));
    draft.details.insert("fields".into(), fields.join(" "));
    draft.details.insert("digest".into(), digest.clone());
    draft
        .details
        .insert("permitUid".into(), finding.permit_uid.clone());
    draft
}

fn reference(form: &Form, (namespace, name): (&str, &str), uid: &str) -> ObjectReference {
    ObjectReference {
        api_version: Some(kinds::resource(form).api_version),
        kind: Some(form.word.into()),
        name: Some(name.into()),
        namespace: Some(namespace.into()),
        uid: Some(uid.into()),
        ..ObjectReference::default()
    }
}

/// Shows it on the workload and on its last permit; a lost Event is no error, the record is the ledger.
async fn show(
    ctx: &Context,
    (permit, workload): (Option<&Permit>, Option<ObjectReference>),
    (reason, note): (EventReason, &str),
) {
    let is_wrong = reason == EventReason::UnpermittedChange;
    let event = Event {
        type_: if is_wrong {
            EventType::Warning
        } else {
            EventType::Normal
        },
        reason: reason.as_str().into(),
        note: Some(note.to_owned()),
        action: reason.as_str().into(),
        secondary: None,
    };
    for about in workload
        .into_iter()
        .chain(permit.map(|p| p.object_ref(&())))
    {
        if let Err(error) = deadline(ctx.recorder.publish(&event, &about)).await {
            debug!(%error, reason = reason.as_str(), "event not shown");
        }
    }
}

/// Freezes the namespace where the configuration says so; what stands already stays as it is.
async fn freeze(ctx: &Context, namespace: &str, finding: &Finding) -> Result<(), Error> {
    let config = ctx.caches.configuration().unwrap_or_default();
    if config.on_unpermitted != OnUnpermitted::Freeze {
        return Ok(());
    }
    let map = ConfigMap {
        metadata: ObjectMeta {
            name: Some(freeze_name(namespace)),
            namespace: Some(ctx.namespace.clone()),
            labels: Some([(FREEZE_LABEL.to_owned(), namespace.to_owned())].into()),
            ..ObjectMeta::default()
        },
        data: Some([(FREEZE_KEY.to_owned(), finding.message.clone())].into()),
        ..ConfigMap::default()
    };
    ctx.ensure_leading()?;
    let api: Api<ConfigMap> = Api::namespaced(ctx.client.clone(), &ctx.namespace);
    let params = PostParams {
        field_manager: Some(FIELD_MANAGER.into()),
        ..PostParams::default()
    };
    match deadline(api.create(&params, &map)).await {
        Ok(_) => {
            warn!(
                namespace,
                because = finding.message,
                "frozen until a person lifts it"
            );
            Ok(())
        }
        Err(error) if error.is_already_exists() => Ok(()),
        Err(error) => Err(Error::Freeze(namespace.to_owned(), error)),
    }
}
