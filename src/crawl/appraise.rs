//! One file that has come, or that is stored: what it leads to, how much of it can be read, and whether it is the
//! site's at all.

use http::header::CONTENT_TYPE;

use super::admission::Refusal;
use super::charset;
use super::findings::{self, File, Findings, Reading};
use super::links::Need;
use super::scope::Scope;
use super::text::visible;
use crate::verdict::{Answer, Kind, wrong_page};

/// Why a file is not stored once it was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unfit {
    /// What stands in it speaks against it.
    Refused(Refusal),
    /// It is a page of a host, a panel, a wall, or an error: the code of its kind.
    Wrong(&'static str),
}

/// Whether a file is a page: what is read as something else never is.
pub(super) fn is_page(file: &File<'_>) -> bool {
    file.media.is_page() && file.reading == Reading::ByType
}

/// Reads a file. `whole`: its body is all there.
///
/// # Errors
/// Why it must not be stored.
pub(super) fn appraise(file: &File<'_>, status: u16, whole: bool, scope: &Scope) -> Result<Findings, Unfit> {
    let findings = findings::read(file, scope).map_err(Unfit::Refused)?;
    if !is_page(file) {
        return Ok(findings);
    }
    if let Some(kind) = wrong(file, status, whole) {
        return Err(Unfit::Wrong(kind));
    }
    let content_type = file.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let (text, _) = charset::html(file.body, content_type);
    Ok(Findings { visible: Some(visible(&text)), ..findings })
}

/// The kind of page that a file is, if it is surely not the site's. A list of the files in a folder is a way to offer
/// them, too: only instead of a key page it is a fault.
fn wrong(file: &File<'_>, status: u16, whole: bool) -> Option<&'static str> {
    let answer = Answer { status, headers: file.headers, body: file.body, whole };
    let kind = wrong_page(&answer)?.kind;
    (kind != Kind::DirectoryListing || file.need == Need::Key).then(|| kind.code())
}
