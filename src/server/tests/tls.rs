//! TLS: names, protocols, reload, trust.

use std::path::{Path, PathBuf};

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::pki_types::ServerName;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::*;
use crate::clock;
use crate::config::ready;
use crate::tls::{Certs, Problem, Serving, TlsError, client_config};

const GET: &str = "GET /a HTTP/1.1\r\nhost: www.example.jp\r\n\r\n";

/// An authority in a folder, and what it issues.
struct Authority {
    dir: tempfile::TempDir,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    fn new() -> Authority {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let cert = params.self_signed(&key).unwrap();
        let dir = tempfile::tempdir().unwrap();
        let issuer = Issuer::new(params, key);
        let authority = Authority { dir, issuer };
        authority.write("ca.pem", &cert.pem());
        authority
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    #[expect(clippy::disallowed_methods, reason = "a test's file")]
    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
    }

    fn issue(&self, name: &str, hosts: &[&str]) {
        let key = KeyPair::generate().unwrap();
        let names: Vec<String> = hosts.iter().map(|&host| host.to_owned()).collect();
        let cert = CertificateParams::new(names).unwrap().signed_by(&key, &self.issuer).unwrap();
        self.write(&format!("{name}.pem"), &cert.pem());
        self.write(&format!("{name}.key"), &key.serialize_pem());
    }

    fn site(&self, name: &str, hosts: &[&str]) -> Arc<ready::Site> {
        site(name, hosts, &self.path(&format!("{name}.pem")), &self.path(&format!("{name}.key")))
    }

    async fn connect(&self, address: SocketAddr, host: &str) -> std::io::Result<TlsStream<TcpStream>> {
        connect(address, host, &self.path("ca.pem"), &[b"http/1.1"]).await
    }
}

async fn connect(
    address: SocketAddr,
    host: &str,
    ca: &Path,
    alpn: &[&[u8]],
) -> std::io::Result<TlsStream<TcpStream>> {
    let mut config = rustls::ClientConfig::clone(&client_config(Some(ca)).unwrap());
    config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
    let name = crate::tls::server_name(host).unwrap();
    TlsConnector::from(Arc::new(config)).connect(name, TcpStream::connect(address).await?).await
}

fn site(name: &str, hosts: &[&str], cert: &Path, key: &Path) -> Arc<ready::Site> {
    let none = || ready::Statuses::new::<&str>(&[]).unwrap();
    let time = Duration::from_secs(1);
    Arc::new(ready::Site {
        name: name.into(),
        hosts: hosts.iter().map(|&host| host.to_owned()).collect(),
        standby_hosts: Vec::new(),
        key_pages: Vec::new(),
        origins: Vec::new(),
        origins_file: None,
        tls: Some(ready::SiteTls { cert: cert.to_owned(), key: key.to_owned() }),
        health: ready::Health {
            path: "/".into(),
            interval: time,
            timeout: time,
            fall: 1,
            rise: 1,
            expect_status: none(),
            expect_text: String::new(),
        },
        failover: ready::Failover {
            patience: time,
            patience_max: time,
            timeout: time,
            hold_back: 0,
            bad_status: none(),
            expect_text: String::new(),
            reject_text: Vec::new(),
            fingerprints: None,
            fingerprints_file: None,
            moved_to: Vec::new(),
            recovery_ramp: time,
            hedge: None,
        },
        cache: ready::CachePolicy::default(),
        mirror: ready::Mirror {
            every: time,
            keep: 1,
            keep_for: None,
            max_pages: 1,
            max_depth: 1,
            rate: None,
            include: Vec::new(),
            exclude: Vec::new(),
            asset_hosts: Vec::new(),
            private: ready::MirrorPrivate::Auto,
            robots: ready::MirrorRobots::Auto,
        },
        notice: ready::Notice::default(),
        watch: ready::SiteWatch::default(),
        drill: ready::SiteDrill::default(),
        status_page: None,
        routes: Vec::new(),
        forms: Vec::new(),
        maintenance: Vec::new(),
    })
}

fn serve(certs: &Arc<Certs>, service: impl Service) -> (Server, SocketAddr) {
    let server = Server::new(limits());
    let listener = loopback();
    let address = listener.address().unwrap();
    server.listen(listener, Some(certs.server_config().unwrap()), service);
    (server, address)
}

