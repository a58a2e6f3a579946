//! The lapsed domain, from the first warning to the report that is sent on: three weeks of warnings, three days without a name,
//! and the whole story on one page in both languages.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::real::mail::MailServer;
use crate::support::faults::{Instead, Refuse};
use crate::support::fixture::{self, SEEN, UNOPENED};
use crate::support::registry::{Registry, Zone, domain};
use crate::support::{Client, Config, Edge, Origin, Page, Site, eventually, secs};

const DOMAIN: &str = "example.com";
const SERVERS: &[&str] = &["ns1.example.net", "ns2.example.net"];
const LOCKED: &[&str] = &["client transfer prohibited"];
/// Where whoever has a lapsed domain lets it lead.
const PARKING: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 78);
const HOUR: u64 = 3600;
const DAY: u64 = 24 * HOUR;

/// All who have a part in it.
struct Story {
    origin: Origin,
    _parking: Origin,
    registry: Registry,
    receiver: Origin,
    mail: MailServer,
    edge: Edge,
    clock: PathBuf,
}

impl Story {
    async fn begin() -> Story {
        let (origin, receiver, mail) =
            (fixture::shop().await, Origin::start().await, MailServer::start(None).await);
        receiver.make(|_| Some(Page::html("ok")));
        let parking = Origin::start_at(SocketAddr::new(PARKING.into(), origin.addr().port())).await;
        let page = concat!(env!("CARGO_MANIFEST_DIR"), "/src/fingerprint/samples/parking/sedo.html");
        parking.fail(Instead(Page::html(std::fs::read(page).unwrap()))).await;
        let registry = Registry::start().await;
        registry.delegates(DOMAIN, Zone { servers: SERVERS.to_vec(), ..Zone::default() });
        registry.has(DOMAIN, &domain(DOMAIN, 21, LOCKED, SERVERS));
        let dir = tempfile::tempdir().unwrap();
        let clock = dir.path().join("clock");
        std::fs::write(&clock, "+0").unwrap();
        let site = Site::new()
            .set("hosts", ["www.example.com"])
            .set("standby_hosts", ["www.example.net"])
            .origin(&format!("http://origin.example.com:{}", origin.addr().port()));
        let config = Config::new(site)
            .form("path = \"/signup\"")
            .clock_in(&clock)
            .set("alerts.wait", "1s")
            .set("alerts.link", "https://ops.example.jp")
            .set_toml("alerts.webhook", format!("[\"{}/hook\"]", receiver.url()))
            .set("alerts.email.smtp", format!("smtp://127.0.0.1:{}", mail.port))
            .set("alerts.email.from", "Katahai <katahai@example.jp>")
            .set("alerts.email.to", ["owner@example.jp"]);
        let edge = Edge::start_in(dir, registry.watching(config)).await;
        edge.until_snapshot().await;
        edge.until("up").await;
        Story { origin, _parking: parking, registry, receiver, mail, edge, clock }
    }

    /// So long after the beginning, it is for everybody.
    fn is(&self, seconds: u64) {
        self.registry.ahead(seconds);
        let new = self.clock.with_extension("new");
        std::fs::write(&new, format!("+{seconds}")).unwrap();
        std::fs::rename(new, &self.clock).unwrap();
    }

    /// What was told of one of these causes, as an outage or as a condition.
    fn told(&self, (topic, codes): Told) -> Vec<Value> {
        let posts = self.receiver.asked_for("/hook").into_iter().filter(|asked| asked.method == "POST");
        let all = posts.map(|asked| serde_json::from_slice::<Value>(&asked.body).unwrap());
        let of_topic = all.filter(|message| message["topic"] == topic);
        of_topic.filter(|message| codes.iter().any(|code| message["cause"]["code"] == *code)).collect()
    }

    async fn until_told(&self, which: Told, events: &[&str]) -> Vec<Value> {
        let what = format!("{events:?} of {which:?}");
        eventually(&what, secs(60), async || {
            let told: Vec<Value> =
                self.told(which).into_iter().filter(|message| message["event"] != "still").collect();
            let found: Vec<&str> = told.iter().map(|message| message["event"].as_str().unwrap()).collect();
            (found == events).then(|| told.clone())
        })
        .await
    }

    /// A visitor who knows the other name.
    fn visitor(&self) -> Client {
        self.edge.client().host("www.example.net")
    }

    async fn gets_copies(&self) {
        for path in [SEEN, UNOPENED] {
            let answer = self.visitor().get(path).await;
            assert!(
                answer.status == 200 && answer.is_copy(),
                "{path}: {} {}",
                answer.status,
                answer.cache_status()
            );
        }
    }

    /// Waits until the disk has so many copies that visitors got, and so many restarts.
    async fn until_kept(&self, id: &str, copies: u64, restarts: usize) {
        let file = self.edge.state_dir().join("incidents").join(format!("{id}.json"));
        eventually(&format!("{copies} copies, {restarts} restarts"), secs(60), async || {
            let kept: Value = serde_json::from_slice(&std::fs::read(&file).ok()?).ok()?;
            let has = kept["timeline"].to_string().matches("\"restarted\"").count();
            (kept["served"]["snapshot"].as_u64()? >= copies && has == restarts).then_some(())
        })
        .await;
    }

