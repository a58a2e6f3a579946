//! For the tests: a site in memory, behind the same trait as a real one, and what a crawl of it needs.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Response};
use http_body::Frame;
use http_body_util::StreamBody;
use tokio::sync::{Notify, Semaphore};

use super::transport::{Fetch, FetchAsk};
use crate::config::ready::{
    CachePolicy, Failover, Health, Mirror, MirrorPrivate, MirrorRobots, Notice, Origin, OriginMode,
    OriginUrl, Site, Statuses,
};
use crate::failure::{Cause, Failure};
use crate::http::Body;
use crate::snapshot::{Snapshot, Store, Stored};
use crate::visits::Visits;

/// A site with these key pages and everything else as a test wants it.
pub(super) fn site(key_pages: &[&str]) -> Site {
    let statuses = |of: &str| Statuses::new(&[of]).expect("a status");
    Site {
        name: "shop".into(),
        hosts: vec!["www.example.jp".into(), "example.jp".into()],
        standby_hosts: Vec::new(),
        key_pages: key_pages.iter().map(|key| (*key).to_owned()).collect(),
        origins: vec![Origin {
            url: OriginUrl { tls: false, host: "127.0.0.1".into(), port: 8080 },
            host: None,
            tier: 0,
            weight: 1,
            ca: None,
            pins: Vec::new(),
            mode: OriginMode::Auto,
        }],
        origins_file: None,
        tls: None,
        health: Health {
            path: "/".into(),
            interval: Duration::from_secs(5),
            timeout: Duration::from_secs(2),
            fall: 3,
            rise: 2,
            expect_status: statuses("200-399"),
            expect_text: String::new(),
        },
        failover: Failover {
            patience: Duration::from_secs(1),
            patience_max: Duration::from_secs(4),
            recovery_ramp: Duration::ZERO,
            hedge: None,
            timeout: Duration::from_secs(15),
            hold_back: 1 << 20,
            bad_status: statuses("500"),
            expect_text: String::new(),
            reject_text: Vec::new(),
            fingerprints: None,
            fingerprints_file: None,
            moved_to: Vec::new(),
        },
        cache: CachePolicy {
            default_ttl: Duration::ZERO,
            ignore_query: vec!["utm_*".into()],
            bypass_cookies: Vec::new(),
            ignore_cookies: Vec::new(),
        },
        mirror: Mirror {
            every: Duration::from_secs(6 * 3600),
            keep: 30,
            keep_for: None,
            max_pages: 1000,
            max_depth: 20,
            rate: None,
            include: Vec::new(),
            exclude: Vec::new(),
            asset_hosts: Vec::new(),
            private: MirrorPrivate::Auto,
            robots: MirrorRobots::Auto,
        },
        notice: Notice::default(),
        watch: crate::config::ready::SiteWatch::default(),
        drill: crate::config::ready::SiteDrill::default(),
        status_page: None,
        routes: Vec::new(),
        forms: Vec::new(),
        maintenance: Vec::new(),
    }
}

/// An empty store in a folder of its own.
pub(super) fn store() -> (tempfile::TempDir, Store) {
    let dir = tempfile::tempdir().expect("a folder");
    let store = Store::open(dir.path(), "shop").expect("a store");
    (dir, store)
}

/// What nobody has visited.
pub(super) fn visits() -> Arc<Visits> {
    Arc::new(Visits::new(Path::new("nowhere"), "shop"))
}

/// Folders of crawls that have not ended.
pub(super) fn staged(state_dir: &Path) -> usize {
    let names = std::fs::read_dir(state_dir.join("snapshots/shop")).expect("a folder");
    names
        .filter(|e| e.as_ref().is_ok_and(|e| e.file_name().to_string_lossy().starts_with(".staging")))
        .count()
}

/// A stored body.
pub(super) fn body(snapshot: &Snapshot, key: &str) -> Option<Vec<u8>> {
    let page = snapshot.find(key).expect("readable")?;
    match snapshot.load(&page).expect("whole") {
        Stored::Whole(bytes) => Some(bytes.to_vec()),
        Stored::File { file, len } => {
            let mut bytes = vec![0; len as usize];
            std::os::unix::fs::FileExt::read_exact_at(&*file, &mut bytes, 0).expect("readable");
            Some(bytes)
        }
    }
}

