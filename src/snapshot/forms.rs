//! What a snapshot knows about the site's forms: each once, by where and how it is sent. Stored with the manifest as
//! `forms.json`. Names of fields and what they take, never what is in them: that may be somebody's own.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::content::forms::{FieldType, FormKind, FormMethod, FormReason, is_search_name};

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
    /// Whether the page calls it a search (`role=search`).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_marked_search: bool,
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
    /// A slash at the end of its path does not matter.
    pub fn search_of(&self, key: &str) -> Option<SiteSearch<'_>> {
        let (path, query) = key.split_once('?')?;
        let bare = |path: &str| path.trim_end_matches('/').len();
        let is_sent = |form: &&SiteForm| form.path[..bare(&form.path)] == path[..bare(path)];
        self.searches().filter(is_sent).find_map(|form| {
            let (_, field) = form.search_field()?;
            let pairs = query.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")));
            let pairs: Vec<_> = pairs.map(|(name, value)| (decoded(name), decoded(value))).collect();
            let (_, typed) = pairs.iter().find(|(name, _)| name == field.as_bytes())?;
            let is_narrowed = form.is_narrowed(field, &pairs, is_blank(typed));
            Some(SiteSearch { form, field, typed: typed.clone(), is_narrowed })
        })
    }

    /// The forms of the site that look something up, in the address.
    fn searches(&self) -> impl Iterator<Item = &SiteForm> {
        self.forms.iter().filter(|form| {
            let is_here = form.path.starts_with('/') && !form.path.starts_with("//");
            is_here && form.method == FormMethod::Get && form.search_field().is_some()
        })
    }

    /// Takes over the searches of an earlier snapshot that this one lacks and whose pages were carried over: nobody has read them
    /// again. `carried` says which of these pages were.
    pub fn take_over(&mut self, earlier: &SiteForms, carried: impl FnOnce(&[&str]) -> Vec<bool>) {
        let known = |form: &SiteForm| self.forms.iter().any(|known| known.is_sent_like(form));
        let lacking: Vec<&SiteForm> = earlier.searches().filter(|form| !known(form)).collect();
        if lacking.is_empty() {
            return;
        }
        let carried = carried(&lacking.iter().map(|form| &*form.page).collect::<Vec<_>>());
        let taken = lacking.into_iter().zip(carried).filter(|(_, carried)| *carried);
        self.forms
            .extend(taken.map(|(form, _)| form.clone()).take(MAX_FORMS.saturating_sub(self.forms.len())));
        self.forms.sort_by(|a, b| (&a.path, a.method).cmp(&(&b.path, b.method)));
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
    /// Whether more was asked than an index of words can tell: something else was written into the form, too, or nothing was typed and
    /// another parameter says what is wanted (a category).
    pub is_narrowed: bool,
}

