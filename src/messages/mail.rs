//! Sending an e-mail through the operator's own server (RFC 5321, RFC 8314).

use std::time::Duration;

use lettre::message::header::{ContentType, HeaderName, HeaderValue};
use lettre::message::{Attachment, Mailbox, MultiPart, SinglePart};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{CertificateStore, Tls, TlsParameters};
use lettre::{Address, AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor};

use super::{Again, NotTaken};
use crate::config::load_password;
use crate::config::recipient::{MailSecurity, MailServer};
use crate::failure::chain;
use crate::{tasks, tls};

/// How long the server may take for each step.
const STEP: Duration = Duration::from_secs(30);
/// How long all of it may take.
const MOST: Duration = Duration::from_secs(120);

/// An e-mail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Letter {
    /// To whom.
    pub to: Address,
    /// What it is about; nothing of what is in it.
    pub subject: String,
    /// What is in it: lines that end in a line feed.
    pub text: String,
    /// Who is to get the answer, if that is not who sends it.
    pub reply_to: Option<Mailbox>,
    /// Its name before the `@`: a second one of the same name is the same message.
    pub id: String,
    /// Files.
    pub files: Vec<LetterFile>,
}

/// A file in an e-mail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LetterFile {
    /// Its name.
    pub name: String,
    /// Its type, as far as it is known.
    pub content_type: String,
    /// What is in it.
    pub content: Vec<u8>,
}

/// Sends it.
///
/// # Errors
/// See [`NotTaken`]. A server that refuses this message for good (RFC 5321 section 4.2.1: 5yz) is final; one that refuses
/// the login, or cannot be reached, may be different another time.
pub async fn send(server: &MailServer, letter: Letter) -> Result<(), NotTaken> {
    let server = server.clone();
    let made = tasks::blocking(move || {
        let message = written(&server, &letter).map_err(|error| NotTaken {
            again: Again::Never,
            code: "not-a-mail".to_owned(),
            detail: chain(&error),
        })?;
        Ok((transport(&server)?, message))
    });
    let made = made.await.unwrap_or_else(|| Err(NotTaken::later("stopping", "the process is stopping")));
    let (transport, message) = made?;
    let sending = tokio::time::timeout(MOST, transport.send(message));
    match sending.await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(error)) => Err(not_taken(&error)),
        Err(_) => Err(NotTaken::later("timeout", "the mail server takes too long")),
    }
}

/// Connects, logs in, and sends nothing.
///
/// # Errors
/// See [`NotTaken`].
pub async fn try_out(server: &MailServer) -> Result<(), NotTaken> {
    let server = server.clone();
    let made = tasks::blocking(move || transport(&server)).await;
    let transport = made.unwrap_or_else(|| Err(NotTaken::later("stopping", "the process is stopping")))?;
    match tokio::time::timeout(MOST, transport.test_connection()).await {
        Ok(Ok(true)) => Ok(()),
        Ok(Ok(false)) => Err(NotTaken::later("unreachable", "the mail server does not answer")),
        Ok(Err(error)) => Err(not_taken(&error)),
        Err(_) => Err(NotTaken::later("timeout", "the mail server takes too long")),
    }
}

/// Blocks: reads the password and the trust store.
fn transport(server: &MailServer) -> Result<AsyncSmtpTransport<Tokio1Executor>, NotTaken> {
    let host = server.host.trim_start_matches('[').trim_end_matches(']');
    let tls = || {
        let store =
            if tls::has_system_roots() { CertificateStore::Default } else { CertificateStore::WebpkiRoots };
        let parameters = TlsParameters::builder(host.to_owned()).certificate_store(store);
        parameters.build().map_err(|error| NotTaken::later("tls", chain(&error)))
    };
    let tls = match server.security {
        MailSecurity::Tls => Tls::Wrapper(tls()?),
        MailSecurity::StartTls => Tls::Required(tls()?),
        MailSecurity::Loopback => Tls::None,
    };
    let mut builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(host)
        .port(server.port)
        .tls(tls)
        .timeout(Some(STEP));
    if let (Some(user), Some(file)) = (&server.user, &server.password_file) {
        let password = load_password(file)
            .map_err(|problems| NotTaken::later("no-password", problems.to_string().trim().to_owned()))?;
        builder = builder.credentials(Credentials::new(user.clone(), password));
    }
    Ok(builder.build())
}

/// What the server, or the way to it, says of a message. Of what it answers only the codes are told: its words may quote the
/// message.
fn not_taken(error: &lettre::transport::smtp::Error) -> NotTaken {
    let Some(code) = error.status().map(u16::from) else {
        let code = match () {
            () if error.is_tls() => "tls",
            () if error.is_timeout() => "timeout",
            () => "unreachable",
        };
        return NotTaken::later(code, chain(error));
    };
    let words = chain(error);
    let enhanced = words.split(|c: char| c.is_whitespace() || c == ':').find_map(enhanced);
    let enhanced = enhanced.map(|code| format!(" {code}")).unwrap_or_default();
    let detail = format!("the mail server answered {code}{enhanced}");
    let again = if is_about_message(code, &enhanced) { Again::Never } else { Again::Later };
    NotTaken { again, code: format!("smtp-{code}"), detail }
}

/// Whether the server will not have this message, or has no such mailbox: whatever else it says (of the login, the sender, the
/// policy, a mailbox that is full; RFC 3463, 5.2, 5.5 and 5.7) somebody may put right.
fn is_about_message(code: u16, enhanced: &str) -> bool {
    let may_change = [" 5.2.1", " 5.2.2", " 5.5.", " 5.7."];
    matches!(code, 550..=553) && !may_change.iter().any(|begin| enhanced.starts_with(begin))
}

