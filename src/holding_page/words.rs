//! What holding pages say, in both languages. One match for the kind of page, one for the reason; no catch-all, so that a
//! new cause does not compile until someone has chosen its words.

use std::time::Duration;

use super::{Delivery, HoldingPage, Kind, Language};
use crate::failure::{Cause, Public, Side};

/// The words of one holding page.
pub(super) struct Words {
    /// The heading: what has happened to the visitor.
    pub title: &'static str,
    /// What it means.
    pub lead: &'static str,
    /// What to do; may be empty.
    pub advice: &'static str,
    /// For how long; may be empty.
    pub since: String,
    /// Why, in small print; may be empty.
    pub reason: &'static str,
    /// The label of the link that asks again; empty where asking again is no use, or would send a form again.
    pub again: &'static str,
    /// The heading of the links.
    pub links_title: &'static str,
    /// The heading of how to reach somebody.
    pub contact_title: &'static str,
    /// What ends a heading that a sentence follows on the same line.
    pub stop: &'static str,
    /// `outage` or `fault`: how the page looks.
    pub tone: &'static str,
}

impl Words {
    /// The words for `holding`.
    pub(super) fn of(holding: &HoldingPage<'_>) -> Words {
        let language = holding.language;
        let (title, lead, advice) = match (holding.cause.side(), holding.kind) {
            (Side::Visitor, _) => fault(language, holding.cause),
            (Side::Origin | Side::Us, Kind::Form(Delivery::NotArrived)) => not_arrived(language),
            (Side::Origin | Side::Us, Kind::Form(Delivery::Unknown)) => unknown(language),
            (Side::Us, Kind::Page) if holding.cause == Cause::Internal => internal(language),
            (Side::Origin | Side::Us, Kind::Page) => page(language),
        };
        let outage = holding.cause.side() != Side::Visitor;
        Words {
            title,
            lead,
            advice,
            since: holding.down_for.filter(|_| outage).map(|d| since(language, d)).unwrap_or_default(),
            reason: if outage { reason(language, holding.cause) } else { "" },
            again: if outage && holding.kind == Kind::Page { again(language) } else { "" },
            links_title: pick(language, "いまご覧いただけるページ", "Pages that you can read now"),
            contact_title: pick(language, "お急ぎの場合のご連絡先", "If it is urgent, you can reach us here"),
            stop: pick(language, "。", ". "),
            tone: if outage { "outage" } else { "fault" },
        }
    }
}

type Sentences = (&'static str, &'static str, &'static str);

fn pick(language: Language, ja: &'static str, en: &'static str) -> &'static str {
    match language {
        Language::Ja => ja,
        Language::En => en,
    }
}

fn again(language: Language) -> &'static str {
    pick(language, "もう一度読み込む", "Try again")
}

fn page(language: Language) -> Sentences {
    match language {
        Language::Ja => (
            "ただいま、このページを表示できません",
            "ご不便をおかけし、申し訳ございません。一時的な不具合のため、このページをお届けできませんでした。",
            "しばらく時間をおいて、もう一度お試しください。",
        ),
        Language::En => (
            "This page is not available right now",
            "We are sorry for the trouble. A temporary fault keeps us from showing you this page.",
            "Please try again in a little while.",
        ),
    }
}

fn not_arrived(language: Language) -> Sentences {
    match language {
        Language::Ja => (
            "お送りいただいた内容は、届いていません",
            "ご不便をおかけし、申し訳ございません。一時的な不具合のため、お受け取りできませんでした。内容は保存されていませんので、お手数ですが、しばらく時間をおいて、もう一度お送りください。",
            "ブラウザーの「戻る」で前の画面に戻ると、入力された内容が残っている場合があります。必要でしたら、控えをお取りください。",
        ),
        Language::En => (
            "What you sent did not arrive",
            "We are sorry for the trouble. A temporary fault kept us from taking it, and nothing of it was stored. Please send it again later.",
            "Your browser’s Back button may still bring back what you typed. Copy it somewhere safe if you would not like to type it again.",
        ),
    }
}

fn unknown(language: Language) -> Sentences {
    match language {
        Language::Ja => (
            "お送りいただいた内容が届いたか、確認できませんでした",
            "ご不便をおかけし、申し訳ございません。送信の途中で不具合が起きたため、届いていないおそれがあります。",
            "もう一度お送りになる前に、確認のメールなどが届いていないか、お確かめください。何も届いていないときは、しばらく時間をおいて、もう一度お送りください。",
        ),
        Language::En => (
            "We cannot tell whether what you sent arrived",
            "We are sorry for the trouble. Something broke while it was on its way, so it may not have arrived.",
            "Before you send it again, please look for a confirmation, such as an e-mail. If there is none after a while, please send it again.",
        ),
    }
}

