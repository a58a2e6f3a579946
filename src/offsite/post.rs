//! The lease at work: it asks the store what [`super::lease`] wants to know, and tells everybody in this process how this instance
//! stands.

use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::door::{Door, is_refusal};
use super::fault::{FaultKind, StoreFault};
use super::layout;
use super::lease::{Found, Lease, Me, Record, Standing, Step};
use super::remote::{Looked, Version, Written};
use super::signature::{Signed, Unusable};
use crate::clock;
use crate::tasks;

/// What the object may be.
const MOST: u64 = 64 << 10;
/// How long any question may take. The store's own limits are shorter; those of a folder that hangs are not.
const LONGEST: Duration = Duration::from_secs(25);
/// How often time passes for the lease.
const TICK: Duration = Duration::from_secs(1);

/// What is wrong with the lease in the store: it may well be read and not written.
#[derive(Debug, Default)]
struct Faults {
    read: Option<StoreFault>,
    write: Option<StoreFault>,
}

/// How this instance stands towards the lease, for all who want to know.
#[derive(Debug)]
pub struct Post {
    standing: watch::Sender<Standing>,
    epochs: watch::Sender<Option<u64>>,
    until: Mutex<Option<Instant>>,
    faults: Mutex<Faults>,
    /// Why the lease that is there cannot be used.
    unusable: Mutex<Option<Unusable>>,
    ending: watch::Sender<bool>,
    ended: watch::Sender<bool>,
}

impl Post {
    /// Starts to hold the lease, or to wait for it, as long as the guard lives.
    pub fn start(me: Me, door: Door) -> (Arc<Post>, tasks::Guard) {
        let post = Arc::new(Post {
            standing: watch::Sender::new(Standing::Unknown),
            epochs: watch::Sender::new(None),
            until: Mutex::default(),
            faults: Mutex::default(),
            unusable: Mutex::default(),
            ending: watch::Sender::new(false),
            ended: watch::Sender::new(false),
        });
        let lease = Lease::new(me, clock::instant());
        let keeper = Keeper { post: post.clone(), lease, door };
        (post, tasks::guarded(keeper.run()))
    }

    /// How it stands, and each change of that.
    pub fn subscribe(&self) -> watch::Receiver<Standing> {
        self.standing.subscribe()
    }

    /// The epoch of the lease while this instance holds it.
    pub fn epochs(&self) -> watch::Receiver<Option<u64>> {
        self.epochs.subscribe()
    }

    /// How it stands now. Who asks after the process was paused is not told what was true before.
    pub fn standing(&self, now: Instant) -> Standing {
        let standing = self.standing.borrow().clone();
        let until = *self.until.lock().unwrap_or_else(PoisonError::into_inner);
        let has_run_out = until.is_none_or(|until| until < now);
        if has_run_out && matches!(standing, Standing::Holds { .. }) { Standing::Unknown } else { standing }
    }

    /// Why the store did not answer the last question about the lease.
    pub fn fault(&self) -> Option<StoreFault> {
        let faults = self.faults();
        faults.read.clone().or_else(|| faults.write.clone())
    }

    /// Whether the store says who holds the lease, as far as is known.
    pub fn is_read(&self) -> bool {
        self.faults().read.is_none()
    }

    /// Why what lies there is no lease, if it is none: somebody may crawl by it all the same.
    pub fn unusable(&self) -> Option<Unusable> {
        *self.unusable.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn faults(&self) -> MutexGuard<'_, Faults> {
        self.faults.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_unusable(&self, why: Option<Unusable>) {
        let mut known = self.unusable.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(why) = why.filter(|_| why != *known) {
            tracing::warn!(%why, "the lease in the store cannot be used");
        }
        *known = why;
    }

    /// Gives the lease back, if it is held, so that another instance takes it at once; but not for longer than this.
    pub async fn give_back(&self, within: Duration) {
        self.ending.send_replace(true);
        let mut ended = self.ended.subscribe();
        _ = tokio::time::timeout(within, ended.wait_for(|ended| *ended)).await;
    }
}

/// The task.
struct Keeper {
    post: Arc<Post>,
    lease: Lease,
    door: Door,
}

impl Keeper {
    async fn run(mut self) {
        let mut ending = self.post.ending.subscribe();
        while !*ending.borrow() {
            let step = self.lease.step(clock::instant());
            self.tell();
            match step {
                Step::Wait(wait) => {
                    let wait = wait.min(TICK);
                    _ = tokio::time::timeout(wait, ending.wait_for(|ending| *ending)).await;
                }
                Step::Look(known) => self.look(known).await,
                Step::Write(record, known) => self.write(record, known).await,
            }
        }
        if let Some((record, version)) = self.lease.give_back() {
            self.tell();
            let given = self.put(record, Some(version)).await.map(|(written, _)| written);
            match given {
                Ok(Written::Won(_)) => tracing::info!("lease given back"),
                Ok(Written::Lost) => {}
                Err(fault) => {
                    tracing::warn!(%fault, "lease not given back, another instance takes it in a minute")
                }
            }
        }
        self.post.ended.send_replace(true);
    }

