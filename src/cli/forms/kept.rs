//! `katahai forms list|show|deliver|export|forget`: what is kept of forms. The running instance carries them out; where none
//! runs, the same code works on the state directory.

use bytes::Bytes;
use http::Method;
use percent_encoding::utf8_percent_encode;
use serde_json::Value;

use crate::app::forms::{FormAsk, answer};
use crate::cli::args::{ExportFormat, ExportForms, ListForms, OfSite, SomeForms};
use crate::cli::client::Client;
use crate::cli::instance::config_file;
use crate::cli::print::{printable, say};
use crate::cli::snapshot::place::{ESCAPED, Place, Told};
use crate::cli::snapshot::{tables, text};
use crate::cli::{DONE, FAILED, USAGE, fail, run_to_end};
use crate::config::{Env, load};
use crate::forms::Intake;

/// Runs `list`.
pub(super) fn list(options: &ListForms) -> u8 {
    let ask = FormAsk::List { find: options.find.clone() };
    run_to_end(async {
        let (desk, sites) = match Desk::of(&options.of, options.name.as_deref()).await {
            Ok(found) => found,
            Err(code) => return code,
        };
        let mut all = Vec::new();
        for site in sites {
            match desk.ask(&site, &ask).await {
                Ok(told) => all.extend(forms(&told).map(|form| (site.clone(), form.clone()))),
                Err(told) => return fail(FAILED, &told.message),
            }
        }
        if options.of.instance.json {
            let with_site = |(site, mut form): (String, Value)| {
                form["site"] = site.into();
                form
            };
            return say(&tables::json(&all.into_iter().map(with_site).collect()));
        }
        if all.is_empty() {
            return say("no forms are kept\n");
        }
        let mut header = vec!["SITE", "NUMBER", "CAME", "STATE", "WHY", "IN STORE", "ID"];
        let mut rows: Vec<Vec<String>> = all.iter().map(|(site, form)| line(site, form)).collect();
        // Where there is no store, nobody misses it.
        if all.iter().all(|(_, form)| form["store"].is_null()) {
            header.remove(STORE);
            rows.iter_mut().for_each(|row| drop(row.remove(STORE)));
        }
        say(&tables::table(&header, &[], rows))
    })
}

/// The column that says whether a form is in the store.
const STORE: usize = 5;

fn line(site: &str, form: &Value) -> Vec<String> {
    let columns = ["number", "received", "state", "reason", "store", "id"];
    let columns = columns.map(|name| printable(text(&form[name])));
    [printable(site)].into_iter().chain(columns).collect()
}

/// Runs `show`.
pub(super) fn show(options: &SomeForms) -> u8 {
    each(options, |id| FormAsk::Show { id }, shown)
}

/// Runs `deliver`.
pub(super) fn deliver(options: &SomeForms) -> u8 {
    let words = |form: &Value| format!("{} will be delivered when the site can take it\n", text(&form["id"]));
    each(options, |id| FormAsk::Deliver { id }, words)
}

/// Runs `forget`.
pub(super) fn forget(options: &SomeForms) -> u8 {
    each(options, |id| FormAsk::Forget { id }, |form| format!("{} is erased\n", text(&form["id"])))
}

/// Asks for each of the forms, and says what came of it.
fn each(options: &SomeForms, ask: impl Fn(String) -> FormAsk, words: impl Fn(&Value) -> String) -> u8 {
    run_to_end(async {
        let (desk, sites) = match Desk::of(&options.of, None).await {
            Ok(found) => found,
            Err(code) => return code,
        };
        let mut code = DONE;
        for id in &options.ids {
            match desk.ask_any(&sites, &ask(id.clone())).await {
                Ok(told) if options.of.instance.json => code = code.max(say(&tables::json(&told))),
                Ok(told) => code = code.max(say(&words(&told))),
                Err(told) => code = fail(FAILED, &told.message),
            }
        }
        code
    })
}

/// A form for a reader: what was typed, then from where.
fn shown(form: &Value) -> String {
    let mut out = String::new();
    let mut say = |name: &str, value: &str| {
        if !value.is_empty() {
            out.push_str(&format!("{:<10} {}\n", format!("{name}:"), printable(value)));
        }
    };
    for (name, key) in [
        ("number", "number"),
        ("came", "received"),
        ("state", "state"),
        ("why", "reason"),
        ("sent to", "target"),
        ("page", "page"),
        ("client", "client"),
        ("id", "id"),
    ] {
        say(name, text(&form[key]));
    }
    out.push('\n');
    for field in form["fields"].as_array().into_iter().flatten() {
        let file = field["file"].as_array().map(|file| format!("(file {}, {} bytes)", file[0], file[1]));
        let value = file.unwrap_or_else(|| text(&field["value"]).to_owned());
        out.push_str(&format!("{}: {}\n", printable(text(&field["name"])), printable(&value)));
    }
    if let Some(body) = form["body"].as_str() {
        out.push_str(&format!("{}\n", printable(body)));
    }
    out
}

