//! What can be wrong with an origin: one type per fault. A test switches them at run time.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::time::Duration;

use super::page::{Good, Page};
use super::wire::{Asked, Wire, find};

/// What becomes of a connection at its acceptance.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Door {
    /// It is served.
    Open,
    /// It is accepted and reset.
    Reset,
    /// Nobody listens.
    Shut,
}

/// What becomes of a connection after an answer.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum After {
    /// The next request may come.
    Keep,
    /// A clean end (FIN).
    Close,
    /// An unclean one (RST).
    Reset,
}

/// An answer being given, rightly or wrongly.
pub type Doing<'a> = Pin<Box<dyn Future<Output = io::Result<After>> + Send + 'a>>;

/// One way to fail.
pub trait Fault: Send + Sync + 'static {
    /// What it does to new connections. Anything but [`Door::Open`] also cuts the connections that are there.
    fn door(&self) -> Door {
        Door::Open
    }

    /// What it makes of the right answer.
    fn answer<'a>(&'a self, wire: &'a mut Wire, good: Good) -> Doing<'a> {
        Box::pin(async move { good.send(wire).await })
    }
}

/// Nothing is wrong.
pub struct Healthy;
impl Fault for Healthy {}

/// The process is gone: connections are refused, those that were open are reset.
pub struct Refuse;
impl Fault for Refuse {
    fn door(&self) -> Door {
        Door::Shut
    }
}

/// Every connection is reset as soon as it is accepted.
pub struct ResetOnAccept;
impl Fault for ResetOnAccept {
    fn door(&self) -> Door {
        Door::Reset
    }
}

