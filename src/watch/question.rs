//! One question to the name servers that the configuration or the system names: what a resolver library does not show of the
//! answer (its code, the signatures, whether it was validated).

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use hickory_resolver::proto::op::{Edns, Message, Query, ResponseCode};
use hickory_resolver::proto::rr::{Name, RData, RecordType};
use hickory_resolver::system_conf::read_system_conf;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpStream, UdpSocket};

/// One try of one server.
const WAIT: Duration = Duration::from_secs(2);
/// Servers that are tried.
const MOST_SERVERS: usize = 3;
/// The size of a datagram that gets through (DNS flag day 2020).
const DATAGRAM: u16 = 1232;

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Its name servers.
    Ns,
    /// Where its zone begins.
    Soa,
    /// Its keys at the registry.
    Ds,
    /// Its IPv4 addresses,
    A,
    /// and its IPv6 ones.
    Aaaa,
}

/// Whether the server is to check signatures (RFC 4035 section 3.2.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Checking {
    /// Yes, as for everybody.
    On,
    /// No: the answer as it is.
    Off,
}

/// The answer's code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    /// There is such a name.
    Fine,
    /// There is none.
    NoName,
    /// The server could not find out, or refuses.
    Failed,
}

/// An answer, as far as it matters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// The code.
    pub code: Code,
    /// Whether the server has validated it.
    pub is_validated: bool,
    /// The hosts of NS records, in lower case, or the addresses, in order.
    pub hosts: Vec<String>,
    /// How many records of the kind asked for there are.
    pub records: usize,
    /// From when until when the signature of what was asked for holds, Unix time.
    pub signed: Option<(u32, u32)>,
}

/// The servers to ask: these, or those of the system.
pub fn servers(configured: &[SocketAddr]) -> Vec<SocketAddr> {
    if !configured.is_empty() {
        return configured.iter().copied().take(MOST_SERVERS).collect();
    }
    let of_system = read_system_conf().map(|(config, _)| config).unwrap_or_default();
    let ips: Vec<IpAddr> = of_system.name_servers().iter().map(|server| server.ip).collect();
    ips.into_iter().take(MOST_SERVERS).map(|ip| SocketAddr::new(ip, 53)).collect()
}

/// Asks the servers in turn. `None`: nobody has answered.
pub async fn ask(servers: &[SocketAddr], name: &str, kind: Kind, checking: Checking) -> Option<Reply> {
    let name = Name::from_ascii(format!("{}.", name.trim_end_matches('.'))).ok()?;
    let mut failed = None;
    for &server in servers.iter().take(MOST_SERVERS) {
        let query = message(&name, kind, checking);
        let Ok(Some(message)) = tokio::time::timeout(WAIT, exchange(server, &query)).await else { continue };
        let reply = reply(&message, &name, kind);
        if reply.code != Code::Failed {
            return Some(reply);
        }
        failed = Some(reply);
    }
    failed
}

fn message(name: &Name, kind: Kind, checking: Checking) -> Message {
    let mut message = Message::query();
    message.metadata.recursion_desired = true;
    message.metadata.checking_disabled = checking == Checking::Off;
    message.metadata.authentic_data = true; // RFC 6840 section 5.7: say whether it was validated
    message.add_query(Query::query(name.clone(), record_type(kind)));
    let mut edns = Edns::new();
    edns.set_max_payload(DATAGRAM).set_dnssec_ok(true);
    message.set_edns(edns);
    message
}

fn record_type(kind: Kind) -> RecordType {
    match kind {
        Kind::Ns => RecordType::NS,
        Kind::Soa => RecordType::SOA,
        Kind::Ds => RecordType::DS,
        Kind::A => RecordType::A,
        Kind::Aaaa => RecordType::AAAA,
    }
}

/// By a datagram, and again by a stream if the answer does not fit.
async fn exchange(server: SocketAddr, query: &Message) -> Option<Message> {
    let bytes = query.to_vec().ok()?;
    let local: SocketAddr = if server.is_ipv4() { ([0, 0, 0, 0], 0).into() } else { ([0u16; 8], 0).into() };
    let socket = UdpSocket::bind(local).await.ok()?;
    socket.connect(server).await.ok()?;
    socket.send(&bytes).await.ok()?;
    let mut packet = vec![0; 4096];
    loop {
        let length = socket.recv(&mut packet).await.ok()?;
        let Ok(answer) = Message::from_vec(&packet[..length]) else { continue };
        if !is_answer(&answer, query) {
            continue;
        }
        return if answer.metadata.truncation {
            by_stream(server, query, &bytes).await
        } else {
            Some(answer)
        };
    }
}

