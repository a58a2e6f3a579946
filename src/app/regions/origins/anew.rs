//! Signing a list of origins anew after a change of the key, so that the old line can be taken away: by the instance that holds the
//! lease, which may write while others only read.

use std::sync::Arc;

use super::Lists;
use crate::app::regions::Regions;
use crate::config::ready::SharedList;
use crate::offsite::lease::Standing;
use crate::offsite::signature::{Signed, Signer};
use crate::offsite::{Object, Written, shared_list};

impl Regions {
    /// Tells the first key from another one without saying what it is; `None`: there is none, or another instance signs anew.
    pub(super) async fn signs_with(&self) -> Option<String> {
        if !matches!(self.standing(), Standing::Holds { .. }) {
            return None;
        }
        self.door.signer().await.ok()?.sign(Signed::List(""), b"")
    }

    /// Signs a good list with the first key, unless that has signed it. Whether it is done with: otherwise it is tried again.
    pub(super) async fn sign_list_anew(&self, list: &SharedList, object: &Object) -> bool {
        let Ok(signer) = self.door.signer().await else { return false };
        let Some(anew) = signed_anew(&list.name, &object.bytes, &signer) else { return true };
        let Ok(remote) = self.door.open().await else { return false };
        match remote.replace(&list.name, anew.into(), &object.version).await {
            Ok(Written::Won(version)) => {
                tracing::info!(
                    list = list.shown(),
                    "the list of origins in the store is signed with the first key now"
                );
                self.lists.with(&list.name, |known| known.seen = Some(version));
                true
            }
            // an operator's list, which is read next
            Ok(Written::Lost) => true,
            Err(fault) => {
                tracing::debug!(list = list.shown(), %fault, "list of origins not signed anew");
                false
            }
        }
    }
}

/// The same list with the signature of the first key, if it has another one.
fn signed_anew(name: &str, object: &[u8], signer: &Signer) -> Option<Vec<u8>> {
    let found = shared_list::read(name, object, signer).ok()?;
    let anew = shared_list::write(name, std::str::from_utf8(found.text).ok()?, found.generation, signer);
    (signer.signs() && anew != object).then_some(anew)
}

impl Lists {
    /// Whether the list has not been looked at since this key is the first one.
    pub(super) fn waits_for(&self, name: &Arc<str>, key: Option<&String>) -> bool {
        key.is_some_and(|key| self.with(name, |known| known.signed_with.as_ref() != Some(key)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::forms::Keys;

    const LIST: &str = "[[origin]]\nurl = \"http://203.0.113.10\"\n";
    const NAME: &str = "shop/origins.toml";

    fn signer(lines: &[&str]) -> Signer {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("store.key");
        crate::disk::write_new_private(&file, lines.join("\n").as_bytes()).unwrap();
        Signer::new(&Keys::read(&file).unwrap())
    }

    #[test]
    fn a_list_is_signed_anew_once_with_the_same_generation() {
        let (old, new) = (Keys::new_line().unwrap(), Keys::new_line().unwrap());
        let object = shared_list::write(NAME, LIST, 7, &signer(&[&old]));
        assert_eq!(signed_anew(NAME, &object, &signer(&[&old])), None);
        assert_eq!(signed_anew(NAME, &object, &signer(&[&old, &new])), None);
        let both = signer(&[&new, &old]);
        let anew = signed_anew(NAME, &object, &both).expect("another key is the first one");
        assert_eq!(signed_anew(NAME, &anew, &both), None);
        // the old line can be taken away
        let read = shared_list::read(NAME, &anew, &signer(&[&new])).unwrap();
        assert_eq!((read.text, read.generation), (LIST.as_bytes(), 7));
        // what a stranger has signed stays his
        assert_eq!(signed_anew(NAME, &object, &signer(&[&new])), None);
        assert_eq!(signed_anew(NAME, LIST.as_bytes(), &Signer::default()), None);
    }
}
