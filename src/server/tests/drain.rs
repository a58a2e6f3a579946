//! Drains.

use tokio::sync::Notify;

use super::*;

const GET: &str = "GET /a HTTP/1.1\r\nhost: www.example.jp\r\n\r\n";
const LONG: Duration = Duration::from_secs(20);

/// Answers when it is let go.
fn held() -> (Handler, Arc<Notify>) {
    let go = Arc::new(Notify::new());
    let lever = Arc::clone(&go);
    let service = handler(move |_, _| {
        let go = Arc::clone(&go);
        async move {
            go.notified().await;
            text("held")
        }
    });
    (service, lever)
}

#[tokio::test]
async fn a_running_request_is_finished() {
    let (service, lever) = held();
    let (server, address) = start(limits(), service);
    let counters = server.counters();
    let mut stream = send(address, GET).await;
    eventually("the request runs", || counters.http1.get() == 1).await;
    let drain = tasks::detached(server.drain(LONG));
    eventually("nobody accepts", || std::net::TcpStream::connect(address).is_err()).await;
    assert!(!drain.is_finished());
    lever.notify_one();
    let answer = rest(&mut stream).await;
    assert!(answer.contains("connection: close") && answer.ends_with("held"), "{answer}");
    drop(stream);
    assert_eq!(drain.await.unwrap(), Drained::Finished { upgraded: 0 });
}

#[tokio::test]
async fn a_running_http2_request_is_finished_and_no_other_begun() {
    let (service, lever) = held();
    let (server, address) = start(limits(), service);
    let counters = server.counters();
    let mut client = http2(address).await;
    let running = tasks::detached(client.send_request(get("/")));
    eventually("the request runs", || counters.http2.get() == 1).await;
    let drain = tasks::detached(server.drain(LONG));
    eventually("nobody accepts", || std::net::TcpStream::connect(address).is_err()).await;
    lever.notify_one();
    assert_eq!(body_of(running.await.unwrap().unwrap()).await, "held");
    assert_eq!(drain.await.unwrap(), Drained::Finished { upgraded: 0 });
    assert!(client.send_request(get("/")).await.is_err());
}

#[tokio::test]
async fn idle_connections_are_closed_at_once_and_new_ones_soon() {
    let (server, address) = start(limits(), mirror());
    let mut idle = send(address, GET).await;
    until(&mut idle, "GET /a 0").await;
    let mut unused = send(address, "").await;
    eventually("both are open", || server.open() == 2).await;
    let drain = tasks::detached(server.drain(LONG));
    assert_eq!(rest(&mut idle).await, "");
    drop(idle);
    assert_eq!(rest(&mut unused).await, "");
    assert_eq!(drain.await.unwrap(), Drained::Finished { upgraded: 0 });
}

#[tokio::test]
async fn who_has_just_connected_is_still_answered() {
    let (server, address) = start(limits(), mirror());
    let mut stream = send(address, "").await;
    eventually("it is open", || server.open() == 1).await;
    let drain = tasks::detached(server.drain(LONG));
    eventually("nobody accepts", || std::net::TcpStream::connect(address).is_err()).await;
    stream.write_all(GET.as_bytes()).await.unwrap();
    let answer = rest(&mut stream).await;
    assert!(answer.contains("connection: close") && answer.ends_with("GET /a 0"), "{answer}");
    drop(stream);
    assert_eq!(drain.await.unwrap(), Drained::Finished { upgraded: 0 });
}

#[tokio::test]
async fn the_deadline_cuts_what_is_left() {
    let (service, _lever) = held();
    let (server, address) = start(limits(), service);
    let counters = server.counters();
    let mut stream = send(address, GET).await;
    eventually("the request runs", || counters.http1.get() == 1).await;
    let outcome = server.drain(Duration::from_millis(100)).await;
    assert_eq!(outcome, Drained::Aborted { connections: 1 });
    assert_eq!(rest(&mut stream).await, "");
    assert_eq!(counters.ended(End::Drained), 1);
}

#[tokio::test]
async fn websockets_are_not_waited_for() {
    let (server, address) = start(limits(), super::http1::upgrading());
    let mut stream = send(address, super::http1::UPGRADE).await;
    until(&mut stream, "first").await;
    assert_eq!(server.drain(LONG).await, Drained::Finished { upgraded: 1 });
    assert_eq!(rest(&mut stream).await, "");
}

#[tokio::test]
async fn nothing_to_wait_for() {
    let (server, _) = start(limits(), mirror());
    assert_eq!(server.drain(LONG).await, Drained::Finished { upgraded: 0 });
}

#[tokio::test]
async fn a_dropped_server_leaves_nothing_open() {
    let (service, _lever) = held();
    let (server, address) = start(limits(), service);
    let counters = server.counters();
    let mut stream = send(address, GET).await;
    eventually("the request runs", || counters.http1.get() == 1).await;
    drop(server);
    assert_eq!(rest(&mut stream).await, "");
}
