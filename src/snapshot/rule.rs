//! Why a snapshot waits for the operator: the rules of the gate by the codes that its record has.

use serde::{Deserialize, Serialize};

macro_rules! rules {
    ($($name:ident: $code:literal, $sentence:literal;)+) => {
        /// A rule of the gate. One row is the definition, the label and the sentence.
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
        }
    };
}

rules! {
    CutShort: "cut-short", "The crawl came to its end.";
    KeyPage: "key-page", "Every key page is there, whole and good, or redirects to one that is.";
    KeyAssets: "key-assets", "What key pages need to be drawn is there.";
    Empty: "empty", "There is a page at all.";
    Shrunk: "shrunk", "There are at least half as many pages as before.";
    LessText: "less-text", "Pages have at least half as much text as before.";
    Hasty: "hasty", "A crawl that took far less time than usual brought as much as usual.";
    Turned: "turned", "No more than a small share of the pages has turned into something else.";
    Uniform: "uniform", "No more than a small share of the pages shows the same thing, and did not before.";
    ByHand: "by-hand", "Nobody has gone back to an older snapshot by hand.";
}
