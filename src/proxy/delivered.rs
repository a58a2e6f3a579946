//! What the site's answer to a delivered form says: taken, refused, or not now. Pure.

use http::StatusCode;

use crate::content::document::Document;
use crate::content::forms::{self, FieldType, FormMethod, PageForm};
use crate::forms::State;
use crate::forms::fields::Field;

/// Words of the paths at which one logs in.
const LOGIN: [&str; 5] = ["login", "log-in", "signin", "sign-in", "wp-login"];
/// What a visitor types that is shorter may stand in a page by chance.
const TELLING: usize = 3;

/// The site's answer.
pub(super) struct FormAnswer<'a> {
    pub(super) status: StatusCode,
    /// Where it leads to.
    pub(super) location: &'a str,
    /// The address that the form was sent to.
    pub(super) from: &'a str,
    /// What it shows.
    pub(super) page: Option<&'a Document<'a>>,
    /// Whether the form's own page has a box to log in, too, or nobody knows.
    pub(super) shows_login_box: bool,
    /// Whether the form may be sent again when nobody knows whether it arrived.
    pub(super) is_idempotent: bool,
}

/// The state that an answer of the site's own leaves a form in, and why. `sent` is what was in the form.
pub(super) fn judged(answer: &FormAnswer<'_>, sent: &[Field]) -> (State, Option<String>) {
    let told = |state, reason: &str| (state, Some(reason.to_owned()));
    let status = answer.status.as_u16();
    match status {
        200..=299 => by_page(answer, sent).map_or((State::Delivered, None), |why| told(State::Parked, why)),
        301..=303 => by_location(answer).map_or((State::Delivered, None), |why| told(State::Parked, why)),
        300..=399 => told(State::Parked, "redirect"),
        429 => told(State::Kept, "status-429"),
        500..=599 if answer.is_idempotent => told(State::Kept, &format!("status-{status}")),
        500..=599 => told(State::Doubtful, &format!("status-{status}")),
        _ => told(State::Parked, &format!("status-{status}")),
    }
}

/// Why a redirect is no word of thanks: it leads to a login, or to where the form should have been sent.
fn by_location(answer: &FormAnswer<'_>) -> Option<&'static str> {
    let from = url::Url::parse(answer.from).ok()?;
    let to = from.join(answer.location).ok()?;
    let path = to.path().to_ascii_lowercase();
    if LOGIN.iter().any(|word| path.contains(word)) {
        return Some("login");
    }
    // Back to the form's page is where many sites say thanks. The same page in another spelling, or on another host or by
    // another scheme, is another way to it.
    let bare = |url: &url::Url| url.path().trim_end_matches('/').to_owned();
    let is_other = from.origin() != to.origin() || from.path() != to.path();
    (answer.status != StatusCode::SEE_OTHER && is_other && bare(&from) == bare(&to)).then_some("redirect")
}

/// Why what a good answer shows is no word of thanks.
fn by_page(answer: &FormAnswer<'_>, sent: &[Field]) -> Option<&'static str> {
    let page = answer.page?;
    if let Ok(serde_json::Value::Object(json)) = serde_json::from_slice(page.bytes()) {
        return says_no(&json).then_some("refused");
    }
    let forms = forms::read(page);
    let posted = || forms.iter().filter(|form| form.method == FormMethod::Post);
    if let Some(form) = posted().find(|form| shows_again(form, sent)) {
        return Some(if form.has_captcha { "captcha" } else { "form-again" });
    }
    let asks = |form: &PageForm<'_>| form.fields.iter().any(|field| field.kind == FieldType::Password);
    (!answer.shows_login_box && posted().any(asks)).then_some("login")
}

/// Whether a program says that it has not taken a form: `"success": false`, `"ok": false`, a `status` such as `mail_failed`.
fn says_no(json: &serde_json::Map<String, serde_json::Value>) -> bool {
    let is_false = |name: &str| json.get(name) == Some(&serde_json::Value::Bool(false));
    let status = json.get("status").and_then(serde_json::Value::as_str).unwrap_or_default();
    let status = status.to_ascii_lowercase();
    let words = ["fail", "error", "spam", "invalid", "refused", "aborted"];
    is_false("success") || is_false("ok") || words.iter().any(|word| status.contains(word))
}

/// Whether this is the form with what was typed into it: that is how sites say that something is wrong. A page that gives
/// thanks may have the form, too, but an empty one.
fn shows_again(form: &PageForm<'_>, sent: &[Field]) -> bool {
    form.written().any(|field| {
        let is_it = |sent: &&Field| sent.name == *field.name && sent.value.trim().chars().count() >= TELLING;
        sent.iter().find(is_it).is_some_and(|sent| sent.value.trim() == field.value.trim())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(status: u16, location: &str, shown: &str, shows_login_box: bool) -> (State, Option<String>) {
        let page = Document::new(shown.as_bytes(), Some("text/html; charset=utf-8"));
        let sent = [("name", "Hanako"), ("mail", "h@example.jp"), ("n", "1")].map(|(name, value)| Field {
            name: name.into(),
            value: value.into(),
            file: None,
        });
        let status = StatusCode::from_u16(status).unwrap();
        let (from, page, is_idempotent) = ("http://www.example.jp/join", Some(&page), false);
        judged(&FormAnswer { status, location, from, page, shows_login_box, is_idempotent }, &sent)
    }

    #[test]
    fn what_an_answer_means_for_a_form() {
        let empty = "<form method=post><input name=name><input name=mail><button>Send</button></form>";
        let again = "<form method=post><p>Wrong<input name=name value=\"Hanako\"><input name=mail></form>";
        let captcha = "<form method=post><input name=name value=Hanako><div class=g-recaptcha></div></form>";
        let login = "<form method=post action=/login><input name=user><input type=password name=pass></form>";
        for (status, location, shown, state, reason) in [
            (200, "", "<h1>Thank you</h1>", State::Delivered, None),
            (200, "", empty, State::Delivered, None),
            (201, "", "", State::Delivered, None),
            (303, "/thanks", "", State::Delivered, None),
            (302, "/join?sent=1", "", State::Delivered, None),
            (302, "/join", "", State::Delivered, None),
            (301, "https://www.example.jp/join", "", State::Parked, Some("redirect")),
            (301, "/join/", "", State::Parked, Some("redirect")),
            (308, "https://www.example.jp/join", "", State::Parked, Some("redirect")),
            (200, "", again, State::Parked, Some("form-again")),
            (200, "", captcha, State::Parked, Some("captcha")),
            (200, "", login, State::Parked, Some("login")),
            (302, "/wp-login.php?redirect_to=x", "", State::Parked, Some("login")),
            (200, "", "{\"status\":\"mail_sent\"}", State::Delivered, None),
            (200, "", "{\"status\":\"validation_failed\"}", State::Parked, Some("refused")),
            (200, "", "{\"success\":false}", State::Parked, Some("refused")),
            (400, "", "", State::Parked, Some("status-400")),
            (403, "", "", State::Parked, Some("status-403")),
            (422, "", again, State::Parked, Some("status-422")),
            (429, "", "", State::Kept, Some("status-429")),
            (500, "", "", State::Doubtful, Some("status-500")),
        ] {
            let expected = (state, reason.map(str::to_owned));
            assert_eq!(said(status, location, shown, false), expected, "{status} {location} {shown}");
        }
        assert_eq!(said(200, "", login, true), (State::Delivered, None), "a box beside every page");
    }
}
