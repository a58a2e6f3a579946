//! Reaching an address through others: another spelling of it, or a detour by which the site finds out whether its visitor
//! takes cookies.

use http::header::LOCATION;
use http::{HeaderMap, StatusCode};
use url::Url;

use super::{Attempt, End, Endpoint, Fetcher};
use crate::crawl::item::Item;
use crate::crawl::scope::Place;
use crate::crawl::transport::Fetch;
use crate::http::detour::Jar;

/// The next request of a fetch, and the endpoint for it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Asked {
    pub(crate) way: Endpoint,
    /// Path and query.
    pub(crate) target: String,
    /// The cookies that were set on the way to it.
    jar: Jar,
    /// Whether this is an address on a detour rather than the page's.
    pub(crate) away: bool,
}

impl Asked {
    pub(crate) fn new(way: Endpoint, target: String) -> Asked {
        Asked { way, target, jar: Jar::default(), away: false }
    }

    /// Adds the cookies, if there are any.
    pub(crate) fn carry(&self, headers: &mut HeaderMap) {
        self.jar.carry(headers);
    }
}

/// Where the answer of an address leads.
pub(crate) fn target_of(url: &Url, headers: &HeaderMap) -> Option<Url> {
    let location = headers.get(LOCATION).map(crate::http::headers::as_ascii)?;
    url.join(location.trim()).ok()
}

impl<F: Fetch> Fetcher<'_, F> {
    /// A redirect to the page itself, but over TLS, on another host of the site, or with a parameter that does not
    /// change the page. In the copy it would lead nowhere; what it leads to is the page.
    pub(crate) fn respelled(&self, item: &Item, to: &Url, asked: &Asked, headers: &HeaderMap) -> Attempt {
        let mut there = Asked { away: false, ..self.towards(item, to, asked) };
        // To the very page: once more with the cookie that it sets, if it sets one.
        if there == *asked && there.jar.is_empty() {
            there.jar.take(headers);
        }
        Attempt::There(there)
    }

    /// What follows a redirect to another page of the site. If it sets a cookie, it may be a detour; if that does not lead
    /// back, it is an ordinary redirect.
    pub(crate) fn detour(
        &self,
        item: &Item,
        url: &Url,
        asked: &Asked,
        headers: &HeaderMap,
        once: Attempt,
    ) -> Attempt {
        let Attempt::End(end @ End::Redirect(_, Some(_))) = once else { return once };
        match self.within(url, headers) {
            Some((to, _)) if asked.jar.is_empty() => {
                let mut there = Asked { away: true, ..self.towards(item, &to, asked) };
                there.jar.take(headers);
                if there.jar.is_empty() { Attempt::End(end) } else { Attempt::Detour(there, Box::new(end)) }
            }
            Some(_) | None => Attempt::End(end),
        }
    }

    /// What follows the answer of an address on a detour.
    pub(crate) fn on_detour(
        &self,
        item: &Item,
        url: &Url,
        asked: &Asked,
        (status, headers): (StatusCode, &HeaderMap),
    ) -> Attempt {
        let Some((to, key)) = self.within(url, headers).filter(|_| status.is_redirection()) else {
            return Attempt::Astray;
        };
        let mut there = Asked { away: key != *item.key, ..self.towards(item, &to, asked) };
        there.jar.take(headers);
        Attempt::There(there)
    }

    /// Where an answer leads, if that is the site's, and the key of it.
    fn within(&self, url: &Url, headers: &HeaderMap) -> Option<(Url, String)> {
        let to = target_of(url, headers)?;
        match self.scope.of_url(&to) {
            Place::Here(key) => Some((to, key)),
            Place::Asset(_) | Place::Elsewhere | Place::Nowhere => None,
        }
    }

    fn towards(&self, item: &Item, to: &Url, asked: &Asked) -> Asked {
        let mut host = to.host_str().unwrap_or_else(|| self.scope.host()).to_owned();
        if let Some(port) = to.port() {
            host = format!("{host}:{port}");
        }
        let target =
            to.query().map_or_else(|| to.path().to_owned(), |query| format!("{}?{query}", to.path()));
        let whose = self.way_to(&item.key).0.whose;
        let way = Endpoint { whose, tls: to.scheme() == "https", host };
        Asked { way, target, jar: asked.jar.clone(), away: asked.away }
    }
}
