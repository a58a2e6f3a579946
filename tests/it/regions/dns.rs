//! The recipe for name servers of one's own, against a real one: Knot, which Debian has.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::faults::Refuse;
use crate::support::nginx::free_port;
use crate::support::process::{self, Process, Said};
use crate::support::{Config, Edge, Origin, eventually, fixture, secs};

/// Knot with the zone example.test, which takes updates from this machine.
struct Knot {
    _process: Process,
    port: u16,
}

impl Knot {
    fn start(dir: &Path) -> Knot {
        let port = free_port().port();
        let at = dir.display();
        let config = format!(
            "server:\n  rundir: {at}\n  listen: 127.0.0.1@{port}\ndatabase:\n  storage: {at}\nlog:\n  - target: stderr\n    any: info\n\
             acl:\n  - id: here\n    address: 127.0.0.1\n    action: update\n\
             zone:\n  - domain: example.test\n    storage: {at}\n    file: zone\n    acl: here\n"
        );
        std::fs::write(dir.join("knot.conf"), config).unwrap();
        let zone = "$ORIGIN example.test.\n@ 60 SOA ns.example.test. admin.example.test. 1 60 60 60 60\n@ 60 NS ns.example.test.\nns 60 A \
                    127.0.0.1\nwww 60 A 192.0.2.1\n";
        std::fs::write(dir.join("zone"), zone).unwrap();
        let mut command = Command::new("knotd");
        Knot { _process: Process::start(command.arg("-c").arg(dir.join("knot.conf"))), port }
    }

    /// The addresses of www.example.test.
    async fn addresses(&self) -> Vec<String> {
        let mut command = Command::new("dig");
        command.args([
            "@127.0.0.1",
            "-p",
            &self.port.to_string(),
            "+short",
            "+tries=3",
            "+time=3",
            "www.example.test",
            "A",
        ]);
        let said = process::run(command, secs(10)).await;
        let mut found: Vec<String> = said.out.lines().map(str::to_owned).collect();
        found.sort();
        found
    }

    /// The script, for two instances.
    async fn update(&self, instances: &[(&str, &Edge)]) -> Said {
        let script = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("deploy/regions/dns-update");
        let mut command = Command::new(script);
        command.args([
            "-s",
            &format!("127.0.0.1:{}", self.port),
            "-z",
            "example.test",
            "-n",
            "www.example.test",
        ]);
        command.args(["-S", "shop", "-r", "2"]);
        command
            .args(instances.iter().map(|(address, edge)| format!("{address}=http://{}", edge.admin_addr())));
        process::run(command, secs(60)).await
    }
}

#[tokio::test]
async fn the_name_has_the_addresses_of_those_that_are_ready() {
    for program in ["knotd", "dig", "nsupdate", "curl"] {
        let found = Command::new("sh").args(["-c", &format!("command -v {program}")]).output().unwrap();
        assert!(
            found.status.success(),
            "{program} is missing: run tests/run once, it installs what the tests need"
        );
    }
    let dir = tempfile::tempdir().unwrap();
    let knot = Knot::start(dir.path());
    let (first, second) = (fixture::shop().await, fixture::shop().await);
    // an instance that never crawls, over an empty store, has no copy to be ready with
    let store = tempfile::tempdir().unwrap();
    let bare = |origin: &Origin, name: &str| {
        let url = format!("file://{}", store.path().display());
        let config = Config::before(&origin.url()).set("store.url", url).set("store.instance", name);
        Edge::start(config.set("store.crawl", "never"))
    };
    let (osaka, tokyo) = (bare(&first, "osaka").await, bare(&second, "tokyo").await);
    osaka.until("up").await;
    tokyo.until("up").await;
    let both = [("203.0.113.10", &osaka), ("203.0.113.20", &tokyo)];
    eventually("the name server", secs(60), async || (knot.addresses().await == ["192.0.2.1"]).then_some(()))
        .await;
    knot.update(&both).await.must_be_ok();
    assert_eq!(knot.addresses().await, ["203.0.113.10", "203.0.113.20"]);
    first.fail(Refuse).await;
    osaka.until("down").await;
    let said = knot.update(&both).await.must_be_ok();
    assert!(said.err.contains("203.0.113.10 is left out"), "{}", said.err);
    assert_eq!(knot.addresses().await, ["203.0.113.20"]);
    second.fail(Refuse).await;
    tokyo.until("down").await;
    let said = knot.update(&both).await;
    assert!(said.code == 1 && said.err.contains("the addresses stay as they are"), "{}", said.err);
    assert_eq!(knot.addresses().await, ["203.0.113.20"], "an address that may answer is better than none");
    first.heal().await;
    osaka.until("up").await;
    knot.update(&both).await.must_be_ok();
    assert_eq!(knot.addresses().await, ["203.0.113.10"]);
}
