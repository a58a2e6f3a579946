//! Cases for the tables of the rules.

use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};

use super::super::{
    Asked, Case, Character, Known, Learning, Lesson, Look, ResponseView, Shape, Verdict, Wishes,
};
use crate::config::ready::{Failover, Statuses};
use crate::content::document::Document;
use crate::content::media::content_type;

/// A case in the making: a good page of a site about which nothing is known.
pub(in super::super) struct Given {
    pub(in super::super) status: u16,
    pub(in super::super) headers: HeaderMap,
    pub(in super::super) body: Vec<u8>,
    pub(in super::super) whole: bool,
    pub(in super::super) is_key_page: bool,
    pub(in super::super) character: Character,
    pub(in super::super) policy: Failover,
    pub(in super::super) wishes: Wishes,
    pub(in super::super) copy: Option<Copied>,
    /// What was asked, and with which cookies.
    pub(in super::super) from: Option<(&'static str, Option<&'static str>)>,
}

#[derive(Clone)]
pub(in super::super) struct Copied {
    shape: Shape,
    status: u16,
    content_type: String,
    location: Option<String>,
    look: Option<Look>,
    body: Option<Vec<u8>>,
}

/// Something of a page, to be a copy or an answer.
pub(in super::super) const PAGE: &str = "<!doctype html><html><head><title>Tea</title></head><body><h1>Tea</h1>\
    <p>Green tea from the hills behind the town, picked by hand in the first week of May.</p>\
    <div class=footer><a href=/>Home</a> Tea house Kawaguchi: shop, workshops, contact</div></body></html>";

/// Of a site whose pages all have the same footer.
pub(in super::super) fn character() -> Character {
    let mut learning = Learning::default();
    for n in 0..20 {
        let page = PAGE.replace("Green tea from the hills", &format!("Tea {n}"));
        learning.page(&Lesson::of(&Document::new(page.as_bytes(), None)));
    }
    learning.done()
}

impl Given {
    pub(in super::super) fn page(body: &str) -> Given {
        Given {
            status: 200,
            headers: HeaderMap::new(),
            body: body.as_bytes().to_vec(),
            whole: true,
            is_key_page: false,
            character: Character::default(),
            policy: policy(),
            wishes: Wishes { part: true, change: true },
            copy: None,
            from: None,
        }
        .header("content-type", "text/html; charset=utf-8")
    }

    pub(in super::super) fn status(status: u16) -> Given {
        Given { status, ..Given::page("<h1>Some words of the site</h1>") }
    }

    pub(in super::super) fn header(mut self, name: &'static str, value: &str) -> Given {
        self.headers.insert(HeaderName::from_static(name), HeaderValue::from_str(value).unwrap());
        self
    }

    pub(in super::super) fn key_page(self) -> Given {
        Given { is_key_page: true, ..self }
    }

    /// With this page as the copy.
    pub(in super::super) fn instead_of(self, body: &str) -> Given {
        let look = Look::read(body.as_bytes(), Some("text/html; charset=utf-8"));
        self.copy(Shape::Page, 200, "text/html", None, Some(look))
    }

    /// With the copy of a file.
    pub(in super::super) fn instead_of_file(self, shape: Shape, content_type: &str) -> Given {
        self.copy(shape, 200, content_type, None, None)
    }

    /// With a redirect as the copy.
    pub(in super::super) fn instead_of_way_to(self, location: &str) -> Given {
        self.copy(Shape::Redirect, 302, "text/html", Some(location.to_owned()), None)
    }

    fn copy(
        self,
        shape: Shape,
        status: u16,
        content_type: &str,
        location: Option<String>,
        look: Option<Look>,
    ) -> Given {
        let content_type = content_type.to_owned();
        let copied = Copied { shape, status, content_type, location, look, body: None };
        Given { copy: Some(copied), ..self }
    }

    /// With these bytes in the copy.
    pub(in super::super) fn copied(mut self, body: &str) -> Given {
        if let Some(copy) = &mut self.copy {
            copy.body = Some(body.as_bytes().to_vec());
        }
        self
    }

    /// Where nobody asked for a part, or whether it has changed.
    pub(in super::super) fn unasked(self) -> Given {
        Given { wishes: Wishes::default(), ..self }
    }

    /// Calls `with` for the case.
    pub(in super::super) fn case<T>(&self, with: impl FnOnce(&Case<'_>) -> T) -> T {
        let known = self.copy.as_ref().map(|copy| Known {
            shape: copy.shape,
            status: copy.status,
            content_type: Some(&copy.content_type),
            location: copy.location.as_deref(),
            look: copy.look.as_ref(),
            body: copy.body.as_deref(),
        });
        let cookies = self.from.and_then(|(_, cookies)| cookies.map(HeaderValue::from_static));
        let ignore = ["utm_*".to_owned()];
        let page = Document::new(&self.body, content_type(&self.headers));
        let asked = self.from.map(|(url, _)| Asked { url, ignore: &ignore, cookies: cookies.as_ref() });
        with(&Case {
            asked,
            key: "/tea",
            host: "www.example.jp",
            hosts: &["www.example.jp".to_owned(), "tea.example".to_owned()],
            is_key_page: self.is_key_page,
            answer: ResponseView {
                status: self.status,
                headers: &self.headers,
                page: &page,
                whole: self.whole,
            },
            wishes: self.wishes,
            known,
            character: &self.character,
            policy: &self.policy,
        })
    }

    /// `good`, or `doubtful` or `bad` with the code of the cause.
    pub(in super::super) fn verdict(&self) -> String {
        match self.case(super::judge) {
            Verdict::Good => "good".to_owned(),
            Verdict::Doubtful(finding) => format!("doubtful {}", finding.cause.code()),
            Verdict::Bad(finding) => format!("bad {}", finding.cause.code()),
        }
    }
}

/// Holds each case against what it must be judged.
#[track_caller]
pub(in super::super) fn hold(table: Vec<(&str, Given, &str)>) {
    let wrong = table.into_iter().filter_map(|(name, given, expected)| {
        let verdict = given.verdict();
        (verdict != expected).then(|| format!("{name}: {verdict}, not {expected}"))
    });
    let wrong: Vec<_> = wrong.collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

pub(in super::super) fn policy() -> Failover {
    Failover {
        patience: Duration::from_secs(1),
        patience_max: Duration::from_secs(4),
        recovery_ramp: Duration::ZERO,
        hedge: None,
        timeout: Duration::from_secs(15),
        hold_back: 1 << 20,
        bad_status: Statuses::new(&["500", "502-504", "508-509", "520-530"]).unwrap(),
        expect_text: String::new(),
        reject_text: Vec::new(),
        fingerprints: None,
        fingerprints_file: None,
        moved_to: Vec::new(),
    }
}
