//! All sites in short, those in trouble first, for somebody who polls thousands of them every few seconds. It does nothing
//! slow, and lists no more sites than requested.

use serde::Serialize;

use super::regions::view::Instances;
use super::visitors_get::{self, Footing};
use super::{App, Condition};
use crate::clock::{self, Now};
use crate::failover::{Mode, State};
use crate::failure::{Cause, Said, Text};
use crate::forms;
use crate::history::Gets;
use crate::proxy::Site;
use crate::snapshot::rfc3339;

/// How a site stands, the worst first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// Its live site is not given to visitors.
    Down,
    /// Some of its pages are bad.
    Degraded,
    /// Not all visitors get the live site again.
    Recovering,
    /// It is up, and something needs attention.
    Warning,
    /// It is not known yet whether it is up.
    Unproven,
    /// All is well.
    Well,
}

/// How many sites there are of each level.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// All.
    pub sites: usize,
    /// [`Level::Down`].
    pub down: usize,
    /// [`Level::Degraded`].
    pub degraded: usize,
    /// [`Level::Recovering`].
    pub recovering: usize,
    /// [`Level::Warning`].
    pub warning: usize,
    /// [`Level::Unproven`].
    pub unproven: usize,
    /// [`Level::Well`].
    pub well: usize,
}

impl Counts {
    fn add(&mut self, level: Level) {
        self.sites += 1;
        let count = match level {
            Level::Down => &mut self.down,
            Level::Degraded => &mut self.degraded,
            Level::Recovering => &mut self.recovering,
            Level::Warning => &mut self.warning,
            Level::Unproven => &mut self.unproven,
            Level::Well => &mut self.well,
        };
        *count += 1;
    }
}

/// `GET /api/v1/sites`.
#[derive(Debug, Serialize)]
pub struct Overview {
    /// Of Katahai.
    pub version: &'static str,
    /// Seconds since the start.
    pub uptime_s: u64,
    /// Where it listens.
    pub listen: Vec<String>,
    /// The configuration file; `None` if the command line is all that there is.
    pub config_file: Option<String>,
    /// What is wrong with Katahai itself, or worth knowing.
    pub conditions: Vec<Condition>,
    /// The instances that share the store, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub regions: Option<Instances>,
    /// Of all sites, whatever the filter.
    pub counts: Counts,
    /// Those whose robots.txt forbids the whole site.
    pub robots: Robots,
    /// How many sites match; `sites` may have fewer.
    pub matching: usize,
    /// The first of them, those in trouble first, and then in the configuration's order.
    pub sites: Vec<Line>,
}

/// Sites whose robots.txt forbids the whole site: whoever runs them must know what their copies are.
#[derive(Debug, Default, Serialize)]
pub struct Robots {
    /// How many.
    pub sites: usize,
    /// The first of them.
    pub first: Vec<Forbidding>,
}

/// What robots.txt meant for the newest snapshot of one site.
#[derive(Debug, Serialize)]
pub struct Forbidding {
    /// The site's name.
    pub site: String,
    /// What it meant.
    pub robots: Text,
}

impl Robots {
    /// How many are named: the others are a matter of `--site`.
    const NAMED: usize = 3;

    fn add(&mut self, site: &Site, said: Option<Text>) {
        let Some(said) = said else { return };
        self.sites += 1;
        if self.first.len() < Robots::NAMED {
            self.first.push(Forbidding { site: site.config.name.to_string(), robots: said });
        }
    }
}

/// One site in short.
#[derive(Debug, Serialize)]
pub struct Line {
    /// Its name.
    pub name: String,
    /// How it stands.
    pub level: Level,
    /// `unproven`, `up`, `degraded`, `down` or `recovering`.
    pub state: &'static str,
    /// Since when, RFC 3339.
    pub since: String,
    /// What visitors get now: `unknown`, `live`, `partly`, `copies`, `gaps` or `holding`.
    pub gets: &'static str,
    /// The same in a few words.
    pub gets_short: Text,
    /// The last 30 days, a letter each: `-` unknown, live, partly, copies, holding.
    pub days: String,
    /// Why it is not well: the code.
    pub cause: Option<&'static str>,
    /// What is wrong with it, the worst first.
    pub notes: Vec<Said>,
    /// When the snapshot in service was taken, RFC 3339.
    pub snapshot: Option<String>,
    /// Whether a crawl runs.
    pub crawling: bool,
}

