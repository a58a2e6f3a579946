//! One fetched or stored file: what it links to, how much text it has, and whether it is the site's at all.

use super::extract::{self, File, Findings, ReadAs};
use crate::content::links::Need;
use crate::content::shingles::shingles;
use crate::content::text_size::visible;
use crate::crawl::refusal::Refusal;
use crate::crawl::scope::{Scope, patterns};
use crate::verdict::{Case, Character, Kind, Lesson, ResponseView, Verdict, Wishes, judge, wrong_page};

/// Why a file is not stored once it was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unfit {
    /// Its content speaks against it.
    Refused(Refusal),
    /// It is a page of a host, a panel, a wall, or an error: the code of its kind.
    Wrong(&'static str),
}

/// Whether a file is a page: one that is read as something else never is.
pub(crate) fn is_page(file: &File<'_>) -> bool {
    file.media.is_page() && file.reading == ReadAs::ByType
}

/// Reads a file. `whole`: its body is all there.
///
/// # Errors
/// Why it must not be stored.
pub(crate) fn appraise(file: &File<'_>, status: u16, whole: bool, scope: &Scope) -> Result<Findings, Unfit> {
    let mut findings = extract::read(file, scope).map_err(Unfit::Refused)?;
    if file.media.is_page() && !patterns::kinds(file.key, file.need).is_empty() {
        findings.shingles = shingles(file.page.bytes());
    }
    if !is_page(file) {
        return Ok(findings);
    }
    if let Some(kind) = wrong(file, status, whole).or_else(|| unwanted(file, status, whole, scope)) {
        return Err(Unfit::Wrong(kind));
    }
    let lesson = Some(Box::new(Lesson::of(file.page)));
    Ok(Findings { visible: Some(visible(file.page.html())), lesson, ..findings })
}

/// What speaks against a page by the operator's own texts.
fn unwanted(file: &File<'_>, status: u16, whole: bool, scope: &Scope) -> Option<&'static str> {
    let policy = &*scope.policy;
    if policy.fingerprints.is_none() && policy.expect_text.is_empty() && policy.reject_text.is_empty() {
        return None;
    }
    let case = Case {
        asked: None,
        key: file.key,
        host: scope.host(),
        hosts: &[],
        is_key_page: file.need == Need::Key,
        answer: ResponseView { status, headers: file.headers, page: file.page, whole },
        wishes: Wishes::default(),
        known: None,
        character: &Character::default(),
        policy,
    };
    match judge(&case) {
        Verdict::Bad(finding) => Some(finding.cause.code()),
        Verdict::Good | Verdict::Doubtful(_) => None,
    }
}

/// The kind of wrong page, if the file is certainly not the site's. A directory listing may be intended; only in place of a
/// key page is it a fault.
fn wrong(file: &File<'_>, status: u16, whole: bool) -> Option<&'static str> {
    let answer = ResponseView { status, headers: file.headers, page: file.page, whole };
    let kind = wrong_page(&answer)?.kind;
    (kind != Kind::DirectoryListing || file.need == Need::Key).then(|| kind.code())
}
