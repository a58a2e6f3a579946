//! Why a snapshot waits for the operator: the rules of the gate, by the codes in its record.

use serde::{Deserialize, Serialize};

use crate::failure::Text;

macro_rules! rules {
    ($($name:ident: $code:literal, $sentence:literal, $en:literal, $ja:literal;)+) => {
        /// A rule of the gate. One row is the definition, the label and the sentences.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(rename_all = "kebab-case")]
        pub enum Rule { $(#[doc = $sentence] $name,)+ }

        impl Rule {
            /// Every rule, in the table's order.
            pub const ALL: [Rule; [$($code),+].len()] = [$(Rule::$name,)+];

            /// The stable code: in status, log and metrics.
            pub fn code(self) -> &'static str { match self { $(Rule::$name => $code,)+ } }

            /// What it asks for, for the owner.
            pub fn sentence(self) -> &'static str { match self { $(Rule::$name => $sentence,)+ } }

            /// What it says of a snapshot that breaks it.
            pub fn breach(self) -> Text { match self { $(Rule::$name => Text { en: $en, ja: $ja },)+ } }
        }
    };
}

rules! {
    CutShort: "cut-short",
        "The crawl reached its end.",
        "The crawl ended early.",
        "クロールが途中で終わりました。";
    KeyPage: "key-page",
        "Every key page is there, whole and good, or redirects to one that is.",
        "A key page is missing, or is no longer what it was.",
        "重要なページがないか、以前の内容が失われています。";
    KeyAssets: "key-assets",
        "The files that key pages need for their display are there.",
        "A file that key pages need for their display is missing.",
        "重要なページの表示に必要なファイルがありません。";
    Empty: "empty",
        "There is at least one page.",
        "It has no page.",
        "ページが1つもありません。";
    Shrunk: "shrunk",
        "There are at least half as many pages as before.",
        "It has fewer than half as many pages as before.",
        "ページ数が、以前の半分未満です。";
    LessText: "less-text",
        "Pages have at least half as much text as before.",
        "Its pages have lost more than half of their text.",
        "ページの文章が、以前の半分未満に減っています。";
    Hasty: "hasty",
        "A crawl that took far less time than usual brought as much as usual.",
        "The crawl took far less time than usual, and brought less.",
        "クロールがいつもより極端に早く終わり、取得した内容も少なくなっています。";
    Turned: "turned",
        "Only a small share of the pages has turned into something else.",
        "Too many pages have turned into something else.",
        "別の内容に変わったページが多すぎます。";
    Uniform: "uniform",
        "Only a small share of the pages has come to show the same thing.",
        "Too many pages have come to show the same thing.",
        "同じ内容を表示するようになったページが多すぎます。";
    ByHand: "by-hand",
        "Nobody has gone back to an older snapshot by hand.",
        "Somebody went back to an older snapshot by hand.",
        "手動で以前のスナップショットに戻されています。";
}

impl Rule {
    /// The rule that a reason of a held snapshot names: its code stands before the colon.
    pub fn of_reason(reason: &str) -> Option<Rule> {
        let code = reason.split(':').next()?;
        Rule::ALL.into_iter().find(|rule| rule.code() == code)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_names_its_rule() {
        assert_eq!(Rule::of_reason("shrunk: 3 pages"), Some(Rule::Shrunk));
        for none in ["", "shrunken: 3 pages", "an older snapshot: it waits"] {
            assert_eq!(Rule::of_reason(none), None, "{none}");
        }
    }
}