/// What the site in memory answers.
pub(super) enum Answer {
    Whole(Response<Body>),
    Fails(Cause),
    After(Duration, Box<Answer>),
    /// Once there is a permit.
    Held(Arc<Semaphore>, Box<Answer>),
}

impl Answer {
    /// With another header field.
    pub(super) fn with(self, name: &'static str, value: &str) -> Answer {
        match self {
            Answer::Whole(mut answer) => {
                let value = HeaderValue::from_bytes(value.as_bytes()).expect("a header value");
                answer.headers_mut().append(HeaderName::from_static(name), value);
                Answer::Whole(answer)
            }
            other @ (Answer::Fails(_) | Answer::After(..) | Answer::Held(..)) => other,
        }
    }
}

pub(super) fn file(content_type: &str, body: impl Into<Bytes>) -> Answer {
    let body = body.into();
    let len = body.len().to_string();
    Answer::Whole(Response::new(Body::whole(body)))
        .with("content-type", content_type)
        .with("content-length", &len)
}

pub(super) fn html(body: &str) -> Answer {
    file("text/html; charset=utf-8", body.to_owned())
}

pub(super) fn status(code: u16) -> Answer {
    let mut answer = Response::new(Body::whole("no"));
    *answer.status_mut() = http::StatusCode::from_u16(code).expect("a status");
    Answer::Whole(answer)
}

pub(super) fn redirect(code: u16, to: &str) -> Answer {
    status(code).with("location", to)
}

/// A body that breaks off after its first bytes; `declared` of them were promised, or none.
pub(super) fn cut(first: &'static str, declared: Option<usize>) -> Answer {
    let frames = [Ok(Frame::data(Bytes::from_static(first.as_bytes())))].into_iter();
    let frames: Vec<Result<Frame<Bytes>, std::io::Error>> = match declared {
        Some(_) => frames.collect(),
        None => frames.chain([Err(std::io::Error::other("reset"))]).collect(),
    };
    let stream = StreamBody::new(futures_util::stream::iter(frames));
    let answer = Answer::Whole(Response::new(Body::stream(stream))).with("content-type", "text/html");
    match declared {
        Some(len) => answer.with("content-length", &len.to_string()),
        None => answer,
    }
}

/// A site in memory.
pub(super) struct MemorySite {
    answer: Box<dyn Fn(&FetchAsk) -> Answer + Send + Sync>,
    asked: Mutex<Vec<FetchAsk>>,
    news: Notify,
}

impl MemorySite {
    pub(super) fn new(answer: impl Fn(&FetchAsk) -> Answer + Send + Sync + 'static) -> MemorySite {
        MemorySite { answer: Box::new(answer), asked: Mutex::default(), news: Notify::new() }
    }

    /// A site of pages that are all HTML; everything else is not there.
    pub(super) fn of(pages: &[(&str, &str)]) -> MemorySite {
        let pages: HashMap<String, String> =
            pages.iter().map(|(key, page)| ((*key).to_owned(), (*page).to_owned())).collect();
        MemorySite::new(move |ask| pages.get(&ask.target).map_or_else(|| status(404), |page| html(page)))
    }

    pub(super) fn asked(&self) -> Vec<FetchAsk> {
        self.asked.lock().expect("no panic").clone()
    }

    pub(super) fn count(&self, target: &str) -> usize {
        self.asked().iter().filter(|ask| ask.target == target).count()
    }

    /// Waits until `target` has been asked for so many times.
    pub(super) async fn asked_for(&self, target: &str, times: usize) {
        while self.count(target) < times {
            self.news.notified().await;
        }
    }
}

impl Fetch for MemorySite {
    async fn fetch(&self, ask: FetchAsk) -> Result<Response<Body>, Failure> {
        self.asked.lock().expect("no panic").push(ask.clone());
        self.news.notify_one();
        let mut answer = (self.answer)(&ask);
        loop {
            answer = match answer {
                Answer::Whole(answer) => return Ok(answer),
                Answer::Fails(cause) => return Err(Failure::new(cause)),
                Answer::After(pause, then) => {
                    tokio::time::sleep(pause).await;
                    *then
                }
                Answer::Held(permits, then) => {
                    permits.acquire().await.expect("open").forget();
                    *then
                }
            };
        }
    }
}
