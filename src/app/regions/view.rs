//! The instances as operators see them.

use std::time::{Duration, Instant};

use serde::Serialize;

use super::beats::word;
use super::{Others, Regions};
use crate::app::App;
use crate::clock;
use crate::failover::State;
use crate::failure::{Said, Text};
use crate::offsite::StoreFault;
use crate::offsite::instances::{Heartbeat, Life, SILENT, SiteBeat, Split};
use crate::offsite::lease::Standing;
use crate::proxy::Site;

/// `GET /api/v1/instances`.
#[derive(Clone, Debug, Serialize)]
pub struct Instances {
    /// Who crawls.
    pub lease: LeaseHolder,
    /// What is wrong with the store, as far as the lease and the instances are concerned.
    pub fault: Option<Fault>,
    /// This instance, and the others by their names.
    pub instances: Vec<Instance>,
}

/// Who crawls.
#[derive(Clone, Debug, Serialize)]
pub struct LeaseHolder {
    /// How this instance stands: `holds`, `follows`, `free`, `alone` (the store is silent) or `unknown`.
    pub standing: &'static str,
    /// The name of the instance that holds it.
    pub holder: Option<String>,
    /// It grows with each takeover.
    pub epoch: Option<u64>,
}

/// What is wrong with the store.
#[derive(Clone, Debug, Serialize)]
pub struct Fault {
    /// The stable code.
    pub code: &'static str,
    /// What it means.
    pub meaning: Text,
    /// What to do.
    pub advice: Text,
    /// What the store said.
    pub detail: String,
}

/// One instance.
#[derive(Clone, Debug, Serialize)]
pub struct Instance {
    /// Its name.
    pub name: String,
    /// Where it is.
    pub place: String,
    /// Drawn once, and kept in its state directory.
    pub id: String,
    /// Of Katahai.
    pub version: String,
    /// Whether it is this one.
    pub own: bool,
    /// `heard`, `silent`, `stopped`, or `unknown` while this instance does not hear the store itself.
    pub life: &'static str,
    /// How long ago it was heard, in seconds.
    pub heard_s: Option<u64>,
    /// Whether it holds the lease and crawls.
    pub holds: bool,
    /// Whether it may crawl at all.
    pub crawls: bool,
    /// How many sites it has.
    pub site_count: usize,
    /// Those that it finds dead.
    pub down: Vec<String>,
    /// Its sites; left out where only the instances are listed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sites: Vec<SiteBeat>,
}

/// From where a site is reached, and from where it is not.
#[derive(Clone, Debug, Serialize)]
pub struct Disagreement {
    /// The places.
    #[serde(flatten)]
    pub split: Split,
    /// In a sentence.
    pub said: Said,
}

impl Disagreement {
    fn of(split: Split) -> Disagreement {
        let en = |places: &[String]| places.join(", ");
        let ja = |places: &[String]| places.join("、");
        let said = Said {
            en: format!("Reached from {}, not from {}.", en(&split.reached), en(&split.not_reached)),
            ja: format!(
                "{}からは到達できますが、{}からは到達できません。",
                ja(&split.reached),
                ja(&split.not_reached)
            ),
        };
        Disagreement { split, said }
    }
}

impl App {
    /// The instances that share the store; `None` without one. With all that they tell of their sites, or in short.
    pub fn instances(&self, whole: bool) -> Option<Instances> {
        let regions = self.regions.as_ref()?;
        let now = clock::now();
        let own = regions.beat(self, now);
        let others = regions.others(now.mono);
        Some(view(&own, &regions.standing(), &others, regions.post.fault(), whole))
    }

    /// Whether some instances reach a site that others do not.
    pub(in crate::app) fn disagreement(&self, site: &Site) -> Option<Disagreement> {
        let (regions, now) = (self.regions.as_ref()?, clock::now());
        let split = regions.split(&site.config.name, now.mono)?;
        // it is as of the last round: what has become of the site here since then is not contradicted
        let is_down = site.condition(now).state == State::Down;
        let was_down = split.not_reached.contains(&regions.identity.place);
        (is_down == was_down).then(|| Disagreement::of(split))
    }
}

impl Regions {
    /// As of the last round, as long as that is news.
    fn split(&self, site: &str, now: Instant) -> Option<Split> {
        let board = self.board();
        let is_new = board.looked.is_some_and(|looked| now.saturating_duration_since(looked) < SILENT);
        board.splits.get(site).filter(|_| is_new).cloned()
    }
}

