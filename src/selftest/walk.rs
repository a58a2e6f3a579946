//! The walk through the copy: key pages first, then what visitors ask for most, then breadth first over the links. It asks
//! nobody but the copy. Pure but for [`Copies`].

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::time::Instant;

use http::HeaderMap;
use url::Url;

use super::finding::{Finding, FindingKind};
use crate::ask::key::page_key;
use crate::content::document::Document;
use crate::content::links::{Need, css, html, resolve::resolve};
use crate::content::media::{self, Media};

/// Pages that are opened.
pub(super) const PAGES: usize = 300;
/// Style sheets that name each other, one below the other.
const SHEETS: u8 = 16;
/// Other hosts that are told.
const HOSTS: usize = 1_000;
/// Files that are looked for.
const FILES: usize = 5000;
/// Links that are looked at.
const LINKS: usize = 20_000;
/// Redirects in a row, as browsers follow them.
const HOPS: usize = 20;
/// Bytes of a page or a style sheet that are read.
pub const LARGEST: u64 = 4 << 20;
/// Visible characters below which a page shows nothing.
const EMPTY: u32 = 1;

/// What the copy has at an address.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Copied {
    /// The key that it has in the copy.
    pub key: String,
    /// Its status.
    pub status: u16,
    /// Its header fields.
    pub headers: HeaderMap,
}

/// Why the copy lacks something, as its crawl says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lack {
    /// The live site lacks it, too, or the owner wants it left out: no visitor misses it because of the copy.
    Intended,
    /// For this reason.
    Reason(String),
}

/// The copy.
pub trait Copies {
    /// What a visitor would get there during an outage; `None`: the holding page. May block.
    fn find(&self, key: &str) -> Option<Copied>;
    /// Its body, if that can be read and is not larger than [`LARGEST`]. May block.
    fn body(&self, copied: &Copied) -> Option<Vec<u8>>;
    /// Why the copy lacks an address, if its crawl has noted that.
    fn lack(&self, key: &str) -> Option<Lack>;
}

/// What is walked.
#[derive(Clone, Debug)]
pub struct Itinerary<'a> {
    /// The site's hosts.
    pub hosts: Vec<&'a str>,
    /// Parameters that change nothing.
    pub ignore_query: &'a [String],
    /// Pages that must work.
    pub key_pages: &'a [String],
    /// What visitors ask for, the most wanted first, and how often.
    pub visited: Vec<(String, u64)>,
    /// When it ends, wherever it is.
    pub until: Instant,
}

/// How a key page stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyPage {
    /// Its key.
    pub key: String,
    /// Whether it opens and shows something.
    pub is_good: bool,
}

/// What was found on the way.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Walked {
    /// The key pages.
    pub key_pages: Vec<KeyPage>,
    /// Of the pages that visitors ask for: visits that would be answered, and all.
    pub visits: (u64, u64),
    /// Of the addresses that links lead to: those that open, and all.
    pub links: (u64, u64),
    /// Of the files that pages are drawn with: those that are there, and all.
    pub files: (u64, u64),
    /// The pages that were opened, in their order.
    pub pages: Vec<String>,
    /// All that was found.
    pub findings: Vec<Finding>,
    /// Whether a bound ended it.
    pub is_cut: bool,
}

/// Where an address leads within the copy.
enum End {
    Here(Copied),
    Away,
    Circle,
    Missing(String),
}

/// Walks. May block as long as the plan allows.
pub fn walk(plan: &Itinerary<'_>, copies: &dyn Copies, clock: &dyn Fn() -> Instant) -> Walked {
    let mut walker = Walker {
        plan,
        copies,
        clock,
        walked: Walked::default(),
        known: HashMap::new(),
        opened: HashSet::new(),
        files: HashSet::new(),
        links: HashSet::new(),
        elsewhere: BTreeMap::new(),
        queue: VecDeque::new(),
    };
    walker.key_pages();
    walker.visited();
    while let Some((key, on)) = walker.queue.pop_front() {
        if walker.walked.pages.len() >= PAGES || clock() >= plan.until {
            walker.walked.is_cut = true;
            break;
        }
        walker.link(&key, &on);
    }
    let Walker { mut walked, elsewhere, .. } = walker;
    walked.findings.extend(elsewhere.into_iter().map(|(host, (on, count))| {
        let detail = (count > 1).then(|| format!("{count} files"));
        Finding::new(FindingKind::Elsewhere, host).on(Some(&on)).detail(detail)
    }));
    walked
}