/// An enhanced status code (RFC 3463): `5.1.1`.
fn enhanced(word: &str) -> Option<&str> {
    let mut parts = word.split('.');
    let is_number = |part: &str| (1..=3).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit());
    let is_one =
        matches!(parts.next(), Some("4" | "5")) && parts.clone().count() == 2 && parts.all(is_number);
    is_one.then_some(word)
}

/// The message as it is sent. Programs that answer mail by themselves leave it alone (RFC 3834).
fn written(server: &MailServer, letter: &Letter) -> Result<Message, lettre::error::Error> {
    let name = |name: &str| if name.is_empty() { "file".to_owned() } else { name.to_owned() };
    let text = letter.text.replace("\r\n", "\n").replace('\r', "\n").replace('\n', "\r\n");
    let text = SinglePart::plain(text);
    let mut message = Message::builder()
        .from(server.from.clone())
        .to(letter.to.clone().into())
        .subject(letter.subject.clone())
        .message_id(Some(format!("<{}@{}>", letter.id, server.from.email.domain())))
        .raw_header(HeaderValue::new(
            HeaderName::new_from_ascii_str("Auto-Submitted"),
            "auto-generated".to_owned(),
        ));
    if let Some(reply_to) = &letter.reply_to {
        message = message.reply_to(reply_to.clone());
    }
    if letter.files.is_empty() {
        return message.singlepart(text);
    }
    let octets = || ContentType::parse("application/octet-stream").unwrap_or(ContentType::TEXT_PLAIN);
    let parts = letter.files.iter().fold(MultiPart::mixed().singlepart(text), |parts, file| {
        // What is a message itself must not be coded (RFC 2046 section 5.2.1), and so is sent as a file.
        let is_whole = ["message/", "multipart/"].iter().any(|kind| {
            file.content_type.get(..kind.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(kind))
        });
        let kind = ContentType::parse(&file.content_type).ok().filter(|_| !is_whole).unwrap_or_else(octets);
        parts.singlepart(Attachment::new(name(&file.name)).body(file.content.clone(), kind))
    });
    message.multipart(parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server() -> MailServer {
        MailServer {
            host: "localhost".to_owned(),
            port: 25,
            security: MailSecurity::Loopback,
            user: None,
            password_file: None,
            from: "Shop <shop@example.jp>".parse().unwrap(),
        }
    }

    fn letter() -> Letter {
        Letter {
            to: "owner@example.jp".parse().unwrap(),
            subject: "お申し込み\r\nBcc: x@example.com".to_owned(),
            text: "名前: 木村\n".to_owned(),
            reply_to: Some("hanako@example.jp".parse().unwrap()),
            id: "20261130T115251Z-k7f3x9q2.1a2b3c4d".to_owned(),
            files: Vec::new(),
        }
    }

    #[test]
    fn a_letter_says_who_is_to_be_answered_and_no_text_becomes_a_field() {
        let text = String::from_utf8(written(&server(), &letter()).unwrap().formatted()).unwrap();
        for line in [
            "From: Shop <shop@example.jp>\r\n",
            "To: owner@example.jp\r\n",
            "Reply-To: hanako@example.jp\r\n",
            "Message-ID: <20261130T115251Z-k7f3x9q2.1a2b3c4d@example.jp>\r\n",
            "Auto-Submitted: auto-generated\r\n",
        ] {
            assert!(text.contains(line), "{line} {text}");
        }
        assert!(!text.contains("\nBcc:"), "{text}");
    }

    #[test]
    fn files_go_with_it_whatever_they_are_called() {
        let file = |name: &str, content_type: &str| LetterFile {
            name: name.to_owned(),
            content_type: content_type.to_owned(),
            content: vec![0, 255, 7],
        };
        let files = vec![
            file("履歴書\r\nX: y.pdf", "application/pdf"),
            file("", "no type at all\r\nX: y"),
            file("a.eml", "Message/RFC822"),
        ];
        let text = String::from_utf8(written(&server(), &Letter { files, ..letter() }).unwrap().formatted());
        let text = text.unwrap();
        assert!(text.contains("multipart/mixed") && text.contains("application/octet-stream"), "{text}");
        assert!(!text.contains("\nX:") && !text.contains("RFC822"), "{text}");
    }

    #[test]
    fn lines_end_as_mail_wants_it_however_they_came() {
        let letter = Letter { text: "a\r\nb\nc\rd".to_owned(), ..letter() };
        let text = String::from_utf8(written(&server(), &letter).unwrap().formatted()).unwrap();
        assert!(text.trim_end().ends_with("a\r\nb\r\nc\r\nd"), "{text:?}");
    }

    #[test]
    fn only_what_is_said_of_the_message_or_the_mailbox_is_final() {
        for (code, enhanced, expected) in [
            (550, "", true),
            (550, " 5.1.1", true),
            (552, " 5.3.4", true),
            (553, "", true),
            (552, " 5.2.2", false),
            (550, " 5.2.1", false),
            (550, " 5.7.1", false),
            (551, " 5.5.0", false),
            (554, "", false),
            (535, " 5.7.8", false),
            (451, "", false),
        ] {
            assert_eq!(is_about_message(code, enhanced), expected, "{code}{enhanced}");
        }
        for (word, expected) in [
            ("5.1.1", true),
            ("4.4.2", true),
            ("5.1", false),
            ("2.0.0", false),
            ("5.1.1.1", false),
            ("5.1.x", false),
        ] {
            assert_eq!(enhanced(word).is_some(), expected, "{word}");
        }
    }
}
