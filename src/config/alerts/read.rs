//! `[alerts]` as it is written: every value with its place, and what only shows when keys are seen together.

use std::path::PathBuf;
use std::time::Duration;

use lettre::Address;
use url::Url;

use super::{AlertFormat, AlertLanguage, Alerts, Channel, Destination, Heartbeat, HookAt, HookUrl, Webhook};
use crate::config::bounds::ANY_TIME;
use crate::config::check::Context;
use crate::config::node::{Fault, Notes, Slot, Span, Spanned, Value, shown};
use crate::config::recipient::{MailServer, SmtpUrl, is_loopback};
use crate::config::value::texts;
use crate::config::{Severity, defaults, files, raw};

/// A mailbox, as it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::config) struct Mailto(Address);

/// The address of the admin listener, as it is written; `None` if nothing is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::config) struct AdminLink(Option<Url>);

/// A heartbeat's URL, as it is written; `None` if nothing is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::config) struct BeatUrl(Option<HookUrl>);

texts! {
    HookUrl: "a URL such as \"https://hooks.example.com/…\"", hook_url;
    BeatUrl: "a URL such as \"https://hc.example.com/…\"", beat_url;
    Mailto: "an address such as \"owner@example.jp\"", mailto;
    AdminLink: "a URL such as \"https://ops.example.jp\"", admin_link;
    AlertFormat: "\"json\", \"slack\", \"discord\", \"teams\", \"line\" or \"ntfy\"", alert_format;
    AlertLanguage: "\"auto\", \"en\", \"ja\" or \"both\"", alert_language;
}

/// The text is not shown: it is often all that is needed to post there.
pub(in crate::config) fn hook_url(text: &str) -> Result<HookUrl, Fault> {
    let help = "write the whole URL as the service shows it, such as \"https://hooks.example.com/…\"";
    let not = |what: &str| Fault::new(format!("the URL {what}"), help);
    let url = Url::parse(text.trim()).map_err(|_| not("cannot be read"))?;
    if !matches!(url.scheme(), "https" | "http") {
        return Err(not("begins with neither https:// nor http://"));
    }
    if url.host_str().is_none_or(str::is_empty) {
        return Err(not("has no host"));
    }
    if url.password().is_some() || !url.username().is_empty() {
        return Err(not("cannot hold a user or a password"));
    }
    Ok(HookUrl(url))
}

fn beat_url(text: &str) -> Result<BeatUrl, Fault> {
    if text.is_empty() { Ok(BeatUrl(None)) } else { hook_url(text).map(|url| BeatUrl(Some(url))) }
}

fn mailto(text: &str) -> Result<Mailto, Fault> {
    let help = "write one address in each entry: \"owner@example.jp\"";
    text.parse()
        .map(Mailto)
        .map_err(|_| Fault::new(format!("{} is not an e-mail address", shown(text)), help))
}

fn admin_link(text: &str) -> Result<AdminLink, Fault> {
    if text.is_empty() {
        return Ok(AdminLink(None));
    }
    let help = "write where you open the dashboard, such as \"https://ops.example.jp\"";
    let not = |what: &str| Fault::new(format!("{} {what}", shown(text)), help);
    let mut url = hook_url(text).map_err(|_| not("is no address of the dashboard"))?.0;
    if url.query().is_some() || url.fragment().is_some() {
        return Err(not("has more than a host and a path"));
    }
    if !url.path().ends_with('/') {
        url.set_path(&format!("{}/", url.path()));
    }
    Ok(AdminLink(Some(url)))
}

fn alert_format(text: &str) -> Result<AlertFormat, Fault> {
    let found = AlertFormat::ALL.into_iter().find(|format| format.as_str() == text);
    found.ok_or_else(|| {
        let help = "write \"json\", \"slack\", \"discord\", \"teams\", \"line\" or \"ntfy\"";
        Fault::new(format!("there is no format {}", shown(text)), help)
    })
}

