//! What somebody who gets kept forms besides the origin has made of one: an empty file beside the form's own,
//! `<id>.<recipient>.taken` or `<id>.<recipient>.refused.<reason>`. It is written once the recipient has answered, so that a
//! process which is killed in between asks again: under the same id, by which the recipient may know the form.

use std::collections::BTreeMap;
use std::fmt;
use std::io;

use super::error::NotMoved;
use super::id::FormId;
use super::spool::Spool;
use super::state::{Reason, State};
use super::step;
use crate::config::recipient::Recipient;
use crate::disk::{self, StagedFile};

/// The digits of a recipient's key.
const KEY: usize = 8;

/// What a recipient has made of a form.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Receipt {
    /// It has it.
    Taken,
    /// It will not take it, for this reason.
    Refused(Reason),
}

/// The receipts of one form, by the keys of their recipients.
pub type Receipts = BTreeMap<Box<str>, Receipt>;

/// What a receipt's file name says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ReceiptName {
    pub(super) id: FormId,
    pub(super) recipient: Box<str>,
    pub(super) receipt: Receipt,
}

impl fmt::Display for ReceiptName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ReceiptName { id, recipient, receipt } = self;
        match receipt {
            Receipt::Taken => write!(f, "{id}.{recipient}.taken"),
            Receipt::Refused(reason) => write!(f, "{id}.{recipient}.refused.{reason}"),
        }
    }
}

impl ReceiptName {
    /// Reads exactly what is written; everything else is no receipt.
    pub(super) fn parse(name: &str) -> Option<ReceiptName> {
        let mut parts = name.split('.');
        let id = parts.next()?.parse().ok()?;
        let is_digit = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
        let recipient = parts.next().filter(|key| key.len() == KEY && key.bytes().all(is_digit))?.into();
        let receipt = match (parts.next()?, parts.next()) {
            ("taken", None) => Receipt::Taken,
            ("refused", Some(reason)) => Receipt::Refused(reason.parse().ok()?),
            _ => return None,
        };
        parts.next().is_none().then_some(ReceiptName { id, recipient, receipt })
    }
}

/// Who is still to get a form: whoever is `configured` and has not answered. What the site has already is for those only who were
/// to get it when it came.
pub fn outstanding<'r>(
    state: State,
    receipts: &Receipts,
    at_first: &[String],
    configured: &'r [Recipient],
) -> Vec<(String, &'r Recipient)> {
    let is_to_get = |(key, _): &(String, &Recipient)| {
        !receipts.contains_key(&**key) && (state != State::Delivered || at_first.contains(key))
    };
    configured.iter().map(|recipient| (recipient.key(), recipient)).filter(is_to_get).collect()
}

impl Spool {
    /// Writes down what the recipient with this key has made of a form, durably. Blocks.
    ///
    /// # Errors
    /// When there is none of this name, or the disk does not take it: then the recipient will be asked again.
    pub fn receive(&self, site: &str, id: FormId, recipient: &str, receipt: Receipt) -> Result<(), NotMoved> {
        let _moving = self.own()?;
        let mut entry = self.entry(site, id)?;
        let key: Box<str> = recipient.into();
        let folder = self.folder.join(site);
        let name = ReceiptName { id, recipient: key.clone(), receipt: receipt.clone() };
        let path = folder.join(name.to_string());
        let write = || {
            let staged = StagedFile::create_private(&folder)?;
            step();
            staged.place(&path)?;
            step();
            disk::sync_dir(&folder)
        };
        write().map_err(|e| NotMoved::io(&path, e))?;
        entry.listed.receipts.insert(key, receipt);
        self.index().put(site, entry);
        Ok(())
    }

    /// Takes back what recipients have refused, so that they are asked once more. Returns how many there were. Blocks.
    ///
    /// # Errors
    /// When there is no form of this name, or the disk does not take it.
    pub fn ask_again(&self, site: &str, id: FormId) -> Result<usize, NotMoved> {
        self.ask_some_again(site, id, |_| true)
    }

