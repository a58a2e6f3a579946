//! Watching the configuration file and the files that it names (origin lists, certificates with their keys, trust anchors,
//! fingerprints, the admin token): by notifications of the system, or by polling every few seconds.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};
use std::time::Duration;

use notify::{RecursiveMode, Watcher};
use tokio::sync::Notify;

use super::reload::{Again, Refused};
use super::{App, Source};
use crate::config::ready::OriginsFile;
use crate::disk::Stamp;
use crate::{clock, tasks};

/// Editors and scripts write in several steps; this long after the last one the file is read.
const SETTLE: Duration = Duration::from_millis(200);
/// Some file systems tell nobody. Then it takes this long.
const LOOK: Duration = Duration::from_secs(10);

/// Folders that the system is asked to watch, at most: it has not endlessly many such watches. Files in others are looked at.
const MOST_FOLDERS: usize = 512;

/// What is to be done when a file has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    /// The configuration itself.
    Main,
    /// A list of origins.
    Origins,
    /// A certificate or a key that visitors are shown.
    Certificate,
    /// Whom an origin's certificate has to be vouched for by.
    Anchor,
    /// Pages that are not the site, as the operator describes them.
    Fingerprints,
    /// The admin API's token.
    Token,
    /// The token of those who only read.
    ReadonlyToken,
}

/// What a file held when it was last looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct LastLook {
    /// The file system's word for "not written since"; `None` where it cannot be relied on.
    stamp: Option<Stamp>,
    /// `None`: it could not be read.
    hash: Option<blake3::Hash>,
}

type Seen = HashMap<PathBuf, LastLook>;

/// Reloads whenever one of the files has changed, and now and then looks at what other processes did to the snapshots.
pub(super) async fn run(weak: Weak<App>) {
    let woken = Arc::new(Notify::new());
    let mut watched = Vec::new();
    let mut watcher = None;
    let Some(mut seen) = weak.upgrade().map(|app| begin(&app)) else { return };
    loop {
        // First the watch, then the look: what is written between the two is seen by either.
        let Some(files) = weak.upgrade().map(|app| files(&app)) else { return };
        let folders = folders(&files);
        if watcher.is_none() || folders != watched {
            watcher = watch(&folders, &woken);
            watched = folders;
        }
        let Some(mut now) = look(&files, &seen).await else { return };
        let changed = |role: Role| {
            files.iter().filter(move |(_, of)| *of == role).map(|(path, _)| path).filter(|path| {
                let hash = |seen: &Seen| seen.get(*path).map(|held| held.hash);
                hash(&seen) != hash(&now)
            })
        };
        let mut again = Vec::new();
        let Some(app) = weak.upgrade() else { return };
        if let Some(main) = changed(Role::Main).next() {
            // it says itself what came of it, and takes over everything else as well
            if let Err(Refused::NoDescriptors(_)) = app.reload().await {
                again.push(main);
            }
        } else {
            for file in changed(Role::Origins) {
                if app.reload_origins(file).await == Again::Soon {
                    again.push(file);
                }
            }
            for file in changed(Role::Fingerprints) {
                if app.reload_fingerprints(file).await == Again::Soon {
                    again.push(file);
                }
            }
            if changed(Role::Anchor).next().is_some() {
                app.renew_anchors().await; // certificates as well
            } else if changed(Role::Certificate).next().is_some() {
                app.renew_certificates().await;
            }
        }
        for (role, token) in [(Role::Token, app.admin_token()), (Role::ReadonlyToken, app.readonly_token())] {
            // whatever the configuration says by now: the file is the one that was named at the start
            for file in changed(role) {
                if app.renew_token(token, file).await == Again::Soon {
                    again.push(file);
                }
            }
        }
        for file in again {
            now.remove(file);
        }
        seen = now;
        drop(app);
        _ = tokio::time::timeout(LOOK, woken.notified()).await;
        while tokio::time::timeout(SETTLE, woken.notified()).await.is_ok() {}
        match weak.upgrade() {
            Some(app) => app.look_again().await,
            None => return,
        }
    }
}

