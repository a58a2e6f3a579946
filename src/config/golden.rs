//! The three tests of a configuration: an almost empty file is the defaults, the shipped file with every key is a literal
//! value, and every bad value gives its message. Besides, nothing that can be written into a file makes reading it panic.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;

use super::maintenance::Weekly;
use super::render::{Style, render};
use super::*;
use crate::config::defaults::DRILL_EVERY;
use crate::config::ready::*;
use crate::config::recipient::Deliver;

const LEAST: &str =
    "[[site]]\nhosts = [\"www.example.jp\"]\n[[site.origin]]\nurl = \"https://203.0.113.10\"\n";

fn repository() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

fn origin(url: &str, host: Option<&str>) -> Origin {
    let url = address::origin_url(url).unwrap();
    let host = host.map(str::to_owned);
    Origin { url, host, tier: 0, weight: 1, ca: None, pins: Vec::new(), mode: OriginMode::Auto }
}

fn texts<const N: usize>(texts: [&str; N]) -> Vec<String> {
    texts.map(str::to_owned).to_vec()
}

#[test]
fn the_least_that_works_is_all_defaults() {
    let (config, problems) = from_text(LEAST, Path::new("/etc/k.toml"), &Env::default()).unwrap();
    assert!(problems.is_empty(), "{problems}");
    let site = Site {
        name: "www.example.jp".into(),
        hosts: texts(["www.example.jp"]),
        standby_hosts: Vec::new(),
        key_pages: texts(["/"]),
        origins: vec![origin("https://203.0.113.10", None)],
        origins_file: None,
        tls: None,
        health: Health::default(),
        failover: Failover::default(),
        cache: CachePolicy::default(),
        mirror: Mirror::default(),
        notice: Notice::default(),
        watch: SiteWatch::default(),
        drill: SiteDrill::default(),
        status_page: None,
        routes: Vec::new(),
        forms: Vec::new(),
        maintenance: Vec::new(),
    };
    let listen = Listen {
        http: vec!["[::]:80".parse().unwrap()],
        https: Vec::new(),
        admin: AdminAddr::Tcp("127.0.0.1:9900".parse().unwrap()),
        admin_token_file: None,
        admin_readonly_token_file: None,
        trusted_proxies: Vec::new(),
    };
    let expected = Config {
        state_dir: "/etc/katahai-state".into(),
        listen,
        limits: Limits::default(),
        dns: Dns::default(),
        store: None,
        forms: Forms {
            key_file: "/etc/katahai-state/forms.key".into(),
            makes_key: true,
            shared: false,
            keep_for: seconds(2_592_000),
            most: 10_000,
            size: 1_073_741_824,
        },
        incidents: Incidents::default(),
        mail: None,
        alerts: alerts::Alerts::default(),
        watch: Watch::default(),
        sites: vec![Arc::new(site)],
    };
    assert_eq!(config, expected);
}

#[test]
fn the_state_lies_where_the_file_or_the_environment_says() {
    let state_dir = |text: &str, env: &str| {
        let env = Env { state_dir: (!env.is_empty()).then(|| env.into()), credentials: None };
        from_text(&format!("{text}\n{LEAST}"), Path::new("etc/k.toml"), &env).unwrap().0.state_dir
    };
    assert_eq!(state_dir("", "/var/lib/katahai"), PathBuf::from("/var/lib/katahai"));
    assert_eq!(state_dir("state_dir = \"/srv/s\"", "/var/lib/katahai"), PathBuf::from("/srv/s"));
    assert_eq!(state_dir("state_dir = \"s\"", ""), PathBuf::from("etc/s"));
    assert_eq!(state_dir("", ""), PathBuf::from("etc/katahai-state"));
}

/// What the shipped file says once the settings that need files of one's own are in use.
fn with_own_files(text: &str) -> String {
    text.lines().fold(String::new(), |mut all, line| {
        let _ = writeln!(all, "{}", line.strip_prefix("#-").unwrap_or(line));
        all
    })
}

