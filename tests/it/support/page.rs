//! What a healthy origin answers: pages with validators, ranges, trailers, and bodies larger than memory.

use std::io;

use bytes::Bytes;

use super::faults::After;
use super::wire::{Asked, Wire};

/// An answer that an origin has for a path.
#[derive(Clone, Debug)]
pub struct Page {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Bytes,
    /// Sent instead of `body`: this many bytes, each of them `.`.
    pub streamed: Option<u64>,
    pub chunked: bool,
    pub trailers: Vec<(String, String)>,
    /// Sent before the answer, as it stands: `103` and the like.
    pub before: &'static str,
    /// After a 101 the connection is an echo.
    pub echo: bool,
}

impl Page {
    /// Any body.
    pub fn new(kind: &str, body: impl Into<Bytes>) -> Page {
        Page {
            status: 200,
            headers: vec![("content-type".into(), kind.into())],
            body: body.into(),
            streamed: None,
            chunked: false,
            trailers: Vec::new(),
            before: "",
            echo: false,
        }
    }

    /// HTML.
    pub fn html(body: impl Into<Bytes>) -> Page {
        Page::new("text/html; charset=utf-8", body)
    }

    /// A redirect.
    pub fn redirect(status: u16, to: &str) -> Page {
        Page::html(format!("<a href=\"{to}\">moved</a>")).status(status).header("location", to)
    }

    /// The origin's own 404.
    pub fn not_found() -> Page {
        Page::html("<!doctype html><title>404</title><p>the origin knows no such page").status(404)
    }

    /// A body of this many bytes which is never in memory as a whole.
    pub fn streamed(len: u64) -> Page {
        Page { streamed: Some(len), ..Page::new("application/octet-stream", "") }
    }

    /// A WebSocket whose far end says what it hears.
    pub fn echo() -> Page {
        Page { echo: true, ..Page::new("text/plain", "") }
            .status(101)
            .header("connection", "Upgrade")
            .header("upgrade", "websocket")
    }

    pub fn status(mut self, status: u16) -> Page {
        self.status = status;
        self
    }

    pub fn header(mut self, name: &str, value: &str) -> Page {
        self.headers.push((name.into(), value.into()));
        self
    }

    pub fn chunked(mut self) -> Page {
        self.chunked = true;
        self
    }

    pub fn trailer(mut self, name: &str, value: &str) -> Page {
        self.trailers.push((name.into(), value.into()));
        self.header("trailer", name).chunked()
    }

    pub fn before(mut self, raw: &'static str) -> Page {
        self.before = raw;
        self
    }

    fn field(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    /// The answer to one request: conditions and ranges applied, ready to be sent or spoilt.
    pub fn render(mut self, asked: &Asked) -> Good {
        if self.status == 200 {
            self.apply_condition(asked);
        }
        if self.status == 200 {
            self.apply_range(asked);
        }
        let bare = matches!(self.status, 101 | 204 | 304);
        let mut lines = format!("{}HTTP/1.1 {} Status\r\n", self.before, self.status);
        for (name, value) in &self.headers {
            lines.push_str(&format!("{name}: {value}\r\n"));
        }
        let unframed = lines.clone();
        match self.chunked {
            _ if bare => {}
            true => lines.push_str("transfer-encoding: chunked\r\n"),
            false => {
                let length = self.streamed.unwrap_or(self.body.len() as u64);
                lines.push_str(&format!("content-length: {length}\r\n"));
            }
        }
        lines.push_str("\r\n");
        let silent = bare || asked.method == "HEAD";
        Good {
            head: lines.into_bytes(),
            body: if silent { Bytes::new() } else { self.body },
            unframed,
            streamed: if silent { None } else { self.streamed },
            chunked: self.chunked && !silent,
            trailers: self.trailers,
            echo: self.echo,
        }
    }

    fn apply_condition(&mut self, asked: &Asked) {
        let same = match asked.header("if-none-match") {
            Some(tags) => self.field("etag").is_some_and(|tag| tags.contains(tag)),
            None => match (asked.header("if-modified-since"), self.field("last-modified")) {
                (Some(since), Some(modified)) => since == modified,
                _ => false,
            },
        };
        if same {
            self.status = 304;
            self.body = Bytes::new();
        }
    }

    fn apply_range(&mut self, asked: &Asked) {
        let Some((from, to)) = asked
            .header("range")
            .and_then(|r| r.strip_prefix("bytes=").map(str::to_owned))
            .and_then(|r| r.split_once('-').map(|(a, b)| (a.to_owned(), b.to_owned())))
            .and_then(|(a, b)| {
                let last = self.body.len().checked_sub(1)?;
                Some((a.parse::<usize>().ok()?, b.parse::<usize>().unwrap_or(last).min(last)))
            })
        else {
            return;
        };
        if self.field("accept-ranges").is_none() || from > to {
            return;
        }
        let range = format!("bytes {from}-{to}/{}", self.body.len());
        self.status = 206;
        self.body = self.body.slice(from..=to);
        self.headers.push(("content-range".into(), range));
    }
}

/// The right answer to one request, as bytes.
pub struct Good {
    /// Status line and header fields, with the empty line.
    pub head: Vec<u8>,
    /// The body without any framing.
    pub body: Bytes,
    unframed: String,
    streamed: Option<u64>,
    chunked: bool,
    trailers: Vec<(String, String)>,
    echo: bool,
}

impl Good {
    /// The head for a chunked body.
    pub fn chunked_head(&self) -> Vec<u8> {
        format!("{}transfer-encoding: chunked\r\n\r\n", self.unframed).into_bytes()
    }

    /// Sends it as it should be.
    pub async fn send(self, wire: &mut Wire) -> io::Result<After> {
        if !self.chunked && self.streamed.is_none() && self.body.len() < 16 << 10 {
            wire.send(&[&self.head[..], &self.body].concat()).await?;
        } else {
            wire.send(&self.head).await?;
            self.send_body(wire).await?;
        }
        if self.echo {
            wire.echo().await?;
            return Ok(After::Close);
        }
        Ok(After::Keep)
    }

    async fn send_body(&self, wire: &mut Wire) -> io::Result<()> {
        if let Some(mut left) = self.streamed {
            let block = vec![b'.'; 256 << 10];
            while left > 0 {
                let now = left.min(block.len() as u64);
                if self.chunked {
                    wire.send(format!("{now:x}\r\n").as_bytes()).await?;
                }
                wire.send(&block[..now as usize]).await?;
                left -= now;
                if self.chunked {
                    wire.send(if left > 0 { b"\r\n" } else { b"\r\n0\r\n\r\n" }).await?;
                }
            }
        } else if self.chunked {
            for part in self.body.chunks(4 << 10) {
                wire.send(&[format!("{:x}\r\n", part.len()).as_bytes(), part, b"\r\n"].concat()).await?;
            }
            let mut end = "0\r\n".to_owned();
            for (name, value) in &self.trailers {
                end.push_str(&format!("{name}: {value}\r\n"));
            }
            end.push_str("\r\n");
            wire.send(end.as_bytes()).await?;
        } else {
            wire.send(&self.body).await?;
        }
        Ok(())
    }
}
