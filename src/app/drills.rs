//! Drills on the operator's word: a link to a preview for one browser, and a practised outage for all. What `[store] key_file` says
//! is shared, so a link works at each instance that has it; the rest is this instance's.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use super::App;
use crate::clock::{self, Now};
use crate::config::Config;
use crate::config::ready::{ANY_HOST, PREVIEW};
use crate::drill::{self, Preview};
use crate::failover::{Mode, State};
use crate::failure::chain;
use crate::forms::Keys;
use crate::proxy::{Proxy, Site, Table};
use crate::snapshot::{SnapshotId, rfc3339};
use crate::{disk, tasks};

/// The longest drill for all.
pub const LONGEST: Duration = Duration::from_secs(2 * 3600);
/// Where drills for all are written down, within the state directory: a file for each site that has one.
const FOLDER: &str = "drills";

/// Why something was not done.
#[derive(Debug, thiserror::Error)]
pub enum NoDrill {
    /// What was asked for makes no sense.
    #[error("{0}")]
    Words(String),
    /// It is not there.
    #[error("{0}")]
    Absent(String),
    /// As things stand it would do harm.
    #[error("{0}")]
    Conflict(String),
    /// It failed.
    #[error("{0}")]
    Broken(String),
}

/// What a link is asked for.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LinkWanted {
    /// Which snapshot: an id, or `latest` for the one that was taken last; none: the one in service.
    #[serde(default)]
    pub snapshot: Option<String>,
    /// Where the visit begins.
    #[serde(default)]
    pub path: Option<String>,
    /// How long it is good, such as `1h`.
    #[serde(default, rename = "for")]
    pub time: Option<String>,
    /// The host that the link leads to, with a port if need be, in place of the site's first.
    #[serde(default)]
    pub host: Option<String>,
}

/// A link to a preview.
#[derive(Clone, Debug, Serialize)]
pub struct Link {
    /// For a browser.
    pub url: String,
    /// For tools: the value of the header field `Katahai-Preview`.
    pub token: String,
    /// The site.
    pub site: String,
    /// The chosen snapshot, if one was.
    pub snapshot: Option<SnapshotId>,
    /// When it ends, RFC 3339.
    pub ends: String,
}

/// A drill for all, as it is written down.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Written {
    version: u32,
    /// The end, in seconds since the epoch.
    ends: u64,
    reason: String,
}

impl Written {
    /// How long it goes on; `None` if it does not. One that ends later than any can was written under another clock.
    fn left(&self, now: Now) -> Option<Duration> {
        let left = Duration::from_secs(self.ends.checked_sub(now.unix())?);
        (self.version == 1 && !left.is_zero() && left <= LONGEST).then_some(left)
    }
}

/// A time such as `10m`, of at most so much.
fn time(text: &str, most: Duration) -> Result<Duration, NoDrill> {
    let time = humantime::parse_duration(text)
        .map_err(|_| NoDrill::Words(format!("{text:?} is not a time: write it like \"10m\" or \"1h\"")))?;
    let most_said = humantime::format_duration(most);
    if time < Duration::from_secs(1) || time > most {
        return Err(NoDrill::Words(format!("{text:?} is too short or too long: at most {most_said}")));
    }
    Ok(time)
}

impl App {
    /// Makes a link to a preview of the site.
    ///
    /// # Errors
    /// What is wrong with what was asked for, or why there is no key.
    pub async fn preview_link(&self, site: &Site, wanted: LinkWanted) -> Result<Link, NoDrill> {
        let time = wanted.time.as_deref().map_or(Ok(drill::USUAL), |text| time(text, drill::LONGEST))?;
        let path = wanted.path.filter(|path| path != "/");
        if path.as_deref().is_some_and(|path| !drill::is_path(path)) {
            return Err(NoDrill::Words(
                "the path begins with one \"/\", is written as in an address, and has at most 1024 bytes"
                    .to_owned(),
            ));
        }
        let snapshot = match wanted.snapshot {
            Some(name) => Some(snapshot(site, name).await?),
            None => None,
        };
        let root = self.root_of(site, wanted.host.as_deref())?;
        if !self.proxy.previews().has_key() {
            let dir = self.config().state_dir;
            let made = tasks::blocking(move || drill::make(&dir)).await;
            let made = made.ok_or_else(|| NoDrill::Broken("the process is stopping".to_owned()))?;
            let key = made.map_err(|error| NoDrill::Broken(chain(&error).to_string()))?;
            self.proxy.previews().set(&[key]);
        }
        let ends = clock::now().unix() + time.as_secs();
        let preview = Preview { site: site.config.name.to_string(), snapshot, path, ends };
        let token = self.proxy.previews().sign(&preview);
        let token = token.ok_or_else(|| NoDrill::Broken("the link could not be signed".to_owned()))?;
        tracing::info!(site = %site.config.name, snapshot = ?snapshot, ends = %rfc3339(preview.ends_at()), "made a link to a preview");
        Ok(Link {
            url: format!("{root}{PREVIEW}?token={token}"),
            token,
            snapshot,
            ends: rfc3339(preview.ends_at()),
            site: preview.site,
        })
    }