#[test]
fn the_key_of_forms_is_the_files_or_a_credential_or_our_own() {
    let folder = tempfile::tempdir().unwrap();
    let forms = |text: &str, credentials: Option<&Path>| {
        let env = Env { state_dir: None, credentials: credentials.map(Path::to_owned) };
        let (config, problems) =
            from_text(&format!("{text}\n{LEAST}"), Path::new("/etc/k.toml"), &env).unwrap();
        (config.forms.key_file, config.forms.makes_key, problems.to_string())
    };
    let own = PathBuf::from("/etc/katahai-state/forms.key");
    assert_eq!(forms("", Some(folder.path())), (own, true, String::new()), "no such credential");
    let credential = folder.path().join("katahai-forms.key");
    std::io::Write::write_all(&mut std::fs::File::create_new(&credential).unwrap(), b"katahai-key-1:x\n")
        .unwrap();
    assert_eq!(forms("", Some(folder.path())), (credential.clone(), false, String::new()));
    let said = format!("[forms]\nkey_file = \"{}\"", credential.display());
    assert_eq!(forms(&said, None), (credential, false, String::new()));
    let (_, makes_key, problems) = forms("[forms]\nkey_file = \"/nowhere/forms.key\"", None);
    assert!(!makes_key && problems.contains("katahai key new > /nowhere/forms.key"), "{problems}");
}

#[test]
fn the_shipped_file_passes_as_it_is() {
    let (config, problems) = load(&repository().join("deploy/katahai.toml"), &Env::default()).unwrap();
    assert!(problems.is_empty() && config.sites.len() == 2, "{problems}");
}

/// The shipped file with all settings in use, and the files that it names beside it.
fn shipped() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let put = |name: &str, text: &str| {
        let mut file = std::fs::File::create_new(folder.path().join(name)).unwrap();
        std::io::Write::write_all(&mut file, text.as_bytes()).unwrap();
    };
    std::fs::create_dir(folder.path().join("certs")).unwrap();
    let made = rcgen::generate_simple_self_signed(texts(["www.example.jp", "example.jp"])).unwrap();
    put("certs/shop.pem", &made.cert.pem());
    put("certs/shop.key", &made.signing_key.serialize_pem());
    for name in ["katahai.toml", "origins.toml"] {
        put(name, &with_own_files(&std::fs::read_to_string(repository().join("deploy").join(name)).unwrap()));
    }
    let file = folder.path().join("katahai.toml");
    (folder, file)
}

fn shop(folder: &Path) -> Site {
    Site {
        name: "shop".into(),
        hosts: texts(["www.example.jp", "example.jp"]),
        standby_hosts: Vec::new(),
        key_pages: texts(["/", "/signup"]),
        origins: vec![origin("https://203.0.113.10", Some("www.example.jp"))],
        origins_file: None,
        tls: Some(SiteTls { cert: folder.join("certs/shop.pem"), key: folder.join("certs/shop.key") }),
        health: Health {
            path: "/".to_owned(),
            interval: seconds(5),
            timeout: seconds(2),
            fall: 3,
            rise: 2,
            expect_status: Statuses::new(&["200-399"]).unwrap(),
            expect_text: String::new(),
        },
        failover: Failover {
            patience: seconds(1),
            patience_max: seconds(4),
            timeout: seconds(15),
            hold_back: 1_048_576,
            bad_status: Statuses::new(&["500", "502-504", "508-509", "520-530"]).unwrap(),
            expect_text: String::new(),
            reject_text: Vec::new(),
            fingerprints: None,
            fingerprints_file: None,
            moved_to: Vec::new(),
            recovery_ramp: seconds(30),
            hedge: None,
        },
        cache: CachePolicy {
            default_ttl: Duration::ZERO,
            ignore_query: texts(["utm_*", "fbclid", "gclid", "yclid", "msclkid", "_ga"]),
            bypass_cookies: Vec::new(),
            ignore_cookies: texts([
                "_ga", "_ga_*", "_gid", "_gat*", "_gcl_*", "__utm*", "_fbp", "_fbc", "_pk_*", "_hj*",
            ]),
        },
        mirror: Mirror {
            every: seconds(21_600),
            keep: 30,
            keep_for: None,
            max_pages: 10_000,
            max_depth: 20,
            rate: Some(5.0),
            include: Vec::new(),
            exclude: Vec::new(),
            asset_hosts: Vec::new(),
            private: MirrorPrivate::Auto,
            robots: MirrorRobots::Auto,
        },
        notice: Notice { banner: Banner::Auto },
        watch: SiteWatch { domains: Vec::new(), domain_ends: None },
        drill: SiteDrill { every: Some(DRILL_EVERY), mail: DrillMail::Always },
        status_page: None,
        routes: vec![Route {
            path: PathPattern::new("/admin/*").unwrap(),
            cache: false,
            mirror: Some(false),
            timeout: Some(seconds(60)),
        }],
        forms: vec![Form {
            path: PathPattern::new("/signup").unwrap(),
            page: None,
            keep: true,
            deliver: Deliver::default(),
            thanks: None,
            honeypot: None,
            idempotent: false,
            most_per_client: Some(ClientRate { count: 10, window: seconds(3600) }),
        }],
        maintenance: vec![
            Maintenance {
                when: MaintenanceTime::Weekly(Weekly {
                    start: (6 * 24 + 2) * 3600,
                    length: 2 * 3600,
                    zone: UtcOffset::JST,
                }),
                reason: "updates of the server".to_owned(),
            },
            Maintenance {
                when: MaintenanceTime::Once {
                    start: std::time::UNIX_EPOCH + seconds(1_798_045_200),
                    end: std::time::UNIX_EPOCH + seconds(1_798_056_000),
                },
                reason: String::new(),
            },
        ],
    }
}

