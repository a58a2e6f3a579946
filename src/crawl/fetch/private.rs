//! Answers marked `Cache-Control: private` or `no-store`. Rails, Laravel, Symfony, ASP.NET and MediaWiki mark every page so
//! by default, even those that everybody sees. The crawler has no cookies and no name: what it gets twice, everybody gets. So
//! it requests such a page a second time, and stores it if it is the same but for tokens; if the snapshot in service has the
//! page, it is compared with that instead. The operator's settings take precedence: the key `mirror.private`, and a route
//! with `mirror = "on"` or `"off"`.
//!
//! The stored copy no longer says `private`: it is for everybody.

use http::header::{CACHE_CONTROL, LOCATION};
use http::{HeaderMap, HeaderValue, StatusCode};
use tokio::time::timeout;

use super::detour::Asked;
use super::receive::{Arrived, Missed, receive};
use super::tempo::{ResourceKind, Sign};
use super::{Attempt, End, Fetcher, MAX_SILENCE, failed};
use crate::config::ready::MirrorPrivate;
use crate::content::same::same_but_for_tokens;
use crate::crawl::accept::extract::HOLD;
use crate::crawl::accept::privacy;
use crate::crawl::refusal::Refusal;
use crate::crawl::transport::{Fetch, FetchAsk};
use crate::failure::{Cause, Failure};
use crate::http::Body;
use crate::snapshot::{StageError, Stored};
use crate::tasks;

/// What two visits got.
pub(crate) enum Twice<T> {
    /// The same.
    Alike(T),
    /// More than tokens differs.
    Varies,
    /// The second visit got nothing.
    Failed(Failure),
    /// The snapshot cannot be written.
    Stage(StageError),
    /// The program is ending.
    Ending,
}

/// Whether an answer with these header fields has to be compared with a second one.
pub(crate) fn is_doubted(headers: &HeaderMap, private: MirrorPrivate) -> bool {
    private == MirrorPrivate::Auto && privacy::is_private(headers)
}

impl<T> Twice<T> {
    /// The answer, if it was the same twice; otherwise how the attempt ended.
    pub(crate) fn into_result(self) -> Result<T, Box<Attempt>> {
        Err(Box::new(match self {
            Twice::Alike(got) => return Ok(got),
            Twice::Varies => Attempt::End(End::Refused(Refusal::Varies)),
            Twice::Failed(failure) => failed(&failure),
            Twice::Stage(error) => Attempt::End(End::Stage(error)),
            Twice::Ending => Attempt::End(End::Ending),
        }))
    }
}

/// The header fields of an answer that turned out to be everybody's, without `private` and `no-store`.
pub(crate) fn published(headers: &HeaderMap) -> HeaderMap {
    let mut headers = headers.clone();
    if !privacy::is_private(&headers) {
        return headers;
    }
    let all: Vec<String> = headers
        .get_all(CACHE_CONTROL)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .map(str::to_owned)
        .collect();
    let all = all.join(",");
    let said = all.split(',').map(str::trim).filter(|word| {
        !word.is_empty() && !word.eq_ignore_ascii_case("private") && !word.eq_ignore_ascii_case("no-store")
    });
    // Not for a browser's own store without asking either.
    let said = said.collect::<Vec<_>>().join(", ");
    let said = if said.is_empty() { "no-cache".to_owned() } else { said };
    if let Ok(value) = HeaderValue::from_str(&said) {
        headers.insert(CACHE_CONTROL, value);
    }
    headers
}

