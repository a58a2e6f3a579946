//! From a file or a text to a configuration. Start, `check` and reload all come through here, so that what
//! one of them accepts the others accept.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use toml::de::DeValue;

use super::alerts::{self, HookUrl};
use super::check::{self, Context};
use super::node::{Fault, Notes, Span, Value};
use super::problem::{Problem, Problems, Severity, Source};
use super::ready::{Config, Listen, Origin, SharedList};
use super::remote::StoreUrl;
use super::{credentials, files, origins, raw, syntax};
use crate::fingerprint::Fingerprints;

/// What of the environment matters to a configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Env {
    /// The folder for state that the service manager made.
    pub state_dir: Option<PathBuf>,
    /// The folder with the credentials that it passes on.
    pub credentials: Option<PathBuf>,
}

impl Env {
    /// The environment of this process.
    pub fn of_process() -> Env {
        let credentials = std::env::var_os("CREDENTIALS_DIRECTORY").map(PathBuf::from);
        Env { credentials, ..Env::with_state_directory(std::env::var_os("STATE_DIRECTORY")) }
    }

    /// `value` as systemd sets `$STATE_DIRECTORY`: folders with colons between them, of which the first is ours.
    pub fn with_state_directory(value: Option<OsString>) -> Env {
        let first = value.as_ref().and_then(|value| std::env::split_paths(value).next());
        Env { state_dir: first.filter(|path| !path.as_os_str().is_empty()), credentials: None }
    }
}

/// Reads the configuration at `path` and the files that it names.
///
/// Relative names in a file start from the folder of that file.
///
/// # Errors
/// All problems, when at least one of them is an [`Severity::Error`]. Otherwise the configuration comes with those
/// that are less: a start goes on with them, a reload asks [`Problems::refuse_reload`].
pub fn load(path: &Path, env: &Env) -> Result<(Config, Problems), Problems> {
    match files::config(path) {
        Ok(text) => from_text(&text, path, env),
        Err(fault) => Err(unreadable(path, fault)),
    }
}

/// The same for a text that is, or would be, the file at `path`.
///
/// # Errors
/// As [`load`].
pub fn from_text(text: &str, path: &Path, env: &Env) -> Result<(Config, Problems), Problems> {
    let mut notes = Notes::new(Source::new(path, text));
    let document = DeValue::Table(syntax::parse(text, &mut notes).into_inner());
    let file = raw::File::read(&document, &Span::default(), &mut notes).unwrap_or_default();
    let folder = path.parent().unwrap_or(Path::new(""));
    let (state_dir, credentials) = (env.state_dir.as_deref(), env.credentials.as_deref());
    let context = Context { folder, state_dir, credentials, listen: None, has_mail: false, lists: None };
    let (config, elsewhere) = check::config(file, &context, &mut notes);
    let mut problems = notes.into_problems();
    problems.extend(elsewhere);
    if problems.refuse_start() { Err(problems) } else { Ok((config, problems)) }
}

/// Reads a file of origins: `[[origin]]` with the keys of `[[site.origin]]`. An empty file is an empty list. None of them may
/// lead back to where visitors come in.
///
/// # Errors
/// All problems, when the list is not to replace the one in use.
pub fn load_origins(path: &Path, listen: &Listen) -> Result<Vec<Origin>, Problems> {
    whole_list(origins::read(path, Some(listen)))
}

/// The same for a text that is, or would be, the file at `path`.
///
/// # Errors
/// As [`load_origins`].
pub fn origins_from_text(text: &str, path: &Path) -> Result<Vec<Origin>, Problems> {
    whole_list(origins::from_text(text, path, None))
}

/// Reads a file of fingerprints that the configuration names.
///
/// # Errors
/// All problems, when they are not to replace those in use.
pub fn load_fingerprints(path: &Path) -> Result<Fingerprints, Problems> {
    files::fingerprints(path).map_err(|faults| of_file(path, faults))
}

