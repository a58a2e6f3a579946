//! Keys that the operator vouches for. A certificate that has run out with the same key is still the same server: the site
//! lives, and the operator is told.

use std::sync::{Mutex, PoisonError};

use aws_lc_rs::digest::{SHA256, digest};
use rustls::client::danger::ServerCertVerified;
use rustls::pki_types::CertificateDer;
use rustls::server::ParsedCertificate;

use crate::config::ready::Pin;
use crate::failure::Cause;

/// The pinned keys of one origin, and what is odd with the certificate that was accepted last.
#[derive(Debug)]
pub struct Pinned {
    pins: Vec<Pin>,
    odd: Mutex<Option<(Cause, String)>>,
}

impl Pinned {
    pub(super) fn new(pins: &[Pin]) -> Pinned {
        Pinned { pins: pins.to_vec(), odd: Mutex::default() }
    }

    /// What is odd with the certificate that was accepted last: believed for its key alone, or with a key of which the
    /// operator does not know.
    pub fn odd(&self) -> Option<(Cause, String)> {
        self.odd.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What becomes of a certificate on which there is such a verdict.
    pub(super) fn resolve(
        &self,
        cert: &CertificateDer<'_>,
        verdict: Result<ServerCertVerified, rustls::Error>,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let pin = pin_of(cert)?;
        let odd = match (&verdict, self.pins.contains(&pin)) {
            (Ok(_), true) => None,
            (Ok(_), false) => Some((Cause::CertificateKeyChanged, format!("its key is {pin}"))),
            (Err(wrong), true) => Some((Cause::CertificatePinned, wrong.to_string())),
            // It is refused, which tells of itself.
            (Err(_), false) => return verdict,
        };
        *self.odd.lock().unwrap_or_else(PoisonError::into_inner) = odd;
        Ok(ServerCertVerified::assertion())
    }
}

fn pin_of(cert: &CertificateDer<'_>) -> Result<Pin, rustls::Error> {
    let key = ParsedCertificate::try_from(cert)?.subject_public_key_info();
    let hash = digest(&SHA256, &key);
    let mut pin = [0; 32];
    pin.copy_from_slice(hash.as_ref());
    Ok(Pin(pin))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn certificate(key: &rcgen::KeyPair) -> CertificateDer<'static> {
        let params = rcgen::CertificateParams::new(vec!["www.example.jp".to_owned()]).unwrap();
        params.self_signed(key).unwrap().der().clone()
    }

    #[test]
    fn a_pinned_key_is_believed_and_what_is_odd_is_told() {
        let [ours, other] = [(); 2].map(|()| rcgen::KeyPair::generate().unwrap());
        let pinned = Pinned::new(&[pin_of(&certificate(&ours)).unwrap()]);
        let good = || Ok(ServerCertVerified::assertion());
        let bad = || Err(rustls::CertificateError::Expired.into());
        let told = || pinned.odd().map(|(cause, _)| cause);
        for (key, verdict, accepted, odd) in [
            (&ours, good(), true, None),
            (&ours, bad(), true, Some(Cause::CertificatePinned)),
            (&other, good(), true, Some(Cause::CertificateKeyChanged)),
            (&ours, good(), true, None),
            (&other, bad(), false, None),
        ] {
            let result = pinned.resolve(&certificate(key), verdict);
            assert_eq!((result.is_ok(), told()), (accepted, odd));
        }
        assert_eq!(
            pinned.resolve(&certificate(&other), bad()).unwrap_err(),
            rustls::CertificateError::Expired.into()
        );
    }
}
