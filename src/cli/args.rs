//! The arguments of the command line.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args as Group, Parser, Subcommand, ValueEnum};

/// A failover reverse proxy: it serves the live site while that works, and a snapshot of it when it does not.
#[derive(Debug, Parser)]
#[command(name = "katahai", version, subcommand_required = true, arg_required_else_help = true)]
pub(super) struct Args {
    #[command(subcommand)]
    pub(super) command: Command,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Run a sample shop behind Katahai, with a page to switch the shop off; nothing to set up.
    Demo(Demo),
    /// Run the proxy, from a configuration file or for the one site that --origin names.
    Serve(Serve),
    /// Check a configuration and report every problem at once.
    Check(Check),
    /// Show the state of the sites of the running instance.
    Status(Status),
    /// Explain step by step what a visitor would get for an address right now, and why.
    Explain(Explain),
    /// Make the running instance reload its configuration.
    Reload(Instance),
    /// Take and manage snapshots.
    Snapshot(Snapshot),
    /// See the forms of the sites, and what was kept of them while their origins could not take it.
    Forms(Forms),
    /// See the origins of a site, and set the list of them that all instances share.
    Origin(Origin),
    /// List the outages of the sites, show one with its timeline, or say that you have seen it.
    Incidents(super::incidents::IncidentsOptions),
    /// Write the report about an outage, for the site's owner and for the support of its host.
    Report(super::incidents::ReportOptions),
    /// Hold a site on its copies or on its origins, for example for planned work.
    Hold(super::hold::HoldOptions),
    /// Practise an outage: what visitors would miss; a preview for one browser; a drill for all visitors.
    Drill(super::drill::DrillOptions),
    /// See the alerts that are on and whether they arrive; try them, acknowledge one.
    Alerts(Alerts),
    /// Make keys.
    Key(Key),
    /// What is no command.
    #[command(external_subcommand)]
    Unknown(Vec<OsString>),
}

#[derive(Debug, Group)]
pub(super) struct Demo {
    /// The address to listen on for visitors [default: 127.0.0.1:8080, or a free port if that is taken].
    #[arg(long, value_name = "ADDR")]
    pub(super) listen: Option<SocketAddr>,
    /// The address of the page with the switch [default: 127.0.0.1:9900, or a free port if that is taken].
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
    /// The server of the live site, such as https://203.0.113.10.
    #[arg(long, value_name = "URL")]
    pub(super) origin: Option<String>,
    /// The name that visitors use; without it, the site answers to every name.
    #[arg(long, value_name = "NAME", requires = "origin")]
    pub(super) host: Option<String>,
    /// The address to listen on for visitors [default: 127.0.0.1:8080].
    #[arg(long, value_name = "ADDR", requires = "origin")]
    pub(super) listen: Option<String>,
    /// The address of the admin API, or unix:/path; overrides the configuration.
    #[arg(long, value_name = "ADDR")]
    pub(super) admin: Option<String>,
    #[command(flatten)]
    pub(super) log: Log,
}

/// How the process logs.
#[derive(Clone, Debug, Group)]
pub(super) struct Log {
    /// The format of the log on standard error and of the access log.
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
    /// For programs: one JSON object per line.
    Json,
}

#[derive(Debug, Group)]
pub(super) struct Check {
    /// The configuration file.
    #[arg(short, long, value_name = "FILE")]
    pub(super) config: Option<PathBuf>,
    /// Try the store and the alert channels, and ask every origin for the first key page, too.
    #[arg(long)]
    pub(super) online: bool,
    /// Print JSON.
    #[arg(long)]
    pub(super) json: bool,
}

/// A command to the running instance.
#[derive(Clone, Debug, Group)]
pub(super) struct Instance {
    /// The configuration file of the instance, which says where it listens and keeps its state.
    #[arg(short, long, value_name = "FILE")]
    pub(super) config: Option<PathBuf>,
    /// The address of its admin API, or unix:/path.
    #[arg(long, value_name = "ADDR")]
    pub(super) admin: Option<String>,
    /// The file with its token, if the configuration does not name it; the variable KATAHAI_ADMIN_TOKEN may hold the token
    /// instead.
    #[arg(long, value_name = "FILE")]
    pub(super) token_file: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Clone, Debug, Group)]
