//! Certificates made for a test: an authority, and leaves that are good or bad in one way.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, date_time_ymd};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;

/// A certificate authority.
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

/// A certificate and its key.
pub struct Leaf {
    cert: CertificateDer<'static>,
    key: KeyPair,
    pem: String,
}

fn params(host: &str) -> CertificateParams {
    let mut params = CertificateParams::new(vec![host.to_owned()]).unwrap();
    params.not_before = date_time_ymd(2020, 1, 1);
    params.not_after = date_time_ymd(2100, 1, 1);
    params.distinguished_name.push(rcgen::DnType::CommonName, host);
    params
}

impl Authority {
    /// A new one, that nobody trusts unless told.
    pub fn new() -> Authority {
        let mut params = params("authority.test");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![rcgen::KeyUsagePurpose::KeyCertSign, rcgen::KeyUsagePurpose::CrlSign];
        Authority { issuer: CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap() }
    }

    /// A good certificate for `host` (a name or an address).
    pub fn leaf(&self, host: &str) -> Leaf {
        self.sign(params(host))
    }

    /// A good one for several names.
    pub fn leaf_of(&self, hosts: &[&str]) -> Leaf {
        let mut params = params(hosts[0]);
        params.subject_alt_names =
            hosts.iter().map(|host| rcgen::SanType::DnsName((*host).try_into().unwrap())).collect();
        self.sign(params)
    }

    /// One that ended in 2021.
    pub fn expired(&self, host: &str) -> Leaf {
        let mut params = params(host);
        params.not_after = date_time_ymd(2021, 1, 1);
        self.sign(params)
    }

    /// One that ends after so many days.
    pub fn ending_in(&self, host: &str, days: u64) -> Leaf {
        let mut params = params(host);
        params.not_after =
            (std::time::SystemTime::now() + std::time::Duration::from_secs(days * 86_400)).into();
        self.sign(params)
    }

    /// One that ended in 2021, for the key of another leaf.
    pub fn expired_with(&self, host: &str, other: &Leaf) -> Leaf {
        let mut params = params(host);
        params.not_after = date_time_ymd(2021, 1, 1);
        self.sign_with(params, KeyPair::try_from(other.key.serialize_der()).unwrap())
    }

    /// One that begins in 2090.
    pub fn not_yet_valid(&self, host: &str) -> Leaf {
        let mut params = params(host);
        params.not_before = date_time_ymd(2090, 1, 1);
        self.sign(params)
    }

    fn sign(&self, params: CertificateParams) -> Leaf {
        self.sign_with(params, KeyPair::generate().unwrap())
    }

    fn sign_with(&self, params: CertificateParams, key: KeyPair) -> Leaf {
        let cert = params.signed_by(&key, &self.issuer).unwrap();
        Leaf { cert: cert.der().clone(), pem: cert.pem(), key }
    }

    /// Writes the authority's certificate as PEM.
    pub fn write(&self, dir: &Path) -> PathBuf {
        let path = dir.join("authority.pem");
        std::fs::write(&path, self.issuer.pem()).unwrap();
        path
    }

    /// Trust in this authority alone.
    pub fn roots(&self) -> rustls::RootCertStore {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(self.issuer.der().clone()).unwrap();
        roots
    }
}

impl Leaf {
    /// Signed by itself.
    pub fn self_signed(host: &str) -> Leaf {
        let key = KeyPair::generate().unwrap();
        let cert = params(host).self_signed(&key).unwrap();
        Leaf { cert: cert.der().clone(), pem: cert.pem(), key }
    }

    /// Writes certificate and key as PEM; returns their paths.
    pub fn write(&self, dir: &Path, name: &str) -> (PathBuf, PathBuf) {
        let (cert, key) = (dir.join(format!("{name}.pem")), dir.join(format!("{name}.key")));
        std::fs::write(&cert, &self.pem).unwrap();
        std::fs::write(&key, self.key.serialize_pem()).unwrap();
        (cert, key)
    }

    /// The pin of its key, as a configuration names it.
    pub fn pin(&self) -> String {
        let key = rcgen::PublicKeyData::subject_public_key_info(&self.key);
        let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &key);
        format!("sha256/{}", base64(hash.as_ref()))
    }

    /// For a server.
    pub fn certified(&self) -> Arc<CertifiedKey> {
        let key = PrivateKeyDer::try_from(self.key.serialize_der()).unwrap();
        let key = rustls::crypto::aws_lc_rs::sign::any_supported_type(&key).unwrap();
        Arc::new(CertifiedKey::new(vec![self.cert.clone()], key))
    }
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for three in bytes.chunks(3) {
        let all = three.iter().enumerate().fold(0, |all, (n, byte)| all | u32::from(*byte) << (16 - 8 * n));
        for n in 0..4 {
            let digit = DIGITS[(all >> (18 - 6 * n) & 63) as usize];
            out.push(if n <= three.len() { char::from(digit) } else { '=' });
        }
    }
    out
}
