//! The object store with the few operations that everything here is made of. Each has a time limit, tries again by itself what
//! may be tried again, and says by a [`StoreFault`] what is wrong.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwap;
use bytes::Bytes;
use futures_util::stream::{self, BoxStream};
use futures_util::{StreamExt as _, TryStreamExt as _};
use object_store::path::Path;
use object_store::{
    Error, GetOptions, GetResult, MultipartUpload, ObjectMeta, ObjectStore, ObjectStoreExt as _, PutMode,
    PutOptions, PutPayload, UpdateVersion,
};

use super::fault::{FaultKind, StoreFault};
use super::{folder, mount};
use crate::tasks;

/// How long anything small may take, tries included.
const SMALL: Duration = Duration::from_secs(20);
/// What the limit of time for an object that is read whole is reckoned for, at most.
const WHOLE_MOST: u64 = 1 << 30;

/// The copy outside this machine. Clones are the same, also when it is opened anew.
#[derive(Clone, Debug)]
pub struct Remote(Arc<ArcSwap<Opened>>);

/// As it was opened last.
#[derive(Debug)]
struct Opened {
    store: Arc<dyn ObjectStore>,
    /// Of a folder, where it is: its conditional writes are made under a lock.
    folder: Option<Arc<PathBuf>>,
    /// The mark that it was admitted with ([`mount`]).
    mark: Option<mount::Mark>,
    prefix: Path,
}

/// Which version of an object something is: what a conditional write is bound to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version(pub(super) UpdateVersion);

impl Version {
    /// As it is asked for again (If-None-Match).
    fn e_tag(&self) -> Option<&str> {
        self.0.e_tag.as_deref()
    }
}

/// An object as it was read.
#[derive(Clone, Debug)]
pub struct Object {
    /// All of it.
    pub bytes: Bytes,
    /// Which version that is.
    pub version: Version,
    /// When it was written, by the store's own clock.
    pub modified: SystemTime,
}

/// What became of a question for an object that may be known.
#[derive(Clone, Debug)]
pub enum Looked {
    /// It is as it was.
    Same,
    /// It is another one.
    New(Object),
    /// There is none.
    Absent,
}

/// What became of a conditional write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Written {
    /// It is there, as this version.
    Won(Version),
    /// Somebody else was faster.
    Lost,
}

/// One of the objects of a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Its name below the store's prefix.
    pub name: String,
    /// Its bytes.
    pub bytes: u64,
    /// When it was written, by the store's own clock.
    pub modified: SystemTime,
}

impl Remote {
    pub(super) fn new(store: Arc<dyn ObjectStore>, folder: Option<PathBuf>, prefix: &str) -> Remote {
        let (folder, prefix) = (folder.map(Arc::new), Path::from(prefix));
        let opened = Opened { store, folder, mark: None, prefix };
        Remote(Arc::new(ArcSwap::from_pointee(opened)))
    }

    /// Of a folder: from now on, without its marker it is not mounted. The state directory remembers which one it is. Blocks.
    ///
    /// # Errors
    /// When it is empty though it has been the store before.
    pub fn admit(&self, state_dir: &std::path::Path) -> Result<(), StoreFault> {
        let opened = self.0.load_full();
        let Some(folder) = opened.folder.clone() else { return Ok(()) };
        let mark = Some(mount::admit(&folder, state_dir)?);
        let (store, prefix) = (opened.store.clone(), opened.prefix.clone());
        self.0.store(Arc::new(Opened { store, folder: Some(folder), mark, prefix }));
        Ok(())
    }

    /// Of a folder: whether it can be the store. Changes nothing. Blocks.
    ///
    /// # Errors
    /// As for [`Remote::admit`].
    pub fn look_at_mount(&self, state_dir: &std::path::Path) -> Result<(), StoreFault> {
        self.0.load().folder.as_ref().map_or(Ok(()), |folder| mount::look(folder, state_dir))
    }

    /// From now on it, with all its clones, is what the other one is: the same store, opened anew with other credentials.
    pub(super) fn become_like(&self, other: &Remote) {
        self.0.store(other.0.load_full());
    }

    /// Whether both ask by the same credentials.
    #[cfg(test)]
    pub(super) fn is_like(&self, other: &Remote) -> bool {
        Arc::ptr_eq(&self.0.load(), &other.0.load())
    }

