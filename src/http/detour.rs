//! A site that tests whether its visitor accepts cookies sets one and redirects him through a second address back to where he
//! was; without cookies, this goes on in a circle. Katahai's own requests follow as a browser does, with the cookies of this
//! one detour, which nobody keeps.

use http::StatusCode;
use http::header::{COOKIE, HeaderMap, HeaderValue, LOCATION, SET_COOKIE};
use url::Url;

/// Bytes of cookies that are sent back.
const BYTES: usize = 4096;
/// Addresses that are asked on one way.
const STEPS: usize = 5;

/// The cookies of one way.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Jar(Vec<(Vec<u8>, Vec<u8>)>);

impl Jar {
    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Takes what an answer sets, and drops what it takes away.
    pub fn take(&mut self, response_headers: &HeaderMap) {
        for line in response_headers.get_all(SET_COOKIE) {
            let mut parts = line.as_bytes().split(|&b| b == b';').map(<[u8]>::trim_ascii);
            let pair = parts.next().unwrap_or_default();
            let Some(at) = pair.iter().position(|&b| b == b'=').filter(|at| *at > 0) else { continue };
            let (name, value) = (pair[..at].trim_ascii(), pair[at + 1..].trim_ascii());
            self.0.retain(|(known, _)| known != name);
            let used: usize = self.0.iter().map(|(name, value)| name.len() + value.len() + 3).sum();
            if !parts.any(is_removal) && used + pair.len() <= BYTES {
                self.0.push((name.to_vec(), value.to_vec()));
            }
        }
    }

    /// The field that sends them back.
    pub fn field(&self) -> Option<HeaderValue> {
        let pairs: Vec<Vec<u8>> =
            self.0.iter().map(|(name, value)| [name, &b"="[..], value].concat()).collect();
        HeaderValue::from_bytes(&pairs.join(&b"; "[..])).ok().filter(|field| !field.is_empty())
    }

    /// Adds it, if there is one.
    pub fn carry(&self, request_headers: &mut HeaderMap) {
        request_headers.extend(self.field().map(|field| (COOKIE, field)));
    }
}

/// An attribute by which a cookie is taken away (RFC 6265 section 3.1).
pub fn is_removal(attribute: &[u8]) -> bool {
    let text = String::from_utf8_lossy(attribute).to_ascii_lowercase();
    match text.split_once('=') {
        Some(("max-age", seconds)) => seconds.trim().parse::<i64>().is_ok_and(|seconds| seconds <= 0),
        Some(("expires", date)) => date.contains("1970"),
        Some(_) | None => false,
    }
}

/// A way over addresses of one host that began at one of them.
#[derive(Clone, Debug)]
pub struct Detour {
    home: Url,
    at: Url,
    jar: Jar,
    /// What was in it when the first address was asked last.
    had: Jar,
    left: usize,
}

/// Where a way leads.
#[derive(Clone, Debug)]
pub enum Way {
    /// To another address of the host, or with other cookies to the first.
    On(Box<Detour>),
    /// To the first address, for a visitor who has the same cookies as before: without end.
    Circle,
    /// To an answer that is no redirect, to another host, or too far.
    Ends,
}

impl Detour {
    /// The way from the answer to a request for `target`, path and query, of the site at `base`.
    pub fn begin(base: &str, target: &str, status: StatusCode, response_headers: &HeaderMap) -> Way {
        let Some(home) = Url::parse(base).ok().and_then(|base| base.join(target).ok()) else {
            return Way::Ends;
        };
        let (at, jar, had) = (home.clone(), Jar::default(), Jar::default());
        Detour { home, at, jar, had, left: STEPS }.follow(status, response_headers)
    }

    /// The way from the answer to the request for [`Detour::target`].
    pub fn follow(mut self, status: StatusCode, response_headers: &HeaderMap) -> Way {
        let to = response_headers.get(LOCATION).map(super::headers::as_ascii);
        let to = to.filter(|_| status.is_redirection()).and_then(|to| self.at.join(to.trim()).ok());
        let Some(mut to) = to.filter(|to| to.origin() == self.home.origin() && self.left > 0) else {
            return Way::Ends;
        };
        to.set_fragment(None);
        self.jar.take(response_headers);
        (self.at, self.left) = (to, self.left - 1);
        if self.is_home() {
            if self.jar == self.had {
                return Way::Circle;
            }
            self.had = self.jar.clone();
        }
        Way::On(Box::new(self))
    }

