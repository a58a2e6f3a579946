//! `katahai forms list --found`: the forms that the crawl found, and what to write for those that may be kept.

use serde_json::Value;

use crate::app::forms_found;
use crate::cli::args::ListForms;
use crate::cli::instance::config_file;
use crate::cli::print::{printable, say};
use crate::cli::snapshot::place::{Place, Told};
use crate::cli::snapshot::{tables, text};
use crate::cli::{FAILED, fail, run_to_end};
use crate::config::{Config, Env, load};
use crate::failure::chain;
use crate::snapshot::Store;

/// Names of fields that a line shows.
const SHOWN: usize = 6;

/// Runs the command.
pub(super) fn run(options: &ListForms) -> u8 {
    run_to_end(async {
        let place = match Place::of(&options.of).await {
            Ok(place) => place,
            Err(code) => return code,
        };
        let config = config_file(options.of.instance.config.as_deref())
            .and_then(|file| load(&file, &Env::of_process()).ok())
            .map(|(config, _)| config);
        match found(&place, options.name.as_deref().or(options.of.site.as_deref()), config.as_ref()) {
            Ok(sites) => {
                place.mention();
                say(&if options.of.instance.json { tables::json(&sites.into()) } else { shown(&sites) })
            }
            Err(told) => fail(FAILED, &told.message),
        }
    })
}

/// Read from the state directory, whether or not an instance runs: a snapshot is never changed.
fn found(place: &Place, wanted: Option<&str>, config: Option<&Config>) -> Result<Vec<Value>, Told> {
    let of = |site: String| {
        let store = Store::look(place.dir(), &site);
        let store = store.map_err(|error| Told::new("state-directory", chain(&error)))?;
        let configured = config.and_then(|config| config.sites.iter().find(|known| *known.name == *site));
        let mut found = forms_found::found(&store, configured.map(|site| &**site));
        found["site"] = site.into();
        Ok(found)
    };
    place.sites(wanted)?.into_iter().map(of).collect()
}

fn shown(sites: &[Value]) -> String {
    let mut lines = Vec::new();
    let (mut notes, mut proposals) = (String::new(), String::new());
    for of in sites {
        let site = text(&of["site"]);
        let Some(forms) = of["forms"].as_array() else {
            let why = match of["snapshot"].as_str() {
                Some(_) => "the snapshot in service is older than the search for forms; take a new one",
                None => "there is no snapshot in service",
            };
            notes.push_str(&format!("\n{site}: {why}: \"katahai snapshot take --site {site}\".\n"));
            continue;
        };
        lines.extend(forms.iter().map(|form| line(site, form)));
        if forms.is_empty() {
            notes.push_str(&format!(
                "\n{site}: there are no forms on the pages of the snapshot in service.\n"
            ));
        }
        if of["left_out"].as_u64().is_some_and(|left_out| left_out > 0) {
            notes.push_str(&format!("\n{site}: there are more forms than are listed.\n"));
        }
        let mut proposed =
            forms.iter().filter(|form| form["named"] == false).filter_map(|form| form["lines"].as_str());
        if let Some(first) = proposed.next() {
            proposals.push_str(&format!(
                "\nTo keep what visitors of {site} send while it is down, add to its [[site]] what you want of this:\n"
            ));
            let all = std::iter::once(first).chain(proposed);
            proposals.extend(
                all.map(|lines| {
                    format!("\n{}\n", lines.lines().map(printable).collect::<Vec<_>>().join("\n"))
                }),
            );
        }
    }
    let header = ["SITE", "KIND", "FORM", "PAGE", "PAGES", "FIELDS", "KEEP"];
    let table = if lines.is_empty() { String::new() } else { tables::table(&header, &[4], lines) };
    let all = format!("{table}{notes}{proposals}");
    all.trim_start_matches('\n').to_owned()
}

fn line(site: &str, form: &Value) -> Vec<String> {
    let keep = match (form["may_be_kept"] == true, form["named"] == true, form["has_captcha"] == true) {
        (false, ..) => format!("no: {}", text(&form["why"])),
        (true, true, _) => "as configured".to_owned(),
        (true, false, true) => "yes, to be read: it has a captcha, and cannot be delivered later".to_owned(),
        (true, false, false) => "yes".to_owned(),
    };
    vec![
        site.to_owned(),
        text(&form["kind"]).to_owned(),
        printable(&format!("{} {}", text(&form["method"]), text(&form["path"]))),
        printable(text(&form["page"])),
        form["pages"].to_string(),
        printable(&fields(form)),
        keep,
    ]
}

/// The fields that a visitor sees.
fn fields(form: &Value) -> String {
    let is_seen = |field: &&Value| !matches!(text(&field["type"]), "hidden" | "submit" | "button");
    let all = form["fields"].as_array().into_iter().flatten();
    let mut names: Vec<&str> = all.filter(is_seen).map(|field| text(&field["name"])).collect();
    names.dedup();
    let more = names.len().saturating_sub(SHOWN);
    names.truncate(SHOWN);
    let names = names.join(", ");
    if more > 0 { format!("{names}, {more} more") } else { names }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn of_site(forms: Value) -> Value {
        json!({ "site": "shop", "snapshot": "20261120T011334Z-000001", "forms": forms, "left_out": 0 })
    }

    fn form(path: &str, may_be_kept: bool, named: bool, has_captcha: bool) -> Value {
        let names = ["a", "b", "c", "d", "e", "f", "g\u{1b}", "h"];
        let mut fields = names.map(|name| json!({ "name": name, "type": "text" })).to_vec();
        fields.insert(0, json!({ "name": "csrf", "type": "hidden" }));
        let lines = may_be_kept.then(|| format!("[[site.form]]\npath = \"{path}\"\n"));
        json!({ "path": path, "method": "POST", "kind": "contact", "why": "it asks for a password", "page": "/x",
            "pages": 2, "fields": fields, "has_captcha": has_captcha, "may_be_kept": may_be_kept, "named": named,
            "lines": lines })
    }

    #[test]
    fn what_may_be_kept_is_ready_to_be_pasted() {
        let sites = [of_site(json!([
            form("/contact", true, false, false),
            form("/login", false, false, false),
            form("/ask", true, false, true),
            form("/named", true, true, false),
        ]))];
        let text = shown(&sites);
        let lines: Vec<String> =
            text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
        assert_eq!(lines[0], "SITE KIND FORM PAGE PAGES FIELDS KEEP");
        assert_eq!(lines[1], "shop contact POST /contact /x 2 a, b, c, d, e, f, 2 more yes");
        assert!(lines[2].ends_with("no: it asks for a password"), "{text}");
        assert!(lines[3].contains("it has a captcha") && lines[4].ends_with("as configured"), "{text}");
        let paste = "what you want of this:\n\n[[site.form]]\npath = \"/contact\"\n\n[[site.form]]\npath = \"/ask\"\n";
        assert!(text.contains(paste) && !text.contains("path = \"/login\""), "{text}");
        assert!(!text.contains("path = \"/named\"") && !text.contains('\u{1b}'), "{text}");
    }

    #[test]
    fn a_snapshot_of_an_earlier_version_is_no_failure() {
        let sites = [of_site(Value::Null)];
        assert!(shown(&sites).starts_with("shop: the snapshot in service is older"), "{}", shown(&sites));
        assert!(shown(&[of_site(json!([]))]).contains("there are no forms"));
    }
}
