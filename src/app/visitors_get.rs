//! What a site's visitors get now, from its state, the operator's word and what they got in the last minute; and how it is
//! said. The dashboard, the command line and the public page all say what stands here, so that they cannot disagree.

use std::time::{Duration, Instant};

use serde::Serialize;

use super::App;
use crate::clock::Now;
use crate::failover::{Mode, State};
use crate::failure::Text;
use crate::history::Gets;
use crate::metrics::{ServedFrom, Totals};
use crate::proxy::Site;

/// What visitors got in this time says what they get now.
const MINUTE: Duration = Duration::from_secs(60);
/// So few answers say nothing against what the state says.
const FEW: u64 = 10;
/// Nor do so few that visitors get no copy although there are some.
const HARDLY_ANY: u64 = 3;

/// What has been decided about a site, and by whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Footing {
    pub(super) state: State,
    pub(super) mode: Mode,
    pub(super) has_snapshot: bool,
}

/// What visitors get, with its words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct VisitorsGet {
    /// `unknown`, `live`, `partly`, `copies`, `gaps` or `holding`.
    pub code: &'static str,
    /// In a few words.
    pub short: Text,
    /// In a sentence.
    pub sentence: Text,
}

/// The answers of the last minute that tell where visitors' pages come from.
#[derive(Clone, Copy, Debug)]
struct Answers {
    live: u64,
    copies: u64,
    holding: u64,
}

impl Answers {
    fn of(totals: Totals) -> Answers {
        let count = |rung: ServedFrom| totals[rung as usize];
        Answers {
            live: count(ServedFrom::Origin) + count(ServedFrom::Cache),
            copies: count(ServedFrom::Stale) + count(ServedFrom::Snapshot),
            holding: count(ServedFrom::Holding),
        }
    }

    fn all(self) -> u64 {
        self.live + self.copies + self.holding
    }

    fn as_copies(self) -> Answers {
        Answers { live: 0, copies: self.live + self.copies, holding: self.holding }
    }

    /// Too many get the holding page to say that visitors get the live site.
    fn often_holding(self) -> bool {
        self.holding >= HARDLY_ANY && self.holding.saturating_mul(10) >= self.all()
    }

    fn mostly_holding(self) -> bool {
        self.holding > self.live + self.copies
    }
}

/// What visitors get: what was decided, unless what they got since then says otherwise.
pub(super) fn visitors_get(on: Footing, since_then: Totals) -> Gets {
    let (decided, answers) = (decided(on), Answers::of(since_then));
    let answers = match decided {
        // the origin is not asked: what is given is a copy, however fresh it may be
        Gets::Copies | Gets::Gaps | Gets::Holding if on.mode != Mode::HoldOrigin => answers.as_copies(),
        Gets::Unknown | Gets::Live | Gets::Partly | Gets::Copies | Gets::Gaps | Gets::Holding => answers,
    };
    match (decided, answers) {
        (decided, answers) if answers.all() == 0 => decided,
        (Gets::Live | Gets::Partly, answers) if answers.all() >= FEW && answers.mostly_holding() => {
            Gets::Holding
        }
        (Gets::Live | Gets::Partly, answers)
            if answers.all() >= FEW && answers.live == 0 && on.mode == Mode::Auto =>
        {
            of_copies(answers)
        }
        (Gets::Live, answers) if answers.all() >= FEW && answers.copies > answers.live => Gets::Partly,
        (Gets::Live, answers) if answers.all() >= FEW && answers.often_holding() => Gets::Partly,
        (decided @ (Gets::Live | Gets::Partly), _) => decided,
        // the operator has the origin asked although it is down: it may answer
        (Gets::Holding, answers) if on.mode == Mode::HoldOrigin && answers.live > answers.holding => {
            Gets::Live
        }
        // where there are no copies, one holding page says as much as a hundred
        (Gets::Holding, answers) if answers.copies == 0 => Gets::Holding,
        (Gets::Unknown, Answers { live: 0, copies: 0, .. }) if !on.has_snapshot => Gets::Holding,
        (Gets::Copies | Gets::Gaps | Gets::Holding, answers) => of_copies(answers),
        (Gets::Unknown, answers) if answers.live == 0 => of_copies(answers),
        (Gets::Unknown, answers) if answers.live < answers.all() => Gets::Partly,
        (Gets::Unknown, _) => Gets::Live,
    }
}

/// What visitors get who do not get the live site.
fn of_copies(answers: Answers) -> Gets {
    match (answers.copies, answers.holding) {
        (_, 0) => Gets::Copies,
        (0, holding) if holding >= HARDLY_ANY => Gets::Holding,
        (copies, holding) if copies > 0 && holding > copies => Gets::Holding,
        _ => Gets::Gaps,
    }
}

