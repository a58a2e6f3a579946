//! Trust in the origins' certificates.
//!
//! The system's trust store, with Mozilla's list where there is none (a bare container), and for one origin whatever
//! its `ca` file holds besides: an authority, or the origin's own certificate. The latter is what most hosts with a
//! self-signed certificate have, and webpki refuses it as an authority that signs nothing; here it is a pin: exactly
//! this certificate is the origin's, whatever names and dates stand in it.

use std::path::Path;
use std::sync::{Arc, OnceLock};

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};

use super::pins::Pinned;
use super::{TlsError, certificates, provider};
use crate::config::ready::Pin;

/// The client's side of TLS towards an origin: verification on, HTTP/1.1, TLS 1.2 and 1.3. Session resumption is
/// per returned value: keep it for as long as the origin. Reads files: not for the event loop.
///
/// # Errors
/// The `ca` file cannot be read or holds nothing that can be trusted.
pub fn client_config(ca: Option<&Path>) -> Result<Arc<ClientConfig>, TlsError> {
    build(ca, None)
}

/// The same, and a certificate with a key of these pins is accepted whatever else is wrong with it; what is odd with the
/// last one is told, and its dates.
///
/// # Errors
/// The `ca` file cannot be read or holds nothing that can be trusted.
pub fn pinned_config(ca: Option<&Path>, pins: &[Pin]) -> Result<(Arc<ClientConfig>, Arc<Pinned>), TlsError> {
    let pinned = Arc::new(Pinned::new(pins));
    let config = build(ca, Some(pinned.clone()))?;
    Ok((config, pinned))
}

fn build(ca: Option<&Path>, pinned: Option<Arc<Pinned>>) -> Result<Arc<ClientConfig>, TlsError> {
    let provider = provider();
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
        .map_err(TlsError::SetUp)?;
    let mut config = if ca.is_none() && pinned.is_none() {
        builder.with_root_certificates(system_roots()).with_no_client_auth()
    } else {
        let own = ca.map(certificates).transpose()?.unwrap_or_default();
        let mut roots = system_roots();
        for cert in &own {
            let path = || ca.map(Path::to_owned).unwrap_or_default();
            let added = Arc::make_mut(&mut roots).add(cert.clone());
            added.map_err(|source| TlsError::Anchor { path: path(), source })?;
        }
        let authorities = WebPkiServerVerifier::builder_with_provider(roots, provider)
            .build()
            .map_err(|error| TlsError::SetUp(rustls::Error::General(error.to_string())))?;
        builder
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Trust { authorities, own, pinned }))
            .with_no_client_auth()
    };
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

/// The name that an origin's certificate has to bear: a host name (sent as SNI) or an address (not sent).
///
/// # Errors
/// It is neither.
pub fn server_name(host: &str) -> Result<ServerName<'static>, TlsError> {
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    ServerName::try_from(bare.to_owned()).map_err(|_| TlsError::Name(host.to_owned()))
}

/// Whether the system has a trust store. Reads files: not for the event loop.
pub fn has_system_roots() -> bool {
    !rustls_native_certs::load_native_certs().certs.is_empty()
}

/// The system's trust store, read once: it takes milliseconds, and every origin shares it.
fn system_roots() -> Arc<RootCertStore> {
    static ROOTS: OnceLock<Arc<RootCertStore>> = OnceLock::new();
    Arc::clone(ROOTS.get_or_init(|| {
        let mut roots = RootCertStore::empty();
        let found = rustls_native_certs::load_native_certs();
        for error in &found.errors {
            tracing::warn!(%error, "a part of the system's trust store could not be read");
        }
        let (added, ignored) = roots.add_parsable_certificates(found.certs);
        if added == 0 {
            roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
            tracing::info!("the system has no trust store, using the built-in one");
        }
        tracing::debug!(added, ignored, "read the trust store");
        Arc::new(roots)
    }))
}

/// Authorities, certificates that are trusted as they are, and keys that are trusted in any certificate.
#[derive(Debug)]
struct Trust {
    authorities: Arc<WebPkiServerVerifier>,
    own: Vec<CertificateDer<'static>>,
    pinned: Option<Arc<Pinned>>,
}

impl ServerCertVerifier for Trust {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        if self.own.iter().any(|own| own == end_entity) {
            if let Some(pinned) = &self.pinned {
                pinned.dated(None);
            }
            return Ok(ServerCertVerified::assertion());
        }
        let verdict =
            self.authorities.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now);
        match &self.pinned {
            Some(pinned) => pinned.resolve(end_entity, verdict),
            None => verdict,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.authorities.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.authorities.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.authorities.supported_verify_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origins_name_is_a_host_or_an_address() {
        assert!(matches!(server_name("www.example.jp").unwrap(), ServerName::DnsName(_)));
        assert!(matches!(server_name("203.0.113.10").unwrap(), ServerName::IpAddress(_)));
        assert!(matches!(server_name("2001:db8::1").unwrap(), ServerName::IpAddress(_)));
        assert!(matches!(server_name("[2001:db8::1]").unwrap(), ServerName::IpAddress(_)));
        for bad in ["", "a b", "-", "ex ample.jp:443"] {
            assert!(server_name(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn there_are_always_roots() {
        assert!(!system_roots().is_empty());
        assert!(Arc::ptr_eq(&system_roots(), &system_roots()));
    }

    #[test]
    fn a_ca_file_that_cannot_be_used_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let missing = dir.path().join("missing.pem");
        let error = client_config(Some(&missing)).unwrap_err();
        assert!(matches!(&error, TlsError::Read { path, .. } if *path == missing), "{error}");
        assert!(error.to_string().contains("missing.pem"));

        let check = |text: &str| {
            use std::io::Write;
            let mut file = tempfile::NamedTempFile::new().unwrap();
            file.write_all(text.as_bytes()).unwrap();
            client_config(Some(file.path())).unwrap_err()
        };
        assert!(matches!(check("no PEM at all"), TlsError::Nothing { .. }));
        assert!(matches!(check("-----BEGIN CERTIFICATE-----\nAAAA\n"), TlsError::Pem { .. }));
        let garbage = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        assert!(matches!(check(garbage), TlsError::Anchor { .. }));
    }
}
