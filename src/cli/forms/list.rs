//! `katahai forms list --found`: the forms that the crawl found, and what to write for those that may be kept.

use serde_json::{Value, json};

use crate::cli::args::ListForms;
use crate::cli::print::{printable, say};
use crate::cli::snapshot::place::{Place, Told};
use crate::cli::snapshot::tables;
use crate::cli::{FAILED, fail, run_to_end};
use crate::content::forms::FieldType;
use crate::failure::chain;
use crate::snapshot::{SiteForm, SiteForms, SnapshotId, Store};

/// Names of fields that a line shows.
const SHOWN: usize = 6;

/// Runs the command.
pub(super) fn run(options: &ListForms) -> u8 {
    run_to_end(async {
        let place = match Place::of(&options.of).await {
            Ok(place) => place,
            Err(code) => return code,
        };
        match found(&place, options.name.as_deref().or(options.of.site.as_deref())) {
            Ok(sites) => {
                place.mention();
                say(&if options.of.instance.json { tables::json(&rows(&sites)) } else { shown(&sites) })
            }
            Err(told) => fail(FAILED, &told.message),
        }
    })
}

/// What is known of a site's forms.
struct FormsOfSite {
    site: String,
    /// The snapshot in service.
    snapshot: Option<SnapshotId>,
    /// `None`: nobody looked for forms when it was taken.
    forms: Option<SiteForms>,
}

/// Read from the state directory, whether or not an instance runs: a snapshot is never changed.
fn found(place: &Place, wanted: Option<&str>) -> Result<Vec<FormsOfSite>, Told> {
    let of = |site: String| {
        let store = Store::look(place.dir(), &site);
        let store = store.map_err(|error| Told::new("state-directory", chain(&error)))?;
        let snapshot = store.current().map(|snapshot| snapshot.id());
        let forms = snapshot.and_then(|id| SiteForms::read(store.forms(&id)));
        Ok(FormsOfSite { site, snapshot, forms })
    };
    place.sites(wanted)?.into_iter().map(of).collect()
}

fn rows(sites: &[FormsOfSite]) -> Value {
    let form = |form: &SiteForm| {
        let mut row = json!(form);
        row["may_be_kept"] = json!(form.kind.may_be_kept());
        row["why"] = json!(form.reason.sentence());
        row
    };
    let site = |of: &FormsOfSite| {
        json!({
            "site": of.site,
            "snapshot": of.snapshot,
            "forms": of.forms.as_ref().map(|forms| forms.iter().map(form).collect::<Vec<_>>()),
            "left_out": of.forms.as_ref().map(SiteForms::left_out),
        })
    };
    sites.iter().map(site).collect()
}

fn shown(sites: &[FormsOfSite]) -> String {
    let mut lines = Vec::new();
    let (mut notes, mut proposals) = (String::new(), String::new());
    for FormsOfSite { site, snapshot, forms } in sites {
        let Some(forms) = forms else {
            let why = match snapshot {
                Some(_) => "the snapshot in service is older than the search for forms; take a new one",
                None => "there is no snapshot in service",
            };
            notes.push_str(&format!("\n{site}: {why}: \"katahai snapshot take --site {site}\".\n"));
            continue;
        };
        lines.extend(forms.iter().map(|form| line(site, form)));
        if forms.iter().next().is_none() {
            notes.push_str(&format!(
                "\n{site}: there are no forms on the pages of the snapshot in service.\n"
            ));
        }
        if forms.left_out() > 0 {
            notes.push_str(&format!("\n{site}: there are more forms than are listed.\n"));
        }
        let kept: Vec<&SiteForm> = forms.iter().filter(|form| form.kind.may_be_kept()).collect();
        if !kept.is_empty() {
            proposals.push_str(&format!(
                "\nTo keep what visitors of {site} send while it is down, add to its [[site]] what you want of this:\n"
            ));
            proposals.extend(kept.into_iter().map(proposal));
        }
    }
    let header = ["SITE", "KIND", "FORM", "PAGE", "PAGES", "FIELDS", "KEEP"];
    let table = if lines.is_empty() { String::new() } else { tables::table(&header, &[4], lines) };
    let all = format!("{table}{notes}{proposals}");
    all.trim_start_matches('\n').to_owned()
}

