//! The steps in words, English and Japanese.

use std::time::{Duration, SystemTime};

use super::super::mirror::{Nearness, Ready};
use super::{Explanation, Given, Step, millis};
use crate::ask::Visitor;
use crate::cache::{Entry, Lookup};
use crate::failover::{Copy, Fallback, Found, Mode, Plan, Situation, State, Wait};
use crate::page_health::Mark;
use crate::snapshot::{SnapshotId, rfc3339};

/// It is Katahai's own answer.
pub(super) fn of_status_page(key: &str) -> Step {
    step(
        "answer",
        format!("{key} is the site's status page: Katahai answers itself and asks no origin."),
        format!("{key} はサイトの稼働状況のページです。元のサイトには問い合わせず、Katahai が応答します。"),
    )
}

impl Explanation<'_> {
    pub(super) fn of_site(&self, host: &str) -> Step {
        let name = &self.site.config.name;
        let listed = self.site.config.all_hosts().any(|known| known == host);
        if listed {
            step(
                "site",
                format!("The host {host} belongs to the site \"{name}\"."),
                format!("ホスト {host} は、サイト「{name}」に属しています。"),
            )
        } else {
            step(
                "site",
                format!("No site lists the host {host}; \"{name}\" answers for all others (\"*\")."),
                format!(
                    "ホスト {host} の指定はなく、その他すべて（*）を受け持つサイト「{name}」が応答します。"
                ),
            )
        }
    }

    pub(super) fn of_page(&self) -> Step {
        let (key, session) = (self.ask.key(), self.ask.visitor == Visitor::Session);
        let (who, who_ja) = if session {
            ("somebody with a session", "ログイン中などの訪問者")
        } else {
            ("anybody", "一般の訪問者")
        };
        let (mut en, mut ja) = (
            format!("The page is {key}, requested by {who}."),
            format!("ページは {key}、アクセスするのは{who_ja}です。"),
        );
        if !self.ask.cacheable {
            en.push_str(" A route keeps its answers out of the cache.");
            ja.push_str("設定のルートにより、応答をキャッシュしません。");
        }
        if !self.ask.mirrorable {
            en.push_str(" A route keeps it out of snapshots.");
            ja.push_str("設定のルートにより、スナップショットに含めません。");
        }
        step("page", en, ja)
    }

    pub(super) fn of_cache(&self) -> Step {
        let age = |entry: &Entry| span(entry.age(self.now));
        let (en, ja) = match &self.looked.lookup {
            None => (
                "The cache is not used for such a request.".to_owned(),
                "このリクエストでは、キャッシュを使いません。".to_owned(),
            ),
            Some(Lookup::Fresh(entry)) => (
                format!("The cache has it, {} old and fresh.", age(entry)),
                format!("キャッシュに新しいものがあります（{}経過）。", age(entry)),
            ),
            Some(Lookup::Stale(entry)) => (
                format!("The cache has it, {} old and no longer fresh.", age(entry)),
                format!("キャッシュにありますが、期限を過ぎています（{}経過）。", age(entry)),
            ),
            Some(Lookup::Revalidate(entry)) if entry.may_stand_in(self.now) => (
                format!(
                    "The cache has it, {} old; the origin has to be asked before it is used.",
                    age(entry)
                ),
                format!("キャッシュにありますが（{}経過）、使う前にサーバーへの確認が必要です。", age(entry)),
            ),
            Some(Lookup::Revalidate(entry)) => (
                format!("The cache has it, {} old; the site forbids using it without asking.", age(entry)),
                format!(
                    "キャッシュにありますが（{}経過）、サイトの指定により、確認なしには使えません。",
                    age(entry)
                ),
            ),
            Some(Lookup::Otherwise(entry)) => (
                format!(
                    "The cache has it, {} old, for other sites' pages; the origin has to be asked whether this one may read it.",
                    age(entry)
                ),
                format!(
                    "キャッシュにありますが（{}経過）、別のサイトのページ用です。使う前にサーバーへの確認が必要です。",
                    age(entry)
                ),
            ),
            Some(Lookup::Nothing(_)) => {
                ("The cache does not have it.".to_owned(), "キャッシュにはありません。".to_owned())
            }
            Some(Lookup::Uncacheable) => (
                "The cache does not have it, and the last answer could not be kept.".to_owned(),
                "キャッシュにはなく、前回の応答も保存できないものでした。".to_owned(),
            ),
        };
        step("cache", en, ja)
    }

    pub(super) fn of_snapshot(&self, older: &[(SnapshotId, SystemTime)]) -> Step {
        let of = |page: &Ready| (page.of(), rfc3339(page.taken_at()), page.status.as_u16());
        let (mut en, mut ja) = match &self.looked.copies.page {
            None if self.site.mirror.current().is_none() => {
                ("There is no snapshot.".to_owned(), "スナップショットがありません。".to_owned())
            }
            None => {
                ("The snapshot does not have it.".to_owned(), "スナップショットにはありません。".to_owned())
            }
            Some((page, Nearness::Exact)) => {
                let (id, at, status) = of(page);
                (
                    format!("Snapshot {id} has it, taken at {at}, with the status {status}."),
                    format!("スナップショット {id} にあります（{at} 取得、ステータス {status}）。"),
                )
            }
            Some((page, Nearness::Near)) => {
                let (id, at, status) = of(page);
                (
                    format!(
                        "Snapshot {id} has only the page without its query, taken at {at}, with the status {status}; nothing on the site uses that query."
                    ),
                    format!(
                        "スナップショット {id} には、クエリーを除いたページだけがあります（{at} 取得、ステータス {status}）。"
                    ),
                )
            }
        };
        if let Some(meant) = &self.meant {
            en.push_str(&format!(" It has {meant}, which is the same page in another spelling."));
            ja.push_str(&format!("同じページが、別の書き方（{meant}）であります。"));
        }
        if let Some(shell) = &self.shell {
            en.push_str(&format!(
                " It has {shell}, which the site gives for every page that it does not have as a file."
            ));
            ja.push_str(&format!("サイトが、ファイルのないページすべてに返す {shell} があります。"));
        }
        if self.is_search {
            en.push_str(" It is a search by a form of the site, which the snapshot's index can answer.");
            ja.push_str("サイトの検索フォームによる検索で、スナップショットの索引から答えられます。");
        }
        if let [(id, at), rest @ ..] = older {
            let at = rfc3339(*at);
            en.push_str(&format!(" {} others have it, {id} of {at} for one.", rest.len() + 1));
            ja.push_str(&format!(
                "ほかに{}件のスナップショットにもあります（{id}、{at} など）。",
                rest.len() + 1
            ));
        }
        step("snapshot", en, ja)
    }

    pub(super) fn of_memo(&self) -> Option<Step> {
        match self.looked.mark {
            Mark::None => None,
            Mark::Bad(cause) => Some(step(
                "memo",
                format!(
                    "Its last answer was not the site's ({}): {} It is asked for again in the background.",
                    cause.code(),
                    cause.meaning().en
                ),
                format!(
                    "前回の応答は、このサイトのものではありませんでした（{}）。{}裏側で確認を続けています。",
                    cause.code(),
                    cause.meaning().ja
                ),
            )),
            Mark::Gone { status, since } => Some(step(
                "memo",
                format!("The site has removed it ({status}, seen at {}).", rfc3339(since.wall)),
                format!("サイトがこのページを削除しています（{status}、{} に確認）。", rfc3339(since.wall)),
            )),
        }
    }

    /// `fallback` is what those get who do not get the live site.
    pub(super) fn of_state(&self, fallback: Fallback) -> Step {
        let Situation { state, mode, .. } = self.looked.situation;
        let (mut en, mut ja) =
            (format!("The site is {}", state.as_str()), format!("サイトの状態は「{}」です", japanese(state)));
        if self.share < 1.0 {
            let share = (self.share * 100.0).round();
            let (others, others_ja) = words(self.given(fallback, None).from);
            en.push_str(&format!(": {share}% of visitors get the live site, the others {others}"));
            ja.push_str(&format!(
                "（訪問者の{share}%に元のサイト、ほかの方には{others_ja}をお見せしています）"
            ));
        }
        let word = match mode {
            Mode::Auto => None,
            Mode::HoldOrigin if self.ask.is_acme_challenge() => {
                en.push_str(", and challenges of certificate authorities always go to the origin");
                ja.push_str("。証明書の発行に使う確認用のアドレスは、常に元のサーバーに問い合わせます");
                None
            }
            Mode::HoldOrigin => Some(("the live site", "元のサイト")),
            Mode::HoldSnapshot if self.site.mirror.current().is_none() => {
                Some(("its copies, of which there are none", "コピー（まだありません）"))
            }
            Mode::HoldSnapshot => Some(("its copies", "コピー")),
        };
        if let Some((held, held_ja)) = word {
            en.push_str(&format!(", and the operator holds it on {held}"));
            ja.push_str(&format!("。管理者が{held_ja}に固定しています"));
        }
        step("state", en + ".", ja + "。")
    }

    pub(super) fn of_plan(&self, allowance: Option<Duration>, origins: &[String]) -> Step {
        let Some(wait) = allowance.map(millis) else {
            let why = match self.cause {
                _ if self.looked.situation.found == Found::Fresh
                    && self.plan == Plan::Give(Fallback::Copy(Copy::Fresh)) =>
                {
                    ("a fresh copy is at hand".to_owned(), "新しいコピーがあるため".to_owned())
                }
                Some(cause) => (cause.code().to_owned(), format!("{}そのため", cause.meaning().ja)),
                None => ("there is no need to".to_owned(), "必要がないため".to_owned()),
            };
            return step(
                "plan",
                format!("The origin is not asked: {}.", why.0),
                format!("{}、元のサーバーには問い合わせません。", why.1),
            );
        };
        let who = origins.join(", ");
        let patience = matches!(self.plan, Plan::Ask { wait: Wait::Patience, .. });
        let (for_, for_ja) = if patience {
            ("a visitor's patience", "コピーがあるときの待ち時間")
        } else {
            ("its time-out", "タイムアウト")
        };
        step(
            "plan",
            format!("The origin is asked ({who}), for up to {wait} ms ({for_})."),
            format!("元のサーバー（{who}）に問い合わせ、最長 {wait} ミリ秒待ちます（{for_ja}）。"),
        )
    }

    pub(super) fn of_answer(&self, answer: &Given, otherwise: Option<&Given>) -> Step {
        let (word, word_ja) = words(answer.from);
        let (mut en, mut ja) = (
            format!("The visitor gets {word} (Cache-Status: {})", answer.cache_status),
            format!("訪問者には{word_ja}が届きます（Cache-Status: {}）", answer.cache_status),
        );
        if let Some(given) = otherwise {
            let (word, word_ja) = words(given.from);
            en.push_str(&format!("; if no good answer comes in time, {word} ({})", given.cache_status));
            ja.push_str(&format!(
                "。時間内に正しい応答がなければ、{word_ja}になります（{}）",
                given.cache_status
            ));
        }
        step("answer", en + ".", ja + "。")
    }
}

