//! `katahai snapshot verify [ID] [--repair]`: every hash and every reference, read by this process from the state
//! directory: it may take minutes. A repair publishes; an instance that runs notices.

use std::path::Path;

use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};

use super::tables::{self, printable, size};
use super::{Place, Told, refuse};
use crate::app::shelf;
use crate::cli::args::VerifySnapshot;
use crate::cli::print::say;
use crate::cli::{FAILED, fail, run_to_end};
use crate::clock;
use crate::failure::chain;
use crate::snapshot::{Checked, Repaired, SnapshotId, Store, VerifyReport};

/// Runs the command.
pub(super) fn run(options: &VerifySnapshot) -> u8 {
    run_to_end(async {
        let place = match Place::of(&options.of).await {
            Ok(place) => place,
            Err(code) => return code,
        };
        let outcome = match verify(&place, options) {
            Ok(outcome) => outcome,
            Err(told) => return refuse(&told),
        };
        place.nudge().await;
        let said =
            say(&if options.of.instance.json { tables::json(&json!(outcome.shown)) } else { outcome.text });
        match outcome.damaged {
            0 => said,
            n => fail(FAILED, &format!("{n} of the snapshots that were verified are damaged")),
        }
    })
}

#[derive(Default)]
struct Outcome {
    text: String,
    shown: Vec<Value>,
    /// Those that are damaged and were not mended.
    damaged: usize,
}

fn verify(place: &Place, options: &VerifySnapshot) -> Result<Outcome, Told> {
    let named = options.id.as_deref().or(options.repair.then_some("current"));
    let (mut outcome, mut checked) = (Outcome::default(), Checked::default());
    for (store, id) in targets(place, options.of.site.as_deref(), named, options.repair)? {
        let report = verify_one(&store, id, &mut checked);
        let mut shown = json!(report);
        shown["site"] = json!(store.site());
        outcome.text.push_str(&words(store.site(), &report));
        if options.repair && !report.is_whole() {
            let repaired =
                store.repair(&id, clock::now()).map_err(|error| Told::new("repair", chain(&error)))?;
            shown["repair"] = json!(repaired.account);
            shown["repair"]["snapshot"] = json!(repaired.snapshot.as_ref().map(|snapshot| snapshot.id()));
            outcome.text.push_str(&mended(&repaired));
            outcome.damaged += usize::from(repaired.account.lost > 0);
        } else {
            outcome.damaged += usize::from(!report.is_whole());
        }
        outcome.shown.push(shown);
    }
    Ok(outcome)
}

/// What is meant: one snapshot, of whichever site has it, or all.
fn targets(
    place: &Place,
    site: Option<&str>,
    named: Option<&str>,
    repair: bool,
) -> Result<Vec<(Store, SnapshotId)>, Told> {
    // The directory of an instance that has not published yet has no snapshots: its sites are known all the same.
    let local = Place::Folder { dir: place.dir().to_owned(), nobody: None };
    let mut found = Vec::new();
    for site in local.sites(site)? {
        let store = open(place.dir(), &site, repair)?;
        match named {
            Some(name) => match shelf::resolve(&store, name) {
                Ok(id) => found.push((store, id)),
                Err(shelf::Refusal::Unknown(_)) => {}
                Err(other) => return Err(Told::new(other.code(), other.to_string())),
            },
            None => {
                let good = store.list().into_iter().map(|summary| summary.id);
                let bad = store.unreadable().into_iter().map(|(id, _)| id);
                let ids: Vec<SnapshotId> = good.chain(bad).collect();
                found.extend(ids.into_iter().map(|id| (store.clone(), id)));
            }
        }
    }
    match named {
        Some(name) if found.is_empty() => {
            Err(Told::new("unknown-snapshot", shelf::Refusal::Unknown(name.to_owned()).to_string()))
        }
        Some(name) if found.len() > 1 && name != "current" => {
            let sites: Vec<&str> = found.iter().map(|(store, _)| store.site()).collect();
            let message =
                format!("several sites have such a snapshot: {}; name one with --site", sites.join(", "));
            Err(Told::new("which-site", message))
        }
        Some(_) | None => Ok(found),
    }
}

/// Looking writes nothing.
fn open(dir: &Path, site: &str, repair: bool) -> Result<Store, Told> {
    let store = if repair { Store::open(dir, site) } else { Store::look(dir, site) };
    store.map_err(|error| Told::new("state-directory", chain(&error)))
}

/// One that cannot even be opened is one finding.
fn verify_one(store: &Store, id: SnapshotId, checked: &mut Checked) -> VerifyReport {
    let style = ProgressStyle::with_template("{prefix} {wide_bar} {bytes}/{total_bytes} {eta}")
        .unwrap_or_else(|_| ProgressStyle::default_bar());
    let bar = ProgressBar::new(0).with_style(style).with_prefix(format!("{} {id}", store.site()));
    let report = store.verify_with(&id, checked, |done, total| {
        bar.set_length(total);
        bar.set_position(done);
    });
    bar.finish_and_clear();
    report.unwrap_or_else(|error| {
        let mut report = VerifyReport::new(id);
        report.note(chain(&error), None);
        report
    })
}

