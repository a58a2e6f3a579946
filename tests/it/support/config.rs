//! Configurations as a test writes them: short intervals, free ports, and only what matters said aloud.

use std::collections::BTreeMap;
use std::fmt::Write as _;

/// A value as TOML.
pub struct Value(String);

impl From<&str> for Value {
    fn from(text: &str) -> Value {
        Value(quoted(text))
    }
}

impl From<String> for Value {
    fn from(text: String) -> Value {
        Value(quoted(&text))
    }
}

impl From<u32> for Value {
    fn from(number: u32) -> Value {
        Value(number.to_string())
    }
}

impl<const N: usize> From<[&str; N]> for Value {
    fn from(texts: [&str; N]) -> Value {
        Value(format!("[{}]", texts.map(quoted).join(", ")))
    }
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// Tables by name, `""` for what stands before the first.
type Tables = BTreeMap<String, BTreeMap<String, String>>;

fn set(tables: &mut Tables, key: &str, value: Value) {
    let (table, key) = key.rsplit_once('.').unwrap_or(("", key));
    tables.entry(table.to_owned()).or_default().insert(key.to_owned(), value.0);
}

fn write(out: &mut String, prefix: &str, tables: &Tables) {
    for (name, keys) in tables {
        if !name.is_empty() {
            let _ = writeln!(out, "[{prefix}{name}]");
        }
        for (key, value) in keys {
            let _ = writeln!(out, "{key} = {value}");
        }
        out.push('\n');
    }
}

/// A whole configuration. `state_dir` and the ports are the edge's business.
#[derive(Clone, Default)]
pub struct Config {
    tables: Tables,
    sites: Vec<Site>,
    flags: Vec<String>,
    disk: Option<String>,
    clock: Option<String>,
    is_all_time: bool,
    descriptors: Option<u32>,
    env: Vec<(String, String)>,
}

impl Config {
    /// One site.
    pub fn new(site: Site) -> Config {
        // no test leaves the machine
        Config { sites: vec![site], ..Config::default() }.set("watch.rdap", "off")
    }

    /// The usual site before one origin.
    pub fn before(origin_url: &str) -> Config {
        Config::new(Site::new().origin(origin_url))
    }

    /// One more site.
    #[must_use]
    pub fn and(mut self, site: Site) -> Config {
        self.sites.push(site);
        self
    }

    /// A key such as `limits.header_size`.
    #[must_use]
    pub fn set(mut self, key: &str, value: impl Into<Value>) -> Config {
        set(&mut self.tables, key, value.into());
        self
    }

    /// The same with a value as it is written in TOML.
    #[must_use]
    pub fn set_toml(mut self, key: &str, toml: impl Into<String>) -> Config {
        set(&mut self.tables, key, Value(toml.into()));
        self
    }

    /// The same for the first site: `failover.patience`.
    #[must_use]
    pub fn site(mut self, key: &str, value: impl Into<Value>) -> Config {
        set(&mut self.sites[0].tables, key, value.into());
        self
    }

    /// What holds for a path of the first site.
    #[must_use]
    pub fn route(mut self, path: &str, cache: &str, mirror: &str) -> Config {
        self.sites[0].routes.push(format!(
            "path = {}\ncache = {}\nmirror = {}\n",
            quoted(path),
            quoted(cache),
            quoted(mirror)
        ));
        self
    }

    /// A route of the first site, as lines of its table.
    #[must_use]
    pub fn route_with(mut self, lines: &str) -> Config {
        self.sites[0].routes.push(lines.to_owned());
        self
    }

    /// A maintenance window of the first site, as lines of its table.
    #[must_use]
    pub fn maintenance(mut self, lines: &str) -> Config {
        self.sites[0].windows.push(lines.to_owned());
        self
    }

    /// A form of the first site, as lines of its table.
    #[must_use]
    pub fn form(mut self, lines: &str) -> Config {
        self.sites[0].forms.push(lines.to_owned());
        self
    }

    /// A flag of the command line with its value.
    #[must_use]
    pub fn flag(mut self, name: &str, value: &str) -> Config {
        self.flags.extend([name.to_owned(), value.to_owned()]);
        self
    }

    /// Puts the state on a disk of this size (needs root).
    #[must_use]
    pub fn on_disk_of(mut self, size: &str) -> Config {
        self.disk = Some(size.to_owned());
        self
    }

