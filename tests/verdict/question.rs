//! What a page is asked about, and how many are asked at once.

use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use http::HeaderMap;
use katahai::config::ready::Failover;
use katahai::content::document::Document;
use katahai::verdict::{Case, Character, Known, Look, ResponseView, Shape, Verdict, Wishes, judge};

/// What a judgement is made of, besides the policy, which is the default.
pub(super) struct Question<'a> {
    pub(super) status: u16,
    pub(super) content_type: &'a str,
    pub(super) body: &'a [u8],
    pub(super) copy: Option<&'a Look>,
    pub(super) is_key_page: bool,
    pub(super) character: &'a Character,
}

impl Question<'_> {
    /// What speaks against the page: `cause: why`; nothing where it is good.
    pub(super) fn objection(&self) -> Option<String> {
        let headers: HeaderMap =
            [(http::header::CONTENT_TYPE, self.content_type.parse().unwrap())].into_iter().collect();
        let known = self.copy.map(|look| Known {
            shape: Shape::Page,
            status: 200,
            content_type: Some("text/html"),
            location: None,
            look: Some(look),
            body: None,
        });
        let page = Document::new(self.body, Some(self.content_type));
        let case = Case {
            asked: None,
            key: "/page",
            host: "www.example.jp",
            hosts: &[],
            is_key_page: self.is_key_page,
            answer: ResponseView { status: self.status, headers: &headers, page: &page, whole: true },
            wishes: Wishes::default(),
            known,
            character: self.character,
            policy: &Failover::default(),
        };
        match judge(&case) {
            Verdict::Good => None,
            Verdict::Doubtful(finding) => Some(format!("perhaps {}: {}", finding.cause.code(), finding.why)),
            Verdict::Bad(finding) => Some(format!("{}: {}", finding.cause.code(), finding.why)),
        }
    }
}

/// All files below a folder, sorted.
pub(super) fn files(root: &Path) -> Vec<PathBuf> {
    let (mut found, mut folders) = (Vec::new(), vec![root.to_owned()]);
    while let Some(folder) = folders.pop() {
        for entry in folder.read_dir().into_iter().flatten().flatten() {
            let kind = entry.file_type().unwrap();
            if kind.is_dir() {
                folders.push(entry.path());
            } else if kind.is_file() {
                found.push(entry.path());
            }
        }
    }
    found.sort();
    found
}

/// Calls `work` for each, on all processors, and gathers what it says.
pub(super) fn each<T: Sync, R: Send>(all: &[T], work: impl Fn(&T) -> Vec<R> + Sync) -> Vec<R> {
    let (next, said) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                while let Some(one) = all.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let says = work(one);
                    said.lock().unwrap().extend(says);
                }
            });
        }
    });
    said.into_inner().unwrap()
}