fn words(site: &str, report: &VerifyReport) -> String {
    let id = report.id;
    if report.is_whole() {
        let (entries, blobs, size) = (report.entries, report.blobs, size(report.bytes));
        let (standing, to_come) = match report.to_come {
            0 => ("whole", String::new()),
            n => ("whole so far", format!("; {n} bodies have not arrived yet")),
        };
        return format!("{site} {id}: {standing} ({entries} addresses, {blobs} bodies, {size}{to_come})\n");
    }
    let mut out = format!("{site} {id}: DAMAGED in {} places\n", report.damaged);
    for finding in &report.findings {
        out.push_str(&format!("  {}\n", printable(&finding.problem)));
        if !finding.keys.is_empty() {
            let keys: Vec<String> = finding.keys.iter().map(|key| printable(key)).collect();
            out.push_str(&format!("    needed by {}\n", keys.join(" ")));
        }
    }
    out
}

fn mended(repaired: &Repaired) -> String {
    let account = &repaired.account;
    let mut out = match &repaired.snapshot {
        Some(snapshot) => {
            let standing = if snapshot.summary().current { ", in service" } else { "" };
            format!("  repaired as {}{standing}: ", snapshot.id())
        }
        None => "  nothing to repair: ".to_owned(),
    };
    let (kept, replaced, lost) = (account.kept, account.replaced, account.lost);
    out.push_str(&format!("{kept} addresses as they were, {replaced} from other versions, {lost} lost\n"));
    for (key, from) in &account.replacements {
        out.push_str(&format!("    {} from {from}\n", printable(key)));
    }
    for key in &account.losses {
        out.push_str(&format!("    {} is lost: no version has it whole\n", printable(key)));
    }
    out
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;
    use crate::cli::args::{Instance, OfSite};
    use crate::snapshot::bench;

    const ID: &str = "20261120T011334Z-000001";

    /// A state directory with a snapshot of each of these sites.
    fn place(sites: &[&str]) -> (tempfile::TempDir, Place) {
        let dir = tempfile::tempdir().unwrap();
        let wall = UNIX_EPOCH + Duration::from_secs(1_795_137_214);
        for site in sites {
            let now = clock::Now { mono: clock::instant(), wall };
            bench::fill(&Store::open(dir.path(), site).unwrap(), 3, now).unwrap();
        }
        let folder = Place::Folder { dir: dir.path().to_owned(), nobody: None };
        (dir, folder)
    }

    fn asked(id: Option<&str>, site: Option<&str>) -> VerifySnapshot {
        let instance = Instance { config: None, admin: None, token_file: None, json: false };
        let of = OfSite { instance, site: site.map(str::to_owned), state_dir: None };
        VerifySnapshot { id: id.map(str::to_owned), repair: false, of }
    }

    #[test]
    fn verification_tells_what_is_damaged() {
        let (dir, place) = place(&["shop"]);
        let outcome = verify(&place, &asked(None, None)).unwrap();
        assert!(
            outcome.text.starts_with(&format!("shop {ID}: whole (3 addresses, 3 bodies")),
            "{}",
            outcome.text
        );
        let page = Store::look(dir.path(), "shop").unwrap().current().unwrap().find(&bench::key(0)).unwrap();
        let blob = page.unwrap().body.unwrap().to_string();
        crate::disk::remove_file(&dir.path().join("blobs").join(&blob[..2]).join(&blob)).unwrap();
        let outcome = verify(&place, &asked(Some(ID), None)).unwrap();
        assert_eq!(outcome.damaged, 1);
        assert!(outcome.text.contains(&format!("blob {blob} is missing")), "{}", outcome.text);
        assert_eq!(outcome.shown[0]["damaged"], 1);
    }

    #[test]
    fn what_has_not_arrived_yet_is_no_damage_and_said() {
        let mut report =
            VerifyReport { entries: 3, blobs: 1, bytes: 9, ..VerifyReport::new(ID.parse().unwrap()) };
        report.to_come = 2;
        let told = words("shop", &report);
        assert!(told.starts_with(&format!("shop {ID}: whole so far (3 addresses, 1 bodies")), "{told}");
        assert!(told.ends_with("; 2 bodies have not arrived yet)\n"), "{told}");
    }

    #[test]
    fn what_is_not_there_is_said_so() {
        let (_dir, place) = place(&["blog", "shop"]);
        let code = |id, site| verify(&place, &asked(id, site)).err().map(|told| told.code);
        assert_eq!(code(Some(ID), None).as_deref(), Some("which-site"));
        assert_eq!(code(Some(ID), Some("shop")), None);
        assert_eq!(code(Some("current"), None), None);
        assert_eq!(code(Some("20261120T011334Z-000002"), None).as_deref(), Some("unknown-snapshot"));
        assert_eq!(code(Some("../../etc"), None).as_deref(), Some("unknown-snapshot"));
        assert_eq!(code(None, Some("other")).as_deref(), Some("unknown-site"));
    }
}
