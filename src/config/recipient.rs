//! Who gets a kept form besides the origin, and the server that e-mail goes out through.

use std::fmt;
use std::path::PathBuf;

use lettre::Address;
use lettre::message::Mailbox;
use url::Url;

use super::node::{Fault, Notes, Span, Spanned, Value, kind, shown};
use super::value::texts;

/// Where the kept forms of one `[[site.form]]` go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deliver {
    /// To the origin, when it is back.
    pub origin: bool,
    /// To these at once, also while the outage goes on.
    pub recipients: Vec<Recipient>,
}

impl Default for Deliver {
    fn default() -> Deliver {
        Deliver { origin: true, recipients: Vec::new() }
    }
}

/// Who gets a kept form at once. `Debug` and `Display` show no more than its host or its mailbox: a webhook's URL is often all
/// that is needed to post to it.
#[derive(Clone, PartialEq, Eq, Hash)]
pub enum Recipient {
    /// The form is posted to this URL as JSON.
    Webhook(Url),
    /// It is mailed to this address.
    Mail(Address),
}

impl Recipient {
    /// A name for it that is safe in a file's name and tells nothing of it: 8 hexadecimal digits.
    pub fn key(&self) -> String {
        let whole = match self {
            Recipient::Webhook(url) => url.to_string(),
            Recipient::Mail(address) => format!("mailto:{address}"),
        };
        blake3::hash(whole.as_bytes()).to_hex()[..8].to_owned()
    }
}

impl fmt::Display for Recipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Recipient::Webhook(url) => write!(f, "webhook {}", url.host_str().unwrap_or_default()),
            Recipient::Mail(address) => write!(f, "mail {address}"),
        }
    }
}

impl fmt::Debug for Recipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// How a connection to a mail server is protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MailSecurity {
    /// TLS from the first byte (RFC 8314).
    Tls,
    /// `STARTTLS`, or nothing is sent (RFC 3207).
    StartTls,
    /// None: the server is on this machine.
    Loopback,
}

/// `[alerts.email]`: the server that e-mail goes out through.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MailServer {
    /// Where it is.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// How it is spoken to.
    pub security: MailSecurity,
    /// As whom; `None`: without a login.
    pub user: Option<String>,
    /// The file with the password.
    pub password_file: Option<PathBuf>,
    /// Who the mail is from.
    pub from: Mailbox,
}

/// Where a mail server is, as it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SmtpUrl {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) security: MailSecurity,
    pub(super) user: Option<String>,
}

/// A sender such as `Shop <shop@example.jp>`; `None` if nothing is written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Sender(pub(super) Option<Mailbox>);

/// A mail server; `None` if nothing is written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Smtp(pub(super) Option<SmtpUrl>);

texts! {
    Smtp: "a URL such as \"smtps://user@mail.example.jp\"", smtp;
    Sender: "an address such as \"Shop <shop@example.jp>\"", sender;
}

fn sender(text: &str) -> Result<Sender, Fault> {
    if text.is_empty() {
        return Ok(Sender(None));
    }
    let help = "write \"shop@example.jp\" or \"Shop <shop@example.jp>\"";
    let mailbox = text.parse();
    mailbox
        .map(|mailbox| Sender(Some(mailbox)))
        .map_err(|_| Fault::new(format!("{} is not an e-mail address", shown(text)), help))
}

