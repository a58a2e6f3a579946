//! What may be written on the command line.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args as Group, Parser, Subcommand, ValueEnum};

/// A failover edge proxy: the live site while it lives, a snapshot of it when it does not.
#[derive(Debug, Parser)]
#[command(name = "katahai", version, subcommand_required = true, arg_required_else_help = true)]
pub(super) struct Args {
    #[command(subcommand)]
    pub(super) command: Command,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// A sample shop, Katahai before it, and a page with a switch, in one process; nothing to set up.
    Demo(Demo),
    /// Run. Without a file, --origin makes a one-site set-up.
    Serve(Serve),
    /// Check a configuration: every problem at once.
    Check(Check),
    /// What the running instance says of its sites.
    Status(Status),
    /// What a visitor would get for an address right now, and why, step by step.
    Explain(Explain),
    /// Have the running instance read its configuration again.
    Reload(Instance),
    /// Take and look at snapshots.
    Snapshot(Snapshot),
    /// What is no command.
    #[command(external_subcommand)]
    Unknown(Vec<OsString>),
}

#[derive(Debug, Group)]
pub(super) struct Demo {
    /// Where visitors come in [default: 127.0.0.1:8080, or a free port if that is taken].
    #[arg(long, value_name = "ADDR")]
    pub(super) listen: Option<SocketAddr>,
    /// Where the page with the switch is [default: 127.0.0.1:9900, or a free port if that is taken].
    #[arg(long, value_name = "ADDR")]
    pub(super) admin: Option<SocketAddr>,
    /// Open the page with the switch in a browser.
    #[arg(long)]
    pub(super) open: bool,
    #[command(flatten)]
    pub(super) log: Log,
}

#[derive(Debug, Group)]
pub(super) struct Serve {
    /// The configuration file. Without it and without --origin: $KATAHAI_CONFIG, ./katahai.toml, /etc/katahai/katahai.toml.
    #[arg(short, long, value_name = "FILE", conflicts_with_all = ["origin", "host", "listen"])]
    pub(super) config: Option<PathBuf>,
    /// The live site, such as https://203.0.113.10.
    #[arg(long, value_name = "URL")]
    pub(super) origin: Option<String>,
    /// The name that visitors use; without it, the site answers to every name.
    #[arg(long, value_name = "NAME", requires = "origin")]
    pub(super) host: Option<String>,
    /// Where visitors come in [default: 127.0.0.1:8080].
    #[arg(long, value_name = "ADDR", requires = "origin")]
    pub(super) listen: Option<String>,
    /// Where the admin API listens, instead of where the configuration says: an address, or unix:/path.
    #[arg(long, value_name = "ADDR")]
    pub(super) admin: Option<String>,
    #[command(flatten)]
    pub(super) log: Log,
}

/// How the process tells what it does.
#[derive(Clone, Debug, Group)]
pub(super) struct Log {
    /// How lines are written, on standard error and in the access log.
    #[arg(long, value_enum, default_value_t = LogFormat::Plain)]
    pub(super) log_format: LogFormat,
    /// Where the access log goes: "-" (standard output), "off", or a file [default: "-"; of the demo, "off"].
    #[arg(long, value_name = "WHERE")]
    pub(super) access_log: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum LogFormat {
    /// For people.
    Plain,
    /// For programs: one object a line.
    Json,
}

#[derive(Debug, Group)]
pub(super) struct Check {
    /// The configuration file.
    #[arg(short, long, value_name = "FILE")]
    pub(super) config: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    pub(super) json: bool,
}

/// A command to the running instance.
#[derive(Clone, Debug, Group)]
pub(super) struct Instance {
    /// The configuration file that says where the instance and its state are.
    #[arg(short, long, value_name = "FILE")]
    pub(super) config: Option<PathBuf>,
    /// Where its admin API listens: an address, or unix:/path.
    #[arg(long, value_name = "ADDR")]
    pub(super) admin: Option<String>,
    /// The file with its token, where the configuration does not say it; the variable `KATAHAI_ADMIN_TOKEN` may hold the token.
    #[arg(long, value_name = "FILE")]
    pub(super) token_file: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Clone, Debug, Group)]
pub(super) struct Status {
    /// All that there is to say of this site.
    #[arg(long, value_name = "NAME")]
    pub(super) site: Option<String>,
    /// Only the sites in trouble.
    #[arg(long)]
    pub(super) problems: bool,
    /// For cron and monitoring: say nothing while all is well; exit with 3 where something is to be looked after, with 4
    /// where visitors do not get all of a live site.
    #[arg(long)]
    pub(super) check: bool,
    #[command(flatten)]
    pub(super) instance: Instance,
}

