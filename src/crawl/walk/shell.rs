//! Programs that run in the browser. Such a site answers each address that it does not know as a file with the same small
//! page, 200, whose script then shows what the address means. No crawl can find all these addresses; but whoever has that
//! page and its scripts has them all. So the crawl asks for a random address, and where that gives the front page, and
//! the front page is such a shell, the snapshot's record says so: in an outage the shell answers addresses of pages that the
//! snapshot lacks, as the site does itself.

use super::Crawl;
use super::missing_page::{ProbeResponse, ask};
use super::results::FetchResult;
use crate::content::charset;
use crate::content::media::Media;
use crate::content::same::same_but_for_tokens;
use crate::content::tags::{Comments, HtmlToken, Tags};
use crate::content::text_size::visible;
use crate::crawl::transport::Fetch;

/// Where a program begins.
pub(super) const SHELL: &str = "/";

/// Characters that can be read on a shell at most: "Loading", or a word to those who have no scripts.
const MOST_TEXT: u32 = 600;

impl<F: Fetch> Crawl<'_, F> {
    /// Whether `missing`, the answer to a random path, is the front page of a program that runs in the browser.
    pub(super) async fn is_shell(&mut self, missing: &ProbeResponse) -> bool {
        let stored = |result: &FetchResult| matches!(result, FetchResult::Stored(stored) if stored.is_page);
        if missing.status != 200 || !self.results.get(SHELL).is_some_and(stored) || !is_shell(missing) {
            return false;
        }
        let home = ask(self.fetcher, SHELL).await;
        home.is_some_and(|home| home.status == 200 && same_but_for_tokens(&home.body, &missing.body))
    }
}

/// Whether a page is little more than the script that it loads.
fn is_shell(page: &ProbeResponse) -> bool {
    if page.content_type.as_deref().map(Media::of_type) != Some(Media::Html) {
        return false;
    }
    let (html, _) = charset::html(&page.body, page.content_type.as_deref());
    let loads = |token: HtmlToken<'_>| matches!(token, HtmlToken::Tag(tag) if tag.starts("script") && tag.attribute("src").is_some());
    Tags::of(&html, Comments::Html).any(loads) && visible(&html).text <= MOST_TEXT
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shell_is_little_more_than_its_script() {
        let long = format!("<script src=a.js></script><p>{}", "word ".repeat(200));
        for (content_type, body, expected) in [
            ("text/html", "<!doctype html><div id=root></div><script type=module src=/a.js></script>", true),
            (
                "TEXT/HTML; charset=utf-8",
                "<SCRIPT defer SRC='/a.js'></SCRIPT><noscript>Please.</noscript>",
                true,
            ),
            ("text/html", "<p>No such page", false),
            ("text/html", "<script>var x = 1</script>", false),
            ("text/html", &long, false),
            ("application/json", "<script src=/a.js></script>", false),
        ] {
            let page =
                ProbeResponse { status: 200, body: body.into(), content_type: Some(content_type.to_owned()) };
            assert_eq!(is_shell(&page), expected, "{body}");
        }
    }
}