    /// The same for those recipients whose keys are chosen. Blocks.
    ///
    /// # Errors
    /// As [`Spool::ask_again`].
    pub fn ask_some_again(
        &self,
        site: &str,
        id: FormId,
        choose: impl Fn(&str) -> bool,
    ) -> Result<usize, NotMoved> {
        let _moving = self.own()?;
        let mut again = 0;
        for name in names(id, &self.entry(site, id)?.listed.receipts) {
            if name.receipt == Receipt::Taken || !choose(&name.recipient) {
                continue;
            }
            let path = self.folder.join(site).join(name.to_string());
            gone(disk::remove_file(&path)).map_err(|e| NotMoved::io(&path, e))?;
            let mut entry = self.entry(site, id)?;
            entry.listed.receipts.remove(&name.recipient);
            self.index().put(site, entry);
            again += 1;
        }
        Ok(again)
    }

    /// How many forms of a site each recipient has refused, and why the newest of them, by the recipients' keys.
    pub fn refusals(&self, site: &str) -> BTreeMap<Box<str>, (usize, Option<Reason>)> {
        self.index().refusals(site)
    }

    /// Removes the receipts of a form that is no more. What stays is removed at the next start.
    pub(super) fn drop_receipts(&self, site: &str, id: FormId, receipts: &Receipts) {
        for name in names(id, receipts) {
            let path = self.folder.join(site).join(name.to_string());
            if let Err(error) = gone(disk::remove_file(&path)) {
                tracing::warn!(site, %id, %error, "the receipt of a form that is no more could not be removed");
            }
        }
    }
}

fn names(id: FormId, receipts: &Receipts) -> Vec<ReceiptName> {
    let name = |(recipient, receipt): (_, &Receipt)| ReceiptName {
        id,
        recipient: Box::clone(recipient),
        receipt: receipt.clone(),
    };
    receipts.iter().map(name).collect()
}

/// What is not there need not be removed.
fn gone(removed: io::Result<()>) -> io::Result<()> {
    removed.or_else(|e| if e.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(e) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mail(address: &str) -> Recipient {
        Recipient::Mail(address.parse().unwrap())
    }

    #[test]
    fn a_receipts_name_is_read_back_and_is_no_forms_name() {
        let id: FormId = "20261130T115251Z-k7f3x9q2".parse().unwrap();
        for receipt in [Receipt::Taken, Receipt::Refused("smtp-550".parse().unwrap())] {
            let name = ReceiptName { id, recipient: "00c0ffee".into(), receipt };
            assert_eq!(ReceiptName::parse(&name.to_string()), Some(name.clone()));
            assert!(super::super::state::FileName::parse(&name.to_string()).is_none());
        }
        for name in [
            "20261130T115251Z-k7f3x9q2.kept",
            "20261130T115251Z-k7f3x9q2.taken",
            "20261130T115251Z-k7f3x9q2.00C0FFEE.taken",
            "20261130T115251Z-k7f3x9q2.00c0ffe.taken",
            "20261130T115251Z-k7f3x9q2.00c0ffee.taken.x",
            "20261130T115251Z-k7f3x9q2.00c0ffee.refused",
            "20261130T115251Z-k7f3x9q2.00c0ffee.refused.X",
            "20261130T115251Z-k7f3x9q2.00c0ffee.refused.a.b",
            "x.00c0ffee.taken",
        ] {
            assert_eq!(ReceiptName::parse(name), None, "{name}");
        }
    }

    #[test]
    fn who_has_answered_is_not_asked_again_and_who_came_late_gets_what_is_not_delivered() {
        let (first, late) = (mail("first@example.jp"), mail("late@example.jp"));
        let configured = [first.clone(), late.clone()];
        let at_first = [first.key()];
        let refused = Receipt::Refused("smtp-550".parse().unwrap());
        let has = |receipt: &Receipt| Receipts::from([(first.key().into(), receipt.clone())]);
        for (state, receipts, expected) in [
            (State::Kept, Receipts::new(), vec![&first, &late]),
            (State::Doubtful, Receipts::new(), vec![&first, &late]),
            (State::Delivered, Receipts::new(), vec![&first]),
            (State::Kept, has(&Receipt::Taken), vec![&late]),
            (State::Parked, has(&refused), vec![&late]),
            (State::Delivered, has(&refused), vec![]),
        ] {
            let found = outstanding(state, &receipts, &at_first, &configured);
            let found: Vec<&Recipient> = found.into_iter().map(|(_, recipient)| recipient).collect();
            assert_eq!(found, expected, "{state} {receipts:?}");
        }
    }
}