impl<F: Fetch> Fetcher<'_, F> {
    /// Whether a redirect to `location` is the same for a second visit.
    pub(crate) async fn redirects_alike(
        &self,
        asked: &Asked,
        status: StatusCode,
        headers: &HeaderMap,
    ) -> Twice<()> {
        let (head, body) = match self.second(asked).await {
            Ok(answer) => answer.into_parts(),
            Err(failure) => return Twice::Failed(failure),
        };
        drop(body);
        let to =
            |headers: &HeaderMap| headers.get(LOCATION).map(|to| to.as_bytes().to_vec()).unwrap_or_default();
        match head.status == status && same_but_for_tokens(&to(headers), &to(&head.headers)) {
            true => Twice::Alike(()),
            false => Twice::Varies,
        }
    }

    /// Whether a body that has arrived is the one that the snapshot in service has, or that a second visit gets.
    pub(crate) async fn alike(&self, key: &str, asked: &Asked, arrived: Arrived) -> Twice<Arrived> {
        let current = self.current.cloned();
        let key = key.to_owned();
        let known = tasks::blocking(move || {
            let stored = current.and_then(|current| {
                let page = current.find(&key).ok()??;
                match current.load_here(&page).ok()? {
                    Stored::Whole(body) => Some(body),
                    Stored::File { .. } => None,
                }
            });
            let same = stored.is_some_and(|stored| is_same(&arrived, &stored, stored.len() as u64));
            (arrived, same)
        });
        let Some((arrived, same)) = known.await else { return Twice::Ending };
        if same {
            return Twice::Alike(arrived);
        }
        let answer = match self.second(asked).await {
            Ok(answer) if answer.status() == StatusCode::OK => answer,
            // Trouble is none of the page's: it is asked for again like any page that did not come.
            Ok(answer)
                if answer.status().is_server_error() || answer.status() == StatusCode::TOO_MANY_REQUESTS =>
            {
                let detail = format!("status {}", answer.status().as_u16());
                return Twice::Failed(Failure::new(Cause::BadStatus).detail(detail));
            }
            Ok(_) => return Twice::Varies,
            Err(failure) => return Twice::Failed(failure),
        };
        let (head, body) = answer.into_parts();
        let second = match receive(&head.headers, body, self.staging.blob(), self.bounds, HOLD).await {
            Ok(second) => second,
            Err(Missed::Refused(_)) => return Twice::Varies,
            Err(Missed::Broken(cause, detail)) => return Twice::Failed(Failure::new(cause).detail(detail)),
            Err(Missed::Stage(error)) => return Twice::Stage(error),
            Err(Missed::Ending) => return Twice::Ending,
        };
        let compared = tasks::blocking(move || {
            let same = is_same(&arrived, second.beginning(), second.len);
            (arrived, same)
        });
        match compared.await {
            Some((arrived, true)) => Twice::Alike(arrived),
            Some((_, false)) => Twice::Varies,
            None => Twice::Ending,
        }
    }

    /// Sends a second request, without conditions, and without any cookie that the first answer set.
    async fn second(&self, asked: &Asked) -> Result<http::Response<Body>, Failure> {
        let turn = self.pace.turn(self.progress).await;
        let turn = if asked.way.whose == crate::crawl::transport::Whose::Site {
            turn
        } else {
            turn.of_another_host()
        };
        let mut ask = FetchAsk::new(asked.way.whose, asked.way.tls, &asked.way.host, &asked.target);
        asked.carry(&mut ask.headers);
        let answer = match timeout(MAX_SILENCE, self.fetch.fetch(ask)).await {
            Ok(answer) => answer,
            Err(_) => Err(Failure::new(Cause::Silent)),
        };
        match &answer {
            Ok(_) => turn.good(ResourceKind::Page),
            Err(_) => turn.bad(ResourceKind::Page, Sign::Strained),
        }
        answer
    }
}

/// Compares what has arrived with the beginning of another body of `len` bytes. Of what is longer than is held, the
/// beginning and the length count.
fn is_same(arrived: &Arrived, other: &[u8], len: u64) -> bool {
    let first = arrived.beginning();
    if arrived.len == first.len() as u64 && len == other.len() as u64 {
        return same_but_for_tokens(first, other);
    }
    arrived.len == len && first == other.get(..first.len()).unwrap_or(other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_does_not_say_that_it_is_private() {
        for (said, expected) in [
            ("max-age=0, private, must-revalidate", "max-age=0, must-revalidate"),
            ("private", "no-cache"),
            ("No-Store, no-cache", "no-cache"),
            ("public, max-age=5", "public, max-age=5"),
            ("private=\"set-cookie\", max-age=5", "private=\"set-cookie\", max-age=5"),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(CACHE_CONTROL, said.parse().unwrap());
            let headers = published(&headers);
            assert_eq!(headers[CACHE_CONTROL], expected, "{said}");
            assert!(!privacy::is_private(&headers), "{said}");
        }
    }

    #[test]
    fn only_what_is_marked_is_compared_and_only_if_nobody_has_decided() {
        let mut headers = HeaderMap::new();
        assert!(!is_doubted(&headers, MirrorPrivate::Auto));
        headers.insert(CACHE_CONTROL, "private".parse().unwrap());
        for (private, expected) in
            [(MirrorPrivate::Auto, true), (MirrorPrivate::Always, false), (MirrorPrivate::Never, false)]
        {
            assert_eq!(is_doubted(&headers, private), expected, "{private:?}");
        }
    }
}
