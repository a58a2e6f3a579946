//! The fixed words of a report, in both languages.

use crate::failure::Text;

macro_rules! words {
    ($($name:ident: $en:literal, $ja:literal;)+) => {
        $(pub(super) const $name: Text = Text { en: $en, ja: $ja };)+
    };
}

words! {
    WHY: "What was wrong", "原因";
    EVIDENCE: "What the server answered", "サーバーの応答";
    VISITORS: "What visitors saw", "訪問者に表示されたもの";
    MISSED: "What visitors missed", "表示できなかったもの";
    LOST: "What was lost", "失われたもの";
    DONE: "What was done", "行った対応";
    COURSE: "The course of events", "経過";
    ASK: "What to ask", "確認していただきたいこと";
    AGAIN: "How to keep it from happening again", "再発を防ぐために";

    SITE: "Site", "サイト";
    EXTENT: "Extent", "影響の範囲";
    WHOLE: "the whole site", "サイト全体";
    SOME: "some pages", "一部のページ";
    FIRST: "First failed answer", "最初の異常";
    NOTICED: "Recognised as an outage", "障害と判断した時刻";
    OVER: "Recovered", "復旧";
    NOT_OVER: "not yet", "復旧していません";
    NOT_SEEN: "not seen: the site is no longer watched", "確認していません（監視の対象外）";
    LASTED: "Duration", "継続時間";
    SO_FAR: "Duration so far", "現在までの継続時間";
    ZONE: "Times", "時刻の表記";
    NUMBER: "Report", "報告番号";
    AS_OF: "As of", "作成時点";
    SEEN: "Noticed by", "検知のきっかけ";
    ACKNOWLEDGED: "Acknowledged", "確認者";

    TIME: "Time", "時刻";
    EVENT: "Event", "内容";
    PAGE: "Page", "ページ";
    REQUESTS: "Requests", "回数";
    FROM: "From", "開始";
    UNTIL: "Until", "終了";
    CAUSE: "What was wrong", "状態";
    ANSWER: "Answer", "応答";
    STATUS: "Status", "ステータス";
    DETAIL: "Detail", "詳細";
    BY_VISITOR: "a visitor's request", "訪問者のアクセス";
    BY_CHECK: "an automatic check", "自動監視";
    SERVER: "Server", "サーバー";
    ADDRESSES: "Addresses used", "使用したIPアドレス";
    NAME_MOVED: "Its name now leads to", "名前の現在の接続先";
    CERTIFICATE: "Certificate valid until", "証明書の有効期限";
    WAY: "The way to the server", "サーバーまでの経路";
    WAY_UNKNOWN: "The way to the server could not be traced from here.", "サーバーまでの経路は、この環境では調べられませんでした。";

    LIVE: "the live site", "通常のサイト";
    STILL_FRESH: "a page that was still fresh", "保存期間内のページ";
    LAST_ANSWER: "the last good version of the page", "直前の正常なページ";
    COPY: "a saved copy of the page", "保存してあったコピー";
    HOLDING: "a notice that the page cannot be shown", "「表示できません」の案内";
    KEPT: "a receipt: what they sent was kept", "送信内容をお預かりした旨の案内";
    REFUSED: "a notice that what they sent was not accepted", "送信を受け付けられない旨の案内";
    FAULTY: "an error, because the request was faulty or broken off", "エラー（不正なアクセス、通信の中断など）";

    NOTHING_LOST:
        "Nothing, as far as is known.", "失われたものは確認されていません。";
    NOTHING_ACCEPTED:
        "Nothing, as far as is known. No form was kept for later delivery during this time.",
        "失われたものは確認されていません。この間にお預かりしたフォームはありません。";
    NOTHING_MISSED:
        "No page was missed for want of a saved copy.",
        "保存したコピーがないために表示できなかったページはありません。";
    NOTHING_DONE:
        "No change was made to the settings during this time; visitors were switched over and back automatically.",
        "この間、設定の変更は行っていません。表示の切り替えと復帰は自動で行われました。";
    FOOT:
        "Written automatically by Katahai, which stands in front of the site and watches it.",
        "この報告書は、サイトの前段で監視と代替表示を行うKatahaiが自動で作成しました。";
}
