//! The sites' certificates, chosen by the name that the visitor asks for (SNI), replaced while connections go on.
//!
//! Who asks for a name that no site has gets the certificate of the only site, if there is one: the browser then
//! names the mismatch, which helps whoever set a host up. With several sites the handshake is refused: a certificate
//! of somebody else's site would invite the visitor to click through to it. Who asks for no name (a health check by
//! address) gets the first site's.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

use arc_swap::ArcSwap;
use rustls::ServerConfig;
use rustls::client::verify_server_name;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{PrivateKeyDer, ServerName, pem};
use rustls::server::{ClientHello, ParsedCertificate, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use super::{Standing, TlsError, Validity, certificates, provider, read};
use crate::config::ready::{Site, SiteTls};
use crate::disk::Stamp;

/// What visitors of a site with a problem get.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Serving {
    /// The certificate that worked before: the new one cannot be used, or would be worse.
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

/// Until when the certificate of a site holds.
#[derive(Clone, Debug)]
pub struct Dated {
    /// The site's name.
    pub site: Arc<str>,
    /// The certificate's file.
    pub cert: PathBuf,
    /// The dates.
    pub validity: Validity,
}

/// A certificate with its key, and what it says of itself.
#[derive(Debug)]
struct Pair {
    key: Arc<CertifiedKey>,
    cert: PathBuf,
    validity: Option<Validity>,
    of: Read,
}

/// Which files a pair was read from, and how they were just before. Thousands of sites' files are so not read again at every reload.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Read {
    files: SiteTls,
    /// `None` where the file system's word cannot be relied on.
    stamps: Option<[Stamp; 2]>,
}

impl Read {
    fn now(files: &SiteTls, now: SystemTime) -> Read {
        let stamps = Stamp::of(&files.cert, now).zip(Stamp::of(&files.key, now));
        Read { files: files.clone(), stamps: stamps.map(|(cert, key)| [cert, key]) }
    }

    /// Whether the same would be read now.
    fn is_current(&self, now: &Read) -> bool {
        self.stamps.is_some() && self == now
    }
}

#[derive(Debug, Default)]
struct Loaded {
    /// By site; what a reload falls back to.
    by_site: HashMap<Arc<str>, Arc<Pair>>,
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
    pub fn load(sites: &[Arc<Site>], now: SystemTime) -> (Arc<Certs>, Vec<Problem>) {
        let certs = Arc::new(Certs { loaded: ArcSwap::default(), provider: provider() });
        let problems = certs.reload(sites, now);
        (certs, problems)
    }

    /// Reads them again. A site whose files are no good now, or worse than what it has (out of their dates, for fewer
    /// of its hosts), keeps what worked last. Files that are as they were are not read. New handshakes use what is loaded; open connections go on. Reads files: not
    /// for the event loop.
    pub fn reload(&self, sites: &[Arc<Site>], now: SystemTime) -> Vec<Problem> {
        let before = self.loaded.load();
        let mut loaded = Loaded::default();
        let mut problems = Vec::new();
        for site in sites {
            let Some(files) = &site.tls else { continue };
            let last = before.by_site.get(&site.name).map(Arc::clone);
            let problem = |serving, error| Problem { site: Arc::clone(&site.name), serving, error };
            let of = Read::now(files, now);
            let known = last.as_ref().filter(|last| last.of.is_current(&of)).map(Arc::clone);
            let pair = match known.map_or_else(|| self.read_pair(of).map(Arc::new), Ok) {
                Ok(new) => {
                    let serving = match last {
                        Some(last) if new.is_worse_than(&last, site, now) => (last, Serving::LastGood),
                        Some(_) | None => (Arc::clone(&new), Serving::Anyway),
                    };
                    problems.extend(new.flaws(site, now).into_iter().map(|flaw| problem(serving.1, flaw)));
                    serving.0
                }
                Err(error) => {
                    let serving = if last.is_some() { Serving::LastGood } else { Serving::Nothing };
                    problems.push(problem(serving, error));
                    match last {
                        Some(last) => last,
                        None => continue,
                    }
                }
            };
            for host in site.all_hosts() {
                loaded.by_host.insert(host.to_owned(), Arc::clone(&pair.key));
            }
            loaded.first.get_or_insert_with(|| Arc::clone(&pair.key));
            loaded.by_site.insert(Arc::clone(&site.name), pair);
        }
        self.loaded.store(Arc::new(loaded));
        problems
    }

