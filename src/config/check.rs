//! From the file as written to the configuration as used: defaults, bounds, and what only shows when keys are seen
//! together. Sockets are judged in `listen`, one site in `site`.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::address::FilePath;
use super::bounds::{ANY_TIME, TIMER, narrow};
use super::node::{Fault, Notes, Slot, Span, Spanned, shown};
use super::problem::{Problems, Severity};
use super::ready::{Config, Dns, Forms, Incidents, Limits, Listen, Site};
use super::remote::store;
use super::value::Size;
use super::{alerts, defaults, files, listen, raw, site};

/// What a file is read in: where it lies, and what the environment says.
pub(super) struct Context<'a> {
    /// The folder that relative names start from.
    pub(super) folder: &'a Path,
    /// The state folder that the environment names.
    pub(super) state_dir: Option<&'a Path>,
    /// The folder of credentials that the environment names.
    pub(super) credentials: Option<&'a Path>,
    /// Where visitors come in, once that is known: an origin cannot be there.
    pub(super) listen: Option<&'a Listen>,
    /// Whether there is a server that e-mail goes out through.
    pub(super) has_mail: bool,
    /// Where the last good lists of origins from the store are kept; `None`: there is no store.
    pub(super) lists: Option<&'a Path>,
}

impl Context<'_> {
    /// The file that is meant; `None` when the key is absent or empty, which means none.
    pub(super) fn file(&self, path: Slot<FilePath>) -> Option<Spanned<PathBuf>> {
        let Spanned { value: FilePath(path), span } = path.here()?;
        (!path.as_os_str().is_empty()).then(|| Spanned { value: self.folder.join(path), span })
    }
}

/// Judges the file. The problems of the files that it names come second. What is returned is to be used only if
/// no error was noted.
pub(super) fn config(file: raw::File, context: &Context<'_>, notes: &mut Notes) -> (Config, Problems) {
    let by_default =
        || context.state_dir.map_or_else(|| context.folder.join(defaults::STATE_DIR), Path::to_owned);
    let said = context.file(file.state_dir);
    let state_dir = said.as_ref().map_or_else(by_default, |at| at.value.clone());
    if let Err(fault) = files::state_dir(&state_dir) {
        match said {
            Some(at) => notes.warning(&at.span, fault),
            None => notes.whole(Severity::Warning, fault),
        }
    }
    let mut elsewhere = Problems::default();
    let any_tls =
        matches!(&file.site, Slot::Here(sites) if sites.value.iter().any(|site| site.value.tls.is_given()));
    let listen = listen::listen(file.listen.or_default(), file.admin.or_default(), any_tls, context, notes);
    let (mail, alerts) = alerts::alerts(file.alerts.or_default(), context, notes);
    let store = store(file.store.or_default(), context, notes);
    let lists = store.as_ref().map(|_| state_dir.join(defaults::LISTS));
    let context =
        &Context { listen: Some(&listen), has_mail: mail.is_some(), lists: lists.as_deref(), ..*context };
    let sites = sites(file.site, context, notes, &mut elsewhere);
    let watch = super::watch::watch(file.watch.or_default(), notes);
    let limits = limits(file.limits.or_default(), notes);
    let dns = dns(file.dns.or_default(), notes);
    let mut forms = forms(file.forms.or_default(), &state_dir, context, notes);
    forms.shared = store.as_ref().is_some_and(|store| store.key_file.is_some());
    if store.is_some() && !forms.shared && sites.iter().any(|site| !site.forms.is_empty()) {
        let help = "run \"katahai key new > store.key\", and name the file: key_file in [store]";
        let fault = Fault::new(
            "kept forms stay on this machine: there is no key to seal them with for the store",
            help,
        );
        notes.whole(Severity::Warning, fault);
    }
    let incidents = incidents(file.incidents.or_default(), notes);
    (
        Config { state_dir, listen, limits, dns, store, forms, incidents, mail, alerts, watch, sites },
        elsewhere,
    )
}

fn limits(raw: raw::Limits, notes: &mut Notes) -> Limits {
    let default = Limits::default();
    let count = |slot: Slot<u64>, default: usize, notes: &mut Notes| {
        slot.within(1..=1_000_000, notes).here().map_or(default, |at| narrow(at.value, default))
    };
    let size = |slot: Slot<Size>, low: u64, high: u64, default: u64, notes: &mut Notes| {
        slot.within(Size(low)..=Size(high), notes).or(Size(default)).0
    };
    let header_size = size(raw.header_size, 1 << 10, 16 << 20, default.header_size as u64, notes);
    Limits {
        connections: count(raw.connections, default.connections, notes),
        connections_per_client: count(raw.connections_per_client, default.connections_per_client, notes),
        in_flight_per_origin: count(raw.in_flight_per_origin, default.in_flight_per_origin, notes),
        header_size: narrow(header_size, default.header_size),
        body_size: size(raw.body_size, 0, 1 << 60, default.body_size, notes),
        header_timeout: raw.header_timeout.within(TIMER, notes).or(default.header_timeout),
        idle_timeout: raw.idle_timeout.within(TIMER, notes).or(default.idle_timeout),
        memory_cache: size(raw.memory_cache, 0, 1 << 50, default.memory_cache, notes),
        unread: size(raw.unread, 1 << 20, 1 << 50, default.unread, notes),
    }
}