fn is_blank(value: &[u8]) -> bool {
    value.trim_ascii().is_empty()
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
    /// may: by what is sent they could not be told from each other. Of two searches the clearer one counts, whichever comes first.
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
            let is_search = known.kind == FormKind::Other && form.kind == FormKind::Search
                || known.kind == FormKind::Search && form.is_clearer_search_than(known);
            let is_stricter = is_search || known.kind.may_be_kept() && !form.kind.may_be_kept();
            if is_stricter {
                (known.kind, known.reason) = (form.kind, form.reason);
                (known.fields, known.tokens) = (form.fields.clone(), form.tokens.clone());
                known.is_marked_search = form.is_marked_search;
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

/// What tells the field of a search, the clearest last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum SearchClue {
    Role,
    Name,
    Type,
}

impl SiteForm {
    /// The name of the field into which is typed what is looked for, and how clear that is: by its type, by its name, by what the page
    /// calls the form. A lone field says nothing: it may take the number of a parcel.
    fn search_field(&self) -> Option<(SearchClue, &str)> {
        if self.kind != FormKind::Search {
            return None;
        }
        let written = || self.fields.iter().filter(|field| field.kind.is_written() && !field.name.is_empty());
        let typed = written().find(|field| field.kind == FieldType::Search);
        let named = || written().find(|field| is_search_name(&field.name));
        let marked = || written().next().filter(|_| self.is_marked_search);
        let found = typed.map(|field| (SearchClue::Type, field));
        let found = found.or_else(|| named().map(|field| (SearchClue::Name, field)));
        let found = found.or_else(|| marked().map(|field| (SearchClue::Role, field)));
        found.map(|(clue, field)| (clue, field.name.as_str()))
    }

    /// Whether its field is clearer; of two that are as clear, it is the one whose name comes first.
    fn is_clearer_search_than(&self, other: &SiteForm) -> bool {
        let rank = |form: &SiteForm| {
            form.search_field().map(|(clue, name)| (clue, std::cmp::Reverse(name.to_owned())))
        };
        rank(self) > rank(other)
    }

    /// See [`SiteSearch::is_narrowed`].
    fn is_narrowed(&self, field: &str, pairs: &[(Vec<u8>, Vec<u8>)], is_empty: bool) -> bool {
        let mut filled = pairs.iter().filter(|(name, value)| name != field.as_bytes() && !is_blank(value));
        filled.any(|(name, _)| {
            let known = self.fields.iter().find(|known| known.name.as_bytes() == name);
            match known.map(|known| known.kind) {
                Some(kind) if kind.is_written() => true,
                // What the form sends by itself.
                Some(FieldType::Hidden | FieldType::Submit) => false,
                Some(_) | None => is_empty,
            }
        })
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
            is_marked_search: false,
        }
    }

    fn search(path: &str, method: FormMethod, names: &[(&str, FieldType)]) -> SiteForm {
        let fields = names.iter().map(|(name, kind)| NamedField::new(name, *kind)).collect();
        SiteForm { method, fields, ..form(path, FormKind::Search, "/") }
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
        let (hidden, text) = (FieldType::Hidden, FieldType::Text);
        let mut gathered = GatheredForms::default();
        gathered.note(&[
            SiteForm { method: FormMethod::Get, ..form("/", FormKind::Other, "/") },
            search("/", FormMethod::Get, &[("lang", hidden), ("s", FieldType::Search)]),
            SiteForm {
                is_marked_search: true,
                ..search("/find", FormMethod::Get, &[("q[all]", text), ("max", text)])
            },
            search("/track", FormMethod::Get, &[("order", text)]),
            search("/item", FormMethod::Get, &[("id", FieldType::Number)]),
            search("/named", FormMethod::Get, &[("id", text), ("Keyword", text)]),
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
            ("/track?order=A123", None),
            ("/item?id=7", None),
            ("/named?keyword=tea", None),
            ("/named?Keyword=tea", Some("tea")),
            ("/post?q=tea", None),
            ("//google.example/search?q=tea", None),
            ("/list?email=tea", None),
        ] {
            assert_eq!(typed(key).as_deref(), expected, "{key}");
        }
    }

    #[test]
    fn a_search_that_asks_for_more_than_words_is_told() {
        let fields = [
            ("lang", FieldType::Hidden),
            ("s", FieldType::Search),
            ("by", FieldType::Text),
            ("go", FieldType::Submit),
            ("in", FieldType::Select),
        ];
        let mut gathered = GatheredForms::default();
        gathered.note(&[search("/", FormMethod::Get, &fields)]);
        let forms = gathered.done();
        for (key, expected) in [
            ("/?s=tea&lang=en&go=Go&in=all&x=1&by=", false),
            ("/?s=tea&by=anybody", true),
            ("/?s=&lang=en&go=Go&in=", false),
            ("/?s=+&product_cat=tea", true),
            ("/?s=&in=books", true),
        ] {
            assert_eq!(forms.search_of(key).unwrap().is_narrowed, expected, "{key}");
        }
    }

    #[test]
    fn of_two_searches_with_one_address_the_clearer_counts_whichever_comes_first() {
        let get = |field: &str, kind| search("/list", FormMethod::Get, &[(field, kind)]);
        let (text, typed) = (FieldType::Text, FieldType::Search);
        let all = [
            get("id", text),
            SiteForm { is_marked_search: true, ..get("any", text) },
            get("q", text),
            get("word", typed),
            get("other", typed),
        ];
        for clear in 1..all.len() {
            let wanted = all[clear].fields[0].name.as_str();
            for turned in [false, true] {
                let mut some = all[..=clear].to_vec();
                if turned {
                    some.reverse();
                }
                let mut gathered = GatheredForms::default();
                some.iter().for_each(|form| gathered.note(std::slice::from_ref(form)));
                let forms = gathered.done();
                let field = forms.iter().next().unwrap().search_field().unwrap().1.to_owned();
                assert_eq!(field, wanted);
            }
        }
    }

    #[test]
    fn a_search_whose_page_was_carried_over_is_taken_over() {
        let known = |forms: &[SiteForm]| {
            let mut gathered = GatheredForms::default();
            gathered.note(forms);
            gathered.done()
        };
        let on = |path: &str, page: &str| SiteForm {
            page: page.to_owned(),
            ..search(path, FormMethod::Get, &[("q", FieldType::Search)])
        };
        let earlier = known(&[
            on("/a", "/carried"),
            on("/b", "/read"),
            on("/c", "/"),
            form("/d", FormKind::Contact, "/"),
        ]);
        let mut forms = known(&[SiteForm { pages: 7, ..on("/c", "/") }]);
        forms.take_over(&earlier, |pages| pages.iter().map(|page| *page == "/carried").collect());
        let short: Vec<_> = forms.iter().map(|form| (&*form.path, form.pages)).collect();
        assert_eq!(short, [("/a", 1), ("/c", 7)]);
        forms.take_over(&earlier, |pages| vec![true; pages.len()]);
        assert_eq!(forms.iter().count(), 3);
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