    /// Where visitors reach the site, without a slash at the end: by its first name and the port that this instance listens on. Behind
    /// another proxy, that proxy's port is the scheme's own.
    fn root_of(&self, site: &Site, host: Option<&str>) -> Result<String, NoDrill> {
        let is_tls = site.config.tls.is_some();
        let scheme = if is_tls { "https" } else { "http" };
        let at = if is_tls { &self.addresses().https } else { &self.addresses().http };
        if let Some(host) = host {
            let is_host = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b':' | b'[' | b']');
            if host.is_empty() || host.len() > 255 || !host.bytes().all(is_host) {
                return Err(NoDrill::Words(format!(
                    "{host:?} is not a host like \"www.example.jp\" or \"localhost:8080\""
                )));
            }
            return Ok(format!("{scheme}://{host}"));
        }
        let host = site.config.hosts.iter().find(|host| *host != ANY_HOST).map(String::as_str);
        let default = crate::ask::default_port(is_tls);
        let behind = !self.table().trusted.is_empty();
        let port = at.first().map(std::net::SocketAddr::port).filter(|port| *port != default && !behind);
        let authority = match (host, at.first()) {
            (Some(host), _) => port.map_or_else(|| host.to_owned(), |port| format!("{host}:{port}")),
            (None, Some(at)) if !at.ip().is_unspecified() => at.to_string(),
            (None, at) => format!("localhost:{}", at.map_or(default, std::net::SocketAddr::port)),
        };
        Ok(format!("{scheme}://{authority}"))
    }

    /// Begins a drill for all visitors of the site. It is written down first, so that a restart goes on with it.
    ///
    /// # Errors
    /// Why it would do harm, or makes no sense.
    pub async fn begin_drill(
        &self,
        site: &Site,
        (text, reason): (&str, &str),
        anyway: Anyway,
    ) -> Result<SystemTime, NoDrill> {
        let time = time(text, LONGEST)?;
        let (name, now) = (&site.config.name, clock::now());
        if site.mirror.current().is_none() {
            return Err(NoDrill::Conflict(format!(
                "{name} has no snapshot, so its visitors would get the holding page: take one first (\"katahai snapshot take {name}\")"
            )));
        }
        if site.switch.mode(now.mono) != Mode::Auto && !site.switch.is_drill(now.mono) {
            return Err(NoDrill::Conflict(format!(
                "{name} is held by hand already: \"katahai hold off {name}\" first"
            )));
        }
        let state = site.state(now);
        if state != State::Up && anyway == Anyway::No {
            return Err(NoDrill::Conflict(format!(
                "{name} is {}, not up: a drill would hide a real fault. Begin it all the same with --anyway",
                state.as_str()
            )));
        }
        let ends = UNIX_EPOCH + Duration::from_secs(now.unix() + time.as_secs());
        let written = Written { version: 1, ends: clock::unix(ends), reason: reason.to_owned() };
        let file = self.drill_file(name);
        let saved = tasks::blocking(move || save(&file, &written)).await;
        if let Some(Err(error)) = saved {
            tracing::warn!(site = %name, %error, "the drill is not written down: a restart will end it");
        }
        site.switch.set_drill(time, reason, now);
        tracing::info!(site = %name, ?time, reason, "a drill for all visitors begins");
        Ok(ends)
    }

    /// Ends it.
    ///
    /// # Errors
    /// If there is none.
    pub async fn end_drill(&self, site: &Site) -> Result<(), NoDrill> {
        let (name, now) = (&site.config.name, clock::now());
        if !site.switch.is_drill(now.mono) {
            return Err(NoDrill::Conflict(format!("there is no drill of {name}")));
        }
        self.forget_drill(site).await;
        site.switch.set(Mode::Auto, None, "", now);
        tracing::info!(site = %name, "the drill for all visitors has ended");
        Ok(())
    }

    /// Takes away what is written of a drill: the operator has said something else.
    pub async fn forget_drill(&self, site: &Site) {
        let file = self.drill_file(&site.config.name);
        let gone = tasks::blocking(move || disk::remove_file(&file)).await;
        match gone {
            Some(Err(error)) if error.kind() != std::io::ErrorKind::NotFound => {
                tracing::warn!(site = %site.config.name, %error, "what is written of the drill could not be removed: a restart before its end goes on with it");
            }
            Some(_) | None => {}
        }
    }

    fn drill_file(&self, site: &str) -> PathBuf {
        self.fixed.state_dir().join(FOLDER).join(format!("{site}.json"))
    }
}