fn internal(language: Language) -> Sentences {
    match language {
        Language::Ja => (
            "こちらの不具合で、表示できませんでした",
            "ご不便をおかけし、申し訳ございません。",
            "しばらく時間をおいて、もう一度お試しください。",
        ),
        Language::En => (
            "Something went wrong on our side",
            "We are sorry for the trouble.",
            "Please try again in a little while.",
        ),
    }
}

/// What is wrong with a request, and what its sender can do about it.
fn fault(language: Language, cause: Cause) -> Sentences {
    match cause.public() {
        Public::UnknownSite => unknown_site(language),
        Public::HeadersTooLarge => headers_too_large(language),
        Public::BodyTooLarge => body_too_large(language),
        Public::MethodRefused => method_refused(language),
        Public::TooSlow => not_arrived(language),
        Public::TooMany => too_many(language),
        Public::Malformed | Public::Gone => malformed(language),
        // Not faults of the visitor; named here so that a new sentence does not compile until it has words.
        Public::Name
        | Public::Refused
        | Public::Unreachable
        | Public::NotAccepted
        | Public::Untrusted
        | Public::Reset
        | Public::NotHttp
        | Public::Silent
        | Public::Stalled
        | Public::Cut
        | Public::Error
        | Public::NotTheSite
        | Public::Maintenance
        | Public::Down
        | Public::Unproven
        | Public::Slow
        | Public::NoServer
        | Public::Held
        | Public::Loop
        | Public::Private
        | Public::Busy
        | Public::Internal => page(language),
    }
}

fn too_many(language: Language) -> Sentences {
    match language {
        Language::Ja => (
            "同時に多くのアクセスをいただいています",
            "お使いの接続元から、同時に多くのアクセスがありました。",
            "しばらく時間をおいて、もう一度お試しください。",
        ),
        Language::En => (
            "Too many requests at once",
            "Too many requests come from your address at the same time.",
            "Please try again in a little while.",
        ),
    }
}

fn unknown_site(language: Language) -> Sentences {
    match language {
        Language::Ja => (
            "お探しのサイトは、こちらにはありません",
            "このアドレスのサイトは、こちらでは公開されていません。",
            "アドレスに間違いがないか、お確かめください。",
        ),
        Language::En => (
            "The site you are looking for is not here",
            "No site is published here under this address.",
            "Please check the address for typing errors.",
        ),
    }
}

fn headers_too_large(language: Language) -> Sentences {
    match language {
        Language::Ja => (
            "ブラウザーから届いた情報が大きすぎます",
            "このサイトのクッキー（Cookie）がたまり過ぎているおそれがあります。",
            "ブラウザーの設定でこのサイトのクッキーを削除してから、もう一度お試しください。",
        ),
        Language::En => (
            "Your browser sent more than we can read",
            "Usually too many cookies of this site have piled up.",
            "Please delete this site’s cookies in your browser’s settings, and try again.",
        ),
    }
}

fn body_too_large(language: Language) -> Sentences {
    match language {
        Language::Ja => (
            "お送りいただいた内容が大きすぎます",
            "お受け取りできる大きさを超えているため、届いていません。",
            "添付するファイルを小さくして、もう一度お送りください。",
        ),
        Language::En => (
            "What you sent is too large",
            "It is larger than we can take, so it did not arrive.",
            "Please make the file smaller, and send it again.",
        ),
    }
}

fn method_refused(language: Language) -> Sentences {
    match language {
        Language::Ja => {
            ("この操作は受け付けていません", "このアドレスでは、お求めの操作を行うことができません。", "")
        }
        Language::En => {
            ("This is not allowed here", "What was asked for cannot be done at this address.", "")
        }
    }
}

fn malformed(language: Language) -> Sentences {
    match language {
        Language::Ja => (
            "リクエストを読み取れませんでした",
            "届いたリクエストの形式が正しくないため、お応えできません。",
            "アドレスに間違いがないか、お確かめください。",
        ),
        Language::En => (
            "This request cannot be read",
            "What arrived here is not well formed, so we cannot answer it.",
            "Please check the address for typing errors.",
        ),
    }
}

/// [`Cause::public`] in the visitor's language.
fn reason(language: Language, cause: Cause) -> &'static str {
    let text = cause.public().text();
    pick(language, text.ja, text.en)
}

/// For how long, as coarse as a reader wants it.
fn since(language: Language, down: Duration) -> String {
    let minutes = down.as_secs() / 60;
    let (count, ja, en) = match minutes {
        0 => {
            return pick(language, "不具合は、いま始まったところです。", "The fault began just now.")
                .to_owned();
        }
        1..60 => (minutes, "分", "minute"),
        60..2880 => (minutes / 60, "時間", "hour"),
        _ => (minutes / 1440, "日", "day"),
    };
    match language {
        Language::Ja => format!("不具合は、約{count}{ja}前から続いています。"),
        Language::En => {
            format!("The fault began about {count} {en}{} ago.", if count == 1 { "" } else { "s" })
        }
    }
}
