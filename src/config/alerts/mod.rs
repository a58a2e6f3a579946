//! `[alerts]`: who is told when something is wrong, and how.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use lettre::Address;
use url::Url;

use super::defaults;

mod read;

#[cfg(test)]
pub(super) use read::hook_url;
pub(super) use read::{AdminLink, BeatUrl, HookTarget, Mailto, alerts, url_in};

/// `[alerts]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alerts {
    /// Who is told, in the file's order: webhooks, then mailboxes.
    pub channels: Vec<Channel>,
    /// What is over sooner is not told.
    pub wait: Duration,
    /// How long until something is told again that nobody has acknowledged; `None`: never.
    pub repeat: Option<Duration>,
    /// What is asked while all is well.
    pub heartbeat: Option<Heartbeat>,
    /// What language alerts are in.
    pub language: AlertLanguage,
    /// Where people reach the admin listener.
    pub link: Option<Url>,
    /// Whether the mailboxes get the report about an outage when it is over.
    pub mails_reports: bool,
}

impl Default for Alerts {
    fn default() -> Alerts {
        Alerts {
            channels: Vec::new(),
            wait: defaults::ALERTS_WAIT,
            repeat: Some(defaults::ALERTS_REPEAT),
            heartbeat: None,
            language: AlertLanguage::Auto,
            link: None,
            mails_reports: true,
        }
    }
}

/// A dead man's switch: somebody else notices when it is asked no more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heartbeat {
    /// What is asked.
    pub url: HookUrl,
    /// How often.
    pub every: Duration,
}

/// The language of alerts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AlertLanguage {
    /// That of the site's pages.
    #[default]
    Auto,
    /// English.
    English,
    /// Japanese.
    Japanese,
    /// Both, English first.
    Both,
}

/// A URL that is as good as a password: `Debug` and `Display` show its host only.
#[derive(Clone, PartialEq, Eq)]
pub struct HookUrl(pub Url);

impl fmt::Display for HookUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.host_str().unwrap_or_default())
    }
}

impl fmt::Debug for HookUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// One way to somebody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Channel {
    /// Where it leads.
    pub reach: Destination,
    /// Whether it is used only when another one has failed.
    pub is_backup: bool,
}

/// Where a channel leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Destination {
    /// A mailbox.
    Mail(Address),
    /// A URL that alerts are posted to.
    Webhook(Webhook),
}

/// One of `[alerts].webhook`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Webhook {
    /// Its URL.
    pub at: HookAt,
    /// What is posted there.
    pub format: AlertFormat,
    /// The file with what proves that it is us: the key of the signature, or a token.
    pub secret_file: Option<PathBuf>,
    /// Who gets it, where the URL does not say so (LINE): a user, a group or a room.
    pub to: String,
}

/// Where a webhook's URL stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HookAt {
    /// In the configuration.
    Url(HookUrl),
    /// In the first line of this file, read whenever it is used.
    File(PathBuf),
}

/// What is posted to a webhook.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AlertFormat {
    /// Our own JSON, signed.
    #[default]
    Json,
    /// Slack's incoming webhooks, and what speaks like them.
    Slack,
    /// Discord's webhooks.
    Discord,
    /// An Adaptive Card for a workflow of Teams.
    Teams,
    /// LINE's Messaging API.
    Line,
    /// ntfy.
    Ntfy,
}

impl AlertFormat {
    /// As written in files.
    pub fn as_str(self) -> &'static str {
        match self {
            AlertFormat::Json => "json",
            AlertFormat::Slack => "slack",
            AlertFormat::Discord => "discord",
            AlertFormat::Teams => "teams",
            AlertFormat::Line => "line",
            AlertFormat::Ntfy => "ntfy",
        }
    }

    const ALL: [AlertFormat; 6] = [
        AlertFormat::Json,
        AlertFormat::Slack,
        AlertFormat::Discord,
        AlertFormat::Teams,
        AlertFormat::Line,
        AlertFormat::Ntfy,
    ];

    /// What a well-known host expects; nobody posts anything else there.
    fn of_host(host: &str) -> AlertFormat {
        match host {
            "hooks.slack.com" | "hooks.slack-gov.com" => AlertFormat::Slack,
            "api.line.me" => AlertFormat::Line,
            "ntfy.sh" => AlertFormat::Ntfy,
            host if [".logic.azure.com", ".powerplatform.com"].iter().any(|end| host.ends_with(end)) => {
                AlertFormat::Teams
            }
            host if ["discord.com", "discordapp.com"].iter().any(|name| is_of(host, name)) => {
                AlertFormat::Discord
            }
            _ => AlertFormat::Json,
        }
    }
}

/// Whether a host is of this name, or below it.
fn is_of(host: &str, name: &str) -> bool {
    host.strip_suffix(name).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}

impl Channel {
    /// A name for it that is safe in a file's name and tells nothing of it: 8 hexadecimal digits.
    pub fn key(&self) -> String {
        let whole = match &self.reach {
            Destination::Mail(address) => format!("mailto:{address}"),
            Destination::Webhook(Webhook { at: HookAt::Url(url), to, .. }) => format!("{}#{to}", url.0),
            Destination::Webhook(Webhook { at: HookAt::File(file), to, .. }) => {
                format!("file:{}#{to}", file.display())
            }
        };
        blake3::hash(whole.as_bytes()).to_hex()[..8].to_owned()
    }
}

impl fmt::Display for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.reach {
            Destination::Mail(address) => write!(f, "mail {address}"),
            Destination::Webhook(Webhook { at: HookAt::Url(url), format, .. }) => {
                write!(f, "{} {url}", format.as_str())
            }
            Destination::Webhook(Webhook { at: HookAt::File(file), format, .. }) => {
                let name = file.file_name().unwrap_or_default().display();
                write!(f, "{} ({name})", format.as_str())
            }
        }
    }
}
