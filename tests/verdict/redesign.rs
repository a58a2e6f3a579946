//! The same page after a redesign: everything about it may change but the words that visitors come for.

/// A page made anew: another title, a new header with a sale, a banner about maintenance, a form with a CAPTCHA, other
/// classes, another language, no end tags.
pub(super) fn redesigned(html: &str) -> String {
    let inner = without_attributes(&body_of(html));
    format!(
        "<!doctype html><html lang=eo><meta charset=utf-8><title>All new: our pages in a new dress</title>\
         <link rel=stylesheet href=/v2/site.css><body class=v2>\
         <div class=sale><strong>Summer sale: 50% off, only until Sunday!</strong></div>\
         <div class=notice>Scheduled maintenance: on Sunday from 2:00 to 4:00 our site will be unavailable.</div>\
         <nav><a href=/>Start</a><a href=/shop>Shop</a><a href=/contact>Contact</a></nav>\
         <main>{inner}</main>\
         <form action=/newsletter method=post><input name=mail><div class=g-recaptcha data-sitekey=x></div>\
         <script src=/recaptcha/api.js></script><button>Sign up</button></form>\
         <footer><p>Made anew with love</footer>"
    )
}

/// The same words, as a tool writes them that leaves out what may be left out.
pub(super) fn minified(html: &str) -> String {
    let mut page = html.trim_end();
    for end in ["</html>", "</body>"] {
        let at = page.len().saturating_sub(end.len());
        if page.is_char_boundary(at) && page[at..].eq_ignore_ascii_case(end) {
            page = page[..at].trim_end();
        }
    }
    page.to_owned()
}

fn body_of(html: &str) -> String {
    let lower = html.to_ascii_lowercase();
    let begin = lower.find("<body").and_then(|at| Some(at + lower[at..].find('>')? + 1)).unwrap_or(0);
    let end = lower.rfind("</body").filter(|end| *end >= begin).unwrap_or(html.len());
    html[begin..end].to_owned()
}

/// Without classes and ids, which a redesign gives anew.
fn without_attributes(html: &str) -> String {
    html.replace(" class=", " data-was=").replace(" id=", " data-named=")
}