/// Runs `export`.
pub(super) fn export(options: &ExportForms) -> u8 {
    run_to_end(async {
        let (desk, sites) = match Desk::of(&options.of, None).await {
            Ok(found) => found,
            Err(code) => return code,
        };
        let mut all = Vec::new();
        for site in sites {
            // In pieces: an instance that serves visitors is not to hold all of them in its memory.
            let mut after = Some(String::new());
            while after.is_some() {
                match desk.ask(&site, &FormAsk::Export { after: after.take() }).await {
                    Ok(mut told) => {
                        after = told["next"].as_str().map(str::to_owned);
                        let some = told["forms"].as_array_mut().map(std::mem::take).unwrap_or_default();
                        all.extend(some.into_iter().map(|mut form| {
                            form["site"] = site.clone().into();
                            form
                        }));
                    }
                    Err(told) => return fail(FAILED, &told.message),
                }
            }
        }
        match options.format {
            ExportFormat::Json => say(&tables::json(&all.into())),
            ExportFormat::Csv => say(&csv(&all)),
        }
    })
}

/// A line for each form, with a column for each field that any of them has (RFC 4180).
fn csv(forms: &[Value]) -> String {
    const FIXED: [&str; 8] =
        ["site", "number", "received", "state", "reason", "target", "client", "unreadable"];
    let mut names: Vec<String> = Vec::new();
    for field in forms.iter().flat_map(|form| form["fields"].as_array().into_iter().flatten()) {
        let name = text(&field["name"]);
        if !names.iter().any(|known| known == name) {
            names.push(name.to_owned());
        }
    }
    let line = |cells: Vec<String>| {
        let cells: Vec<String> = cells.iter().map(|cell| quoted(cell)).collect();
        format!("{}\r\n", cells.join(","))
    };
    let header = FIXED.iter().map(ToString::to_string).chain(names.iter().cloned()).collect();
    let row = |form: &Value| {
        let fixed = FIXED.iter().map(|name| text(&form[*name]).to_owned());
        let of = |name: &String| {
            let fields = form["fields"].as_array().into_iter().flatten();
            let values = fields.filter(|field| text(&field["name"]) == name);
            let value = |field: &Value| match field["file"].as_array() {
                Some(file) => format!("(file {}, {} bytes)", text(&file[0]), file[1]),
                None => text(&field["value"]).to_owned(),
            };
            values.map(value).collect::<Vec<_>>().join(", ")
        };
        line(fixed.chain(names.iter().map(of)).collect())
    };
    std::iter::once(line(header)).chain(forms.iter().map(row)).collect()
}

/// A cell. What a spreadsheet would take for a formula, which a stranger may have typed, is made a text.
fn quoted(cell: &str) -> String {
    let is_formula = cell.starts_with(['=', '+', '-', '@', '\t', '\r']);
    let cell = if is_formula { format!("'{cell}") } else { cell.to_owned() };
    if cell.contains([',', '"', '\n', '\r']) { format!("\"{}\"", cell.replace('"', "\"\"")) } else { cell }
}

fn forms(told: &Value) -> impl Iterator<Item = &Value> {
    told["forms"].as_array().into_iter().flatten()
}

/// Where the forms are.
enum Desk {
    /// An instance runs.
    Instance(Client),
    /// None does.
    Folder(Box<Intake>),
}

impl Desk {
    /// Where they are, and the sites that are meant.
    ///
    /// # Errors
    /// The exit code, after saying why.
    async fn of(options: &OfSite, named: Option<&str>) -> Result<(Desk, Vec<String>), u8> {
        let wanted = named.or(options.site.as_deref());
        match Place::of(options).await? {
            place @ Place::Instance { .. } => {
                let sites = place.sites(wanted).map_err(|told| fail(FAILED, &told.message))?;
                match place {
                    Place::Instance { client, .. } => Ok((Desk::Instance(client), sites)),
                    Place::Folder { .. } => Err(FAILED),
                }
            }
            place @ Place::Folder { .. } => {
                let intake = intake(options, &place)?;
                let sites = intake.sites().map_err(|error| fail(FAILED, &crate::failure::chain(&error)))?;
                place.mention();
                Ok((
                    Desk::Folder(Box::new(intake)),
                    sites.into_iter().filter(|site| wanted.is_none_or(|w| w == site)).collect(),
                ))
            }
        }
    }

