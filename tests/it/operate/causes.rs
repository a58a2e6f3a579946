//! `docs/causes.md`: the reference page of causes, rules and refusals, made of the tables in the code. `UPDATE=1` rewrites it.

use std::fmt::Write as _;

use katahai::crawl::Refusal;
use katahai::crawl::gate::Rule;
use katahai::failure::{Cause, Whose};

/// The groups, by their first cause.
const GROUPS: [(Cause, &str, &str); 10] = [
    (Cause::NameNotFound, "The name of the site's server", "サーバーの名前（DNS）"),
    (Cause::DomainExpiring, "The site's domains", "サイトのドメイン"),
    (Cause::Refused, "The way to the server", "サーバーへの接続"),
    (Cause::CertificateExpired, "The server's certificate", "サーバーの証明書"),
    (Cause::Reset, "Answers that break", "途中で壊れる応答"),
    (Cause::ServerError, "Bad statuses", "異常なステータス"),
    (Cause::DatabaseError, "A wrong page", "別のページが返される"),
    (Cause::KnownDown, "What is known, and what the operator decided", "サーバーの状態と管理者の操作"),
    (Cause::Busy, "Katahai itself", "Katahai自身"),
    (Cause::Malformed, "The visitor's request", "訪問者のリクエスト"),
];

/// What has happened, and the causes that are told then.
type Row = (&'static str, &'static [Cause]);

