//! A bucket of a real S3 server as a store, and the instances that share it.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::Value;

use super::deployment::{DEAD, whole};
use crate::support::edge::command;
use crate::support::fixture::{self, MIRRORED};
use crate::support::s3::{At, BUCKET, Door, Held, S3};
use crate::support::wait::{eventually, secs};
use crate::support::{Config, Edge, Origin, Site, process};

/// Where all of it lies in the bucket.
pub const PREFIX: &str = "one";

/// A bucket, and what all instances have in files: the key and the credentials.
pub struct Bucket {
    pub s3: S3,
    files: Files,
}

/// The files beside the configuration of an instance that uses a store.
pub struct Files(tempfile::TempDir);

impl Files {
    /// A new key, and these lines as credentials.
    pub async fn with(credentials: &str) -> Files {
        let dir = tempfile::tempdir().unwrap();
        let mut made = command(dir.path());
        made.args(["key", "new"]);
        let line = process::run(made, secs(20)).await.must_be_ok().out;
        write_private(&dir.path().join("store.key"), &line);
        write_private(&dir.path().join("credentials"), credentials);
        Files(dir)
    }

    /// `key_file` and `credentials_file`.
    pub fn named_in(&self, config: Config) -> Config {
        let path = |name: &str| self.0.path().join(name).display().to_string();
        config.set("store.key_file", path("store.key")).set("store.credentials_file", path("credentials"))
    }
}

fn write_private(path: &Path, text: &str) {
    use std::os::unix::fs::OpenOptionsExt as _;
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).unwrap();
    std::io::Write::write_all(&mut file, text.as_bytes()).unwrap();
}

impl Bucket {
    /// An empty one.
    pub async fn new() -> Bucket {
        Bucket::of(S3::start().await).await
    }

    /// The same on this server.
    pub async fn of(s3: S3) -> Bucket {
        let credentials = s3.credentials();
        Bucket::of_with(s3, credentials).await
    }

    /// The same with these credentials.
    pub async fn of_with(s3: S3, credentials: &str) -> Bucket {
        let files = Files::with(credentials).await;
        Bucket { s3, files }
    }

    /// The configuration of an instance for which the server is here.
    pub fn config_at(&self, at: SocketAddr, site: Site, instance: &str) -> Config {
        let config = Config::new(site)
            .set("store.url", format!("s3://{BUCKET}/{PREFIX}"))
            .set("store.endpoint", format!("http://{at}"))
            .set("store.region", "us-east-1")
            .set("store.instance", instance);
        self.files.named_in(config)
    }

    /// The configuration of an instance before this origin.
    pub fn config(&self, origin: &str, instance: &str) -> Config {
        self.config_at(self.s3.gate().addr(), Site::new().origin(origin), instance)
    }

    /// The instance that takes the snapshots, once its first one is in the store.
    pub async fn first(&self, origin: &Origin) -> Edge {
        let edge = Edge::start(self.config(&origin.url(), "first")).await;
        let id = edge.until_snapshot().await;
        self.until_names(&id).await;
        edge
    }

    /// An instance with an empty disk, for which the site is dead, and that never crawls.
    pub async fn other(&self) -> Edge {
        Edge::start(self.config(DEAD, "other").set("store.crawl", "never")).await
    }

    /// The name of an object as the bucket has it.
    pub fn name(&self, object: &str) -> String {
        format!("{PREFIX}/{object}")
    }

    /// What the pointer says.
    pub async fn pointer(&self) -> Option<Value> {
        let object = self.s3.get(&self.name("sites/shop/current")).await?;
        serde_json::from_slice(object.split(|byte| *byte == b'\n').next()?).ok()
    }

    /// Waits until the store names this snapshot.
    pub async fn until_names(&self, id: &str) {
        let named = async || self.pointer().await.filter(|pointer| pointer["id"] == id).map(drop);
        eventually(&format!("{id} in the store"), secs(60), named).await;
    }

    /// Holds the n-th write from now on of what has this in its name.
    pub async fn holds(&self, part: &str, nth: usize, at: At) {
        self.s3.door(Door::Holds(Held { method: "PUT", part: part.to_owned(), nth, at })).await;
    }

    /// Takes away the lease of whoever was killed, so that nobody waits until it is stale.
    pub async fn free_the_lease(&self) {
        self.s3.remove(&self.name("lease")).await;
    }
}

/// Waits until a snapshot that is taken now has another name than one that was: they are called after the second.
pub async fn until_another_second() {
    let second = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let before = second();
    eventually("another second", secs(5), async || (second() > before).then_some(())).await;
}

/// Waits until all of what an instance serves is on its own disk.
pub async fn until_whole(edge: &Edge) {
    eventually("all of it", secs(60), async || whole(edge).then_some(())).await;
}

/// Every page of the shop is, whole, of one of these versions.
pub async fn must_serve(edge: &Edge, versions: &[u32]) {
    let versions: Vec<_> = versions.iter().map(|version| fixture::pages(*version)).collect();
    for path in MIRRORED {
        let answer = edge.get(path).await;
        let right = versions.iter().any(|pages| pages[path].body == answer.body);
        assert!(
            answer.status == 200 && answer.broken.is_none() && right,
            "{path}: {} {:?}\n{:.300}",
            answer.status,
            answer.headers,
            answer.text()
        );
    }
}

/// Waits for a condition of the site, or of the whole.
pub async fn until_told(edge: &Edge, code: &str) {
    eventually(&format!("the condition {code}"), secs(60), async || {
        let status = edge.status().await;
        let of_site = status["sites"][0]["conditions"].as_array().unwrap().iter();
        let mut all = of_site.chain(status["conditions"].as_array().unwrap());
        all.any(|held| held["cause"]["code"] == code).then_some(())
    })
    .await;
}

/// Waits until an instance holds the lease.
pub async fn until_holds(edge: &Edge) {
    until_stands(edge, "holds").await;
}

/// Waits until it stands like this towards the lease.
pub async fn until_stands(edge: &Edge, standing: &str) {
    eventually(&format!("an instance that {standing}"), secs(90), async || {
        (edge.status().await["regions"]["lease"]["standing"] == standing).then_some(())
    })
    .await;
}

/// The ids of the snapshots that an instance has.
pub async fn shelf(edge: &Edge) -> Vec<String> {
    let answer = edge.admin().get("/api/v1/sites/shop/snapshots").await;
    let list: Value = serde_json::from_slice(&answer.body).unwrap();
    let ids = list["snapshots"].as_array().unwrap().iter();
    ids.map(|one| one["id"].as_str().unwrap().to_owned()).collect()
}

/// Removes all that an instance has stored, without a word to it.
pub fn erase_disk(edge: &Edge) {
    let state: PathBuf = edge.state_dir();
    for entry in std::fs::read_dir(state).unwrap().flatten() {
        let path = entry.path();
        let gone = if path.is_dir() { std::fs::remove_dir_all(&path) } else { std::fs::remove_file(&path) };
        // what is just being written may come and go meanwhile
        drop(gone);
    }
}
