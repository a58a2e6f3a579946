//! A kept form as a message: JSON for a webhook, an e-mail for a person. Pure.

use std::fmt::Write as _;

use lettre::message::Mailbox;
use serde_json::Value;

use super::forms::whole;
use crate::forms::fields::{fields, files};
use crate::forms::{KeptForm, Listed, State};
use crate::holding_page::Language;
use crate::messages::mail::{Letter, LetterFile};
use crate::snapshot::rfc3339;

/// The form as `katahai forms show --json` gives it, with its site.
pub(super) fn json_of(listed: &Listed, form: &KeptForm) -> Value {
    let mut all = whole(listed, form);
    all["site"] = form.site.clone().into();
    all
}

/// The form as an e-mail. Its subject says which form it is, as the configuration calls it, and nothing that a
/// visitor has written.
pub(super) fn letter(
    listed: &Listed,
    form: &KeptForm,
    (to, key, called): (&lettre::Address, &str, &str),
    goes_to_origin: bool,
    language: Language,
) -> Letter {
    let number = listed.id.number();
    let all = fields(form.content_type(), &form.body);
    let words = Words::of(language, listed.state, goes_to_origin);
    let mut text = format!("{}\n\n", words.lead);
    for (name, value) in [
        (words.number, number.as_str()),
        (words.came, &rfc3339(form.received)),
        (words.form, &format!("{}{called}", form.host)),
    ] {
        _ = writeln!(text, "{name}: {value}");
    }
    _ = writeln!(text, "\n{}\n", words.rule);
    for field in &all {
        match &field.file {
            Some((file, size)) => _ = writeln!(text, "{}: {file} ({size} B)", field.name),
            None if field.value.contains('\n') => _ = writeln!(text, "{}:\n{}", field.name, field.value),
            None => _ = writeln!(text, "{}: {}", field.name, field.value),
        }
    }
    if all.is_empty() {
        _ = writeln!(text, "{}", String::from_utf8_lossy(&form.body));
    }
    _ = writeln!(text, "\n{}\nkatahai forms show {number}", words.rule);
    let attached = files(form.content_type(), &form.body).into_iter().map(|file| LetterFile {
        name: file.name.rsplit(['/', '\\']).next().unwrap_or_default().to_owned(),
        content_type: file.content_type,
        content: file.content.to_vec(),
    });
    Letter {
        to: to.clone(),
        subject: format!("[{}] {}: {called} ({number})", form.site, words.subject),
        text,
        reply_to: sender(all.iter().map(|field| field.value.as_str())),
        id: format!("{}.{key}", form.id),
        files: attached.collect(),
    }
}

/// Whoever is to be answered: the one address that the visitor has written; of two nobody knows which is his.
fn sender<'v>(values: impl Iterator<Item = &'v str>) -> Option<Mailbox> {
    let mut addresses: Vec<lettre::Address> = values
        .filter(|value| value.len() <= 254 && value.is_ascii())
        .filter_map(|value| value.trim().parse().ok())
        .collect();
    addresses.dedup();
    match &addresses[..] {
        [one] => Some(one.clone().into()),
        _ => None,
    }
}

struct Words {
    subject: &'static str,
    lead: &'static str,
    number: &'static str,
    came: &'static str,
    form: &'static str,
    rule: &'static str,
}