    /// One in memory, for tests.
    #[cfg(test)]
    pub(crate) fn in_memory() -> Remote {
        Remote::new(Arc::new(object_store::memory::InMemory::new()), None, "katahai")
    }

    /// What is to be asked. A folder that is not there is a mount that is missing, and not an empty store.
    async fn standing(&self) -> Result<Arc<Opened>, StoreFault> {
        let opened = self.0.load_full();
        let Some(folder) = opened.folder.clone() else { return Ok(opened) };
        let fault = |why: String| StoreFault::new(FaultKind::Folder, why);
        let (shown, mark) = (folder.display().to_string(), opened.mark.clone());
        let look = move || {
            let about = std::fs::metadata(&*folder)?;
            let other = mark.and_then(|mark| mount::is_still(&folder, &mark).err());
            Ok::<_, std::io::Error>((about, other))
        };
        match tokio::time::timeout(SMALL, tasks::blocking(look)).await {
            Ok(Some(Ok((about, None)))) if about.is_dir() => Ok(opened),
            Ok(Some(Ok((_, Some(other))))) => Err(other),
            Ok(Some(Ok(_))) => Err(fault(format!("{shown} is no folder"))),
            Ok(Some(Err(error))) => Err(fault(format!("{shown}: {error}"))),
            Ok(None) | Err(_) => Err(fault(format!("{shown}: no answer"))),
        }
    }

    /// Reads an object whole; `None` if there is none.
    ///
    /// # Errors
    /// See [`StoreFault`]; also when it has more than `most` bytes.
    pub async fn get(&self, name: &str, most: u64) -> Result<Option<Object>, StoreFault> {
        match self.look(name, most, None).await? {
            Looked::New(object) => Ok(Some(object)),
            Looked::Same | Looked::Absent => Ok(None),
        }
    }

    /// Reads an object unless it is the version that is known: cheap when nothing is new.
    ///
    /// # Errors
    /// As for [`Remote::get`].
    pub async fn look(&self, name: &str, most: u64, known: Option<&Version>) -> Result<Looked, StoreFault> {
        let options = GetOptions {
            if_none_match: known.and_then(Version::e_tag).map(str::to_owned),
            ..GetOptions::default()
        };
        let opened = self.standing().await?;
        let path = opened.path(name);
        let limit = SMALL + Duration::from_secs(most.min(WHOLE_MOST) >> 20);
        let read = within(limit, async {
            let result = opened.store.get_opts(&path, options).await?;
            read_whole(result, most).await
        });
        match read.await {
            Ok(Some(object)) => Ok(Looked::New(object)),
            Ok(None) => {
                Err(StoreFault::new(FaultKind::Damaged, format!("{name} has more than {most} bytes")))
            }
            Err(Asked::Store(error @ Error::NotFound { .. })) => {
                no_bucket(&error).map_or(Ok(Looked::Absent), Err)
            }
            Err(Asked::Store(Error::NotModified { .. })) => Ok(Looked::Same),
            Err(asked) => Err(asked.fault(name)),
        }
    }

    /// Begins to read an object that may be large: its length, and its bytes as they come. `None` if there is none.
    ///
    /// # Errors
    /// See [`StoreFault`]; each piece may be one, too.
    pub async fn open(
        &self,
        name: &str,
    ) -> Result<Option<(u64, BoxStream<'static, Result<Bytes, StoreFault>>)>, StoreFault> {
        let opened = self.standing().await?;
        let path = opened.path(name);
        match within(SMALL, opened.store.get(&path)).await {
            Ok(result) => {
                let length = result.meta.size;
                Ok(Some((
                    length,
                    result.into_stream().map(|piece| piece.map_err(|e| StoreFault::of(&e))).boxed(),
                )))
            }
            Err(Asked::Store(Error::NotFound { .. })) => Ok(None),
            Err(asked) => Err(asked.fault(name)),
        }
    }

    /// Writes an object, whatever is there.
    ///
    /// # Errors
    /// See [`StoreFault`].
    pub async fn put(&self, name: &str, bytes: impl Into<PutPayload>) -> Result<(), StoreFault> {
        let opened = self.standing().await?;
        let (path, payload) = (opened.path(name), bytes.into());
        let limit = limit_of(payload.content_length() as u64);
        within(limit, opened.store.put(&path, payload)).await.map(drop).map_err(|asked| asked.fault(name))
    }