#[test]
fn the_shipped_file_is_this() {
    let (folder, file) = shipped();
    let (config, problems) = load(&file, &Env::default()).unwrap();
    assert!(problems.is_empty(), "{problems}");
    let shop = shop(folder.path());
    // What the second site is silent about shows that the shipped file has the defaults right.
    let second = Site {
        name: "www.example.org".into(),
        hosts: texts(["www.example.org"]),
        key_pages: texts(["/"]),
        origins: vec![
            origin("https://203.0.113.20", Some("www.example.org")),
            Origin { tier: 1, ..origin("http://203.0.113.21:8080", Some("www.example.org")) },
        ],
        origins_file: Some(OriginsFile::File(folder.path().join("origins.toml"))),
        tls: None,
        routes: Vec::new(),
        forms: Vec::new(),
        maintenance: Vec::new(),
        ..shop.clone()
    };
    let expected = Config {
        state_dir: "/var/lib/katahai".into(),
        listen: Listen {
            http: vec!["[::]:80".parse().unwrap()],
            https: vec!["[::]:443".parse().unwrap()],
            admin: AdminAddr::Tcp("127.0.0.1:9900".parse().unwrap()),
            admin_token_file: None,
            admin_readonly_token_file: None,
            trusted_proxies: Vec::new(),
        },
        limits: Limits {
            connections: 20_000,
            connections_per_client: 512,
            in_flight_per_origin: 512,
            header_size: 32_768,
            body_size: 67_108_864,
            header_timeout: seconds(10),
            idle_timeout: seconds(75),
            memory_cache: 268_435_456,
            unread: 268_435_456,
        },
        dns: Dns { nameservers: Vec::new(), keep_last_good: seconds(604_800) },
        store: None,
        forms: Forms {
            key_file: "/var/lib/katahai/forms.key".into(),
            makes_key: true,
            shared: false,
            keep_for: seconds(2_592_000),
            most: 10_000,
            size: 1_073_741_824,
        },
        incidents: Incidents::default(),
        mail: None,
        alerts: alerts::Alerts {
            channels: vec![alerts::Channel {
                reach: alerts::Destination::Webhook(alerts::Webhook {
                    at: alerts::HookAt::Url(alerts::hook_url("https://hooks.example.jp/katahai").unwrap()),
                    format: alerts::AlertFormat::Json,
                    secret_file: None,
                    to: String::new(),
                }),
                is_backup: false,
            }],
            wait: seconds(30),
            repeat: Some(seconds(3600)),
            heartbeat: None,
            mails_reports: true,
            language: alerts::AlertLanguage::Auto,
            link: None,
        },
        watch: Watch {
            rdap: Rdap::Auto,
            bootstrap: "https://data.iana.org/rdap/dns.json".parse().unwrap(),
            every: seconds(43_200),
        },
        sites: vec![Arc::new(shop), Arc::new(second)],
    };
    assert_eq!(config, expected);
}

/// The key paths in a document, without the indexes of its lists of tables.
fn paths(table: &toml::Table, prefix: &str, out: &mut Vec<String>) {
    for (key, value) in table {
        let path = if prefix.is_empty() { key.clone() } else { format!("{prefix}.{key}") };
        if let Some(table) = value.as_table() {
            paths(table, &path, out);
        }
        for table in value.as_array().into_iter().flatten().filter_map(|item| item.as_table()) {
            paths(table, &path, out);
        }
        out.push(path);
    }
}

