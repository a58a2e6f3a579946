//! A site that changes between two crawls.

use std::sync::{Arc, Mutex};

use super::*;
use crate::crawl::testing::{Answer, file, html, site, status};
use crate::snapshot::Page;

/// What it says instead to an address, if it does.
type Say = Box<dyn Fn(&str) -> Option<Answer> + Send + Sync>;

/// A site of thirty pages with a style, whose addresses can be made to say something else.
pub(super) struct Changing {
    pub(super) says: Arc<Mutex<Vec<Say>>>,
    pub(super) fetch: MemorySite,
    pub(super) site: Site,
    pub(super) crawled: Crawled,
}

pub(super) fn words(of: &str) -> String {
    format!("<link rel=stylesheet href=/s.css><h1>{of}</h1>{}", format!("All about {of}. ").repeat(20))
}

impl Changing {
    /// Takes the first snapshot.
    pub(super) async fn new() -> Changing {
        Changing::of(site(&["/"])).await
    }

    pub(super) async fn of(site: Site) -> Changing {
        let says: Arc<Mutex<Vec<Say>>> = Arc::default();
        let asked = says.clone();
        let fetch = MemorySite::new(move |ask| {
            // What was said last counts.
            let said = asked.lock().expect("no panic").iter().rev().find_map(|say| say(&ask.target));
            if let Some(answer) = said {
                return answer;
            }
            let links: String = (0..30).map(|i| format!("<a href=/{i}>")).collect();
            match ask.target.as_str() {
                "/" => html(&format!("{}{links}", words("home"))),
                "/s.css" => file("text/css", "body{}"),
                "/robots.txt" | "/sitemap.xml" | "/favicon.ico" => status(404),
                target => html(&words(target)),
            }
        });
        let crawled = crawl(&site, &fetch).await;
        assert_eq!(crawled.broken(), [""; 0]);
        Changing { says, fetch, site, crawled }
    }

    /// From now on this address says that.
    pub(super) fn says(&mut self, target: &'static str, say: impl Fn() -> Answer + Send + Sync + 'static) {
        self.becomes(move |asked| (asked == target).then(&say));
    }

    /// From now on the site says that, where it does.
    pub(super) fn becomes(&mut self, say: impl Fn(&str) -> Option<Answer> + Send + Sync + 'static) {
        self.says.lock().expect("no panic").push(Box::new(say));
    }

    /// Takes another snapshot.
    pub(super) async fn again(&mut self) -> &Crawled {
        let progress = Progress::new();
        let outcome = take(&self.site, &self.fetch, &self.crawled.store, None, &progress, clock::now()).await;
        self.crawled.outcome = outcome.expect("it ends");
        self.crawled.progress = progress;
        &self.crawled
    }

    pub(super) fn page(&self, key: &str) -> Option<Page> {
        self.crawled.snapshot().find(key).expect("readable")
    }

    pub(super) fn notes(&self, key: &str) -> Option<(u8, u16)> {
        self.page(key).map(|page| (page.notes.missed, page.notes.carried))
    }

    pub(super) fn carried(&self) -> Vec<(String, u64)> {
        let report = self.crawled.outcome.report();
        report.carried_over.iter().map(|(code, of)| (code.to_string(), of.count)).collect()
    }

    pub(super) fn removed(&self) -> Vec<(String, u64)> {
        let report = self.crawled.outcome.report();
        report.removed.iter().map(|(code, of)| (code.to_string(), of.count)).collect()
    }
}

pub(super) fn list(of: &[(&str, u64)]) -> Vec<(String, u64)> {
    of.iter().map(|(code, count)| ((*code).to_owned(), *count)).collect()
}

/// The snapshot that did not pass.
pub(super) fn held(crawled: &Crawled) -> Arc<Snapshot> {
    let Outcome::Kept { held: Some(held), .. } = &crawled.outcome else { panic!("{:?}", crawled.outcome) };
    crawled.store.get(&held.id).expect("it is on the shelf")
}
