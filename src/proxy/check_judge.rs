//! The judge of the checks: it compares the site's key pages with the snapshot's. Visitors' answers are judged in `review.rs`.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use http::{HeaderMap, StatusCode};

use super::mirror::{Mirror, Ready};
use super::reference::{ReadCopy, Reference};
use crate::ask::key;
use crate::config::ready;
use crate::content::document::Document;
use crate::content::media::content_type;
use crate::failure::{Cause, Failure, SeenBy, Sighting};
use crate::http::retry_after;
use crate::origin::Judge;
use crate::page_health::{PageHealth, Weight};
use crate::snapshot::SnapshotId;
use crate::verdict::{
    Asked, Case, ENOUGH, Finding, Kind, Look, ResponseView, Verdict, Wishes, judge, judge_missing_page,
    wrong_page,
};
use crate::{clock, tasks};

/// How many key pages a check requests.
const MOST: usize = 8;

/// Knows a site by its snapshot, and notes what checks find out about its pages.
pub struct SiteJudge {
    config: Arc<ready::Site>,
    mirror: Arc<Mirror>,
    page_health: Arc<PageHealth>,
    /// The key pages' copies, and of which snapshot they are.
    copies: Mutex<KeyPageCopies>,
    /// What the front page showed at its last check.
    home: Mutex<Option<Look>>,
    /// Whether that differed from its copy.
    is_home_changed: AtomicBool,
}

#[derive(Default)]
struct KeyPageCopies {
    of: Option<SnapshotId>,
    pages: Vec<(String, Option<Arc<Ready>>)>,
}

impl SiteJudge {
    /// The judge of a site.
    pub fn new(config: Arc<ready::Site>, mirror: Arc<Mirror>, page_health: Arc<PageHealth>) -> SiteJudge {
        let judge = SiteJudge {
            config,
            mirror,
            page_health,
            copies: Mutex::default(),
            home: Mutex::default(),
            is_home_changed: AtomicBool::new(false),
        };
        // Until the first check has told those that the snapshot knows.
        judge.tell(&judge.config.key_pages[..judge.config.key_pages.len().min(MOST)]);
        judge
    }

    fn key<'a>(&self, path: &'a str) -> std::borrow::Cow<'a, str> {
        let (path, query) = path.split_once('?').map_or((path, None), |(path, query)| (path, Some(query)));
        key::page_key(path, query, &self.config.cache.ignore_query)
    }

    /// Reports the pages by which the site is proven.
    fn tell(&self, paths: &[String]) {
        self.page_health.key_pages(&paths.iter().map(|path| self.key(path)).collect::<Vec<_>>());
    }

    /// The snapshot's copy of a page. Those of key pages are kept here, not among the hot pages, where the checks would keep
    /// each snapshot from being retired.
    fn copy(&self, key: &str) -> Option<Arc<Ready>> {
        let snapshot = self.mirror.current()?;
        let mut copies = self.copies.lock().unwrap_or_else(PoisonError::into_inner);
        if copies.of != Some(snapshot.id()) {
            *copies = KeyPageCopies { of: Some(snapshot.id()), pages: Vec::new() };
        }
        if let Some((_, copy)) = copies.pages.iter().find(|(known, _)| known == key) {
            return copy.clone();
        }
        let copy = self.mirror.find_uncached(&snapshot, key);
        if self.config.key_pages.iter().take(MOST).any(|page| self.key(page) == key) {
            copies.pages.push((key.to_owned(), copy.clone()));
        }
        copy
    }
}

impl SiteJudge {
    /// The verdict on the answer to a path that does not exist. If the site says so when it is well, and now answers with a
    /// host's page or its front page, it is not the site.
    fn missing_page(&self, case: &Case<'_>) -> Verdict {
        let says_so = case.character.missing.as_ref().is_some_and(|missing| missing.status >= 400);
        let as_page = if says_so { judge(case) } else { Verdict::Good };
        match as_page {
            bad @ Verdict::Bad(_) => bad,
            Verdict::Good | Verdict::Doubtful(_) if self.is_everywhere(case) => {
                Verdict::Bad(Finding::new(Cause::Uniform, "a random path shows what several pages show now"))
            }
            Verdict::Good | Verdict::Doubtful(_) => {
                let verdict = judge_missing_page(case, self.home().as_ref());
                if matches!(verdict, Verdict::Bad(_)) {
                    self.mirror.uniform().condemn("/");
                }
                verdict
            }
        }
    }

    /// The verdict on a key page that is good by itself: it is bad if several addresses show the same.
    fn beside_others(&self, key: &str, page: &Document<'_>, copy: &Arc<Look>) -> Verdict {
        let look = Look::of(page);
        let is_home = key == "/";
        if is_home {
            self.is_home_changed.store(!look.is_like(copy), Ordering::Relaxed);
        }
        let url = self.url(key);
        let same = self.mirror.uniform().note((key, &url), &look, copy, clock::instant());
        if same < ENOUGH {
            return Verdict::Good;
        }
        self.mirror.uniform().condemn(key);
        let why = format!("{same} addresses with different copies show the same: {}", look.title);
        Verdict::Bad(Finding::new(Cause::Uniform, why))
    }

    /// The verdict on a path that does not exist: if the site says so when it is well, then what several pages show now is what
    /// it shows for everything.
    fn is_everywhere(&self, case: &Case<'_>) -> bool {
        let says_so = case.character.missing.as_ref().is_some_and(|missing| missing.status >= 400);
        says_so && case.answer.whole && {
            self.mirror.uniform().like(&Look::of(case.answer.page), clock::instant()) >= ENOUGH
        }
    }