macro_rules! faults {
    ($($(#[$doc:meta])* $name:ident => |$wire:ident, $good:ident| $does:block)+) => {
        $($(#[$doc])*
        pub struct $name;
        impl Fault for $name {
            fn answer<'a>(&'a self, $wire: &'a mut Wire, $good: Good) -> Doing<'a> {
                Box::pin(async move { $does })
            }
        })+
    };
}

faults! {
    /// A reset in the middle of the header fields.
    ResetInHeaders => |wire, good| {
        wire.send(&good.head[..good.head.len() / 2]).await?;
        Ok(After::Reset)
    }
    /// A server's time to write: it sends on and on, and gives up on who takes nothing for two seconds.
    WriteTimeout => |wire, good| {
        wire.send(&good.head).await?;
        let block = vec![b'.'; 64 << 10];
        while let Ok(sent) = tokio::time::timeout(Duration::from_secs(2), wire.send(&block)).await {
            sent?;
        }
        Ok(After::Reset)
    }
    /// Something that is not HTTP.
    NotHttp => |wire, _good| {
        wire.send(b"SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n\r\n").await?;
        Ok(After::Close)
    }
    /// Accepts, reads, and never answers.
    Silent => |wire, _good| {
        wire.hang().await;
        Ok(After::Reset)
    }
    /// Half of the header fields, then silence.
    HalfHeadersThenSilence => |wire, good| {
        wire.send(&good.head[..good.head.len() / 2]).await?;
        wire.hang().await;
        Ok(After::Reset)
    }
    /// All of the header fields, then silence.
    HeadersThenSilence => |wire, good| {
        wire.send(&good.head).await?;
        wire.hang().await;
        Ok(After::Reset)
    }
    /// Half of the body, then silence.
    HalfBodyThenSilence => |wire, good| {
        wire.send(&good.head).await?;
        wire.send(&good.body[..good.body.len() / 2]).await?;
        wire.hang().await;
        Ok(After::Reset)
    }
    /// Half of the body, then a reset.
    HalfBodyThenReset => |wire, good| {
        wire.send(&good.head).await?;
        wire.send(&good.body[..good.body.len() / 2]).await?;
        wire.settle().await;
        Ok(After::Reset)
    }
    /// Half of the body, then a clean end: shorter than its Content-Length says.
    HalfBodyThenClose => |wire, good| {
        wire.send(&good.head).await?;
        wire.send(&good.body[..good.body.len() / 2]).await?;
        Ok(After::Close)
    }
    /// A chunked body that ends without its last chunk.
    ChunkedCut => |wire, good| {
        let half = &good.body[..good.body.len() / 2];
        wire.send(&good.chunked_head()).await?;
        wire.send(format!("{:x}\r\n", half.len()).as_bytes()).await?;
        wire.send(half).await?;
        wire.send(b"\r\n").await?;
        Ok(After::Close)
    }
    /// Header fields at once, then a byte a second.
    Trickle => |wire, good| {
        wire.send(&good.head).await?;
        for byte in good.body.iter().take(60) {
            wire.send(&[*byte]).await?;
            if wire.hang_for(Duration::from_secs(1)).await {
                break;
            }
        }
        Ok(After::Reset)
    }
    /// Status 200 and no body: a script that died.
    EmptyBody => |wire, _good| {
        wire.send(b"HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: 0\r\n\r\n").await?;
        Ok(After::Keep)
    }
}

/// The right answer, too late.
pub struct Late(pub Duration);
impl Fault for Late {
    fn answer<'a>(&'a self, wire: &'a mut Wire, good: Good) -> Doing<'a> {
        Box::pin(async move {
            if wire.hang_for(self.0).await {
                return Ok(After::Reset);
            }
            good.send(wire).await
        })
    }
}

/// An error page of this status; 503 with `Retry-After`.
pub struct Status(pub u16);
impl Fault for Status {
    fn answer<'a>(&'a self, wire: &'a mut Wire, _good: Good) -> Doing<'a> {
        Box::pin(async move {
            let body = format!("<!doctype html><title>{0}</title><h1>Error {0}</h1>", self.0);
            let retry = if self.0 == 503 { "retry-after: 120\r\n" } else { "" };
            let head = format!(
                "HTTP/1.1 {} Error\r\ncontent-type: text/html\r\n{retry}content-length: {}\r\n\r\n",
                self.0,
                body.len()
            );
            wire.send(head.as_bytes()).await?;
            wire.send(body.as_bytes()).await?;
            Ok(After::Keep)
        })
    }
}

/// Another answer, whatever was asked for: what a host, a panel or an intruder puts in the place of a site.
pub struct Instead(pub Page);
impl Fault for Instead {
    fn answer<'a>(&'a self, wire: &'a mut Wire, _good: Good) -> Doing<'a> {
        let page = self.0.clone().render(&Asked { method: "GET".into(), ..Asked::default() });
        Box::pin(async move { page.send(wire).await })
    }
}

/// Another answer in place of each page; what pages need to be drawn is as it should be.
pub struct PagesInstead(pub Page);
impl Fault for PagesInstead {
    fn answer<'a>(&'a self, wire: &'a mut Wire, good: Good) -> Doing<'a> {
        if find(&good.head, b"content-type: text/html").is_none() {
            return Box::pin(async move { good.send(wire).await });
        }
        let page = self.0.clone().render(&Asked { method: "GET".into(), ..Asked::default() });
        Box::pin(async move { page.send(wire).await })
    }
}

/// Pages are as they should be, and what they need to be drawn is not there: a release that went wrong.
pub struct AssetsMissing;
impl Fault for AssetsMissing {
    fn answer<'a>(&'a self, wire: &'a mut Wire, good: Good) -> Doing<'a> {
        let kept = ["text/html", "text/plain", "application/pdf"].map(|kind| format!("content-type: {kind}"));
        if kept.iter().any(|kind| find(&good.head, kind.as_bytes()).is_some()) {
            return Box::pin(async move { good.send(wire).await });
        }
        let page = Page::not_found().render(&Asked { method: "GET".into(), ..Asked::default() });
        Box::pin(async move { page.send(wire).await })
    }
}
