//! A new configuration while the old one serves: nothing is dropped, nothing is forgotten, and what is wrong is
//! refused with every reason while the old one goes on.

use crate::support::faults::Refuse;
use crate::support::fixture::{self, FOUR, SEEN};
use crate::support::load::{Load, any_200};
use crate::support::{Config, Edge, Page, Site, eventually, ms, secs};

#[tokio::test]
async fn every_way_to_reload_does_the_same() {
    let origin = fixture::shop().await;
    let mut edge = Edge::start(Config::before(&origin.url())).await;
    for (n, way) in ["SIGHUP", "katahai reload", "the API"].into_iter().enumerate() {
        let host = format!("added{n}.example.test");
        assert_eq!(edge.client().host(&host).get(SEEN).await.status, 421, "{way}");
        edge.write(Config::before(&origin.url()).site("hosts", ["www.example.test", &*host]));
        match way {
            "SIGHUP" => edge.sighup(),
            "the API" => assert_eq!(edge.reload().await.status / 100, 2),
            _ => drop(edge.cli(&["reload"]).await.must_be_ok()),
        }
        eventually(&format!("the new host by {way}"), secs(5), async || {
            (edge.client().host(&host).get(SEEN).await.status == 200).then_some(())
        })
        .await;
        edge.get(SEEN).await.must_be(&origin.content(SEEN).body);
    }
}

#[tokio::test]
async fn a_bad_file_is_refused_with_every_reason() {
    let origin = fixture::shop().await;
    let edge = Edge::start(Config::before(&origin.url())).await;
    let text = edge.config().site("failover.pateince", "1s").site("health.interval", "often").toml();
    edge.write_text(&text);
    let said = edge.cli(&["reload"]).await;
    assert_ne!(said.code, 0);
    for reason in ["pateince", "patience", "often"] {
        assert!(said.err.contains(reason), "{reason} is not in {}", said.err);
    }
    let answer = edge.reload().await;
    assert_eq!(answer.status, 422, "{}", answer.text());
    assert!(answer.text().contains("pateince") && answer.text().contains("often"), "{}", answer.text());
    edge.write_text("not TOML at all [");
    assert_eq!(edge.reload().await.status, 422);
    let before = edge.log().len();
    edge.sighup();
    eventually("a line about it", secs(5), async || (edge.log().len() > before).then_some(())).await;
    edge.get(SEEN).await.must_be(&origin.content(SEEN).body);
    assert_eq!(edge.state().await, "up");
}

#[tokio::test]
async fn a_file_for_which_no_descriptor_is_left_is_not_refused_and_is_read_later() {
    use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit};
    let origin = fixture::shop().await;
    let mut edge = Edge::start(Config::before(&origin.url())).await;
    edge.until_snapshot().await;
    let pid = Pid::from_raw(edge.pid() as i32);
    let before = getrlimit(Resource::Nofile);
    let allow =
        |current| prlimit(pid, Resource::Nofile, Rlimit { current, maximum: before.maximum }).unwrap();
    allow(Some(3));
    edge.write(Config::before(&origin.url()).site("hosts", ["www.example.test", "late.example.test"]));
    edge.sighup();
    let said = eventually("a line about it", secs(20), async || {
        edge.log().into_iter().find(|line| line.contains("no file descriptor left to read a file"))
    })
    .await;
    assert!(said.contains("nothing has changed") && said.contains("Too many open files"), "{said}");
    tokio::time::sleep(secs(1)).await; // whatever else looks at files meanwhile
    allow(before.current);
    eventually("the new host, without another word", secs(30), async || {
        (edge.client().host("late.example.test").get(SEEN).await.status == 200).then_some(())
    })
    .await;
    let log = edge.log();
    let wrong = ["refused, the one in use", "damaged", "state-unusable", "configuration-refused"];
    assert!(!log.iter().any(|line| wrong.iter().any(|wrong| line.contains(wrong))), "{}", log.join("\n"));
}

#[tokio::test]
async fn what_runs_is_found_by_a_file_that_somebody_is_at_work_on() {
    let origin = fixture::shop().await;
    let edge = Edge::start(Config::before(&origin.url())).await;
    let config = edge.config().set("listen.admin", edge.admin_addr().to_string());
    edge.write_text(&config.set("limits.connections", 0).site("failover.pateince", "1s").toml());
    edge.cli_offline(&["status"]).await.must_be_ok();
    let said = edge.cli_offline(&["reload"]).await;
    assert_eq!(said.code, 1, "{}{}", said.out, said.err);
    for problem in ["pateince", "limits.connections"] {
        assert!(said.err.contains(problem), "{problem}: {}", said.err);
    }
}

