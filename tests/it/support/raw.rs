//! A visitor who writes bytes: for what no client library would send, and for watching what exactly comes back.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::wire::find;

/// A plain connection.
pub struct Raw {
    stream: TcpStream,
    unread: Vec<u8>,
}

/// How a read ended.
#[derive(Debug, PartialEq, Eq)]
pub enum End {
    /// The peer closed.
    Closed,
    /// The peer reset.
    Reset,
    /// Neither, within the time.
    Open,
}

impl Raw {
    pub async fn connect(addr: SocketAddr) -> Raw {
        let stream = TcpStream::connect(addr).await.expect("a listening edge");
        stream.set_nodelay(true).unwrap();
        Raw { stream, unread: Vec::new() }
    }

    /// Writes; a peer that has closed already is no error here.
    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        let _ = self.stream.write_all(bytes.as_ref()).await;
    }

    /// No more will be sent.
    pub async fn end(&mut self) {
        let _ = self.stream.shutdown().await;
    }

    async fn fill(&mut self) -> Result<(), End> {
        let mut block = [0; 64 << 10];
        match self.stream.read(&mut block).await {
            Ok(0) => Err(End::Closed),
            Ok(n) => {
                self.unread.extend_from_slice(&block[..n]);
                Ok(())
            }
            Err(_) => Err(End::Reset),
        }
    }

    /// Reads until the peer ends, at most for `within`. Returns all that came and how it ended.
    pub async fn until_end(&mut self, within: Duration) -> (String, End) {
        let end = tokio::time::timeout(within, async {
            loop {
                if let Err(end) = self.fill().await {
                    return end;
                }
            }
        });
        let end = end.await.unwrap_or(End::Open);
        (String::from_utf8_lossy(&std::mem::take(&mut self.unread)).into_owned(), end)
    }

    /// Reads up to and with `mark`, at most for `within`.
    pub async fn until(&mut self, mark: &str, within: Duration) -> String {
        let read = tokio::time::timeout(within, async {
            loop {
                if let Some(at) = find(&self.unread, mark.as_bytes()) {
                    return Ok::<usize, End>(at + mark.len());
                }
                self.fill().await?;
            }
        });
        let seen = |unread: &[u8]| String::from_utf8_lossy(unread).into_owned();
        match read.await {
            Ok(Ok(end)) => seen(&self.unread.drain(..end).collect::<Vec<_>>()),
            other => panic!("{mark:?} did not come ({other:?}); what came: {:?}", seen(&self.unread)),
        }
    }

    /// Reads one head. The status is its second word.
    pub async fn head(&mut self, within: Duration) -> String {
        self.until("\r\n\r\n", within).await
    }

    /// Reads exactly `n` bytes.
    pub async fn exactly(&mut self, n: usize, within: Duration) -> Vec<u8> {
        let read = tokio::time::timeout(within, async {
            while self.unread.len() < n {
                self.fill().await?;
            }
            Ok::<(), End>(())
        });
        match read.await {
            Ok(Ok(())) => self.unread.drain(..n).collect(),
            other => panic!("{n} bytes did not come ({other:?}), only {}", self.unread.len()),
        }
    }

    /// Reads and throws away `n` bytes, fast.
    pub async fn swallow(&mut self, n: u64) -> u64 {
        let mut block = vec![0; 1 << 20];
        let mut got = self.unread.len() as u64;
        self.unread.clear();
        while got < n {
            match self.stream.read(&mut block).await {
                Ok(0) | Err(_) => break,
                Ok(came) => got += came as u64,
            }
        }
        got
    }

    /// Writes `n` bytes, fast.
    pub async fn pour(&mut self, n: u64) -> std::io::Result<()> {
        let block = vec![b'.'; 1 << 20];
        let mut left = n;
        while left > 0 {
            let now = left.min(block.len() as u64);
            self.stream.write_all(&block[..now as usize]).await?;
            left -= now;
        }
        Ok(())
    }
}

/// The status of a head.
pub fn status(head: &str) -> u16 {
    head.split(' ').nth(1).and_then(|s| s.parse().ok()).unwrap_or_else(|| panic!("no status in {head:?}"))
}
