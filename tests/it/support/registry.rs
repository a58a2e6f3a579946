//! A registry of the test's own: IANA's list and an RDAP server over TLS, and a name server with records, all on this machine.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use serde_json::{Value, json};
use tokio::net::UdpSocket;

use super::Config;
use super::certs::Authority;
use super::faults::Fault;
use super::origin::Origin;
use super::page::Page;

/// By how many seconds a registry's clock is ahead of this machine's.
type Ahead = Arc<AtomicU64>;

/// The host of the RDAP server.
const HOST: &str = "rdap.example.net";

/// A zone as its name server has it.
#[derive(Clone, Debug, Default)]
pub struct Zone {
    /// Its name servers.
    pub servers: Vec<&'static str>,
    /// Whether the registry has a key of it.
    pub has_key: bool,
    /// Whether a resolver that validates fails.
    pub is_broken: bool,
    /// Whether it says that it has validated.
    pub is_valid: bool,
    /// Where its hosts are; this machine by default.
    pub address: Option<Ipv4Addr>,
}

/// All of it; gone when dropped.
pub struct Registry {
    server: Origin,
    ahead: Ahead,
    list: Value,
    domains: Mutex<BTreeMap<String, Value>>,
    zones: Arc<Mutex<BTreeMap<&'static str, Zone>>>,
    names: SocketAddr,
    anchor: std::path::PathBuf,
    _dir: tempfile::TempDir,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Registry {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A domain that ends after so many days, as a registry tells it.
pub fn domain(name: &str, days: i64, statuses: &[&str], servers: &[&str]) -> Value {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
    // an hour more: the test takes a while
    let end = now.saturating_add_signed(days * 86_400) + 3600;
    let end =
        humantime::format_rfc3339_seconds(SystemTime::UNIX_EPOCH + Duration::from_secs(end)).to_string();
    let servers: Vec<Value> = servers.iter().map(|name| json!({ "ldhName": name })).collect();
    json!({ "objectClassName": "domain", "ldhName": name, "status": statuses, "nameservers": servers,
        "events": [{ "eventAction": "expiration", "eventDate": end }], "secureDNS": { "delegationSigned": false } })
}

impl Registry {
    /// One for `.com` and `.net`; no other registry has a server.
    pub async fn start() -> Registry {
        let dir = tempfile::tempdir().unwrap();
        let authority = Authority::new();
        let server = Origin::start_tls(&authority.leaf(HOST)).await;
        let base = format!("https://{HOST}:{}/", server.addr().port());
        let list = json!({ "version": "1.0", "services": [[["com", "net"], [base]]] });
        server.page("/dns.json", json_page(&list, 0));
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let names = socket.local_addr().unwrap();
        let zones: Arc<Mutex<BTreeMap<_, _>>> = Arc::default();
        let task = tokio::spawn(serve(socket, zones.clone()));
        let anchor = authority.write(dir.path());
        Registry {
            server,
            ahead: Ahead::default(),
            list,
            domains: Mutex::default(),
            zones,
            names,
            anchor,
            _dir: dir,
            task,
        }
    }

    /// A configuration that asks it every second.
    pub fn watching(&self, config: Config) -> Config {
        let list = format!("https://{HOST}:{}/dns.json", self.server.addr().port());
        config
            .set("watch.every", "1s")
            .set("watch.bootstrap", list)
            .set("watch.rdap", "auto")
            .set("dns.nameservers", [&*self.names.to_string()])
            .env("SSL_CERT_FILE", &self.anchor.display().to_string())
    }

    /// The certificate that its server is trusted by.
    pub fn anchor(&self) -> &std::path::Path {
        &self.anchor
    }

    /// What the registry has of a domain.
    pub fn has(&self, name: &str, domain: &Value) {
        self.domains.lock().unwrap().insert(name.to_owned(), domain.clone());
        self.server.page(&path(name), json_page(domain, self.ahead.load(Ordering::SeqCst)));
    }

    /// Its clock is so many seconds ahead of this machine's, as all of its answers say from now on.
    pub fn ahead(&self, seconds: u64) {
        self.ahead.store(seconds, Ordering::SeqCst);
        self.server.page("/dns.json", json_page(&self.list, seconds));
        for (name, domain) in &*self.domains.lock().unwrap() {
            self.server.page(&path(name), json_page(domain, seconds));
        }
    }

    /// The zone of a domain.
    pub fn delegates(&self, name: &'static str, zone: Zone) {
        self.zones.lock().unwrap().insert(name, zone);
    }

    /// Its answers fail in this way.
    pub async fn fail(&self, fault: impl Fault) {
        self.server.fail(fault).await;
    }

    /// The same, for a fault chosen at run time.
    pub async fn switch(&self, fault: Arc<dyn Fault>) {
        self.server.switch("/domain/", fault).await;
    }

    /// It answers the question for a domain with this page.
    pub fn answers(&self, name: &str, page: Page) {
        self.domains.lock().unwrap().remove(name);
        self.server.page(&path(name), page);
    }

    /// Its name server does not know a domain any more.
    pub fn forgets(&self, name: &str) {
        self.zones.lock().unwrap().remove(name);
    }

    /// It answers again.
    pub async fn heal(&self) {
        self.server.heal().await;
    }

    /// How often it was asked for a domain.
    pub fn questions(&self, name: &str) -> usize {
        self.server.count(&path(name))
    }
}

fn path(name: &str) -> String {
    format!("/domain/{name}")
}

fn json_page(value: &Value, ahead: u64) -> Page {
    let date = httpdate::fmt_http_date(SystemTime::now() + Duration::from_secs(ahead));
    Page::new("application/rdap+json", value.to_string()).header("date", &date)
}

async fn serve(socket: UdpSocket, zones: Arc<Mutex<BTreeMap<&'static str, Zone>>>) {
    let mut packet = [0; 1500];
    loop {
        let Ok((n, from)) = socket.recv_from(&mut packet).await else { continue };
        let reply = reply(&packet[..n], &zones.lock().unwrap());
        if let Some(reply) = reply {
            let _ = socket.send_to(&reply, from).await;
        }
    }
}

/// RFC 1035 section 4: the header, the question as it was asked, and what the zone has. Every host is this machine.
fn reply(query: &[u8], zones: &BTreeMap<&'static str, Zone>) -> Option<Vec<u8>> {
    const A: u16 = 1;
    const NS: u16 = 2;
    const SOA: u16 = 6;
    const DS: u16 = 43;
    let (mut end, mut labels) = (12, Vec::new());
    while *query.get(end)? != 0 {
        let length = usize::from(query[end]);
        labels.push(String::from_utf8_lossy(query.get(end + 1..=end + length)?).to_ascii_lowercase());
        end += length + 1;
    }
    let (name, question) = (labels.join("."), query.get(12..end + 5)?);
    let kind = u16::from_be_bytes([query[end + 1], query[end + 2]]);
    let is_unchecked = query[3] & 0x10 != 0;
    let zone = zones.get(&*name);
    let is_below = zones.keys().any(|zone| name.ends_with(&format!(".{zone}"))) || name == HOST;
    let (mut code, mut records): (u8, Vec<Vec<u8>>) = (0, Vec::new());
    match (zone, kind) {
        (Some(zone), _) if zone.is_broken && !is_unchecked => code = 2,
        (_, A) if zone.is_some() || is_below => {
            let of = |(zone, has): (&&str, &Zone)| name.ends_with(*zone).then_some(has.address?);
            let address = zones.iter().find_map(of).unwrap_or(Ipv4Addr::LOCALHOST);
            records.push(address.octets().to_vec());
        }
        (Some(zone), NS) => records.extend(zone.servers.iter().map(|server| wire(server))),
        (Some(_), SOA) => {
            records.push([wire("ns.example.net"), wire("admin.example.net"), vec![0; 20]].concat())
        }
        (Some(zone), DS) if zone.has_key => records.push([vec![0, 1, 13, 2], vec![7; 32]].concat()),
        (Some(_), _) => {}
        (None, _) if is_below => {}
        (None, _) => code = 3,
    }
    let authentic = if zone.is_some_and(|zone| zone.is_valid) { 0x20 } else { 0 };
    let count = u8::try_from(records.len()).unwrap();
    let mut out =
        vec![query[0], query[1], 0x84 | (query[2] & 1), 0x80 | authentic | code, 0, 1, 0, count, 0, 0, 0, 0];
    out.extend(question);
    for record in records {
        out.extend([0xc0, 12]);
        out.extend(kind.to_be_bytes());
        out.extend([0, 1, 0, 0, 0, 0]);
        out.extend(u16::try_from(record.len()).unwrap().to_be_bytes());
        out.extend(record);
    }
    Some(out)
}

/// A name as it is sent.
fn wire(name: &str) -> Vec<u8> {
    let mut out = Vec::new();
    for label in name.split('.') {
        out.push(u8::try_from(label.len()).unwrap());
        out.extend(label.as_bytes());
    }
    out.push(0);
    out
}