fn dns(raw: raw::Dns, notes: &mut Notes) -> Dns {
    let nameservers = raw.nameservers.or_default().into_iter().map(|server| server.value.0).collect();
    let keep_last_good = raw.keep_last_good.within(ANY_TIME, notes).or(Dns::default().keep_last_good);
    Dns { nameservers, keep_last_good }
}

fn incidents(raw: raw::Incidents, notes: &mut Notes) -> Incidents {
    let default = Incidents::default();
    let day = Duration::from_secs(86_400);
    let keep_for = raw.keep_for.within(day..=*ANY_TIME.end(), notes).or(default.keep_for);
    Incidents { keep_for, zone: raw.zone.or_default().0 }
}

/// Where the key is: what the file says, else the credential of that name, else a file of our own in the state folder.
pub(super) fn forms_by_default(state_dir: &Path, credentials: Option<&Path>) -> Forms {
    let credential = credentials.map(|folder| folder.join(defaults::FORMS_CREDENTIAL));
    let credential = credential.filter(|file| file.exists());
    Forms {
        makes_key: credential.is_none(),
        shared: false,
        key_file: credential.unwrap_or_else(|| state_dir.join(defaults::FORMS_KEY)),
        keep_for: defaults::FORMS_KEEP_FOR,
        most: defaults::FORMS_MOST,
        size: defaults::FORMS_SIZE,
    }
}

fn forms(raw: raw::Forms, state_dir: &Path, context: &Context<'_>, notes: &mut Notes) -> Forms {
    let default = forms_by_default(state_dir, context.credentials);
    let hour = Duration::from_secs(3600);
    let key_file = context.file(raw.key_file);
    if let Some(at) = &key_file
        && let Err(fault) = files::form_keys(&at.value)
    {
        notes.degraded(&at.span, fault);
    }
    Forms {
        makes_key: key_file.is_none() && default.makes_key,
        shared: false,
        key_file: key_file.map_or(default.key_file, |at| at.value),
        keep_for: raw.keep_for.within(hour..=*ANY_TIME.end(), notes).or(default.keep_for),
        most: raw
            .most
            .within(1..=1_000_000, notes)
            .here()
            .map_or(default.most, |at| narrow(at.value, default.most)),
        size: raw.size.within(Size(1 << 20)..=Size(1 << 50), notes).or(Size(default.size)).0,
    }
}

/// All sites. A host, and a name, belongs to one of them.
fn sites(
    raw: Slot<Vec<Spanned<raw::Site>>>,
    context: &Context<'_>,
    notes: &mut Notes,
    elsewhere: &mut Problems,
) -> Vec<Arc<Site>> {
    let broken = matches!(raw, Slot::Broken);
    let raw = raw.or_default();
    if raw.is_empty() && !broken {
        let help = "write [[site]], hosts = [\"www.example.jp\"], and below it [[site.origin]] with its url";
        notes.whole(Severity::Error, Fault::new("there is no site", help));
    }
    let mut hosts = Taken::default();
    let mut names = Taken::default();
    let mut sites = Vec::with_capacity(raw.len());
    for Spanned { value, span } in raw {
        let own = value.hosts.listed().iter().map(|host| (&host.value.0, &host.span));
        let standby = value.standby_hosts.listed().iter().map(|host| (&host.value.0, &host.span));
        for (host, span) in own.chain(standby) {
            hosts.take(host, span, notes, |line| {
                let message = format!("the host {} is listed twice, first on line {line}", shown(host));
                Fault::new(message, "a host belongs to one site, and is either its own or a standby host")
            });
        }
        let Some((site, name_at)) = site::site(value, &span, context, notes, elsewhere) else {
            continue;
        };
        names.take(&site.name, &name_at, notes, |line| {
            let message = format!("the site on line {line} already has the name {}", shown(&site.name));
            Fault::new(message, "give one of them another name, with the key `name`")
        });
        sites.push(Arc::new(site));
    }
    sites
}

/// What may be there only once, and where it was first.
#[derive(Default)]
struct Taken(HashMap<String, usize>);

impl Taken {
    /// Takes `what`; notes the fault, made with the line of the first taker, if it was taken before.
    fn take(&mut self, what: &str, span: &Span, notes: &mut Notes, fault: impl FnOnce(usize) -> Fault) {
        match self.0.get(what) {
            Some(&line) => notes.error(span, fault(line)),
            None => {
                self.0.insert(what.to_owned(), notes.line(span));
            }
        }
    }
}

/// The first of each in a list; those that come again are noted as warnings, and dropped.
pub(super) fn once<T: Eq + std::hash::Hash + Clone>(list: Vec<Spanned<T>>, notes: &mut Notes) -> Vec<T> {
    let mut seen = HashSet::new();
    let mut kept = Vec::with_capacity(list.len());
    for Spanned { value, span } in list {
        if seen.insert(value.clone()) {
            kept.push(value);
        } else {
            notes.warning(&span, Fault::new("this is already in the list", "remove it"));
        }
    }
    kept
}