/// Which sites.
#[derive(Clone, Debug, Default)]
pub struct Which {
    /// Those with this text in their name or in one of their hosts; all if it is empty.
    pub search: String,
    /// Only those in trouble.
    pub problems: bool,
    /// The most sites to list.
    pub limit: usize,
    /// The one with this name; no other is counted then.
    pub only: Option<String>,
}

/// Days of a line's bar.
const DAYS: u32 = 30;

/// What a site's line says about something that needs attention.
const NO_SNAPSHOT: Text =
    Text { en: "No snapshots yet.", ja: "スナップショットはまだありません。" };
const HELD: Text = Text {
    en: "The newest snapshot was rejected by a rule and waits for you.",
    ja: "最新のスナップショットは検査で保留され、確認を待っています。",
};
const BY_HAND: Text = Text {
    en: "New snapshots wait: somebody went back to an older one by hand.",
    ja: "手動で古いスナップショットに戻されたため、新しいものは使用されていません。",
};
const NOT_TAKEN: Text =
    Text { en: "The last crawl failed.", ja: "前回のクロールは失敗しました。" };
const HELD_ORIGIN: Text = Text {
    en: "Held on the live site by hand.",
    ja: "手動で元のサイトに固定されています。",
};
const HELD_SNAPSHOT: Text = Text {
    en: "Held on the snapshot by hand.",
    ja: "手動でスナップショットに固定されています。",
};

const DRILL: Text = Text {
    en: "A drill: all visitors get copies until it ends.",
    ja: "訓練中です。終了するまで、すべての訪問者にコピーをお見せします。",
};

const HELD_BARE: Text = Text {
    en: "Held on the snapshot by hand, but there is none: visitors get the holding page.",
    ja: "手動でスナップショットに固定されていますが、スナップショットがないため、お知らせのページを表示しています。",
};
const MANY_COPIES: Text = Text {
    en: "Most answers of the last minute were copies.",
    ja: "直近1分の応答の多くはコピーでした。",
};
const HOLDING_PAGES: Text = Text {
    en: "Visitors get the holding page.",
    ja: "訪問者にはお知らせのページを表示しています。",
};
const UNDECIDED: Text = Text {
    en: "Kept forms need your decision: \"katahai forms list\".",
    ja: "お預かりしているフォームに、ご判断が必要なものがあります（「katahai forms list」）。",
};
const NOT_HANDED_ON: Text = Text {
    en: "Kept forms cannot be handed on to somebody who is to get them.",
    ja: "お預かりしているフォームを、送り先に送れません。",
};

impl App {
    /// All sites in short.
    pub fn overview(&self, which: &Which) -> Overview {
        let now = clock::now();
        self.look_at_conditions(now);
        let table = self.table();
        let search = which.search.trim().to_lowercase();
        let (mut counts, mut robots) = (Counts::default(), Robots::default());
        let mut found = Vec::new();
        let asked = |site: &&std::sync::Arc<Site>| {
            which.only.as_deref().is_none_or(|name| *site.config.name == *name)
        };
        for site in table.sites.iter().filter(asked) {
            let level = self.level(site, now);
            counts.add(level);
            robots.add(site, self.shelf_state(&site.config.name).robots());
            let is_wanted = !which.problems || level < Level::Unproven;
            if is_wanted && is_called(site, &search) {
                found.push((level, site));
            }
        }
        found.sort_by_key(|(level, _)| *level);
        let matching = found.len();
        found.truncate(which.limit);
        Overview {
            version: env!("CARGO_PKG_VERSION"),
            uptime_s: (now.mono - self.started.mono).as_secs(),
            listen: self.listen(),
            config_file: self.config_file(),
            conditions: self.conditions.of(""),
            regions: self.instances(false),
            counts,
            robots,
            matching,
            sites: found.into_iter().map(|(level, site)| self.line(site, level, now)).collect(),
        }
    }