fn alert_language(text: &str) -> Result<AlertLanguage, Fault> {
    match text {
        "auto" => Ok(AlertLanguage::Auto),
        "en" => Ok(AlertLanguage::English),
        "ja" => Ok(AlertLanguage::Japanese),
        "both" => Ok(AlertLanguage::Both),
        _ => {
            let help = "write \"auto\", \"en\", \"ja\" or \"both\"";
            Err(Fault::new(format!("alerts cannot be in {}", shown(text)), help))
        }
    }
}

/// A webhook: its URL, or a table.
#[derive(Clone, Debug)]
pub(in crate::config) struct HookTarget(raw::AlertsWebhook);

impl Value for HookTarget {
    fn read(value: &toml::de::DeValue<'_>, span: &Span, notes: &mut Notes) -> Option<HookTarget> {
        if value.is_str() {
            let url = HookUrl::read(value, span, notes)?;
            let url = Slot::Here(Spanned { value: url, span: span.clone() });
            return Some(HookTarget(raw::AlertsWebhook { url, ..raw::AlertsWebhook::default() }));
        }
        raw::AlertsWebhook::read(value, span, notes).map(HookTarget)
    }

    fn keys(prefix: &str, out: &mut Vec<String>) {
        raw::AlertsWebhook::keys(prefix, out);
    }
}

/// The server that e-mail goes out through, and who is told what.
pub(in crate::config) fn alerts(
    raw: raw::Alerts,
    context: &Context<'_>,
    notes: &mut Notes,
) -> (Option<MailServer>, Alerts) {
    let default = Alerts::default();
    let mut channels = Vec::new();
    for Spanned { value: HookTarget(raw), span } in raw.webhook.or_default() {
        channels.extend(webhook(raw, &span, context, notes).map(|channel| (channel, span)));
    }
    let mut mails_reports = default.mails_reports;
    let (mail, mailboxes) = match raw.email.here() {
        Some(email) => {
            mails_reports = email.value.report.clone().or(mails_reports);
            email_of(email, context, notes)
        }
        None => (None, Vec::new()),
    };
    channels.extend(mailboxes);
    let mut kept: Vec<Channel> = Vec::with_capacity(channels.len());
    for (channel, span) in channels {
        if kept.iter().any(|other| other.key() == channel.key()) {
            notes.warning(&span, Fault::new(format!("{channel} is there twice"), "remove one"));
        } else {
            kept.push(channel);
        }
    }
    if !kept.is_empty() && kept.iter().all(|channel| channel.is_backup) {
        let help = "leave `backup` out where alerts are to go first";
        notes.whole(
            Severity::Warning,
            Fault::new("every alert channel is a backup, so no alert is sent", help),
        );
    }
    let seconds = Duration::from_secs;
    let every = raw.heartbeat_every.within(seconds(1)..=seconds(86_400), notes);
    let every = every.or(defaults::HEARTBEAT_EVERY);
    let heartbeat = raw.heartbeat.or_default().0.map(|url| Heartbeat { url, every });
    let repeat = match raw.repeat.here() {
        Some(Spanned { value, span }) if value.0.is_some_and(|time| time < seconds(1)) => {
            notes
                .error(&span, Fault::new("this is too often", "write at least \"1s\", or \"off\" for never"));
            default.repeat
        }
        Some(at) => at.value.0,
        None => default.repeat,
    };
    let alerts = Alerts {
        channels: kept,
        wait: raw.wait.within(seconds(0)..=*ANY_TIME.end(), notes).or(default.wait),
        repeat,
        heartbeat,
        language: raw.language.or(default.language),
        link: raw.link.or_default().0,
        mails_reports,
    };
    (mail, alerts)
}

