//! The shell of a single-page application, for addresses that the snapshot lacks: the page that the site gives for each of
//! them when all is well (`crawl::walk::shell` finds it).

use std::sync::Arc;

use http::{Method, header};

use super::mirror::Ready;
use super::site::Site;
use super::{Outcome, notice, render};
use crate::ask::{Ask, Kind, key};
use crate::failure::{Cause, Side};
use crate::http::cache_status::CacheStatus;
use crate::metrics::ServedFrom;

/// The shell, if a browser requests a page, and the site has one.
pub(super) async fn answer(site: &Site, ask: &Ask, cause: Cause) -> Option<Outcome> {
    if cause.side() == Side::Visitor {
        return None;
    }
    let (_, page) = page(site, ask).await?;
    let (page, source) = site.mirror.open(page).await.ok()?;
    let edits = notice::on_page(site, ask, (&page, &source), Some(cause), crate::clock::now());
    let mut response = render::edited(ask, page.status, page.headers.clone(), source, &edits);
    CacheStatus::HitShell.add_to(response.headers_mut());
    Some(Outcome { response, served_from: ServedFrom::Snapshot, cause: Some(cause), origin: None })
}

/// The shell's address, and the shell, if it stands in for this address.
pub(super) async fn page(site: &Site, ask: &Ask) -> Option<(Arc<str>, Arc<Ready>)> {
    if ask.kind != Kind::Read || !ask.mirrorable || !is_navigation(ask) {
        return None;
    }
    // The snapshot may have come a moment ago.
    site.mirror.learn().await;
    let shell = site.mirror.shell()?;
    let page = site.mirror.find_uncached(&site.mirror.current()?, &shell)?;
    Some((shell, page))
}

/// Whether somebody opens a page, by its name and by `Accept`: not a file, not data.
fn is_navigation(ask: &Ask) -> bool {
    let accepts = ask.kept_headers.get_all(header::ACCEPT).iter();
    let html = accepts.filter_map(|value| value.to_str().ok()).any(|value| value.contains("text/html"));
    let last = key::path_of(ask.key()).rsplit('/').next().unwrap_or("");
    matches!(ask.method, Method::GET | Method::HEAD) && html && !last.contains('.')
}