/// Which certificate a server shows for a name.
async fn shown(authority: &Authority, address: SocketAddr, host: &str) -> Vec<u8> {
    let stream = authority.connect(address, host).await.unwrap();
    stream.get_ref().1.peer_certificates().unwrap()[0].to_vec()
}

#[tokio::test]
async fn http2_is_agreed_on_and_http1_served_to_who_does_not_know_it() {
    let authority = Authority::new();
    authority.issue("shop", &["www.example.jp"]);
    let (certs, problems) = Certs::load(&[authority.site("shop", &["www.example.jp"])], clock::now().wall);
    assert!(problems.is_empty(), "{problems:?}");
    let service = handler(|_, conn| async move {
        let tls = conn.tls.as_ref().unwrap();
        text(format!("{:?} {} {}", tls.sni.as_deref(), tls.http2, tls.tls13))
    });
    let (server, address) = serve(&certs, service);

    let ca = authority.path("ca.pem");
    let stream = connect(address, "www.example.jp", &ca, &[b"h2", b"http/1.1"]).await.unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    let mut client = http2_over(stream).await;
    let answer = client.send_request(get("/")).await.unwrap();
    assert_eq!(body_of(answer).await, "Some(\"www.example.jp\") true true");

    for alpn in [&[&b"http/1.1"[..]][..], &[]] {
        let mut stream = connect(address, "www.example.jp", &ca, alpn).await.unwrap();
        stream.write_all(GET.as_bytes()).await.unwrap();
        until(&mut stream, "Some(\"www.example.jp\") false true").await;
    }
    assert_eq!((server.counters().http1.get(), server.counters().http2.get()), (2, 1));
}

#[tokio::test]
async fn tls_1_2_is_spoken_too() {
    let authority = Authority::new();
    authority.issue("shop", &["www.example.jp"]);
    let (certs, _) = Certs::load(&[authority.site("shop", &["www.example.jp"])], clock::now().wall);
    let service = handler(|_, conn| async move { text(conn.tls.as_ref().unwrap().tls13.to_string()) });
    let (_server, address) = serve(&certs, service);
    let mut roots = rustls::RootCertStore::empty();
    let pem = std::fs::read(authority.path("ca.pem")).unwrap();
    roots.add(rustls::pki_types::pem::PemObject::from_pem_slice(&pem).unwrap()).unwrap();
    let config = rustls::ClientConfig::builder_with_provider(crate::tls::provider())
        .with_protocol_versions(&[&rustls::version::TLS12])
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = crate::tls::server_name("www.example.jp").unwrap();
    let stream = TcpStream::connect(address).await.unwrap();
    let mut stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await.unwrap();
    stream.write_all(GET.as_bytes()).await.unwrap();
    until(&mut stream, "\r\n\r\nfalse").await;
}

#[tokio::test]
async fn a_returning_visitor_resumes_its_session_over_a_reload() {
    let authority = Authority::new();
    authority.issue("shop", &["www.example.jp"]);
    let sites = [authority.site("shop", &["www.example.jp"])];
    let (certs, _) = Certs::load(&sites, clock::now().wall);
    let (_server, address) = serve(&certs, mirror());
    let connector = TlsConnector::from(client_config(Some(&authority.path("ca.pem"))).unwrap());
    let name = crate::tls::server_name("www.example.jp").unwrap();
    let mut kinds = Vec::new();
    for _ in 0..2 {
        let stream = TcpStream::connect(address).await.unwrap();
        let mut stream = connector.connect(name.clone(), stream).await.unwrap();
        // the ticket comes with the first answer
        stream.write_all(GET.as_bytes()).await.unwrap();
        until(&mut stream, "GET /a 0").await;
        kinds.push(stream.get_ref().1.handshake_kind().unwrap());
        assert!(certs.reload(&sites, clock::now().wall).is_empty());
    }
    assert_eq!(kinds, [rustls::HandshakeKind::Full, rustls::HandshakeKind::Resumed]);
}

