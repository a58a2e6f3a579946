//! What an instance does as one of several that share a store: who it is, whether it crawls, what it tells of itself and hears of
//! the others.

mod beats;
mod identity;
pub mod origins;
pub mod view;

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::watch;

use super::App;
use crate::clock;
use crate::config::Config;
use crate::config::remote::StoreCrawl;
use crate::crawl::Leave;
use crate::failure::{Cause, chain};
use crate::forms::Keys;
use crate::offsite::lease::{Me, Standing};
use crate::offsite::post::{Door, Post};
use crate::offsite::{self, FaultKind, Remote, Signer, StoreFault};
use crate::origin::Tools;
use crate::tasks;
use crate::tls;
use beats::{Board, Others};
use identity::Identity;

/// How long the end of the process waits for the store.
const FAREWELL: Duration = Duration::from_secs(3);
/// How often crawlers ask again while the store is silent.
const AGAIN: Duration = Duration::from_secs(5);

/// One instance among several.
pub(super) struct Regions {
    identity: Identity,
    pub(super) state_dir: PathBuf,
    door: Door,
    post: Arc<Post>,
    /// Word for the crawlers that the answer to "may I" may be another one.
    words: watch::Sender<()>,
    board: Mutex<Board>,
    lists: origins::Lists,
    key_file: Option<PathBuf>,
    /// What the key makes; `None`: it could not be read yet.
    signer: Mutex<Option<Signer>>,
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
        let opened: Mutex<Option<Remote>> = Mutex::default();
        let door: Door = Arc::new(move || {
            let mut opened = opened.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(remote) = &*opened {
                return Ok(remote.clone());
            }
            let tls = trust.clone().map_err(|why| StoreFault::new(FaultKind::Other, why))?;
            let remote = offsite::open(&store, offsite::Tools { resolver: resolver.clone(), tls })?;
            Ok(opened.insert(remote).clone())
        });
        let (post, lease) = Post::start(Me { name, run, may_hold }, door.clone());
        let words = watch::Sender::new(());
        let _words = tasks::guarded(pass_on(post.clone(), words.clone()));
        let board = Mutex::default();
        let (lists, signer) = (origins::Lists::default(), Mutex::default());
        let state_dir = config.state_dir.clone();
        Some(Arc::new(Regions {
            identity,
            state_dir,
            door,
            post,
            words,
            board,
            lists,
            key_file,
            signer,
            may_hold,
            ending: AtomicBool::new(false),
            _lease: lease,
            _words,
        }))
    }

    /// The leave of this instance's crawlers.
    pub(super) fn leave(&self) -> Leave {
        let post = self.post.clone();
        let given = move |bare| {
            let now = clock::instant();
            post.standing(now).may_crawl(bare, now)
        };
        Leave::new(Arc::new(given), self.words.subscribe())
    }

    /// The epoch of the lease while this instance holds it.
    pub(super) fn epochs(&self) -> watch::Receiver<Option<u64>> {
        self.post.epochs()
    }

    /// What this instance is called.
    pub(super) fn name(&self) -> &str {
        &self.identity.name
    }

    /// Signs and verifies with the key of the deployment, if it has one.
    async fn signer(&self) -> Result<Signer, StoreFault> {
        let known = || self.signer.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(signer) = &*known() {
            return Ok(signer.clone());
        }
        let file = self.key_file.clone();
        let read = tasks::blocking(move || file.map(|file| Keys::read(&file)).transpose()).await;
        let keys = read.ok_or_else(|| StoreFault::new(FaultKind::Other, "the program is ending"))?;
        let keys = keys.map_err(|error| StoreFault::new(FaultKind::NoKey, chain(&error)))?;
        let signer = keys.map_or_else(Signer::default, |keys| Signer::new(&keys));
        *known() = Some(signer.clone());
        Ok(signer)
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

    /// What is wrong with this instance as one of several.
    pub(super) fn conditions(&self) -> Vec<(Cause, String)> {
        let namesake = self.board().namesake.clone();
        namesake.into_iter().map(|detail| (Cause::InstanceNameShared, detail)).collect()
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
    /// Why a crawl that somebody asks this instance for is not begun here; `None`: it is.
    pub fn crawls_elsewhere(&self) -> Option<String> {
        let regions = self.regions.as_ref()?;
        let name = &regions.identity.name;
        match regions.standing() {
            Standing::Holds { .. } | Standing::Alone { .. } => None,
            Standing::Follows { holder, .. } if *holder == **name => Some(format!(
                "another instance that is called \"{holder}\", too, holds the lease and crawls: give each its own name (instance in \
                 [store])"
            )),
            Standing::Follows { holder, .. } => Some(format!(
                "\"{holder}\" holds the lease and crawls for all: take the snapshot there, and it comes here through the store"
            )),
            Standing::Free if !regions.may_hold => Some(
                "this instance never crawls (crawl = \"never\" in [store]), and no other one holds the lease"
                    .to_owned(),
            ),
            Standing::Free | Standing::Unknown => {
                Some("it is not known yet which instance crawls: ask again in a few seconds".to_owned())
            }
        }
    }
}