/// Puts the key of previews in force: drawn from the keys that instances share, else this instance's own, if it has one.
pub(super) async fn read_preview_keys(previews: &drill::Signer, config: &Config) {
    let shared = config.store.as_ref().and_then(|store| store.key_file.clone());
    let dir = config.state_dir.clone();
    let keys = tasks::blocking(move || match shared {
        Some(file) => {
            Keys::read(&file).map(|keys| drill::drawn(&keys)).map_err(|error| chain(&error).to_string())
        }
        None => {
            drill::kept(&dir).map(|key| key.into_iter().collect()).map_err(|error| chain(&error).to_string())
        }
    });
    match keys.await {
        Some(Ok(keys)) if keys.is_empty() => {}
        Some(Ok(keys)) => previews.set(&keys),
        Some(Err(error)) => {
            tracing::warn!(error, "the key of previews cannot be read: there are none until it can")
        }
        None => {}
    }
}

/// Whether a drill is begun although the site is not up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Anyway {
    /// Yes.
    Yes,
    /// No.
    No,
}

/// The snapshot of this name.
async fn snapshot(site: &Site, name: String) -> Result<SnapshotId, NoDrill> {
    let none = || {
        NoDrill::Absent(format!(
            "there is no snapshot {name:?}; \"katahai snapshot list\" shows those that are there"
        ))
    };
    let store = site.mirror.store().ok_or_else(none)?.clone();
    if name == "latest" {
        let newest = tasks::blocking(move || store.list().first().map(|summary| summary.id)).await;
        return newest.flatten().ok_or_else(none);
    }
    let id: SnapshotId =
        name.parse().map_err(|_| NoDrill::Words(format!("{name:?} is not the name of a snapshot")))?;
    tasks::blocking(move || store.get(&id).map(|snapshot| snapshot.id())).await.flatten().ok_or_else(none)
}

fn save(file: &Path, written: &Written) -> std::io::Result<()> {
    if let Some(folder) = file.parent() {
        disk::ensure_dir(folder)?;
    }
    disk::write_atomic(file, serde_json::to_vec(written)?.as_slice())
}

/// What a start does for drills, before visitors are let in.
pub(super) async fn begin(proxy: &Proxy, config: &Config) {
    if are_any(&config.state_dir).await {
        resume(&config.state_dir, &proxy.table(), clock::now()).await;
    }
    read_preview_keys(proxy.previews(), config).await;
}

/// Goes on with the drills that a restart has interrupted, and removes what is left of others. Before visitors are let in.
async fn resume(state_dir: &Path, table: &Table, now: Now) {
    for site in &table.sites {
        let file = state_dir.join(FOLDER).join(format!("{}.json", site.config.name));
        let read = tasks::blocking(move || {
            let text = std::fs::read(&file).ok()?;
            let written = serde_json::from_slice::<Written>(&text).ok();
            let going = written.and_then(|written| Some((written.left(now)?, written.reason)));
            if going.is_none() {
                _ = disk::remove_file(&file);
            }
            going
        });
        if let Some((left, reason)) = read.await.flatten() {
            site.switch.set_drill(left, &reason, now);
            tracing::info!(site = %site.config.name, ?left, reason, "a drill for all visitors goes on");
        }
    }
}

/// Whether there may be any: most instances never had one, and need not look for each of thousands of sites.
async fn are_any(state_dir: &Path) -> bool {
    let folder = state_dir.join(FOLDER);
    let has = || std::fs::read_dir(folder).is_ok_and(|mut files| files.next().is_some());
    tasks::blocking(has).await.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_drill_goes_on_no_longer_than_its_end() {
        let now = |seconds| Now { mono: clock::instant(), wall: UNIX_EPOCH + Duration::from_secs(seconds) };
        let written = Written { version: 1, ends: 10_000, reason: String::new() };
        for (at, expected) in [
            (9_999, Some(1)),
            (9_400, Some(600)),
            (10_000, None),
            (20_000, None),
            (2_800, Some(7_200)),
            // the clock was set back
            (2_799, None),
            (0, None),
        ] {
            assert_eq!(written.left(now(at)).map(|left| left.as_secs()), expected, "at {at}");
        }
        let later = Written { version: 2, ..written };
        assert_eq!(later.left(now(9_999)), None, "a shape that is not known");
    }

    #[test]
    fn times_have_a_bound() {
        for (text, is_good) in [
            ("10m", true),
            ("2h", true),
            ("2h 1s", false),
            ("0s", false),
            ("", false),
            ("ten", false),
            ("-1m", false),
        ] {
            assert_eq!(time(text, LONGEST).is_ok(), is_good, "{text:?}");
        }
    }
}