    async fn ask(&self, site: &str, ask: &FormAsk) -> Result<Value, Told> {
        match self {
            Desk::Instance(client) => {
                let (method, path) = request(site, ask);
                match client.send(method, &path, Bytes::new()).await {
                    Ok((status, body)) => {
                        let value: Value = serde_json::from_slice(&body).unwrap_or_default();
                        if status.is_success() { Ok(value) } else { Err(Told::from_json(&value)) }
                    }
                    Err(error) => Err(Told::new("no-answer", error.to_string())),
                }
            }
            Desk::Folder(intake) => {
                answer(intake, site, ask, &who()).map_err(|refusal| Told::from_json(&refusal.to_json()))
            }
        }
    }

    /// Asks all sites about something that only one of them has.
    async fn ask_any(&self, sites: &[String], ask: &FormAsk) -> Result<Value, Told> {
        let mut none = Told::new(
            "unknown-form",
            "there is no such form; \"katahai forms list\" shows those that are there".into(),
        );
        for site in sites {
            match self.ask(site, ask).await {
                Ok(value) => return Ok(value),
                Err(told) if told.code == "unknown-form" => none = told,
                Err(told) => return Err(told),
            }
        }
        Err(none)
    }
}

/// The forms of a state directory, with the key that the configuration names.
fn intake(options: &OfSite, place: &Place) -> Result<Intake, u8> {
    let env = Env { state_dir: Some(place.dir().to_owned()), ..Env::of_process() };
    let configured = config_file(options.instance.config.as_deref())
        .and_then(|file| load(&file, &env).ok())
        .map(|(config, _)| config.forms);
    let settings = configured.unwrap_or_else(|| crate::config::forms_by_default(place.dir(), &env));
    if !place.dir().is_dir() {
        return Err(fail(USAGE, &format!("there is no state directory {}", place.dir().display())));
    }
    Ok(Intake::open(place.dir(), settings))
}

/// Who asks where no instance runs, in the audit.
fn who() -> String {
    format!("command line, uid {}", rustix::process::getuid().as_raw())
}

/// What is sent to the instance.
fn request(site: &str, ask: &FormAsk) -> (Method, String) {
    let forms = format!("/api/v1/sites/{site}/forms");
    let escaped = |text: &str| utf8_percent_encode(text, ESCAPED).to_string();
    match ask {
        FormAsk::List { find: None } => (Method::GET, forms),
        FormAsk::List { find: Some(text) } => (Method::GET, format!("{forms}?find={}", escaped(text))),
        FormAsk::Export { after: None } => (Method::GET, format!("{forms}?contents=true")),
        FormAsk::Export { after: Some(after) } => {
            (Method::GET, format!("{forms}?contents=true&after={}", escaped(after)))
        }
        FormAsk::Show { id } => (Method::GET, format!("{forms}/{}", escaped(id))),
        FormAsk::Deliver { id } => (Method::POST, format!("{forms}/{}/deliver", escaped(id))),
        FormAsk::Forget { id } => (Method::DELETE, format!("{forms}/{}", escaped(id))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_table_of_forms_holds_what_was_typed_and_no_formula() {
        let form = |number: &str, fields: Value| {
            json!({ "site": "shop", "number": number, "received": "2026-11-30T11:52:51Z", "state": "kept",
                "reason": null, "target": "/signup", "client": "203.0.113.9", "fields": fields })
        };
        let forms = [
            form(
                "AAAA-AAAA",
                json!([{ "name": "name", "value": "Abe, \"K\"" }, { "name": "day", "value": "1" }, { "name": "day", "value": "2" }]),
            ),
            form(
                "BBBB-BBBB",
                json!([{ "name": "mail", "value": "=HYPERLINK(1)" }, { "name": "cv", "value": "", "file": ["a.pdf", 9] }]),
            ),
            json!({ "site": "shop", "number": "CCCC-CCCC", "unreadable": "no key" }),
        ];
        let text = csv(&forms);
        let lines: Vec<&str> = text.split("\r\n").collect();
        assert_eq!(lines[0], "site,number,received,state,reason,target,client,unreadable,name,day,mail,cv");
        assert_eq!(
            lines[1],
            "shop,AAAA-AAAA,2026-11-30T11:52:51Z,kept,,/signup,203.0.113.9,,\"Abe, \"\"K\"\"\",\"1, 2\",,"
        );
        assert!(lines[2].ends_with(",,,,'=HYPERLINK(1),\"(file a.pdf, 9 bytes)\""), "{}", lines[2]);
        assert_eq!(lines[3], "shop,CCCC-CCCC,,,,,,no key,,,,");
    }

    #[test]
    fn a_form_is_shown_without_control_characters() {
        let text = shown(&json!({ "number": "AAAA-AAAA", "fields": [
            { "name": "name", "value": "a\u{1b}[31mb" }, { "name": "cv", "value": "", "file": ["a.pdf", 9] }] }));
        assert!(!text.contains('\u{1b}') && text.contains("AAAA-AAAA"), "{text}");
        assert!(text.contains("cv: (file \"a.pdf\", 9 bytes)"), "{text}");
    }
}
