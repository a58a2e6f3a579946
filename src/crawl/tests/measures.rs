//! The measures that stand in snapshots: `text` of a page's notes, and all of `character.json`. A crawl compares its own
//! with those of the one before, perhaps of another version of the program, so that reading a page otherwise is losing
//! half a site at the gate. `tests/golden/measures.txt` says what they are; `UPDATE=1` rewrites it, which is a decision.

use std::fmt::Write as _;
use std::path::Path;

use crate::content::document::Document;
use crate::content::shingles::shingles;
use crate::content::text_size::visible;
use crate::verdict::{Learning, Lesson, Look};

/// Markup that readers may take in more than one way.
const ODD: &[(&str, &str)] = &[
    ("nothing", ""),
    ("text alone", "one two  \u{FEFF}three\u{AD}"),
    (
        "quotes",
        "<p class='a>b' title=it's>one</p><a title=\"it's > fine\" href=x>two</a><i a = 'x>y'>z</i> it's <b>'</b>",
    ),
    ("not a tag", "a < b, 1<2 and 3 <4> </> <> <! x> <?php echo '>' ?> end"),
    ("comments", "a<!-- b > c -->d<!--> e --><!---> f --><!-- never closed <p>g"),
    (
        "unseen",
        "<title>T &amp; t</title><noscript>no</noscript><object>o</object><iframe>i</iframe><template>t</template>\
         <noembed>n</noembed><noframes>f</noframes><textarea>shown</textarea><xmp><b></xmp><svg><title>s</title></svg>x",
    ),
    ("scripts", "<SCRIPT>if (a < b) { c('</p>') }</SCRIPT >x<style>a{}</style/>y<script src=x />z</script>w"),
    ("a script that never closes", "one<script>two <p>three"),
    ("a title that never closes", "one<title>two <p>three"),
    ("a tag that never closes", "<html><body><p>one <a href='two > three"),
    ("references", "&amp;&#x3042;&eacute;t&eacute; R&D; & &nbsp;&copy2026 &rsquo;x&hellip; &notareference;"),
    ("scripts of the world", "<html lang=ja-JP>日本語\u{3000}ＡＢ１２ ｶﾅ 한국어 Привет ไทย Ελλάδα ß İ"),
    (
        "names with colons",
        "<o:p>one</o:p><xml:script>two</xml:script><scripted>three</scripted><script-x>four</script-x>",
    ),
    (
        "headings and links",
        "<h1></h1><h2>One <i>t</i>wo</h2><h1>no</h1><a href=https://x.example/a?b=c>y</a><A HREF=//Y.example:8080/>z</a>\
         <form action=http://user@z.example/></form><area href=' https://w.example'><img src='/p/1.jpg'><IMG SRC=/p/2.jpg>",
    ),
    (
        "comments for some browsers",
        "<!--[if lt IE 9]><p>no</p><![endif]-->a<!--[if !IE]><!--><p>b</p><!--<![endif]--><![if !IE]>c<![endif]>d",
    ),
    ("arrows and sums", "x <- y, a <-> b, 1<2>3, <= << <<p>> </3 <é> a<b"),
    (
        "attributes in a heap",
        "<a href='x'title=\"y>z\"class=a>one</a><a/href=//h.example/x/>two</a><p a=b=c>three<p =\"x>y\">four<p \"x>y\">five\
         <form action = 'https://f.example/' =x></form><a href>six</a>",
    ),
    (
        "ends with more",
        "<p>a</p class='x>y'>b<script>c</script x>d<style>e</style/>f<title>g</title h>i</ j>k",
    ),
    ("a comment that never closes", "<html lang=en-GB><body><div>one</div><!-- two -- > three"),
    ("a last bracket", "<html lang=DE><p>one <"),
    ("left open", "<div><table><tr><td>x<p>y</table></ul></div><span>"),
    ("ended", "<html><body><div>x</body></html>"),
];

/// Pages as sites have them.
fn pages() -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/site");
    let files = folder.read_dir().expect("the sample site").map(|entry| entry.expect("an entry").path());
    let mut files: Vec<_> = files.filter(|path| path.extension().is_some_and(|e| e == "html")).collect();
    files.sort();
    let named = |path: &Path| path.file_name().expect("a name").to_string_lossy().into_owned();
    let read = files.iter().map(|path| (named(path), std::fs::read(path).expect("a page")));
    let odd = ODD.iter().map(|(name, html)| ((*name).to_owned(), html.as_bytes().to_vec()));
    odd.chain(read).collect()
}

#[test]
fn stored_measures_do_not_change() {
    let mut learning = Learning::default();
    let mut lines =
        String::from("# page: text of its notes; hashes that its news is told by; what a verdict sees\n");
    for (name, body) in pages() {
        let page = Document::new(&body, Some("text/html"));
        let look = Look::of(&page);
        let words = look.words.iter().fold(0u32, |all, word| all.rotate_left(5) ^ word);
        writeln!(
            lines,
            "{name}: {}; {}; {:?} {} {:?} {} {} {words:08x}",
            visible(page.html()).text,
            shingles(&body).len(),
            look.title,
            look.text,
            look.language,
            if look.ended { "ended" } else { "open" },
            look.words.len(),
        )
        .expect("a line");
        learning.page(&Lesson::of(&page));
    }
    for (_, html) in &ODD[..3] {
        learning.missing_page(404, html.as_bytes(), None);
    }
    let missing = format!("<title>Not found</title><p>There is no such page. {}", ODD[9].1);
    let mut of_one_mind = Learning::default();
    of_one_mind.missing_page(404, missing.as_bytes(), Some("text/html"));
    for (name, learning) in [("character", learning), ("missing", of_one_mind)] {
        let written = serde_json::to_string_pretty(&learning.done().written()).expect("JSON");
        writeln!(lines, "\n# {name}\n{written}").expect("a line");
    }
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/measures.txt");
    if std::env::var_os("UPDATE").is_some_and(|update| update == "1") {
        crate::disk::write_atomic(&golden, lines.as_bytes()).expect("written");
    }
    let expected = std::fs::read_to_string(&golden).unwrap_or_default();
    assert!(lines == expected, "what snapshots have is measured otherwise now:\n{lines}");
}