    fn url(&self, key: &str) -> String {
        let scheme = if self.config.tls.is_some() { "https" } else { "http" };
        format!("{scheme}://{}{key}", self.config.canonical_host().unwrap_or("localhost"))
    }

    fn home(&self) -> MutexGuard<'_, Option<Look>> {
        self.home.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Judge for SiteJudge {
    /// The ones that the snapshot has: of others, nobody can say what they should be.
    fn pages(&self) -> Vec<String> {
        let known = |path: &&String| self.copy(&self.key(path)).is_some();
        let pages: Vec<String> = self.config.key_pages.iter().filter(known).take(MOST).cloned().collect();
        if !pages.is_empty() {
            self.tell(&pages);
        }
        pages
    }

    fn judge(
        &self,
        path: &str,
        status: StatusCode,
        headers: &HeaderMap,
        body: &[u8],
        whole: bool,
    ) -> Result<(), Failure> {
        if status == StatusCode::SERVICE_UNAVAILABLE {
            let now = clock::now();
            self.page_health.returns.hear(retry_after(headers, now.wall), now);
        }
        let is_key_page = self.config.key_pages.iter().any(|page| page == path);
        if !is_key_page && !status.is_success() {
            return Ok(()); // a path that does not exist, and the site says so in one way or another
        }
        let key = self.key(path);
        let copy = self.copy(&key);
        if is_key_page && copy.is_none() {
            return Ok(()); // it was in the snapshot a moment ago
        }
        if let Some(copy) = copy.as_ref().filter(|copy| !copy.is_seen()) {
            // Read for the next time: a check does not wait for the disk.
            let copy = copy.clone();
            tasks::detached(async move { copy.look().await });
        }
        let look = copy.as_ref().and_then(|copy| copy.seen().cloned());
        let read = ReadCopy { look, body: None };
        let reference = copy.map_or(Reference::Nothing, Reference::Page);
        let character = self.mirror.character();
        let (scheme, host) =
            (if self.config.tls.is_some() { "https" } else { "http" }, self.config.canonical_host());
        let url = host.map(|host| format!("{scheme}://{host}{key}"));
        let ignore = &self.config.cache.ignore_query;
        let page = Document::new(body, content_type(headers));
        let case = Case {
            asked: url.as_deref().map(|url| Asked { url, ignore, cookies: None }),
            key: &key,
            host: self.config.canonical_host().unwrap_or_default(),
            hosts: &self.config.hosts,
            is_key_page,
            answer: ResponseView { status: status.as_u16(), headers, page: &page, whole },
            // a check asks for the page as it is
            wishes: Wishes::default(),
            known: reference.known(&read),
            character: &character,
            policy: &self.config.failover,
        };
        let mut verdict = if is_key_page { judge(&case) } else { self.missing_page(&case) };
        if is_key_page
            && verdict == Verdict::Good
            && whole
            && status == StatusCode::OK
            && let Some(copy) = &read.look
        {
            verdict = self.beside_others(&key, &page, copy);
        }
        if path == "/" {
            *self.home() = (whole && status.is_success()).then(|| Look::of(&page));
        }
        match verdict {
            // Nobody is asked further: it is by the key pages that other pages are cleared.
            Verdict::Bad(finding) | Verdict::Doubtful(finding) => {
                Err(Failure::new(finding.cause).detail(finding.why))
            }
            Verdict::Good => Ok(()),
        }
    }

    fn is_uneasy(&self) -> bool {
        self.is_home_changed.load(Ordering::Relaxed) || self.mirror.uniform().is_uneasy(clock::instant())
    }

    fn identify(&self, status: StatusCode, headers: &HeaderMap, body: &[u8], whole: bool) -> Option<Failure> {
        let page = &Document::new(body, content_type(headers));
        let answer = ResponseView { status: status.as_u16(), headers, page, whole };
        let own = self.config.failover.fingerprints.as_deref().and_then(|own| own.find(&answer));
        let wrong = own.or_else(|| wrong_page(&answer))?;
        // a status of its own says more than that some gateway sent it
        let says_more = match wrong.kind {
            Kind::Empty | Kind::DirectoryListing => false,
            Kind::GatewayError => status == StatusCode::INTERNAL_SERVER_ERROR,
            Kind::DatabaseError
            | Kind::PhpError
            | Kind::ApplicationError
            | Kind::Suspended
            | Kind::QuotaExceeded
            | Kind::DefaultPage
            | Kind::Parking
            | Kind::BotWall
            | Kind::UnknownToHost
            | Kind::Maintenance
            | Kind::Defaced
            | Kind::Other => true,
        };
        says_more
            .then(|| Failure::new(wrong.kind.cause()).detail(format!("fingerprint {}", wrong.fingerprint)))
    }

    fn told(&self, path: &str, verdict: &Result<(), Failure>) {
        let key = self.key(path);
        let now = clock::now();
        let failure = match verdict {
            Ok(()) => return self.page_health.note_good(&key, Weight::Page, now.mono),
            Err(failure) => failure,
        };
        if failure.cause == Cause::ForeignRedirect
            && let Some(to) = &failure.detail
        {
            self.page_health.leads(to);
        }
        // A server that cannot be reached, or does not answer, says nothing of its pages.
        if !is_of_the_answer(failure.cause) || self.copy(&key).is_none() {
            return;
        }
        self.page_health.sightings.note(Sighting::of(failure, SeenBy::Check, &key, now));
        let url = self.url(&key);
        self.page_health.mark_bad((&key, &url), Weight::Page, failure.cause, now, fastrand::f64());
    }
}

/// Whether a failure is in the server's answer: the table of causes has the order of a request's way.
pub(super) fn is_of_the_answer(cause: Cause) -> bool {
    (Cause::BodyStalled..=Cause::WrongPage).contains(&cause)
}
