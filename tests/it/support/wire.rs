//! One connection of the faulty origin: bytes in, bytes out, and all the ways to leave.

use std::io;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio_rustls::server::TlsStream;

/// A request as it arrived.
#[derive(Clone, Debug, Default)]
pub struct Asked {
    pub method: String,
    pub target: String,
    /// In their order; names in lower case.
    pub headers: Vec<(String, String)>,
    /// The first MiB of it.
    pub body: Bytes,
    /// All of it.
    pub body_len: u64,
    /// Whether it came to its end.
    pub whole: bool,
    pub trailers: Vec<(String, String)>,
}

impl Asked {
    /// All values of a field, joined as HTTP joins them.
    pub fn header(&self, name: &str) -> Option<String> {
        let values: Vec<&str> =
            self.headers.iter().filter(|(n, _)| n == name).map(|(_, value)| value.as_str()).collect();
        (!values.is_empty()).then(|| values.join(", "))
    }

    /// The target without its query.
    pub fn path(&self) -> &str {
        self.target.split('?').next().unwrap_or_default()
    }
}

enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

/// A connection.
pub struct Wire {
    stream: Stream,
    unread: BytesMut,
    moved: watch::Receiver<u64>,
    /// How much of a body is kept.
    kept: usize,
}

const KEPT_BODY: usize = 1 << 20;

impl Wire {
    /// Without TLS.
    pub fn plain(stream: TcpStream, moved: watch::Receiver<u64>) -> Wire {
        Wire { stream: Stream::Plain(stream), unread: BytesMut::new(), moved, kept: KEPT_BODY }
    }

    /// With TLS.
    pub fn tls(stream: TlsStream<TcpStream>, moved: watch::Receiver<u64>) -> Wire {
        Wire { stream: Stream::Tls(Box::new(stream)), unread: BytesMut::new(), moved, kept: KEPT_BODY }
    }

    /// Keeps so many bytes of a body.
    #[must_use]
    pub fn keeping(self, kept: usize) -> Wire {
        Wire { kept, ..self }
    }