fn webhook(
    raw: raw::AlertsWebhook,
    span: &Span,
    context: &Context<'_>,
    notes: &mut Notes,
) -> Option<Channel> {
    let (url_is_given, format_is_given) = (raw.url.is_given(), raw.format.is_given());
    let (url, url_file) = (raw.url.here().map(|at| at.value), context.file(raw.url_file));
    let said = raw.format.here().map(|at| at.value);
    let format = said.unwrap_or_else(|| {
        url.as_ref().map_or_else(AlertFormat::default, |url| {
            AlertFormat::of_host(url.0.host_str().unwrap_or_default())
        })
    });
    if let Some(at) = &url_file
        && let Err(fault) = files::password(&at.value)
    {
        notes.degraded(&at.span, Fault { help: "put the webhook's URL into its first line".into(), ..fault });
    }
    let at = match (url, url_file) {
        (Some(_), Some(_)) => {
            notes.error(span, Fault::new("both `url` and `url_file` are there", "remove one of them"));
            return None;
        }
        (Some(url), None) => HookAt::Url(url),
        (None, Some(file)) => HookAt::File(file.value),
        (None, None) if format == AlertFormat::Line && !url_is_given => HookAt::Url(HookUrl(line_url()?)),
        (None, None) => {
            if !url_is_given {
                notes.missing(
                    span,
                    "url",
                    "write the webhook's URL, or name a file that holds it as url_file",
                );
            }
            return None;
        }
    };
    if format_is_given && said.is_none() {
        return None;
    }
    let secret_file = context.file(raw.secret_file);
    if let Some(at) = &secret_file
        && let Err(fault) = files::password(&at.value)
    {
        notes.degraded(&at.span, fault);
    }
    let to = raw.to.or_default();
    judge(format, secret_file.as_ref(), &to, span, notes);
    if let HookAt::Url(url) = &at
        && format == AlertFormat::Ntfy
        && url.0.path_segments().is_none_or(|mut parts| parts.all(str::is_empty))
    {
        let help = "add it to the URL, as in \"https://ntfy.sh/a-topic-nobody-guesses\"";
        notes.error(span, Fault::new("the URL for ntfy names no topic", help));
    }
    if let HookAt::Url(url) = &at
        && url.0.scheme() == "http"
        && !url.0.host_str().is_some_and(is_loopback)
    {
        let help = "write https:// if the service has it";
        notes.warning(span, Fault::new("alerts go to this webhook in the clear", help));
    }
    let secret_file = secret_file.map(|at| at.value);
    let reach = Destination::Webhook(Webhook { at, format, secret_file, to });
    Some(Channel { reach, is_backup: raw.backup.or(false) })
}

/// Where LINE takes messages for one user, group or room.
fn line_url() -> Option<Url> {
    Url::parse("https://api.line.me/v2/bot/message/push").ok()
}

/// What each format needs, and what it has no use for.
fn judge(format: AlertFormat, secret: Option<&Spanned<PathBuf>>, to: &str, span: &Span, notes: &mut Notes) {
    match format {
        AlertFormat::Line => {
            if secret.is_none() {
                notes.missing(span, "secret_file", "name the file with the channel access token of LINE");
            }
            if to.is_empty() {
                notes.missing(span, "to", "write the id of the user, group or room, such as to = \"U4af4…\"");
            }
        }
        AlertFormat::Json
        | AlertFormat::Ntfy
        | AlertFormat::Slack
        | AlertFormat::Discord
        | AlertFormat::Teams
            if !to.is_empty() =>
        {
            notes.error(span, Fault::new("`to` is for the format \"line\" only", "remove it"));
        }
        AlertFormat::Slack | AlertFormat::Discord | AlertFormat::Teams => {
            if let Some(at) = secret {
                let message = format!("{} takes no secret: its URL is one", format.as_str());
                notes.error(&at.span, Fault::new(message, "remove secret_file"));
            }
        }
        AlertFormat::Json | AlertFormat::Ntfy => {}
    }
}