    /// Begins to write an object in pieces, whatever is there. It is there when all of it is.
    pub(super) async fn begin(&self, name: &str) -> Result<Upload, StoreFault> {
        let opened = self.standing().await?;
        let begun = within(SMALL, opened.store.put_multipart(&opened.path(name))).await;
        let parts = begun.map_err(|asked| asked.fault(name))?;
        Ok(Upload { name: name.to_owned(), parts, bytes: 0 })
    }

    /// Writes an object only if there is none.
    ///
    /// # Errors
    /// See [`StoreFault`].
    pub async fn create(&self, name: &str, bytes: Bytes) -> Result<Written, StoreFault> {
        self.write_if(name, bytes, PutMode::Create).await
    }

    /// Writes an object only if it is still this version.
    ///
    /// # Errors
    /// See [`StoreFault`].
    pub async fn replace(&self, name: &str, bytes: Bytes, version: &Version) -> Result<Written, StoreFault> {
        self.write_if(name, bytes, PutMode::Update(version.0.clone())).await
    }

    async fn write_if(&self, name: &str, bytes: Bytes, mode: PutMode) -> Result<Written, StoreFault> {
        let opened = self.standing().await?;
        let path = opened.path(name);
        if let (Some(folder), PutMode::Update(version)) = (&opened.folder, &mode) {
            let work = folder::replace(folder.clone(), opened.store.clone(), path, bytes, version.clone());
            return work.await.map_err(|error| StoreFault::of(&error));
        }
        let options = PutOptions { mode, ..PutOptions::default() };
        let written = within(SMALL, opened.store.put_opts(&path, bytes.clone().into(), options)).await;
        match written {
            Ok(result) => {
                Ok(Written::Won(Version(UpdateVersion { e_tag: result.e_tag, version: result.version })))
            }
            // A try before may have been taken although its answer was lost: then what is there is ours.
            Err(Asked::Store(
                error @ (Error::AlreadyExists { .. } | Error::Precondition { .. } | Error::NotFound { .. }),
            )) => {
                if let Some(fault) = no_bucket(&error) {
                    return Err(fault);
                }
                let there = self.get(name, bytes.len() as u64).await;
                match there {
                    Ok(Some(object)) if object.bytes == bytes => Ok(Written::Won(object.version)),
                    Ok(_) => Ok(Written::Lost),
                    Err(fault) if fault.kind == FaultKind::Damaged => Ok(Written::Lost),
                    Err(fault) => Err(fault),
                }
            }
            Err(asked) => Err(asked.fault(name)),
        }
    }

    /// What is known of an object without reading it; `None` if there is none.
    ///
    /// # Errors
    /// See [`StoreFault`].
    pub async fn head(&self, name: &str) -> Result<Option<Listed>, StoreFault> {
        let opened = self.standing().await?;
        let path = opened.path(name);
        match within(SMALL, opened.store.head(&path)).await {
            Ok(meta) => Ok(Some(opened.listed(meta))),
            Err(Asked::Store(Error::NotFound { .. })) => Ok(None),
            Err(asked) => Err(asked.fault(name)),
        }
    }

    /// All objects whose names begin with these folders, in no order.
    pub fn list(&self, folder: &str) -> BoxStream<'static, Result<Listed, StoreFault>> {
        let (this, folder) = (self.clone(), folder.to_owned());
        stream::once(async move { this.standing().await })
            .map_ok(move |opened| {
                let listing = opened.store.list(Some(&opened.path(&folder)));
                listing.map(move |meta| {
                    meta.map(|meta| opened.listed(meta)).map_err(|error| StoreFault::of(&error))
                })
            })
            .try_flatten()
            .boxed()
    }

    /// The names of the folders directly below this one.
    ///
    /// # Errors
    /// See [`StoreFault`].
    pub async fn folders(&self, folder: &str) -> Result<Vec<String>, StoreFault> {
        let opened = self.standing().await?;
        let path = opened.path(folder);
        let listed = within(SMALL, opened.store.list_with_delimiter(Some(&path))).await;
        let listed = listed.map_err(|asked| asked.fault(folder))?;
        Ok(listed.common_prefixes.iter().filter_map(|path| path.filename().map(str::to_owned)).collect())
    }

    /// Removes an object; one that is not there is no error.
    ///
    /// # Errors
    /// See [`StoreFault`].
    pub async fn delete(&self, name: &str) -> Result<(), StoreFault> {
        let opened = self.standing().await?;
        let path = opened.path(name);
        match within(SMALL, opened.store.delete(&path)).await {
            Ok(()) | Err(Asked::Store(Error::NotFound { .. })) => Ok(()),
            Err(asked) => Err(asked.fault(name)),
        }
    }
}

