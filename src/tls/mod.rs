//! TLS: the sites' certificates towards visitors, and trust in the origins'.
//!
//! Only this module names the provider of cryptography. It is always given explicitly, because a second one that
//! some dependency brings would make the implicit choice panic at run time.

pub mod certs;
pub mod client;
mod pins;
mod validity;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use rustls::crypto::CryptoProvider;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

pub use certs::{Certs, Dated, Problem, Serving};
pub use client::{client_config, has_system_roots, pinned_config, server_name};
pub use pins::Pinned;
pub use validity::{Standing, Validity};

/// Why something of TLS cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error("could not read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A file is not PEM.
    #[error("{} is not PEM", path.display())]
    Pem {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: rustls::pki_types::pem::Error,
    },
    /// A file has nothing of what is needed in it.
    #[error("{} holds no {what}", path.display())]
    Nothing {
        /// The file.
        path: PathBuf,
        /// What should be in it.
        what: &'static str,
    },
    /// A certificate in a file cannot be a trust anchor.
    #[error("{} holds a certificate that cannot be trusted as an anchor", path.display())]
    Anchor {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: rustls::Error,
    },
    /// A certificate and a key do not belong together, or one of them cannot be used.
    #[error("the key in {} cannot be used with the certificate in {}", key.display(), cert.display())]
    Pair {
        /// The certificate's file.
        cert: PathBuf,
        /// The key's file.
        key: PathBuf,
        /// What is wrong with them.
        #[source]
        source: rustls::Error,
    },
    /// A certificate does not speak for a host that it is to be used for.
    #[error("the certificate in {} is not valid for {host}", cert.display())]
    Host {
        /// The certificate's file.
        cert: PathBuf,
        /// The host.
        host: String,
    },
    /// A certificate is over.
    #[error("the certificate in {} has expired ({})", cert.display(), rfc3339(*not_after))]
    Expired {
        /// The certificate's file.
        cert: PathBuf,
        /// Since when.
        not_after: SystemTime,
    },
    /// A certificate has not begun.
    #[error("the certificate in {} is not valid before {}", cert.display(), rfc3339(*not_before))]
    NotYetValid {
        /// The certificate's file.
        cert: PathBuf,
        /// From when on it is.
        not_before: SystemTime,
    },
    /// A host is neither a name nor an address.
    #[error("\"{0}\" is neither a host name nor an address")]
    Name(String),
    /// TLS cannot be set up at all.
    #[error("could not set up TLS")]
    SetUp(#[source] rustls::Error),
}

/// The one provider of cryptography.
pub(crate) fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

fn rfc3339(time: SystemTime) -> humantime::Rfc3339Timestamp {
    humantime::format_rfc3339_seconds(time)
}

fn read(path: &Path) -> Result<Vec<u8>, TlsError> {
    std::fs::read(path).map_err(|source| TlsError::Read { path: path.to_owned(), source })
}

/// All certificates of a PEM file; at least one.
fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let pem = read(path)?;
    let found = CertificateDer::pem_slice_iter(&pem)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|source| TlsError::Pem { path: path.to_owned(), source })?;
    if found.is_empty() {
        return Err(TlsError::Nothing { path: path.to_owned(), what: "certificate" });
    }
    Ok(found)
}
