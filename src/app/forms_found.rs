//! The forms that the crawl found: what each is for, whether it may be kept, and what to write into the configuration. One place
//! for the admin API and the command line.

use serde_json::{Value, json};

use crate::config::ready;
use crate::selftest::forms::lines;
use crate::snapshot::{SiteForm, SiteForms, Store};

/// What is known of a site's forms. Blocks.
///
/// `{"snapshot", "forms": [{… as `forms.json` has it, "may_be_kept", "why", "why_ja", "named", "lines"}] | null, "left_out"}`:
/// `named` is whether the configuration has a line for it, `lines` what to paste where it may be kept. `forms` is null where
/// nobody looked for them when the snapshot in service was taken.
pub fn found(store: &Store, site: Option<&ready::Site>) -> Value {
    let snapshot = store.current().map(|snapshot| snapshot.id());
    let forms = snapshot.and_then(|id| SiteForms::read(store.forms(&id)));
    shown(snapshot.map(|id| id.to_string()), forms.as_ref(), site)
}

fn shown(snapshot: Option<String>, forms: Option<&SiteForms>, site: Option<&ready::Site>) -> Value {
    let form = |form: &SiteForm| {
        let mut row = json!(form);
        row["may_be_kept"] = form.kind.may_be_kept().into();
        row["why"] = form.reason.sentence().into();
        row["why_ja"] = form.reason.sentence_ja().into();
        row["named"] = site.is_some_and(|site| site.form(&form.path).is_some()).into();
        if form.kind.may_be_kept() {
            row["lines"] = lines(form).into();
        }
        row
    };
    json!({
        "snapshot": snapshot,
        "forms": forms.map(|forms| forms.iter().map(form).collect::<Vec<_>>()),
        "left_out": forms.map(SiteForms::left_out),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_be_kept_has_lines_to_paste() {
        let form = |path: &str, kind: &str, reason: &str, has_captcha: bool| {
            json!({ "path": path, "method": "POST", "kind": kind, "reason": reason, "page": "/x", "pages": 2,
                "fields": [], "has_captcha": has_captcha, "tokens": [] })
        };
        let forms = [
            form("/contact", "contact", "words", false),
            form("/login", "login", "password-field", false),
            form("/a\"b", "contact", "program", true),
        ];
        let forms = SiteForms::read(Some(json!({ "version": 1, "forms": forms, "left_out": 0 })));
        let all = shown(Some("id".to_owned()), forms.as_ref(), None);
        let paste = "[[site.form]]\npath = \"/contact\"\npage = \"/x\"\nkeep = true\n";
        assert_eq!(all["forms"][0]["lines"], paste);
        assert_eq!(
            (&all["forms"][1]["lines"], &all["forms"][1]["may_be_kept"]),
            (&Value::Null, &json!(false))
        );
        assert_eq!(all["forms"][1]["why"], "it asks for a password");
        assert!(all["forms"][2]["lines"].as_str().unwrap().starts_with("# has a captcha"));
        assert!(all["forms"][2]["lines"].as_str().unwrap().contains("path = \"/a\\\"b\""));
        assert_eq!(shown(None, None, None)["forms"], Value::Null);
    }
}