    /// Whether it is the first address that is to be asked.
    pub fn is_home(&self) -> bool {
        self.at == self.home
    }

    /// Path and query of what is to be asked next.
    pub fn target(&self) -> &str {
        &self.at[url::Position::BeforePath..]
    }

    /// The cookies that go with it.
    pub fn jar(&self) -> &Jar {
        &self.jar
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(to: &str, cookies: &[&str]) -> HeaderMap {
        let cookies = cookies.iter().map(|line| (SET_COOKIE, HeaderValue::from_str(line).unwrap()));
        let mut headers: HeaderMap = HeaderMap::new();
        headers.extend((!to.is_empty()).then(|| (LOCATION, HeaderValue::from_str(to).unwrap())));
        cookies.for_each(|(name, value)| _ = headers.append(name, value));
        headers
    }

    /// Where answers lead: what is asked next with which cookies, or how the way ends.
    fn walk(answers: &[(&str, &[&str])]) -> String {
        let (first, rest) = answers.split_first().unwrap();
        let status = |to: &str| if to.is_empty() { StatusCode::OK } else { StatusCode::FOUND };
        let (base, begun) = ("https://www.example.jp", answer(first.0, first.1));
        let mut way = Detour::begin(base, "/", status(first.0), &begun);
        for (to, cookies) in rest {
            way = match way {
                Way::On(on) => on.follow(status(to), &answer(to, cookies)),
                Way::Circle | Way::Ends => panic!("it has ended"),
            };
        }
        match way {
            Way::On(on) => {
                let cookies = on.jar().field().map(|field| field.to_str().unwrap().to_owned());
                format!("{} {}", on.target(), cookies.unwrap_or_default())
            }
            Way::Circle => "circle".to_owned(),
            Way::Ends => "ends".to_owned(),
        }
    }

    #[test]
    fn a_detour_is_followed_as_a_browser_follows_it() {
        for (answers, expected) in [
            (&[("/?check=1", &["seen=1; Path=/"][..])][..], "/?check=1 seen=1"),
            (&[("/?check=1", &["seen=1"]), ("/", &[])], "/ seen=1"),
            (&[("/?check=1", &["seen=1"]), ("https://www.example.jp/", &["b=2", "seen=3"])], "/ b=2; seen=3"),
            (&[("/?check=1", &["seen=1"]), ("/", &["seen=; Max-Age=0"])], "circle"),
            (&[("/?check=1", &["seen=1"]), ("/", &[]), ("/?check=1", &[]), ("/", &[])], "circle"),
            (&[("/?check=1", &["seen=1"]), ("", &[])], "ends"),
            (&[("/b", &[]), ("/", &[])], "circle"),
            (&[("/b", &[]), ("/#top", &[])], "circle"),
            (&[("/", &[])], "circle"),
            (&[("/", &["seen=1"])], "/ seen=1"),
            (&[("/b", &[]), ("/c", &[]), ("/b", &[])], "/b "),
            (&[("/b", &[]), ("/c", &[]), ("/b", &[]), ("/c", &[]), ("/b", &[]), ("/c", &[])], "ends"),
            (&[("http://www.example.jp/", &[])], "ends"),
            (&[("https://other.example/", &["seen=1"])], "ends"),
            (&[("", &["seen=1"])], "ends"),
        ] {
            assert_eq!(walk(answers), expected, "{answers:?}");
        }
    }

    #[test]
    fn a_jar_has_a_bound() {
        let mut jar = Jar::default();
        let long = format!("b={}", "x".repeat(BYTES));
        jar.take(&answer("", &["a=1", &long, "=2", "none"]));
        assert_eq!(jar.field().unwrap(), "a=1");
        assert!(!jar.is_empty() && Jar::default().field().is_none());
    }
}
