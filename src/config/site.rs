//! Judging one `[[site]]`.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::address::{FilePath, HostName, PagePath, SiteHost, SiteName, site_name};
use super::bounds::{ANY_TIME, TIMER, narrow};
use super::check::{Context, once};
use super::node::{Fault, Notes, Slot, Span, Spanned, shown};
use super::origins;
use super::problem::{Problems, Severity};
use super::ready::{
    ANY_HOST, CachePolicy, Failover, Form, Health, Mirror, Notice, Origin, OriginsFile, PathPattern, Route,
    SharedList, Site, SiteTls, Statuses,
};
use super::remote::list_name;
use super::value::{Age, CookieName, Delay, PerClient, Phrase, QueryName, Rate, Size, Switch};
use super::{defaults, files, maintenance, raw, recipient};
use crate::fingerprint::Fingerprints;

/// The site, and where its name stands; `None` when it has no usable host to be named by.
pub(super) fn site(
    raw: raw::Site,
    span: &Span,
    context: &Context<'_>,
    notes: &mut Notes,
    elsewhere: &mut Problems,
) -> Option<(Site, Span)> {
    let hosts = hosts(raw.hosts, span, notes);
    let standby_hosts = raw.standby_hosts.or_default();
    if let Some(first) = standby_hosts.first()
        && !hosts.is_empty()
        && hosts.iter().all(|host| host.value.0 == ANY_HOST)
    {
        let help = "write the names that its pages use, as in hosts = [\"www.example.jp\", \"*\"]";
        notes.error(&first.span, Fault::new("standby hosts need the site's own names in `hosts`", help));
    }
    let standby_hosts = standby_hosts.into_iter().map(|host| host.value.0).collect();
    let name = name(raw.name, &hosts, notes);
    let (origins, origins_file) = origins(raw.origin, raw.origins_file, span, context, notes, elsewhere);
    let tls = raw.tls.here().and_then(|tls| site_tls(tls, context, notes));
    let health = health(raw.health.or_default(), notes);
    let failover = failover(raw.failover.or_default(), context, notes);
    let cache = cache(raw.cache.or_default(), notes);
    let mut mirror = mirror(raw.mirror.or_default(), notes);
    let watch = super::watch::site_watch(raw.watch.or_default(), notes);
    let drill = super::drill::site_drill(raw.drill.or_default());
    let notice = Notice { banner: raw.notice.or_default().banner.or_default() };
    let status_page = raw.status_page.here().and_then(|table| status_page(table, notes));
    if let Some(path) = &status_page {
        // the origin has no such pages: a link to them is not broken, and nothing that a crawl could take
        let ours = STATUS_FILES.iter().map(|file| format!("{path}{file}"));
        mirror.exclude.extend(ours.filter_map(|path| PathPattern::new(&path).ok()));
    }
    let routes: Vec<Spanned<Route>> =
        raw.route.or_default().into_iter().filter_map(|route| self::route(route, notes)).collect();
    let forms =
        raw.form.or_default().into_iter().filter_map(|form| self::form(form, context, notes)).collect();
    let windows = raw.maintenance.or_default().into_iter();
    let maintenance = windows.filter_map(|window| maintenance::maintenance(window, notes)).collect();
    let key_pages = key_pages(raw.key_pages, &routes, notes);
    let routes = routes.into_iter().map(|route| route.value).collect();
    let (name, name_at) = name?;
    let hosts = hosts.into_iter().map(|host| host.value.0).collect();
    let site = Site {
        name: Arc::from(name),
        hosts,
        standby_hosts,
        key_pages,
        origins,
        origins_file,
        tls,
        health,
        failover,
        cache,
        mirror,
        notice,
        watch,
        drill,
        status_page,
        routes,
        forms,
        maintenance,
    };
    Some((site, name_at))
}

/// The path of the public status page, without a slash at its end: its other files lie below it.
/// What a status page is made of, below its path.
const STATUS_FILES: [&str; 6] = ["", "/", "/style.css", "/status.json", "/badge.svg", "/feed.atom"];

fn status_page(raw: Spanned<raw::StatusPage>, notes: &mut Notes) -> Option<String> {
    let Spanned { value, span } = raw.value.path.here()?;
    let path = value.0?;
    let trimmed = path.trim_end_matches('/');
    if trimmed.is_empty() || path.contains('?') {
        let help = "give it a path that the site does not use, as in \"/status\"";
        let fault = Fault::new(format!("{path:?} cannot be the address of the status page"), help);
        notes.error(&span, fault);
        return None;
    }
    Some(trimmed.to_owned())
}

