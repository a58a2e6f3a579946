//! The set-up of one site that the command line makes when there is no file.

use std::path::PathBuf;
use std::sync::Arc;

use super::address::{host_name, origin_url, socket};
use super::load::Env;
use super::node::{Fault, Notes, Span};
use super::problem::{Problems, Source};
use super::ready::{
    ANY_HOST, AdminAddr, CachePolicy, Config, Dns, Failover, Health, Incidents, Limits, Listen, Mirror,
    Notice, Origin, OriginMode, OriginUrl, Site, SiteDrill, SiteWatch, Watch,
};
use super::{check, defaults, origins, site};

/// What the command line says instead of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flags<'a> {
    /// `--origin`: the URL of the live site.
    pub origin: &'a str,
    /// `--host`: the name that visitors use, and that the origin is asked by. Without it the site answers to every
    /// name, and the origin is asked by the name in its URL, if that is a name.
    pub host: Option<&'a str>,
    /// `--listen`: an address and port; [`defaults::FLAGS_HTTP`] without it.
    pub listen: Option<&'a str>,
}

/// One site, with defaults for everything else. Its state lies in `$STATE_DIRECTORY`, else in
/// [`defaults::STATE_DIR`] of the current folder. The site is named after its host, else after its origin, so that
/// two sites that are tried in the same folder never get each other's copies.
///
/// Problems that are no reason not to start come with the configuration.
///
/// # Errors
/// All problems with the flags.
pub fn from_flags(flags: &Flags<'_>, env: &Env) -> Result<(Config, Problems), Problems> {
    let mut line = CommandLine::default();
    let url = line.read("--origin", Some(flags.origin), origin_url);
    let host = line.read("--host", flags.host, host_name).map(|host| host.0);
    let listen = line.read("--listen", flags.listen, socket);
    let listen = Listen {
        http: vec![listen.unwrap_or(defaults::FLAGS_HTTP)],
        https: Vec::new(),
        admin: AdminAddr::default(),
        admin_token_file: None,
        admin_readonly_token_file: None,
        trusted_proxies: Vec::new(),
    };
    if let Some(ours) = url.as_ref().and_then(|url| listen.led_back_to(url)) {
        let message = format!("this leads back to Katahai itself, which listens on {ours}");
        let help = "give --origin the address of the live site itself, or --listen another one";
        line.fault("--origin", Fault::new(message, help));
    }
    if let Some(fault) = url.as_ref().and_then(origins::crossed) {
        line.warning("--origin", fault);
    }
    let problems = line.into_problems();
    let Some(url) = url.filter(|_| !problems.refuse_start()) else {
        return Err(problems);
    };
    let state_dir = env.state_dir.clone().unwrap_or_else(|| PathBuf::from(defaults::STATE_DIR));
    let config = Config {
        store: None,
        forms: check::forms_by_default(&state_dir, env.credentials.as_deref()),
        state_dir,
        listen,
        limits: Limits::default(),
        dns: Dns::default(),
        incidents: Incidents::default(),
        mail: None,
        alerts: super::alerts::Alerts::default(),
        watch: Watch::default(),
        sites: vec![Arc::new(site(url, host))],
    };
    Ok((config, problems))
}

fn site(url: OriginUrl, host: Option<String>) -> Site {
    let is_name = url.host.parse::<std::net::IpAddr>().is_err();
    let told = (host.is_none() && is_name).then(|| url.host.clone());
    let name = host.clone().unwrap_or_else(|| format!("{}-{}", url.host, url.port));
    Site {
        name: Arc::from(site::name_of_host(&name)),
        hosts: vec![host.unwrap_or_else(|| ANY_HOST.to_owned())],
        standby_hosts: Vec::new(),
        key_pages: defaults::key_pages(),
        origins: vec![Origin {
            url,
            host: told,
            tier: 0,
            weight: defaults::WEIGHT,
            ca: None,
            pins: Vec::new(),
            mode: OriginMode::Auto,
        }],
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
    }
}

/// The flags as a text, so that their problems are shown like a file's.
#[derive(Default)]
struct CommandLine {
    text: String,
    /// Where the value of each flag stands.
    places: Vec<Span>,
    faults: Vec<(Span, Fault)>,
    warnings: Vec<(Span, Fault)>,
}

