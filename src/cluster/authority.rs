//! The operator's own certificate authority: makes and reads what the gate is served with.
//!
//! ECDSA P-256 throughout: one signature a handshake is cheap. Lifetimes and the moment of each step are
//! `domain::certificate`'s. Does not know where the result is kept.

use crate::domain::certificate::{Current, Validity, Wanted};
use k8s_openapi::jiff::Timestamp;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, PublicKeyData, date_time_ymd,
};
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;
use x509_parser::extensions::GeneralName;
use x509_parser::pem::Pem;
use x509_parser::prelude::X509Certificate;

/// Certificates and keys as PEM. Never shown: it holds private keys, so it has no `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct Material {
    /// Every authority that is trusted, the newest first.
    pub bundle: String,
    /// Key of the newest authority.
    pub authority_key: String,
    /// The serving certificate.
    pub leaf: String,
    /// Its key.
    pub leaf_key: String,
}

/// Why certificates cannot be made or used.
#[derive(Debug, thiserror::Error)]
pub enum AuthorityError {
    /// A certificate or key could not be made.
    #[error("a certificate for the gate cannot be made: {0}")]
    Make(#[from] rcgen::Error),
    /// Something stored cannot be read.
    #[error("the stored {what} cannot be used: {why}")]
    Unusable {
        /// Which part.
        what: &'static str,
        /// Why.
        why: String,
    },
}

/// A new authority and a leaf.
pub fn start(now: Timestamp, wanted: &Wanted) -> Result<Material, AuthorityError> {
    let (bundle, authority_key) = make_authority(now, wanted)?;
    let empty = Material {
        bundle,
        authority_key,
        leaf: String::new(),
        leaf_key: String::new(),
    };
    renew_leaf(now, &empty, wanted)
}

/// A new leaf with a new key, signed by the newest authority.
pub fn renew_leaf(
    now: Timestamp,
    material: &Material,
    wanted: &Wanted,
) -> Result<Material, AuthorityError> {
    let authority = KeyPair::from_pem(&material.authority_key)?;
    let issuer = Issuer::from_ca_cert_pem(&material.bundle, authority)?;
    let key = KeyPair::generate()?;
    let names: Vec<String> = wanted.names.iter().cloned().collect();
    let mut params = CertificateParams::new(names)?;
    params.distinguished_name = named("permit-gate".to_owned());
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.use_authority_key_identifier_extension = true;
    limit(&mut params, Validity::starting(now, wanted.lifetime));
    let leaf = params.signed_by(&key, &issuer)?.pem();
    Ok(Material {
        leaf,
        leaf_key: key.serialize_pem(),
        bundle: live_bundle(now, &material.bundle)?,
        ..material.clone()
    })
}

/// A new authority in front of the bundle. The leaf stays, and so does the authority that signed it.
pub fn rotate(
    now: Timestamp,
    material: &Material,
    wanted: &Wanted,
) -> Result<Material, AuthorityError> {
    let (newest, authority_key) = make_authority(now, wanted)?;
    let bundle = newest + &live_bundle(now, &material.bundle)?;
    Ok(Material {
        bundle,
        authority_key,
        ..material.clone()
    })
}

/// What is there, for the plan. An error means that nothing of it can be used.
pub fn inspect(material: &Material) -> Result<Current, AuthorityError> {
    let authorities = blocks("authority", &material.bundle)?;
    let newest = parse("authority", authorities.first())?;
    let leaves = blocks("certificate", &material.leaf)?;
    let leaf = parse("certificate", leaves.first())?;
    matches_key("authority key", &newest, &material.authority_key)?;
    matches_key("certificate key", &leaf, &material.leaf_key)?;
    let is_trusted = authorities
        .iter()
        .filter_map(|pem| pem.parse_x509().ok())
        .any(|authority| authority.subject().as_raw() == leaf.issuer().as_raw());
    Ok(Current {
        authority: validity(&newest)?,
        leaf: validity(&leaf)?,
        names: names_in(&leaf),
        is_trusted,
    })
}

fn make_authority(now: Timestamp, wanted: &Wanted) -> Result<(String, String), AuthorityError> {
    let key = KeyPair::generate()?;
    let mut params = CertificateParams::default();
    // A name of its own, so that a leaf tells which authority of the bundle signed it.
    params.distinguished_name = named(format!(
        "permit-gate authority {:016x}",
        rand::random::<u64>()
    ));
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    limit(
        &mut params,
        Validity::starting(now, wanted.authority_lifetime()),
    );
    Ok((params.self_signed(&key)?.pem(), key.serialize_pem()))
}

fn named(name: String) -> DistinguishedName {
    let mut distinguished = DistinguishedName::new();
    distinguished.push(DnType::CommonName, name);
    distinguished
}

fn limit(params: &mut CertificateParams, validity: Validity) {
    let second =
        |time: Timestamp| Duration::from_secs(u64::try_from(time.as_second()).unwrap_or_default());
    params.not_before = date_time_ymd(1970, 1, 1) + second(validity.not_before);
    params.not_after = date_time_ymd(1970, 1, 1) + second(validity.not_after);
}

fn live_bundle(now: Timestamp, bundle: &str) -> Result<String, AuthorityError> {
    let mut live = String::new();
    for (pem, text) in blocks("authority", bundle)?
        .iter()
        .zip(bundle.split_inclusive(END))
    {
        if !validity(&parse("authority", Some(pem))?)?.has_expired(now) {
            live.push_str(text.trim_start());
            live.push('\n');
        }
    }
    Ok(live)
}

const END: &str = "-----END CERTIFICATE-----";

fn blocks(what: &'static str, pem: &str) -> Result<Vec<Pem>, AuthorityError> {
    let unusable = |e: x509_parser::error::PEMError| AuthorityError::Unusable {
        what,
        why: e.to_string(),
    };
    Pem::iter_from_buffer(pem.as_bytes())
        .collect::<Result<_, _>>()
        .map_err(unusable)
}

fn parse<'a>(
    what: &'static str,
    pem: Option<&'a Pem>,
) -> Result<X509Certificate<'a>, AuthorityError> {
    let unusable = |why: String| AuthorityError::Unusable { what, why };
    let pem = pem.ok_or_else(|| unusable("it is empty".to_owned()))?;
    pem.parse_x509().map_err(|e| unusable(e.to_string()))
}