#[test]
fn every_key_stands_in_the_shipped_file() {
    let text = std::fs::read_to_string(repository().join("deploy/katahai.toml")).unwrap();
    let text = with_own_files(&text);
    let of = |text: &str| {
        let mut found = Vec::new();
        paths(&text.parse().unwrap(), "", &mut found);
        found
    };
    let keys = of(&text);
    for path in known_keys() {
        assert!(keys.contains(&path), "{path} is not in deploy/katahai.toml");
    }
}

#[test]
fn every_bad_value_gives_its_message() {
    let folder = repository().join("tests/golden/problems");
    let update = std::env::var_os("UPDATE").is_some_and(|update| update == "1");
    let mut names: Vec<String> = std::fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.ends_with(".toml") && !name.starts_with("origins"))
        .collect();
    names.sort();
    assert!(names.len() >= 10, "the cases are gone: {names:?}");
    let mut changed = Vec::new();
    for name in names {
        // A name from the root of the repository, so that the text is the same wherever that lies.
        let path = Path::new("tests/golden/problems").join(&name);
        let problems = match load(&path, &Env::default()) {
            Ok((_, problems)) | Err(problems) => problems,
        };
        let shown = render(&problems, Style::Plain);
        let golden = folder.join(&name).with_extension("txt");
        if std::fs::read_to_string(&golden).unwrap_or_default() == shown {
            continue;
        }
        if update {
            rewrite(&golden, &shown);
        }
        changed.push(format!("{name} now gives:\n{shown}"));
    }
    assert!(update || changed.is_empty(), "UPDATE=1 rewrites the expected texts\n{}", changed.join("\n"));
}

#[expect(clippy::disallowed_methods, reason = "expected texts in the source tree, not the product's state")]
fn rewrite(golden: &Path, text: &str) {
    std::fs::write(golden, text).unwrap();
}

/// Reads `text` as both kinds of file, and looks at all that can be done with its problems.
fn read_and_show(text: &str) {
    let path = Path::new("/nowhere/k.toml");
    let outcome = from_text(text, path, &Env::default());
    let refused = outcome.is_err();
    let problems = match outcome {
        Ok((_, problems)) | Err(problems) => problems,
    };
    assert_eq!(problems.refuse_start(), refused);
    for problem in &problems {
        let span = problem.span.clone().unwrap_or_default();
        assert!(problem.file.text.get(span).is_some(), "{problem}");
        assert!(!problem.to_string().contains(char::is_control), "{problem}");
    }
    let listed = match origins_from_text(text, path) {
        Ok(_) => Problems::default(),
        Err(problems) => problems,
    };
    for problems in [problems, listed] {
        let plain = render(&problems, Style::Plain);
        assert!(!plain.contains('\u{1b}'), "{plain}");
        assert!(render(&problems, Style::Coloured).len() >= plain.len());
        serde_json::to_string(&problems).unwrap();
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn garbage_is_a_problem_and_no_panic(text in "\\PC{0,80}", bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
        read_and_show(&text);
        read_and_show(&String::from_utf8_lossy(&bytes));
    }

    /// What is nearly right gets further than garbage does.
    #[test]
    fn a_damaged_file_is_a_problem_and_no_panic(
        at in 0usize..20_000,
        drop in 0usize..40,
        put in "[\\[\\]\"'={},.#\n\r\t\\\\ あ\u{1b}a-z0-9-]{0,12}",
    ) {
        let text = include_str!("../../deploy/katahai.toml");
        let lean: Vec<&str> = text.lines().filter(|line| !line.starts_with("# ") && !line.is_empty()).collect();
        let mut text = lean.join("\n");
        let from = text.floor_char_boundary(at % text.len());
        let to = text.floor_char_boundary((from + drop).min(text.len()));
        text.replace_range(from..to, &put);
        read_and_show(&text);
    }

    #[test]
    fn any_value_of_any_key_is_read_or_refused(key in 0usize..200, value in "\\PC{0,20}", bare in any::<bool>()) {
        let keys: Vec<String> = known_keys().collect();
        let path = &keys[key % keys.len()];
        let value = if bare { value } else { format!("{value:?}") };
        let list = if bare { value.clone() } else { format!("[{value}]") };
        for value in [value, list] {
            read_and_show(&match path.strip_prefix("site.") {
                None => format!("{path} = {value}\n{LEAST}"),
                Some(path) => format!("[[site]]\nhosts = [\"a.example\"]\n{path} = {value}\n"),
            });
        }
    }
}
