//! What an instance does as one of several that share a store: who it is, whether it crawls, what it tells of itself and hears of
//! the others.

mod beats;
mod identity;
pub mod origins;
pub mod view;

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::App;
use crate::clock;
use crate::config::Config;
use crate::config::remote::{RemoteStore, StoreCrawl};
use crate::crawl::Leave;
use crate::failure::{Cause, chain};
use crate::offsite::door::Door;
use crate::offsite::instances::SILENT;
use crate::offsite::lease::{Me, Standing};
use crate::offsite::post::Post;
use crate::offsite::{self, FaultKind, StoreFault};
use crate::origin::Tools;
use crate::tasks;
use crate::tls;
use beats::{Board, Others};
use identity::Identity;
pub(super) use identity::this_host;

/// How long the end of the process waits for the store.
const FAREWELL: Duration = Duration::from_secs(3);
/// How often crawlers ask again while the store is silent.
const AGAIN: Duration = Duration::from_secs(5);
/// After this time without anybody who holds the lease, forms are sent without it.
const ORPHANED: Duration = Duration::from_secs(60);
/// After this time without anybody who crawls, operators are told.
const UNMANNED: Duration = Duration::from_secs(300);

/// One instance among several.
pub(super) struct Regions {
    identity: Identity,
    pub(super) state_dir: PathBuf,
    /// As it was at the start: another one takes a restart.
    pub(super) store: RemoteStore,
    door: Door,
    post: Arc<Post>,
    /// Word for the crawlers that the answer to "may I" may be another one.
    words: watch::Sender<()>,
    board: Mutex<Board>,
    lists: origins::Lists,
    /// Since when nobody crawls, as far as is known.
    unmanned: Mutex<Option<Instant>>,
    may_hold: bool,
    /// It has said that it ends, and does not say anything else any more.
    ending: AtomicBool,
    _lease: tasks::Guard,
    _words: tasks::Guard,
}

impl Regions {
    /// Begins, if there is a store. Nothing here waits for it.
    pub(super) async fn start(config: &Config, tools: &Tools) -> Option<Arc<Regions>> {
        let store = config.store.clone()?;
        let (dir, named, place) = (config.state_dir.clone(), store.instance.clone(), store.place.clone());
        let identity = tasks::blocking(move || Identity::of(&dir, named, place)).await?;
        let (may_hold, key_file) = (store.crawl == StoreCrawl::Auto, store.key_file.clone());
        let (name, run) = (identity.name.as_str().into(), identity.run.as_str().into());
        let resolver = tools.resolver.clone();
        let trust = tasks::blocking(|| tls::client_config(None)).await?.map_err(|error| chain(&error));
        let (of, state_dir) = (store.clone(), config.state_dir.clone());
        let opening = move || {
            let tls = trust.clone().map_err(|why| StoreFault::new(FaultKind::Other, why))?;
            let remote = offsite::open(&of, offsite::Tools { resolver: resolver.clone(), tls })?;
            remote.admit(&state_dir)?;
            Ok(remote)
        };
        let door = Door::new(opening, key_file);
        let (post, lease) = Post::start(Me { name, run, may_hold }, door.clone());
        let words = watch::Sender::new(());
        let _words = tasks::guarded(pass_on(post.clone(), words.clone()));
        let (board, unmanned) = (Mutex::default(), Mutex::default());
        let lists = origins::Lists::default();
        let state_dir = config.state_dir.clone();
        Some(Arc::new(Regions {
            identity,
            state_dir,
            store,
            door,
            post,
            words,
            board,
            lists,
            unmanned,
            may_hold,
            ending: AtomicBool::new(false),
            _lease: lease,
            _words,
        }))
    }