#[tokio::test]
async fn a_certificate_that_is_gone_leaves_the_old_one_serving() {
    let authority = crate::support::certs::Authority::new();
    let origin = fixture::shop().await;
    let dir = tempfile::tempdir().unwrap();
    let (cert, key) = authority.leaf("www.example.test").write(dir.path(), "www");
    let config = Config::before(&origin.url())
        .set("listen.https", ["127.0.0.1:0"])
        .site("tls.cert", cert.display().to_string())
        .site("tls.key", key.display().to_string());
    let edge = Edge::start_in(dir, config).await;
    let tls = edge.tls(authority.roots());
    tls.get(SEEN).await.must_be(&origin.content(SEEN).body);
    std::fs::remove_file(cert).unwrap();
    edge.reload().await;
    tls.get(SEEN).await.must_be(&origin.content(SEEN).body);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_reloads_under_load_fail_no_request() {
    let _alone = crate::support::turn::alone();
    let origin = fixture::shop().await;
    let kept = Page::html("kept").header("cache-control", "max-age=600");
    origin.page("/kept", kept);
    let config = Config::before(&origin.url());
    let mut edge = Edge::start(config.clone()).await;
    edge.until_snapshot().await;
    edge.until("up").await;
    edge.get("/kept").await.must_be(b"kept");
    let snapshot = edge.snapshot_id().await;
    let mut targets: Vec<String> = FOUR.map(str::to_owned).to_vec();
    targets.push("/kept".into());
    let load = Load::start(edge.client(), 200, targets, any_200());
    for n in 0..100_u32 {
        let flowing = (n as usize + 1) * 5;
        eventually("requests between the reloads", secs(10), async || (load.done() >= flowing).then_some(()))
            .await;
        // every other one changes something real
        edge.write(config.clone().site("failover.timeout", format!("{}ms", 2000 + n / 2)));
        if n % 10 == 0 {
            edge.sighup();
        } else {
            let answer = edge.reload().await;
            assert_eq!(answer.status / 100, 2, "{}", answer.text());
        }
        let site = edge.site().await;
        assert_eq!(site["state"], "up", "reload {n}");
        assert_eq!(site["snapshot"]["id"].as_str(), snapshot.as_deref(), "reload {n}");
    }
    let report = load.stop().await;
    report.must_be_clean();
    assert!(report.shots.len() >= 500, "{} requests", report.shots.len());
    assert_eq!(origin.count("/kept"), 1, "the cache lives on");
}

#[tokio::test]
async fn health_lives_on_also_when_it_is_bad() {
    let origin = fixture::shop().await;
    let config = Config::before(&origin.url());
    let mut edge = Edge::start(config.clone()).await;
    edge.until_snapshot().await;
    origin.fail(Refuse).await;
    edge.until("down").await;
    for n in 0..10_u32 {
        edge.write(config.clone().site("failover.timeout", format!("{}ms", 2000 + n)));
        assert_eq!(edge.reload().await.status / 100, 2);
        assert_eq!(edge.state().await, "down", "reload {n}");
        let answer = edge.get(SEEN).await;
        answer.must_be(&origin.content(SEEN).body);
        assert!(answer.took < ms(250), "reload {n}: {:?}", answer.took);
    }
}

/// The shop behind a list of origins that others write.
async fn listed() -> (crate::support::Origin, Edge, impl Fn(&Edge, &str)) {
    let origin = fixture::shop().await;
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("origins.toml"), format!("[[origin]]\nurl = \"{}\"\n", origin.url()))
        .unwrap();
    let edge = Edge::start_in(dir, Config::new(Site::new().set("origins_file", "origins.toml"))).await;
    edge.until_snapshot().await;
    edge.until("up").await;
    let write = |edge: &Edge, text: &str| {
        let new = edge.dir().join("origins.toml.new");
        std::fs::write(&new, text).unwrap();
        std::fs::rename(new, edge.dir().join("origins.toml")).unwrap();
    };
    (origin, edge, write)
}

#[tokio::test]
async fn the_list_of_origins_is_watched() {
    let (origin, edge, write) = listed().await;
    edge.get(SEEN).await.must_be(&origin.content(SEEN).body);
    let other = fixture::shop().await;
    fixture::stock(&other, 2);
    write(&edge, &format!("[[origin]]\nurl = \"{}\"\n", other.url()));
    eventually("the new origin", secs(5), async || {
        (edge.get(SEEN).await.body == other.content(SEEN).body).then_some(())
    })
    .await;
    // written in place, in two steps, by a careless script
    let file = edge.dir().join("origins.toml");
    std::fs::write(&file, "[[origin]]\n").unwrap();
    for _ in 0..5 {
        assert_eq!(edge.get(SEEN).await.status, 200);
    }
    std::fs::write(&file, format!("[[origin]]\nurl = \"{}\"\n", origin.url())).unwrap();
    eventually("the first origin again", secs(5), async || {
        (edge.get(SEEN).await.body == origin.content(SEEN).body).then_some(())
    })
    .await;
}

#[tokio::test]
async fn an_empty_list_means_copies() {
    let (origin, edge, write) = listed().await;
    write(&edge, "# nobody at the moment\n");
    eventually("copies", secs(5), async || edge.get("/signup").await.is_copy().then_some(())).await;
    for path in FOUR {
        edge.get(path).await.must_be(&origin.content(path).body);
    }
    edge.get("/nowhere").await.must_be_holding_page();
    assert!(edge.site().await["origins"].as_array().unwrap().is_empty());
}

