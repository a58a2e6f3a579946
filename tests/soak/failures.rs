//! What befalls the server: any failure of the vocabulary, everywhere or on a branch.

use std::path::Path;
use std::sync::Arc;

use super::support::faults::{
    AssetsMissing, ChunkedCut, EmptyBody, Fault, HalfBodyThenClose, HalfBodyThenReset, HalfBodyThenSilence,
    HalfHeadersThenSilence, HeadersThenSilence, Instead, Late, NotHttp, Refuse, ResetInHeaders,
    ResetOnAccept, Silent, Status, Trickle,
};
use super::support::{Page, ms, secs};

/// One failure.
pub struct Failure {
    pub name: &'static str,
    pub under: &'static str,
    pub fault: Arc<dyn Fault>,
}

/// Folders of the kept samples of wrong pages.
const WRONG: [&str; 9] = [
    "application-error",
    "bot-wall",
    "database-error",
    "default-page",
    "directory-listing",
    "gateway-error",
    "parking",
    "php-error",
    "suspended",
];

/// A wrong page as it was seen, with its own status.
fn wrong(random: &mut fastrand::Rng) -> (&'static str, Arc<dyn Fault>) {
    let kind = random.choice(WRONG).unwrap();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/fingerprint/samples").join(kind);
    let mut files: Vec<_> = folder.read_dir().unwrap().flatten().map(|entry| entry.path()).collect();
    files.retain(|file| file.extension().is_some_and(|end| end == "html"));
    files.sort();
    let file = random.choice(&files).unwrap();
    let about = std::fs::read_to_string(file.with_extension("toml")).unwrap_or_default();
    let about: toml::Table = about.parse().unwrap();
    let mut page = Page::html(std::fs::read(file).unwrap());
    if let Some(status) = about.get("status").and_then(toml::Value::as_integer) {
        page = page.status(u16::try_from(status).unwrap());
    }
    for (name, value) in about.get("headers").and_then(toml::Value::as_table).into_iter().flatten() {
        if name != "content-type" {
            page = page.header(name, value.as_str().unwrap());
        }
    }
    println!("    {}", file.display());
    (kind, Arc::new(Instead(page)))
}

/// Any of them. What a healthy site may want to say by itself (404 or 403 on a branch) is not among them.
pub fn pick(random: &mut fastrand::Rng) -> Failure {
    let (name, fault): (&str, Arc<dyn Fault>) = match random.u8(..28) {
        0 => ("refused", Arc::new(Refuse)),
        1 => ("reset on accept", Arc::new(ResetOnAccept)),
        2 => ("reset in the headers", Arc::new(ResetInHeaders)),
        3 => ("not HTTP", Arc::new(NotHttp)),
        4 => ("silent", Arc::new(Silent)),
        5 => ("half headers, then silence", Arc::new(HalfHeadersThenSilence)),
        6 => ("headers, then silence", Arc::new(HeadersThenSilence)),
        7 => ("half a body, then silence", Arc::new(HalfBodyThenSilence)),
        8 => ("half a body, then reset", Arc::new(HalfBodyThenReset)),
        9 => ("half a body, then the end", Arc::new(HalfBodyThenClose)),
        10 => ("chunked, cut", Arc::new(ChunkedCut)),
        11 => ("a byte a second", Arc::new(Trickle)),
        12 => ("five seconds late", Arc::new(Late(secs(5)))),
        13 => ("a little late", Arc::new(Late(ms(random.u64(50..900))))),
        14 => ("a bad status", Arc::new(Status(*random.choice(&[500, 502, 503, 504, 508, 520]).unwrap()))),
        15 => ("empty pages", Arc::new(EmptyBody)),
        16 => ("assets missing", Arc::new(AssetsMissing)),
        17 => ("404 everywhere", Arc::new(Instead(Page::not_found()))),
        18 => ("403 everywhere", Arc::new(Instead(Page::html("<h1>Forbidden</h1>").status(403)))),
        19 => {
            let away = Page::redirect(302, "http://elsewhere.test/lander");
            ("away to another host", Arc::new(Instead(away)))
        }
        _ => wrong(random),
    };
    let whole =
        matches!(name, "404 everywhere" | "403 everywhere" | "away to another host" | "assets missing");
    let under =
        if whole || random.bool() { "/" } else { *random.choice(&["/events", "/about", "/img"]).unwrap() };
    Failure { name, under, fault }
}