    /// The leave of the crawler of a site.
    pub(super) fn leave(self: &Arc<Self>, site: &str) -> Leave {
        let (regions, site): (_, Arc<str>) = (Arc::downgrade(self), site.into());
        let given = move |bare| {
            let (Some(regions), now) = (regions.upgrade(), clock::instant()) else { return false };
            let standing = regions.post.standing(now);
            standing.may_crawl(bare, now) || regions.is_left_out(&site, &standing, now)
        };
        Leave::new(Arc::new(given), self.words.subscribe())
    }

    /// Whether the holder says that it has no such site, so that it does not crawl it.
    fn is_left_out(&self, site: &str, standing: &Standing, now: Instant) -> bool {
        let Standing::Follows { holder, .. } = standing else { return false };
        let board = self.board();
        let is_new = board.looked.is_some_and(|looked| now.saturating_duration_since(looked) < SILENT);
        let mut said = board.others.values().filter(|heard| *heard.beat.name == **holder);
        is_new && said.any(|heard| heard.leaves_out(site)) && self.may_hold
    }

    /// The one way into the store.
    pub(super) fn door(&self) -> Door {
        self.door.clone()
    }

    /// The epoch of the lease while this instance holds it.
    pub(super) fn epochs(&self) -> watch::Receiver<Option<u64>> {
        self.post.epochs()
    }

    /// What this instance is called.
    pub(super) fn name(&self) -> &str {
        &self.identity.name
    }

    /// Whether forms are this instance's to send: it holds the lease, or did so last while the store is silent; or nobody has held it
    /// for a while, as where no instance crawls. Claims keep two that believe so from sending the same.
    pub(super) fn looks_after_forms(&self) -> bool {
        let now = clock::instant();
        let since = *self.unmanned.lock().unwrap_or_else(PoisonError::into_inner);
        sends_forms(&self.post.standing(now), since, now)
    }

    /// How this instance stands towards the lease.
    pub(super) fn standing(&self) -> Standing {
        self.post.standing(clock::instant())
    }

    /// Says that this instance ends: another one is to crawl at once.
    pub(super) async fn end(&self, app: &App) {
        self.ending.store(true, Ordering::Relaxed);
        self.post.give_back(FAREWELL).await;
        _ = tokio::time::timeout(FAREWELL, self.say_farewell(app)).await;
    }

    fn board(&self) -> std::sync::MutexGuard<'_, Board> {
        self.board.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is wrong with this instance as one of several, and with all of them.
    pub(super) fn conditions(&self, now: Instant) -> Vec<(Cause, String)> {
        let namesake = self.board().namesake.clone();
        let shared = namesake.into_iter().map(|detail| (Cause::InstanceNameShared, detail));
        let nobody = self.nobody(now).into_iter().map(|detail| (Cause::NobodyCrawls, detail));
        shared.chain(nobody).collect()
    }

    /// For how long nobody has crawled, in words, once that is too long.
    fn nobody(&self, now: Instant) -> Option<String> {
        let is_unmanned = is_unmanned(&self.post.standing(now), self.post.is_read());
        let mut unmanned = self.unmanned.lock().unwrap_or_else(PoisonError::into_inner);
        *unmanned = is_unmanned.then(|| unmanned.unwrap_or(now));
        let since = nobody_since(*unmanned, self.may_hold, now)?;
        Some(match self.post.unusable() {
            Some(why) => format!("{since}; what lies in the store as the lease cannot be used: {why}"),
            None => since,
        })
    }
}

/// Whether nobody crawls, as far as is known; `is_read`: the store says who holds the lease.
fn is_unmanned(standing: &Standing, is_read: bool) -> bool {
    match standing {
        Standing::Free | Standing::Unknown => true,
        // while the store is silent, another one may go on, and operators are told of the store
        Standing::Alone { held, .. } => !held && is_read,
        Standing::Holds { .. } | Standing::Follows { .. } => false,
    }
}

/// What is said of that once it has been so for too long.
fn nobody_since(since: Option<Instant>, may_hold: bool, now: Instant) -> Option<String> {
    since.filter(|since| now.saturating_duration_since(*since) >= UNMANNED)?;
    Some(match may_hold {
        true => "this instance may crawl, but could not take the lease".to_owned(),
        false => {
            "this instance never crawls (crawl = \"never\" in [store]), and no other one holds the lease"
                .to_owned()
        }
    })
}

