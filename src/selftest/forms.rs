//! What would become of each form of the site during an outage. Pure.

use serde_json::json;

use super::finding::{Finding, FindingKind};
use crate::config::ready;
use crate::content::forms::{FormKind, FormMethod};
use crate::snapshot::{SiteForm, SiteForms};

/// What becomes of a form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// Kept, answered, or the owner has said that it is not to be.
    Good,
    /// It opens a page, goes elsewhere, or sends nothing: it is no part of the score.
    Aside,
    /// What is sent is lost.
    Lost,
    /// A search that nobody answers.
    Unanswered,
    /// It cannot work, and nothing of it is kept.
    Never,
}

/// What becomes of the forms: those that are well, all that count, and what is wrong.
pub fn judge(forms: &SiteForms, site: &ready::Site, has_index: bool) -> (u64, u64, Vec<Finding>) {
    let (mut good, mut all, mut findings) = (0, 0, Vec::new());
    for form in forms.iter() {
        let kind = match fate(form, site, has_index) {
            Fate::Good => {
                good += 1;
                all += 1;
                continue;
            }
            Fate::Aside => continue,
            Fate::Never => FindingKind::FormNeverKept,
            Fate::Lost => {
                all += 1;
                FindingKind::FormLost
            }
            Fate::Unanswered => {
                all += 1;
                FindingKind::SearchLost
            }
        };
        let detail = Some(format!("{}: {}", form.kind.code(), form.reason.sentence()));
        let mut finding = Finding::new(kind, &form.path).on(Some(&form.page)).detail(detail);
        finding.lines = (kind == FindingKind::FormLost).then(|| lines(form));
        findings.push(finding);
    }
    (good, all, findings)
}

fn fate(form: &SiteForm, site: &ready::Site, has_index: bool) -> Fate {
    let is_here = form.path.starts_with('/') && !form.path.starts_with("//");
    match (form.kind, form.method) {
        _ if !is_here => Fate::Aside,
        (_, FormMethod::Dialog) => Fate::Aside,
        (FormKind::Search, FormMethod::Get) if has_index => Fate::Good,
        (FormKind::Search, FormMethod::Get) => Fate::Unanswered,
        (_, FormMethod::Get) => Fate::Aside,
        // what the owner has written of it is his will
        (kind, FormMethod::Post) if site.form(&form.path).is_some() => {
            let is_kept = site.kept_form(&form.path).is_some();
            if is_kept || kind.may_be_kept() { Fate::Good } else { Fate::Never }
        }
        (kind, FormMethod::Post) if kind.may_be_kept() => Fate::Lost,
        (_, FormMethod::Post) => Fate::Never,
    }
}

/// The lines for the configuration that have a form kept.
pub fn lines(form: &SiteForm) -> String {
    // What JSON escapes in a text, TOML escapes in the same way.
    let quoted = |text: &str| json!(text).to_string();
    let note =
        if form.has_captcha { "# has a captcha: what is kept can be read, not delivered\n" } else { "" };
    let (path, page) = (quoted(&form.path), quoted(&form.page));
    format!("{note}[[site.form]]\npath = {path}\npage = {page}\nkeep = true\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn site(lines: &str) -> ready::Site {
        let text = format!(
            "[[site]]\nhosts = [\"example.jp\"]\n[[site.origin]]\nurl = \"http://192.0.2.1\"\n{lines}"
        );
        let loaded = crate::config::from_text(
            &text,
            std::path::Path::new("/etc/katahai/katahai.toml"),
            &crate::config::Env::default(),
        );
        (*loaded.expect("it is sound").0.sites[0]).clone()
    }

    fn form(path: &str, method: &str, kind: &str) -> serde_json::Value {
        json!({ "path": path, "method": method, "kind": kind, "reason": "words", "page": "/x", "pages": 1, "fields": [],
            "has_captcha": false, "tokens": [] })
    }

    #[test]
    fn each_form_has_its_fate() {
        let named = site(
            "[[site.form]]\npath = \"/kept\"\nkeep = true\n[[site.form]]\npath = \"/not\"\nkeep = false\n",
        );
        for (path, method, kind, has_index, expected) in [
            ("/kept", "POST", "contact", true, Fate::Good),
            ("/not", "POST", "contact", true, Fate::Good),
            ("/send", "POST", "contact", true, Fate::Lost),
            ("/send", "POST", "sign-up", true, Fate::Lost),
            ("/login", "POST", "login", true, Fate::Never),
            ("/pay", "POST", "payment", true, Fate::Never),
            ("/find", "GET", "search", true, Fate::Good),
            ("/find", "GET", "search", false, Fate::Unanswered),
            ("/list", "GET", "other", true, Fate::Aside),
            ("//elsewhere.example/subscribe", "POST", "elsewhere-host", true, Fate::Aside),
            ("mailto:", "POST", "contact", true, Fate::Aside),
        ] {
            let form: SiteForm = serde_json::from_value(form(path, method, kind)).unwrap();
            assert_eq!(fate(&form, &named, has_index), expected, "{method} {path} {kind}");
        }
    }

    #[test]
    fn a_lost_form_comes_with_the_lines_that_save_it() {
        let forms = json!({ "version": 1, "left_out": 0, "forms": [form("/send", "POST", "contact"), form("/login", "POST", "login")] });
        let forms = SiteForms::read(Some(forms)).unwrap();
        let (good, all, findings) = judge(&forms, &site(""), true);
        assert_eq!((good, all), (0, 1), "a login is no part of the score");
        assert_eq!(findings[0].kind, FindingKind::FormLost);
        let lines = findings[0].lines.as_deref().unwrap();
        assert_eq!(lines, "[[site.form]]\npath = \"/send\"\npage = \"/x\"\nkeep = true\n");
        let (good, all, findings) = judge(&forms, &site(lines), true);
        assert_eq!((good, all, findings.len()), (1, 1, 1), "with them, it is kept");
    }
}