fn decided(on: Footing) -> Gets {
    let copies = if on.has_snapshot { Gets::Copies } else { Gets::Holding };
    match (on.mode, on.state) {
        (Mode::HoldSnapshot, _) | (Mode::Auto, State::Down) => copies,
        (Mode::HoldOrigin, State::Down) => Gets::Holding,
        (_, State::Unproven) => Gets::Unknown,
        (Mode::Auto, State::Degraded | State::Recovering) => Gets::Partly,
        (Mode::HoldOrigin, State::Up | State::Degraded | State::Recovering) | (Mode::Auto, State::Up) => {
            Gets::Live
        }
    }
}

impl VisitorsGet {
    /// The words for it.
    pub(super) fn of(gets: Gets, on: Footing) -> VisitorsGet {
        VisitorsGet { code: gets.as_str(), short: short(gets, on), sentence: sentence(gets, on) }
    }

    /// Whether there is anything to say beyond that all is as it should be.
    pub(super) fn is_worth_saying(&self, on: Footing) -> bool {
        on.mode != Mode::Auto || !matches!(self.code, "live" | "unknown")
    }
}

/// In a few words, beside the state.
pub(super) fn short(gets: Gets, on: Footing) -> Text {
    let (en, ja) = match gets {
        Gets::Partly if on.state == State::Up => ("partly the live site", "元のサイト（一部を除く）"),
        Gets::Partly if !on.has_snapshot => ("mostly the live site", "元のサイト（一部を除く）"),
        Gets::Copies if !on.has_snapshot => ("what the cache has", "キャッシュに残るページ"),
        Gets::Gaps if !on.has_snapshot => {
            ("what the cache has, and the holding page", "キャッシュに残るページと、お知らせのページ")
        }
        Gets::Unknown => ("not known yet", "まだ分かりません"),
        Gets::Live => ("the live site", "元のサイト"),
        Gets::Partly => ("the live site, partly copies", "元のサイト（一部はコピー）"),
        Gets::Copies => ("copies", "コピー"),
        Gets::Gaps => ("copies, and the holding page", "コピー（ないページはお知らせのページ）"),
        Gets::Holding => ("the holding page", "お知らせのページ"),
    };
    Text { en, ja }
}

fn sentence(gets: Gets, on: Footing) -> Text {
    let (en, ja) = match on.mode {
        Mode::Auto => by_itself(gets, on.state, on.has_snapshot),
        Mode::HoldSnapshot => on_copies_by_hand(gets, on.has_snapshot),
        Mode::HoldOrigin if gets == Gets::Holding => (
            "Held on the live site by hand, and it does not answer: visitors get the holding page.",
            "手動で元のサイトに固定されていますが、応答がないため、訪問者にはお知らせのページを表示しています。",
        ),
        Mode::HoldOrigin => (
            "Visitors get the live site only, whatever the checks say; where it does not answer, the holding page.",
            "確認の結果にかかわらず、元のサイトだけをお見せしています。応答がなければ、お知らせのページになります。",
        ),
    };
    Text { en, ja }
}

fn on_copies_by_hand(gets: Gets, has_snapshot: bool) -> (&'static str, &'static str) {
    match (gets, has_snapshot) {
        (Gets::Holding, true) => (
            "Held on the snapshot by hand, and it lacks what visitors ask for: they get the holding page. No form reaches the site.",
            "手動でスナップショットに固定されていますが、求められたページが含まれていないため、お知らせのページを表示しています。フォームの送信は受け付けません。",
        ),
        (_, true) => (
            "Visitors get the pages of the snapshot only, however well the site is; for a page that it lacks, the holding page. No form reaches the site.",
            "サイトの状態にかかわらず、スナップショットのページだけをお見せしています。含まれないページはお知らせのページになり、フォームの送信は受け付けません。",
        ),
        (Gets::Copies | Gets::Gaps, false) => (
            "There is no snapshot: visitors get what the cache still has, and the holding page for the rest, however well the site is. No form reaches the site.",
            "スナップショットがないため、サイトの状態にかかわらず、キャッシュに残るページと、お知らせのページを表示しています。フォームの送信は受け付けません。",
        ),
        (_, false) => (
            "There is no snapshot: visitors get the holding page, however well the site is. No form reaches the site.",
            "スナップショットがないため、サイトの状態にかかわらず、お知らせのページを表示しています。フォームの送信は受け付けません。",
        ),
    }
}

