//! What is said in previews, in both languages: the bar, and pages of our own. Pure.

use std::time::SystemTime;

use http::StatusCode;

use crate::config::ready::PREVIEW;
use crate::drill::BadToken;
use crate::holding_page::Language;
use crate::proxy::notice;

/// What a page of ours says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Said {
    /// The token is not good.
    Token(BadToken),
    /// The link is for TLS.
    Plain,
    /// The snapshot is gone.
    NoSnapshot,
    /// There is nothing at this path.
    Unknown,
    /// No snapshot has this page.
    NoVersion,
    /// The time of the wanted version is none.
    Date,
    /// This method is not taken.
    Method,
    /// The form would have been kept.
    FormKept,
    /// It would not, for what it contains.
    FormObjected(&'static str),
    /// It would not: nobody has named it.
    FormRefused,
}

/// The sentences.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Words {
    pub(super) title: &'static str,
    pub(super) lead: &'static str,
    pub(super) advice: String,
}

impl Said {
    pub(super) fn status(self) -> StatusCode {
        match self {
            Said::Token(_) | Said::Plain => StatusCode::FORBIDDEN,
            Said::NoSnapshot => StatusCode::GONE,
            Said::Unknown | Said::NoVersion => StatusCode::NOT_FOUND,
            Said::Date => StatusCode::BAD_REQUEST,
            Said::Method => StatusCode::METHOD_NOT_ALLOWED,
            Said::FormKept => StatusCode::ACCEPTED,
            // as in an outage: scripts go by it
            Said::FormObjected(_) | Said::FormRefused => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    pub(super) fn words(self, language: Language) -> Words {
        let (title, lead, advice) = match language {
            Language::En => self.en(),
            Language::Ja => self.ja(),
        };
        Words { title, lead, advice }
    }

    fn en(self) -> (&'static str, &'static str, String) {
        match self {
            Said::Token(BadToken::Ended) => (
                "This preview has ended",
                "The link was good for a limited time, which has passed.",
                "Ask whoever gave it to you for a new one.".to_owned(),
            ),
            Said::Token(BadToken::TooFar) => (
                "This preview cannot be shown",
                "The clock of this server is behind the link's.",
                "Set the server's clock, then ask for a new link.".to_owned(),
            ),
            Said::Token(BadToken::Malformed | BadToken::Forged) => (
                "This link to a preview is not valid",
                "It is incomplete, was made for another site, or its key is no longer in use.",
                "Copy the whole link again, or ask whoever gave it to you for a new one.".to_owned(),
            ),
            Said::Plain => (
                "Open this link with https",
                "A preview of this site is only shown over a secure connection.",
                "Write https:// in place of http:// in the address.".to_owned(),
            ),
            Said::NoSnapshot => (
                "This snapshot is no longer here",
                "The link is for a snapshot that was removed or cannot be read.",
                "Ask for a link to another one.".to_owned(),
            ),
            Said::Unknown => {
                ("There is nothing here", "This address belongs to previews of the site.", String::new())
            }
            Said::NoVersion => (
                "No snapshot has this page",
                "None of the snapshots that this preview may show has a copy of it.",
                "Check the address; \"katahai snapshot list\" shows which snapshots there are.".to_owned(),
            ),
            Said::Date => (
                "This is not a time",
                "Accept-Datetime names the time of the version that is wanted.",
                "Write one time in this form: Tue, 01 Dec 2026 09:30:00 GMT".to_owned(),
            ),
            Said::Method => ("This does not work here", "This address is only read.", String::new()),
            Said::FormKept => (
                "Preview: this form would have been kept",
                "In an outage, what you sent would have been kept and passed on as soon as possible. \
                 Because this is a preview, it was neither kept nor sent.",
                "Go back to look at more of the copy.".to_owned(),
            ),
            Said::FormObjected(why) => (
                "Preview: this form would not have been kept",
                "Forms to this address are kept in an outage, but not what you sent. Nothing was kept or sent.",
                format!("Why: {why}."),
            ),
            Said::FormRefused => (
                "Preview: this form would not have been kept",
                "In an outage, its sender would be asked to try again later. Nothing was kept or sent.",
                "To have it kept, name its address in a [[site.form]] table of the configuration.".to_owned(),
            ),
        }
    }

    fn ja(self) -> (&'static str, &'static str, String) {
        match self {
            Said::Token(BadToken::Ended) => (
                "このプレビューは終了しました",
                "リンクの有効期限が切れています。",
                "リンクを発行した方に、新しいリンクを依頼してください。".to_owned(),
            ),
            Said::Token(BadToken::TooFar) => (
                "プレビューを表示できません",
                "このサーバーの時計が遅れています。",
                "サーバーの時計を合わせてから、新しいリンクを依頼してください。".to_owned(),
            ),
            Said::Token(BadToken::Malformed | BadToken::Forged) => (
                "このプレビューのリンクは無効です",
                "リンクが途中で切れているか、別のサイトのものか、鍵が使われなくなっています。",
                "リンク全体をコピーし直すか、発行した方に新しいリンクを依頼してください。".to_owned(),
            ),
            Said::Plain => (
                "https で開いてください",
                "このサイトのプレビューは、安全な接続でのみ表示します。",
                "アドレスの http:// を https:// に変えてください。".to_owned(),
            ),
            Said::NoSnapshot => (
                "このスナップショットはもうありません",
                "リンクのスナップショットは削除されたか、読み取れません。",
                "別のスナップショットのリンクを依頼してください。".to_owned(),
            ),
            Said::Unknown => (
                "ここには何もありません",
                "このアドレスは、サイトのプレビューに使われています。",
                String::new(),
            ),
            Said::NoVersion => (
                "このページの控えはありません",
                "このプレビューで表示できるスナップショットのどれにも、このページは含まれていません。",
                "アドレスをご確認ください。スナップショットの一覧は「katahai snapshot list」で表示できます。"
                    .to_owned(),
            ),
            Said::Date => (
                "日時を読み取れません",
                "Accept-Datetime には、表示したい版の日時を指定します。",
                "次の形式で1つだけ指定してください: Tue, 01 Dec 2026 09:30:00 GMT".to_owned(),
            ),
            Said::Method => ("この操作はできません", "このアドレスは閲覧専用です。", String::new()),
            Said::FormKept => (
                "プレビュー: このフォームはお預かりされます",
                "障害時には、送信された内容をお預かりし、できるだけ早く届けます。\
                 プレビューのため、今回の内容は保存も送信もしていません。",
                "前のページに戻ると、続きをご覧いただけます。".to_owned(),
            ),
            Said::FormObjected(why) => (
                "プレビュー: この内容はお預かりされません",
                "このアドレスのフォームは障害時にお預かりしますが、今回の内容は対象外です。保存も送信もしていません。",
                format!("理由: {}", objection_ja(why)),
            ),
            Said::FormRefused => (
                "プレビュー: このフォームはお預かりされません",
                "障害時には、復旧後にもう一度お試しいただくようご案内します。今回の内容は保存も送信もしていません。",
                "お預かりするには、設定の [[site.form]] でこのアドレスを指定してください。".to_owned(),
            ),
        }
    }
}

/// An objection of `keep::objection` in Japanese; what is not among them stays as it is.
fn objection_ja(why: &str) -> &str {
    match why {
        "it is too large" => "内容が大きすぎます",
        "no fields that can be read" => "読み取れる項目がありません",
        "a password or a card's number" => "パスワードまたはカード番号が含まれています",
        "a field is filled in that no person sees" => "人には見えない項目が入力されています",
        other => other,
    }
}

/// Its style, where the page's policy lets one in.
const CSS: &str = "<style>\
.katahai-preview.katahai-preview,.katahai-preview.katahai-preview *{all:revert;box-sizing:border-box}\
.katahai-preview.katahai-preview{position:fixed!important;inset:0 0 auto 0;z-index:2147483647;display:block!important;width:auto;max-width:none;\
max-height:40vh;overflow:auto;margin:0;border:0;border-bottom:3px solid #6fb1e0;padding:6px 16px;background:#16324a;color:#f3f7fa;\
color-scheme:dark;font:400 15px/1.5 system-ui,sans-serif;text-align:start}\
.katahai-preview.katahai-preview details{max-width:960px;margin:0 auto}\
.katahai-preview.katahai-preview summary{display:flex;justify-content:space-between;gap:16px;cursor:pointer;font-weight:600;color:#a9d6f5}\
.katahai-preview.katahai-preview summary:focus-visible,.katahai-preview.katahai-preview a:focus-visible{outline:2px solid #a9d6f5;\
outline-offset:2px}\
.katahai-preview.katahai-preview p{margin:0}\
.katahai-preview.katahai-preview a{color:#a9d6f5;text-decoration:underline;white-space:nowrap}\
.katahai-preview.katahai-preview style{display:none}\
@media print{.katahai-preview.katahai-preview{display:none}}\
</style>";

/// The bar. ASCII throughout, as notices are. Where no style may be put in, it stands in the page's flow, so that it hides nothing,
/// and has its colours from attributes that no policy governs.
pub(super) fn bar(
    language: Language,
    taken_at: Option<SystemTime>,
    is_current: bool,
    is_free: bool,
) -> String {
    let lang = language.tag();
    let (label, end) = match language {
        Language::En => ("Preview: as in an outage", "End the preview"),
        Language::Ja => ("プレビュー（障害時の表示）", "プレビューを終了"),
    };
    let time = taken_at.map(|taken_at| {
        let (machine, people) = notice::Words { language, taken_at }.time();
        format!("<time datetime=\"{machine}\">{}</time>", notice::ascii(&people))
    });
    let (before, after) = match (language, &time, is_current) {
        (Language::En, None, _) => {
            ("There is no snapshot. Visitors would see this if the site were down.", "")
        }
        (Language::En, Some(_), true) => ("Visitors would see this if the site were down. Snapshot of ", "."),
        (Language::En, Some(_), false) => {
            ("This is what a snapshot that is not in service looks like. It was taken on ", ".")
        }
        (Language::Ja, None, _) => {
            ("スナップショットはありません。サイトが停止すると、このように表示されます。", "")
        }
        (Language::Ja, Some(_), true) => {
            ("サイトが停止すると、このように表示されます。スナップショット: ", "")
        }
        (Language::Ja, Some(_), false) => ("公開中ではないスナップショットを表示しています。取得日時: ", ""),
    };
    let text = [notice::ascii(before), time.unwrap_or_default(), notice::ascii(after)].concat();
    let (label, end) = (notice::ascii(label), notice::ascii(end));
    let link = format!("<a href=\"{PREVIEW}/end\">{end}</a>");
    if is_free {
        return format!(
            "<aside class=\"katahai-preview\" lang=\"{lang}\" aria-label=\"{label}\">{CSS}<details open><summary><span>{label}</span>\
             <span aria-hidden=\"true\">&#215;</span></summary><p>{text} {link}</p></details></aside>"
        );
    }
    format!(
        "<aside class=\"katahai-preview\" lang=\"{lang}\" aria-label=\"{label}\"><table role=\"presentation\" width=\"100%\" \
         border=\"0\" cellpadding=\"8\" bgcolor=\"#d6eaf8\"><tr><td><font color=\"#16324a\"><strong>{label}</strong> {text} {link}\
         </font></td></tr></table></aside>"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn the_bar_is_ascii_and_has_neither_script_nor_form() {
        let taken_at = SystemTime::UNIX_EPOCH + Duration::from_secs(1_796_002_320);
        for language in Language::ALL {
            for (time, is_current) in [(Some(taken_at), true), (Some(taken_at), false), (None, false)] {
                for is_free in [true, false] {
                    let bar = bar(*language, time, is_current, is_free);
                    let is_safe = |b: u8| b.is_ascii_graphic() && !matches!(b, b'\\' | b'~') || b == b' ';
                    assert!(bar.bytes().all(is_safe), "{bar}");
                    assert!(!bar.contains("<script") && !bar.contains("<form") && !bar.contains("style="));
                    assert_eq!(bar.contains("<style>"), is_free);
                    assert!(bar.contains("href=\"/.well-known/katahai/preview/end\""));
                    assert_eq!(bar.contains("<time"), time.is_some());
                }
            }
        }
    }

    #[test]
    fn what_is_wrong_is_said_with_what_to_do() {
        for said in [
            Said::Token(BadToken::Ended),
            Said::Token(BadToken::Forged),
            Said::Token(BadToken::Malformed),
            Said::Token(BadToken::TooFar),
            Said::Plain,
            Said::NoSnapshot,
        ] {
            assert!(said.status().is_client_error(), "{said:?}");
            for language in Language::ALL {
                assert!(!said.words(*language).advice.is_empty(), "{said:?}");
            }
        }
    }
}