    async fn incidents(&self) -> Vec<Value> {
        let list = self.edge.cli(&["incidents", "--json"]).await.must_be_ok().json();
        list["incidents"].as_array().unwrap().clone()
    }
}

/// A topic, and causes.
type Told = (&'static str, &'static [&'static str]);

const DOMAIN_ENDS: Told = ("condition", &["domain-expiring", "domain-expired"]);
const OUTAGE: Told = ("outage", &["name-moved", "parking", "recovering", "unproven", "known-down"]);

#[tokio::test(flavor = "multi_thread")]
async fn a_lapsed_domain_is_told_weeks_before_survived_for_days_and_reported_once() {
    let mut story = Story::begin().await;
    // three weeks before, and at each step
    let first = story.until_told(DOMAIN_ENDS, &["begin"]).await.remove(0);
    assert!(first["sites"][0]["detail"].as_str().unwrap().contains("(21 days left)"), "{first:#}");
    let mut events = vec!["begin"];
    for (days, left) in [(7, "13 days"), (14, "6 days"), (18, "2 days"), (20, "less than a day")] {
        story.is(days * DAY + 2 * HOUR);
        events.push("worse");
        let last = story.until_told(DOMAIN_ENDS, &events).await.pop().unwrap();
        let detail = last["sites"][0]["detail"].as_str().unwrap();
        assert!(detail.contains(left) && last["severity"] == "warn", "{detail}");
    }
    story.edge.until("up").await;
    // from here on hours pass for all of the process, and not for its calendar alone
    story.edge.restart_with(story.edge.config().time_in(&story.clock)).await;
    story.edge.until("up").await;

    // it ends, and somebody else's page is there
    story.registry.has(DOMAIN, &domain(DOMAIN, 21, &["client hold", LOCKED[0]], SERVERS));
    let servers = vec!["ns1.sedoparking.com"];
    story.registry.delegates(DOMAIN, Zone { servers, address: Some(PARKING), ..Zone::default() });
    story.origin.fail(Refuse).await;
    let lapsed = 21 * DAY + 2 * HOUR;
    story.is(lapsed);
    story.edge.until("down").await;
    events.push("worse");
    let ended = story.until_told(DOMAIN_ENDS, &events).await.pop().unwrap();
    assert_eq!((&ended["cause"]["code"], &ended["severity"]), (&"domain-expired".into(), &"page".into()));
    assert_eq!(ended["alert"], first["alert"], "the end of what was announced, and not another alert");
    let outage = story.until_told(OUTAGE, &["begin"]).await.remove(0);
    story.gets_copies().await;
    story.visitor().get("/never-there").await.must_be_holding_page();
    assert_eq!(story.visitor().post("/signup", "name=Abe").await.status, 202);
    let id = story.incidents().await[0]["id"].as_str().unwrap().to_owned();
    assert_eq!(outage["sites"][0]["incident"], *id);
    let link = format!("https://ops.example.jp/incidents/{id}");
    assert_eq!((&outage["report"], &outage["sites"][0]["report"]), (&(&*link).into(), &(&*link).into()));

    // three days, with a kill and a restart
    story.is(lapsed + 36 * HOUR);
    story.gets_copies().await;
    story.is(lapsed + 37 * HOUR);
    story.until_kept(&id, 4, 0).await;
    story.edge.kill();
    story.edge.restart().await;
    story.edge.until("down").await;
    story.gets_copies().await;
    story.until_kept(&id, 4, 1).await;
    story.is(lapsed + 72 * HOUR);
    story.gets_copies().await;
    story.edge.sigterm();
    assert_eq!(story.edge.exit_code(secs(30)).await, Some(0));
    story.edge.restart().await;
    let words = ["incidents", "ack", &*id, "--by", "Sato", "--note", "The renewal is ordered."];
    story.edge.cli(&words).await.must_be_ok();

    // renewed
    story.registry.has(DOMAIN, &domain(DOMAIN, 21 + 365, LOCKED, SERVERS));
    story.registry.delegates(DOMAIN, Zone { servers: SERVERS.to_vec(), ..Zone::default() });
    story.origin.heal().await;
    story.edge.until("up").await;
    let over = story.until_told(OUTAGE, &["begin", "over"]).await.pop().unwrap();
    assert_eq!(over["report"], *link);
    events.push("over");
    story.until_told(DOMAIN_ENDS, &events).await;
    let all = story.incidents().await;
    assert!(all.len() == 1 && all[0]["id"] == *id && all[0]["state"] == "closed", "one incident: {all:#?}");
    told_as_a_report(&story, &id).await;
    mailed_once(&mut story, &id, lapsed + 72 * HOUR).await;
}

async fn told_as_a_report(story: &Story, id: &str) {
    let english = story.edge.cli(&["report", id, "--lang", "en"]).await.must_be_ok().out.replace('\\', "");
    let japanese = story.edge.cli(&["report", id, "--lang", "ja"]).await.must_be_ok().out.replace('\\', "");
    if let Some(folder) = std::env::var_os("REPORTS") {
        std::fs::write(PathBuf::from(&folder).join("lapsed.en.md"), &english).unwrap();
        std::fs::write(PathBuf::from(&folder).join("lapsed.ja.md"), &japanese).unwrap();
        for lang in ["en", "ja"] {
            let file = PathBuf::from(&folder).join(format!("lapsed.{lang}.html"));
            let out = file.display().to_string();
            story.edge.cli(&["report", id, "--lang", lang, "-o", &out]).await.must_be_ok();
        }
    }
    for words in [
        "# Outage report: www.example.com",
        "www.example.com was out from ",
        ": for 3 days",
        "The registration of the domain example.com ended on ",
        "It was announced: the first warning was sent on ",
        ", 21 days before",
        "suddenly points to other addresses",
        "Visitors went on getting its pages from saved copies (8 times)",
        "for some pages there was none (1 time)",
        "What they sent by forms was kept (1 time).",
        "held the domain example.com back (client hold)",
        "led to the name servers of a parking service (ns1.sedoparking.com)",
        "/never-there",
        "Sato acknowledged the outage: The renewal is ordered.",
        "The monitoring was restarted after ",
        "Is the domain paid for, and until when?",
        "The warnings came in time, and nobody acted on them",
        "Let the domain renew automatically",
    ] {
        assert!(english.contains(words), "{words}: {english}");
    }
    for other in ["The hosting company", "key pages"] {
        assert!(!english.contains(other), "{other}: {english}");
    }
    for words in [
        "# www.example.com 障害報告書",
        "から",
        "継続時間3日",
        "ドメインexample.comの登録は、更新されないまま",
        "最初の警告は21日前（",
        "この間、訪問者には保存してあるページを表示しました",
        "フォームからの送信はお預かりしました（1回）",
        "停止されていました（client hold）",
        "パーキングサービスのネームサーバーに向けられていました（ns1.sedoparking.com）",
        "Satoが障害を確認しました：The renewal is ordered.",
        "ドメインの契約は有効ですか",
        "警告は事前に届いていましたが",
        "ドメインは自動更新にし",
    ] {
        assert!(japanese.contains(words), "{words}: {japanese}");
    }
}

/// A letter as its reader's program shows it: subject, text, and the files with their names.
fn opened(letter: &str) -> Value {
    let script = "import email, email.policy, json, sys\n\
        message = email.message_from_string(sys.stdin.read().split('\\n', 1)[1], policy=email.policy.default)\n\
        files = {part.get_filename(): part.get_content() for part in message.iter_attachments()}\n\
        files = {name: file if isinstance(file, str) else file.decode() for name, file in files.items()}\n\
        print(json.dumps({'subject': message['subject'], 'text': message.get_body(('plain',)).get_content(), 'files': files}))";
    let mut python = Command::new("/usr/bin/python3")
        .args(["-c", script])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    std::io::Write::write_all(&mut python.stdin.take().unwrap(), letter.as_bytes()).unwrap();
    let out = python.wait_with_output().unwrap();
    serde_json::from_slice(&out.stdout).unwrap_or_else(|error| panic!("{error}: {letter}"))
}

/// The report comes by mail once it is certain that the outage is over, and over a kill once.
async fn mailed_once(story: &mut Story, id: &str, now: u64) {
    let reports = |story: &Story| {
        let is_one = |letter: &String| letter.contains("Message-ID: <report-");
        story.mail.taken().into_iter().filter(is_one).collect::<Vec<String>>()
    };
    assert!(reports(story).is_empty(), "the outage may still go on");
    story.is(now + 660);
    let letter = eventually("the report by mail", secs(60), async || reports(story).pop()).await;
    let letter = opened(&letter);
    let text = letter["text"].as_str().unwrap();
    // in the language of the shop
    assert_eq!(letter["subject"], "[Katahai] www.example.com 障害報告書");
    for words in [
        "継続時間3日",
        "最初の警告は21日前",
        "■ 確認していただきたいこと",
        "フォームからの送信はお預かりしました",
    ] {
        assert!(text.contains(words), "{words}: {text}");
    }
    let page = letter["files"][format!("{id}.html")].as_str().expect("the report as a file");
    assert!(page.contains("<html lang=\"ja\">") && page.contains("ドメインexample.comの登録は"), "{page}");
    let noted = async || {
        let file = story.edge.state_dir().join("incidents").join(format!("{id}.json"));
        let kept: Value = serde_json::from_slice(&std::fs::read(file).ok()?).ok()?;
        kept["reported"].is_string().then_some(())
    };
    eventually("a note that it was mailed", secs(20), noted).await;
    story.edge.kill();
    story.edge.restart().await;
    story.edge.until("up").await;
    story.is(now + 2 * HOUR);
    story.edge.until_logged(&["condition begins"]).await;
    // what was in flight when the clock jumped may have timed out by that
    eventually("a test message", secs(60), async || {
        (story.edge.cli(&["alerts", "test"]).await.code == 0).then_some(())
    })
    .await;
    assert_eq!(reports(story).len(), 1, "once");
}