pub(super) struct Status {
    /// Show everything about this site.
    #[arg(long, value_name = "NAME")]
    pub(super) site: Option<String>,
    /// Show only the sites with problems.
    #[arg(long)]
    pub(super) problems: bool,
    /// For cron and monitoring: print nothing while all is well; exit with 3 if something needs attention, with 4 if
    /// visitors do not get the whole live site.
    #[arg(long)]
    pub(super) check: bool,
    #[command(flatten)]
    pub(super) instance: Instance,
}

#[derive(Debug, Group)]
pub(super) struct Explain {
    /// The whole address, as a visitor has it: scheme, host and path.
    #[arg(value_name = "URL")]
    pub(super) url: String,
    /// The visitor's cookies, such as "session=1", if they make a difference.
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
    /// Take a snapshot now, and wait until it is done.
    Take(OfSite),
    /// List the snapshots.
    List(OfSite),
    /// Show one snapshot and the report of its crawl.
    Show(ShowSnapshot),
    /// Check every hash and every reference on the disk.
    Verify(VerifySnapshot),
    /// Write a snapshot to a folder, or to a tar, WARC or WACZ file.
    Export(super::export::ExportOptions),
    /// Make a snapshot from a folder, a mirror by wget or HTTrack, or a tar, WARC or WACZ file.
    Import(super::import::ImportOptions),
    /// Show what differs between two snapshots, or in the text of one page.
    Diff(DiffSnapshots),
    /// Put a snapshot in service.
    Publish(PublishSnapshot),
    /// Go back to the last good snapshot before the one in service; new ones wait until you publish one.
    Rollback(OfSite),
    /// Protect a snapshot from removal.
    Pin(PinSnapshot),
    /// Take the pin off a snapshot.
    Unpin(OneSnapshot),
    /// Remove a snapshot for good.
    Remove(OneSnapshot),
    /// What is no command.
    #[command(external_subcommand)]
    Unknown(Vec<OsString>),
}

#[derive(Debug, Group)]
pub(super) struct Forms {
    #[command(subcommand)]
    pub(super) command: FormsCommand,
}

#[derive(Debug, Subcommand)]
pub(super) enum FormsCommand {
    /// List what is kept; with --found, the forms of the site.
    List(ListForms),
    /// Show what was typed into a kept form.
    Show(SomeForms),
    /// Deliver a form that is doubtful or parked, when the site can take it; one that is kept, now.
    Deliver(SomeForms),
    /// Print all kept forms with what was typed into them.
    Export(ExportForms),
    /// Erase kept forms for good.
    Forget(SomeForms),
    /// What is no command.
    #[command(external_subcommand)]
    Unknown(Vec<OsString>),
}

#[derive(Debug, Group)]
pub(super) struct ListForms {
    /// Those that the crawl found, what each is for, and which of them may be kept.
    #[arg(long)]
    pub(super) found: bool,
    /// Those that hold this text, such as a mail address.
    #[arg(long, value_name = "TEXT", conflicts_with = "found")]
    pub(super) find: Option<String>,
    /// The site's name; without it, all.
    #[arg(value_name = "SITE", conflicts_with = "site")]
    pub(super) name: Option<String>,
    #[command(flatten)]
    pub(super) of: OfSite,
}

#[derive(Debug, Group)]
pub(super) struct SomeForms {
    /// Their ids, or the numbers that their visitors were given.
    #[arg(value_name = "ID", required = true)]
    pub(super) ids: Vec<String>,
    #[command(flatten)]
    pub(super) of: OfSite,
}