fn smtp(text: &str) -> Result<Smtp, Fault> {
    if text.is_empty() {
        return Ok(Smtp(None));
    }
    let example = "write \"smtps://user@mail.example.jp\" (TLS, port 465), \"smtp://user@mail.example.jp\" (STARTTLS, port 587) or \"smtp://localhost\" (port 25)";
    // The text is not shown: it may hold a password, and problems are logged.
    let not = |what: &str| Fault::new(format!("the URL of the mail server {what}"), example);
    let url = Url::parse(text).map_err(|_| not("cannot be read"))?;
    if url.password().is_some() {
        let help = "put the password into a file of its own and name it: password_file = \"…\"";
        return Err(Fault::new("the URL of the mail server holds a password", help));
    }
    let host = url.host_str().filter(|host| !host.is_empty()).ok_or_else(|| not("has no host"))?;
    if !matches!(url.path(), "" | "/") || url.query().is_some() || url.fragment().is_some() {
        return Err(not("has more than a user, a host and a port"));
    }
    let (security, port) = match url.scheme() {
        "smtps" => (MailSecurity::Tls, 465),
        "smtp" if is_loopback(host) => (MailSecurity::Loopback, 25),
        "smtp" => (MailSecurity::StartTls, 587),
        _ => return Err(not("begins with neither smtps:// nor smtp://")),
    };
    let user = percent_encoding::percent_decode_str(url.username()).decode_utf8();
    let user = user.map_err(|_| not("has a user that is not UTF-8"))?.into_owned();
    Ok(Smtp(Some(SmtpUrl {
        host: host.to_owned(),
        port: url.port().unwrap_or(port),
        security,
        user: (!user.is_empty()).then_some(user),
    })))
}

pub(super) fn is_loopback(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost")
        || bare.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// One place that forms go to, as it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Target {
    Origin,
    Recipient(Recipient),
}

texts! {
    Target: "\"origin\", a webhook's URL or \"mailto:…\"", target;
}

fn target(text: &str) -> Result<Target, Fault> {
    let example = "write \"origin\", a webhook's URL (\"https://…\") or \"mailto:owner@example.jp\"";
    if text == "origin" {
        return Ok(Target::Origin);
    }
    if let Some(address) = text.strip_prefix("mailto:") {
        let fault = |_| {
            let help = "write one address and nothing else: \"mailto:owner@example.jp\"";
            Fault::new(format!("{} is not an e-mail address", shown(address)), help)
        };
        // More than an address would be taken for a strange one.
        let alone = if address.contains(['?', '&', '%', '/', ' ', '"']) { "" } else { address };
        return alone.parse().map_err(fault).map(|address| Target::Recipient(Recipient::Mail(address)));
    }
    // A URL is not shown: it is often all that is needed to post there.
    let url = Url::parse(text).ok().filter(|url| matches!(url.scheme(), "https" | "http"));
    let Some(url) = url.filter(|url| url.host_str().is_some_and(|host| !host.is_empty())) else {
        let message = match text.contains("://") {
            true => "a webhook's URL cannot be read".to_owned(),
            false => format!("forms cannot be delivered to {}", shown(text)),
        };
        return Err(Fault::new(message, example));
    };
    if url.password().is_some() || !url.username().is_empty() {
        return Err(Fault::new("the URL of a webhook cannot hold a user or a password", example));
    }
    let is_here = url.host_str().is_some_and(is_loopback);
    if url.scheme() == "http" && !is_here {
        let help = "write https:// (http:// is for this machine only)";
        return Err(Fault::new("what visitors write would be sent over the net in the clear", help));
    }
    Ok(Target::Recipient(Recipient::Webhook(url)))
}

/// One place, or a list of them.
#[derive(Clone, Debug, Default)]
pub(super) struct Targets(pub(super) Vec<Spanned<Target>>);

impl Value for Targets {
    fn read(value: &toml::de::DeValue<'_>, span: &Span, notes: &mut Notes) -> Option<Targets> {
        if value.is_array() {
            return Vec::read(value, span, notes).map(Targets);
        }
        if value.is_str() {
            let value = Target::read(value, span, notes)?;
            return Some(Targets(vec![Spanned { value, span: span.clone() }]));
        }
        let message = format!("a place that forms go to cannot be {}", kind(value));
        notes.error(span, Fault::new(message, "write \"origin\", a URL or \"mailto:…\", or a list of them"));
        None
    }
}

