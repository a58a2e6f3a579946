//! Pages that lead to somebody else by themselves, where the copy stays: `<meta http-equiv=refresh>`, a script that sets the
//! location, a frame around another site.

use std::net::Ipv4Addr;

use super::super::case::{Finding, Verdict};
use super::super::hosts;
use super::Seen;
use super::redirect::is_own;
use crate::content::links;
use crate::content::tags::{Comments, HtmlToken, Tag, Tags};
use crate::failure::Cause;

/// Bytes of a page in which it leads away.
const LOOKED_AT: usize = 32 * 1024;
/// Seconds after which a page that leads on is still no page to read.
const AT_ONCE: u32 = 5;
/// Visible characters of a page that has something of its own to show.
const OWN_TEXT: u32 = 400;

pub(super) fn judge(seen: &Seen<'_>) -> Verdict {
    let case = seen.case;
    if !seen.is_page_of_success() || !(case.has_page() || case.is_key_page) {
        return Verdict::Good;
    }
    let html = seen.page().html();
    let html = &html[..html.floor_char_boundary(LOOKED_AT)];
    let copy = case.known.and_then(|known| known.look);
    let is_bare = || {
        let text = seen.look().text;
        text < OWN_TEXT && copy.is_none_or(|copy| copy.text > 2 * text + 100)
    };
    let tags = Leads::of(html);
    let target = tags
        .refresh
        .map(|url| ("refresh", url))
        .or_else(|| script(html).filter(|_| is_bare()).map(|url| ("script", url)))
        .or_else(|| tags.frame.filter(|_| is_bare()).map(|url| ("frame", url)));
    let Some((way, host)) = target.and_then(|(way, url)| Some((way, hosts::of_url(url)?))) else {
        return Verdict::Good;
    };
    // a visitor's own machine is nobody's site
    let is_local = host == "localhost" || host.parse::<Ipv4Addr>().is_ok_and(|addr| addr.is_loopback());
    if is_local || is_own(case, &host) {
        return Verdict::Good;
    }
    case.doubtful(Finding::new(Cause::ForeignRedirect, format!("leads to {host} by a {way}")))
}

/// Where the tags of a page lead by themselves.
#[derive(Default)]
struct Leads<'a> {
    /// The first `<meta>` that leads on at once.
    refresh: Option<&'a str>,
    /// The first frame of somebody that is all of the page.
    frame: Option<&'a str>,
}

impl<'a> Leads<'a> {
    fn of(html: &'a str) -> Leads<'a> {
        let mut leads = Leads::default();
        for token in Tags::of(html, Comments::Html) {
            let HtmlToken::Tag(tag) = token else { continue };
            if tag.starts("meta") && leads.refresh.is_none() {
                leads.refresh = refresh(&tag);
            } else if leads.frame.is_none() && (tag.starts("frame") || tag.starts("iframe") && fills(&tag)) {
                leads.frame = tag.attribute("src").filter(|url| hosts::of_url(url).is_some());
            }
        }
        leads
    }
}

/// Where a `<meta>` leads at once.
fn refresh<'a>(meta: &Tag<'a>) -> Option<&'a str> {
    let is_refresh = |value: &str| value.trim().eq_ignore_ascii_case("refresh");
    let content =
        meta.attribute("content").filter(|_| meta.attribute("http-equiv").is_some_and(is_refresh))?;
    let digits = content.trim_start().split(|c: char| !c.is_ascii_digit()).next().unwrap_or_default();
    let wait = digits.parse::<u32>().unwrap_or(0);
    links::html::refresh(content).filter(|_| wait <= AT_ONCE)
}

/// Whether a frame fills the window. Any other, a player for example, is a part of a page.
fn fills(frame: &Tag<'_>) -> bool {
    let sizes = ["100%", "100vh", "fixed"];
    frame.attributes().any(|(_, value)| sizes.iter().any(|size| value.contains(size)))
}

/// Where a script leads at once.
fn script(html: &str) -> Option<&str> {
    html.match_indices("location").find_map(|(at, word)| {
        let rest = &html[at + word.len()..];
        let rest =
            [".href", ".replace", ".assign"].iter().find_map(|way| rest.strip_prefix(way)).unwrap_or(rest);
        let url = rest.trim_start().strip_prefix(['=', '('])?.trim_start().strip_prefix(['"', '\'', '`'])?;
        let url = until(url, &['"', '\'', '`', '<']);
        hosts::of_url(url).map(|_| url)
    })
}

fn until<'a>(text: &'a str, ends: &[char]) -> &'a str {
    &text[..text.find(ends).unwrap_or(text.len())]
}

#[cfg(test)]
mod tests {
    use super::super::super::character::Character;
    use super::super::testing::{Given, PAGE, hold};

    #[test]
    fn a_page_does_not_lead_to_somebody_else() {
        let refresh = |content: &str| {
            format!("<html><meta http-equiv=\"Refresh\" content=\"{content}\"><p>Moved</html>")
        };
        let beside = |html: &str| Given::page(html).instead_of(PAGE);
        let injected =
            PAGE.replace("<head>", "<head><meta http-equiv=refresh content='0; URL=//casino.example/x'>");
        let script = "<script>window.location.href = \"https://casino.example/\";</script></html>";
        let frame = "<frameset><frame src=\"https://other.example/shop/\"></frameset></html>";
        let partner = || Character { hosts: vec!["casino.example".to_owned()], ..Character::default() };
        hold(vec![
            ("by a refresh", beside(&refresh("0;url=https://casino.example/")), "doubtful foreign-redirect"),
            (
                "by a refresh",
                beside(&refresh("0;url=https://casino.example/")).key_page(),
                "bad foreign-redirect",
            ),
            ("by a refresh in the page", beside(&injected), "doubtful foreign-redirect"),
            ("by a script", beside(script), "doubtful foreign-redirect"),
            (
                "by a script",
                beside("<script>top.location.replace('//casino.example')</script></html>"),
                "doubtful foreign-redirect",
            ),
            ("by a frame", beside(frame), "doubtful foreign-redirect"),
            (
                "by a frame that fills the window",
                beside(
                    "<style>p{}</style><iframe src='//other.example/' width=100% height=100%></iframe></html>",
                ),
                "doubtful foreign-redirect",
            ),
            (
                "a player on a short page",
                beside(
                    "<h1>Our film</h1><iframe width=560 height=315 src=https://video.example/1></iframe></html>",
                ),
                "good",
            ),
            (
                "to the visitor's own machine",
                beside("<script>location='http://127.0.0.1:8000/'</script></html>"),
                "good",
            ),
            ("later", beside(&refresh("30; url=https://casino.example/")), "good"),
            ("to itself", beside(&refresh("0; url=/new")), "good"),
            ("again and again", beside(&refresh("5")), "good"),
            ("to a host of the site", beside(&refresh("0; url=https://shop.example.jp/")), "good"),
            ("where its pages lead", Given { character: partner(), ..beside(script) }, "good"),
            ("where nobody knows the page", Given::page(script), "good"),
            ("from a page that always did", Given::page(script).instead_of(script), "good"),
            (
                "a film on a page",
                beside(&PAGE.replace("<h1>", "<iframe src=https://video.example/1></iframe><h1>")),
                "good",
            ),
            (
                "a script of the page",
                beside(&PAGE.replace("</body>", "<script>f=()=>{location='https://pay.example/'}</script>")),
                "good",
            ),
        ]);
    }
}
