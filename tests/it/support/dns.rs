//! A name server whose answers a test switches: an address, no such name, a failure, or silence.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tokio::net::UdpSocket;

/// What it says to every question.
#[derive(Clone, Copy, Debug)]
pub enum Says {
    /// This address, for no time at all (TTL 0).
    Address(Ipv4Addr),
    /// The same, but nothing to a question for anything else than an A record.
    OnlyA(Ipv4Addr),
    /// There is no such name.
    NxDomain,
    /// It cannot find out.
    ServFail,
    /// Nothing.
    Silence,
}

/// A name server on UDP.
pub struct Dns {
    addr: SocketAddr,
    says: Arc<Mutex<Says>>,
    questions: Arc<AtomicUsize>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Dns {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Dns {
    pub async fn start(says: Says) -> Dns {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let addr = socket.local_addr().unwrap();
        let says = Arc::new(Mutex::new(says));
        let questions = Arc::new(AtomicUsize::new(0));
        let task = tokio::spawn(serve(socket, says.clone(), questions.clone()));
        Dns { addr, says, questions, task }
    }

    /// As `dns.nameservers` names it.
    pub fn addr(&self) -> String {
        self.addr.to_string()
    }

    pub fn say(&self, says: Says) {
        *self.says.lock().unwrap() = says;
    }

    /// Questions so far.
    pub fn questions(&self) -> usize {
        self.questions.load(Ordering::SeqCst)
    }
}

async fn serve(socket: UdpSocket, says: Arc<Mutex<Says>>, questions: Arc<AtomicUsize>) {
    let mut packet = [0; 1500];
    loop {
        let Ok((n, from)) = socket.recv_from(&mut packet).await else { continue };
        questions.fetch_add(1, Ordering::SeqCst);
        let says = *says.lock().unwrap();
        if let Some(reply) = reply(&packet[..n], says) {
            let _ = socket.send_to(&reply, from).await;
        }
    }
}

/// RFC 1035 section 4: the header, the question as it was asked, and at most one A record.
pub fn reply(query: &[u8], says: Says) -> Option<Vec<u8>> {
    let mut end = 12;
    while *query.get(end)? != 0 {
        end += usize::from(query[end]) + 1;
    }
    let question = query.get(12..end + 5)?;
    let is_a = query[end + 1..end + 3] == [0, 1];
    let (code, address) = match says {
        Says::Silence => return None,
        Says::NxDomain => (3, None),
        Says::ServFail => (2, None),
        Says::OnlyA(_) if !is_a => return None,
        Says::Address(address) | Says::OnlyA(address) => (0, is_a.then_some(address)),
    };
    let mut out = vec![query[0], query[1], 0x84 | (query[2] & 1), 0x80 | code, 0, 1];
    out.extend([0, u8::from(address.is_some()), 0, 0, 0, 0]);
    out.extend(question);
    if let Some(address) = address {
        out.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4]);
        out.extend(address.octets());
    }
    Some(out)
}