fn by_itself(gets: Gets, state: State, has_snapshot: bool) -> (&'static str, &'static str) {
    match (gets, has_snapshot) {
        (Gets::Unknown, _) => (
            "The live site is being checked, and nobody has asked for a page yet.",
            "元のサイトを確認しています。まだアクセスはありません。",
        ),
        (Gets::Live, _) => ("Visitors get the live site.", "訪問者には、元のサイトが届いています。"),
        (Gets::Partly, _) => partly(state, has_snapshot),
        (Gets::Copies, true) => (
            "Visitors get the pages of the snapshot; for a page that it lacks, the holding page.",
            "訪問者には、スナップショットのページをお見せしています。含まれないページは、お知らせのページになります。",
        ),
        (Gets::Gaps, true) => (
            "Visitors get copies; for pages that no copy has, they get the holding page.",
            "訪問者にはコピーをお見せしています。コピーのないページへのアクセスには、お知らせのページを表示しています。",
        ),
        (Gets::Copies | Gets::Gaps, false) => (
            "There is no snapshot: visitors get what the cache still has, and the holding page for the rest.",
            "スナップショットがないため、キャッシュに残るページと、それ以外にはお知らせのページを表示しています。",
        ),
        (Gets::Holding, true) => (
            "Visitors get the holding page: no copy has what they ask for.",
            "求められたページのコピーがないため、訪問者にはお知らせのページを表示しています。",
        ),
        (Gets::Holding, false) => (
            "There is no snapshot: visitors get the holding page, but for what the cache still has.",
            "スナップショットがないため、キャッシュに残るページを除き、訪問者にはお知らせのページを表示しています。",
        ),
    }
}

fn partly(state: State, has_snapshot: bool) -> (&'static str, &'static str) {
    match (state, has_snapshot) {
        (State::Recovering, true) => (
            "Visitors get the live site again little by little; the others still get the pages of the snapshot.",
            "元のサイトに少しずつ戻しています。順番が来ていない訪問者には、スナップショットのページをお見せしています。",
        ),
        (State::Recovering, false) => (
            "Visitors get the live site again little by little; there is no snapshot, so the others get the holding page.",
            "元のサイトに少しずつ戻しています。スナップショットがないため、順番が来ていない訪問者にはお知らせのページを表示しています。",
        ),
        (State::Degraded, true) => (
            "Visitors get the live site; its bad pages come from the snapshot or the cache, where they have them.",
            "訪問者には元のサイトが届いています。異常のあるページは、スナップショットかキャッシュにあれば、それをお見せしています。",
        ),
        (State::Degraded, false) => (
            "Visitors get the live site; there is no snapshot, so for its bad pages they get what the cache has, or the holding page.",
            "訪問者には元のサイトが届いています。スナップショットがないため、異常のあるページには、キャッシュに残るものか、お知らせのページを表示しています。",
        ),
        (State::Up | State::Down | State::Unproven, _) => (
            "Visitors get the live site, but many answers of the last minute were copies or the holding page.",
            "元のサイトは応答していますが、直近1分の応答の多くはコピーかお知らせのページでした。",
        ),
    }
}

/// Since when a site stands on this footing.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stand {
    pub(super) on: Footing,
    pub(super) since: Instant,
}

impl App {
    /// What was decided about a site.
    pub(super) fn footing(site: &Site, now: Now) -> Footing {
        Footing {
            state: site.state(now),
            mode: site.switch.mode(now.mono),
            has_snapshot: site.mirror.current().is_some(),
        }
    }