#[tokio::test]
async fn an_unresolvable_list_means_copies() {
    let (origin, edge, write) = listed().await;
    write(&edge, "[[origin]]\nurl = \"http://no-such-host.invalid:81\"\n");
    eventually("copies", secs(10), async || {
        let answer = edge.get("/signup").await;
        answer.must_be(&origin.content("/signup").body);
        answer.is_copy().then_some(())
    })
    .await;
    for path in FOUR {
        edge.get(path).await.must_be(&origin.content(path).body);
    }
}

#[tokio::test]
async fn a_broken_list_leaves_the_old_one() {
    let (origin, edge, write) = listed().await;
    let before = edge.log().len();
    write(&edge, "[[origin]]\nurl = \"gopher://127.0.0.1\"\n[[origin]]\nurl = 5\n");
    let said = eventually("a word about it", secs(5), async || {
        let log = edge.log()[before..].join("\n");
        log.contains("gopher").then_some(log)
    })
    .await;
    assert!(said.contains("origins.toml"), "{said}");
    fixture::stock(&origin, 2);
    edge.get(SEEN).await.must_be(&origin.content(SEEN).body);
    assert_eq!(edge.state().await, "up");
}

#[tokio::test]
async fn a_start_without_the_list_serves_copies() {
    let (origin, mut edge, _) = listed().await;
    edge.kill();
    std::fs::write(edge.dir().join("origins.toml"), "").unwrap();
    edge.restart().await;
    for path in FOUR {
        edge.get(path).await.must_be(&origin.content(path).body);
    }
}

/// Waits until the status says, or no longer says, that a file was refused.
async fn refused(edge: &Edge, token: &[(&str, &str)], is: bool) {
    eventually(&format!("refused: {is}"), secs(30), async || {
        let status = edge.admin().get_with("/api/v1/status", token).await.text();
        (status.contains("configuration-refused") == is).then_some(())
    })
    .await;
}

#[tokio::test]
async fn the_admin_token_is_watched() {
    let origin = fixture::shop().await;
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("token");
    std::fs::write(&file, "the-first-one\n").unwrap();
    let config = Config::before(&origin.url()).set("admin.token_file", file.display().to_string());
    let edge = Edge::start_in(dir, config).await;
    let [first, second] = ["the-first-one", "the-second-one"].map(|token| format!("Bearer {token}"));
    let [first, second] = [&first, &second].map(|token| [("authorization", &**token)]);
    let status = async |token: &[(&str, &str)]| edge.admin().get_with("/metrics", token).await.status;
    assert_eq!((status(&[]).await, status(&first).await, status(&second).await), (401, 200, 401));
    std::fs::write(&file, "the-second-one\n").unwrap();
    eventually("the new token", secs(30), async || (status(&second).await == 200).then_some(())).await;
    assert_eq!((status(&[]).await, status(&first).await), (401, 401), "the old one is worth nothing");
    std::fs::write(&file, "\n").unwrap();
    refused(&edge, &second, true).await;
    assert_eq!((status(&[]).await, status(&second).await), (401, 200), "the last good one holds");
    std::fs::write(&file, "the-first-one\n").unwrap();
    eventually("another token", secs(30), async || (status(&first).await == 200).then_some(())).await;
    refused(&edge, &first, false).await;
}

const FIREWALL: &str = "[[fingerprint]]\nid = \"firewall\"\nkind = \"bot-wall\"\nsource = \"ours\"\ntext = [\"Ask the porter\"]\nmax_text = 600\n";

#[tokio::test]
async fn fingerprints_are_watched() {
    let origin = fixture::shop().await;
    let walled = "<html><head><title>Hello</title></head><body><p>Ask the porter.</p></body></html>";
    origin.make(move |asked| asked.path().starts_with("/walled/").then(|| Page::html(walled)));
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("fingerprints.toml");
    std::fs::write(&file, FIREWALL.replace("Ask the porter", "Ask somebody else")).unwrap();
    let config = Config::before(&origin.url()).site("failover.fingerprints", file.display().to_string());
    let edge = Edge::start_in(dir, config).await;
    // each time another address: what was cached once is held against its copy
    let asked = std::sync::atomic::AtomicU32::new(0);
    let walled = async || {
        let n = asked.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        edge.get(&format!("/walled/{n}")).await.status
    };
    assert_eq!(walled().await, 200);
    std::fs::write(&file, FIREWALL).unwrap();
    eventually("the new fingerprint", secs(30), async || (walled().await == 503).then_some(())).await;
    std::fs::write(&file, "[[fingerprint]]\nid = 3\n").unwrap();
    refused(&edge, &[], true).await;
    assert_eq!(walled().await, 503, "the last good ones hold");
    std::fs::write(&file, FIREWALL.replace("Ask the porter", "Ask somebody else")).unwrap();
    eventually("the page again", secs(30), async || (walled().await == 200).then_some(())).await;
    refused(&edge, &[], false).await;
}