/// Reads the token of the admin API.
///
/// # Errors
/// The problem, when it is not to replace the one in use.
pub fn load_token(path: &Path) -> Result<String, Problems> {
    files::token(path).map_err(|fault| of_file(path, vec![fault]))
}

/// The password in a file.
///
/// # Errors
/// The problem.
pub fn load_password(path: &Path) -> Result<String, Problems> {
    files::password(path).map_err(|fault| of_file(path, vec![fault]))
}

/// The webhook's URL in a file.
///
/// # Errors
/// The problem; the URL is not shown.
pub fn load_hook_url(path: &Path) -> Result<HookUrl, Problems> {
    alerts::url_in(path).map_err(|fault| of_file(path, vec![fault]))
}

/// Reads the credentials for the store that the configuration names: pairs of a key and its value.
///
/// # Errors
/// When the file cannot be read, has other lines than `KEY=value`, or keys that such a store does not know.
pub fn load_credentials(path: &Path, at: &StoreUrl) -> Result<Vec<(String, String)>, Problems> {
    credentials::read(path, at).map_err(|fault| of_file(path, vec![fault]))
}

/// The same for a text that is, or would be, a list in the store.
///
/// # Errors
/// As [`load_origins`].
pub fn load_shared_list(text: &[u8], list: &SharedList, listen: &Listen) -> Result<Vec<Origin>, Problems> {
    whole_list(origins::shared(text, list, Some(listen)))
}

/// What is wrong with a list in the store as a whole.
pub fn list_refused(list: &SharedList, message: &str, help: &str) -> Problems {
    unreadable(Path::new(&list.shown()), Fault::new(message, help))
}

fn whole_list((origins, problems): (Vec<Origin>, Problems)) -> Result<Vec<Origin>, Problems> {
    if problems.refuse_reload() { Err(problems) } else { Ok(origins) }
}

/// The problem of a file that cannot be read at all.
pub(super) fn unreadable(path: &Path, fault: Fault) -> Problems {
    of_file(path, vec![fault])
}

