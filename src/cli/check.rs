//! `katahai check`: reports every problem at once, or that there is none.

use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use serde::Serialize;

use super::args::Check;
use super::instance::config_file;
use super::{FAILED, USAGE, fail, runtime};
use crate::config::problem::Source;
use crate::config::render::{Style, render};
use crate::config::{Config, Env, Problem, Problems, Severity, load};
use crate::{app, clock, disk};

/// The outcome as `--json` prints it.
#[derive(Serialize)]
struct Report<'a> {
    file: String,
    ok: bool,
    /// How many sites; `None` when no configuration can be made of the file.
    sites: Option<usize>,
    problems: &'a Problems,
}

/// Runs the command.
pub(super) fn command(options: &Check) -> u8 {
    let Some(file) = config_file(options.config.as_deref()) else {
        return fail(USAGE, "there is no configuration to check: give a file with -c");
    };
    // Problems go where complaints go, so that `katahai check && …` is quiet in a pipe; a result is printed.
    let mut text = Vec::new();
    let (style, env) = (Style::of(&std::io::stderr()), Env::of_process());
    let ask: Ask = if options.online { &ask_now } else { &|_, _| Ok(Vec::new()) };
    let code = match run(&file, options.json, ask, (style, &env), &mut text) {
        Ok(code) => code,
        Err(error) => return fail(FAILED, &format!("could not write: {error}")),
    };
    let written = if code == 0 || options.json {
        std::io::stdout().lock().write_all(&text)
    } else {
        std::io::stderr().lock().write_all(&text)
    };
    written.map_or(FAILED, |()| code)
}

/// What is asked of others about a configuration without errors.
type Ask<'a> = &'a dyn Fn(&Path, &Config) -> io::Result<Vec<Problem>>;

fn ask_now(file: &Path, config: &Config) -> io::Result<Vec<Problem>> {
    Ok(runtime()?.block_on(app::online::check(file, config)))
}

/// Checks the configuration in `file` and prints the outcome to `out`: one line if all is well, else every problem
/// with its line in the file; one JSON object instead if `json` is asked for.
///
/// Returns the exit code: 0 if the file can be used as it is, 2 if it has to be mended. Warnings alone are no
/// reason to mend it.
///
/// # Errors
/// `out` cannot be written.
fn run(
    file: &Path,
    json: bool,
    ask: Ask<'_>,
    (style, env): (Style, &Env),
    out: &mut dyn Write,
) -> io::Result<u8> {
    let (sites, problems) = match load(file, env) {
        Ok((config, mut problems)) => {
            problems.extend(certificates(file, &config, &problems, clock::now().wall));
            problems.extend(leading_back(file, &config));
            problems.extend(unwritable(file, &config));
            problems.extend(for_root_alone(file, &config));
            if !problems.refuse_reload() {
                problems.extend(Problems::new(ask(file, &config)?));
            }
            (Some(config.sites.len()), problems)
        }
        Err(problems) => (None, problems),
    };
    let ok = !problems.refuse_reload();
    let name = file.display().to_string();
    if json {
        let report = Report { file: name, ok, sites, problems: &problems };
        serde_json::to_writer_pretty(&mut *out, &report)?;
        writeln!(out)?;
    } else {
        write!(out, "{}", render(&problems, style))?;
        writeln!(out, "{name}: {}", verdict(ok, sites.unwrap_or_default(), problems.len()))?;
    }
    out.flush()?;
    Ok(if ok { 0 } else { 2 })
}

/// What is wrong with certificates whose files can be read, and which of them run out soon.
fn certificates(file: &Path, config: &Config, known: &Problems, now: SystemTime) -> Problems {
    if known.refuse_reload() {
        return Problems::default(); // files that cannot be read have been told already
    }
    Problems::new(app::certificates::of_config(file, config, now))
}

/// Origins whose name is one that visitors use: it leads to the server only until it leads to Katahai.
fn leading_back(file: &Path, config: &Config) -> Problems {
    let source = Source::new(file, "");
    let hosts = || config.sites.iter().flat_map(|site| site.all_hosts());
    let origins = config.sites.iter().flat_map(|site| site.origins.iter().map(move |origin| (site, origin)));
    let back = origins.filter(|(_, origin)| hosts().any(|host| host.eq_ignore_ascii_case(&origin.url.host)));
    let problem = |(site, origin): (&Arc<crate::config::ready::Site>, &crate::config::ready::Origin)| {
        Problem {
        file: source.clone(),
        span: None,
        key: format!("site \"{}\" origin", site.name),
        message: format!("{} has a name by which visitors come: it will lead back to Katahai when DNS does", origin.url),
        help: "give the server's own address as url, and this name as host; or a name that stays with the server".to_owned(),
        severity: Severity::Warning,
        passing: false,
    }
    };
    Problems::new(back.map(problem).collect())
}