impl Words {
    fn of(language: Language, state: State, goes_to_origin: bool) -> Words {
        const RULE: &str = "----------------------------------------";
        match language {
            Language::En => Words {
                subject: "a form was kept",
                lead: match (state, goes_to_origin) {
                    (State::Doubtful, true) => {
                        "Somebody has sent a form, and the site's server broke off: it may have taken it or not. Please look whether it arrived there."
                    }
                    (State::Doubtful, false) => {
                        "Somebody has sent a form, and the site's server broke off: it may have taken it or not, and will not get it again. Please look whether it arrived there, and take care of it."
                    }
                    (State::Delivered, _) => {
                        "Somebody has sent a form while the site's server was down. The server has it by now: this is a copy."
                    }
                    (State::Parked, _) => {
                        "Somebody has sent a form while the site's server was down, and the server has refused it since. Please take care of it."
                    }
                    (State::Unconfirmed | State::Kept | State::Sending, true) => {
                        "Somebody has sent a form while the site's server is down. Katahai has kept it and will deliver it when the server is back. Until then, this is all that there is of it."
                    }
                    (State::Unconfirmed | State::Kept | State::Sending, false) => {
                        "Somebody has sent a form while the site's server is down. The server will not get it: please take care of it."
                    }
                },
                number: "Number",
                came: "Received",
                form: "Form",
                rule: RULE,
            },
            Language::Ja => Words {
                subject: "フォームをお預かりしました",
                lead: match (state, goes_to_origin) {
                    (State::Doubtful, true) => {
                        "フォームが送信されましたが、サイトのサーバーとの通信が途中で切れました。サーバーに届いているかどうか分かりません。ご確認ください。"
                    }
                    (State::Doubtful, false) => {
                        "フォームが送信されましたが、サイトのサーバーとの通信が途中で切れました。サーバーに届いているかどうか分かりません。再送はしませんので、ご確認とご対応をお願いします。"
                    }
                    (State::Delivered, _) => {
                        "サイトのサーバーが停止している間に送信されたフォームの控えです。サーバーには、すでにお届けしました。"
                    }
                    (State::Parked, _) => {
                        "サイトのサーバーが停止している間に送信されたフォームです。復旧後、サーバーに受け付けられませんでした。ご対応をお願いします。"
                    }
                    (State::Unconfirmed | State::Kept | State::Sending, true) => {
                        "サイトのサーバーが停止している間に、フォームが送信されました。Katahaiがお預かりしています。サーバーが復旧したらお届けしますが、それまではこのメールが唯一の控えです。"
                    }
                    (State::Unconfirmed | State::Kept | State::Sending, false) => {
                        "サイトのサーバーが停止している間に、フォームが送信されました。サーバーには送られませんので、ご対応をお願いします。"
                    }
                },
                number: "番号",
                came: "受信",
                form: "フォーム",
                rule: RULE,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;
    use crate::forms::Receipts;

    fn form(content_type: &str, body: &str) -> (Listed, KeptForm) {
        let id = "20261130T115251Z-k7f3x9q2".parse().unwrap();
        let received = UNIX_EPOCH + Duration::from_secs(1_796_039_571);
        let form = KeptForm {
            id,
            site: "shop".to_owned(),
            received,
            tls: true,
            host: "shop.example".to_owned(),
            target: "/contact?name=Hanako".to_owned(),
            page: None,
            headers: vec![("content-type".to_owned(), content_type.as_bytes().to_vec())],
            client: "203.0.113.9".parse().unwrap(),
            recipients: Vec::new(),
            to_origin: true,
            body: body.to_owned().into(),
        };
        let receipts = Receipts::new();
        (Listed { id, state: State::Kept, reason: None, bytes: 9, receipts, since: received }, form)
    }

    fn to() -> lettre::Address {
        "owner@example.jp".parse().unwrap()
    }

    #[test]
    fn a_letter_holds_what_was_written_and_its_subject_nothing_of_it() {
        let (listed, form) = form(
            "application/x-www-form-urlencoded",
            "name=Hanako&mail=hanako%40example.jp&text=two%0Alines",
        );
        let english = letter(&listed, &form, (&to(), "1a2b3c4d", "/contact"), true, Language::En);
        assert_eq!(english.subject, format!("[shop] a form was kept: /contact ({})", listed.id.number()));
        assert!(english.text.contains("\nname: Hanako\n") && english.text.contains("\ntext:\ntwo\nlines\n"));
        assert!(english.text.contains("will deliver it") && english.text.contains("2026-11-30T11:52:51Z"));
        assert_eq!(english.reply_to.unwrap().email.to_string(), "hanako@example.jp");
        assert_eq!(english.id, "20261130T115251Z-k7f3x9q2.1a2b3c4d");
        let japanese = letter(&listed, &form, (&to(), "1a2b3c4d", "/contact"), false, Language::Ja);
        assert!(japanese.text.contains("サーバーには送られません"), "{}", japanese.text);
        let listed = Listed { state: State::Doubtful, ..listed };
        assert!(
            letter(&listed, &form, (&to(), "k", "/contact"), true, Language::En)
                .text
                .contains("may have taken it")
        );
    }

    #[test]
    fn nobody_is_guessed_to_be_the_sender() {
        for (values, expected) in [
            (vec!["Hanako", " h@example.jp "], Some("h@example.jp")),
            (vec!["h@example.jp", "h@example.jp"], Some("h@example.jp")),
            (vec!["h@example.jp", "friend@example.jp"], None),
            (vec!["write to h@example.jp"], None),
            (vec!["h@example.jp\r\nBcc: x@example.com"], None),
            (vec!["花子@example.jp"], None),
            (vec![], None),
        ] {
            let found = sender(values.iter().copied()).map(|found| found.email.to_string());
            assert_eq!(found.as_deref(), expected, "{values:?}");
        }
    }

    #[test]
    fn files_are_in_the_letter_and_in_the_json() {
        let body = "--b\r\nContent-Disposition: form-data; name=\"cv\"; filename=\"C:\\me\\cv.pdf\"\r\nContent-Type: application/pdf\r\n\r\n%PDF\r\n--b--";
        let (listed, form) = form("multipart/form-data; boundary=b", body);
        let letter = letter(&listed, &form, (&to(), "k", "/contact"), true, Language::En);
        let file = LetterFile {
            name: "cv.pdf".to_owned(),
            content_type: "application/pdf".to_owned(),
            content: b"%PDF".to_vec(),
        };
        assert_eq!(letter.files, [file]);
        let json = json_of(&listed, &form);
        assert_eq!(json["site"], "shop");
        assert_eq!(json["fields"][0]["content"], "JVBERg==");
    }
}
