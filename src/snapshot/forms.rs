//! What a snapshot knows about the site's forms: each once, by where and how it is sent. Stored with the manifest as
//! `forms.json`. Names of fields and what they take, never what is in them: that may be somebody's own.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::content::forms::{FieldType, FormKind, FormMethod, FormReason};

/// The version that is written.
const VERSION: u32 = 1;
/// How many forms are remembered.
const MAX_FORMS: usize = 200;
/// Bytes of a field's name that are remembered.
const MAX_NAME: usize = 100;

/// The forms of a site.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SiteForms {
    version: u32,
    /// In the order of their paths.
    forms: Vec<SiteForm>,
    /// How often a form was found for which there was no room.
    left_out: u64,
}

/// A form of a site.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SiteForm {
    /// Where it is sent to: the path, `//host/path` where that is another host, `mailto:` where it is no server.
    pub path: String,
    /// How it is sent.
    pub method: FormMethod,
    /// What it is for.
    pub kind: FormKind,
    /// Why that is believed.
    pub reason: FormReason,
    /// The page that it stands on: the one that it is sent to, or else the first that was read.
    pub page: String,
    /// How many pages it stands on.
    pub pages: u64,
    /// Its fields.
    pub fields: Vec<NamedField>,
    /// Whether it asks for a proof that its visitor is a human: what was kept could not be delivered later.
    pub has_captcha: bool,
    /// The names of fields with tokens that expire.
    pub tokens: Vec<String>,
}

/// A field of a form, without what is in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NamedField {
    /// The name that it is sent by.
    pub name: String,
    /// What it takes.
    #[serde(rename = "type")]
    pub kind: FieldType,
}

impl NamedField {
    /// A field of this name, as far as a name is remembered.
    pub fn new(name: &str, kind: FieldType) -> NamedField {
        NamedField { name: name[..name.floor_char_boundary(MAX_NAME)].to_owned(), kind }
    }
}

impl SiteForms {
    /// Reads what a crawl has left; `None` if it is not there, or of another version.
    pub fn read(value: Option<serde_json::Value>) -> Option<SiteForms> {
        serde_json::from_value::<SiteForms>(value?).ok().filter(|read| read.version == VERSION)
    }

    /// All of them, in the order of their paths.
    pub fn iter(&self) -> impl Iterator<Item = &SiteForm> {
        self.forms.iter()
    }

    /// How often a form was found for which there was no room.
    pub fn left_out(&self) -> u64 {
        self.left_out
    }

    /// What is looked for, if this is the address of a search of the site: one that a form of it sends there, in the address.
    /// Its other parameters do not matter, nor does a slash at the end of its path.
    pub fn search_of(&self, key: &str) -> Option<SiteSearch<'_>> {
        let (path, query) = key.split_once('?')?;
        let bare = |path: &str| path.trim_end_matches('/').len();
        let is_sent = |form: &&SiteForm| {
            form.kind == FormKind::Search
                && form.method == FormMethod::Get
                && form.path.starts_with('/')
                && !form.path.starts_with("//")
                && form.path[..bare(&form.path)] == path[..bare(path)]
        };
        self.forms.iter().filter(is_sent).find_map(|form| {
            let field = form.search_field()?;
            let mut pairs = query.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")));
            let (_, value) = pairs.find(|(name, _)| decoded(name) == field.as_bytes())?;
            Some(SiteSearch { form, field, typed: decoded(value) })
        })
    }
}

/// A search of the site: something was typed into a form that looks it up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SiteSearch<'a> {
    /// The form.
    pub form: &'a SiteForm,
    /// The name of the field.
    pub field: &'a str,
    /// What was typed, in the encoding of the page.
    pub typed: Vec<u8>,
}

/// A part of `application/x-www-form-urlencoded`.
fn decoded(part: &str) -> Vec<u8> {
    let spaced: Vec<u8> = part.bytes().map(|b| if b == b'+' { b' ' } else { b }).collect();
    percent_encoding::percent_decode(&spaced).collect()
}

/// Gathers the forms of a site, page by page.
#[derive(Clone, Debug, Default)]
pub struct GatheredForms {
    known: BTreeMap<(String, FormMethod), SiteForm>,
    left_out: u64,
}

impl GatheredForms {
    /// Records the forms of one page. Where two forms are sent to the same address and only one of them may be kept, neither
    /// may: by what is sent they could not be told from each other.
    pub fn note(&mut self, on_page: &[SiteForm]) {
        for (n, form) in on_page.iter().enumerate() {
            let is_first = !on_page[..n].iter().any(|other| form.is_sent_like(other));
            let room = self.known.len() < MAX_FORMS;
            let Some(known) = self.known.get_mut(&(form.path.clone(), form.method)) else {
                match room {
                    true => _ = self.known.insert((form.path.clone(), form.method), form.clone()),
                    false => self.left_out += 1,
                }
                continue;
            };
            known.pages += u64::from(is_first);
            known.has_captcha |= form.has_captcha;
            // One that looks something up has the name of the field for it.
            let is_search = known.kind == FormKind::Other && form.kind == FormKind::Search;
            let is_stricter = is_search || known.kind.may_be_kept() && !form.kind.may_be_kept();
            if is_stricter {
                (known.kind, known.reason) = (form.kind, form.reason);
                (known.fields, known.tokens) = (form.fields.clone(), form.tokens.clone());
            }
            if is_stricter || form.page == form.path {
                known.page.clone_from(&form.page);
            }
        }
    }

