//! What a store must do of S3, in memory, and fast enough not to be what is measured; every request is counted by its kind.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::ops::Bound;
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use bytes::Bytes;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::support::door::Passed;
use crate::support::wire::{Asked, Wire};

/// The bucket that it has.
pub const BUCKET: &str = "katahai-bench";
/// Objects in one page of a listing, as S3 has it.
const PAGE: usize = 1000;

/// An object, its version, and when it was written.
type Stored = (Bytes, u64, SystemTime);

#[derive(Default)]
struct Inner {
    objects: BTreeMap<String, Stored>,
    written: u64,
    passed: Vec<Passed>,
}

/// The store.
pub struct Counting {
    addr: SocketAddr,
    inner: Arc<Mutex<Inner>>,
    _moved: watch::Sender<u64>,
}

impl Counting {
    pub async fn start() -> Counting {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (addr, moved) = (listener.local_addr().unwrap(), watch::Sender::new(0));
        let inner: Arc<Mutex<Inner>> = Arc::default();
        let (shared, seen) = (inner.clone(), moved.subscribe());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let _ = stream.set_nodelay(true);
                tokio::spawn(serve(shared.clone(), stream, seen.clone()));
            }
        });
        Counting { addr, inner, _moved: moved }
    }

    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// What went through since it was asked last.
    pub fn passed(&self) -> Vec<Passed> {
        std::mem::take(&mut self.inner.lock().unwrap().passed)
    }

    /// What an object is now.
    pub fn object(&self, name: &str) -> Option<Bytes> {
        self.inner.lock().unwrap().objects.get(name).map(|(bytes, ..)| bytes.clone())
    }
}

async fn serve(inner: Arc<Mutex<Inner>>, stream: TcpStream, moved: watch::Receiver<u64>) {
    let mut wire = Wire::plain(stream, moved).keeping(256 << 20);
    while let Ok(Some(mut asked)) = wire.head().await {
        if wire.body(&mut asked).await.is_err() {
            return;
        }
        let (status, fields, body) = inner.lock().unwrap().answer(&asked);
        let length =
            if status == 304 { String::new() } else { format!("content-length: {}\r\n", body.len()) };
        let head = format!("HTTP/1.1 {status} Done\r\n{fields}{length}\r\n");
        let has_body = asked.method != "HEAD" && status != 304;
        let sent = async {
            wire.send(head.as_bytes()).await?;
            if has_body { wire.send(&body).await } else { Ok(()) }
        };
        if sent.await.is_err() {
            return;
        }
    }
}

fn tag(version: u64) -> String {
    format!("\"{version:032x}\"")
}

fn refused(status: u16, code: &str) -> (u16, String, Bytes) {
    (status, "content-type: application/xml\r\n".into(), format!("<Error><Code>{code}</Code></Error>").into())
}

impl Inner {
    fn answer(&mut self, asked: &Asked) -> (u16, String, Bytes) {
        let path = percent_encoding::percent_decode_str(asked.path()).decode_utf8().unwrap().into_owned();
        let name = path.trim_start_matches('/').trim_start_matches(BUCKET).trim_start_matches('/').to_owned();
        let answer = match &*asked.method {
            "PUT" => self.put(asked, name),
            "DELETE" => {
                self.objects.remove(&name);
                (204, String::new(), Bytes::new())
            }
            _ if asked.target.contains("list-type=") => self.list(asked),
            _ => self.get(asked, &name),
        };
        let (method, target) = (asked.method.clone(), asked.target.clone());
        self.passed.push(Passed { method, target, status: answer.0 });
        answer
    }

    fn put(&mut self, asked: &Asked, name: String) -> (u16, String, Bytes) {
        let there = self.objects.get(&name).map(|(_, version, _)| tag(*version));
        let is_lost = match (asked.header("if-match"), asked.header("if-none-match")) {
            (Some(tag), _) => there.as_ref() != Some(&tag),
            (None, Some(_)) => there.is_some(),
            (None, None) => false,
        };
        if is_lost {
            return refused(412, "PreconditionFailed");
        }
        self.written += 1;
        self.objects.insert(name, (asked.body.clone(), self.written, SystemTime::now()));
        (200, format!("etag: {}\r\n", tag(self.written)), Bytes::new())
    }

    fn get(&self, asked: &Asked, name: &str) -> (u16, String, Bytes) {
        let Some((bytes, version, modified)) = self.objects.get(name) else {
            return refused(404, "NoSuchKey");
        };
        let modified = httpdate::fmt_http_date(*modified);
        let fields = format!("etag: {}\r\nlast-modified: {modified}\r\n", tag(*version));
        match asked.header("if-none-match") {
            Some(known) if known == tag(*version) => (304, fields, Bytes::new()),
            _ => (200, fields, bytes.clone()),
        }
    }

    fn list(&self, asked: &Asked) -> (u16, String, Bytes) {
        let url = url::Url::parse(&format!("http://store{}", asked.target)).unwrap();
        let query: BTreeMap<String, String> = url.query_pairs().into_owned().collect();
        let prefix = query.get("prefix").cloned().unwrap_or_default();
        let after = query.get("continuation-token").or(query.get("start-after")).cloned();
        let from = after.map_or(Bound::Included(prefix.clone()), Bound::Excluded);
        let (mut text, mut folders, mut last) = (String::new(), std::collections::BTreeSet::new(), None);
        let mut all = self.objects.range((from, Bound::Unbounded)).peekable();
        for _ in 0..PAGE {
            let Some((name, (bytes, version, modified))) = all.next_if(|(name, _)| name.starts_with(&prefix))
            else {
                break;
            };
            last = Some(name.clone());
            if let (Some(delimiter), rest) = (query.get("delimiter"), &name[prefix.len()..])
                && let Some((folder, _)) = rest.split_once(&**delimiter)
            {
                folders.insert(format!("{prefix}{folder}{delimiter}"));
                continue;
            }
            let now = humantime::format_rfc3339_millis(*modified);
            let (size, tag) = (bytes.len(), tag(*version).replace('"', "&quot;"));
            text.push_str(&format!(
                "<Contents><Key>{name}</Key><LastModified>{now}</LastModified><ETag>{tag}</ETag><Size>{size}</Size></Contents>"
            ));
        }
        for folder in folders {
            text.push_str(&format!("<CommonPrefixes><Prefix>{folder}</Prefix></CommonPrefixes>"));
        }
        let is_more = all.peek().is_some_and(|(name, _)| name.starts_with(&prefix));
        let token = last.filter(|_| is_more);
        let token = token.map_or_else(String::new, |last| {
            format!("<NextContinuationToken>{last}</NextContinuationToken>")
        });
        let text =
            format!("<ListBucketResult><IsTruncated>{is_more}</IsTruncated>{token}{text}</ListBucketResult>");
        (200, "content-type: application/xml\r\n".into(), text.into())
    }
}