/// What the process has read at its start, which is not what is there by now. Of other files than the configuration nobody
/// took note; they are taken over once more.
fn begin(app: &App) -> Seen {
    match &app.source {
        Source::File { path, read, .. } => {
            HashMap::from([(path.clone(), LastLook { stamp: None, hash: *read })])
        }
        Source::Flags => Seen::new(),
    }
}

/// The files to look at.
fn files(app: &App) -> Vec<(PathBuf, Role)> {
    let config = app.config();
    let mut files: Vec<_> = app.source.file().map(|file| (file.to_owned(), Role::Main)).into_iter().collect();
    files.extend(app.token_file().map(|file| (file.to_owned(), Role::Token)));
    files.extend(app.readonly_token_file().map(|file| (file.to_owned(), Role::ReadonlyToken)));
    // Thousands of sites may share one: once is enough.
    let own: BTreeSet<&PathBuf> =
        config.sites.iter().filter_map(|site| site.failover.fingerprints_file.as_ref()).collect();
    files.extend(own.into_iter().map(|file| (file.clone(), Role::Fingerprints)));
    for site in &config.sites {
        files.extend(
            site.origins_file.iter().filter_map(OriginsFile::file).map(|file| (file.clone(), Role::Origins)),
        );
        let tls = site.tls.iter().flat_map(|tls| [&tls.cert, &tls.key]);
        files.extend(tls.map(|file| (file.clone(), Role::Certificate)));
        let anchors = site.origins.iter().filter_map(|origin| origin.ca.as_ref());
        files.extend(anchors.map(|file| (file.clone(), Role::Anchor)));
    }
    files
}

/// The files as they are now.
async fn look(files: &[(PathBuf, Role)], before: &Seen) -> Option<Seen> {
    let known = |path: &PathBuf| (path.clone(), before.get(path).copied());
    let files: HashMap<PathBuf, Option<LastLook>> = files.iter().map(|(path, _)| known(path)).collect();
    let now = clock::now().wall;
    tasks::blocking(move || {
        let held = |(path, known): (PathBuf, Option<LastLook>)| {
            let stamp = Stamp::of(&path, now);
            let held = known.filter(|held| stamp.is_some() && held.stamp == stamp);
            let held = held.unwrap_or_else(|| LastLook { stamp, hash: print(&path) });
            (path, held)
        };
        files.into_iter().map(held).collect()
    })
    .await
}

/// The hash of what a file holds; `None` if it cannot be read, or is none (a pipe can be read only once). Blocks.
pub fn print(path: &Path) -> Option<blake3::Hash> {
    let file = path.is_file().then(|| std::fs::read(path).ok()).flatten();
    file.map(|bytes| blake3::hash(&bytes))
}

/// The folders to watch: files are often replaced by renaming, which only their folder notices.
fn folders(files: &[(PathBuf, Role)]) -> Vec<PathBuf> {
    let mut folders = Vec::new();
    let mut known = HashSet::new();
    for folder in files.iter().filter_map(|(path, _)| path.parent()) {
        let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
        if known.len() < MOST_FOLDERS && known.insert(folder) {
            folders.push(folder.to_owned());
        }
    }
    folders
}

fn watch(folders: &[PathBuf], woken: &Arc<Notify>) -> Option<notify::RecommendedWatcher> {
    let woken = woken.clone();
    let told = move |event: notify::Result<notify::Event>| {
        if event.is_ok_and(|event| !event.kind.is_access()) {
            woken.notify_one();
        }
    };
    let mut watcher = match notify::recommended_watcher(told) {
        Ok(watcher) => watcher,
        Err(error) => {
            tracing::warn!(%error, "files cannot be watched, polling them every few seconds");
            return None;
        }
    };
    for folder in folders {
        if let Err(error) = watcher.watch(folder, RecursiveMode::NonRecursive) {
            tracing::warn!(folder = %folder.display(), %error, "folder cannot be watched, polling it every few seconds");
        }
    }
    Some(watcher)
}

impl Source {
    fn file(&self) -> Option<&Path> {
        match self {
            Source::File { path, .. } => Some(path),
            Source::Flags => None,
        }
    }
}