impl CommandLine {
    fn read<T>(
        &mut self,
        flag: &str,
        value: Option<&str>,
        parse: impl Fn(&str) -> Result<T, Fault>,
    ) -> Option<T> {
        let value = value?;
        if !self.text.is_empty() {
            self.text.push(' ');
        }
        self.text.push_str(flag);
        self.text.push(' ');
        let start = self.text.len();
        let parsed = parse(value);
        self.text.push_str(&value.replace(char::is_control, " "));
        self.places.push(Span { range: start..self.text.len(), key: flag.to_owned() });
        match parsed {
            Ok(parsed) => Some(parsed),
            Err(fault) => {
                self.fault(flag, fault);
                None
            }
        }
    }

    /// What is wrong with the value of a flag that was read.
    fn fault(&mut self, flag: &str, fault: Fault) {
        self.faults.push((self.place(flag), fault));
    }

    /// What is hardly meant.
    fn warning(&mut self, flag: &str, fault: Fault) {
        self.warnings.push((self.place(flag), fault));
    }

    fn place(&self, flag: &str) -> Span {
        self.places.iter().find(|span| span.key == flag).cloned().unwrap_or_default()
    }

    fn into_problems(self) -> Problems {
        let mut notes = Notes::new(Source::named("command line", &self.text));
        for (span, fault) in self.faults {
            notes.error(&span, fault);
        }
        for (span, fault) in self.warnings {
            notes.warning(&span, fault);
        }
        notes.into_problems()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flags<'a>(
        origin: &'a str,
        host: Option<&'a str>,
        listen: Option<&'a str>,
    ) -> Result<Config, Problems> {
        from_flags(&Flags { origin, host, listen }, &Env::default()).map(|(config, _)| config)
    }

    #[test]
    fn an_origin_alone_makes_a_site_for_every_host() {
        let config = flags("https://www.example.jp", None, None).unwrap();
        assert_eq!(config.listen.http, ["127.0.0.1:8080".parse().unwrap()]);
        assert_eq!(config.state_dir, PathBuf::from("./katahai-state"));
        let site = &config.sites[0];
        assert_eq!((&*site.name, &site.hosts[..]), ("www.example.jp-443", &["*".to_owned()][..]));
        assert_eq!(site.canonical_host(), Some("www.example.jp"));
        let by_address = flags("http://[::1]:3000", None, None).unwrap();
        assert_eq!(&*by_address.sites[0].name, "ip--1-3000");
        assert_eq!(by_address.sites[0].canonical_host(), None);
    }

    #[test]
    fn a_host_and_an_address_are_taken_as_they_are() {
        let config = flags("https://203.0.113.10", Some("WWW.example.jp"), Some("[::]:80")).unwrap();
        assert_eq!(config.listen.http, ["[::]:80".parse().unwrap()]);
        let site = &config.sites[0];
        assert_eq!((&*site.name, &site.hosts[..]), ("www.example.jp", &["www.example.jp".to_owned()][..]));
        assert_eq!((&site.origins[0].host, site.canonical_host()), (&None, Some("www.example.jp")));
    }

    #[test]
    fn an_origin_that_leads_back_to_ourselves_is_refused() {
        let problems = flags("http://localhost:8080", None, None).unwrap_err();
        let problem = problems.iter().next().unwrap();
        assert_eq!((&*problem.key, problem.position()), ("--origin", Some((1, 10))));
        assert!(problem.message.ends_with("which listens on 127.0.0.1:8080"), "{problem}");
        assert!(flags("http://localhost:8080", None, Some("127.0.0.1:8081")).is_ok());
    }

    #[test]
    fn a_scheme_on_the_port_of_the_other_is_warned_of() {
        for (origin, told) in
            [("http://203.0.113.10:443", 1), ("https://203.0.113.10:80", 1), ("https://203.0.113.10", 0)]
        {
            let flags = Flags { origin, host: None, listen: None };
            let (_, problems) = from_flags(&flags, &Env::default()).unwrap();
            assert_eq!(problems.len(), told, "{problems}");
            assert!(problems.iter().all(|problem| problem.position() == Some((1, 10))), "{problems}");
        }
    }

    #[test]
    fn all_bad_flags_are_told_at_once() {
        let problems = flags("203.0.113.10", Some("a b"), Some("80\n")).unwrap_err();
        let keys: Vec<&str> = problems.iter().map(|problem| problem.key.as_str()).collect();
        assert_eq!(keys, ["--origin", "--host", "--listen"]);
        let shown = super::super::render::render(&problems, super::super::render::Style::Plain);
        assert!(shown.contains(" --> command line:1:10\n"), "{shown}");
        assert!(shown.contains("| --origin 203.0.113.10 --host a b --listen 80 \n"), "{shown}");
    }
}
