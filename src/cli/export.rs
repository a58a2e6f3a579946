//! `katahai snapshot export`: a snapshot as a folder, a tar, WARC or WACZ file. Works whether or not anything runs.

use std::path::PathBuf;
use std::sync::Arc;

use bytesize::ByteSize;
use clap::{Args, ValueEnum};

use super::args::OfSite;
use super::portable::{CopyProgress, Target, base_of};
use super::print::say;
use super::{FAILED, USAGE, fail};
use crate::app::shelf;
use crate::clock;
use crate::failure::chain;
use crate::portable::{Base, Export, Exported, Format, export};
use crate::snapshot::{self, Snapshot, Store};

#[derive(Debug, Args)]
pub(super) struct ExportOptions {
    /// Its id or the start of it, its number, "current", "latest" or "previous".
    #[arg(default_value = "current")]
    id: String,
    /// The file or folder to write.
    #[arg(long, value_name = "PATH")]
    to: PathBuf,
    /// The format [default: by the ending of the path (.tar, .tar.gz, .tgz, .warc, .warc.gz, .wacz), else a folder].
    #[arg(long, value_enum)]
    format: Option<Shape>,
    /// Replace an earlier export at this path.
    #[arg(long)]
    force: bool,
    /// The site's address in the archive, such as `https://www.example.com` [default: from the configuration].
    #[arg(long, value_name = "URL")]
    address: Option<String>,
    #[command(flatten)]
    of: OfSite,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Shape {
    /// A folder that any static server can serve.
    Dir,
    /// The same in a tar file, compressed if the path ends in .gz or .tgz.
    Tar,
    /// WARC/1.1, compressed unless the path ends in .warc.
    Warc,
    /// WACZ 1.1.1.
    Wacz,
}

/// Endings of archives that are not written. A folder of such a name would hardly be what was meant.
const OTHERS: [&str; 15] = [
    ".zip", ".7z", ".rar", ".cpio", ".ar", ".cab", ".iso", ".gz", ".bz2", ".tbz", ".tbz2", ".xz", ".txz",
    ".zst", ".arc",
];

impl ExportOptions {
    /// The ending of an archive that cannot be written, when nothing says that a folder is meant.
    fn unknown_ending(&self) -> Option<&'static str> {
        let name = self.to.file_name()?.to_string_lossy().to_ascii_lowercase();
        let guessed = self.format.is_none() && Format::of(&self.to) == Format::Folder && !self.to.is_dir();
        OTHERS.into_iter().find(|ending| guessed && name.ends_with(ending))
    }

    fn format(&self) -> Format {
        let said = Format::of(&self.to);
        match (self.format, said) {
            (None, said) => said,
            (Some(Shape::Dir), _) => Format::Folder,
            (Some(Shape::Tar), Format::TarGz) => Format::TarGz,
            (Some(Shape::Tar), _) => Format::Tar,
            (Some(Shape::Warc), Format::Warc) => Format::Warc,
            (Some(Shape::Warc), _) => Format::WarcGz,
            (Some(Shape::Wacz), _) => Format::Wacz,
        }
    }
}

/// Runs the command.
pub(super) fn run(options: &ExportOptions) -> u8 {
    if let Some(ending) = options.unknown_ending() {
        let message = format!(
            "{}: there is no way to write {ending} files; end it with .tar.gz, .warc.gz or .wacz, or give --format dir for a folder of that name",
            options.to.display()
        );
        return fail(USAGE, &message);
    }
    let place = match Target::of(&options.of) {
        Ok(place) => place,
        Err(code) => return code,
    };
    let (store, snapshot) = match find(&place, options) {
        Ok(found) => found,
        Err(message) => return fail(FAILED, &message),
    };
    let base = match (&options.address, place.site(store.site())) {
        (Some(address), _) => Base::parse(address).map_err(|error| error.to_string()),
        (None, Some(site)) => base_of(site).ok_or_else(no_address),
        (None, None) => Err(no_address()),
    };
    // A folder needs no address; an archive without the right one is of little use to others.
    let base = match base {
        Err(_) if options.address.is_none() && options.format() == Format::Folder => {
            Base::new(false, "localhost").map_err(|error| error.to_string())
        }
        other => other,
    };
    let base = match base {
        Ok(base) => base,
        Err(message) => return fail(USAGE, &message),
    };
    let shown = CopyProgress::new();
    let ask = Export {
        store: &store,
        snapshot,
        base,
        to: &options.to,
        format: options.format(),
        force: options.force,
    };
    let done = export(ask, clock::now(), &|so_far| shown.show(so_far));
    shown.end();
    match done {
        Ok(done) if options.of.instance.json => match serde_json::to_string_pretty(&done) {
            Ok(text) => say(&format!("{text}\n")),
            Err(error) => fail(FAILED, &error.to_string()),
        },
        Ok(done) => say(&sentence(&done)),
        Err(error) => fail(FAILED, &chain(&error)),
    }
}

fn no_address() -> String {
    "the site has no address in the configuration; say it with --address https://…".to_owned()
}

fn sentence(done: &Exported) -> String {
    let mut text = format!(
        "snapshot {} of {} is in {} ({}): {} addresses, {}\n",
        done.snapshot,
        done.address,
        done.path.display(),
        done.format,
        done.pages,
        ByteSize(done.bytes).display().iec()
    );
    let damaged = &done.damaged;
    if damaged.from_older + damaged.lost > 0 {
        text.push_str(&format!(
            "damaged in the store: {} taken from older snapshots, {} left out\n  {}\n",
            damaged.from_older,
            damaged.lost,
            damaged.examples.join("\n  ")
        ));
    }
    text
}

/// The snapshot that is meant, and its store.
fn find(place: &Target, options: &ExportOptions) -> Result<(Store, Arc<Snapshot>), String> {
    let dir = &place.state_dir;
    let wanted = options.of.site.as_deref();
    let mut sites =
        snapshot::sites(dir).map_err(|error| format!("could not read {}: {error}", dir.display()))?;
    sites.retain(|site| wanted.is_none_or(|wanted| wanted == site));
    if sites.is_empty() {
        return Err(format!("there are no snapshots in {}", dir.display()));
    }
    let (mut found, mut none) = (Vec::new(), String::new());
    for site in &sites {
        let store = Store::look(dir, site).map_err(|error| chain(&error))?;
        match shelf::resolve(&store, &options.id) {
            Ok(id) => found.extend(store.get(&id).map(|snapshot| (store, snapshot))),
            Err(refusal) => none = refusal.to_string(),
        }
    }
    match (found.pop(), found.is_empty()) {
        (Some(only), true) => Ok(only),
        (Some(_), false) => Err(format!("which site? name one with --site: {}", sites.join(", "))),
        (None, _) if none.is_empty() => Err(format!("there is no snapshot {}", options.id)),
        (None, _) => Err(none),
    }
}