#[derive(Debug, Group)]
pub(super) struct ExportForms {
    /// The format.
    #[arg(long, value_enum, default_value_t = ExportFormat::Csv)]
    pub(super) format: ExportFormat,
    #[command(flatten)]
    pub(super) of: OfSite,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum ExportFormat {
    /// A line for each form, for spreadsheets.
    Csv,
    /// Everything.
    Json,
}

#[derive(Debug, Group)]
pub(super) struct Origin {
    #[command(subcommand)]
    pub(super) command: OriginCommand,
}

#[derive(Debug, Subcommand)]
pub(super) enum OriginCommand {
    /// List the origins of a site, and where they come from.
    List(ListOrigins),
    /// Set the list of origins of a site.
    Set(SetOrigins),
    /// What is no command.
    #[command(external_subcommand)]
    Unknown(Vec<OsString>),
}

#[derive(Debug, Group)]
pub(super) struct ListOrigins {
    /// The site's name.
    #[arg(value_name = "SITE")]
    pub(super) site: String,
    #[command(flatten)]
    pub(super) instance: Instance,
}

#[derive(Debug, Group)]
pub(super) struct SetOrigins {
    /// The site's name.
    #[arg(value_name = "SITE")]
    pub(super) site: String,
    /// The list, in the form of origins.toml; "-" is standard input.
    #[arg(value_name = "FILE")]
    pub(super) file: PathBuf,
    /// On all instances that share the store.
    #[arg(long)]
    pub(super) everywhere: bool,
    #[command(flatten)]
    pub(super) instance: Instance,
}

#[derive(Debug, Group)]
#[command(args_conflicts_with_subcommands = true)]
pub(super) struct Alerts {
    #[command(subcommand)]
    pub(super) command: Option<AlertsCommand>,
    #[command(flatten)]
    pub(super) instance: Instance,
}

#[derive(Debug, Subcommand)]
pub(super) enum AlertsCommand {
    /// Send a test message to every channel now, and say what each of them answered.
    Test(Instance),
    /// Acknowledge an alert: it is not repeated any more.
    Ack(AckAlerts),
    /// What is no command.
    #[command(external_subcommand)]
    Unknown(Vec<OsString>),
}

#[derive(Debug, Group)]
pub(super) struct AckAlerts {
    /// Its id, as "katahai alerts" lists it.
    #[arg(value_name = "ID", conflicts_with = "site")]
    pub(super) id: Option<String>,
    /// All alerts of this site.
    #[arg(long, value_name = "NAME")]
    pub(super) site: Option<String>,
    /// Of these, only those with this cause.
    #[arg(long, value_name = "CODE", requires = "site")]
    pub(super) cause: Option<String>,
    #[command(flatten)]
    pub(super) instance: Instance,
}

#[derive(Debug, Group)]
pub(super) struct Key {
    #[command(subcommand)]
    pub(super) command: KeyCommand,
}

#[derive(Debug, Subcommand)]
pub(super) enum KeyCommand {
    /// Print a new key for kept forms.
    New,
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
    /// Work on this state directory directly, whether or not an instance is running.
    #[arg(long, value_name = "DIR")]
    pub(super) state_dir: Option<PathBuf>,
}

#[derive(Debug, Group)]
pub(super) struct ShowSnapshot {
    /// Its id or the start of it, its number, "current", "latest" or "previous".
    #[arg(default_value = "current")]
    pub(super) id: String,
    /// Show the report of its crawl: what was fetched, kept and refused, and why; broken links; the slowest answers.
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
    /// Its id or the start of it, its number, "current", "latest" or "previous"; without it, all.
    pub(super) id: Option<String>,
    /// Repair each damaged snapshot: make a new one, with the newest intact version of each damaged page.
    #[arg(long)]
    pub(super) repair: bool,
    #[command(flatten)]
    pub(super) of: OfSite,
}

#[derive(Debug, Group)]
pub(super) struct DiffSnapshots {
    /// The first: an id or the start of it, a number, "current", "latest" or "previous".
    pub(super) from: String,
    /// The second.
    pub(super) to: String,
    /// One page, such as /about: show how its text differs.
    pub(super) path: Option<String>,
    #[command(flatten)]
    pub(super) of: OfSite,
}

#[derive(Debug, Group)]
pub(super) struct PublishSnapshot {
    /// Its id or the start of it, its number, "latest" or "previous".
    pub(super) id: String,
    /// Publish it even if it did not pass the gate.
    #[arg(long)]
    pub(super) anyway: bool,
    #[command(flatten)]
    pub(super) of: OfSite,
}

#[derive(Debug, Group)]
pub(super) struct PinSnapshot {
    /// Its id or the start of it, its number, "current", "latest" or "previous".
    pub(super) id: String,
    /// Take the pin off again.
    #[arg(long)]
    pub(super) off: bool,
    #[command(flatten)]
    pub(super) of: OfSite,
}

#[derive(Debug, Group)]
pub(super) struct OneSnapshot {
    /// Its id or the start of it, its number, "current", "latest" or "previous".
    pub(super) id: String,
    #[command(flatten)]
    pub(super) of: OfSite,
}
