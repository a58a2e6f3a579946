//! Forms are read where they stand, and sorted.

use proptest::prelude::*;

use super::samples::{KEPT, NEVER, Sample};
use super::*;
use crate::content::document::Document;

fn to<'a>(action: &'a str, page: &'a str) -> SendsTo<'a> {
    let own = "https://www.example.jp";
    match action {
        "" => SendsTo::Here(page),
        _ if action.starts_with(own) => SendsTo::Here(&action[own.len()..]),
        _ if action.starts_with("https:") => SendsTo::Elsewhere,
        _ if action.starts_with("mailto:") => SendsTo::Nowhere,
        _ => SendsTo::Here(action),
    }
}

fn check(samples: &[Sample]) {
    for sample in samples {
        let page = Document::new(sample.html.as_bytes(), Some("text/html; charset=utf-8"));
        let forms = read(&page);
        assert_eq!(forms.len(), 1, "{}", sample.name);
        let form = &forms[0];
        let (kind, reason) = sort(form, to(&form.action, sample.page));
        assert_eq!(kind, sample.kind, "{}: {reason:?} {form:#?}", sample.name);
        let tokens: Vec<&str> =
            form.fields.iter().filter(|field| field.is_token).map(|field| &*field.name).collect();
        assert_eq!((&*tokens, form.has_captcha), (sample.tokens, sample.has_captcha), "{}", sample.name);
        assert!(form.fields.iter().all(|field| field.range.end <= form.range.end), "{}", sample.name);
    }
}

#[test]
fn what_may_be_kept_is_found() {
    check(KEPT);
    assert!(KEPT.iter().all(|sample| sample.kind.may_be_kept()));
}

#[test]
fn what_may_not_be_kept_never_is() {
    check(NEVER);
    assert!(NEVER.iter().all(|sample| !sample.kind.may_be_kept()));
    assert!(KEPT.len() + NEVER.len() >= 55);
}

#[test]
fn a_secret_is_known_before_it_is_sent() {
    for (fields, expected) in [
        ("<input name=name><input type=password>", true),
        ("<input name=cc_no>", true),
        ("<input type=hidden name=pwd value=x>", true),
        ("<input type=hidden name=cc_no value=1>", true),
        ("<input type=hidden name=n value='4111 1111 1111 1111'>", true),
        ("<input name=pass hidden value=x>", true),
        // what is not sent, or empty, is not refused
        ("<input type=hidden name=pwd>", false),
        ("<input type=hidden value='4111 1111 1111 1111'>", false),
        ("<input name=name value=x><input type=hidden name=token value=x>", false),
    ] {
        let html = format!("<form method=post>{fields}</form>");
        let page = Document::new(html.as_bytes(), Some("text/html; charset=utf-8"));
        assert_eq!(read(&page)[0].has_secret(), expected, "{fields}");
    }
}

/// Whatever else is in a form: with one of these it is not kept.
#[test]
fn one_field_is_enough_to_keep_nothing() {
    for field in [
        "<input type=password name=p>",
        "<input name=x autocomplete='section-a cc-number'>",
        "<input name=x autocomplete=one-time-code>",
        "<input type=file name=f>",
        "<input type=hidden name=_method value=put>",
        "<input type=hidden name=action value=logout>",
        "<button name=delete>x</button>",
        "<button formaction=/elsewhere>x</button>",
        "<legend>Account</legend>",
        "パスワード<input name=x>",
    ] {
        for sample in KEPT {
            let html = sample.html.replace("</form>", &format!("{field}</form>"));
            let page = Document::new(html.as_bytes(), Some("text/html; charset=utf-8"));
            let forms = read(&page);
            let (kind, _) = sort(&forms[0], to(&forms[0].action, sample.page));
            assert!(!kind.may_be_kept(), "{} with {field}: {kind:?}", sample.name);
        }
    }
}

