//! The sites' certificates, chosen by the name that the visitor asks for (SNI), replaced while connections go on.
//!
//! Who asks for a name that no site has gets the certificate of the only site, if there is one: the browser then
//! names the mismatch, which helps whoever set a host up. With several sites the handshake is refused: a certificate
//! of somebody else's site would invite the visitor to click through to it. Who asks for no name (a health check by
//! address) gets the first site's.

use std::collections::HashMap;
use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::ServerConfig;
use rustls::client::verify_server_name;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{PrivateKeyDer, ServerName, pem};
use rustls::server::{ClientHello, ParsedCertificate, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use super::{TlsError, certificates, provider, read};
use crate::config::ready::{Site, SiteTls};

/// What visitors of a site with a problem get.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Serving {
    /// The certificate that worked before.
    LastGood,
    /// The new certificate in spite of the problem.
    Anyway,
    /// No TLS for this site.
    Nothing,
}

/// A site's certificate that is not as it should be.
#[derive(Debug, thiserror::Error)]
#[error("certificate of {site}")]
pub struct Problem {
    /// The site's name.
    pub site: Arc<str>,
    /// What its visitors get meanwhile.
    pub serving: Serving,
    /// What is wrong.
    #[source]
    pub error: TlsError,
}

#[derive(Debug, Default)]
struct Loaded {
    /// By site; what a reload falls back to.
    by_site: HashMap<Arc<str>, Arc<CertifiedKey>>,
    by_host: HashMap<String, Arc<CertifiedKey>>,
    /// For who names no host.
    first: Option<Arc<CertifiedKey>>,
}

/// See the module.
#[derive(Debug)]
pub struct Certs {
    loaded: ArcSwap<Loaded>,
    provider: Arc<CryptoProvider>,
}

impl Certs {
    /// Reads the sites' certificates. What cannot be read is left out and reported; the other sites serve.
    pub fn load(sites: &[Arc<Site>]) -> (Arc<Certs>, Vec<Problem>) {
        let certs = Arc::new(Certs { loaded: ArcSwap::default(), provider: provider() });
        let problems = certs.reload(sites);
        (certs, problems)
    }

    /// Reads them again. A site whose files are no good now keeps what worked last. New handshakes use what is
    /// loaded; open connections go on. Reads files: not for the event loop.
    pub fn reload(&self, sites: &[Arc<Site>]) -> Vec<Problem> {
        let before = self.loaded.load();
        let mut loaded = Loaded::default();
        let mut problems = Vec::new();
        for site in sites {
            let Some(files) = &site.tls else { continue };
            let key = match self.read_pair(files) {
                Ok(key) => {
                    problems.extend(mismatches(site, files, &key));
                    Arc::new(key)
                }
                Err(error) => {
                    let last = before.by_site.get(&site.name).map(Arc::clone);
                    let serving = if last.is_some() { Serving::LastGood } else { Serving::Nothing };
                    problems.push(Problem { site: Arc::clone(&site.name), serving, error });
                    match last {
                        Some(last) => last,
                        None => continue,
                    }
                }
            };
            for host in &site.hosts {
                loaded.by_host.insert(host.clone(), Arc::clone(&key));
            }
            loaded.first.get_or_insert_with(|| Arc::clone(&key));
            loaded.by_site.insert(Arc::clone(&site.name), key);
        }
        self.loaded.store(Arc::new(loaded));
        problems
    }

    fn read_pair(&self, files: &SiteTls) -> Result<CertifiedKey, TlsError> {
        let chain = certificates(&files.cert)?;
        let key = PrivateKeyDer::from_pem_slice(&read(&files.key)?).map_err(|source| {
            let path = files.key.clone();
            if matches!(source, pem::Error::NoItemsFound) {
                TlsError::Nothing { path, what: "private key" }
            } else {
                TlsError::Pem { path, source }
            }
        })?;
        // this checks that the key is the certificate's
        CertifiedKey::from_der(chain, key, &self.provider).map_err(|source| TlsError::Pair {
            cert: files.cert.clone(),
            key: files.key.clone(),
            source,
        })
    }

    /// Whether no site has a certificate.
    pub fn is_empty(&self) -> bool {
        self.loaded.load().first.is_none()
    }

    /// The server's side of TLS 1.2 and 1.3 for all sites: it stays the same over reloads, and with it the key of
    /// the session tickets, so that a reload costs no returning visitor a full handshake.
    ///
    /// # Errors
    /// The provider cannot do it.
    pub fn server_config(self: &Arc<Self>) -> Result<Arc<ServerConfig>, TlsError> {
        let mut config = ServerConfig::builder_with_provider(Arc::clone(&self.provider))
            .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
            .map_err(TlsError::SetUp)?
            .with_no_client_auth()
            .with_cert_resolver(Arc::clone(self) as Arc<dyn ResolvesServerCert>);
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        config.ticketer = rustls::crypto::aws_lc_rs::Ticketer::new().map_err(TlsError::SetUp)?;
        Ok(Arc::new(config))
    }

    fn choose(&self, host: Option<&str>) -> Option<Arc<CertifiedKey>> {
        let loaded = self.loaded.load();
        let Some(host) = host else { return loaded.first.clone() };
        // rustls hands names on as they came
        let lower;
        let host = if host.bytes().any(|byte| byte.is_ascii_uppercase()) {
            lower = host.to_ascii_lowercase();
            &lower
        } else {
            host
        };
        match loaded.by_host.get(host) {
            Some(key) => Some(Arc::clone(key)),
            None if loaded.by_site.len() == 1 => loaded.first.clone(),
            None => None,
        }
    }
}

impl ResolvesServerCert for Certs {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.choose(hello.server_name())
    }
}

/// The hosts of a site that its certificate does not speak for. It is used all the same: for the other hosts it may
/// be right, and for these it is better than nothing.
fn mismatches(site: &Site, files: &SiteTls, key: &CertifiedKey) -> Vec<Problem> {
    let Some(parsed) = key.end_entity_cert().ok().and_then(|cert| ParsedCertificate::try_from(cert).ok())
    else {
        return Vec::new();
    };
    site.hosts
        .iter()
        .filter(|host| {
            ServerName::try_from(host.as_str()).is_ok_and(|name| verify_server_name(&parsed, &name).is_err())
        })
        .map(|host| Problem {
            site: Arc::clone(&site.name),
            serving: Serving::Anyway,
            error: TlsError::Host { cert: files.cert.clone(), host: host.clone() },
        })
        .collect()
}