    /// What its visitors get.
    pub(super) fn gets(&self, site: &Site, now: Now) -> (Gets, Footing) {
        let on = App::footing(site, now);
        let answers = self.answers_since(site, on, now.mono, MINUTE);
        (visitors_get(on, answers), on)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn totals(live: u64, copies: u64, holding: u64) -> Totals {
        let mut totals = Totals::default();
        totals[ServedFrom::Origin as usize] = live;
        totals[ServedFrom::Snapshot as usize] = copies;
        totals[ServedFrom::Holding as usize] = holding;
        totals
    }

    #[test]
    fn what_was_decided_holds_until_visitors_got_something_else() {
        use Gets::{Copies, Gaps, Holding, Live, Partly, Unknown};
        use Mode::{Auto, HoldOrigin, HoldSnapshot};
        use State::{Degraded, Down, Recovering, Unproven, Up};
        for (mode, state, has_snapshot, answers, expected) in [
            (Auto, Up, true, (0, 0, 0), Live),
            (Auto, Up, true, (5, 4, 0), Live),
            (Auto, Up, true, (2, 40, 0), Partly),
            (Auto, Up, true, (0, 9, 0), Live), // too few to tell
            (Auto, Up, true, (20, 0, 20), Partly),
            (Auto, Up, true, (90, 0, 10), Partly),
            (Auto, Up, true, (91, 0, 9), Live),
            (Auto, Up, true, (8, 0, 2), Live),
            (Auto, Up, true, (0, 40, 0), Copies),
            (Auto, Degraded, true, (0, 40, 4), Gaps),
            (HoldOrigin, Up, true, (20, 0, 20), Partly),
            (Auto, Up, false, (3, 0, 20), Holding),
            (Auto, Degraded, true, (50, 9, 1), Partly),
            (Auto, Degraded, false, (9, 0, 50), Holding),
            (Auto, Recovering, true, (1, 9, 0), Partly),
            (Auto, Unproven, true, (0, 0, 0), Unknown),
            (Auto, Unproven, true, (1, 0, 0), Live),
            (Auto, Unproven, true, (1, 1, 0), Partly),
            (Auto, Unproven, true, (0, 2, 0), Copies),
            (Auto, Unproven, false, (0, 0, 3), Holding),
            (Auto, Down, true, (0, 0, 0), Copies),
            (Auto, Down, true, (0, 9, 0), Copies),
            (Auto, Down, true, (0, 9, 2), Gaps),
            (Auto, Down, true, (0, 0, 1), Gaps),
            (Auto, Down, true, (0, 0, 3), Holding),
            (Auto, Down, true, (0, 1, 2), Holding),
            (Auto, Down, false, (0, 0, 0), Holding),
            (Auto, Down, false, (0, 0, 1), Holding),
            (Auto, Down, false, (0, 5, 2), Gaps),
            (Auto, Down, false, (4, 0, 0), Copies), // still fresh in the cache
            (Auto, Unproven, false, (0, 0, 1), Holding),
            (HoldOrigin, Down, true, (0, 0, 1), Holding),
            (HoldSnapshot, Up, false, (0, 0, 1), Holding),
            (Auto, Down, false, (0, 0, 9), Holding),
            (HoldSnapshot, Up, true, (0, 0, 0), Copies),
            (HoldSnapshot, Up, true, (0, 0, 9), Holding),
            (HoldSnapshot, Up, false, (0, 0, 0), Holding),
            (HoldSnapshot, Down, false, (0, 0, 0), Holding),
            (HoldOrigin, Up, true, (0, 0, 0), Live),
            (HoldOrigin, Up, true, (2, 0, 30), Holding),
            (HoldOrigin, Degraded, true, (2, 0, 1), Live),
            (HoldOrigin, Down, true, (0, 0, 0), Holding),
            (HoldOrigin, Down, true, (0, 0, 5), Holding),
            (HoldOrigin, Down, true, (9, 0, 1), Live),
            (HoldOrigin, Unproven, true, (0, 0, 0), Unknown),
        ] {
            let on = Footing { state, mode, has_snapshot };
            let gets = visitors_get(on, totals(answers.0, answers.1, answers.2));
            assert_eq!(gets, expected, "{on:?} {answers:?}");
        }
    }

    #[test]
    fn no_sentence_promises_what_visitors_do_not_get() {
        let states = [State::Unproven, State::Up, State::Degraded, State::Down, State::Recovering];
        let modes = [Mode::Auto, Mode::HoldOrigin, Mode::HoldSnapshot];
        let answers = [(0, 0, 0), (30, 0, 0), (0, 30, 0), (0, 0, 30), (0, 20, 10), (0, 10, 20), (20, 0, 1)];
        let mut said = 0;
        for (state, mode, has_snapshot) in states.into_iter().flat_map(|state| {
            modes.into_iter().flat_map(move |mode| [true, false].map(|has| (state, mode, has)))
        }) {
            for (live, copies, holding) in answers {
                let on = Footing { state, mode, has_snapshot };
                let gets = visitors_get(on, totals(live, copies, holding));
                let told = VisitorsGet::of(gets, on);
                let what = format!("{on:?} {live} {copies} {holding}: {gets:?} {}", told.sentence.en);
                let is_holding = told.short.en == "the holding page";
                assert_eq!(is_holding, gets == Gets::Holding, "{what}");
                if gets == Gets::Holding {
                    assert!(told.sentence.en.contains("get the holding page"), "{what}");
                    assert!(told.sentence.ja.contains("お知らせのページを表示"), "{what}");
                    assert!(live + copies <= holding, "{what}");
                }
                let speaks_of_pages = told.sentence.en.contains("the pages of the snapshot");
                assert!(!speaks_of_pages || has_snapshot, "{what}");
                assert!(!told.short.en.contains("copies") || has_snapshot, "{what}");
                if gets == Gets::Live && mode == Mode::Auto {
                    assert_eq!(told.sentence.en, "Visitors get the live site.");
                }
                said += 1;
            }
        }
        assert_eq!(said, 210);
    }
}
