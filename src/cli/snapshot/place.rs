//! Where a command works: in the running instance, through its admin API, or in the state directory itself.

use std::path::{Path, PathBuf};

use bytes::Bytes;
use http::Method;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};

use crate::app::shelf::{self, Ask, Gate};
use crate::cli::args::OfSite;
use crate::cli::client::{CallError, Client, StatusError};
use crate::cli::print::state_dir;
use crate::cli::{FAILED, USAGE, fail};
use crate::clock;
use crate::failure::chain;
use crate::snapshot::{self, Store};

/// Everything but what never means anything in an address (RFC 3986 section 2.3).
pub(in crate::cli) const ESCAPED: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Where a command works.
pub(in crate::cli) enum Place {
    /// An instance runs.
    Instance {
        client: Client,
        /// Its sites.
        sites: Vec<String>,
        /// Where it keeps its state, as it says.
        state_dir: PathBuf,
    },
    /// None does, or the state directory was named.
    Folder {
        dir: PathBuf,
        /// Where no instance answered.
        nobody: Option<String>,
    },
}

/// A "no", from wherever.
#[derive(Clone, Debug, Default)]
pub(in crate::cli) struct Told {
    pub(in crate::cli) code: String,
    pub(in crate::cli) message: String,
    /// What the gate said.
    pub(in crate::cli) reasons: Vec<String>,
}

impl Told {
    pub(in crate::cli) fn new(code: &str, message: String) -> Told {
        Told { code: code.to_owned(), message, reasons: Vec::new() }
    }

    pub(in crate::cli) fn from_json(value: &Value) -> Told {
        let error = &value["error"];
        let reasons = error["reasons"].as_array().into_iter().flatten();
        Told {
            code: super::text(&error["code"]).to_owned(),
            message: super::text(&error["message"]).to_owned(),
            reasons: reasons.filter_map(Value::as_str).map(str::to_owned).collect(),
        }
    }
}

impl Place {
    /// The instance, if one answers and no state directory was named; else the state directory.
    ///
    /// # Errors
    /// The exit code, after saying why.
    pub(in crate::cli) async fn of(options: &OfSite) -> Result<Place, u8> {
        if let Some(dir) = &options.state_dir {
            return Ok(Place::Folder { dir: dir.clone(), nobody: None });
        }
        let client = Client::of(&options.instance)?;
        match client.status().await {
            Ok(status) => {
                let sites = status["sites"].as_array().into_iter().flatten();
                let sites = sites.filter_map(|site| site["name"].as_str()).map(str::to_owned).collect();
                let state_dir = super::text(&status["state_dir"]).into();
                Ok(Place::Instance { client, sites, state_dir })
            }
            Err(StatusError::Call(CallError::Nobody(at, _))) => {
                let dir = state_dir(options).map_err(|message| fail(USAGE, &message))?;
                Ok(Place::Folder { dir, nobody: Some(at) })
            }
            Err(error) => Err(fail(FAILED, &error.to_string())),
        }
    }

    /// The directory that has the snapshots.
    pub(in crate::cli) fn dir(&self) -> &Path {
        match self {
            Place::Instance { state_dir, .. } => state_dir,
            Place::Folder { dir, .. } => dir,
        }
    }

    /// Which of the two it is, in words, for whoever has changed something.
    pub(super) fn words(&self) -> String {
        match self {
            Place::Instance { client, .. } => format!("the instance at {} did it", client.place()),
            Place::Folder { dir, nobody: Some(at) } => {
                format!("nothing runs at {at}; done in {} itself", dir.display())
            }
            Place::Folder { dir, nobody: None } => format!("done in {} itself", dir.display()),
        }
    }

    /// Says, beside the result, that no instance was there to ask.
    #[expect(clippy::print_stderr, reason = "beside the result, which may be read by a program")]
    pub(in crate::cli) fn mention(&self) {
        if let Place::Folder { dir, nobody: Some(at) } = self {
            eprintln!("katahai: nothing runs at {at}; this is what {} has", dir.display());
        }
    }

    /// The sites that are meant: the one that was named, or all.
    ///
    /// # Errors
    /// When there is none, or not the one that was named.
    pub(in crate::cli) fn sites(&self, wanted: Option<&str>) -> Result<Vec<String>, Told> {
        let (mut sites, place) = match self {
            Place::Instance { sites, .. } => (sites.clone(), String::new()),
            Place::Folder { dir, .. } => {
                let unreadable = |error| {
                    Told::new("state-directory", format!("could not read {}: {error}", dir.display()))
                };
                (snapshot::sites(dir).map_err(unreadable)?, format!(" in {}", dir.display()))
            }
        };
        if sites.is_empty() {
            return Err(Told::new("nothing", format!("there are no snapshots{place}")));
        }
        if let Some(wanted) = wanted {
            let all = sites.join(", ");
            sites.retain(|site| site == wanted);
            if sites.is_empty() {
                return Err(Told::new(
                    "unknown-site",
                    format!("there is no site {wanted:?}{place}; there are: {all}"),
                ));
            }
        }
        Ok(sites)
    }