    /// Writes all of it.
    pub async fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        match &mut self.stream {
            Stream::Plain(s) => s.write_all(bytes).await,
            Stream::Tls(s) => {
                s.write_all(bytes).await?;
                s.flush().await
            }
        }
    }

    /// Records the fault of this moment: [`Wire::hang`] ends with the next one.
    pub fn mark(&mut self) {
        self.moved.mark_unchanged();
    }

    /// Silence, until the fault is lifted or the peer leaves.
    pub async fn hang(&mut self) {
        let mut moved = self.moved.clone();
        tokio::select! {
            _ = moved.changed() => {}
            () = self.peer_left() => {}
        }
    }

    /// Silence for `d`; true if the fault was lifted or the peer left before.
    pub async fn hang_for(&mut self, d: Duration) -> bool {
        tokio::time::timeout(d, self.hang()).await.is_ok()
    }

    /// Gives the peer the time to read what was sent before a reset would throw it away.
    pub async fn settle(&mut self) {
        self.hang_for(Duration::from_millis(50)).await;
    }

    /// Waits until the peer has gone.
    pub async fn peer_left(&mut self) {
        while matches!(self.fill().await, Ok(n) if n > 0) {}
    }

    async fn fill(&mut self) -> io::Result<usize> {
        self.unread.reserve(64 << 10);
        match &mut self.stream {
            Stream::Plain(s) => s.read_buf(&mut self.unread).await,
            Stream::Tls(s) => s.read_buf(&mut self.unread).await,
        }
    }

    /// A clean end.
    pub async fn close(mut self) {
        let _ = match &mut self.stream {
            Stream::Plain(s) => s.shutdown().await,
            Stream::Tls(s) => s.shutdown().await,
        };
        // what the peer still sends is read, or the kernel would turn the end into a reset
        let _ = tokio::time::timeout(Duration::from_millis(200), self.peer_left()).await;
    }

    /// An unclean end.
    pub fn reset(self) {
        let tcp = match &self.stream {
            Stream::Plain(s) => s,
            Stream::Tls(s) => s.get_ref().0,
        };
        let _ = socket2::SockRef::from(tcp).set_linger(Some(Duration::ZERO));
    }

    /// The head of the next request; `None` when the peer has ended.
    pub async fn head(&mut self) -> io::Result<Option<Asked>> {
        let end = loop {
            if let Some(at) = find(&self.unread, b"\r\n\r\n") {
                break at;
            }
            if self.fill().await? == 0 {
                return Ok(None);
            }
        };
        let head = self.unread.split_to(end + 4);
        let text = String::from_utf8_lossy(&head);
        let mut lines = text.trim_end().split("\r\n");
        let mut first = lines.next().unwrap_or_default().split(' ');
        let (method, target) = (first.next().unwrap_or_default(), first.next().unwrap_or_default());
        Ok(Some(Asked {
            method: method.to_owned(),
            target: target.to_owned(),
            headers: fields(lines),
            ..Asked::default()
        }))
    }

    /// Reads the body that belongs to `asked` into it.
    pub async fn body(&mut self, asked: &mut Asked) -> io::Result<()> {
        if asked.header("expect").is_some_and(|e| e.eq_ignore_ascii_case("100-continue")) {
            self.send(b"HTTP/1.1 100 Continue\r\n\r\n").await?;
        }
        if asked.header("transfer-encoding").is_some_and(|t| t.eq_ignore_ascii_case("chunked")) {
            loop {
                let line = self.line().await?;
                let size = u64::from_str_radix(line.split(';').next().unwrap_or_default().trim(), 16)
                    .map_err(|_| io::Error::other(format!("chunk size: {line:?}")))?;
                if size == 0 {
                    break;
                }
                self.take(size, asked).await?;
                self.line().await?;
            }
            let mut lines = Vec::new();
            loop {
                let line = self.line().await?;
                if line.is_empty() {
                    break;
                }
                lines.push(line);
            }
            asked.trailers = fields(lines.iter().map(String::as_str));
        } else if let Some(length) = asked.header("content-length").and_then(|l| l.parse().ok()) {
            self.take(length, asked).await?;
        }
        asked.whole = true;
        Ok(())
    }

    async fn take(&mut self, mut left: u64, asked: &mut Asked) -> io::Result<()> {
        let mut kept = BytesMut::from(&asked.body[..]);
        while left > 0 {
            if self.unread.is_empty() && self.fill().await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            let now = (self.unread.len() as u64).min(left) as usize;
            let part = &self.unread[..now];
            kept.extend_from_slice(&part[..now.min(self.kept - kept.len().min(self.kept))]);
            bytes::Buf::advance(&mut self.unread, now);
            left -= now as u64;
            asked.body_len += now as u64;
        }
        asked.body = kept.freeze();
        Ok(())
    }

    async fn line(&mut self) -> io::Result<String> {
        loop {
            if let Some(at) = find(&self.unread, b"\r\n") {
                let line = self.unread.split_to(at + 2);
                return Ok(String::from_utf8_lossy(&line[..at]).into_owned());
            }
            if self.fill().await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }

    /// Sends back whatever comes, until the peer ends.
    pub async fn echo(&mut self) -> io::Result<()> {
        loop {
            if self.unread.is_empty() && self.fill().await? == 0 {
                return Ok(());
            }
            let came = self.unread.split();
            self.send(&came).await?;
        }
    }
}

fn fields<'a>(lines: impl Iterator<Item = &'a str>) -> Vec<(String, String)> {
    lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect()
}

/// Where `what` begins in `text`.
pub fn find(text: &[u8], what: &[u8]) -> Option<usize> {
    text.windows(what.len()).position(|window| window == what)
}