/// The problems of a file of which no part can be used.
fn of_file(path: &Path, faults: Vec<Fault>) -> Problems {
    let file = Source::new(path, "");
    let problem = |Fault { message, help, passing }: Fault| {
        let (file, severity) = (file.clone(), Severity::Error);
        Problem { file, span: None, key: String::new(), message, help, severity, passing }
    };
    Problems::new(faults.into_iter().map(problem).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_state_directory_is_ours() {
        let of = |value: &str| Env::with_state_directory(Some(value.into())).state_dir;
        assert_eq!(of("/var/lib/katahai"), Some("/var/lib/katahai".into()));
        assert_eq!(of("/var/lib/katahai:/var/lib/other"), Some("/var/lib/katahai".into()));
        assert_eq!(of(""), None);
        assert_eq!(Env::with_state_directory(None), Env::default());
    }

    fn put(folder: &tempfile::TempDir, name: &str, text: &str) -> PathBuf {
        let path = folder.path().join(name);
        std::io::Write::write_all(&mut std::fs::File::create_new(&path).unwrap(), text.as_bytes()).unwrap();
        path
    }

    #[test]
    fn a_start_survives_what_a_reload_refuses() {
        let folder = tempfile::tempdir().unwrap();
        let site = |host: &str, rest: &str| format!("[[site]]\nhosts = [\"{host}\"]\n{rest}\n");
        let file = put(
            &folder,
            "k.toml",
            &[
                site("a.example", "origin = []\ntls = { cert = \"gone.pem\", key = \"gone.key\" }"),
                site("b.example", "origins_file = \"gone.toml\""),
                site("c.example", "origins_file = \"bad.toml\""),
            ]
            .concat(),
        );
        put(&folder, "bad.toml", "[[origin]]\nurl = \"http://192.0.2.1\"\n[[origin]]\nurl = \"nonsense\"\n");
        let (config, problems) = load(&file, &Env::default()).unwrap();
        assert!(problems.refuse_reload() && !problems.refuse_start(), "{problems}");
        assert_eq!(problems.len(), 4, "{problems}");
        let origins: Vec<usize> = config.sites.iter().map(|site| site.origins.len()).collect();
        assert_eq!(origins, [0, 0, 1]);
        assert!(config.sites[0].tls.is_some());
    }

    #[test]
    fn a_list_of_origins_is_taken_whole_or_not_at_all() {
        let path = Path::new("/etc/katahai/origins.toml");
        for empty in ["", "\n# none at the moment\n", "origin = []"] {
            assert_eq!(origins_from_text(empty, path), Ok(Vec::new()), "{empty}");
        }
        let good = "[[origin]]\nurl = \"https://192.0.2.1\"\nhost = \"a.example\"\n";
        assert_eq!(origins_from_text(good, path).unwrap().len(), 1);
        for bad in ["[[origin]]\nurl = \"192.0.2.2\"\n", "[[origin]\n", "ca = 1", "[[origin]]\nweight = 2"] {
            let problems = origins_from_text(&format!("{good}{bad}"), path).unwrap_err();
            assert!(
                problems.iter().all(|problem| problem.file.name == "/etc/katahai/origins.toml"),
                "{problems}"
            );
        }
        assert!(whole_list(origins::read(Path::new("/nowhere/origins.toml"), None)).is_err());
    }

    #[test]
    fn an_origin_is_not_where_visitors_come_in() {
        let leads_back = |listen: &str, origin: &str| {
            let text = format!(
                "[listen]\nhttp = [{listen}]\n[[site]]\nhosts = [\"a.example\"]\n[[site.origin]]\nurl = \"{origin}\"\n"
            );
            match from_text(&text, Path::new("k.toml"), &Env::default()) {
                Ok(_) => false,
                Err(problems) => problems.to_string().contains("k.toml:6:7: site[0].origin[0].url: http"),
            }
        };
        for (listen, origin, expected) in [
            ("\"[::]:80\"", "http://127.0.0.1", true),
            ("\"[::]:80\"", "http://[::1]", true),
            ("\"[::]:80\"", "http://localhost", true),
            ("\"[::]:80\"", "http://0.0.0.0", true),
            ("\"[::]:80\"", "http://127.0.0.1:8080", false),
            ("\"[::]:80\"", "http://192.0.2.1", false),
            ("\"[::]:80\"", "http://a.example", false),
            ("\"0.0.0.0:80\"", "http://127.0.0.1", true),
            ("\"0.0.0.0:80\"", "http://[::ffff:127.0.0.1]", true),
            ("\"0.0.0.0:80\"", "http://[::1]", false),
            ("\"192.0.2.1:80\"", "http://192.0.2.1", true),
            ("\"192.0.2.1:80\"", "http://localhost", false),
            ("\"192.0.2.1:80\", \"127.0.0.1:8080\"", "http://localhost:8080", true),
        ] {
            assert_eq!(leads_back(listen, origin), expected, "{listen} {origin}");
        }
        let folder = tempfile::tempdir().unwrap();
        let list = put(&folder, "origins.toml", "[[origin]]\nurl = \"http://127.0.0.1:81\"\n");
        let text = "listen.http = [\"127.0.0.1:81\"]\n[[site]]\nhosts = [\"a.example\"]\norigins_file = \"origins.toml\"\n";
        let (config, problems) = load(&put(&folder, "k.toml", text), &Env::default()).unwrap();
        assert!(
            config.sites[0].origins.is_empty() && problems.refuse_reload(),
            "copies are served: {problems}"
        );
        assert!(
            load_origins(&list, &config.listen)
                .unwrap_err()
                .to_string()
                .contains("leads back to Katahai itself")
        );
    }

    #[test]
    fn a_byte_order_mark_and_windows_line_ends_change_nothing() {
        let text = "[[site]]\nhosts = [\"a.example\"]\norigin = []\n";
        let windows = format!("\u{feff}{}", text.replace('\n', "\r\n"));
        let path = Path::new("k.toml");
        assert_eq!(from_text(&windows, path, &Env::default()), from_text(text, path, &Env::default()));
    }
}
