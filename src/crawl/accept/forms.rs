//! The forms of a page, by where on this site, or elsewhere, they are sent.

use std::borrow::Cow;

use encoding_rs::Encoding;
use url::Url;

use crate::ask::key::path_of;
use crate::content::document::Document;
use crate::content::forms::{FormField, PageForm, SendsTo, read, sort};
use crate::content::links::resolve::resolve;
use crate::crawl::scope::{Place, Scope};
use crate::snapshot::{NamedField, SiteForm};

/// Bytes of a path that are remembered. A longer one was made by a program, for one visitor.
const MAX_PATH: usize = 1000;

/// The forms of the page with this key, without what is in their fields. `base`: what its addresses are relative to.
pub(super) fn found(
    key: &str,
    page: &Document<'_>,
    scope: &Scope,
    (base, encoding): (&Url, &'static Encoding),
) -> Vec<SiteForm> {
    let of = |form: PageForm<'_>| {
        let address = address(key, &form, scope, (base, encoding));
        let (path, to) = match &address {
            Address::Here(key) => (path_of(key), SendsTo::Here(key)),
            Address::Elsewhere(place) => (&**place, SendsTo::Elsewhere),
            Address::Nowhere(scheme) => (&**scheme, SendsTo::Nowhere),
        };
        let (kind, reason) = sort(&form, to);
        (path.len() <= MAX_PATH).then(|| SiteForm {
            path: path.to_owned(),
            method: form.method,
            kind,
            reason,
            page: key.to_owned(),
            pages: 1,
            fields: named(&form).map(|field| NamedField::new(&field.name, field.kind)).collect(),
            has_captcha: form.has_captcha,
            tokens: named(&form).filter(|field| field.is_token).map(name).collect(),
            is_marked_search: form.role.eq_ignore_ascii_case("search"),
        })
    };
    read(page).into_iter().filter_map(of).collect()
}

fn named<'a>(form: &'a PageForm<'_>) -> impl Iterator<Item = &'a FormField<'a>> {
    form.fields.iter().filter(|field| !field.name.is_empty())
}

fn name(field: &FormField<'_>) -> String {
    NamedField::new(&field.name, field.kind).name
}

/// Where a form is sent, in the words of this site.
enum Address<'a> {
    Here(Cow<'a, str>),
    /// Host and path.
    Elsewhere(String),
    /// The scheme.
    Nowhere(String),
}

fn address<'a>(
    key: &'a str,
    form: &PageForm<'_>,
    scope: &Scope,
    (base, encoding): (&Url, &'static Encoding),
) -> Address<'a> {
    // To the page itself, whatever its `<base>` says.
    if form.action.is_empty() {
        return Address::Here(Cow::Borrowed(key));
    }
    let Some(url) = resolve(base, &form.action, encoding) else { return Address::Nowhere(String::new()) };
    match scope.of_url(&url) {
        Place::Here(key) => Address::Here(Cow::Owned(key)),
        Place::Asset(_) | Place::Elsewhere => {
            Address::Elsewhere(format!("//{}{}", url.host_str().unwrap_or_default(), url.path()))
        }
        Place::Nowhere => Address::Nowhere(format!("{}:", url.scheme())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::content::forms::{FormKind, FormMethod};
    use crate::crawl::scope::test_scope;
    use encoding_rs::UTF_8;

    #[test]
    fn forms_are_told_by_where_they_are_sent_and_their_values_are_not_kept() {
        let scope = test_scope(&["example.jp"]);
        let base = scope.url(true, "example.jp", "/base/").unwrap();
        let html = "<form method=post action='send?id=7#top'><input type=hidden name=csrf value=secret><input name=name>\
                    <textarea name=message>mine</textarea></form>\
                    <form method=post><input type=email name=m><textarea name=message></textarea></form>\
                    <form method=post action=http://www.example.jp/a><input name=q></form>\
                    <form method=post action=https://elsewhere.example/list?u=1><input name=email></form>\
                    <form method=post action=mailto:a@example.jp><input name=a></form>\
                    <form action=http://[><input name=a></form>";
        let page = Document::new(html.as_bytes(), None);
        let forms = found("/contact?x=1", &page, &scope, (&base, UTF_8));
        let short: Vec<_> = forms.iter().map(|form| (&*form.path, form.kind)).collect();
        let expected = [
            ("/base/send", FormKind::Contact),
            ("/contact", FormKind::Contact),
            ("/a", FormKind::Search),
            ("//elsewhere.example/list", FormKind::ElsewhereHost),
            ("mailto:", FormKind::Other),
            ("", FormKind::Search),
        ];
        assert_eq!(short, expected);
        assert_eq!((forms[0].method, &*forms[0].page), (FormMethod::Post, "/contact?x=1"));
        assert_eq!(forms[0].tokens, ["csrf"]);
        let written = serde_json::to_string(&forms).unwrap();
        assert!(!written.contains("secret") && !written.contains("mine"), "{written}");
        let long = format!(
            "<form method=post action=/{}><textarea name=message></textarea></form>",
            "a".repeat(MAX_PATH)
        );
        assert!(found("/", &Document::new(long.as_bytes(), None), &scope, (&base, UTF_8)).is_empty());
    }
}
