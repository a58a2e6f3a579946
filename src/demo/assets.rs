//! Everything of the shop that is not a page: style, script, pictures, drawings, the menu. Made once, never changed,
//! named by its hash where a page can say so.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use bytes::Bytes;
use minijinja::value::Serde;
use minijinja::{Environment, Value};

use super::catalog::catalog;
use super::menu;

/// A file of the shop.
pub(super) struct Asset {
    /// Its media type.
    pub content_type: &'static str,
    /// Its bytes.
    pub bytes: Bytes,
    /// Its strong validator, with quotes.
    pub etag: String,
}

impl Asset {
    fn new(content_type: &'static str, bytes: impl Into<Bytes>) -> Asset {
        let bytes = bytes.into();
        let etag = format!("\"{}\"", &blake3::hash(&bytes).to_hex()[..16]);
        Asset { content_type, bytes, etag }
    }

    /// What a page puts after `?v=`.
    pub(super) fn version(&self) -> &str {
        self.etag.get(1..9).unwrap_or_default()
    }
}

/// The file at `path`.
pub(super) fn find(path: &str) -> Option<&'static Asset> {
    ASSETS.get(path)
}

/// Every path that [`find`] knows.
#[cfg(test)]
pub(super) fn paths() -> impl Iterator<Item = &'static str> {
    ASSETS.keys().map(String::as_str)
}

static ASSETS: LazyLock<BTreeMap<String, Asset>> = LazyLock::new(|| {
    let mut all = BTreeMap::new();
    for (path, kind, bytes) in FILES {
        all.insert((*path).to_owned(), Asset::new(kind, *bytes));
    }
    for (slug, drawing) in drawings() {
        all.insert(format!("/images/{slug}.svg"), Asset::new(SVG, drawing));
    }
    all.insert("/menu.pdf".to_owned(), Asset::new("application/pdf", menu::pdf(catalog())));
    all
});

const SVG: &str = "image/svg+xml";
const PNG: &str = "image/png";
const CSS: &str = "text/css; charset=utf-8";

type File = (&'static str, &'static str, &'static [u8]);

/// Pictures are the SVG files of the same name, drawn at the size in the name.
const FILES: &[File] = &[
    ("/assets/style.css", CSS, include_bytes!("assets/style.css")),
    ("/assets/print.css", CSS, include_bytes!("assets/print.css")),
    ("/assets/shop.js", "text/javascript; charset=utf-8", include_bytes!("assets/shop.js")),
    ("/assets/waves.svg", SVG, include_bytes!("assets/waves.svg")),
    ("/assets/favicon.svg", SVG, include_bytes!("assets/favicon.svg")),
    ("/favicon.ico", "image/x-icon", include_bytes!("assets/favicon.ico")),
    ("/images/map.svg", SVG, include_bytes!("drawings/map.svg")),
    ("/images/hero-1280.png", PNG, include_bytes!("pictures/hero-1280.png")),
    ("/images/hero-640.png", PNG, include_bytes!("pictures/hero-640.png")),
    ("/images/tasting-800.png", PNG, include_bytes!("pictures/tasting-800.png")),
    ("/images/tasting-400.png", PNG, include_bytes!("pictures/tasting-400.png")),
    ("/images/market-800.png", PNG, include_bytes!("pictures/market-800.png")),
    ("/images/market-400.png", PNG, include_bytes!("pictures/market-400.png")),
    ("/images/painting-800.png", PNG, include_bytes!("pictures/painting-800.png")),
    ("/images/painting-400.png", PNG, include_bytes!("pictures/painting-400.png")),
];

/// One drawing for every product, by its slug.
#[expect(clippy::expect_used, reason = "compiled in, and drawn by every test of the shop")]
fn drawings() -> Vec<(&'static str, String)> {
    let mut templates = Environment::new();
    for (name, drawing) in [
        ("canister", include_str!("drawings/canister.svg")),
        ("yunomi", include_str!("drawings/yunomi.svg")),
        ("kyusu", include_str!("drawings/kyusu.svg")),
        ("chawan", include_str!("drawings/chawan.svg")),
        ("mamezara", include_str!("drawings/mamezara.svg")),
        ("vase", include_str!("drawings/vase.svg")),
    ] {
        templates.add_template(name, drawing).expect("the drawings are well formed");
    }
    let draw = |drawing: &str, colours: Value| {
        templates.get_template(drawing).and_then(|t| t.render(colours)).expect("the drawings are well formed")
    };
    let products = catalog().products.iter();
    products.map(|p| (p.slug.as_str(), draw(&p.drawing, Serde(&p.canister).into()))).collect()
}