    /// Lets the process read its calendar from this file (as libfaketime does: `+0`, `-2h`), which a test may change.
    #[must_use]
    pub fn clock_in(mut self, file: &std::path::Path) -> Config {
        self.clock = Some(file.display().to_string());
        self
    }

    /// The same, and what it measures times with goes along: hours pass at once.
    #[must_use]
    pub fn time_in(mut self, file: &std::path::Path) -> Config {
        self.is_all_time = true;
        self.clock_in(file)
    }

    /// Whether the file moves more than the calendar.
    pub fn is_all_time(&self) -> bool {
        self.is_all_time
    }

    /// Starts the process with so many file descriptors.
    #[must_use]
    pub fn with_descriptors(mut self, most: u32) -> Config {
        self.descriptors = Some(most);
        self
    }

    /// Starts the process with a variable in its environment.
    #[must_use]
    pub fn env(mut self, name: &str, value: &str) -> Config {
        self.env.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The variables in the environment.
    pub fn variables(&self) -> &[(String, String)] {
        &self.env
    }

    /// How many file descriptors the process may have, if not as many as this one.
    pub fn descriptors(&self) -> Option<u32> {
        self.descriptors
    }

    /// The file with the calendar, if the process has one of its own.
    pub fn clock(&self) -> Option<&str> {
        self.clock.as_deref()
    }

    /// The size of the disk for the state, if it has one of its own.
    pub fn disk(&self) -> Option<&str> {
        self.disk.as_deref()
    }

    /// The flags for the command line.
    pub fn flags(&self) -> &[String] {
        &self.flags
    }

    /// Whether a key was set.
    pub fn has(&self, key: &str) -> bool {
        let (table, key) = key.rsplit_once('.').unwrap_or(("", key));
        self.tables.get(table).is_some_and(|keys| keys.contains_key(key))
    }

    /// As a file.
    pub fn toml(&self) -> String {
        let mut out = String::new();
        write(&mut out, "", &self.tables);
        for site in &self.sites {
            site.write(&mut out);
        }
        out
    }
}

/// One `[[site]]`.
#[derive(Clone)]
pub struct Site {
    tables: Tables,
    origins: Vec<String>,
    routes: Vec<String>,
    forms: Vec<String>,
    windows: Vec<String>,
}

impl Site {
    /// `shop` at `www.example.test`, quick in everything, without an origin.
    pub fn new() -> Site {
        Site::bare("shop", "www.example.test")
            .set("key_pages", ["/", "/signup"])
            .set("health.path", "/health")
            .set("health.interval", "200ms")
            .set("health.timeout", "500ms")
            .set("health.fall", 2)
            .set("health.rise", 2)
            .set("failover.patience", "300ms")
            .set("failover.patience_max", "800ms")
            .set("failover.recovery_ramp", "0s")
            .set("failover.timeout", "2s")
            .set("mirror.rate", "off")
            // most tests compare copies byte for byte with what they are copies of
            .set("notice.banner", "off")
    }

    /// With the product's own defaults.
    pub fn bare(name: &str, host: &str) -> Site {
        let site = Site {
            tables: Tables::new(),
            origins: Vec::new(),
            routes: Vec::new(),
            forms: Vec::new(),
            windows: Vec::new(),
        };
        site.set("name", name).set("hosts", [host])
    }

    /// A key such as `failover.patience`.
    #[must_use]
    pub fn set(mut self, key: &str, value: impl Into<Value>) -> Site {
        set(&mut self.tables, key, value.into());
        self
    }

    /// One more origin.
    #[must_use]
    pub fn origin(self, url: &str) -> Site {
        self.origin_with(url, "")
    }

    /// One more origin, with more lines of its table.
    #[must_use]
    pub fn origin_with(mut self, url: &str, lines: &str) -> Site {
        self.origins.push(format!("url = {}\n{lines}\n", quoted(url)));
        self
    }

    fn write(&self, out: &mut String) {
        out.push_str("[[site]]\n");
        write(out, "site.", &self.tables);
        for origin in &self.origins {
            let _ = writeln!(out, "[[site.origin]]\n{origin}");
        }
        for form in &self.forms {
            let _ = writeln!(out, "[[site.form]]\n{form}");
        }
        for window in &self.windows {
            let _ = writeln!(out, "[[site.maintenance]]\n{window}");
        }
        for route in &self.routes {
            let _ = writeln!(out, "[[site.route]]\n{route}");
        }
    }
}