/// Ways in which sites fail, by groups, and the causes that are told then.
const FAILURES: &[(&str, &[Row])] = &[
    (
        "process",
        &[
            ("connection refused", &[Cause::Refused]),
            ("reset on accept, or inside the header fields", &[Cause::Reset]),
            ("not HTTP at all", &[Cause::NotHttp]),
            ("accepts and never answers", &[Cause::Silent, Cause::ConnectTimeout]),
            ("header fields, then silence; half a body, then silence", &[Cause::BodyStalled, Cause::Silent]),
            ("half a body, then reset or close; a chunked body cut", &[Cause::BodyCut]),
            ("one byte a second", &[Cause::Slow, Cause::BodyStalled, Cause::Silent]),
            ("every answer seconds late", &[Cause::Slow, Cause::Silent]),
            ("no way to it", &[Cause::Unreachable]),
        ],
    ),
    (
        "status",
        &[
            ("500", &[Cause::ServerError]),
            ("502", &[Cause::BadGateway]),
            ("503 with Retry-After", &[Cause::Unavailable, Cause::Maintenance]),
            ("504", &[Cause::GatewayTimeout]),
            ("508, 509", &[Cause::HostingLimit]),
            ("520 to 530", &[Cause::CdnError]),
            ("403 everywhere", &[Cause::Forbidden]),
            ("404 everywhere", &[Cause::Missing, Cause::Emptied]),
            ("404 for assets only", &[Cause::AssetMissing]),
            ("500 on one branch of the site", &[Cause::ServerError]),
            ("another status that the configuration calls bad", &[Cause::BadStatus]),
        ],
    ),
    (
        "right status, wrong page",
        &[
            ("database error", &[Cause::DatabaseError]),
            ("empty page", &[Cause::EmptyPage]),
            ("page that ends in the middle", &[Cause::TruncatedPage]),
            ("PHP's fatal error", &[Cause::PhpError]),
            ("another program's error page", &[Cause::ApplicationError, Cause::GatewayError]),
            ("account suspended, quota used up", &[Cause::Suspended, Cause::QuotaExceeded]),
            ("default page of a server or a panel", &[Cause::DefaultPage, Cause::UnknownToHost]),
            ("directory listing", &[Cause::DirectoryListing]),
            ("defaced", &[Cause::Defaced]),
            ("parking page", &[Cause::Parking]),
            ("bot wall, CAPTCHA", &[Cause::BotWall]),
            ("redirect to another domain, by status, refresh, script or frame", &[Cause::ForeignRedirect]),
            ("one page for several addresses", &[Cause::Uniform]),
            ("no content, octets, a file of another kind where a page was", &[Cause::OddAnswer]),
            ("redirect to the very address that was asked for, or in a circle", &[Cause::RedirectLoop]),
            ("\"not found\" with the status of success", &[Cause::SoftMissing]),
            (
                "what the configuration expects or rejects",
                &[Cause::TextMissing, Cause::TextRejected, Cause::WrongPage],
            ),
        ],
    ),
    (
        "several origins",
        &[
            ("one of two dead, a tier dead", &[Cause::Refused, Cause::Silent]),
            ("one slow", &[Cause::Silent, Cause::Slow]),
            ("flapping", &[Cause::Flapping]),
            ("all drained", &[Cause::Drained]),
            ("an empty list", &[Cause::NoOrigin]),
        ],
    ),
    (
        "name",
        &[
            ("NXDOMAIN", &[Cause::NameNotFound]),
            ("SERVFAIL", &[Cause::NameServersFail]),
            ("no answer", &[Cause::NameServersSilent]),
            ("the record points at a parking host", &[Cause::NameMoved, Cause::Parking]),
        ],
    ),
    (
        "weeks before",
        &[
            ("a domain's registration ends", &[Cause::DomainExpiring, Cause::DomainExpired]),
            ("a domain suspended, or about to be deleted", &[Cause::DomainOnHold, Cause::ZoneGone]),
            (
                "a domain moved to strangers, or to a parking service",
                &[
                    Cause::DomainUnlocked,
                    Cause::NameServersChanged,
                    Cause::NameServersParked,
                    Cause::AddressesChanged,
                ],
            ),
            ("DNSSEC broken, or not renewed", &[Cause::DnssecBroken, Cause::DnssecExpiring]),
            ("the host gets slower or fails more often", &[Cause::OriginGettingWorse]),
            ("the disk fills", &[Cause::DiskFilling]),
            (
                "no new snapshot for long; one that lacks what visitors want",
                &[Cause::SnapshotOld, Cause::CoverageLow],
            ),
            ("the self-test finds that visitors would miss something", &[Cause::DrillFailed]),
            ("the clock goes wrong", &[Cause::ClockWrong]),
        ],
    ),
    (
        "TLS to the origin",
        &[
            ("expired, not yet valid", &[Cause::CertificateExpired, Cause::CertificateNotYetValid]),
            ("another host's", &[Cause::CertificateOfAnother]),
            ("self-signed", &[Cause::CertificateUntrusted]),
            ("handshake refused", &[Cause::TlsRefused]),
            ("about to expire", &[Cause::CertificateExpiring]),
            (
                "expired, with the pinned key; valid, with another key",
                &[Cause::CertificatePinned, Cause::CertificateKeyChanged],
            ),
        ],
    ),
    (
        "Katahai itself",
        &[
            ("killed, at whatever moment", &[Cause::UncleanStop]),
            ("started while the origin hangs", &[Cause::Unproven, Cause::Silent]),
            ("disk full", &[Cause::DiskFull]),
            ("a damaged copy", &[Cause::CopyDamaged]),
            ("the copies or their folder gone", &[Cause::CopiesGone, Cause::StateUnusable]),
            ("two instances on one state directory", &[Cause::StateShared]),
            ("two instances with one name in one store", &[Cause::InstanceNameShared]),
            ("the store does not take a kept form", &[Cause::FormsAlone]),
            ("no instance left that may crawl", &[Cause::NobodyCrawls]),
            ("a broken configuration, or one with unknown keys", &[Cause::ConfigurationRefused]),
            ("a certificate file gone", &[Cause::CertificateUnreadable]),
            (
                "the site's own certificate of another name, expired, about to expire",
                &[
                    Cause::SiteCertificateOfAnother,
                    Cause::SiteCertificateExpired,
                    Cause::SiteCertificateExpiring,
                ],
            ),
            ("the store gone", &[Cause::StoreUnusable, Cause::StoreBehind]),
            ("somebody else writes to the store", &[Cause::StoreRefused, Cause::StoreUnsigned]),
            ("alerts do not arrive", &[Cause::AlertsUndelivered]),
            ("a change of the configuration that takes a restart", &[Cause::RestartNeeded]),
            ("the clock set back", &[Cause::ClockMoved]),
        ],
    ),
    (
        "copies",
        &[
            (
                "a crawl while the site is suspended, emptied, defaced, behind a bot wall",
                &[Cause::Suspended, Cause::Emptied, Cause::Defaced, Cause::BotWall],
            ),
            ("a crawl cut short", &[Cause::BodyCut, Cause::Refused]),
        ],
    ),
    (
        "load",
        &[
            ("more than the origin can take", &[Cause::Busy, Cause::Slow, Cause::QueuedTooLong]),
            ("one client asks for too much at once", &[Cause::TooManyAtOnce, Cause::Busy]),
            ("no file descriptors left", &[Cause::DescriptorsOut]),
            (
                "slow or oversized header fields and bodies",
                &[
                    Cause::HeadersTooLarge,
                    Cause::BodyTooLarge,
                    Cause::BodyTooSlow,
                    Cause::Malformed,
                    Cause::VisitorGone,
                ],
            ),
            ("recovery with everybody waiting", &[Cause::Recovering]),
        ],
    ),
];