    fn level(&self, site: &Site, now: Now) -> Level {
        let state = site.condition(now).state;
        match (state, self.gets(site, now).0) {
            (State::Down, _) | (_, Gets::Holding) => Level::Down,
            (State::Degraded, _) => Level::Degraded,
            (State::Recovering, _) => Level::Recovering,
            (State::Up, _) if !self.notes(site, None, now).is_empty() => Level::Warning,
            (State::Up, _) => Level::Well,
            (State::Unproven, _) => Level::Unproven,
        }
    }

    fn line(&self, site: &Site, level: Level, now: Now) -> Line {
        let condition = site.condition(now);
        let current = site.mirror.current();
        let (gets, on) = self.gets(site, now);
        Line {
            name: site.config.name.to_string(),
            level,
            state: condition.state.as_str(),
            since: rfc3339(condition.since.map_or(self.started.wall, |since| since.wall)),
            gets: gets.as_str(),
            gets_short: visitors_get::short(gets, on),
            days: site.history.letters(DAYS, now.unix()),
            cause: condition.cause.map(Cause::code),
            notes: self.notes(site, condition.cause, now),
            snapshot: current.map(|current| rfc3339(current.summary().taken_at)),
            crawling: self.crawler(&site.config.name).is_some_and(|crawler| crawler.progress().is_some()),
        }
    }

    /// What is wrong with a site.
    fn notes(&self, site: &Site, cause: Option<Cause>, now: Now) -> Vec<Said> {
        let name = &site.config.name;
        let seen = self.shelf_state(name);
        let mut notes: Vec<Said> = cause.into_iter().map(|cause| cause.meaning().into()).collect();
        notes.extend(self.disagreement(site).map(|disagreement| disagreement.said));
        notes.extend(self.conditions.of(name).iter().map(|condition| condition.cause.meaning.into()));
        let by_drill = site.switch.is_drill(now.mono).then_some(DRILL);
        notes.extend(by_drill.or_else(|| of_visitors(self.gets(site, now))).map(Said::from));
        let current = site.mirror.current().map(|current| current.id().to_string());
        let newer = |id: &str| current.as_deref().is_none_or(|current| id > current);
        if seen.held.iter().any(|held| held.gated && newer(&held.id)) {
            notes.push(HELD.into());
        } else if self
            .crawler(name)
            .and_then(|crawler| crawler.last_outcome())
            .is_some_and(|end| end.result.is_err())
        {
            notes.push(NOT_TAKEN.into());
        }
        if current.is_none() {
            notes.push(NO_SNAPSHOT.into());
        }
        if seen.by_hand.is_some() {
            notes.push(BY_HAND.into());
        }
        let forms = self.intake().opened().map(|spool| spool.totals_of(name)).unwrap_or_default();
        if forms.contains_key(&forms::State::Doubtful) || forms.contains_key(&forms::State::Parked) {
            notes.push(UNDECIDED.into());
        }
        if !self.recipients_in_trouble(&site.config).is_empty() {
            notes.push(NOT_HANDED_ON.into());
        }
        notes
    }
}

/// What there is to say of what visitors get, beyond the state.
fn of_visitors((gets, on): (Gets, Footing)) -> Option<Text> {
    match (on.mode, gets) {
        (Mode::HoldOrigin, _) => Some(HELD_ORIGIN),
        (Mode::HoldSnapshot, _) if !on.has_snapshot => Some(HELD_BARE),
        (Mode::HoldSnapshot, _) => Some(HELD_SNAPSHOT),
        (Mode::Auto, Gets::Holding) => Some(HOLDING_PAGES),
        (Mode::Auto, Gets::Partly) if on.state == State::Up => Some(MANY_COPIES),
        (Mode::Auto, Gets::Unknown | Gets::Live | Gets::Partly | Gets::Copies | Gets::Gaps) => None,
    }
}

fn is_called(site: &Site, search: &str) -> bool {
    search.is_empty()
        || site.config.name.to_lowercase().contains(search)
        || site.config.hosts.iter().any(|host| host.to_lowercase().contains(search))
}