    async fn look(&mut self, known: Option<Version>) {
        let asked = clock::instant();
        let door = self.door.clone();
        // Who cannot read the key does not take the lease, and goes by what stands there.
        let question = async {
            let looked = door.open().await?.look(layout::LEASE, MOST, known.as_ref()).await?;
            Ok((looked, door.signer().await.unwrap_or_default()))
        };
        let looked = self.ask(question).await;
        let now = clock::instant();
        match looked {
            Ok((looked, signer)) => {
                let found = match looked {
                    Looked::Same => Found::Same,
                    Looked::Absent => {
                        self.post.is_unusable(None);
                        Found::Absent
                    }
                    Looked::New(object) => {
                        let read = signer.open(Signed::Lease, &object.bytes);
                        self.post.is_unusable(read.as_ref().err().copied());
                        Found::New(read.ok(), object.version)
                    }
                };
                self.lease.found(found, asked, now);
                note(&mut self.post.faults().read, None, "read");
            }
            Err(fault) => {
                if is_refusal(fault.kind) {
                    self.lease.refused(now);
                } else {
                    self.lease.failed(now);
                }
                self.door.met(&fault).await;
                note(&mut self.post.faults().read, Some(fault), "read");
            }
        }
        self.tell();
    }

    async fn write(&mut self, mut record: Record, known: Option<Version>) {
        record.at = humantime::format_rfc3339_seconds(clock::now().wall).to_string();
        let asked = clock::instant();
        let written = self.put(record, known).await;
        let now = clock::instant();
        match written {
            Ok((Written::Won(version), record)) => {
                self.post.is_unusable(None);
                self.lease.won(record, version, asked, now);
            }
            Ok((Written::Lost, _)) => self.lease.lost(now),
            Err(fault) => {
                self.lease.not_written(now);
                self.door.met(&fault).await;
                note(&mut self.post.faults().write, Some(fault), "written");
            }
        }
        self.tell();
    }

    /// Whoever lacks the key could not put a snapshot into the store: it leaves the lease to others.
    async fn put(&mut self, record: Record, known: Option<Version>) -> Result<(Written, Record), StoreFault> {
        let door = self.door.clone();
        let written = self.ask(async {
            let sealed = door.signer().await?.seal(Signed::Lease, &record);
            let bytes = sealed.map_err(|why| StoreFault::new(FaultKind::Other, why.to_string()))?;
            let remote = door.open().await?;
            match known {
                Some(version) => remote.replace(layout::LEASE, bytes, &version).await,
                None => remote.create(layout::LEASE, bytes).await,
            }
        });
        Ok((written.await?, record))
    }

    /// Waits for an answer while time passes for the lease.
    async fn ask<T>(
        &mut self,
        question: impl Future<Output = Result<T, StoreFault>>,
    ) -> Result<T, StoreFault> {
        let mut question = pin!(tokio::time::timeout(LONGEST, question));
        loop {
            match tokio::time::timeout(TICK, &mut question).await {
                Ok(Ok(answer)) => return answer,
                Ok(Err(_)) => {
                    return Err(StoreFault::new(FaultKind::Unreachable, "no answer about the lease"));
                }
                Err(_) => {
                    self.lease.tick(clock::instant());
                    self.tell();
                }
            }
        }
    }

