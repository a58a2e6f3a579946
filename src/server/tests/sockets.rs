//! Binding.

use std::os::unix::fs::PermissionsExt;

use tokio::net::UnixStream;

use super::*;

const GET: &str = "GET /a HTTP/1.1\r\nhost: www.example.jp\r\n\r\n";

#[tokio::test]
async fn all_addresses_have_to_be_free() {
    let taken = loopback().address().unwrap();
    let held = bind_tcp(&[taken]).unwrap();
    let error = bind_tcp(&["127.0.0.1:0".parse().unwrap(), taken]).unwrap_err();
    assert!(error.to_string().contains(&taken.to_string()), "{error}");
    let (text, port) = (error.to_string(), taken.port());
    assert!(
        text.contains("another process listens there") && text.contains(&format!("sport = :{port}")),
        "{text}"
    );
    assert!(error.is_taken());
    drop(held);
    bind_tcp(&[taken]).unwrap();
}

#[tokio::test]
async fn an_ipv6_wildcard_takes_ipv4_too() {
    let listener = bind_tcp(&["[::]:0".parse().unwrap()]).unwrap().remove(0);
    let port = listener.address().unwrap().port();
    let server = Server::new(limits());
    server.listen(listener, None, handler(|_, conn| async move { text(conn.peer.ip().to_string()) }));
    let mut stream = send(SocketAddr::from(([127, 0, 0, 1], port)), GET).await;
    until(&mut stream, "\r\n\r\n127.0.0.1").await;
}

#[tokio::test]
async fn both_wildcards_can_be_listed() {
    let port = loopback().address().unwrap().port();
    let both = [format!("[::]:{port}").parse().unwrap(), format!("0.0.0.0:{port}").parse().unwrap()];
    // on a machine without IPv6 the two are one address, and cannot both be bound
    if std::net::TcpListener::bind("[::1]:0").is_ok() {
        assert_eq!(bind_tcp(&both).unwrap().len(), 2);
    }
}

#[tokio::test]
async fn accepted_sockets_inherit_the_listeners_options() {
    let Listener(super::super::listener::Kind::Tcp(listener, address)) = loopback() else { unreachable!() };
    let _client = TcpStream::connect(address).await.unwrap();
    let (accepted, _) = listener.accept().await.unwrap();
    let socket = socket2::SockRef::from(&accepted);
    assert!(socket.tcp_nodelay().unwrap());
    assert!(socket.keepalive().unwrap());
    assert_eq!(socket.tcp_user_timeout().unwrap(), Some(Duration::from_secs(30)));
}

#[tokio::test]
async fn a_unix_socket_serves_and_replaces_a_dead_one() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("admin.sock");
    drop(bind_unix(&path).unwrap());
    assert!(path.exists(), "a killed process leaves it behind");
    let listener = bind_unix(&path).unwrap();
    assert_eq!(listener.to_string(), format!("unix:{}", path.display()));
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o660);
    let server = Server::new(limits());
    server.listen(listener, None, handler(|_, conn| async move { text(conn.unix.to_string()) }));
    let mut stream = UnixStream::connect(&path).await.unwrap();
    stream.write_all(GET.as_bytes()).await.unwrap();
    until(&mut stream, "true").await;
    let error = bind_unix(&path).unwrap_err();
    assert!(error.to_string().contains("admin.sock"), "a living one is left alone");
}

#[tokio::test]
async fn a_file_is_never_taken_for_a_dead_socket() {
    let file = tempfile::NamedTempFile::new().unwrap();
    bind_unix(file.path()).unwrap_err();
    assert!(file.path().exists());
}
