//! What a self-test finds: one table of kinds, with what each means and what to do about it.

use serde::{Deserialize, Serialize};

use crate::failure::Text;

/// How much a visitor would miss.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Weight {
    /// It is worth knowing, and costs nothing.
    Note,
    /// Something is missing.
    Minor,
    /// What the owner has named, or what visitors send, would be lost.
    Serious,
}

macro_rules! kinds {
    ($($name:ident: $code:literal, $weight:ident, $en:literal, $ja:literal, $do_en:literal, $do_ja:literal;)+) => {
        /// What may be found. One row is the definition, the code and the words.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
        pub enum FindingKind { $(#[doc = $en] #[serde(rename = $code)] $name,)+ }

        impl FindingKind {
            /// Every kind, in the table's order.
            pub const ALL: &'static [FindingKind] = &[$(FindingKind::$name,)+];

            /// The stable code.
            pub fn code(self) -> &'static str { match self { $(FindingKind::$name => $code,)+ } }

            /// How much a visitor would miss.
            pub fn weight(self) -> Weight { match self { $(FindingKind::$name => Weight::$weight,)+ } }

            /// What it means.
            pub fn meaning(self) -> Text { match self { $(FindingKind::$name => Text { en: $en, ja: $ja },)+ } }

            /// What to do about it.
            pub fn advice(self) -> Text { match self { $(FindingKind::$name => Text { en: $do_en, ja: $do_ja },)+ } }
        }
    };
}

kinds! {
    NoCopy: "no-copy", Serious,
        "There is no snapshot: visitors would get the holding page.",
        "スナップショットがありません。訪問者には案内ページだけが表示されます。",
        "Take one: \"katahai snapshot take\".",
        "「katahai snapshot take」でスナップショットを取得してください。";
    KeyPageMissing: "key-page-missing", Serious,
        "A key page does not open from the copy.",
        "重要ページ（key_pages）がコピーから開けません。",
        "Look why the crawl left it out (\"katahai snapshot show current\"), or correct key_pages.",
        "取得されなかった理由を「katahai snapshot show current」で確認するか、key_pages を直してください。";
    KeyPageEmpty: "key-page-empty", Serious,
        "A key page opens, and shows nothing.",
        "重要ページ（key_pages）は開けますが、何も表示されません。",
        "If a script fills it from an API, give it content of its own (render it on the server), or let the crawl take what it loads.",
        "スクリプトがAPIの応答で内容を表示している場合は、サーバー側で内容を出力するか、読み込むデータを取得対象に含めてください。";
    FormLost: "form-lost", Serious,
        "What visitors send through this form would be lost.",
        "このフォームから送られた内容は失われます。",
        "Write these lines into the site's part of the configuration, then \"katahai reload\".",
        "設定ファイルのサイトの部分に次の行を追加し、「katahai reload」を実行してください。";
    PageMissing: "page-missing", Minor,
        "Visitors ask for this page, and the copy does not have it.",
        "アクセスのあるページですが、コピーにありません。",
        "Look why: \"katahai snapshot show current\" lists what was left out and the reason.",
        "理由は「katahai snapshot show current」の、取得しなかったものの一覧で確認できます。";
    PageEmpty: "page-empty", Minor,
        "A page opens, and shows nothing.",
        "ページは開けますが、何も表示されません。",
        "If a script fills it from an API, render it on the server, or let the crawl take what it loads.",
        "スクリプトがAPIの応答で内容を表示している場合は、サーバー側で内容を出力するか、読み込むデータを取得対象に含めてください。";
    LinkHole: "link-hole", Minor,
        "A link leads to a page that the copy does not have.",
        "リンク先のページがコピーにありません。",
        "If the page matters, see that the crawl reaches it: max_pages, max_depth, include, exclude.",
        "必要なページであれば、max_pages、max_depth、include、exclude の設定で取得対象に含めてください。";
    FileMissing: "file-missing", Minor,
        "A page needs this file to be drawn, and the copy does not have it.",
        "ページの表示に必要なファイルがコピーにありません。",
        "Open the address on the live site: if the file is there, take a new snapshot.",
        "通常のサイトでそのアドレスを開いてください。ファイルがあれば、スナップショットを取り直してください。";
    RedirectCircle: "redirect-circle", Minor,
        "An address of the copy redirects in a circle.",
        "コピーのリダイレクトが循環しています。",
        "Correct the redirect on the site, then take a new snapshot.",
        "サイトのリダイレクトを直してから、スナップショットを取り直してください。";
    ScriptBroken: "script-broken", Minor,
        "A script of this page fails on the copy.",
        "このページのスクリプトが、コピーではエラーになります。",
        "Open the page in a browser with its console. What the script loads from the site must be in the copy.",
        "ブラウザーのコンソールを開いてページを確認してください。スクリプトがサイトから読み込むものは、コピーに必要です。";
    SearchLost: "search-lost", Minor,
        "The site's search cannot be answered: this copy has no index.",
        "このコピーには索引がないため、サイト内検索に応答できません。",
        "Take a new snapshot: \"katahai snapshot take\".",
        "「katahai snapshot take」でスナップショットを取り直してください。";
    CopyOld: "copy-old", Minor,
        "The snapshot is older than three times mirror.every.",
        "スナップショットが mirror.every の3倍より古くなっています。",
        "Look why there is no newer one: \"katahai snapshot list\".",
        "新しいものがない理由を「katahai snapshot list」で確認してください。";
    FormNeverKept: "form-never-kept", Note,
        "This form cannot work during an outage, and what it takes is never kept.",
        "このフォームは停止中に使えず、入力された内容も保管されません。",
        "Nothing to do. During an outage the form says so to visitors.",
        "対応は不要です。停止中は、フォームにその旨が表示されます。";
    Elsewhere: "elsewhere", Note,
        "Files come from another host: they show as long as that one is up.",
        "他のホストのファイルを使っています。そのホストが動いている間だけ表示されます。",
        "To have them in the copy, name the host in mirror.asset_hosts.",
        "コピーに含めるには、mirror.asset_hosts にそのホストを追加してください。";
}

/// Something that was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// What.
    pub kind: FindingKind,
    /// Whose: a page's key, a form's path, a host.
    pub path: String,
    /// A page that it stands on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on: Option<String>,
    /// More, in English: the crawl's reason, a script's error, how often it is asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// Lines for the configuration.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lines: Option<String>,
}

impl Finding {
    /// Of this kind, about this.
    pub fn new(kind: FindingKind, path: impl Into<String>) -> Finding {
        Finding { kind, path: path.into(), on: None, detail: None, lines: None }
    }

    /// It stands on this page.
    #[must_use]
    pub fn on(mut self, page: Option<&str>) -> Finding {
        self.on = page.map(str::to_owned);
        self
    }

    /// More of it.
    #[must_use]
    pub fn detail(mut self, detail: Option<String>) -> Finding {
        self.detail = detail;
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_distinct_and_are_what_is_written() {
        let codes: std::collections::BTreeSet<_> = FindingKind::ALL.iter().map(|kind| kind.code()).collect();
        assert_eq!(codes.len(), FindingKind::ALL.len());
        for kind in FindingKind::ALL {
            assert_eq!(serde_json::json!(kind), kind.code());
        }
    }
}