#[derive(Debug, Group)]
pub(super) struct Explain {
    /// The whole address: scheme, host and path, as a visitor has it.
    #[arg(value_name = "URL")]
    pub(super) url: String,
    /// The visitor's cookies, such as "session=1", where they make a difference.
    #[arg(long, value_name = "COOKIES")]
    pub(super) cookie: Option<String>,
    #[command(flatten)]
    pub(super) instance: Instance,
}

#[derive(Debug, Group)]
pub(super) struct Snapshot {
    #[command(subcommand)]
    pub(super) command: SnapshotCommand,
}

#[derive(Debug, Subcommand)]
pub(super) enum SnapshotCommand {
    /// Take a snapshot now, and wait for it.
    Take(OfSite),
    /// List the snapshots.
    List(OfSite),
    /// Show one snapshot and the record of its crawl.
    Show(ShowSnapshot),
    /// Check every hash and every reference, in the state directory itself.
    Verify(VerifySnapshot),
    /// Write a snapshot to a folder, a tar, WARC or WACZ file.
    Export(super::export::ExportOptions),
    /// Make a snapshot of a folder, a mirror by wget or HTTrack, a tar, WARC or WACZ file.
    Import(super::import::ImportOptions),
    /// What differs between two snapshots, or in the text of one page.
    Diff(DiffSnapshots),
    /// Put a snapshot in service.
    Publish(PublishSnapshot),
    /// Go back to the good snapshot before the one in service; new ones wait until one is published.
    Rollback(OfSite),
    /// Keep a snapshot from ever being removed.
    Pin(PinSnapshot),
    /// Let a pinned snapshot go.
    Unpin(OneSnapshot),
    /// Remove a snapshot for good.
    Remove(OneSnapshot),
    /// What is no command.
    #[command(external_subcommand)]
    Unknown(Vec<OsString>),
}

#[derive(Clone, Debug, Group)]
pub(super) struct OfSite {
    #[command(flatten)]
    pub(super) instance: Instance,
    /// The site's name; needed only if there are several.
    #[arg(long, value_name = "NAME")]
    pub(super) site: Option<String>,
    /// Work on this state directory itself, whatever runs.
    #[arg(long, value_name = "DIR")]
    pub(super) state_dir: Option<PathBuf>,
}

#[derive(Debug, Group)]
pub(super) struct ShowSnapshot {
    /// Its id or the beginning of it, its number, "current", "latest" or "previous".
    #[arg(default_value = "current")]
    pub(super) id: String,
    /// The record of its crawl as tables: what was fetched, kept, refused and why, the slowest, the broken links.
    #[arg(long)]
    pub(super) report: bool,
    /// Also list every address in it.
    #[arg(long)]
    pub(super) pages: bool,
    #[command(flatten)]
    pub(super) of: OfSite,
}

#[derive(Debug, Group)]
pub(super) struct VerifySnapshot {
    /// Its id or the beginning of it, its number, "current", "latest" or "previous"; without it, all.
    pub(super) id: Option<String>,
    /// Make a whole snapshot of each damaged one, with the newest whole older version of what is damaged.
    #[arg(long)]
    pub(super) repair: bool,
    #[command(flatten)]
    pub(super) of: OfSite,
}

#[derive(Debug, Group)]
pub(super) struct DiffSnapshots {
    /// The first: an id or the beginning of it, a number, "current", "latest" or "previous".
    pub(super) from: String,
    /// The second.
    pub(super) to: String,
    /// One page, such as /about: the difference of its text.
    pub(super) path: Option<String>,
    #[command(flatten)]
    pub(super) of: OfSite,
}

#[derive(Debug, Group)]
pub(super) struct PublishSnapshot {
    /// Its id or the beginning of it, its number, "latest" or "previous".
    pub(super) id: String,
    /// Also if it did not pass the gate.
    #[arg(long)]
    pub(super) anyway: bool,
    #[command(flatten)]
    pub(super) of: OfSite,
}

#[derive(Debug, Group)]
pub(super) struct PinSnapshot {
    /// Its id or the beginning of it, its number, "current", "latest" or "previous".
    pub(super) id: String,
    /// Let it go again.
    #[arg(long)]
    pub(super) off: bool,
    #[command(flatten)]
    pub(super) of: OfSite,
}

#[derive(Debug, Group)]
pub(super) struct OneSnapshot {
    /// Its id or the beginning of it, its number, "current", "latest" or "previous".
    pub(super) id: String,
    #[command(flatten)]
    pub(super) of: OfSite,
}
