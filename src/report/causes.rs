//! What a cause means to somebody who has a site, and not what stands in front of it.

use crate::failure::{Cause, Text, Whose};

/// What the operator is told otherwise: the causes, and their meaning to others.
const OURS: &[(&[Cause], Text)] = &[
    (
        &[Cause::BadStatus],
        Text {
            en: "The site answers with a status that stands for an error.",
            ja: "サイトが、エラーを表すステータスを返しています。",
        },
    ),
    (&[Cause::KnownDown], Text { en: "The site's server is out.", ja: "サイトのサーバーが停止しています。" }),
    (
        &[Cause::Flapping],
        Text {
            en: "The site's server keeps going down and coming back.",
            ja: "サイトのサーバーが、復旧と停止を繰り返しています。",
        },
    ),
    (
        &[Cause::Unproven],
        Text {
            en: "The monitoring has just started and does not know yet whether the site's server answers.",
            ja: "監視を始めた直後のため、サイトのサーバーの状態をまだ確認できていません。",
        },
    ),
    (
        &[Cause::Slow],
        Text {
            en: "The site's server took longer to answer than visitors are made to wait.",
            ja: "サーバーの応答に、訪問者をお待たせできる時間を超える時間がかかりました。",
        },
    ),
    (
        &[Cause::NoOrigin, Cause::Drained],
        Text {
            en: "No server is in use for the site at the moment.",
            ja: "現在、サイトに使用できるサーバーが設定されていません。",
        },
    ),
    (
        &[Cause::Held],
        Text {
            en: "The live site was switched off by hand. Visitors get a saved copy of each page that has one.",
            ja: "手動の操作により、通常のサイトを表示しない設定です。コピーのあるページは、コピーを表示しています。",
        },
    ),
    (
        &[Cause::Loop],
        Text {
            en: "The address that is set for the site's server does not lead to the server.",
            ja: "サイトのサーバーとして設定されたアドレスが、サーバーにつながっていません。",
        },
    ),
    (
        &[Cause::PrivateAddress],
        Text {
            en: "A file that pages need is on a server that cannot be reached from outside.",
            ja: "ページに必要なファイルが、外部から接続できないサーバーにあります。",
        },
    ),
    (
        &[Cause::TextMissing],
        Text {
            en: "Pages lack a text that always stands on them.",
            ja: "ページにあるはずの文字列が、表示されていません。",
        },
    ),
    (
        &[Cause::TextRejected],
        Text {
            en: "Pages contain a text that must not stand on them.",
            ja: "ページに、あってはならない文字列が表示されています。",
        },
    ),
    (
        &[Cause::BotWall],
        Text {
            en: "A protection in front of the site's server shows a test (a CAPTCHA) instead of the page.",
            ja: "サイトの前段の防御機能が、ページの代わりに確認画面（CAPTCHAなど）を返しています。",
        },
    ),
    (
        &[Cause::OddAnswer],
        Text {
            en: "Where there was a page, the server answers with something that cannot be one: no content, part of a file, binary \
             data, a download, or a redirect without a target.",
            ja: "ページのあった場所で、サーバーがページではないもの（空の応答、ファイルの一部、バイナリデータ、ダウンロード用ファイル、行き先のない転送）を返しています。",
        },
    ),
    (
        &[Cause::NameMoved],
        Text {
            en: "The name of the site's server suddenly points to other addresses, and what answers there is not the site.",
            ja: "サイトのサーバーの名前が突然別のアドレスを指すようになり、その先にあるのはこのサイトではありません。",
        },
    ),
    (
        &[Cause::Refused],
        Text {
            en: "The site's server refuses connections. The machine is on, but its web server is not running, or a firewall blocks \
             the connection.",
            ja: "サイトのサーバーが接続を拒否しています。マシンは動いていますが、Webサーバーが停止しているか、ファイアウォールで遮断されています。",
        },
    ),
    (
        &[Cause::CertificateKeyChanged],
        Text {
            en: "The certificate of the site's server is valid, but its key is another one than before. Either it was renewed with a \
             new key, or somebody else answers.",
            ja: "サイトのサーバーの証明書は有効ですが、鍵がこれまでと異なります。新しい鍵で更新されたか、第三者が応答している可能性があります。",
        },
    ),
    (
        &[Cause::CertificatePinned],
        Text {
            en: "The certificate of the site's server is no longer valid.",
            ja: "サイトのサーバーの証明書が有効ではなくなっています。",
        },
    ),
    (
        &[Cause::CertificateExpiring],
        Text {
            en: "The certificate of the site's server expires soon. After that, no browser connects to that server.",
            ja: "サイトのサーバーの証明書の期限が近づいています。期限を過ぎると、ブラウザーはそのサーバーに接続しません。",
        },
    ),
    (
        &[Cause::AddressesChanged],
        Text {
            en: "A host name of the site leads to other addresses than before, or to none. Visitors may reach another server.",
            ja: "サイトのホスト名の向き先のIPアドレスが以前と異なるか、なくなっています。訪問者が別のサーバーに接続している可能性があります。",
        },
    ),
];