fn hosts(raw: Slot<Vec<Spanned<SiteHost>>>, site: &Span, notes: &mut Notes) -> Vec<Spanned<SiteHost>> {
    let help = "write the names that visitors use, as in hosts = [\"www.example.jp\"]";
    match raw {
        Slot::Absent => {
            notes.missing(site, "hosts", help);
            Vec::new()
        }
        Slot::Broken => Vec::new(),
        Slot::Here(Spanned { value, span }) => {
            // A list that is empty because none of its names can be read has its problems already.
            if value.is_empty() && !notes.has_within(&span) {
                notes.error(&span, Fault::new("the site has no host", help));
            }
            value
        }
    }
}

/// The name and where it comes from: its key, else the first host.
fn name(raw: Slot<SiteName>, hosts: &[Spanned<SiteHost>], notes: &mut Notes) -> Option<(String, Span)> {
    let host = hosts.iter().find(|host| host.value.0 != ANY_HOST).or(hosts.first());
    match (raw, host) {
        (Slot::Here(Spanned { value, span }), _) => Some((value.0, span)),
        (Slot::Broken, _) | (Slot::Absent, None) => None,
        (Slot::Absent, Some(host)) if host.value.0 == ANY_HOST => {
            Some((defaults::CATCH_ALL_NAME.to_owned(), host.span.clone()))
        }
        (Slot::Absent, Some(host)) => match site_name(&name_of_host(&host.value.0)) {
            Ok(name) => Some((name.0, host.span.clone())),
            Err(_) => {
                let message = format!("{} is too long to name the site", shown(&host.value.0));
                notes.error(&host.span, Fault::new(message, "give the site a `name`"));
                None
            }
        },
    }
}

/// A host as a site's name: the colons of an IPv6 address have no place in the name of a file, and what begins with "-" is
/// taken for an option where it is written on a command line.
pub(super) fn name_of_host(host: &str) -> String {
    let name = host.trim_matches(['[', ']']).replace(':', "-");
    if name.starts_with('-') { format!("ip{name}") } else { name }
}

fn origins(
    raw: Slot<Vec<Spanned<raw::Origin>>>,
    file: Slot<FilePath>,
    site: &Span,
    context: &Context<'_>,
    notes: &mut Notes,
    elsewhere: &mut Problems,
) -> (Vec<Origin>, Option<OriginsFile>) {
    let (listed, file_given) = (raw.is_given(), file.is_given());
    let shared = shared_list(&file, context, notes);
    let file = context.file(file);
    let origins = raw.here().map(|list| origins::judge(list.value, context, notes)).unwrap_or_default();
    let Some(Spanned { value: path, span }) = file else {
        if !listed && !file_given {
            let help = "write [[site.origin]] with its url below the site, or name an origins_file";
            let fault = Fault::new("the site has no origin: only its copies can be served", help);
            notes.lacking(Severity::Warning, site, fault);
        }
        return (origins, None);
    };
    if listed {
        let help = "keep one of the two: the list in the other file, or the one here";
        notes.error(&span, Fault::new("the site has both `origins_file` and [[site.origin]]", help));
    }
    if let Some(shared) = shared {
        let Some(list) = shared else { return (origins, None) };
        let (origins, problems) = origins::kept(&list, context.listen);
        elsewhere.extend(problems.at_most(Severity::Degraded));
        return (origins, Some(OriginsFile::Store(list)));
    }
    let (origins, problems) = origins::read(&path, context.listen);
    // The copies can be served without a list, and what of it can be read is better than nothing.
    elsewhere.extend(problems.at_most(Severity::Degraded));
    (origins, Some(OriginsFile::File(path)))
}

/// What begins a name in the store instead of a file's.
const IN_STORE: &str = "store:";

/// The list in the store, if one is meant; `Some(None)`: it is, and cannot be.
fn shared_list(
    file: &Slot<FilePath>,
    context: &Context<'_>,
    notes: &mut Notes,
) -> Option<Option<SharedList>> {
    let Slot::Here(Spanned { value: FilePath(path), span }) = file else { return None };
    let name = path.to_str()?.strip_prefix(IN_STORE)?;
    let Some(lists) = context.lists else {
        let help = "add [store] with its url, or name a file";
        notes.error(
            span,
            Fault::new("the list of origins is to come from the store, and there is none", help),
        );
        return Some(None);
    };
    match list_name(name) {
        Ok(name) => Some(Some(SharedList::named(name, lists, context.folder))),
        Err(fault) => {
            notes.error(span, fault);
            Some(None)
        }
    }
}

