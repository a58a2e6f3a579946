//! What happens to pages of the snapshot in service that a crawl did not get: most are carried over with their age, some go.
//!
//! A page that the site could not give today is as good as it was yesterday. A page that the site says does not exist may be
//! a mistake: it goes when the next good crawl hears the same. A page that has turned into a login or a redirect to another
//! site is carried over, too, until several good crawls have heard the same. A page that is refused by its status (401, 403)
//! goes, like a missing one, when two good crawls have heard so; the same holds for a file that is suddenly empty, as a full
//! disk leaves it. What the owner's configuration no longer wants, and what is marked personal, goes at once.
//!
//! A good crawl is one whose snapshot came into service. What was heard so far stands in the notes of the
//! snapshot's pages, and is read from the snapshot in service: a crawl that is held counts for nothing until
//! the operator puts it in service.

use crate::crawl::refusal::Refusal;
use crate::crawl::walk::results::{FetchResult, Leads, Results};
use crate::failure::Cause;
use crate::http::personal::{Personal, personal};
use crate::snapshot::{Class, Notes, Page};

/// Good crawls in a row that have carried a page over, for whatever reason, after which a login or another site
/// there is believed.
const BELIEVED: u16 = 10;
/// Good crawls in a row that must hear that a page is missing, or not for everybody, until it goes.
const MISSED: u8 = 2;

/// What a crawl has heard about a page that the snapshot in service has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Heard {
    /// There is a new copy, or a redirect to one.
    Anew,
    /// Nothing: it was not asked for, or a bound was reached.
    Nothing,
    /// The configuration does not want it.
    Unwanted(Refusal),
    /// The crawler does not want it: `robots.txt`, or an address without end.
    Unasked(Refusal),
    /// It is somebody's own.
    Private(Refusal),
    /// 404.
    Missing,
    /// 410: gone for good.
    Gone,
    /// A file that had something in it is empty.
    Emptied,
    /// Something else came in its place, or nothing.
    TurnedInto(Replacement),
}

/// What a page has turned into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Replacement {
    /// A redirect to another site.
    Elsewhere,
    /// A login.
    Login,
    /// 401: it exists, for those who have a password.
    Unauthorized,
    /// 403. A firewall may answer this, too; but it blocks more than the few pages that a good crawl may lose.
    Forbidden,
    /// An answer that is not stored, or a page that is not the site's: the code of the reason.
    Other(&'static str),
}

impl Replacement {
    /// The stable code.
    pub(crate) fn code(self) -> &'static str {
        match self {
            Replacement::Elsewhere => "elsewhere",
            Replacement::Login | Replacement::Unauthorized => "login",
            Replacement::Forbidden => Refusal::Forbidden.code(),
            Replacement::Other(code) => code,
        }
    }

    /// Whether visitors are likely to meet with the same: a wall may block only crawlers, and a login is usually intended.
    pub(crate) fn is_for_everybody(self) -> bool {
        match self {
            Replacement::Login | Replacement::Unauthorized | Replacement::Forbidden => false,
            Replacement::Elsewhere => true,
            Replacement::Other(code) => code != Cause::BotWall.code(),
        }
    }

    fn sentence(self) -> &'static str {
        match self {
            Replacement::Elsewhere => "It redirects to another site.",
            Replacement::Login | Replacement::Unauthorized => "It needs a login.",
            Replacement::Forbidden => Refusal::Forbidden.sentence(),
            Replacement::Other(_) => "The site gave something else in its place, or nothing.",
        }
    }
}

impl Heard {
    /// The status by which the site has taken the page away, if it has.
    pub(crate) fn removal(self) -> Option<u16> {
        match self {
            Heard::Missing => Some(404),
            Heard::Gone => Some(410),
            Heard::TurnedInto(Replacement::Unauthorized) => Some(401),
            Heard::TurnedInto(Replacement::Forbidden) => Some(403),
            Heard::Anew
            | Heard::Nothing
            | Heard::Unwanted(_)
            | Heard::Unasked(_)
            | Heard::Private(_)
            | Heard::Emptied
            | Heard::TurnedInto(Replacement::Elsewhere | Replacement::Login | Replacement::Other(_)) => None,
        }
    }

    /// The stable code of what was heard, and what it means.
    pub(crate) fn reason(self) -> (&'static str, &'static str) {
        match self {
            Heard::Anew => ("anew", "There is a new copy."),
            Heard::Nothing => ("not-reached", "This crawl did not come to it."),
            Heard::Unwanted(why) | Heard::Unasked(why) | Heard::Private(why) => (why.code(), why.sentence()),
            Heard::Missing => (Refusal::NotFound.code(), Refusal::NotFound.sentence()),
            Heard::Gone => (Refusal::Gone.code(), Refusal::Gone.sentence()),
            Heard::Emptied => {
                ("emptied", "It is empty, and was not: the next good crawl says whether that is meant.")
            }
            Heard::TurnedInto(replacement) => (replacement.code(), replacement.sentence()),
        }
    }
}