/// The places of one form. `has_mail`: there is a server to send e-mail through.
pub(super) fn deliver(Targets(targets): Targets, span: &Span, has_mail: bool, notes: &mut Notes) -> Deliver {
    if targets.is_empty() {
        let help = "write deliver = \"origin\", or keep = false if the form is not to be kept";
        notes.error(span, Fault::new("the forms would go nowhere", help));
    }
    let mut deliver = Deliver { origin: false, recipients: Vec::new() };
    for Spanned { value, span } in targets {
        match value {
            Target::Origin => deliver.origin = true,
            Target::Recipient(recipient) => {
                if matches!(recipient, Recipient::Mail(_)) && !has_mail {
                    let help = "say which server e-mail goes out through: [alerts] email = { smtp = \"smtps://user@mail.example.jp\", password_file = \"…\", from = \"…\" }";
                    notes.error(&span, Fault::new("no e-mail can be sent", help));
                }
                if deliver.recipients.contains(&recipient) {
                    notes.warning(&span, Fault::new(format!("{recipient} is there twice"), "remove one"));
                } else {
                    deliver.recipients.push(recipient);
                }
            }
        }
    }
    deliver
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mail_server_is_spoken_to_in_the_clear_only_on_this_machine() {
        use MailSecurity::{Loopback, StartTls, Tls};
        for (text, host, port, security, user) in [
            ("smtps://mail.example.jp", "mail.example.jp", 465, Tls, None),
            (
                "smtps://shop%40example.jp@mail.example.jp:1465",
                "mail.example.jp",
                1465,
                Tls,
                Some("shop@example.jp"),
            ),
            ("smtp://u@mail.example.jp", "mail.example.jp", 587, StartTls, Some("u")),
            ("smtp://localhost", "localhost", 25, Loopback, None),
            ("smtp://127.0.0.1:2525/", "127.0.0.1", 2525, Loopback, None),
            ("smtp://[::1]", "[::1]", 25, Loopback, None),
        ] {
            let found = smtp(text).unwrap().0.unwrap();
            assert_eq!(
                (&*found.host, found.port, found.security, found.user.as_deref()),
                (host, port, security, user)
            );
        }
        assert_eq!(smtp("").unwrap(), Smtp(None));
        for (text, what) in [
            ("mail.example.jp", "cannot be read"),
            ("https://mail.example.jp", "neither"),
            ("smtps://user:hunter2@mail.example.jp", "holds a password"),
            ("smtps://mail.example.jp/x", "more than"),
            ("smtp://mail.example.jp?tls=opportunistic", "more than"),
            ("smtp:", "no host"),
        ] {
            let fault = smtp(text).unwrap_err();
            assert!(fault.message.contains(what) && !fault.message.contains("hunter2"), "{text}: {fault:?}");
        }
    }

    #[test]
    fn forms_go_to_the_origin_a_webhook_or_a_mailbox() {
        assert_eq!(target("origin").unwrap(), Target::Origin);
        for (text, shown) in [
            ("https://hooks.example.com/services/T0/SECRET", "webhook hooks.example.com"),
            ("http://127.0.0.1:8080/", "webhook 127.0.0.1"),
            ("mailto:owner@example.jp", "mail owner@example.jp"),
        ] {
            let Target::Recipient(recipient) = target(text).unwrap() else { panic!("{text}") };
            assert_eq!(
                (recipient.to_string(), format!("{recipient:?}")),
                (shown.to_owned(), shown.to_owned())
            );
            assert!(recipient.key().len() == 8 && recipient.key().bytes().all(|b| b.is_ascii_hexdigit()));
        }
        for (text, what) in [
            ("", "cannot be delivered to"),
            ("Origin", "cannot be delivered to"),
            ("owner@example.jp", "cannot be delivered to"),
            ("mailto:", "not an e-mail address"),
            ("mailto:a@example.jp?subject=x", "not an e-mail address"),
            ("mailto:a@example.jp,b@example.jp", "not an e-mail address"),
            ("ftp://example.jp/", "cannot be read"),
            ("https://user:SECRET@example.jp/", "a user or a password"),
            ("http://example.jp/SECRET", "in the clear"),
        ] {
            let fault = target(text).unwrap_err();
            assert!(fault.message.contains(what) && !fault.message.contains("SECRET"), "{text}: {fault:?}");
        }
    }
}
