//! Keys that the operator vouches for. A certificate that has run out with the same key is still the same server: the site
//! lives, and the operator is told. So he is of one that will run out.

use std::sync::{Mutex, PoisonError};

use aws_lc_rs::digest::{SHA256, digest};
use rustls::client::danger::ServerCertVerified;
use rustls::pki_types::CertificateDer;
use rustls::server::ParsedCertificate;

use super::Validity;
use crate::config::ready::Pin;
use crate::failure::Cause;

/// The pinned keys of one origin, and what is to be said of the certificate that was accepted last.
#[derive(Debug)]
pub struct Pinned {
    pins: Vec<Pin>,
    odd: Mutex<Option<(Cause, String)>>,
    validity: Mutex<Option<Validity>>,
}

impl Pinned {
    pub(super) fn new(pins: &[Pin]) -> Pinned {
        Pinned { pins: pins.to_vec(), odd: Mutex::default(), validity: Mutex::default() }
    }

    /// What is odd with the certificate that was accepted last: believed for its key alone, or with a key of which the
    /// operator does not know.
    pub fn odd(&self) -> Option<(Cause, String)> {
        self.odd.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The dates of the certificate that was accepted last; `None` where nothing hangs on them: it was believed for its key,
    /// or for being the very one that the operator has given.
    pub fn validity(&self) -> Option<Validity> {
        *self.validity.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A certificate was accepted, or refused, whose dates are these if they matter.
    pub(super) fn dated(&self, validity: Option<Validity>) {
        *self.validity.lock().unwrap_or_else(PoisonError::into_inner) = validity;
    }

    /// What becomes of a certificate on which there is such a verdict.
    pub(super) fn resolve(
        &self,
        cert: &CertificateDer<'_>,
        verdict: Result<ServerCertVerified, rustls::Error>,
    ) -> Result<ServerCertVerified, rustls::Error> {
        if self.pins.is_empty() {
            self.dated(verdict.is_ok().then(|| Validity::of(cert)).flatten());
            return verdict;
        }
        let pin = pin_of(cert)?;
        let by_its_key = self.pins.contains(&pin);
        self.dated((verdict.is_ok() && !by_its_key).then(|| Validity::of(cert)).flatten());
        let odd = match (&verdict, by_its_key) {
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
    fn the_dates_are_known_of_what_is_believed_for_its_dates() {
        let [ours, other] = [(); 2].map(|()| rcgen::KeyPair::generate().unwrap());
        let good = || Ok(ServerCertVerified::assertion());
        let bad = || Err(rustls::CertificateError::Expired.into());
        let plain = Pinned::new(&[]);
        for (verdict, known) in [(good(), true), (bad(), false), (good(), true)] {
            assert_eq!(plain.resolve(&certificate(&ours), verdict).is_ok(), known);
            assert_eq!(plain.validity(), known.then(|| Validity::of(&certificate(&ours)).unwrap()));
        }
        let pinned = Pinned::new(&[pin_of(&certificate(&ours)).unwrap()]);
        for (key, verdict, known) in
            [(&ours, good(), false), (&other, good(), true), (&ours, bad(), false), (&other, bad(), false)]
        {
            _ = pinned.resolve(&certificate(key), verdict);
            assert_eq!(pinned.validity().is_some(), known);
        }
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
