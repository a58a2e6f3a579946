//! What a visitor may read about a cause: fewer sentences than there are causes, and never an address or a path.

use super::Text;

macro_rules! sentences {
    ($($name:ident: $en:literal, $ja:literal;)+) => {
        /// What is wrong, as far as it is a visitor's business.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Public { $(#[doc = $en] $name,)+ }

        impl Public {
            /// Every sentence's name, in the table's order.
            pub const ALL: &'static [Public] = &[$(Public::$name,)+];

            /// One sentence.
            pub fn text(self) -> Text { match self { $(Public::$name => Text { en: $en, ja: $ja },)+ } }
        }
    };
}

sentences! {
    Name: "The name of the site's server could not be resolved.", "サイトのサーバーの名前を確認できません。";
    Refused: "The site's server refused the connection.", "サイトのサーバーが接続を受け付けていません。";
    Unreachable: "The site's server cannot be reached.", "サイトのサーバーに接続できません。";
    NotAccepted: "The site's server did not accept the connection in time.", "サイトのサーバーが、時間内に接続を受け付けませんでした。";
    Untrusted: "A secure connection to the site's server could not be established.", "サイトのサーバーと、安全な接続を確立できません。";
    Reset: "The site's server broke off the connection.", "サイトのサーバーとの接続が切れました。";
    NotHttp: "The site's server sent something that is not HTTP.", "サイトのサーバーの応答を読み取れません。";
    Silent: "The site's server did not answer in time.", "サイトのサーバーが、時間内に応答しませんでした。";
    Stalled: "The site's server stopped in the middle of its answer.", "サイトのサーバーの応答が、途中で止まりました。";
    Cut: "The site's server broke off in the middle of its answer.", "サイトのサーバーの応答が、途中で切れました。";
    Error: "The site's server reported an error.", "サイトのサーバーでエラーが起きています。";
    NotTheSite: "The site's server sent something that is not the site.", "サイトのサーバーが、サイトではない内容を返しています。";
    Maintenance: "The site is under maintenance.", "サイトはメンテナンス中です。";
    Down: "The site's server is not answering at the moment.", "サイトのサーバーが、いま応答していません。";
    Unproven: "The site's server is still being checked.", "サイトのサーバーの状態を確認しています。";
    Slow: "The site's server is slow to answer.", "サイトのサーバーの応答に時間がかかっています。";
    NoServer: "The site has no server at the moment.", "いま使えるサイトのサーバーがありません。";
    Held: "The operator has switched the site's server off.", "サイトのサーバーは、管理者が停止しています。";
    Loop: "The way to the site's server leads back here.", "サイトのサーバーへの経路が、こちらに戻ってきています。";
    Private: "This file is on a server that is not contacted.", "このファイルのサーバーには接続しません。";
    Busy: "Too many requests are waiting for the site's server.", "ただいまアクセスが集中しています。";
    Internal: "Something went wrong here.", "こちらで不具合が起きています。";
    Malformed: "The request is malformed.", "リクエストの形式が正しくありません。";
    UnknownSite: "No such site is served here.", "このアドレスのサイトはありません。";
    HeadersTooLarge: "The request's header fields are too large.", "リクエストのヘッダーが大きすぎます。";
    BodyTooLarge: "What you sent is too large.", "お送りいただいた内容が大きすぎます。";
    TooSlow: "What you sent arrived too slowly.", "送信に時間がかかりすぎたため、受け付けられませんでした。";
    TooMany: "Too many requests come from your address at once.", "お使いの接続元からのアクセスが、同時に多すぎます。";
    MethodRefused: "This method is not allowed here.", "この操作は受け付けていません。";
    Gone: "The visitor left before the request was complete.", "リクエストが途中で終わりました。";
}