    /// All of them.
    pub fn done(self) -> SiteForms {
        SiteForms { version: VERSION, forms: self.known.into_values().collect(), left_out: self.left_out }
    }
}

impl SiteForm {
    /// The name of the field into which is typed what is looked for.
    fn search_field(&self) -> Option<&str> {
        let mut written =
            self.fields.iter().filter(|field| field.kind.is_written() && !field.name.is_empty());
        let search =
            self.fields.iter().find(|field| field.kind == FieldType::Search && !field.name.is_empty());
        search.or_else(|| written.next()).map(|field| field.name.as_str())
    }

    fn is_sent_like(&self, other: &SiteForm) -> bool {
        self.path == other.path && self.method == other.method
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(path: &str, kind: FormKind, page: &str) -> SiteForm {
        SiteForm {
            path: path.to_owned(),
            method: FormMethod::Post,
            kind,
            reason: FormReason::Words,
            page: page.to_owned(),
            pages: 1,
            fields: vec![NamedField::new("email", FieldType::Email)],
            has_captcha: false,
            tokens: vec!["_token".to_owned()],
        }
    }

    #[test]
    fn a_form_on_many_pages_is_one() {
        let mut gathered = GatheredForms::default();
        for page in ["/", "/a", "/contact"] {
            let twice = form("/contact", FormKind::Contact, page);
            gathered.note(&[twice.clone(), form("/news", FormKind::Newsletter, page), twice]);
        }
        let known = gathered.done();
        let short: Vec<_> = known.iter().map(|form| (&*form.path, &*form.page, form.pages)).collect();
        assert_eq!(short, [("/contact", "/contact", 3), ("/news", "/", 3)]);
    }

    #[test]
    fn of_two_forms_with_one_address_the_one_that_may_not_be_kept_counts() {
        for kinds in [[FormKind::Contact, FormKind::Login], [FormKind::Login, FormKind::Contact]] {
            let mut gathered = GatheredForms::default();
            for (kind, page) in kinds.into_iter().zip(["/a", "/b"]) {
                gathered.note(&[form("/index.php", kind, page)]);
            }
            let known = gathered.done();
            let kinds: Vec<_> = known.iter().map(|form| (form.kind, form.pages)).collect();
            assert_eq!(kinds, [(FormKind::Login, 2)]);
        }
    }

    #[test]
    fn a_search_is_told_by_its_path_and_the_name_of_its_field() {
        let search = |path: &str, method, names: &[(&str, FieldType)]| SiteForm {
            method,
            fields: names.iter().map(|(name, kind)| NamedField::new(name, *kind)).collect(),
            ..form(path, FormKind::Search, "/")
        };
        let (hidden, text) = (FieldType::Hidden, FieldType::Text);
        let mut gathered = GatheredForms::default();
        gathered.note(&[
            SiteForm { method: FormMethod::Get, ..form("/", FormKind::Other, "/") },
            search("/", FormMethod::Get, &[("lang", hidden), ("s", FieldType::Search)]),
            search("/find", FormMethod::Get, &[("q[all]", text), ("max", text)]),
            search("/post", FormMethod::Post, &[("q", text)]),
            search("//google.example/search", FormMethod::Get, &[("q", text)]),
            SiteForm { method: FormMethod::Get, ..form("/list", FormKind::Contact, "/") },
        ]);
        let forms = gathered.done();
        let typed = |key: &str| forms.search_of(key).map(|found| String::from_utf8(found.typed).unwrap());
        for (key, expected) in [
            ("/?s=green+tea", Some("green tea")),
            ("/?lang=ja&s=%E8%8C%B6&paged=2", Some("茶")),
            ("/?s=", Some("")),
            ("/?s", Some("")),
            ("/?lang=ja", None),
            ("/about?s=tea", None),
            ("/", None),
            ("/find/?q%5Ball%5D=a%26b", Some("a&b")),
            ("/find?max=3", None),
            ("/post?q=tea", None),
            ("//google.example/search?q=tea", None),
            ("/list?email=tea", None),
        ] {
            assert_eq!(typed(key).as_deref(), expected, "{key}");
        }
    }

    #[test]
    fn there_is_room_for_so_many() {
        let mut gathered = GatheredForms::default();
        for n in 0..MAX_FORMS + 3 {
            gathered.note(&[form(&format!("/{n}"), FormKind::Contact, "/")]);
        }
        let known = gathered.done();
        assert_eq!((known.iter().count(), known.left_out()), (MAX_FORMS, 3));
        assert!(NamedField::new(&"あ".repeat(99), FieldType::Text).name.len() <= MAX_NAME);
    }

    #[test]
    fn what_is_written_is_read_and_the_first_version_for_ever() {
        let mut gathered = GatheredForms::default();
        gathered.note(&[form("/contact", FormKind::Contact, "/")]);
        let known = gathered.done();
        assert_eq!(SiteForms::read(serde_json::to_value(&known).ok()), Some(known.clone()));
        let sample = r#"{"version":1,"forms":[{"path":"/contact","method":"POST","kind":"contact","reason":"words",
            "page":"/","pages":1,"fields":[{"name":"email","type":"email"}],"has_captcha":false,"tokens":["_token"]}],
            "left_out":0}"#;
        assert_eq!(SiteForms::read(serde_json::from_str(sample).ok()), Some(known));
        assert_eq!(SiteForms::read(serde_json::from_str(&sample.replace(":1,\"f", ":2,\"f")).ok()), None);
        assert_eq!(SiteForms::read(None), None);
    }
}
