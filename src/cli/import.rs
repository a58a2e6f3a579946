//! `katahai snapshot import`: a snapshot from a folder, a mirror by wget or HTTrack, a tar, WARC or WACZ file.

use std::path::PathBuf;
use std::time::SystemTime;

use bytesize::ByteSize;
use clap::Args;

use super::args::OfSite;
use super::portable::{CopyProgress, Target};
use super::print::say;
use super::{FAILED, USAGE, fail};
use crate::clock;
use crate::failure::chain;
use crate::portable::{Import, Imported, import};
use crate::snapshot::{self, Store};

#[derive(Debug, Args)]
pub(super) struct ImportOptions {
    /// The file or folder to import.
    path: PathBuf,
    /// The site's host or address in it; may be repeated [default: the configured hosts, or the host with the most pages].
    #[arg(long, value_name = "HOST")]
    host: Vec<String>,
    /// Take the site as it was at this time, such as 2026-11-20T01:13:34Z or 2026-11-20 (WARC and WACZ only).
    #[arg(long, value_name = "TIME", value_parser = time)]
    at: Option<SystemTime>,
    /// Put it in service at once. Without this, it waits for you to publish it, unless it is the only snapshot.
    #[arg(long)]
    publish: bool,
    #[command(flatten)]
    of: OfSite,
}

fn time(text: &str) -> Result<SystemTime, String> {
    let whole = if text.len() == 10 { format!("{text}T23:59:59Z") } else { text.to_owned() };
    humantime::parse_rfc3339_weak(&whole)
        .map_err(|error| format!("{error} (write it as 2026-11-20T01:13:34Z)"))
}

/// Runs the command.
pub(super) fn run(options: &ImportOptions) -> u8 {
    let place = match Target::of(&options.of) {
        Ok(place) => place,
        Err(code) => return code,
    };
    let name = match site(&place, options) {
        Ok(name) => name,
        Err(message) => return fail(USAGE, &message),
    };
    let store = match Store::open(&place.state_dir, &name) {
        Ok(store) => store,
        Err(error) => return fail(FAILED, &chain(&error)),
    };
    let configured = place.site(&name);
    let hosts = if options.host.is_empty() {
        configured.map(|site| site.hosts.clone()).unwrap_or_default()
    } else {
        options.host.clone()
    };
    let shown = CopyProgress::new();
    let ask = Import {
        store: &store,
        path: &options.path,
        scratch: &place.state_dir,
        hosts,
        ignore_query: configured.map(|site| site.cache.ignore_query.clone()).unwrap_or_default(),
        at: options.at,
        publish: options.publish,
    };
    let done = import(&ask, clock::now(), &|so_far| shown.show(so_far));
    shown.end();
    match done {
        Ok(done) if options.of.instance.json => match serde_json::to_string_pretty(&done) {
            Ok(text) => say(&format!("{text}\n")),
            Err(error) => fail(FAILED, &error.to_string()),
        },
        Ok(done) => say(&sentence(&done)),
        Err(error) => {
            // Some errors name the file already.
            let (path, why) = (options.path.display().to_string(), chain(&error));
            fail(FAILED, &if why.contains(&path) { why } else { format!("{path}: {why}") })
        }
    }
}

/// The site that it becomes a snapshot of: one that is configured, or that has snapshots, or any name when it is said.
fn site(place: &Target, options: &ImportOptions) -> Result<String, String> {
    let mut known: Vec<String> = place.sites.iter().map(|site| site.name.to_string()).collect();
    if known.is_empty() {
        known.clone_from(&place.running);
    }
    if let Some(name) = &options.of.site {
        if !known.is_empty() && !known.contains(name) {
            return Err(format!("there is no site \"{name}\"; there are: {}", known.join(", ")));
        }
        return Ok(name.clone());
    }
    if known.is_empty() {
        known = snapshot::sites(&place.state_dir).unwrap_or_default();
    }
    match known.as_slice() {
        [only] => Ok(only.clone()),
        [] => Err("which site is it? name it with --site".to_owned()),
        several => Err(format!("which site? name one with --site: {}", several.join(", "))),
    }
}

fn sentence(done: &Imported) -> String {
    let state =
        if done.in_service { "is in service" } else { "waits for your word (katahai snapshot publish)" };
    let mut text = format!(
        "snapshot {} of {} {state}: {} pages, {} other files, {} redirects, {}\n",
        done.snapshot,
        done.host,
        done.pages,
        done.files,
        done.redirects,
        ByteSize(done.bytes).display().iec()
    );
    if !done.left_out.is_empty() {
        text.push_str("left out:\n");
    }
    for left in &done.left_out {
        text.push_str(&format!(
            "{:>8}  {} ({}), such as {}\n",
            left.count,
            left.sentence,
            left.reason,
            left.examples.join(" ")
        ));
    }
    for remark in &done.remarks {
        text.push_str(&format!("{remark}\n"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::time;

    #[test]
    fn times_are_read_as_people_write_them() {
        let day = time("2026-11-20").unwrap();
        assert_eq!(day, time("2026-11-20T23:59:59Z").unwrap());
        assert!(time("2026-11-20 12:00:00").unwrap() < day);
        assert!(time("yesterday").unwrap_err().contains("2026-11-20T01:13:34Z"));
    }
}