fn matches_key(
    what: &'static str,
    certificate: &X509Certificate<'_>,
    key: &str,
) -> Result<(), AuthorityError> {
    let key = KeyPair::from_pem(key).map_err(|e| AuthorityError::Unusable {
        what,
        why: e.to_string(),
    })?;
    if key.subject_public_key_info() == certificate.public_key().raw {
        Ok(())
    } else {
        Err(AuthorityError::Unusable {
            what,
            why: "it belongs to another certificate".to_owned(),
        })
    }
}

fn validity(certificate: &X509Certificate<'_>) -> Result<Validity, AuthorityError> {
    let time = |second: i64| {
        Timestamp::from_second(second).map_err(|e| AuthorityError::Unusable {
            what: "certificate",
            why: format!("its validity: {e}"),
        })
    };
    let validity = certificate.validity();
    let (not_before, not_after) = (
        validity.not_before.timestamp(),
        validity.not_after.timestamp(),
    );
    Ok(Validity {
        not_before: time(not_before)?,
        not_after: time(not_after)?,
    })
}

fn names_in(certificate: &X509Certificate<'_>) -> BTreeSet<String> {
    let Ok(Some(names)) = certificate.subject_alternative_name() else {
        return BTreeSet::new();
    };
    names
        .value
        .general_names
        .iter()
        .filter_map(name_of)
        .collect()
}