fn site_tls(raw: Spanned<raw::Tls>, context: &Context<'_>, notes: &mut Notes) -> Option<SiteTls> {
    let mut file = |slot: Slot<FilePath>, key: &str, look: fn(&Path) -> Result<(), Fault>| {
        let broken = matches!(slot, Slot::Broken);
        let Some(Spanned { value, span }) = context.file(slot) else {
            if !broken {
                notes.missing(
                    &raw.span,
                    key,
                    "name both files: cert with the chain, key with the private key (PEM)",
                );
            }
            return None;
        };
        if let Err(fault) = look(&value) {
            notes.degraded(&span, fault);
        }
        Some(value)
    };
    let cert = file(raw.value.cert, "cert", files::certificates);
    let key = file(raw.value.key, "key", files::private_key);
    Some(SiteTls { cert: cert?, key: key? })
}

fn health(raw: raw::Health, notes: &mut Notes) -> Health {
    let default = Health::default();
    let times = |slot: Slot<u64>, default: u32, notes: &mut Notes| {
        slot.within(1..=1000, notes).here().map_or(default, |at| narrow(at.value, default))
    };
    if let Slot::Here(Spanned { value, span }) = &raw.expect_status
        && value.is_empty()
        && !notes.has_within(span)
    {
        let help = "write the statuses that are good, as in [\"200-399\"]";
        notes.error(span, Fault::new("with no good status, no check could ever pass", help));
    }
    Health {
        path: raw.path.here().map_or(default.path, |path| path.value.0),
        interval: raw.interval.within(TIMER, notes).or(default.interval),
        timeout: raw.timeout.within(TIMER, notes).or(default.timeout),
        fall: times(raw.fall, default.fall, notes),
        rise: times(raw.rise, default.rise, notes),
        expect_status: raw.expect_status.or(default.expect_status),
        expect_text: raw.expect_text.or(default.expect_text),
    }
}

fn failover(raw: raw::Failover, context: &Context<'_>, notes: &mut Notes) -> Failover {
    let default = Failover::default();
    let least = raw.patience.within(Duration::ZERO..=*TIMER.end(), notes).here();
    let most = raw.patience_max.within(TIMER, notes).here();
    let (patience, patience_max) = match (least, most) {
        (None, None) => (default.patience, default.patience_max),
        // The one that is silent follows the one that speaks.
        (Some(least), None) => (least.value, default.patience_max.max(least.value)),
        (None, Some(most)) => (default.patience.min(most.value), most.value),
        (Some(least), Some(most)) => {
            if least.value > most.value {
                let [low, high] = [least.value, most.value].map(humantime::format_duration);
                let message = format!("`patience` ({low}) is longer than `patience_max` ({high})");
                notes.error(&least.span, Fault::new(message, "raise `patience_max`, or lower `patience`"));
            }
            (least.value, most.value)
        }
    };
    if let Slot::Here(Spanned { value, span }) = &raw.bad_status
        && value.overlaps(&Statuses::of(&[(200, 299)]))
    {
        let help = "leave 200 to 299 out: an answer with such a status is the site";
        notes.error(span, Fault::new("`bad_status` contains success statuses", help));
    }
    let (fingerprints_file, fingerprints) = fingerprints(raw.fingerprints, context, notes);
    Failover {
        patience,
        patience_max,
        timeout: raw.timeout.within(TIMER, notes).or(default.timeout),
        hold_back: raw.hold_back.within(Size(0)..=Size(1 << 30), notes).or(Size(default.hold_back)).0,
        bad_status: raw.bad_status.or(default.bad_status),
        expect_text: raw.expect_text.or(default.expect_text),
        reject_text: once(raw.reject_text.or_default(), notes).into_iter().map(|Phrase(text)| text).collect(),
        fingerprints,
        fingerprints_file,
        moved_to: once(raw.moved_to.or_default(), notes).into_iter().map(|HostName(host)| host).collect(),
        recovery_ramp: raw.recovery_ramp.within(ANY_TIME, notes).or(default.recovery_ramp),
        hedge: raw.hedge.or(Delay(default.hedge)).0,
    }
}

/// The file with the operator's own fingerprints, and these. The site can do without them: what cannot be used is said, and
/// left out.
fn fingerprints(
    raw: Slot<FilePath>,
    context: &Context<'_>,
    notes: &mut Notes,
) -> (Option<PathBuf>, Option<Arc<Fingerprints>>) {
    let Some(Spanned { value: path, span }) = context.file(raw) else { return (None, None) };
    let read = files::fingerprints(&path).map(Arc::new);
    let read = read.map_err(|faults| faults.into_iter().for_each(|fault| notes.degraded(&span, fault)));
    (Some(path), read.ok())
}

