//! The versions of a page by their time, in the words of Memento (RFC 7089): which one a TimeGate leads to, and what a TimeMap
//! lists. Pure.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::time::{Duration, SystemTime};

/// One version of a page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Memento {
    /// When it was taken.
    pub at: SystemTime,
    /// Where it is: the URI-M.
    pub uri: String,
}

/// The URIs of a page that Memento has names for.
#[derive(Clone, Copy, Debug)]
pub struct Names<'a> {
    /// The page itself: the URI-R.
    pub original: &'a str,
    /// Who leads to a version by a time: the URI-G.
    pub timegate: &'a str,
    /// The list of the versions: the URI-T.
    pub timemap: &'a str,
}

/// The media type of a TimeMap (RFC 7089 section 5).
pub const LINK_FORMAT: &str = "application/link-format";

/// The version of `all` (the oldest first) that is nearest to a time, as its place; of two that are equally near the older.
/// Without a time the newest (RFC 7089 section 4.5.3). `None` if there is none.
pub fn nearest(all: &[Memento], wanted: Option<SystemTime>) -> Option<usize> {
    let Some(wanted) = wanted else { return all.len().checked_sub(1) };
    let far = |at: SystemTime| at.duration_since(wanted).unwrap_or_else(|earlier| earlier.duration());
    let place = |place: &usize| all.get(*place).map_or(Duration::MAX, |one| far(one.at));
    (0..all.len()).min_by_key(place)
}

/// The TimeMap of a page: `all` its versions, the oldest first (RFC 7089 section 5, RFC 6690 section 2).
pub fn timemap(names: Names<'_>, all: &[Memento]) -> String {
    let mut text = format!("<{}>;rel=\"original\",\n", target(names.original));
    let _ = write!(text, "<{}>;rel=\"self\";type=\"{LINK_FORMAT}\"", target(names.timemap));
    if let (Some(first), Some(last)) = (all.first(), all.last()) {
        let _ = write!(text, ";from=\"{}\";until=\"{}\"", date(first.at), date(last.at));
    }
    let _ = write!(text, ",\n<{}>;rel=\"timegate\"", target(names.timegate));
    for (place, one) in all.iter().enumerate() {
        let relation = match (place == 0, place + 1 == all.len()) {
            (true, true) => "first last memento",
            (true, false) => "first memento",
            (false, true) => "last memento",
            (false, false) => "memento",
        };
        let _ = write!(text, ",\n<{}>;rel=\"{relation}\";datetime=\"{}\"", target(&one.uri), date(one.at));
    }
    text.push('\n');
    text
}

/// What the `Link` field of a version or of a TimeGate's answer says (RFC 7089 section 4): the page, its TimeGate and TimeMap, and
/// the versions before and after the one at this place.
pub fn links(names: Names<'_>, all: &[Memento], at: Option<usize>) -> String {
    let mut text = format!(
        "<{}>; rel=\"original\", <{}>; rel=\"timegate\", <{}>; rel=\"timemap\"; type=\"{LINK_FORMAT}\"",
        target(names.original),
        target(names.timegate),
        target(names.timemap)
    );
    let Some(at) = at else { return text };
    let around =
        [(at.checked_sub(1), "prev memento"), (Some(at), "memento"), (at.checked_add(1), "next memento")];
    for (place, relation) in around {
        if let Some(one) = place.and_then(|place| all.get(place)) {
            let _ =
                write!(text, ", <{}>; rel=\"{relation}\"; datetime=\"{}\"", target(&one.uri), date(one.at));
        }
    }
    text
}

/// What a TimeGate was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// The newest: no time was named.
    Newest,
    /// The one nearest to this time.
    At(SystemTime),
    /// Nobody knows: it is no date (RFC 7089 section 4.5.3 asks for a 400).
    Unclear,
}

/// Reads the values of `Accept-Datetime` (RFC 7089 section 2.1.1).
pub fn wanted<'a>(values: impl IntoIterator<Item = &'a [u8]>) -> Wanted {
    let mut values = values.into_iter();
    match (values.next(), values.next()) {
        (None, _) => Wanted::Newest,
        (Some(one), None) => {
            let date =
                std::str::from_utf8(one).ok().and_then(|text| httpdate::parse_http_date(text.trim()).ok());
            date.map_or(Wanted::Unclear, Wanted::At)
        }
        (Some(_), Some(_)) => Wanted::Unclear,
    }
}

/// The page that the rest of a Memento path names: an absolute URL, as RFC 7089 has it, or a path on the site. The host, if one is
/// named, and path and query. `None`: it names none.
///
/// `rest` is what follows the prefix in the request's target, e.g. `http://www.example.jp/about?x=1` or `about?x=1`.
pub fn page(rest: &str) -> Option<(Option<&str>, Cow<'_, str>)> {
    // some clients make one slash of two within a path
    let is_web = |scheme: &str| scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https");
    let Some((_, after)) = rest.split_once(":/").filter(|(scheme, _)| is_web(scheme)) else {
        return (!rest.starts_with('/')).then(|| (None, Cow::Owned(format!("/{rest}"))));
    };
    let after = after.strip_prefix('/').unwrap_or(after);
    let (authority, path) = after.split_at(after.find(['/', '?']).unwrap_or(after.len()));
    let host = match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|b| b.is_ascii_digit()) => host,
        _ => authority,
    };
    match path {
        "" => Some((Some(host), Cow::Borrowed("/"))),
        path if path.starts_with('?') => Some((Some(host), Cow::Owned(format!("/{path}")))),
        path => (!path.starts_with("//")).then_some((Some(host), Cow::Borrowed(path))),
    }
}