fn page() -> String {
    let mut page = String::from(
        "# Causes\n\n<!-- Made of the tables in the code; a test compares, and rewrites it with UPDATE=1. -->\n\n\
         Why an answer is not the site's, and what else may be wrong: each with its stable code, as in the status, the log, the \
         metrics and `Cache-Status`; whose turn it is; what it means, and what to do. 日本語は各項目の後半にあります。\n",
    );
    page.push_str("\n## By what has happened\n\n| group | what | causes |\n|---|---|---|\n");
    for (group, rows) in FAILURES {
        for (what, causes) in *rows {
            let links: Vec<String> =
                causes.iter().map(|cause| format!("[`{0}`](#{0})", cause.code())).collect();
            _ = writeln!(page, "| {group} | {what} | {} |", links.join(", "));
        }
    }
    page.push_str(
        "\nA crawl that meets such a site is kept from replacing the good copy by the [rules of the gate](#rules-of-the-gate); a page that \
         now needs a login, and a calendar without end, are [refused by the crawler](#what-the-crawler-does-not-keep).\n",
    );
    for &cause in Cause::ALL {
        if let Some((_, en, ja)) = GROUPS.iter().find(|(first, ..)| *first == cause) {
            _ = writeln!(page, "\n## {en}\n\n{ja}");
        }
        let (meaning, advice) = (cause.meaning(), cause.advice());
        let (whose, whose_ja) = whose(cause.whose());
        _ = writeln!(
            page,
            "\n### {}\n\n{} **What to do:** {} *({whose})*\n\n{}**対応：**{}（{whose_ja}）",
            cause.code(),
            meaning.en,
            advice.en,
            meaning.ja,
            advice.ja
        );
    }
    page.push_str("\n## Rules of the gate\n\nWhat a new snapshot must pass to be put in service.\n\n| code | what it asks for |\n|---|---|\n");
    for rule in Rule::ALL {
        _ = writeln!(page, "| `{}` | {} |", rule.code(), rule.sentence());
    }
    page.push_str("\n## What the crawler does not keep\n\n| code | why |\n|---|---|\n");
    for refusal in Refusal::ALL {
        _ = writeln!(page, "| `{}` | {} |", refusal.code(), refusal.sentence());
    }
    page.lines().map(wrapped).collect()
}

/// Columns of a line; a Japanese character takes two.
const COLUMNS: usize = 110;

/// A line of text broken after blanks and Japanese punctuation; a heading, a row of a table or a remark as it is.
fn wrapped(line: &str) -> String {
    let width = |text: &str| text.chars().map(|c| 1 + usize::from(!c.is_ascii())).sum::<usize>();
    let mut lines = vec![String::new()];
    let is_text = !line.starts_with(['|', '#', '<']);
    for word in line.split_inclusive(|c| is_text && matches!(c, ' ' | '、' | '。')) {
        let last = lines.last_mut().unwrap();
        match width(last) + width(word.trim_end()) > COLUMNS && !last.is_empty() {
            true => lines.push(word.to_owned()),
            false => last.push_str(word),
        }
    }
    lines.iter().map(|line| format!("{}\n", line.trim_end())).collect()
}

fn whose(whose: Whose) -> (&'static str, &'static str) {
    match whose {
        Whose::Visitor => ("the visitor's", "訪問者側"),
        Whose::Site => ("for whoever makes the site", "サイト制作・運用の担当者"),
        Whose::Host => ("for the host of the server", "サーバー・ホスティングの担当者"),
        Whose::Name => ("for whoever looks after the domain", "ドメイン・DNSの担当者"),
        Whose::Certificate => ("for whoever looks after the server's certificate", "証明書の担当者"),
        Whose::Operator => ("for Katahai's operator", "Katahaiの管理者"),
        Whose::Katahai => ("Katahai, or its machine", "Katahaiまたはそのマシン"),
    }
}

#[test]
fn the_page_is_what_the_tables_say() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/causes.md");
    let page = page();
    if std::env::var_os("UPDATE").is_some_and(|update| update == "1") {
        std::fs::write(file, &page).unwrap();
    }
    let written = std::fs::read_to_string(file).unwrap_or_default();
    assert!(written == page, "docs/causes.md is not what the tables say; UPDATE=1 rewrites it");
}

#[test]
fn every_cause_that_an_origin_or_katahai_can_have_is_in_the_table() {
    let told =
        |cause: &Cause| FAILURES.iter().any(|(_, rows)| rows.iter().any(|(_, all)| all.contains(cause)));
    let elsewhere = [
        Cause::KnownDown, // the memory of another cause
        Cause::Held,
        Cause::Loop,
        Cause::PrivateAddress,
        Cause::Internal,
        Cause::UnknownSite,
        Cause::MethodRefused,
        Cause::CodingRefused,
    ];
    let missing: Vec<&Cause> =
        Cause::ALL.iter().filter(|cause| !told(cause) && !elsewhere.contains(cause)).collect();
    assert!(missing.is_empty(), "{missing:?}");
    for (first, ..) in GROUPS {
        assert!(Cause::ALL.contains(&first));
    }
}