fn cache(raw: raw::Cache, notes: &mut Notes) -> CachePolicy {
    let default = CachePolicy::default();
    let ignore = raw.ignore_query.here().map(|list| once(list.value, notes));
    let bypass = raw.bypass_cookies.here().map(|list| once(list.value, notes));
    let no_matter = raw.ignore_cookies.here().map(|list| once(list.value, notes));
    let names = |list: Vec<CookieName>| list.into_iter().map(|CookieName(name)| name).collect();
    CachePolicy {
        default_ttl: raw.default_ttl.within(ANY_TIME, notes).or(default.default_ttl),
        ignore_query: ignore
            .map_or(default.ignore_query, |list| list.into_iter().map(|QueryName(name)| name).collect()),
        bypass_cookies: bypass.map_or(default.bypass_cookies, names),
        ignore_cookies: no_matter.map_or(default.ignore_cookies, names),
    }
}

fn mirror(raw: raw::Mirror, notes: &mut Notes) -> Mirror {
    let default = Mirror::default();
    let count = |slot: Slot<u64>, most: u64, default: usize, notes: &mut Notes| {
        slot.within(1..=most, notes).here().map_or(default, |at| narrow(at.value, default))
    };
    let depth = raw.max_depth.within(0..=10_000, notes).here();
    Mirror {
        every: raw.every.within(Duration::from_secs(1)..=*ANY_TIME.end(), notes).or(default.every),
        keep: count(raw.keep, 100_000, default.keep, notes),
        keep_for: raw.keep_for.or(Age(default.keep_for)).0,
        max_pages: count(raw.max_pages, 10_000_000, default.max_pages, notes),
        max_depth: depth.map_or(default.max_depth, |at| narrow(at.value, default.max_depth)),
        rate: raw.rate.or(Rate(default.rate)).0,
        include: once(raw.include.or_default(), notes),
        exclude: once(raw.exclude.or_default(), notes),
        asset_hosts: once(raw.asset_hosts.or_default(), notes),
        private: raw.private.or(default.private),
        robots: raw.robots.or(default.robots),
    }
}

/// The key pages. One that a route keeps out of the snapshots is told: no snapshot has it, so none passes the gate.
fn key_pages(raw: Slot<Vec<Spanned<PagePath>>>, routes: &[Spanned<Route>], notes: &mut Notes) -> Vec<String> {
    let unmirrored = |page: &str| {
        let path = page.split('?').next().unwrap_or(page);
        routes
            .iter()
            .find(|route| route.value.path.matches(path))
            .filter(|route| route.value.mirror == Some(false))
    };
    let fault = |page: &str, line: usize| {
        let message =
            format!("the route on line {line} takes the key page {} out of the mirror", shown(page));
        let help = "no snapshot would have it, so none would pass the gate: narrow the route, or take the page out of key_pages";
        Fault::new(message, help)
    };
    let Some(Spanned { value: pages, .. }) = raw.here() else {
        let pages = defaults::key_pages();
        for (page, route) in pages.iter().filter_map(|page| Some((page, unmirrored(page)?))) {
            notes.warning(&route.span, fault(page, notes.line(&route.span)));
        }
        return pages;
    };
    for page in &pages {
        if let Some(route) = unmirrored(&page.value.0) {
            notes.warning(&page.span, fault(&page.value.0, notes.line(&route.span)));
        }
    }
    once(pages, notes).into_iter().map(|page| page.0).collect()
}

fn route(Spanned { value, span }: Spanned<raw::Route>, notes: &mut Notes) -> Option<Spanned<Route>> {
    if !value.path.is_given() {
        notes.missing(&span, "path", "write which paths are meant, as in path = \"/admin/*\"");
    }
    let path = value.path.here()?.value;
    let (cache, mirror) = (value.cache.or(Switch(true)).0, value.mirror.here().map(|at| at.value.0));
    let timeout = value.timeout.within(TIMER, notes).here().map(|timeout| timeout.value);
    Some(Spanned { value: Route { path, cache, mirror, timeout }, span })
}

fn form(
    Spanned { value, span }: Spanned<raw::Form>,
    context: &Context<'_>,
    notes: &mut Notes,
) -> Option<Form> {
    if !value.path.is_given() {
        notes.missing(&span, "path", "write where the form is sent to, as in path = \"/signup\"");
    }
    let deliver = value
        .deliver
        .here()
        .map(|Spanned { value, span }| recipient::deliver(value, &span, context.has_mail, notes));
    Some(Form {
        path: value.path.here()?.value,
        page: value.page.or_default().0,
        keep: value.keep.or(true),
        deliver: deliver.unwrap_or_default(),
        thanks: value.thanks.or_default().0,
        honeypot: value.honeypot.here().map(|name| name.value).filter(|name| !name.is_empty()),
        idempotent: value.idempotent.or(false),
        most_per_client: value.most_per_client.or(PerClient(Some(defaults::FORMS_PER_CLIENT))).0,
    })
}
