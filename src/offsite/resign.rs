//! Signing anew what lies in the store: what an older key has signed, so that this one can be taken away, and what no key of ours
//! has signed though it is here. By the instance that holds the lease, before it removes anything.

use std::collections::BTreeSet;

use futures_util::future::try_join_all;

use super::context::{AT_ONCE, Context};
use super::here::SiteHere;
use super::index::{self, Index};
use super::pointer::{self, Pointer};
use super::roots::SiteRoots;
use super::signature::{Signed, Unusable};
use super::trouble::Trouble;
use super::{layout, push};
use crate::snapshot::{SnapshotId, Store};

/// Snapshots that count as not there: nobody of this deployment takes them.
pub(super) type Strange = BTreeSet<(String, SnapshotId)>;

/// Signs anew what can be, of all sites. Returns what is not signed, is not here, and is named by nothing: from before there was a
/// key.
///
/// # Errors
/// When something is signed by a key that is not known here, or cannot be used: it may name anything.
pub(super) async fn sign_anew(
    context: &Context,
    here: &[SiteHere],
    sites: &[SiteRoots],
) -> Result<Strange, Trouble> {
    let (mut strange, mut refused) = (Strange::new(), Vec::new());
    if !context.signer.signs() {
        return Ok(strange);
    }
    for some in sites.chunks(AT_ONCE) {
        let signed = some.iter().map(|site| async move { sign_site(context, here, site).await });
        for (found, refusals) in try_join_all(signed).await? {
            strange.extend(found);
            refused.extend(refusals);
        }
    }
    match first_of(refused) {
        Some(refusal) => Err(refusal),
        None => Ok(strange),
    }
}

/// The first one, and how many there are.
fn first_of(refused: Vec<(String, String)>) -> Option<Trouble> {
    let others = refused.len().saturating_sub(1);
    let (name, why) = refused.into_iter().next()?;
    Some(match others {
        0 => Trouble::Refused { name, why },
        others => Trouble::Refused { name, why: format!("{why} (and {others} more)") },
    })
}

/// What is strange of a site, and what of it is refused: names, and why.
async fn sign_site(
    context: &Context,
    here: &[SiteHere],
    site: &SiteRoots,
) -> Result<(Strange, Vec<(String, String)>), Trouble> {
    let (mut strange, mut refused) = (Strange::new(), Vec::new());
    let store = here.iter().find(|here| *here.name == *site.name).map(|here| &here.store);
    let signed = match site.refusal() {
        Some(refusal) => Err(refusal),
        None => sign_pointer(context, &site.name).await,
    };
    let mut refuse = |trouble: Trouble| {
        let Trouble::Refused { name, why } = trouble else { return Err(trouble) };
        refused.push((name, why));
        Ok(())
    };
    signed.or_else(&mut refuse)?;
    for (id, _) in site.folders.iter().filter(|(_, folder)| folder.has_index) {
        match sign_index(context, (site, store), id).await {
            Ok(IndexTrust::Ours) => {}
            Ok(IndexTrust::Strange) => {
                tracing::info!(site = site.name, %id, "a snapshot in the store is not signed, and not here: it counts as not there");
                strange.insert((site.name.clone(), *id));
            }
            Err(trouble) => refuse(trouble)?,
        }
    }
    Ok((strange, refused))
}

/// Leaves out what counts as not there.
pub(super) fn without(mut sites: Vec<SiteRoots>, strange: &Strange) -> Vec<SiteRoots> {
    for site in &mut sites {
        for (_, folder) in
            site.folders.iter_mut().filter(|(id, _)| strange.contains(&(site.name.clone(), **id)))
        {
            folder.has_index = false;
        }
    }
    sites
}

async fn sign_pointer(context: &Context, site: &str) -> Result<(), Trouble> {
    let name = layout::pointer(site);
    let Some(object) = context.remote.get(&name, pointer::MOST).await? else { return Ok(()) };
    if context.signer.is_by_first(Signed::Pointer(site), &object.bytes) {
        return Ok(());
    }
    let pointer = Pointer::open(site, &object.bytes, &context.signer);
    let pointer = pointer.map_err(|why| Trouble::refused(&name, &why))?;
    let sealed = pointer.seal(site, &context.signer).map_err(|why| Trouble::Here(why.to_string()))?;
    // Whoever was faster has signed it, too.
    context.remote.replace(&name, sealed, &object.version).await?;
    tracing::info!(site, "the pointer in the store is signed with the first key now");
    Ok(())
}

/// What is known of an index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum IndexTrust {
    Ours,
    Strange,
}

async fn sign_index(
    context: &Context,
    (site, store): (&SiteRoots, Option<&Store>),
    id: &SnapshotId,
) -> Result<IndexTrust, Trouble> {
    let name = layout::index(&site.name, id);
    let Some(object) = context.remote.get(&name, index::MOST).await? else { return Ok(IndexTrust::Ours) };
    let why = match Index::open(&site.name, id, &object.bytes, &context.signer) {
        Ok(_) if context.signer.is_by_first(Signed::Index(&site.name, &id.to_string()), &object.bytes) => {
            return Ok(IndexTrust::Ours);
        }
        Ok(index) => {
            let sealed = index.seal(&site.name, id, &context.signer);
            let sealed = sealed.map_err(|why| Trouble::Here(why.to_string()))?;
            context.remote.replace(&name, sealed, &object.version).await?;
            tracing::info!(site = site.name, %id, "a snapshot in the store is signed with the first key now");
            return Ok(IndexTrust::Ours);
        }
        Err(why) => why,
    };
    // What is here, whole, needs nobody's signature.
    if let Some(store) = store {
        match push::mend(context, store, *id).await {
            Ok(true) => return Ok(IndexTrust::Ours),
            Ok(false) | Err(Trouble::DamagedHere { .. }) => {}
            Err(trouble) => return Err(trouble),
        }
    }
    let is_named = site.keeping.current == Some(*id) || site.keeping.pinned.contains(id);
    match why {
        Unusable::Unsigned if store.is_none() => {
            Err(Trouble::refused(name, &format!("{why}; {}", site.not_here())))
        }
        Unusable::Unsigned if !is_named => Ok(IndexTrust::Strange),
        Unusable::WrongSignature => Err(Trouble::refused(
            name,
            &format!(
                "{why}. Put the line of the key that it was signed with below the others in key_file, and reload; or delete what lies \
                 below {}",
                layout::snapshot(&site.name, id)
            ),
        )),
        Unusable::Unsigned | Unusable::Unreadable | Unusable::Later => Err(Trouble::refused(name, &why)),
    }
}