fn date(at: SystemTime) -> String {
    httpdate::fmt_http_date(at.max(SystemTime::UNIX_EPOCH))
}

/// A URI within angle brackets.
fn target(uri: &str) -> String {
    let is_safe = |c: char| c.is_ascii_graphic() && c != '<' && c != '>' && c != '"';
    if uri.chars().all(is_safe) {
        return uri.to_owned();
    }
    uri.bytes().fold(String::new(), |mut text, byte| {
        match char::from(byte) {
            c if is_safe(c) => text.push(c),
            _ => _ = write!(text, "%{byte:02X}"),
        }
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
    }

    fn three() -> Vec<Memento> {
        [100, 200, 400].map(|seconds| Memento { at: at(seconds), uri: format!("/m/{seconds}/about") }).into()
    }

    const NAMES: Names<'static> =
        Names { original: "http://www.example.jp/about", timegate: "/g/about", timemap: "/t/about" };

    #[test]
    fn the_nearest_in_time_is_chosen() {
        let all = three();
        let cases = [
            (None, Some(2)),
            (Some(0), Some(0)),
            (Some(100), Some(0)),
            (Some(149), Some(0)),
            (Some(150), Some(0)),
            (Some(151), Some(1)),
            (Some(299), Some(1)),
            (Some(301), Some(2)),
            (Some(9_999), Some(2)),
        ];
        for (wanted, right) in cases {
            assert_eq!(nearest(&all, wanted.map(at)), right, "{wanted:?}");
        }
        assert_eq!(nearest(&[], None), None);
        assert_eq!(nearest(&[], Some(at(5))), None);
    }

    #[test]
    fn a_time_map_is_a_list_of_links() {
        let text = timemap(NAMES, &three());
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(
            lines,
            [
                "<http://www.example.jp/about>;rel=\"original\",",
                "</t/about>;rel=\"self\";type=\"application/link-format\";from=\"Thu, 01 Jan 1970 00:01:40 GMT\";until=\"Thu, 01 Jan 1970 00:06:40 GMT\",",
                "</g/about>;rel=\"timegate\",",
                "</m/100/about>;rel=\"first memento\";datetime=\"Thu, 01 Jan 1970 00:01:40 GMT\",",
                "</m/200/about>;rel=\"memento\";datetime=\"Thu, 01 Jan 1970 00:03:20 GMT\",",
                "</m/400/about>;rel=\"last memento\";datetime=\"Thu, 01 Jan 1970 00:06:40 GMT\"",
            ]
        );
        assert!(
            timemap(NAMES, &three()[..1])
                .ends_with("rel=\"first last memento\";datetime=\"Thu, 01 Jan 1970 00:01:40 GMT\"\n")
        );
        assert!(timemap(NAMES, &[]).ends_with("</g/about>;rel=\"timegate\"\n"));
    }

    #[test]
    fn a_version_names_its_neighbours() {
        let all = three();
        assert!(!links(NAMES, &all, None).contains("memento\"; datetime"));
        let first = links(NAMES, &all, Some(0));
        assert!(
            first.contains("</m/100/about>; rel=\"memento\"")
                && first.contains("</m/200/about>; rel=\"next memento\"")
        );
        assert!(!first.contains("prev memento"));
        let last = links(NAMES, &all, Some(2));
        assert!(last.contains("</m/200/about>; rel=\"prev memento\"") && !last.contains("next memento"));
    }

    #[test]
    fn an_uri_stays_within_its_brackets() {
        let odd = Names { original: "http://e/a>;rel=\"x\" é", ..NAMES };
        assert!(links(odd, &[], None).starts_with("<http://e/a%3E;rel=%22x%22%20%C3%A9>; rel=\"original\""));
    }

    #[test]
    fn a_wanted_time_is_one_date() {
        let date: &[u8] = b"Thu, 01 Jan 1970 00:01:40 GMT";
        let cases: [(&[&[u8]], Wanted); 5] = [
            (&[], Wanted::Newest),
            (&[date], Wanted::At(at(100))),
            (&[date, date], Wanted::Unclear),
            (&[b"yesterday"], Wanted::Unclear),
            (&[b"\xff"], Wanted::Unclear),
        ];
        for (values, right) in cases {
            assert_eq!(wanted(values.iter().copied()), right, "{values:?}");
        }
    }

    #[test]
    fn a_page_is_named_by_its_url_or_its_path() {
        let cases = [
            ("http://www.example.jp/about?x=1", Some((Some("www.example.jp"), "/about?x=1"))),
            ("https://WWW.example.jp:8443/about", Some((Some("WWW.example.jp"), "/about"))),
            ("http:/www.example.jp/about", Some((Some("www.example.jp"), "/about"))),
            ("http://www.example.jp", Some((Some("www.example.jp"), "/"))),
            ("http://www.example.jp?x=1", Some((Some("www.example.jp"), "/?x=1"))),
            // it is compared with the site's own
            ("http://www.example.jp@evil.example/", Some((Some("www.example.jp@evil.example"), "/"))),
            ("http://www.example.jp//evil.example/", None),
            ("about?x=1", Some((None, "/about?x=1"))),
            ("ftp://www.example.jp/about", Some((None, "/ftp://www.example.jp/about"))),
            ("", Some((None, "/"))),
            ("/evil.example/about", None),
        ];
        for (rest, right) in cases {
            assert_eq!(page(rest).as_ref().map(|(host, path)| (*host, &**path)), right, "{rest}");
        }
    }
}