#[tokio::test]
async fn each_site_has_its_own_certificate() {
    let authority = Authority::new();
    authority.issue("shop", &["*.example.jp"]);
    authority.issue("club", &["club.example.org"]);
    let sites = [
        authority.site("shop", &["www.example.jp", "shop.example.jp"]),
        authority.site("club", &["club.example.org"]),
    ];
    let (certs, problems) = Certs::load(&sites, clock::now().wall);
    assert!(problems.is_empty(), "{problems:?}");
    let (server, address) = serve(&certs, mirror());
    let shop = shown(&authority, address, "www.example.jp").await;
    assert_eq!(shown(&authority, address, "SHOP.example.jp").await, shop);
    assert_ne!(shown(&authority, address, "club.example.org").await, shop);
    authority.connect(address, "other.example.jp").await.unwrap_err();
    eventually("it is counted", || server.counters().handshakes_failed.get() == 1).await;
}

#[tokio::test]
async fn who_names_no_host_gets_the_first_sites_certificate() {
    let authority = Authority::new();
    authority.issue("shop", &["www.example.jp", "127.0.0.1"]);
    authority.issue("club", &["club.example.org"]);
    let sites = [authority.site("shop", &["www.example.jp"]), authority.site("club", &["club.example.org"])];
    let (certs, _) = Certs::load(&sites, clock::now().wall);
    let (_server, address) = serve(&certs, mirror());
    assert!(matches!(ServerName::try_from("127.0.0.1"), Ok(ServerName::IpAddress(_))), "which is not sent");
    authority.connect(address, "127.0.0.1").await.unwrap();
}

#[tokio::test]
async fn a_reload_changes_new_handshakes_and_leaves_open_connections_alone() {
    let authority = Authority::new();
    authority.issue("shop", &["www.example.jp"]);
    let sites = [authority.site("shop", &["www.example.jp"])];
    let (certs, _) = Certs::load(&sites, clock::now().wall);
    let (_server, address) = serve(&certs, mirror());
    let before = shown(&authority, address, "www.example.jp").await;
    let mut open = authority.connect(address, "www.example.jp").await.unwrap();
    authority.issue("shop", &["www.example.jp"]);
    assert!(certs.reload(&sites, clock::now().wall).is_empty());
    assert_ne!(shown(&authority, address, "www.example.jp").await, before);
    open.write_all(GET.as_bytes()).await.unwrap();
    until(&mut open, "GET /a 0").await;
}

#[tokio::test]
async fn a_reload_keeps_the_last_good_certificate_of_each_site() {
    let authority = Authority::new();
    authority.issue("shop", &["www.example.jp"]);
    authority.issue("club", &["club.example.org"]);
    let sites = [authority.site("shop", &["www.example.jp"]), authority.site("club", &["club.example.org"])];
    let (certs, _) = Certs::load(&sites, clock::now().wall);
    let (_server, address) = serve(&certs, mirror());
    let before = shown(&authority, address, "www.example.jp").await;

    let check = |problems: Vec<Problem>| {
        let [problem] = &problems[..] else { panic!("{problems:?}") };
        assert_eq!((&*problem.site, problem.serving), ("shop", Serving::LastGood));
        problems.into_iter().next().unwrap().error
    };
    authority.write("shop.pem", "garbage");
    assert!(matches!(
        check(certs.reload(&sites, clock::now().wall)),
        TlsError::Nothing { what: "certificate", .. }
    ));
    authority.issue("other", &["www.example.jp"]);
    let other = site("shop", &["www.example.jp"], &authority.path("other.pem"), &authority.path("shop.key"));
    let mixed = [other, Arc::clone(&sites[1])];
    assert!(
        matches!(check(certs.reload(&mixed, clock::now().wall)), TlsError::Pair { .. }),
        "a key of another certificate"
    );
    assert_eq!(shown(&authority, address, "www.example.jp").await, before);
    shown(&authority, address, "club.example.org").await;

    assert!(certs.reload(&sites[1..], clock::now().wall).is_empty());
    assert!(!certs.is_empty());
    authority.connect(address, "www.example.jp").await.expect_err("a site that is gone has no certificate");
}