/// Of what is wrong in front of the site.
const NOT_THE_SITE: Text = Text {
    en: "There was trouble with the service in front of the site; the site itself was not the reason.",
    ja: "サイトの前段のサービスに問題がありました。サイト自体が原因ではありません。",
};

/// In plain words.
pub(super) fn meaning(cause: Cause) -> Text {
    let ours = OURS.iter().find(|(causes, _)| causes.contains(&cause));
    match (ours, cause.whose()) {
        (Some((_, text)), _) => *text,
        (None, Whose::Katahai | Whose::Operator) => NOT_THE_SITE,
        (None, Whose::Visitor | Whose::Site | Whose::Host | Whose::Name | Whose::Certificate) => {
            cause.meaning()
        }
    }
}

/// What was seen, if it says something to others: a status, an address or a name.
pub(super) fn detail(seen: &str) -> Option<&str> {
    let is_plain = |word: &str| {
        let is_status = word.len() == 3 && word.bytes().all(|b| b.is_ascii_digit());
        let is_host = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | ':');
        let is_name = word.contains('.') && word.chars().all(is_host) && !word.ends_with(['.', ':', '-']);
        is_status
            || is_name
            || word.parse::<std::net::SocketAddr>().is_ok()
            || word.parse::<std::net::IpAddr>().is_ok()
    };
    let mut words = seen.split([' ', ',']).filter(|word| !word.is_empty()).peekable();
    (words.peek().is_some() && words.all(is_plain)).then_some(seen)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::Side;

    #[test]
    fn no_cause_of_an_outage_is_told_in_words_of_ours() {
        let ours = [
            "Katahai",
            "origin",
            "configuration",
            "snapshot",
            "expect_text",
            "pinned",
            "\"drain",
            "hold_",
            "pin）",
        ];
        for &cause in Cause::ALL.iter().filter(|cause| cause.side() != Side::Visitor) {
            let told = meaning(cause);
            for word in ours {
                assert!(!told.en.contains(word) && !told.ja.contains(word), "{}: {word}", cause.code());
            }
        }
    }

    #[test]
    fn a_detail_is_a_status_an_address_or_a_name() {
        for plain in [
            "503",
            "203.0.113.10:443",
            "[2001:db8::1]:443",
            "2001:db8::1",
            "www.example.jp",
            "192.0.2.1, 192.0.2.2",
        ] {
            assert_eq!(detail(plain), Some(plain));
        }
        for ours in [
            "",
            "WordPress: no database",
            "fingerprint parked-page",
            "connection refused (os error 111)",
            "it names /a.js.",
        ] {
            assert_eq!(detail(ours), None);
        }
    }
}