fn line(site: &str, form: &SiteForm) -> Vec<String> {
    let may = match (form.kind.may_be_kept(), form.has_captcha) {
        (true, true) => "yes, to be read: it has a captcha, and cannot be delivered later".to_owned(),
        (true, false) => "yes".to_owned(),
        (false, _) => format!("no: {}", form.reason.sentence()),
    };
    vec![
        site.to_owned(),
        form.kind.code().to_owned(),
        printable(&format!("{} {}", form.method.as_str(), form.path)),
        printable(&form.page),
        form.pages.to_string(),
        printable(&fields(form)),
        may,
    ]
}

/// The fields that a visitor sees.
fn fields(form: &SiteForm) -> String {
    let is_seen = |kind| !matches!(kind, FieldType::Hidden | FieldType::Submit | FieldType::Button);
    let mut names: Vec<&str> =
        form.fields.iter().filter(|field| is_seen(field.kind)).map(|field| &*field.name).collect();
    names.dedup();
    let more = names.len().saturating_sub(SHOWN);
    names.truncate(SHOWN);
    let names = names.join(", ");
    if more > 0 { format!("{names}, {more} more") } else { names }
}

/// The lines for the configuration.
fn proposal(form: &SiteForm) -> String {
    // What JSON escapes in a text, TOML escapes in the same way.
    let quoted = |text: &str| printable(&json!(text).to_string());
    let note =
        if form.has_captcha { "# has a captcha: what is kept can be read, not delivered\n" } else { "" };
    let (path, page) = (quoted(&form.path), quoted(&form.page));
    format!("\n{note}[[site.form]]\npath = {path}\npage = {page}\nkeep = true\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_site(forms: Option<Value>) -> FormsOfSite {
        let forms = forms.map(|forms| json!({ "version": 1, "forms": forms, "left_out": 0 }));
        let snapshot = Some("20261120T011334Z-000001".parse().expect("an id"));
        FormsOfSite { site: "shop".to_owned(), snapshot, forms: SiteForms::read(forms) }
    }

    fn form(path: &str, kind: &str, reason: &str, has_captcha: bool) -> Value {
        let names = ["a", "b", "c", "d", "e", "f", "g\u{1b}", "h"];
        let fields = names.map(|name| json!({ "name": name, "type": "text" }));
        let mut fields = fields.to_vec();
        fields.insert(0, json!({ "name": "csrf", "type": "hidden" }));
        json!({ "path": path, "method": "POST", "kind": kind, "reason": reason, "page": "/x", "pages": 2,
            "fields": fields, "has_captcha": has_captcha, "tokens": ["csrf"] })
    }

    #[test]
    fn what_may_be_kept_is_ready_to_be_pasted() {
        let forms = json!([
            form("/contact", "contact", "words", false),
            form("/login", "login", "password-field", false),
            form("/ask", "contact", "program", true),
        ]);
        let sites = [of_site(Some(forms))];
        let text = shown(&sites);
        let lines: Vec<String> =
            text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
        assert_eq!(lines[0], "SITE KIND FORM PAGE PAGES FIELDS KEEP");
        assert_eq!(lines[1], "shop contact POST /contact /x 2 a, b, c, d, e, f, 2 more yes");
        assert!(lines[2].ends_with("no: it asks for a password"), "{text}");
        assert!(lines[3].contains("it has a captcha"), "{text}");
        let paste = "\n[[site.form]]\npath = \"/contact\"\npage = \"/x\"\nkeep = true\n\n# has a captcha";
        assert!(text.contains(paste) && !text.contains("path = \"/login\""), "{text}");
        assert!(!text.contains('\u{1b}'));
        let rows = rows(&sites);
        let row = |n: usize| (&rows[0]["forms"][n]["may_be_kept"], &rows[0]["forms"][n]["kind"]);
        assert_eq!([row(0), row(1)], [(&json!(true), &json!("contact")), (&json!(false), &json!("login"))]);
    }

    #[test]
    fn a_snapshot_of_an_earlier_version_is_no_failure() {
        let sites = [of_site(None)];
        assert!(shown(&sites).starts_with("shop: the snapshot in service is older"), "{}", shown(&sites));
        assert_eq!(rows(&sites)[0]["forms"], Value::Null);
        assert!(shown(&[of_site(Some(json!([])))]).contains("there are no forms"));
    }
}