    /// The one site that a decision is about.
    ///
    /// # Errors
    /// When several could be meant.
    pub(super) fn site(&self, wanted: Option<&str>) -> Result<String, Told> {
        let mut sites = self.sites(wanted)?;
        match (sites.pop(), sites.is_empty()) {
            (Some(only), true) => Ok(only),
            (last, _) => {
                sites.extend(last);
                Err(Told::new(
                    "which-site",
                    format!("which site? give one with --site: {}", sites.join(", ")),
                ))
            }
        }
    }

    /// Asks about one site.
    ///
    /// # Errors
    /// The "no", with its reason.
    pub(super) async fn ask(&self, site: &str, ask: &Ask) -> Result<Value, Told> {
        match self {
            Place::Instance { client, .. } => by_instance(client, site, ask).await,
            Place::Folder { dir, .. } => in_folder(dir, site, ask),
        }
    }

    /// Asks all sites that are meant about something that only one of them has.
    ///
    /// # Errors
    /// When none has it, or several.
    pub(super) async fn ask_any(&self, wanted: Option<&str>, ask: &Ask) -> Result<(String, Value), Told> {
        let mut found = Vec::new();
        let mut none = Told::default();
        for site in self.sites(wanted)? {
            match self.ask(&site, ask).await {
                Ok(value) => found.push((site, value)),
                Err(told) if told.code == "unknown-snapshot" => none = told,
                Err(told) => return Err(told),
            }
        }
        let sites: Vec<String> = found.iter().map(|(site, _)| site.clone()).collect();
        match (found.pop(), found.is_empty()) {
            (None, _) => Err(none),
            (Some(only), true) => Ok(only),
            (Some(_), false) => {
                let message =
                    format!("several sites have such a snapshot: {}; name one with --site", sites.join(", "));
                Err(Told::new("which-site", message))
            }
        }
    }

    /// Makes the instance look at its state directory after this process has changed something there.
    pub(super) async fn nudge(&self) {
        if let Place::Instance { client, .. } = self {
            _ = client.call(Method::GET, "/api/v1/status").await;
        }
    }
}

fn in_folder(dir: &Path, site: &str, ask: &Ask) -> Result<Value, Told> {
    let looks = matches!(ask, Ask::List | Ask::Show { .. } | Ask::Diff { .. } | Ask::Text { .. });
    let store = if looks { Store::look(dir, site) } else { Store::open(dir, site) };
    let store = store.map_err(|error| Told::new("state-directory", chain(&error)))?;
    shelf::answer(&store, ask, clock::now()).map_err(|refusal| Told::from_json(&refusal.to_json()))
}

async fn by_instance(client: &Client, site: &str, ask: &Ask) -> Result<Value, Told> {
    let (method, path, body) = request(site, ask);
    let body = body.map_or_else(Bytes::new, |body| body.to_string().into());
    match client.send(method, &path, body).await {
        Ok((status, body)) => {
            let value: Value = serde_json::from_slice(&body).unwrap_or_default();
            if status.is_success() { Ok(value) } else { Err(Told::from_json(&value)) }
        }
        Err(error) => Err(Told::new("no-answer", error.to_string())),
    }
}

/// What is sent to the instance for a question.
fn request(site: &str, ask: &Ask) -> (Method, String, Option<Value>) {
    let shelf = format!("/api/v1/sites/{site}/snapshots");
    let escaped = |text: &str| utf8_percent_encode(text, ESCAPED).to_string();
    let of = |id: &str| format!("{shelf}/{}", escaped(id));
    match ask {
        Ask::List => (Method::GET, shelf, None),
        Ask::Show { id } => (Method::GET, of(id), None),
        Ask::Diff { from, to, limit } => {
            (Method::GET, format!("{}/diff?to={}&limit={limit}", of(from), escaped(to)), None)
        }
        Ask::Text { from, to, path } => {
            (Method::GET, format!("{}/diff?to={}&path={}", of(from), escaped(to), escaped(path)), None)
        }
        Ask::Publish { id, gate } => {
            let anyway = matches!(gate, Gate::Overruled);
            (Method::POST, format!("{}/publish", of(id)), Some(json!({ "anyway": anyway })))
        }
        Ask::Rollback => (Method::POST, format!("{shelf}/rollback"), None),
        Ask::Pin { id, pinned } => {
            (Method::POST, format!("{}/pin", of(id)), Some(json!({ "pinned": pinned })))
        }
        Ask::Remove { id } => (Method::DELETE, of(id), None),
    }
}
