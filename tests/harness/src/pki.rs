//! PKI: the authority of one control plane, and the keys it gives out.
//!
//! Decides names, lives and key kinds of certificates. Does not know who asks for them, nor any server.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result, ensure};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose,
};

use crate::user::User;
use crate::workdir::write_private;

/// The names under which the API server is reached: loopback, and its service inside the cluster.
const SERVER_NAMES: [&str; 4] = [
    "127.0.0.1",
    "10.96.0.1",
    "localhost",
    "kubernetes.default.svc",
];

/// The attribute `O` by its number: a second organisation beside the one that the library knows by name.
const ORGANIZATION: [u64; 4] = [2, 5, 4, 10];

const HOUR: Duration = Duration::from_hours(1);

/// A certificate and its key, as files.
#[derive(Debug, Clone)]
pub(crate) struct Pair {
    /// The certificate, PEM.
    pub(crate) certificate: PathBuf,
    /// The private key, PEM (PKCS#8).
    pub(crate) key: PathBuf,
}

/// The certificate authority of one control plane.
pub(crate) struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    dir: PathBuf,
}

impl Authority {
    /// Makes a new authority whose files lie in `dir`.
    pub(crate) fn create(dir: &Path) -> Result<Self> {
        let mut params = parameters("permit-operator test authority")?;
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![
            KeyUsagePurpose::KeyCertSign,
            KeyUsagePurpose::DigitalSignature,
        ];
        let key = KeyPair::generate().context("generate the authority's key")?;
        let issuer = CertifiedIssuer::self_signed(params, key)
            .context("sign the authority's certificate")?;
        let authority = Self {
            issuer,
            dir: dir.to_owned(),
        };
        write_private(&authority.certificate(), &authority.certificate_pem())?;
        Ok(authority)
    }

    /// The file with the authority's certificate.
    pub(crate) fn certificate(&self) -> PathBuf {
        self.dir.join("ca.crt")
    }

    /// The authority's certificate.
    pub(crate) fn certificate_pem(&self) -> String {
        self.issuer.pem()
    }

    /// A certificate for a server on loopback.
    pub(crate) fn serving(&self, name: &str) -> Result<Pair> {
        let mut params =
            CertificateParams::new(SERVER_NAMES.map(str::to_owned)).context("name the server")?;
        name_and_life(&mut params, name);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        self.issue(&params, name)
    }

    /// A certificate by which the API server knows `user`: CN is the username, O the groups.
    pub(crate) fn client(&self, user: &User) -> Result<Pair> {
        let mut params = parameters(user.name())?;
        let kinds = [
            DnType::OrganizationName,
            DnType::CustomDnType(ORGANIZATION.to_vec()),
        ];
        let groups = user.groups();
        ensure!(
            groups.len() <= kinds.len(),
            "a certificate holds two groups, `{}` has {}",
            user.name(),
            groups.len()
        );
        for (kind, group) in kinds.into_iter().zip(groups) {
            params.distinguished_name.push(kind, group.as_str());
        }
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        self.issue(&params, &user.file_stem())
    }

    /// The key pair that signs service-account tokens: the public half lies in `Pair::certificate`.
    pub(crate) fn service_accounts(&self) -> Result<Pair> {
        let key = KeyPair::generate().context("generate the key of service accounts")?;
        let pair = Pair {
            certificate: self.dir.join("sa.pub"),
            key: self.dir.join("sa.key"),
        };
        write_private(&pair.certificate, &key.public_key_pem())?;
        write_private(&pair.key, &key.serialize_pem())?;
        Ok(pair)
    }

    fn issue(&self, params: &CertificateParams, stem: &str) -> Result<Pair> {
        let key = KeyPair::generate().with_context(|| format!("generate the key of {stem}"))?;
        let certificate = params
            .signed_by(&key, &self.issuer)
            .with_context(|| format!("sign for {stem}"))?;
        let pair = Pair {
            certificate: self.dir.join(format!("{stem}.crt")),
            key: self.dir.join(format!("{stem}.key")),
        };
        write_private(&pair.certificate, &certificate.pem())?;
        write_private(&pair.key, &key.serialize_pem())?;
        Ok(pair)
    }
}

fn parameters(name: &str) -> Result<CertificateParams> {
    let mut params = CertificateParams::new(Vec::new()).context("start a certificate")?;
    name_and_life(&mut params, name);
    Ok(params)
}

/// One day, because a control plane of tests lives for minutes and one of the demo for an afternoon.
#[expect(
    clippy::disallowed_methods,
    reason = "the certificates are judged by the real programs' clock"
)]
fn name_and_life(params: &mut CertificateParams, name: &str) {
    let now = SystemTime::now();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.not_before = (now - HOUR).into();
    params.not_after = (now + 24 * HOUR).into();
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn keys_are_readable_by_their_owner_only() {
        let dir = tempfile::tempdir().unwrap();
        let pair = Authority::create(dir.path())
            .unwrap()
            .client(&User::person("alice"))
            .unwrap();
        assert_eq!(
            fs::metadata(pair.key).unwrap().permissions().mode() & 0o777,
            0o600
        );
    }

    #[test]
    fn a_third_group_is_refused_rather_than_lost() {
        let dir = tempfile::tempdir().unwrap();
        let authority = Authority::create(dir.path()).unwrap();
        assert!(authority.client(&User::new("dora", &["a", "b"])).is_ok());
        assert!(
            authority
                .client(&User::new("dora", &["a", "b", "c"]))
                .is_err()
        );
    }
}