/// The server that e-mail goes out through, and the mailboxes that alerts go to.
fn email_of(
    Spanned { value: raw, span }: Spanned<raw::AlertsEmail>,
    context: &Context<'_>,
    notes: &mut Notes,
) -> (Option<MailServer>, Vec<(Channel, Span)>) {
    let is_backup = raw.backup.or(false);
    let channel = |Spanned { value: Mailto(address), span }: Spanned<Mailto>| {
        (Channel { reach: Destination::Mail(address), is_backup }, span)
    };
    let mailboxes: Vec<_> = raw.to.or_default().into_iter().map(channel).collect();
    let server = raw.smtp.or_default().0;
    let password_file = context.file(raw.password_file);
    if let Some(at) = &password_file
        && let Err(fault) = files::password(&at.value)
    {
        notes.degraded(&at.span, fault);
    }
    let Some(server) = server else {
        if !mailboxes.is_empty() {
            notes.missing(
                &span,
                "smtp",
                "say which server e-mail goes out through: smtp = \"smtps://user@mail.example.jp\"",
            );
        }
        return (None, mailboxes);
    };
    if server.user.is_some() != password_file.is_some() {
        let help = "write both, as in smtp = \"smtps://user@mail.example.jp\" and password_file = \"mail.password\", or neither";
        notes.error(&span, Fault::new("a user needs a password, and a password a user", help));
    }
    let own = server.user.as_deref().and_then(|user| user.parse().ok());
    let is_said = raw.from.is_given();
    let Some(from) = raw.from.or_default().0.or(own) else {
        if !is_said {
            notes.missing(&span, "from", "write who the mail is from, as in from = \"shop@example.jp\"");
        }
        return (None, mailboxes);
    };
    let SmtpUrl { host, port, security, user } = server;
    let password_file = password_file.map(|at: Spanned<PathBuf>| at.value);
    (Some(MailServer { host, port, security, user, password_file, from }), mailboxes)
}

/// The URL in the first line of a file.
pub(in crate::config) fn url_in(file: &std::path::Path) -> Result<HookUrl, Fault> {
    hook_url(&files::password(file)?)
        .map_err(|fault| Fault { message: format!("{}: {}", file.display(), fault.message), ..fault })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_taken_and_never_shown() {
        for (text, shown) in [
            ("https://hooks.slack.com/services/T0/SECRET", "hooks.slack.com"),
            (" http://127.0.0.1:8080/SECRET ", "127.0.0.1"),
        ] {
            let url = hook_url(text).unwrap();
            assert_eq!((url.to_string(), format!("{url:?}")), (shown.to_owned(), shown.to_owned()));
        }
        for (text, what) in [
            ("", "cannot be read"),
            ("hooks.example/SECRET", "cannot be read"),
            ("ftp://example.jp/SECRET", "neither"),
            ("https://user:SECRET@example.jp/", "a user or a password"),
        ] {
            let fault = hook_url(text).unwrap_err();
            assert!(fault.message.contains(what) && !fault.message.contains("SECRET"), "{text}: {fault:?}");
        }
    }

    #[test]
    fn a_well_known_host_says_the_format() {
        for (host, format) in [
            ("hooks.slack.com", AlertFormat::Slack),
            ("discord.com", AlertFormat::Discord),
            ("canary.discord.com", AlertFormat::Discord),
            ("notdiscord.com", AlertFormat::Json),
            ("prod-01.japaneast.logic.azure.com", AlertFormat::Teams),
            ("api.line.me", AlertFormat::Line),
            ("ntfy.sh", AlertFormat::Ntfy),
            ("ops.example.jp", AlertFormat::Json),
            ("discord.com.example.jp", AlertFormat::Json),
        ] {
            assert_eq!(AlertFormat::of_host(host), format, "{host}");
        }
    }

    #[test]
    fn the_link_is_a_folder() {
        let link = |text: &str| admin_link(text).map(|link| link.0.map(|url| url.to_string()));
        assert_eq!(link(""), Ok(None));
        assert_eq!(link("https://ops.example.jp:9900"), Ok(Some("https://ops.example.jp:9900/".into())));
        assert_eq!(link("https://ops.example.jp/k"), Ok(Some("https://ops.example.jp/k/".into())));
        assert!(link("ops.example.jp").is_err() && link("https://a.example/?x").is_err());
    }
}