fn view(
    own: &Heartbeat,
    standing: &Standing,
    others: &Others,
    fault: Option<StoreFault>,
    whole: bool,
) -> Instances {
    let (holder, epoch) = match standing {
        Standing::Holds { epoch } => (Some(own.name.clone()), Some(*epoch)),
        Standing::Follows { holder, epoch } => (Some(holder.to_string()), Some(*epoch)),
        Standing::Free | Standing::Alone { .. } | Standing::Unknown => (None, None),
    };
    let holds = |name: &str| holder.as_deref() == Some(name);
    let is_heard = others.since.is_some_and(|since| since < SILENT);
    let one = |beat: &Heartbeat, life, heard: Option<Duration>| Instance {
        name: beat.name.clone(),
        place: beat.place.clone(),
        id: beat.id.clone(),
        version: beat.katahai.clone(),
        own: heard.is_none(),
        life,
        heard_s: heard.map(|heard| heard.as_secs()),
        holds: holds(&beat.name),
        crawls: beat.crawls,
        site_count: beat.sites.len(),
        down: beat.sites.iter().filter(|site| site.state == "down").map(|site| site.name.clone()).collect(),
        sites: if whole { beat.sites.clone() } else { Vec::new() },
    };
    let mut instances = vec![one(own, "heard", None)];
    for heard in &others.heard {
        let life = match heard.life() {
            Life::Stopped => "stopped",
            _ if !is_heard => "unknown",
            Life::Silent => "silent",
            Life::Heard => "heard",
        };
        instances.push(one(&heard.beat, life, Some(heard.age + others.since.unwrap_or_default())));
    }
    let fault = fault.or_else(|| others.fault.clone()).map(|fault| Fault {
        code: fault.kind.code(),
        meaning: fault.kind.meaning(),
        advice: fault.kind.advice(),
        detail: fault.detail,
    });
    Instances { lease: LeaseHolder { standing: word(standing), holder, epoch }, fault, instances }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::offsite::FaultKind;
    use crate::offsite::instances::Heard;

    fn named(name: &str) -> Heartbeat {
        let site = SiteBeat { name: "shop".into(), state: "down".into(), ..SiteBeat::default() };
        Heartbeat { name: name.into(), place: name.into(), sites: vec![site], ..Heartbeat::default() }
    }

    #[test]
    fn who_lives_and_who_crawls_is_told() {
        let heard = |name: &str, age, stopped| Heard {
            beat: Heartbeat { stopped, ..named(name) },
            age: Duration::from_secs(age),
        };
        let all = vec![heard("kyoto", 300, true), heard("nagoya", 70, false), heard("tokyo", 5, false)];
        let follows = Standing::Follows { holder: "tokyo".into(), epoch: 4 };
        let told = |since: Option<u64>| {
            let since = since.map(Duration::from_secs);
            let seen = view(
                &named("osaka"),
                &follows,
                &Others { heard: all.clone(), since, fault: None },
                None,
                false,
            );
            seen.instances
                .into_iter()
                .map(|one| (one.name, one.life, one.heard_s, one.holds))
                .collect::<Vec<_>>()
        };
        let own = || ("osaka".to_owned(), "heard", None, false);
        let row = |name: &str, life, heard| (name.to_owned(), life, Some(heard), name == "tokyo");
        let kyoto = |heard| row("kyoto", "stopped", heard);
        let expected = [own(), kyoto(303), row("nagoya", "silent", 73), row("tokyo", "heard", 8)];
        assert_eq!(told(Some(3)), expected);
        let expected = [own(), kyoto(400), row("nagoya", "unknown", 170), row("tokyo", "unknown", 105)];
        assert_eq!(told(Some(100)), expected);
    }

    #[test]
    fn what_is_wrong_with_the_store_is_told_with_what_to_do() {
        let fault = Some(StoreFault::new(FaultKind::NoBucket, "NoSuchBucket"));
        let others = Others { heard: Vec::new(), since: None, fault: None };
        let seen = view(&named("osaka"), &Standing::Holds { epoch: 2 }, &others, fault, true);
        assert_eq!(seen.fault.map(|fault| fault.code), Some("store-no-bucket"));
        assert_eq!((seen.lease.holder.as_deref(), seen.lease.epoch), (Some("osaka"), Some(2)));
        assert!(seen.instances[0].holds && seen.instances[0].own);
        assert_eq!((&*seen.instances[0].down, seen.instances[0].sites.len()), (&["shop".to_owned()][..], 1));
    }

    #[test]
    fn a_disagreement_is_a_sentence() {
        let places = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let split = Split { reached: places(&["osaka", "paris"]), not_reached: places(&["tokyo"]) };
        let said = Disagreement::of(split).said;
        assert_eq!(said.en, "Reached from osaka, paris, not from tokyo.");
        assert_eq!(said.ja, "osaka、parisからは到達できますが、tokyoからは到達できません。");
    }
}
