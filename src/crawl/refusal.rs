//! Why something is not in a snapshot: one table of codes and sentences for the whole crawl.

macro_rules! refusals {
    ($($name:ident: $code:literal, $sentence:literal;)+) => {
        /// Why something was not fetched or not stored. One row is the definition, the label and the sentence.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Refusal { $(#[doc = $sentence] $name,)+ }

        impl Refusal {
            /// Every reason, in the table's order.
            pub const ALL: &'static [Refusal] = &[$(Refusal::$name,)+];

            /// The stable code: in reports and logs.
            pub fn code(self) -> &'static str { match self { $(Refusal::$name => $code,)+ } }

            /// What it means, for the owner.
            pub fn sentence(self) -> &'static str { match self { $(Refusal::$name => $sentence,)+ } }
        }
    };
}

refusals! {
    // not fetched: the owner's word
    Robots: "robots", "The site's robots.txt asks robots not to fetch it.";
    Route: "route-off", "A route of the configuration says mirror = \"off\".";
    Excluded: "excluded", "The configuration excludes it.";
    NotIncluded: "not-included", "The configuration includes other parts of the site only.";
    // not fetched: bounds
    TooDeep: "too-deep", "It is more links away from a start page than max_depth.";
    PageLimit: "page-limit", "The snapshot has max_pages pages.";
    FileLimit: "file-limit", "The snapshot has as many files as one may have.";
    RequisiteLimit: "requisite-limit", "Enough files have been asked for that pages are drawn with: more than a site of so many pages has.";
    ByteLimit: "byte-limit", "The snapshot is as large as one may be.";
    TooLong: "too-long", "The address is longer than a real one.";
    Repeating: "repeating", "The address repeats itself: a link that grows.";
    QueryBound: "query-bound", "Enough addresses with these parameters have been fetched.";
    CalendarBound: "calendar-bound", "Enough pages of this calendar have been fetched.";
    NothingNew: "nothing-new", "Enough pages of its kind have been fetched, and they show nothing new any more.";
    Action: "action", "Following the link would do something.";
    TooManyHops: "too-many-hops", "It is at the end of a chain of redirects or imports without end.";
    // not stored: what the answer says
    NotFound: "not-found", "There is no such page (404).";
    Gone: "gone", "There is no such page any more (410).";
    Unauthorized: "unauthorized", "It needs a login (401, 407).";
    Forbidden: "forbidden", "It is forbidden (403).";
    Status: "status", "The status is not one of success.";
    Partial: "partial", "It is a part of a file (206).";
    Private: "private", "The site says that it is one visitor's own (Cache-Control: private).";
    NoStore: "no-store", "The site says that it must not be stored (Cache-Control: no-store).";
    Varies: "private-varies", "The site marks it as private or no-store, and two visits without cookies got different pages. \
        A route with mirror = \"on\" takes it all the same.";
    LoginCookie: "login-cookie", "It sets the cookie of somebody who is logged in.";
    LoginPage: "login-page", "It is a login page made for one visitor.";
    NeedsLogin: "needs-login", "It leads to a login page.";
    // not stored: what it is
    WrongPage: "wrong-page", "It is not the site's: a page of a host, a panel, a bot wall, or an error.";
    ForeignPage: "asset-page", "Another host answered with a page where a file was wanted.";
    EmptyPage: "empty-page", "It is a page without a single character.";
    Coding: "coding", "It is in a content coding that cannot be read.";
    TooLarge: "too-large", "It is larger than one file may be.";
    Bomb: "bomb", "It unpacks to far more than it is.";
    RedirectLoop: "redirect-loop", "It redirects to itself, or to a page that leads back to it.";
    BadLocation: "bad-location", "It redirects to what is not an address.";
}

impl Refusal {
    /// Whether it is about what the site answered; else the site was not asked, or not for this.
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
