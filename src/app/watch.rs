//! Watching the configuration file and the origin lists: told by the system, or found out every few seconds.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};
use std::time::Duration;

use notify::{RecursiveMode, Watcher};
use tokio::sync::Notify;

use super::{App, Source};
use crate::tasks;

/// Editors and scripts write in several steps; this long after the last one the file is read.
const SETTLE: Duration = Duration::from_millis(200);
/// Some file systems tell nobody. Then it takes this long.
const LOOK: Duration = Duration::from_secs(10);

/// What a file held when it was last looked at; `None`: it could not be read.
type Seen = HashMap<PathBuf, Option<blake3::Hash>>;

/// Reloads whenever one of the files has changed, and now and then looks at what other processes did to the snapshots.
pub(super) async fn run(app: Weak<App>) {
    let woken = Arc::new(Notify::new());
    let mut watched = Vec::new();
    let mut watcher = None;
    let Some(mut seen) = look(&app).await else { return };
    loop {
        let folders = folders(&seen);
        if watcher.is_none() || folders != watched {
            watcher = watch(&folders, &woken);
            watched = folders;
        }
        _ = tokio::time::timeout(LOOK, woken.notified()).await;
        while tokio::time::timeout(SETTLE, woken.notified()).await.is_ok() {}
        let Some(now) = look(&app).await else { return };
        let Some(app) = app.upgrade() else { return };
        app.look_again().await;
        let changed: Vec<&PathBuf> =
            now.iter().filter(|(path, hash)| seen.get(*path) != Some(hash)).map(|(path, _)| path).collect();
        let main = app.source.file().is_some_and(|file| changed.iter().any(|path| *path == file));
        if main {
            _ = app.reload().await; // it says itself what came of it
        } else {
            for file in changed {
                app.reload_origins(file).await;
            }
        }
        seen = now;
    }
}

/// The files as they are now. `None` when the application is gone.
async fn look(app: &Weak<App>) -> Option<Seen> {
    let files = {
        let app = app.upgrade()?;
        let lists =
            app.config().sites.iter().filter_map(|site| site.origins_file.clone()).collect::<Vec<_>>();
        app.source.file().map(Path::to_owned).into_iter().chain(lists).collect::<Vec<_>>()
    };
    tasks::blocking(move || {
        let hash = |path: &PathBuf| std::fs::read(path).ok().map(|bytes| blake3::hash(&bytes));
        files.into_iter().map(|path| (path.clone(), hash(&path))).collect()
    })
    .await
}

/// The folders to watch: files are often replaced by renaming, which only their folder notices.
fn folders(seen: &Seen) -> Vec<PathBuf> {
    let mut folders: Vec<PathBuf> = seen
        .keys()
        .filter_map(|path| path.parent())
        .map(|folder| if folder.as_os_str().is_empty() { PathBuf::from(".") } else { folder.to_owned() })
        .collect();
    folders.sort();
    folders.dedup();
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
            tracing::warn!(%error, "files cannot be watched, they are looked at every few seconds");
            return None;
        }
    };
    for folder in folders {
        if let Err(error) = watcher.watch(folder, RecursiveMode::NonRecursive) {
            tracing::warn!(folder = %folder.display(), %error, "folder cannot be watched, it is looked at every few seconds");
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