#[test]
fn a_form_is_read_with_all_that_belongs_to_it() {
    let html = "<h2>Write &amp; ask</h2><input form=f name=before>\
                <FORM ID=f ACTION=' /send?a=1&amp;b=2 ' METHOD=Post enctype=multipart/form-data>\
                <fieldset><legend>You</legend><label for=n>Name</label> <input id=n name=n required autocomplete=name>\
                <select name=s><option>one<option>two</select><textarea name=t>a <b> &lt;</textarea>\
                <input type=hidden name=h value='&quot;x'><button type=button>no</button>\
                <button name=go value=1><b>Send</b> it</button></fieldset></FORM>\
                <input name=nobody><input type=submit form=f value=Now>";
    let page = Document::new(html.as_bytes(), Some("text/html"));
    let forms = read(&page);
    let [form] = &*forms else { panic!("{forms:?}") };
    assert_eq!(
        (&*form.action, form.method, form.enctype),
        ("/send?a=1&b=2", FormMethod::Post, FormCoding::Multipart)
    );
    assert_eq!((&*form.heading, &*form.words), ("Write & ask", "You"));
    assert!(html[form.range.clone()].starts_with("<FORM") && html[form.range.clone()].ends_with("</FORM>"));
    let fields: Vec<String> = form
        .fields
        .iter()
        .map(|field| format!("{:?} {}={} ({})", field.kind, field.name, field.value, field.label))
        .collect();
    let expected = [
        "Text n= (Name You Name)",
        "Select s= ()",
        "TextArea t=a <b> < ()",
        "Hidden h=\"x ()",
        "Button = (no)",
        "Submit go=1 (Send it)",
        "Text before= ()",
        "Submit =Now (Now)",
    ];
    assert_eq!(fields, expected);
    let buttons: Vec<&str> = form.buttons().map(|button| &html[button.range.clone()]).collect();
    assert_eq!(
        buttons,
        ["<button name=go value=1><b>Send</b> it</button>", "<input type=submit form=f value=Now>"]
    );
    assert!(form.fields[0].is_required && form.fields[0].autocomplete == "name" && form.fields[3].is_hidden);
}

#[test]
fn the_heading_before_a_form_is_found() {
    let far = "x".repeat(10_000);
    for (before, expected) in [
        ("<h1>A</h1><h3 class=x>Write <b>to</b> &amp; ask</h3><p>now</p>", "Write to & ask"),
        ("<h2>A</h2><header>Newsletter</header>", "A"),
        ("<header>Newsletter</header>", ""),
        (&format!("<h2>A</h2>{far}"), ""),
        ("</h2>", ""),
    ] {
        let html = format!("{before}<form method=post><input name=a></form>");
        assert_eq!(read(&Document::new(html.as_bytes(), None))[0].heading, expected, "{before:.40}");
    }
}

#[test]
fn forms_that_are_written_wrongly_are_read_as_browsers_do() {
    let names = |html: &str| -> Vec<String> {
        let page = Document::new(html.as_bytes(), Some("text/html"));
        let forms = read(&page);
        let of =
            |form: &PageForm<'_>| form.fields.iter().map(|field| field.name.to_string()).collect::<Vec<_>>();
        forms.iter().map(|form| of(form).join(",")).collect()
    };
    for (html, expected) in [
        ("", &[][..]),
        ("<p>no forms, <input name=a>", &[]),
        ("<form><input name=a>", &["a"]),
        ("<form><input name=a><form><input name=b></form><input name=c>", &["a,b"]),
        ("<form><input name=a></form></form><form><input name=b></form>", &["a", "b"]),
        ("<!-- <form> --><script>'<form>'</script><textarea><form></textarea>", &[]),
        ("<template><form><input name=a></form></template><form><input name=b></form>", &["b"]),
        ("<form id=x><input name=a form=y></form><form id=y></form>", &["", "a"]),
        ("<form><button name=a><input name=b></form>", &["b,a"]),
        ("<form><select name=a><form><input name=b", &["a"]),
        ("<form><input name=a></form", &["a"]),
    ] {
        assert_eq!(names(html), expected, "{html}");
    }
}

#[test]
fn pages_of_machines_are_read_within_bounds() {
    let many = "<form method=post><textarea name=a></textarea></form>".repeat(MAX_FORMS * 3);
    assert_eq!(read(&Document::new(many.as_bytes(), None)).len(), MAX_FORMS);
    let fields = "<input name=email>".repeat(MAX_FIELDS * 3);
    let large = format!("<form method=post action=/contact>{fields}<textarea name=b></textarea></form>");
    let page = Document::new(large.as_bytes(), None);
    let forms = read(&page);
    assert_eq!((forms[0].fields.len(), forms[0].is_cut), (MAX_FIELDS, true));
    assert_eq!(sort(&forms[0], SendsTo::Here("/contact")), (FormKind::Other, FormReason::TooLarge));
    let words = "<form>".to_owned() + &"<h2>words あ</h2>".repeat(10_000);
    assert!(read(&Document::new(words.as_bytes(), None))[0].words.len() <= 1100);
}

proptest! {
    #[test]
    fn garbage_is_read(html in "(<form|<input|<button|<label|<textarea|</form>|</button>|<h1>|<template>| name=|'|\"|>|あ|[a-z =&;]){0,60}") {
        let page = Document::new(html.as_bytes(), Some("text/html; charset=utf-8"));
        for form in read(&page) {
            let _ = sort(&form, SendsTo::Here("/"));
            prop_assert!(page.html().get(form.range.clone()).is_some());
            for field in &form.fields {
                prop_assert!(page.html().get(field.range.clone()).is_some());
            }
        }
    }
}
