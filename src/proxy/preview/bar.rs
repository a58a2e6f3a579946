//! The bar on each page of a preview: that it is one, of which snapshot, and the way out of it.

use bytes::Bytes;
use http::{HeaderMap, Method, Response, StatusCode, header};

use super::shadow::Shadow;
use super::words;
use crate::ask::Ask;
use crate::content::document::Document;
use crate::content::edits::{Edit, Edits};
use crate::content::media;
use crate::content::spots;
use crate::holding_page::Language;
use crate::http::{Body, coding, csp};
use crate::proxy::buffer::buffer;
use crate::proxy::notice;
use crate::proxy::render::{self, Source};

/// Bytes of a page that gets the bar, and of one without its codings.
const MOST: u64 = 8 << 20;

/// Puts the bar into a page for a window. A page that is too large, or of which nothing can be said, goes without.
pub(super) async fn put(shadow: &Shadow, ask: &Ask, response: &mut Response<Body>) {
    let is_whole = !matches!(
        response.status(),
        StatusCode::NO_CONTENT | StatusCode::PARTIAL_CONTENT | StatusCode::NOT_MODIFIED
    ) && !response.status().is_informational();
    let is_page = media::content_type(response.headers())
        .is_some_and(|value| media::essence(value).eq_ignore_ascii_case("text/html"));
    if !is_whole || !is_page || !notice::is_for_window(&ask.kept_headers) {
        return;
    }
    if ask.method == Method::HEAD {
        render::undescribed(response.headers_mut());
        return;
    }
    let body = std::mem::replace(response.body_mut(), Body::Empty);
    let begun = match buffer(body, MOST, &shadow.site.room)
        .await
        .map(super::super::buffer::Buffered::into_whole)
    {
        Ok(Ok(bytes)) => bytes,
        Ok(Err(begun)) => {
            *response.body_mut() = begun.into_body();
            return;
        }
        Err(failure) => {
            tracing::warn!(site = %shadow.site.config.name, key = ask.key(), error = %failure, "a page of a preview broke off");
            *response.status_mut() = StatusCode::BAD_GATEWAY;
            return;
        }
    };
    let Some((plain, edits)) = edited(shadow, ask, response.headers(), &begun) else {
        *response.body_mut() = Body::whole(begun);
        return;
    };
    let headers = response.headers_mut();
    render::as_edited(headers, &edits);
    headers.remove(header::CONTENT_ENCODING);
    headers.extend(edits.length(plain.len() as u64).map(|len| (header::CONTENT_LENGTH, len.into())));
    *response.body_mut() = render::all_edited(&Source::Whole(plain), &edits);
}

fn edited(shadow: &Shadow, ask: &Ask, headers: &HeaderMap, coded: &Bytes) -> Option<(Bytes, Edits)> {
    let most = usize::try_from(MOST).ok()?;
    let plain = coding::plain(headers, coded, most).filter(|plain| plain.all && !plain.broken)?;
    let document = Document::new(&plain.bytes, media::content_type(headers));
    // Where a notice stands already, the page is looked at as if it did not.
    let found = spots::read_marked(&document)?;
    let is_free =
        csp::headers_allow_style(headers) && found.policies.iter().all(|policy| csp::allows_style(policy));
    let said = headers.get(header::CONTENT_LANGUAGE).and_then(|value| value.to_str().ok());
    let accept = ask.kept_headers.get(header::ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok());
    let language = Language::choose(found.language.as_deref().or(said), accept);
    let text = words::bar(language, shadow.taken_at, shadow.is_current, is_free);
    let edits = Edits::new(vec![Edit { range: found.banner..found.banner, text: text.into() }]);
    Some((Bytes::copy_from_slice(&plain.bytes), edits))
}