/// What is done with the old copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// The new copy takes its place.
    Superseded,
    /// It is carried over, with these notes.
    CarriedOver(Notes),
    /// It is not in the new snapshot.
    Dropped,
}

/// What `results` say about a page. `robots_unreadable`: what they forbid is not the site's word.
pub(crate) fn heard(old: &Page, results: &Results, robots_unreadable: bool) -> Heard {
    let was_redirect = old.class == Class::Redirect;
    let Some(result) = results.get(&old.key) else { return Heard::Nothing };
    match result {
        FetchResult::Redirect(_) | FetchResult::Away if was_redirect => Heard::Anew,
        FetchResult::Redirect(to) => match results.follow(to) {
            Leads::To(..) | Leads::Unknown(_) => Heard::Anew,
            Leads::Nowhere => Heard::TurnedInto(Replacement::Other(Refusal::RedirectLoop.code())),
            Leads::Lost(_, result) => lost(result, robots_unreadable, true),
        },
        FetchResult::Stored(stored) if stored.empty && old.len > 0 && old.class == Class::Asset => {
            Heard::Emptied
        }
        FetchResult::Stored(stored) => {
            let less = |text: u32| stored.text.is_some_and(|now| now < text / 2);
            let is_login = stored.login && old.notes.text.is_some_and(less);
            if is_login { Heard::TurnedInto(Replacement::Login) } else { Heard::Anew }
        }
        FetchResult::Away | FetchResult::Refused(_) | FetchResult::Wrong(_) | FetchResult::Failed(..) => {
            lost(result, robots_unreadable, false)
        }
    }
}

fn lost(result: &FetchResult, robots_unreadable: bool, redirected: bool) -> Heard {
    match result {
        FetchResult::Stored(_) | FetchResult::Redirect(_) => Heard::Anew,
        FetchResult::Away => Heard::TurnedInto(Replacement::Elsewhere),
        FetchResult::Wrong(kind) => Heard::TurnedInto(Replacement::Other(kind)),
        FetchResult::Failed(cause, _) => Heard::TurnedInto(Replacement::Other(cause)),
        FetchResult::Refused(refusal) => match refused(*refusal, robots_unreadable) {
            // A redirect to what is not wanted is a redirect all the same.
            Heard::Nothing | Heard::Unwanted(_) | Heard::Unasked(_) | Heard::Private(_) if redirected => {
                Heard::Anew
            }
            heard @ (Heard::Anew
            | Heard::Nothing
            | Heard::Unwanted(_)
            | Heard::Unasked(_)
            | Heard::Private(_)
            | Heard::Missing
            | Heard::Gone
            | Heard::Emptied
            | Heard::TurnedInto(_)) => heard,
        },
    }
}

fn refused(refusal: Refusal, robots_unreadable: bool) -> Heard {
    match refusal {
        Refusal::Route | Refusal::Excluded | Refusal::NotIncluded | Refusal::TooDeep => {
            Heard::Unwanted(refusal)
        }
        Refusal::Robots if robots_unreadable => Heard::Nothing,
        // Each crawl finds other pages of what has no end, such as a calendar: carried over, they would crowd the
        // others out.
        Refusal::Robots
        | Refusal::TooLong
        | Refusal::Repeating
        | Refusal::Action
        | Refusal::CalendarBound => Heard::Unasked(refusal),
        // That other pages of its kind show nothing new says nothing about one that visitors may come for.
        Refusal::NothingNew
        | Refusal::PageLimit
        | Refusal::FileLimit
        | Refusal::RequisiteLimit
        | Refusal::ByteLimit
        | Refusal::QueryBound
        | Refusal::TooManyHops => Heard::Nothing,
        Refusal::Private | Refusal::NoStore | Refusal::LoginCookie => Heard::Private(refusal),
        Refusal::NotFound => Heard::Missing,
        Refusal::Gone => Heard::Gone,
        Refusal::Unauthorized => Heard::TurnedInto(Replacement::Unauthorized),
        Refusal::Forbidden => Heard::TurnedInto(Replacement::Forbidden),
        Refusal::LoginPage | Refusal::NeedsLogin => Heard::TurnedInto(Replacement::Login),
        // Never the site's word, however often it is heard.
        Refusal::Varies
        | Refusal::Status
        | Refusal::Partial
        | Refusal::WrongPage
        | Refusal::ForeignPage
        | Refusal::EmptyPage
        | Refusal::SavedCopy
        | Refusal::Coding
        | Refusal::TooLarge
        | Refusal::Bomb
        | Refusal::RedirectLoop
        | Refusal::BadLocation => Heard::TurnedInto(Replacement::Other(refusal.code())),
    }
}

