//! `katahai snapshot publish|rollback|pin|unpin|remove`: the operator's decisions.

use serde_json::Value;

use super::tables::json;
use super::{Place, Told, refuse, text};
use crate::app::shelf::{Ask, Gate};
use crate::cli::args::{OfSite, PublishSnapshot};
use crate::cli::print::say;
use crate::cli::{FAILED, fail, run_to_end};

/// `publish ID [--anyway]`.
pub(super) fn publish(options: &PublishSnapshot) -> u8 {
    let gate = if options.anyway { Gate::Overruled } else { Gate::Heard };
    decide(&options.of, &Ask::Publish { id: options.id.clone(), gate }, |done| {
        let later = if done["by_hand"].is_null() {
            "new snapshots that pass the gate are put in service by themselves"
        } else {
            "it is not the newest: new ones wait until one is published by hand (\"publish latest\")"
        };
        format!("{} is in service; {later}", text(&done["snapshot"]["id"]))
    })
}

/// `rollback`.
pub(super) fn rollback(options: &OfSite) -> u8 {
    decide(options, &Ask::Rollback, |done| {
        format!(
            "{} is in service again, instead of {}; new snapshots wait for \"katahai snapshot publish latest\"",
            text(&done["snapshot"]["id"]),
            done["from"].as_str().unwrap_or("none"),
        )
    })
}

/// `pin ID`, `pin ID --off`, `unpin ID`.
pub(super) fn pin(options: &OfSite, id: &str, pinned: bool) -> u8 {
    decide(options, &Ask::Pin { id: id.to_owned(), pinned }, |done| {
        let what = if pinned { "is pinned: it is never removed" } else { "is no longer pinned" };
        format!("{} {what}", text(&done["id"]))
    })
}

/// `remove ID`.
pub(super) fn remove(options: &OfSite, id: &str) -> u8 {
    decide(options, &Ask::Remove { id: id.to_owned() }, |done| format!("{} is gone", text(&done["id"])))
}

fn decide(options: &OfSite, ask: &Ask, words: impl FnOnce(&Value) -> String) -> u8 {
    run_to_end(async {
        let place = match Place::of(options).await {
            Ok(place) => place,
            Err(code) => return code,
        };
        let site = match place.site(options.site.as_deref()) {
            Ok(site) => site,
            Err(told) => return refuse(&told),
        };
        match place.ask(&site, ask).await {
            Ok(done) if options.instance.json => say(&json(&done)),
            Ok(done) => say(&format!("{} ({})\n", words(&done), place.words())),
            Err(told) if told.code == "held" => held(&told),
            Err(told) => refuse(&told),
        }
    })
}

/// What the gate said, a line for each rule.
fn held(told: &Told) -> u8 {
    let rules: Vec<String> =
        told.reasons.iter().map(|reason| format!("\n  {}", super::tables::printable(reason))).collect();
    let message = format!(
        "this snapshot did not pass the gate:{}\nTo publish it all the same, give --anyway. \"katahai snapshot diff current ID\" shows what would change.",
        rules.concat()
    );
    fail(FAILED, &message)
}