    /// Until when the certificates in service hold, by site.
    pub fn dates(&self) -> Vec<Dated> {
        let loaded = self.loaded.load();
        let dated = loaded.by_site.iter().filter_map(|(site, pair)| {
            Some(Dated { site: Arc::clone(site), cert: pair.cert.clone(), validity: pair.validity? })
        });
        let mut dated: Vec<Dated> = dated.collect();
        dated.sort_by(|a, b| a.site.cmp(&b.site));
        dated
    }

    fn read_pair(&self, of: Read) -> Result<Pair, TlsError> {
        let files = &of.files;
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
        let key = CertifiedKey::from_der(chain, key, &self.provider).map_err(|source| TlsError::Pair {
            cert: files.cert.clone(),
            key: files.key.clone(),
            source,
        })?;
        let validity = key.end_entity_cert().ok().and_then(Validity::of);
        Ok(Pair { key: Arc::new(key), cert: files.cert.clone(), validity, of })
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

impl Pair {
    /// Whether visitors of the site would be worse off with it: browsers refuse it where they do not refuse the other.
    fn is_worse_than(&self, last: &Pair, site: &Site, now: SystemTime) -> bool {
        let holds = |pair: &Pair| pair.validity.is_none_or(|validity| validity.holds(now));
        match (holds(self), holds(last)) {
            (false, true) => true,
            (true, true) => self.uncovered(site).len() > last.uncovered(site).len(),
            (_, false) => false,
        }
    }

    /// What is wrong with it as this site's. It is used all the same where there is no better: for some of the hosts it may
    /// be right, and an expired one is better than none.
    fn flaws(&self, site: &Site, now: SystemTime) -> Vec<TlsError> {
        let cert = || self.cert.clone();
        let dates = self.validity.and_then(|validity| match validity.at(now) {
            Standing::NotYet => Some(TlsError::NotYetValid { cert: cert(), not_before: validity.not_before }),
            Standing::Over => Some(TlsError::Expired { cert: cert(), not_after: validity.not_after }),
            Standing::Good | Standing::Soon(_) => None,
        });
        let names = self
            .uncovered(site)
            .into_iter()
            .map(|host| TlsError::Host { cert: cert(), host: host.to_owned() });
        dates.into_iter().chain(names).collect()
    }

    /// The hosts of a site that it does not speak for.
    fn uncovered<'a>(&self, site: &'a Site) -> Vec<&'a str> {
        let parsed = self.key.end_entity_cert().ok().and_then(|cert| ParsedCertificate::try_from(cert).ok());
        let Some(parsed) = parsed else { return Vec::new() };
        let covers = |name| verify_server_name(&parsed, &name).is_ok();
        site.all_hosts().filter(|host| ServerName::try_from(*host).is_ok_and(|name| !covers(name))).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{clock, disk};

    #[test]
    fn files_are_read_again_only_if_they_were_touched() {
        let dir = tempfile::tempdir().unwrap();
        let files = SiteTls { cert: dir.path().join("cert.pem"), key: dir.path().join("key.pem") };
        let now = clock::now().wall;
        let later = now + Duration::from_secs(60);
        assert!(!Read::now(&files, later).is_current(&Read::now(&files, later)), "there are none");
        for file in [&files.cert, &files.key] {
            disk::write_atomic(file, b"a").unwrap();
        }
        let read = Read::now(&files, later);
        assert!(read.is_current(&Read::now(&files, later)));
        assert!(!Read::now(&files, now).is_current(&Read::now(&files, now)), "they were written just now");
        disk::write_atomic(&files.key, b"b").unwrap();
        assert!(!read.is_current(&Read::now(&files, later)));
    }
}
