//! What a document leads to, as it comes to light: one notebook for the readers of HTML and of XML.

use super::html::{Form, LoginForm, PageLinks, nested};
use super::script::{self, Kind};
use super::{Link, Need, css, json, srcset};

/// Links of one page. A page with more is a machine's.
pub(super) const MAX_LINKS: usize = 20_000;
/// Other names, forms, and fields of a form, of one page.
const MAX_ALIASES: usize = 8;
const MAX_FORMS: usize = 64;
const MAX_FIELDS: usize = 64;
/// Bytes of one script, style or data block in a page.
pub(super) const MAX_BLOCK: usize = 4 * 1024 * 1024;

/// What was found so far, by whichever reader knows a document's tags.
#[derive(Default)]
pub(super) struct Found {
    page: PageLinks,
    /// The text of the `<style>`, `<script>` or `<noscript>` that is being read.
    text: String,
    /// The `type` of the `<script>` that is being read.
    script_type: String,
    /// Whether fields belong to the last of the forms.
    in_form: bool,
}

impl Found {
    /// All of it.
    pub(super) fn into_page(self) -> PageLinks {
        self.page
    }

    /// Records an address.
    pub(super) fn push(&mut self, url: &str, need: Need) {
        let url = url.trim();
        if !url.is_empty() && self.page.links.len() < MAX_LINKS {
            self.page.links.push(Link::new(url, need));
        }
    }

    /// Records another name of the page.
    pub(super) fn alias(&mut self, url: &str) {
        if self.page.aliases.len() < MAX_ALIASES {
            self.page.aliases.push(url.trim().to_owned());
        }
    }

    /// Records a form, which the fields that follow belong to.
    pub(super) fn form(&mut self, action: Option<&str>, method: Option<&str>) {
        let is_get = method.is_none_or(|method| !method.trim().eq_ignore_ascii_case("post"));
        self.in_form = is_get && self.page.forms.len() < MAX_FORMS;
        if self.in_form {
            self.page.forms.push(Form { action: action.unwrap_or_default().to_owned(), names: Vec::new() });
        }
    }

    /// Records a field of the form.
    pub(super) fn field(&mut self, name: Option<&str>) {
        let form = self.page.forms.last_mut().filter(|form| self.in_form && form.names.len() < MAX_FIELDS);
        if let (Some(form), Some(name)) = (form, name.filter(|name| !name.is_empty())) {
            form.names.push(name.to_owned());
        }
    }

    /// Records a `<base>`: the first counts.
    pub(super) fn base(&mut self, href: Option<&str>) {
        let href = href.map(|href| href.trim().to_owned()).filter(|href| !href.is_empty());
        self.page.base = self.page.base.take().or(href);
    }

    /// What the page asks its visitor for.
    pub(super) fn login(&mut self) -> &mut LoginForm {
        &mut self.page.login
    }

    /// Reads declarations of a style.
    pub(super) fn css(&mut self, sheet: &str) {
        for url in css::urls(sheet) {
            self.push(&url, Need::Requisite);
        }
    }

    /// Reads the candidates for a picture.
    pub(super) fn srcset(&mut self, value: &str) {
        for url in srcset::urls(value) {
            self.push(url, Need::Requisite);
        }
    }

    /// Reads a script: in a page, all that it names is found from the page.
    pub(super) fn script(&mut self, text: &str, kind: Kind) {
        let found = script::read(text, kind);
        for link in found.from_page.into_iter().chain(found.from_script) {
            self.push(&link.url, link.need);
        }
    }

    /// Reads a document within the document.
    pub(super) fn document(&mut self, html: &str, deeper: usize) {
        if deeper > 0 {
            let inner = nested(html, deeper - 1);
            let room = MAX_LINKS.saturating_sub(self.page.links.len());
            self.page.links.extend(inner.links.into_iter().take(room));
        }
    }

    /// Keeps a part of a block's text.
    pub(super) fn gather(&mut self, part: &str) {
        if self.text.len() < MAX_BLOCK {
            self.text.push_str(part);
        }
    }

    /// The text that has been gathered.
    pub(super) fn taken(&mut self) -> String {
        std::mem::take(&mut self.text)
    }

    /// Says what kind of script the block that begins is.
    pub(super) fn script_begins(&mut self, kind: Option<&str>) {
        self.text.clear();
        self.script_type = kind.unwrap_or_default().to_owned();
    }

    /// Reads the style whose text has been gathered.
    pub(super) fn style_ends(&mut self) {
        let sheet = std::mem::take(&mut self.text);
        self.css(&sheet);
    }

    /// Reads the script whose text has been gathered, as what it says that it is.
    pub(super) fn script_ends(&mut self) {
        let (kind, text) = (std::mem::take(&mut self.script_type), std::mem::take(&mut self.text));
        self.script_of(Some(&kind), &text);
    }

    /// Reads a script as what its `type` says that it is.
    pub(super) fn script_of(&mut self, kind: Option<&str>, text: &str) {
        match &*kind.unwrap_or_default().trim().to_ascii_lowercase() {
            "" | "module" => self.script(text, Kind::Inline),
            kind if kind.contains("javascript") || kind.contains("ecmascript") => {
                self.script(text, Kind::Inline)
            }
            "application/ld+json" => self.links(json::linked_data(text)),
            "importmap" => self.links(json::import_map(text)),
            "speculationrules" => self.links(json::speculation_rules(text)),
            kind if kind.ends_with("json") => self.script(text, Kind::Data),
            // A template in a language of its own.
            _ => {}
        }
    }

    fn links(&mut self, links: Vec<Link>) {
        for link in links {
            self.push(&link.url, link.need);
        }
    }
}