/// A state directory that the user who asks may not write to. That may be another user than the one who runs Katahai, so it
/// is a warning.
fn unwritable(file: &Path, config: &Config) -> Problems {
    let dir = &config.state_dir;
    let here =
        |dir: &Path| if dir.as_os_str().is_empty() { Path::new(".").to_owned() } else { dir.to_owned() };
    // The nearest that is there: a folder that is not is made at the start.
    let Some(found) = dir.ancestors().map(here).find(|dir| dir.exists()) else { return Problems::default() };
    // What is no folder has been told already.
    let Some(error) = disk::check_writable(&found).err().filter(|_| found.is_dir()) else {
        return Problems::default();
    };
    let warning = Problem {
        file: Source::new(file, ""),
        span: None,
        key: "state_dir".to_owned(),
        message: format!(
            "{} cannot be used, you may not write to {}: {error}",
            dir.display(),
            found.display()
        ),
        help:
            "let the user who runs Katahai own it, or name another folder; a first start refuses without one"
                .to_owned(),
        severity: Severity::Warning,
        passing: false,
    };
    Problems::new(vec![warning])
}

/// Files that root reads, and the service, which is another user, hardly can. Only root has to be told: others have tried it.
fn for_root_alone(file: &Path, config: &Config) -> Problems {
    if !rustix::process::geteuid().is_root() {
        return Problems::default();
    }
    let tls = config.sites.iter().filter_map(|site| site.tls.as_ref());
    let tokens = [&config.listen.admin_token_file, &config.listen.admin_readonly_token_file];
    let tokens = tokens.into_iter().filter_map(|file| file.as_deref());
    let named = tls.flat_map(|tls| [&*tls.cert, &*tls.key]).chain(tokens);
    let files: std::collections::BTreeSet<&Path> = named.chain([file]).collect();
    let warning = |path: &Path| Problem {
        file: Source::new(file, ""),
        span: None,
        key: path.display().to_string(),
        message: format!("only root can read {}", path.display()),
        help: format!(
            "if Katahai runs as another user, as its systemd unit has it: \"chgrp ssl-cert {0}; chmod 0640 {0}\", and SupplementaryGroups=ssl-cert in the unit",
            path.display()
        ),
        severity: Severity::Warning,
        passing: false,
    };
    let is_roots = |path: &&Path| std::fs::metadata(path).is_ok_and(|meta| is_for_root_alone(&meta));
    Problems::new(files.into_iter().filter(is_roots).map(warning).collect())
}

fn is_for_root_alone(meta: &std::fs::Metadata) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    let (others, group) = (meta.mode() & 0o004 != 0, meta.mode() & 0o040 != 0 && meta.gid() != 0);
    meta.uid() == 0 && !others && !group
}

