//! Why something is not in a snapshot: one table of codes and sentences for the whole crawl.

use crate::failure::Text;

macro_rules! refusals {
    ($($name:ident: $code:literal, $en:literal, $ja:literal;)+) => {
        /// Why something was not fetched or not stored. One row is the definition, the label and the sentence.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Refusal { $(#[doc = $en] $name,)+ }

        impl Refusal {
            /// Every reason, in the table's order.
            pub const ALL: &'static [Refusal] = &[$(Refusal::$name,)+];

            /// The stable code: in reports and logs.
            pub fn code(self) -> &'static str { match self { $(Refusal::$name => $code,)+ } }

            /// What it means, for the owner, in English.
            pub fn sentence(self) -> &'static str { self.text().en }

            /// The same in both languages.
            pub fn text(self) -> Text { match self { $(Refusal::$name => Text { en: $en, ja: $ja },)+ } }
        }
    };
}

refusals! {
    // not fetched: the owner's word
    Robots: "robots",
        "The site's robots.txt asks robots not to fetch it.",
        "サイトの robots.txt が、ロボットによる取得を禁止しています。";
    Route: "route-off",
        "A route of the configuration says mirror = \"off\".",
        "設定のルートで mirror = \"off\" が指定されています。";
    Excluded: "excluded",
        "The configuration excludes it.",
        "設定により除外されています。";
    NotIncluded: "not-included",
        "The configuration includes only other parts of the site.",
        "設定の取得対象に含まれていません。";
    // not fetched: bounds
    TooDeep: "too-deep",
        "It is more than max_depth links away from a start page.",
        "開始ページからのリンクの段数が max_depth を超えています。";
    PageLimit: "page-limit",
        "The snapshot already has max_pages pages.",
        "スナップショットのページ数が max_pages に達しました。";
    FileLimit: "file-limit",
        "The snapshot already has as many files as it may have.",
        "スナップショットのファイル数が上限に達しました。";
    RequisiteLimit: "requisite-limit",
        "The crawl has already requested as many page requisites as a site with this many pages may need.",
        "ページの表示に使うファイルの数が、ページ数に見合う上限に達しました。";
    ByteLimit: "byte-limit",
        "The snapshot is already as large as it may be.",
        "スナップショットのサイズが上限に達しました。";
    TooLong: "too-long",
        "The address is too long to be a real one.",
        "アドレスが長すぎます。";
    Repeating: "repeating",
        "The address repeats itself: each page links to a longer one.",
        "アドレスに同じ部分が繰り返されています（際限なく伸びるリンク）。";
    QueryBound: "query-bound",
        "The crawl has fetched enough addresses with these parameters.",
        "同じパラメーターを持つアドレスを、すでに十分に取得しました。";
    CalendarBound: "calendar-bound",
        "The crawl has fetched enough pages of this calendar.",
        "同じカレンダーのページを、すでに十分に取得しました。";
    NothingNew: "nothing-new",
        "The crawl has fetched enough pages of this kind, and they no longer show anything new.",
        "同じ種類のページを十分に取得し、新しい内容がなくなりました。";
    Action: "action",
        "Following the link would trigger an action.",
        "リンクを開くと、登録や削除などの操作が行われます。";
    TooManyHops: "too-many-hops",
        "It is at the end of a chain of redirects or imports that does not end.",
        "リダイレクトまたは読み込みが、際限なく続いています。";
    // not stored: what the answer says
    NotFound: "not-found",
        "There is no such page (404).",
        "ページが見つかりません（404）。";
    Gone: "gone",
        "The page has been removed (410).",
        "ページは削除されました（410）。";
    Unauthorized: "unauthorized",
        "It needs a login (401, 407).",
        "ログインが必要です（401、407）。";
    Forbidden: "forbidden",
        "It is forbidden (403).",
        "閲覧が禁止されています（403）。";
    Status: "status",
        "The status does not signal success.",
        "正常ではないステータスが返されました。";
    Partial: "partial",
        "It is part of a file (206).",
        "ファイルの一部だけが返されました（206）。";
    Private: "private",
        "The site says that it is for one visitor only (Cache-Control: private).",
        "サイトが、特定の訪問者だけのものとしています（Cache-Control: private）。";
    NoStore: "no-store",
        "The site says that it must not be stored (Cache-Control: no-store).",
        "サイトが、保存を禁止しています（Cache-Control: no-store）。";
    Varies: "private-varies",
        "The site marks it as private or no-store, and two visits without cookies got different pages. A route with mirror = \"on\" takes it all the same.",
        "サイトが private または no-store を指定し、Cookieなしの2回のアクセスで内容が異なりました。ルートに mirror = \"on\" を指定すると取得します。";
    LoginCookie: "login-cookie",
        "It sets the cookie of somebody who is logged in.",
        "ログイン中の利用者のCookieを設定する応答です。";
    LoginPage: "login-page",
        "It is a login page made for one visitor.",
        "訪問者ごとに作られるログインページです。";
    NeedsLogin: "needs-login",
        "It leads to a login page.",
        "ログインページへ移動します。";
    // not stored: what it is
    WrongPage: "wrong-page",
        "It is not the site's: a page of the host or of a control panel, a bot wall, or an error.",
        "このサイトのページではありません（ホスティング会社や管理ツールの画面、ロボット対策の画面、エラーなど）。";
    ForeignPage: "asset-page",
        "Another host sent a page where a file was expected.",
        "ファイルを要求したところ、別のサーバーがページを返しました。";
    EmptyPage: "empty-page",
        "It is a page without a single character.",
        "文字が1つもないページです。";
    SavedCopy: "saved-copy",
        "It is itself a saved copy: another Katahai stands behind this one, and the site was out.",
        "保存版のページです（オリジン側にある別の Katahai が、サイトの停止中に返したもの）。";
    Coding: "coding",
        "Its content coding cannot be decoded.",
        "読み取れない形式で圧縮されています。";
    TooLarge: "too-large",
        "It is larger than a file may be.",
        "1ファイルの上限を超える大きさです。";
    Bomb: "bomb",
        "It decompresses to far more than its size.",
        "展開すると、極端に大きくなります。";
    RedirectLoop: "redirect-loop",
        "It redirects to itself, or to a page that leads back to it. If the origin redirects http to https, write https:// in its url.",
        "自分自身、または自分に戻るページへリダイレクトしています。元のサーバーが http から https に転送している場合は、設定の origin の url を https:// にしてください。";
    BadLocation: "bad-location",
        "It redirects to something that is not an address.",
        "リダイレクト先が、アドレスの形式になっていません。";
}

impl Refusal {
    /// Whether it is about the site's answer; otherwise nothing was requested, or not this.
    pub fn is_answer(self) -> bool {
        self >= Refusal::NotFound
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_distinct() {
        let codes: std::collections::BTreeSet<_> = Refusal::ALL.iter().map(|r| r.code()).collect();
        assert_eq!(codes.len(), Refusal::ALL.len());
        assert!(codes.iter().all(|code| code.bytes().all(|b| b.is_ascii_lowercase() || b == b'-')));
    }

    #[test]
    fn answers_stand_behind_what_was_never_asked() {
        let never = Refusal::ALL.iter().filter(|refusal| !refusal.is_answer()).count();
        assert_eq!(Refusal::ALL[never - 1], Refusal::TooManyHops);
        assert_eq!(Refusal::ALL[never], Refusal::NotFound);
    }
}