/// What is done with an old copy after what was heard.
pub(crate) fn fate(old: &Page, heard: Heard) -> Fate {
    let carried = |missed: u8| {
        let Notes { text, carried, .. } = old.notes;
        Fate::CarriedOver(Notes { text, missed, carried: carried.saturating_add(1) })
    };
    let believed = old.notes.carried >= BELIEVED;
    let missed = old.notes.missed.saturating_add(1);
    match heard {
        Heard::Anew => Fate::Superseded,
        Heard::Unwanted(_) | Heard::Unasked(_) | Heard::Private(_) | Heard::Gone => Fate::Dropped,
        _ if is_private(old) => Fate::Dropped,
        Heard::Missing | Heard::TurnedInto(Replacement::Unauthorized | Replacement::Forbidden)
            if missed >= MISSED =>
        {
            Fate::Dropped
        }
        Heard::Emptied if missed >= MISSED => Fate::Superseded,
        Heard::Missing
        | Heard::Emptied
        | Heard::TurnedInto(Replacement::Unauthorized | Replacement::Forbidden) => carried(missed),
        Heard::TurnedInto(Replacement::Elsewhere) if believed => Fate::Superseded,
        Heard::TurnedInto(Replacement::Login) if believed => Fate::Dropped,
        Heard::TurnedInto(_) | Heard::Nothing => carried(0),
    }
}