    /// Tells everybody how this instance stands.
    fn tell(&self) {
        let standing = self.lease.standing(clock::instant());
        if self.lease.is_writable() {
            note(&mut self.post.faults().write, None, "written");
        }
        *self.post.until.lock().unwrap_or_else(PoisonError::into_inner) = self.lease.until();
        let epoch = if let Standing::Holds { epoch } = standing { Some(epoch) } else { None };
        self.post.epochs.send_if_modified(|old| std::mem::replace(old, epoch) != epoch);
        self.post.standing.send_if_modified(|old| {
            let is_new = *old != standing;
            if is_new {
                say(&standing);
                *old = standing;
            }
            is_new
        });
    }
}

/// Keeps what is wrong, and says what is news of it.
fn note(known: &mut Option<StoreFault>, fault: Option<StoreFault>, what: &'static str) {
    if let Some(fault) = fault.as_ref().filter(|fault| known.as_ref().map(|k| k.kind) != Some(fault.kind)) {
        tracing::warn!(%fault, meaning = fault.kind.meaning().en, "the lease in the store cannot be {what}");
    }
    *known = fault;
}

fn say(standing: &Standing) {
    match standing {
        Standing::Holds { epoch } => tracing::info!(epoch, "this instance holds the lease and crawls"),
        Standing::Follows { holder, epoch } => {
            tracing::info!(%holder, epoch, "another instance holds the lease and crawls");
        }
        Standing::Free => tracing::info!("no instance holds the lease"),
        Standing::Alone { held: true, .. } => {
            tracing::warn!(
                "the lease cannot be read or written; this instance held it last and goes on crawling"
            );
        }
        Standing::Alone { held: false, .. } => {
            tracing::warn!("the lease cannot be read or written, and it is not known who crawls");
        }
        Standing::Unknown => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::offsite::Remote;

    fn me(name: &str) -> Me {
        Me { name: name.into(), run: name.into(), may_hold: true }
    }

    async fn until(post: &Post, wanted: impl FnMut(&Standing) -> bool) -> Standing {
        let mut standing = post.subscribe();
        let wait = tokio::time::timeout(Duration::from_secs(20), standing.wait_for(wanted));
        wait.await.expect("in time").expect("it lives").clone()
    }

    #[tokio::test]
    async fn the_second_follows_until_the_first_gives_the_lease_back() {
        let remote = Remote::in_memory();
        let door = Door::new(move || Ok(remote.clone()), None);
        let (first, _first) = Post::start(me("osaka"), door.clone());
        until(&first, |s| *s == Standing::Holds { epoch: 1 }).await;
        let (second, _second) = Post::start(me("tokyo"), door);
        let follows = Standing::Follows { holder: "osaka".into(), epoch: 1 };
        assert_eq!(until(&second, |s| *s != Standing::Unknown).await, follows);
        let later = clock::instant() + super::super::lease::VALID * 2;
        assert_eq!(first.standing(later), Standing::Unknown, "as for who was paused");
        first.give_back(Duration::from_secs(10)).await;
        assert!(!matches!(first.standing(clock::instant()), Standing::Holds { .. }));
        until(&second, |s| *s == Standing::Holds { epoch: 2 }).await;
    }

    #[tokio::test]
    async fn who_has_no_key_is_not_believed_to_hold_the_lease() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("store.key");
        crate::disk::write_new_private(&file, crate::forms::Keys::new_line().unwrap().as_bytes()).unwrap();
        let remote = Remote::in_memory();
        let forged = r#"{"version":1,"holder":"nobody","run":"x","epoch":7,"renewed":1,"at":""}"#;
        remote.put(layout::LEASE, forged).await.unwrap();
        let behind = remote.clone();
        let (post, _guard) =
            Post::start(me("osaka"), Door::new(move || Ok(behind.clone()), Some(file.clone())));
        assert_eq!(until(&post, |s| *s != Standing::Unknown).await, Standing::Free, "nobody is followed");
        // The one that holds it signs.
        remote.delete(layout::LEASE).await.unwrap();
        until(&post, |s| matches!(s, Standing::Holds { .. })).await;
        let lease = remote.get(layout::LEASE, MOST).await.unwrap().unwrap();
        assert!(lease.bytes.windows(10).any(|part| part == b"\nsignature"), "{lease:?}");
        let unread = Door::new(move || Ok(remote.clone()), None);
        let (other, _other) = Post::start(Me { may_hold: false, ..me("tokyo") }, unread);
        let follows = until(&other, |s| *s != Standing::Unknown).await;
        assert!(matches!(follows, Standing::Follows { holder, .. } if *holder == *"osaka"));
    }

    #[tokio::test]
    async fn a_store_that_cannot_be_opened_is_told() {
        let fault = StoreFault::new(FaultKind::Folder, "not mounted");
        let said = fault.clone();
        let (post, _guard) = Post::start(me("osaka"), Door::new(move || Err(said.clone()), None));
        let seen = async {
            while post.fault().is_none() {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), seen).await.expect("in time");
        assert_eq!((post.fault(), post.standing(clock::instant())), (Some(fault), Standing::Unknown));
        post.give_back(Duration::from_secs(10)).await;
    }
}
