//! What can be wrong with the store, in one closed list: a stable code, and in both languages what it means and what to do.

use crate::failure::{Text, chain};

macro_rules! faults {
    ($($(#[$doc:meta])* $name:ident: $code:literal, $meaning:literal, $advice:literal, $ja:literal, $ja_advice:literal;)+) => {
        /// A kind of trouble with the store.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum FaultKind { $($(#[$doc])* $name,)+ }

        impl FaultKind {
            /// Every kind, in the table's order.
            pub const ALL: &'static [FaultKind] = &[$(FaultKind::$name,)+];

            /// The stable code: in the status, the log, the metric's label.
            pub fn code(self) -> &'static str { match self { $(FaultKind::$name => $code,)+ } }

            /// What it means.
            pub fn meaning(self) -> Text { match self { $(FaultKind::$name => Text { en: $meaning, ja: $ja },)+ } }

            /// What to do.
            pub fn advice(self) -> Text { match self { $(FaultKind::$name => Text { en: $advice, ja: $ja_advice },)+ } }
        }
    };
}

faults! {
    /// Nothing answers.
    Unreachable: "store-unreachable",
        "The store does not answer.",
        "Check the network, and \"endpoint\" in [store]. Katahai tries again by itself.",
        "ストアが応答しません。",
        "ネットワークと [store] の endpoint をご確認ください。Katahaiは自動的に再試行します。";
    /// It answers that it has too much to do.
    Busy: "store-busy",
        "The store answers that it has too much to do, or has an error of its own.",
        "Wait; Katahai tries again by itself. If it lasts, ask the store's provider.",
        "ストアが過負荷、または内部エラーを返しています。",
        "しばらくお待ちください。自動的に再試行します。続く場合はストアの提供元にお問い合わせください。";
    /// Nobody said who asks.
    NoCredentials: "store-no-credentials",
        "There are no credentials for the store.",
        "Name a file with them: credentials_file in [store], with lines such as AWS_ACCESS_KEY_ID=… and AWS_SECRET_ACCESS_KEY=…, or set these in the environment.",
        "ストアの認証情報がありません。",
        "[store] の credentials_file に、AWS_ACCESS_KEY_ID=… と AWS_SECRET_ACCESS_KEY=… を書いたファイルを指定するか、環境変数で設定してください。";
    /// It does not know the key, or the signature is wrong.
    WrongKey: "store-wrong-key",
        "The store refuses the credentials: it does not know the key, or the secret does not go with it.",
        "Copy both again from the store's console, without spaces around them.",
        "ストアが認証情報を拒否しました（キーが不明、またはシークレットが一致しません）。",
        "ストアの管理画面からキーとシークレットをもう一度コピーしてください（前後の空白にご注意ください）。";
    /// The key may not do this.
    Forbidden: "store-forbidden",
        "The store knows the key but forbids what Katahai needs.",
        "Allow the key to read, write, list and delete objects below the prefix.",
        "ストアはキーを認識しましたが、必要な操作を許可していません。",
        "プレフィックス以下のオブジェクトの読み取り・書き込み・一覧・削除をキーに許可してください。";
    /// There is no such bucket.
    NoBucket: "store-no-bucket",
        "The store has no bucket of this name.",
        "Make the bucket, or correct \"url\", \"endpoint\" or \"region\" in [store].",
        "この名前のバケットがストアにありません。",
        "バケットを作成するか、[store] の url、endpoint、region を修正してください。";
    /// The bucket is in another region.
    WrongRegion: "store-wrong-region",
        "The bucket is in another region than the one that Katahai asks.",
        "Correct \"region\" in [store].",
        "バケットが、問い合わせ先とは別のリージョンにあります。",
        "[store] の region を修正してください。";
    /// The clock of this machine is wrong.
    ClockSkew: "store-clock-skew",
        "The store refuses the request because this machine's clock is wrong.",
        "Set the clock by NTP.",
        "このサーバーの時計がずれているため、ストアが要求を拒否しました。",
        "NTPで時計を合わせてください。";
    /// It ignores or refuses the conditions of a write.
    NoConditions: "store-no-conditional-writes",
        "The store does not honour conditional writes (If-None-Match, If-Match), so two instances could overwrite each other.",
        "Use a store that has them (Amazon S3, Google Cloud Storage, Azure, Garage from 2.3, MinIO, Cloudflare R2, Ceph from Squid), or a newer version.",
        "ストアが条件付き書き込み（If-None-Match、If-Match）に対応していないため、複数のインスタンスが互いに上書きするおそれがあります。",
        "対応しているストア（Amazon S3、Google Cloud Storage、Azure、MinIO、Cloudflare R2 など）か、新しい版をお使いください。";
    /// A folder cannot be used.
    Folder: "store-folder",
        "The folder of the store cannot be used.",
        "Check that it is mounted, and that Katahai's user may write to it.",
        "ストアのフォルダーを使用できません。",
        "マウントされているか、Katahaiの実行ユーザーに書き込み権限があるかをご確認ください。";
    /// The keys cannot be read.
    NoKey: "store-no-key",
        "The keys that sign what lies in the store cannot be read, so the store is not used.",
        "Check \"key_file\" in [store]: a file of \"katahai key new\", the same on all instances, that only Katahai's user may read.",
        "ストアの内容に署名するための鍵を読み取れないため、ストアを使用していません。",
        "[store] の key_file をご確認ください（「katahai key new」で作成したファイルを全インスタンスで共有し、Katahaiの実行ユーザーだけが読み取れるようにしてください）。";
    /// What is in it is not what was put there.
    Damaged: "store-damaged",
        "What the store gives is not what was put there.",
        "Nothing of it is used. An instance that has the right content puts it there again; if it lasts, somebody else writes to the bucket.",
        "ストアの内容が、保存したものと異なります。",
        "該当の内容は使用されません。正しい内容を持つインスタンスが保存し直します。続く場合は、第三者がバケットに書き込んでいる可能性があります。";
    /// Anything else.
    Other: "store-failed",
        "The store refuses the request.",
        "The log has its answer.",
        "ストアが要求を拒否しました。",
        "詳細はログをご覧ください。";
}

/// The store did not do what was asked of it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}: {}", kind.code(), detail)]
pub struct StoreFault {
    /// Of what kind it is.
    pub kind: FaultKind,
    /// What the store said, for the log. Without credentials.
    pub detail: String,
}

impl StoreFault {
    /// A fault with what is known of it.
    pub fn new(kind: FaultKind, detail: impl Into<String>) -> StoreFault {
        StoreFault { kind, detail: detail.into() }
    }

    /// What an error of the library means.
    pub(super) fn of(error: &object_store::Error) -> StoreFault {
        let detail = chain(error);
        StoreFault { kind: kind_of(error, &detail), detail: shortened(detail) }
    }
}

/// Stores say what they mean in the code of their answer, which the library passes on in its text.
const SAID: [(&str, FaultKind); 17] = [
    ("RequestTimeTooSkewed", FaultKind::ClockSkew),
    ("RequestExpired", FaultKind::ClockSkew),
    ("InvalidAccessKeyId", FaultKind::WrongKey),
    ("SignatureDoesNotMatch", FaultKind::WrongKey),
    ("AuthenticationFailed", FaultKind::WrongKey),
    ("InvalidToken", FaultKind::WrongKey),
    ("ExpiredToken", FaultKind::WrongKey),
    ("NoSuchBucket", FaultKind::NoBucket),
    ("ContainerNotFound", FaultKind::NoBucket),
    ("AuthorizationHeaderMalformed", FaultKind::WrongRegion),
    ("PermanentRedirect", FaultKind::WrongRegion),
    ("incorrectly configured region", FaultKind::WrongRegion),
    ("NotImplemented", FaultKind::NoConditions),
    ("SlowDown", FaultKind::Busy),
    ("ServerBusy", FaultKind::Busy),
    ("AccessDenied", FaultKind::Forbidden),
    ("MissingAuthenticationToken", FaultKind::NoCredentials),
];

fn kind_of(error: &object_store::Error, detail: &str) -> FaultKind {
    use object_store::Error;
    if let Some((_, kind)) = SAID.iter().find(|(said, _)| detail.contains(said)) {
        return *kind;
    }
    let is_permission = matches!(error, Error::PermissionDenied { .. });
    let says = |words: &[&str]| words.iter().any(|word| detail.contains(word));
    if says(&["os error"]) && (is_permission || says(&["LocalFileSystem"])) {
        FaultKind::Folder
    } else if is_permission {
        FaultKind::Forbidden
    } else if matches!(error, Error::Unauthenticated { .. }) {
        FaultKind::WrongKey
    } else if matches!(error, Error::NotImplemented { .. } | Error::NotSupported { .. }) {
        FaultKind::NoConditions
    } else if says(&["169.254.", "metadata.google"]) {
        FaultKind::NoCredentials
    } else if says(&["HTTP error"]) {
        FaultKind::Unreachable
    } else if says(&["status code: 5", "status code: 429"]) {
        FaultKind::Busy
    } else {
        FaultKind::Other
    }
}

/// In one line, and no longer than a line of a log may be.
fn shortened(text: String) -> String {
    const MOST: usize = 500;
    let mut line: String = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.len() > MOST {
        line.truncate(line.floor_char_boundary(MOST));
        line.push('…');
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(said: &str) -> FaultKind {
        let source = Box::new(std::io::Error::other(said.to_owned()));
        StoreFault::of(&object_store::Error::Generic { store: "S3", source }).kind
    }

    #[test]
    fn what_a_store_says_has_a_meaning() {
        for (said, kind) in [
            ("<Code>RequestTimeTooSkewed</Code>", FaultKind::ClockSkew),
            ("<Code>SignatureDoesNotMatch</Code>", FaultKind::WrongKey),
            ("<Code>NoSuchBucket</Code>", FaultKind::NoBucket),
            ("<Code>AccessDenied</Code>", FaultKind::Forbidden),
            ("non-2xx status code: 503 Service Unavailable", FaultKind::Busy),
            ("GET http://169.254.169.254/latest: HTTP error: timed out", FaultKind::NoCredentials),
            ("HTTP error: refused", FaultKind::Unreachable),
            ("something else", FaultKind::Other),
        ] {
            assert_eq!(fault(said), kind, "{said}");
        }
    }

    #[test]
    fn codes_are_told_apart_and_said_in_both_languages() {
        let codes: std::collections::HashSet<_> = FaultKind::ALL.iter().map(|kind| kind.code()).collect();
        assert_eq!(codes.len(), FaultKind::ALL.len());
        for kind in FaultKind::ALL {
            let texts = [kind.meaning().en, kind.meaning().ja, kind.advice().en, kind.advice().ja];
            assert!(kind.code().starts_with("store-") && texts.iter().all(|text| !text.is_empty()));
        }
    }

    #[test]
    fn a_long_answer_is_one_line() {
        assert_eq!(shortened("a\n  b".to_owned()), "a b");
        let long = shortened("あ".repeat(400));
        assert!(long.len() < 510 && long.ends_with('…'));
    }
}