/// An earlier version may have judged differently. `no-store` cannot be judged again: what excused it is not kept.
fn is_private(old: &Page) -> bool {
    let headers = old.headers.iter().cloned().collect();
    personal(&headers) == Some(Personal::Private)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crawl::walk::results::Stored;
    use std::time::SystemTime;

    fn page(class: Class, notes: Notes) -> Page {
        let (key, headers, taken_at) = ("/a".to_owned(), Vec::new(), SystemTime::UNIX_EPOCH);
        Page { key, status: 200, headers, body: None, len: 0, taken_at, class, notes }
    }

    fn results(of: &[(&str, FetchResult)]) -> Results {
        let mut results = Results::default();
        of.iter().for_each(|(key, result)| results.set((*key).into(), result.clone()));
        results
    }

    fn became(notes: Notes, of: &[(&str, FetchResult)]) -> Fate {
        let old = page(Class::Page, notes);
        fate(&old, heard(&old, &results(of), false))
    }

    const NEW: Notes = Notes { text: Some(900), missed: 0, carried: 0 };
    const ONCE: Fate = Fate::CarriedOver(Notes { carried: 1, ..NEW });

    fn stored(text: u32, login: bool) -> FetchResult {
        FetchResult::Stored(Stored { is_page: true, text: Some(text), login, ..Stored::default() })
    }

    #[test]
    fn what_could_not_be_had_is_carried_over() {
        let to = || FetchResult::Redirect("/b".into());
        let failed = || FetchResult::Failed("silent", "".into());
        for (results, expected) in [
            (vec![], ONCE),
            (vec![("/a", stored(900, false))], Fate::Superseded),
            (vec![("/a", stored(10, false))], Fate::Superseded),
            (vec![("/a", stored(500, true))], Fate::Superseded),
            (vec![("/a", stored(400, true))], ONCE),
            (vec![("/a", failed())], ONCE),
            (vec![("/a", FetchResult::Away)], ONCE),
            (vec![("/a", FetchResult::Wrong("parking"))], ONCE),
            (vec![("/a", to()), ("/b", stored(1, false))], Fate::Superseded),
            (vec![("/a", to())], Fate::Superseded),
            (vec![("/a", to()), ("/b", to())], ONCE),
            (vec![("/a", to()), ("/b", failed())], ONCE),
            (vec![("/a", to()), ("/b", FetchResult::Away)], ONCE),
            (vec![("/a", to()), ("/b", FetchResult::Refused(Refusal::Route))], Fate::Superseded),
            (vec![("/a", to()), ("/b", FetchResult::Refused(Refusal::Gone))], Fate::Dropped),
        ] {
            assert_eq!(became(NEW, &results), expected, "{results:?}");
        }
    }

    #[test]
    fn every_refusal_has_its_consequence() {
        for refusal in Refusal::ALL {
            use Refusal::*;
            let expected = match refusal {
                Route | Excluded | NotIncluded | TooDeep | Robots | TooLong | Repeating | Action
                | CalendarBound | Private | NoStore | LoginCookie | Gone => Fate::Dropped,
                NotFound | Unauthorized | Forbidden => {
                    Fate::CarriedOver(Notes { carried: 1, missed: 1, ..NEW })
                }
                NothingNew | PageLimit | FileLimit | RequisiteLimit | Varies | ByteLimit | QueryBound
                | TooManyHops | LoginPage | NeedsLogin | Status | Partial | WrongPage | ForeignPage
                | EmptyPage | SavedCopy | Coding | TooLarge | Bomb | RedirectLoop | BadLocation => ONCE,
            };
            assert_eq!(became(NEW, &[("/a", FetchResult::Refused(*refusal))]), expected, "{refusal:?}");
        }
    }

    #[test]
    fn what_is_missing_twice_goes() {
        let missing = [("/a", FetchResult::Refused(Refusal::NotFound))];
        let once = Notes { missed: 1, carried: 1, ..NEW };
        assert_eq!(became(once, &missing), Fate::Dropped);
        // Between the two the site failed: then it was not heard twice in a row.
        let failed = [("/a", FetchResult::Failed("silent", "".into()))];
        assert_eq!(became(once, &failed), Fate::CarriedOver(Notes { missed: 0, carried: 2, ..NEW }));
    }

    #[test]
    fn what_is_taken_back_goes_when_two_good_crawls_have_heard_so() {
        let once = Notes { missed: 1, carried: 1, ..NEW };
        for refusal in [Refusal::Unauthorized, Refusal::Forbidden] {
            assert_eq!(became(once, &[("/a", FetchResult::Refused(refusal))]), Fate::Dropped);
        }
        // A page with a form, or a wall that is known as one, may be anything.
        for result in [FetchResult::Refused(Refusal::LoginPage), FetchResult::Wrong("bot-wall")] {
            assert_eq!(became(once, &[("/a", result)]), Fate::CarriedOver(Notes { carried: 2, ..NEW }));
        }
    }

    #[test]
    fn a_file_is_empty_when_two_crawls_say_so() {
        let is = |empty: bool| [("/a", FetchResult::Stored(Stored { empty, ..Stored::default() }))];
        let once = Notes { missed: 1, carried: 1, ..NEW };
        for (class, len, notes, empty, expected) in [
            (Class::Asset, 9, NEW, true, Fate::CarriedOver(Notes { missed: 1, carried: 1, ..NEW })),
            (Class::Asset, 9, once, true, Fate::Superseded),
            (Class::Asset, 9, once, false, Fate::Superseded),
            (Class::Asset, 0, NEW, true, Fate::Superseded),
            (Class::Page, 9, NEW, true, Fate::Superseded),
        ] {
            let old = Page { len, ..page(class, notes) };
            assert_eq!(fate(&old, heard(&old, &results(&is(empty)), false)), expected, "{len} {empty}");
        }
    }

    #[test]
    fn the_site_is_believed_in_the_end() {
        let long = Notes { carried: BELIEVED, ..NEW };
        let later = Fate::CarriedOver(Notes { carried: BELIEVED + 1, ..NEW });
        assert_eq!(became(long, &[("/a", FetchResult::Away)]), Fate::Superseded);
        assert_eq!(became(long, &[("/a", FetchResult::Refused(Refusal::NeedsLogin))]), Fate::Dropped);
        assert_eq!(became(long, &[("/a", FetchResult::Wrong("parking"))]), later);
        assert_eq!(became(long, &[("/a", FetchResult::Failed("silent", "".into()))]), later);
        let always = Notes { carried: u16::MAX, ..NEW };
        assert_eq!(became(always, &[]), Fate::CarriedOver(always));
    }

    #[test]
    fn an_unreadable_robots_txt_is_not_the_sites_word() {
        let old = page(Class::Page, NEW);
        let results = results(&[("/a", FetchResult::Refused(Refusal::Robots))]);
        assert_eq!(fate(&old, heard(&old, &results, true)), ONCE);
    }

    #[test]
    fn what_is_private_is_never_carried() {
        let mut old = page(Class::Page, NEW);
        old.headers = vec![(http::header::CACHE_CONTROL, http::HeaderValue::from_static("private"))];
        assert_eq!(fate(&old, Heard::Nothing), Fate::Dropped);
        old.headers = vec![(http::header::CACHE_CONTROL, http::HeaderValue::from_static("no-store"))];
        assert_eq!(fate(&old, Heard::Nothing), ONCE);
    }

    #[test]
    fn a_redirect_stays_what_it_was() {
        let old = page(Class::Redirect, Notes::default());
        for result in [FetchResult::Away, FetchResult::Redirect("/gone".into())] {
            let results = results(&[("/a", result), ("/gone", FetchResult::Refused(Refusal::Gone))]);
            assert_eq!(heard(&old, &results, false), Heard::Anew);
        }
    }
}
