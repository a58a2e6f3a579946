//! A folder as a store, and the instances that share it.

use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::support::edge::command;
use crate::support::fixture::MIRRORED;
use crate::support::wait::{eventually, secs};
use crate::support::{Config, Edge, Origin, Site, process};

/// Where nobody listens: what the site's server is for an instance that never saw it alive.
pub const DEAD: &str = "http://127.0.0.1:1";

/// A store in a folder.
pub struct Folder {
    dir: tempfile::TempDir,
    key: Option<PathBuf>,
}

impl Folder {
    /// An empty one, where nothing is signed.
    pub fn new() -> Folder {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("store")).unwrap();
        Folder { dir, key: None }
    }

    /// An empty one, where everything is.
    pub async fn signed() -> Folder {
        let mut folder = Folder::new();
        let key = folder.dir.path().join("store.key");
        let mut made = command(folder.dir.path());
        made.args(["key", "new"]);
        let line = process::run(made, secs(20)).await.must_be_ok().out;
        let mut file =
            std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&key).unwrap();
        std::io::Write::write_all(&mut file, line.as_bytes()).unwrap();
        folder.key = Some(key);
        folder
    }

    /// What stands in the key's file.
    pub fn keys(&self) -> String {
        std::fs::read_to_string(self.key.as_ref().unwrap()).unwrap()
    }

    /// Writes it anew.
    pub fn set_keys(&self, lines: &str) {
        std::fs::write(self.key.as_ref().unwrap(), lines).unwrap();
    }

    /// Where it is.
    pub fn path(&self) -> PathBuf {
        self.dir.path().join("store")
    }

    /// The configuration of an instance that uses it.
    pub fn config(&self, origin: &str, instance: &str) -> Config {
        self.config_of(Site::new().origin(origin), instance)
    }

    /// The same for another site.
    pub fn config_of(&self, site: Site, instance: &str) -> Config {
        let url = format!("file://{}", self.path().display());
        let config = Config::new(site).set("store.url", url).set("store.instance", instance);
        match &self.key {
            Some(key) => config.set("store.key_file", key.display().to_string()),
            None => config,
        }
    }

    /// The instance that takes the snapshots, once its first one is in the store.
    pub async fn first(&self, origin: &Origin) -> Edge {
        let edge = Edge::start(self.config(&origin.url(), "first")).await;
        let id = edge.until_snapshot().await;
        self.until_has(&id).await;
        edge
    }

    /// An instance with an empty disk, for which the site is dead, and that never crawls.
    pub async fn other(&self) -> Edge {
        Edge::start(self.config(DEAD, "other").set("store.crawl", "never")).await
    }

    /// What the pointer says.
    pub fn pointer(&self) -> Option<Value> {
        let text = std::fs::read(self.path().join("sites/shop/current")).ok()?;
        serde_json::from_slice(text.split(|byte| *byte == b'\n').next()?).ok()
    }

    /// Waits until the store names this snapshot.
    pub async fn until_has(&self, id: &str) {
        let named = || self.pointer().is_some_and(|pointer| pointer["id"] == id);
        eventually(&format!("{id} in the store"), secs(30), async || named().then_some(())).await;
    }

    /// The file of a body.
    pub fn blob(&self, body: &[u8]) -> PathBuf {
        let files = crate::support::fixture::files(&self.path().join("blobs"));
        files.into_iter().find(|file| std::fs::read(file).unwrap() == body).expect("a body in the store")
    }
}

/// Waits until an instance serves this snapshot.
pub async fn until_serves(edge: &Edge, id: &str) {
    let serves = async || edge.snapshot_id().await.filter(|served| served == id).map(drop);
    eventually(&format!("{id} in service"), secs(30), serves).await;
}

/// Every page of the shop is what the origin has.
pub async fn must_serve_all(edge: &Edge, origin: &Origin) {
    for path in MIRRORED {
        edge.get(path).await.must_be(&origin.content(path).body);
    }
}

/// Where an instance keeps a snapshot.
pub fn snapshot_dir(edge: &Edge, id: &str) -> PathBuf {
    Path::new(&edge.state_dir()).join("snapshots/shop").join(id)
}

/// Whether all of what an instance has is on its own disk.
pub fn whole(edge: &Edge) -> bool {
    let snapshots = snapshot_dir(edge, "");
    let Ok(mut here) = snapshots.read_dir() else { return false };
    !here.any(|at| at.is_ok_and(|at| at.path().join("arriving").exists()))
}