struct Walker<'a> {
    plan: &'a Itinerary<'a>,
    copies: &'a dyn Copies,
    clock: &'a dyn Fn() -> Instant,
    walked: Walked,
    /// Whether an address opens.
    known: HashMap<String, bool>,
    opened: HashSet<String>,
    files: HashSet<String>,
    links: HashSet<String>,
    elsewhere: BTreeMap<String, (String, u64)>,
    queue: VecDeque<(String, String)>,
}

impl Walker<'_> {
    fn key_pages(&mut self) {
        for key in self.plan.key_pages {
            let is_good = match self.end(key) {
                End::Here(copied) if copied.status == 200 => {
                    let shows = self.open(&copied);
                    if !shows {
                        self.walked.findings.push(Finding::new(FindingKind::KeyPageEmpty, key));
                    }
                    shows
                }
                End::Away => true,
                End::Here(copied) => {
                    let detail = Some(format!("status {}", copied.status));
                    self.walked.findings.push(Finding::new(FindingKind::KeyPageMissing, key).detail(detail));
                    false
                }
                End::Circle => {
                    let detail = Some("it redirects in a circle".to_owned());
                    self.walked.findings.push(Finding::new(FindingKind::KeyPageMissing, key).detail(detail));
                    false
                }
                End::Missing(missing) => {
                    let detail = self.reason(&missing);
                    self.walked.findings.push(Finding::new(FindingKind::KeyPageMissing, key).detail(detail));
                    false
                }
            };
            self.known.insert(key.clone(), is_good);
            self.walked.key_pages.push(KeyPage { key: key.clone(), is_good });
        }
    }

    fn visited(&mut self) {
        for (key, visits) in &self.plan.visited {
            if self.plan.key_pages.contains(key) {
                continue;
            }
            if self.opens(key, None, Some(*visits)) {
                self.walked.visits.0 += visits;
            }
            self.walked.visits.1 += visits;
        }
    }

    fn link(&mut self, key: &str, on: &str) {
        if self.opens(key, Some(on), None) {
            self.walked.links.0 += 1;
        }
        self.walked.links.1 += 1;
    }

    /// Opens a page; what is wrong with it is found once.
    fn opens(&mut self, key: &str, on: Option<&str>, visits: Option<u64>) -> bool {
        if let Some(opens) = self.known.get(key) {
            return *opens;
        }
        let asked = visits.map(|visits| format!("{visits} visits in the last days"));
        let opens = match self.end(key) {
            End::Here(copied) if copied.status < 400 => {
                if !self.open(&copied) {
                    let finding = Finding::new(FindingKind::PageEmpty, key).on(on).detail(asked);
                    self.walked.findings.push(finding);
                    false
                } else {
                    true
                }
            }
            // what is an error on the live site is one in its copy
            End::Here(_) | End::Away => true,
            End::Circle => {
                self.walked
                    .findings
                    .push(Finding::new(FindingKind::RedirectCircle, key).on(on).detail(asked));
                false
            }
            End::Missing(missing) => match (self.copies.lack(&missing), visits) {
                (Some(Lack::Intended), _) => true,
                (lack, visits) => {
                    let kind =
                        if visits.is_some() { FindingKind::PageMissing } else { FindingKind::LinkHole };
                    let reason = match lack {
                        Some(Lack::Reason(reason)) => Some(reason),
                        Some(Lack::Intended) | None => None,
                    };
                    let detail = [asked, reason].into_iter().flatten().collect::<Vec<_>>().join("; ");
                    let detail = (!detail.is_empty()).then_some(detail);
                    self.walked.findings.push(Finding::new(kind, key).on(on).detail(detail));
                    false
                }
            },
        };
        self.known.insert(key.to_owned(), opens);
        opens
    }

    fn reason(&self, key: &str) -> Option<String> {
        match self.copies.lack(key)? {
            Lack::Intended => {
                Some("the site does not have it, or the configuration leaves it out".to_owned())
            }
            Lack::Reason(reason) => Some(reason),
        }
    }

    fn end(&self, key: &str) -> End {
        let mut key = key.to_owned();
        let mut seen = HashSet::new();
        for _ in 0..HOPS {
            if !seen.insert(key.clone()) {
                return End::Circle;
            }
            let Some(copied) = self.copies.find(&key) else { return End::Missing(key) };
            let target = copied.headers.get(http::header::LOCATION).filter(|_| copied.status / 100 == 3);
            let Some(target) = target else { return End::Here(copied) };
            let target = String::from_utf8_lossy(target.as_bytes());
            let url = self.address(&copied.key).and_then(|base| resolve(&base, &target, encoding_rs::UTF_8));
            match url.map(|url| self.key(&url)) {
                Some(Some(next)) => key = next,
                Some(None) => return End::Away,
                None => return End::Missing(key),
            }
        }
        End::Circle
    }

    /// Reads a page. Returns whether it shows something.
    fn open(&mut self, copied: &Copied) -> bool {
        if !self.opened.insert(copied.key.clone()) {
            return self.known.get(&copied.key).copied().unwrap_or(true);
        }
        let content_type = media::content_type(&copied.headers);
        if self.walked.pages.len() >= PAGES || !media::is_html(content_type) {
            return true;
        }
        let Some(body) = self.copies.body(copied) else { return true };
        self.walked.pages.push(copied.key.clone());
        let page = Document::new(&body, content_type);
        let read = html::read(page.html());
        let Some(mut base) = self.address(&copied.key) else { return true };
        if let Some(stated) = read.base.as_deref().and_then(|stated| resolve(&base, stated, page.encoding()))
        {
            base = stated;
        }
        let mut draws = false;
        for link in &read.links {
            if link.url.starts_with('#') {
                continue;
            }
            let Some(url) = resolve(&base, &link.url, page.encoding()) else { continue };
            match link.need {
                Need::Requisite => {
                    draws = true;
                    self.file(&url, &copied.key, 0);
                }
                Need::Link => self.follow(&url, &copied.key),
                Need::Key | Need::Site | Need::Guess => {}
            }
        }
        // what a picture or a script shows, only a browser can tell
        page.text().visible >= EMPTY || draws || page.html().contains("<script")
    }

    fn follow(&mut self, url: &Url, on: &str) {
        let Some(key) = self.key(url) else { return };
        if self.links.len() < LINKS && self.links.insert(key.clone()) {
            self.queue.push_back((key, on.to_owned()));
        }
    }

    /// A file that a page is drawn with.
    fn file(&mut self, url: &Url, on: &str, depth: u8) {
        if !matches!(url.scheme(), "http" | "https") || depth > SHEETS {
            return;
        }
        if (self.clock)() >= self.plan.until {
            self.walked.is_cut = true;
            return;
        }
        let Some(key) = self.key(url) else {
            let host = url.host_str().unwrap_or_default();
            // files of other hosts that are in the copy have their host in their key
            let key = format!("//{host}{}", page_key(url.path(), url.query(), self.plan.ignore_query));
            let is_known = self.elsewhere.contains_key(host);
            if (is_known || self.elsewhere.len() < HOSTS) && self.copies.find(&key).is_none() {
                let (_, count) = self.elsewhere.entry(host.to_owned()).or_insert((on.to_owned(), 0));
                *count += 1;
            }
            return;
        };
        if self.files.len() >= FILES || !self.files.insert(key.clone()) {
            return;
        }
        let copied = match self.end(&key) {
            End::Here(copied) if copied.status < 400 => copied,
            End::Here(_) | End::Away => return,
            End::Circle | End::Missing(_) => {
                match self.copies.lack(&key) {
                    Some(Lack::Intended) => return,
                    lack => {
                        let detail = match lack {
                            Some(Lack::Reason(reason)) => Some(reason),
                            Some(Lack::Intended) | None => None,
                        };
                        let finding = Finding::new(FindingKind::FileMissing, key).on(Some(on)).detail(detail);
                        self.walked.findings.push(finding);
                    }
                }
                self.walked.files.1 += 1;
                return;
            }
        };
        self.walked.files.0 += 1;
        self.walked.files.1 += 1;
        if Media::of(&copied.key, &copied.headers, b"") == Media::Css
            && let Some(body) = self.copies.body(&copied)
        {
            for link in css::urls(&String::from_utf8_lossy(&body)) {
                if let Some(url) = resolve(url, &link, encoding_rs::UTF_8) {
                    self.file(&url, on, depth + 1);
                }
            }
        }
    }

    /// The key, if it is an address of this site.
    fn key(&self, url: &Url) -> Option<String> {
        if !matches!(url.scheme(), "http" | "https") {
            return None;
        }
        let host = url.host_str()?;
        let bare = |host: &str| host.strip_prefix("www.").unwrap_or(host).to_owned();
        let is_ours = self.plan.hosts.iter().any(|ours| bare(ours) == bare(host));
        is_ours.then(|| page_key(url.path(), url.query(), self.plan.ignore_query).into_owned())
    }

    fn address(&self, key: &str) -> Option<Url> {
        // what is in the copy of another host has it in its key
        let host = self.plan.hosts.first()?;
        let rest = key.strip_prefix("//").map(|rest| format!("http://{rest}"));
        Url::parse(&rest.unwrap_or_else(|| format!("http://{host}{key}"))).ok()
    }
}