async fn by_stream(server: SocketAddr, query: &Message, bytes: &[u8]) -> Option<Message> {
    let mut stream = TcpStream::connect(server).await.ok()?;
    stream.write_u16(u16::try_from(bytes.len()).ok()?).await.ok()?;
    stream.write_all(bytes).await.ok()?;
    let length = stream.read_u16().await.ok()?;
    let mut packet = vec![0; usize::from(length)];
    stream.read_exact(&mut packet).await.ok()?;
    Message::from_vec(&packet).ok().filter(|answer| is_answer(answer, query))
}

fn is_answer(answer: &Message, query: &Message) -> bool {
    answer.metadata.id == query.metadata.id && answer.queries == query.queries
}

fn reply(message: &Message, name: &Name, kind: Kind) -> Reply {
    let code = message.metadata.response_code;
    let code = if code == ResponseCode::NoError {
        Code::Fine
    } else if code == ResponseCode::NXDomain {
        Code::NoName
    } else {
        Code::Failed
    };
    let of_name = || message.answers.iter().filter(|record| record.name == *name);
    let mut hosts: Vec<String> = of_name().filter_map(|record| host_of(&record.data)).collect();
    // addresses may stand behind another name (CNAME)
    hosts.extend(message.answers.iter().filter_map(|record| address_of(&record.data)));
    hosts.sort();
    hosts.dedup();
    let records = of_name().filter(|record| record.record_type() == record_type(kind)).count();
    let signatures = of_name().filter(|record| record.record_type() == RecordType::RRSIG);
    let signed = signatures.filter_map(|record| {
        let RData::Unknown { rdata, .. } = &record.data else { return None };
        signature(&rdata.anything, record_type(kind))
    });
    // the one that holds longest counts: several stand while a key is replaced
    let signed = signed.max_by_key(|(_, until)| *until);
    Reply { code, is_validated: message.metadata.authentic_data, hosts, records, signed }
}

fn host_of(data: &RData) -> Option<String> {
    if let RData::NS(host) = data { Some(super::registration::host(&host.0.to_ascii())) } else { None }
}

fn address_of(data: &RData) -> Option<String> {
    if let RData::A(ip) = data {
        Some(ip.0.to_string())
    } else if let RData::AAAA(ip) = data {
        Some(ip.0.to_string())
    } else {
        None
    }
}

/// From when until when a signature holds (RFC 4034 section 3.1), if it is of records of this kind.
fn signature(rdata: &[u8], of: RecordType) -> Option<(u32, u32)> {
    let number = |at: usize| rdata.get(at..at + 4)?.try_into().ok().map(u32::from_be_bytes);
    let covered = u16::from_be_bytes(rdata.get(..2)?.try_into().ok()?);
    if covered != u16::from(of) {
        return None;
    }
    Some((number(12)?, number(8)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_times_of_a_signature_stand_behind_its_keys_numbers() {
        let mut rdata = vec![0, 6, 13, 2, 0, 0, 14, 16];
        rdata.extend(2_000_000_000_u32.to_be_bytes());
        rdata.extend(1_990_000_000_u32.to_be_bytes());
        rdata.extend([0, 1, 0]);
        assert_eq!(signature(&rdata, RecordType::SOA), Some((1_990_000_000, 2_000_000_000)));
        assert_eq!(signature(&rdata, RecordType::NS), None, "of other records");
        assert_eq!(signature(&rdata[..10], RecordType::SOA), None);
    }

    #[test]
    fn a_question_asks_for_signatures_and_says_whether_to_check_them() {
        let name = Name::from_ascii("example.com.").unwrap();
        for (checking, off) in [(Checking::On, false), (Checking::Off, true)] {
            let bytes = message(&name, Kind::Soa, checking).to_vec().unwrap();
            let read = Message::from_vec(&bytes).unwrap();
            assert_eq!(read.metadata.checking_disabled, off);
            assert!(read.metadata.recursion_desired && read.edns.is_some_and(|edns| edns.flags().dnssec_ok));
        }
    }
}