impl Opened {
    /// The place of a name, whose parts are never anything but plain file names.
    fn path(&self, name: &str) -> Path {
        self.prefix.parts().chain(Path::from(name).parts()).collect()
    }

    fn listed(&self, meta: ObjectMeta) -> Listed {
        let below = meta.location.prefix_match(&self.prefix);
        let name =
            below.map(|parts| parts.map(|part| part.as_ref().to_owned()).collect::<Vec<_>>().join("/"));
        Listed {
            name: name.unwrap_or_else(|| meta.location.to_string()),
            bytes: meta.size,
            modified: meta.last_modified.into(),
        }
    }
}

/// An object on its way.
#[derive(Debug)]
pub(super) struct Upload {
    name: String,
    parts: Box<dyn MultipartUpload>,
    bytes: u64,
}

impl Upload {
    /// The next piece.
    pub(super) async fn add(&mut self, piece: Bytes) -> Result<(), StoreFault> {
        let bytes = piece.len() as u64;
        let added = within(limit_of(bytes), self.parts.put_part(piece.into())).await;
        self.bytes += bytes;
        added.map_err(|asked| asked.fault(&self.name))
    }

    /// All of it has been added.
    pub(super) async fn finish(mut self) -> Result<(), StoreFault> {
        let finished = within(limit_of(self.bytes), self.parts.complete()).await;
        match finished {
            Ok(_) => Ok(()),
            Err(asked) => {
                let fault = asked.fault(&self.name);
                self.give_up().await;
                Err(fault)
            }
        }
    }

    /// What came of it is removed.
    pub(super) async fn abort(mut self) -> Result<(), StoreFault> {
        within(SMALL, self.parts.abort()).await.map_err(|asked| asked.fault(&self.name))
    }

    /// The same, as far as the store lets.
    pub(super) async fn give_up(self) {
        let name = self.name.clone();
        if let Err(fault) = self.abort().await {
            tracing::debug!(name, error = %fault, "pieces of an object are left in the store");
        }
    }
}

/// How long so many bytes may take to be written, at 128 KiB a second.
fn limit_of(bytes: u64) -> Duration {
    SMALL + Duration::from_secs(bytes >> 17)
}

/// The whole of an object; `None` if it is too large.
async fn read_whole(result: GetResult, most: u64) -> Result<Option<Object>, Error> {
    if result.meta.size > most {
        return Ok(None);
    }
    let version =
        Version(UpdateVersion { e_tag: result.meta.e_tag.clone(), version: result.meta.version.clone() });
    let modified = result.meta.last_modified.into();
    Ok(Some(Object { bytes: result.bytes().await?, version, modified }))
}

/// Why there is no answer.
enum Asked {
    Store(Error),
    TooLong(Duration),
}

impl From<Error> for Asked {
    fn from(error: Error) -> Asked {
        Asked::Store(error)
    }
}

impl Asked {
    fn fault(&self, name: &str) -> StoreFault {
        match self {
            Asked::Store(error) => StoreFault::of(error),
            Asked::TooLong(limit) => StoreFault::new(
                FaultKind::Unreachable,
                format!("{name}: no answer within {}", humantime::format_duration(*limit)),
            ),
        }
    }
}

async fn within<T>(limit: Duration, work: impl Future<Output = Result<T, Error>>) -> Result<T, Asked> {
    match tokio::time::timeout(limit, work).await {
        Ok(done) => Ok(done?),
        Err(_) => Err(Asked::TooLong(limit)),
    }
}

/// What is missing may be the whole bucket, and not the one object.
fn no_bucket(error: &Error) -> Option<StoreFault> {
    Some(StoreFault::of(error)).filter(|fault| fault.kind == FaultKind::NoBucket)
}