fn name_of(name: &GeneralName<'_>) -> Option<String> {
    if let GeneralName::DNSName(dns) = name {
        return Some((*dns).to_owned());
    }
    let GeneralName::IPAddress(bytes) = name else {
        return None;
    };
    let v4 = <[u8; 4]>::try_from(*bytes).map(IpAddr::from);
    let v6 = <[u8; 16]>::try_from(*bytes).map(IpAddr::from);
    v4.or(v6).ok().map(|address| address.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::certificate::{Plan, plan};
    use k8s_openapi::jiff::SignedDuration;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + second).unwrap()
    }

    fn wanted() -> Wanted {
        let names = ["permit-gate.permit-system.svc", "127.0.0.1"];
        Wanted {
            lifetime: SignedDuration::from_secs(60),
            names: names.map(String::from).into(),
        }
    }

    #[test]
    fn a_new_pair_is_trusted_has_the_wanted_names_and_lives_as_long_as_asked() {
        let current = inspect(&start(at(0), &wanted()).unwrap()).unwrap();
        assert!(current.is_trusted);
        assert_eq!(current.names, wanted().names);
        assert_eq!(current.leaf.not_after, at(60));
        assert_eq!(current.authority.not_after, at(600));
        assert!(matches!(
            plan(at(0), Some(&current), &wanted()),
            Plan::Keep { .. }
        ));
    }

    #[test]
    fn a_rotated_authority_leaves_the_served_leaf_trusted_and_signs_the_next_one() {
        let first = start(at(0), &wanted()).unwrap();
        let rotated = rotate(
            at(380),
            &renew_leaf(at(370), &first, &wanted()).unwrap(),
            &wanted(),
        )
        .unwrap();
        assert_eq!(blocks("authority", &rotated.bundle).unwrap().len(), 2);
        assert!(
            inspect(&rotated).unwrap().is_trusted,
            "the old authority stays in the bundle"
        );
        let renewed = renew_leaf(at(408), &rotated, &wanted()).unwrap();
        assert!(inspect(&renewed).unwrap().is_trusted);
        let later = renew_leaf(at(601), &renewed, &wanted()).unwrap();
        assert_eq!(
            blocks("authority", &later.bundle).unwrap().len(),
            1,
            "an expired authority leaves the bundle"
        );
        assert!(inspect(&later).unwrap().is_trusted);
    }

    #[test]
    fn a_minute_of_life_is_renewed_for_an_hour_without_a_gap() {
        let mut material = start(at(0), &wanted()).unwrap();
        for second in 0..3600 {
            let now = at(second);
            let current = inspect(&material).unwrap();
            assert!(
                current.is_trusted && !current.leaf.has_expired(now),
                "nothing to serve with at {second} s"
            );
            material = match plan(now, Some(&current), &wanted()) {
                Plan::Keep { .. } => material,
                Plan::RenewLeaf => renew_leaf(now, &material, &wanted()).unwrap(),
                Plan::RotateAuthority => rotate(now, &material, &wanted()).unwrap(),
                Plan::StartAnew => panic!("the authority was left to expire at {second} s"),
            };
        }
    }

    #[test]
    fn keys_that_belong_to_other_certificates_are_refused() {
        let (one, two) = (
            start(at(0), &wanted()).unwrap(),
            start(at(0), &wanted()).unwrap(),
        );
        let mixed = Material {
            authority_key: two.authority_key.clone(),
            ..one.clone()
        };
        assert!(inspect(&mixed).is_err());
        let mixed = Material {
            leaf_key: two.leaf_key.clone(),
            ..one.clone()
        };
        assert!(inspect(&mixed).is_err());
        let foreign = Material {
            leaf: two.leaf,
            leaf_key: two.leaf_key,
            ..one
        };
        assert!(!inspect(&foreign).unwrap().is_trusted);
    }

    #[test]
    fn what_is_no_certificate_is_refused_with_the_part_named() {
        let pair = start(at(0), &wanted()).unwrap();
        let empty = Material {
            bundle: String::new(),
            ..pair
        };
        assert_eq!(
            inspect(&empty).unwrap_err().to_string(),
            "the stored authority cannot be used: it is empty"
        );
    }
}