#[tokio::test]
async fn a_reload_does_not_take_what_browsers_refuse_for_what_they_do_not() {
    let authority = Authority::new();
    authority.issue("shop", &["www.example.jp", "example.jp"]);
    let sites = [authority.site("shop", &["www.example.jp", "example.jp"])];
    let now = clock::now().wall;
    let (certs, problems) = Certs::load(&sites, now);
    assert!(problems.is_empty(), "{problems:?}");
    let (_server, address) = serve(&certs, mirror());
    let before = shown(&authority, address, "www.example.jp").await;
    for names in [&["www.example.jp"][..], &["other.example.jp"]] {
        authority.issue("shop", names);
        let problems = certs.reload(&sites, now);
        let Some(Problem { serving: Serving::LastGood, error: TlsError::Host { .. }, .. }) = problems.first()
        else {
            panic!("{problems:?}");
        };
        assert_eq!(shown(&authority, address, "www.example.jp").await, before, "{names:?}");
    }
    let fewer = [authority.site("shop", &["other.example.jp"])];
    assert!(certs.reload(&fewer, now).is_empty(), "for other hosts the new one is better");
    assert_eq!(certs.dates().len(), 1);
}

#[tokio::test]
async fn a_site_without_readable_files_does_not_keep_the_others_from_starting() {
    let authority = Authority::new();
    authority.issue("club", &["club.example.org"]);
    let sites = [authority.site("shop", &["www.example.jp"]), authority.site("club", &["club.example.org"])];
    let (certs, problems) = Certs::load(&sites, clock::now().wall);
    assert_eq!(problems.len(), 1);
    assert_eq!(problems[0].serving, Serving::Nothing);
    let (_server, address) = serve(&certs, mirror());
    shown(&authority, address, "club.example.org").await;
}

#[test]
fn a_certificate_for_another_name_is_reported_and_used() {
    let authority = Authority::new();
    authority.issue("shop", &["www.example.jp"]);
    let (certs, problems) =
        Certs::load(&[authority.site("shop", &["www.example.jp", "example.jp"])], clock::now().wall);
    let [Problem { serving: Serving::Anyway, error: TlsError::Host { host, .. }, .. }] = &problems[..] else {
        panic!("{problems:?}");
    };
    assert_eq!(host, "example.jp");
    assert!(!certs.is_empty());
}

#[tokio::test]
async fn a_handshake_that_does_not_come_is_not_waited_for() {
    let authority = Authority::new();
    authority.issue("shop", &["www.example.jp"]);
    let (certs, _) = Certs::load(&[authority.site("shop", &["www.example.jp"])], clock::now().wall);
    let (server, address) = serve(&certs, mirror());
    server.set_limits(Limits { header_timeout: Duration::from_millis(300), ..limits() });
    assert_eq!(rest(&mut send(address, "\x16\x03").await).await, "");
    assert_eq!(server.counters().ended(End::Unused), 1);
}

#[tokio::test]
async fn an_origins_certificate_has_to_be_trusted_and_to_bear_its_name() {
    let authority = Authority::new();
    authority.issue("shop", &["www.example.jp"]);
    let (certs, _) = Certs::load(&[authority.site("shop", &["www.example.jp"])], clock::now().wall);
    let (_server, address) = serve(&certs, mirror());
    authority.connect(address, "www.example.jp").await.unwrap();
    authority.connect(address, "other.example.jp").await.expect_err("another name");
    let stranger = Authority::new();
    stranger.connect(address, "www.example.jp").await.expect_err("another authority");
    let system = client_config(None).unwrap();
    let name = crate::tls::server_name("www.example.jp").unwrap();
    let stream = TcpStream::connect(address).await.unwrap();
    TlsConnector::from(system).connect(name, stream).await.expect_err("no authority of the system's");
}

#[tokio::test]
async fn an_origins_own_certificate_can_be_pinned_whatever_stands_in_it() {
    let authority = Authority::new();
    // as openssl makes them: self-signed, and said to be an authority
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.not_after = rcgen::date_time_ymd(2020, 1, 1);
    authority.write("shop.pem", &params.self_signed(&key).unwrap().pem());
    authority.write("shop.key", &key.serialize_pem());
    let (certs, _) = Certs::load(&[authority.site("shop", &["www.example.jp"])], clock::now().wall);
    let (_server, address) = serve(&certs, mirror());
    let pin = authority.path("shop.pem");
    connect(address, "www.example.jp", &pin, &[]).await.unwrap();
    authority.connect(address, "www.example.jp").await.expect_err("without the pin");
}