fn verdict(ok: bool, sites: usize, problems: usize) -> String {
    let count = |n: usize, what: &str| format!("{n} {what}{}", if n == 1 { "" } else { "s" });
    match (ok, problems) {
        (true, 0) => format!("ok, {}", count(sites, "site")),
        (true, _) => format!("ok, {}, {}", count(sites, "site"), count(problems, "warning")),
        (false, _) => count(problems, "problem"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OFFLINE: Ask<'static> = &|_, _| Ok(Vec::new());

    fn check(text: &str, json: bool) -> (u8, String) {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("k.toml");
        io::Write::write_all(&mut std::fs::File::create_new(&file).unwrap(), text.as_bytes()).unwrap();
        let mut out = Vec::new();
        let code = run(&file, json, OFFLINE, (Style::Plain, &Env::default()), &mut out).unwrap();
        let shown = String::from_utf8(out).unwrap();
        (code, shown.replace(&format!("{}/", folder.path().display()), ""))
    }

    const GOOD: &str = "[[site]]\nhosts = [\"a.example\"]\n[[site.origin]]\nurl = \"http://192.0.2.1\"\n";

    #[test]
    fn a_good_file_is_one_line() {
        assert_eq!(check(GOOD, false), (0, "k.toml: ok, 1 site\n".to_owned()));
        let (code, out) = check(GOOD, true);
        let expected = serde_json::json!({ "file": "k.toml", "ok": true, "sites": 1, "problems": [] });
        assert_eq!((code, serde_json::from_str::<serde_json::Value>(&out).unwrap()), (0, expected));
    }

    #[test]
    fn a_bad_file_is_all_of_its_problems() {
        let bad = GOOD.replace("192.0.2.1", "192.0.2.1/x") + "colour = 1\n";
        let (code, out) = check(&bad, false);
        assert_eq!(code, 2);
        assert!(out.contains("--> k.toml:4:7") && out.contains("--> k.toml:5:1"), "{out}");
        assert!(out.ends_with("k.toml: 2 problems\n"), "{out}");
        let (code, out) = check(&bad, true);
        let report: serde_json::Value = serde_json::from_str(&out).unwrap();
        assert_eq!((code, &report["ok"], &report["sites"]), (2, &false.into(), &serde_json::Value::Null));
        assert_eq!(report["problems"][1]["key"], "site[0].origin[0].colour");
    }

    #[test]
    fn a_warning_does_not_fail_and_a_missing_certificate_does() {
        let (code, out) = check("[[site]]\nhosts = [\"a.example\"]\n", false);
        assert_eq!(code, 0);
        assert!(out.ends_with("k.toml: ok, 1 site, 1 warning\n"), "{out}");
        let (code, out) = check(&format!("{GOOD}[site.tls]\ncert = \"a.pem\"\nkey = \"a.key\"\n"), false);
        assert_eq!(code, 2);
        assert!(out.ends_with("k.toml: 2 problems\n"), "{out}");
    }

    #[test]
    fn an_origin_by_a_name_of_visitors_is_warned_of() {
        let back = GOOD.replace("192.0.2.1", "A.example:8080");
        let (code, out) = check(&back, false);
        assert_eq!(code, 0, "{out}");
        assert!(out.contains("lead back") && out.ends_with("k.toml: ok, 1 site, 1 warning\n"), "{out}");
        let (_, out) = check(&back.replace("A.example", "origin.a.example"), false);
        assert_eq!(out, "k.toml: ok, 1 site\n");
    }

    #[test]
    fn what_is_hardly_meant_is_warned_of() {
        let warned = |text: &str, parts: &[&str]| {
            let (code, out) = check(text, false);
            assert!(code == 0 && out.contains("1 warning"), "{text}: {out}");
            for part in parts {
                assert!(out.contains(part), "{part}: {out}");
            }
        };
        let first = |key: &str| format!("[listen]\n{key}\n{GOOD}");
        warned(&first("http = [\"[::]:443\"]"), &["k.toml:2:", "browsers speak https"]);
        warned(&GOOD.replace("192.0.2.1", "192.0.2.1:443"), &["k.toml:4:", "servers speak https"]);
        warned(
            &GOOD.replace("http://192.0.2.1", "https://192.0.2.1:80"),
            &["k.toml:4:", "servers speak http"],
        );
        let route = |path: &str, mirror: &str| {
            format!("{GOOD}[[site.route]]\npath = \"{path}\"\nmirror = \"{mirror}\"\n")
        };
        warned(&route("/*", "off"), &["k.toml:5:", "takes the key page \"/\" out"]);
        let pages = GOOD.replace("[[site.origin]]", "key_pages = [\"/\", \"/shop?a=1\"]\n[[site.origin]]");
        warned(
            &route("/shop", "off").replace(GOOD, &pages),
            &["k.toml:3:", "the route on line 6", "\"/shop?a=1\""],
        );
        for fine in [
            route("/admin", "off"),
            route("/*", "on"),
            route("/", "on") + "[[site.route]]\npath = \"*\"\nmirror = \"off\"\n",
        ] {
            assert_eq!(check(&fine, false), (0, "k.toml: ok, 1 site\n".to_owned()));
        }
    }

    #[test]
    fn a_file_that_only_root_reads_is_warned_of() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("k.toml");
        io::Write::write_all(&mut std::fs::File::create_new(&file).unwrap(), GOOD.as_bytes()).unwrap();
        let is_root = rustix::process::geteuid().is_root();
        let other = is_root.then_some(4321);
        for (mode, gid, warned) in
            [(0o600, None, is_root), (0o640, None, is_root), (0o640, other, false), (0o644, None, false)]
        {
            std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode)).unwrap();
            std::os::unix::fs::chown(&file, None, gid).unwrap();
            let mut out = Vec::new();
            let code = run(&file, false, OFFLINE, (Style::Plain, &Env::default()), &mut out).unwrap();
            let out = String::from_utf8(out).unwrap();
            assert_eq!((code, out.contains("only root can read")), (0, warned), "{mode:o}: {out}");
        }
    }

    #[test]
    fn a_state_directory_that_cannot_be_written_is_warned_of() {
        use std::os::unix::fs::PermissionsExt as _;
        let dir = tempfile::tempdir().unwrap();
        std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o555)).unwrap();
        let state = dir.path().join("katahai").join("state");
        let (code, out) = check(&format!("state_dir = {state:?}\n{GOOD}"), false);
        let told = out.contains(&format!("you may not write to {}", dir.path().display()));
        // root may write anywhere
        assert_eq!((code, told), (0, disk::check_writable(dir.path()).is_err()), "{out}");
    }

    #[test]
    fn a_file_that_is_not_there_is_a_problem() {
        let mut out = Vec::new();
        let code =
            run(Path::new("/nowhere/k.toml"), false, OFFLINE, (Style::Plain, &Env::default()), &mut out)
                .unwrap();
        assert_eq!(code, 2);
        assert!(String::from_utf8(out).unwrap().contains("/nowhere/k.toml: cannot be read"));
    }
}
