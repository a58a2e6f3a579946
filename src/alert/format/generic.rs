//! Our own JSON, and its signature.

use aws_lc_rs::hmac;
use data_encoding::HEXLOWER;
use serde_json::{Value, json};

use super::{Look, Tongue, Words, rfc3339};
use crate::alert::{Notice, Topic};

/// The message as JSON; `docs/alerts.md` says what each field is.
pub fn render(notice: &Notice, look: &Look) -> Value {
    let said = |tongue| {
        let words = Words::of(notice, look, tongue);
        json!({ "title": words.title, "text": words.plain() })
    };
    let cause = json!({
        "code": notice.cause.code(),
        "whose": notice.cause.whose().as_str(),
        "meaning": notice.cause.meaning(),
        "advice": notice.cause.advice(),
    });
    let sites: Vec<Value> = notice
        .members
        .iter()
        .map(|member| {
            let report = member.incident.as_ref().and_then(|id| look.reports.get(id)).map(url::Url::as_str);
            json!({ "site": member.site, "cause": member.cause.code(), "detail": member.detail,
                "incident": member.incident, "report": report })
        })
        .collect();
    let is_test = notice.alert.is_empty();
    json!({
        "version": 1,
        "id": notice.id,
        "alert": notice.alert,
        "event": notice.event.as_str(),
        "severity": notice.severity.as_str(),
        "topic": match notice.topic {
            Topic::Outage if is_test => "test",
            Topic::Outage => "outage",
            Topic::Condition(_) => "condition",
        },
        "cause": if is_test { Value::Null } else { cause },
        "at": rfc3339(notice.at),
        "since": rfc3339(notice.since),
        "ended": notice.ended.map(rfc3339),
        "sites": sites,
        "total": notice.total,
        "flaps": notice.flaps,
        "visitors": notice.visitors,
        "late": look.is_late,
        "said": { "en": said(Tongue::English), "ja": said(Tongue::Japanese) },
        "link": look.link.as_ref().map(url::Url::as_str),
        "report": look.report.as_ref().map(url::Url::as_str),
        "ack": look.ack.as_ref().map(url::Url::as_str),
        "from": look.sender,
    })
}

/// The field `Katahai-Signature` of a body sent at this time, in seconds since the epoch.
pub fn signature(secret: &str, at: u64, body: &[u8]) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    let mut context = hmac::Context::with_key(&key);
    context.update(format!("{at}.").as_bytes());
    context.update(body);
    format!("t={at},v1={}", HEXLOWER.encode(context.sign().as_ref()))
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_signature_is_that_of_openssl() {
        // printf '1700000000.{"a":1}' | openssl dgst -sha256 -hmac secret
        let expected = "t=1700000000,v1=49f24e537407743fa4a0242bb63b94b9a47ee99cbbe071ccd8a22550ae411686";
        let found = super::signature("secret", 1_700_000_000, b"{\"a\":1}");
        assert_eq!(found, expected);
    }
}