fn step(step: &'static str, en: String, ja: String) -> Step {
    Step { step, en, ja }
}

fn japanese(state: State) -> &'static str {
    match state {
        State::Unproven => "確認中",
        State::Up => "正常",
        State::Degraded => "一部停止",
        State::Recovering => "復帰中",
        State::Down => "停止",
    }
}

fn words(from: &str) -> (&'static str, &'static str) {
    match from {
        "origin" => ("the live site's answer", "元のサイトの応答"),
        "cache" => ("the fresh copy of the cache", "キャッシュの新しいコピー"),
        "stale" => ("the last copy of the cache", "キャッシュの最後のコピー"),
        "snapshot" => ("the page of the snapshot", "スナップショットのページ"),
        "spelling" => ("a redirect to the spelling that has a copy", "コピーのある書き方へのリダイレクト"),
        "fallback-page" => (
            "the page that the site gives for all such addresses",
            "サイトがこのようなアドレスすべてに返すページ",
        ),
        "search" => ("what the snapshot's search index finds", "スナップショットの索引による検索結果"),
        "gone" => ("the answer that the page was removed", "ページが削除されたという応答"),
        _ => ("the holding page", "お知らせのページ"),
    }
}

fn span(time: Duration) -> String {
    humantime::format_duration(Duration::from_secs(time.as_secs())).to_string()
}