fn sends_forms(standing: &Standing, unmanned: Option<Instant>, now: Instant) -> bool {
    match standing {
        Standing::Holds { .. } | Standing::Alone { held: true, .. } => true,
        Standing::Free => unmanned.is_some_and(|since| now.saturating_duration_since(since) >= ORPHANED),
        Standing::Alone { .. } | Standing::Follows { .. } | Standing::Unknown => false,
    }
}

/// Tells the others, listens to them, and looks at the lists of origins, for as long as the application is there.
pub(super) async fn run(app: Weak<App>) {
    tokio::join!(beats::run(app.clone()), origins::run(app));
}

/// Tells the crawlers when they may have leave, or not any more.
async fn pass_on(post: Arc<Post>, words: watch::Sender<()>) {
    let mut standing = post.subscribe();
    loop {
        // an instance without any copy may crawl when the store has been silent for a while
        let is_alone = matches!(*standing.borrow_and_update(), Standing::Alone { .. });
        let changed = tokio::time::timeout(AGAIN, standing.changed()).await;
        match changed {
            Ok(Err(_)) => return,
            Err(_) if !is_alone => {}
            Ok(Ok(())) | Err(_) => {
                words.send_replace(());
            }
        }
    }
}

impl App {
    /// What somebody who asks this instance for a crawl is told of the one that crawls for all; `None`: that is this one.
    pub fn crawls_elsewhere(&self) -> Option<String> {
        let regions = self.regions.as_ref()?;
        let name = &regions.identity.name;
        let who = match regions.standing() {
            Standing::Holds { .. } | Standing::Alone { .. } => return None,
            Standing::Follows { holder, .. } if *holder == **name && regions.board().namesake.is_some() => {
                format!(
                    "another instance that is called \"{holder}\", too, holds the lease and crawls: give each its own name (instance in \
                     [store])"
                )
            }
            Standing::Follows { holder, .. } if *holder == **name => {
                "the process before this one still holds the lease; this one takes it in a minute".to_owned()
            }
            Standing::Follows { holder, .. } => format!("\"{holder}\" holds the lease and crawls for all"),
            Standing::Free | Standing::Unknown => "no instance is known to hold the lease now".to_owned(),
        };
        Some(format!("{who}; what is taken here is sent to the store, unless another instance is faster"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_crawls_is_told_when_nobody_does_and_forms_are_sent_all_the_same() {
        let start = clock::instant();
        let follows = Standing::Follows { holder: "osaka".into(), epoch: 1 };
        let alone = |held| Standing::Alone { held, since: start };
        for (standing, is_read, unmanned, sends_soon, sends_later) in [
            (Standing::Holds { epoch: 1 }, true, false, true, true),
            (follows, true, false, false, false),
            (Standing::Free, true, true, false, true),
            (Standing::Unknown, true, true, false, false),
            (alone(true), false, false, true, true),
            (alone(false), false, false, false, false),
            (alone(false), true, true, false, false),
        ] {
            assert_eq!(is_unmanned(&standing, is_read), unmanned, "{standing:?} {is_read}");
            let since = unmanned.then_some(start);
            assert_eq!(sends_forms(&standing, since, start), sends_soon, "{standing:?}");
            assert_eq!(sends_forms(&standing, since, start + ORPHANED), sends_later, "{standing:?}");
        }
        let said = |may_hold, after| nobody_since(Some(start), may_hold, start + after);
        assert_eq!(said(true, UNMANNED - Duration::from_secs(1)), None);
        assert!(said(true, UNMANNED).unwrap().contains("could not take the lease"));
        assert!(said(false, UNMANNED).unwrap().contains("crawl = \"never\""));
        assert_eq!(nobody_since(None, true, start + UNMANNED), None);
    }
}
