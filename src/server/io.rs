//! The stream under a connection: counts what moves, hands back what was read to tell HTTP/1 from HTTP/2, writes
//! interim answers ahead, and closes so that the last answer arrives.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, RawFd};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::server::TlsStream;

use super::activity::{Activity, End};

const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

const REQUEST_TIMEOUT: &[u8] = b"HTTP/1.1 408 Request Timeout\r\n\
    connection: close\r\ncontent-length: 0\r\ncache-control: no-store\r\n\r\n";

/// What bytes come and go through.
#[derive(Debug)]
pub(super) enum Stream {
    Tcp(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
    Unix(UnixStream),
}

macro_rules! with_stream {
    ($stream:expr, $name:ident => $call:expr) => {
        match $stream {
            Stream::Tcp($name) => $call,
            Stream::Tls($name) => $call,
            Stream::Unix($name) => $call,
        }
    };
}

impl AsRawFd for Stream {
    fn as_raw_fd(&self) -> RawFd {
        match self {
            Stream::Tcp(stream) => stream.as_raw_fd(),
            Stream::Tls(stream) => stream.get_ref().0.as_raw_fd(),
            Stream::Unix(stream) => stream.as_raw_fd(),
        }
    }
}

/// See the module.
#[derive(Debug)]
pub(super) struct Watched {
    stream: Stream,
    activity: Arc<Activity>,
    /// What was read ahead, and how much of it has been handed on.
    first: [u8; PREFACE.len()],
    first_len: u8,
    first_at: u8,
    /// Interim answers on their way, and how much of them has gone.
    ahead: Vec<u8>,
    ahead_at: usize,
    shut: bool,
}

impl Watched {
    pub(super) fn new(stream: Stream, activity: Arc<Activity>) -> Watched {
        Watched {
            stream,
            activity,
            first: [0; PREFACE.len()],
            first_len: 0,
            first_at: 0,
            ahead: Vec::new(),
            ahead_at: 0,
            shut: false,
        }
    }

    /// Reads until it is clear whether the client begins with HTTP/2's preface (RFC 9113 section 3.4).
    pub(super) async fn starts_with_preface(&mut self) -> io::Result<bool> {
        loop {
            let len = usize::from(self.first_len);
            let room = &mut self.first[len..];
            let count = with_stream!(&mut self.stream, stream => stream.read(room).await)?;
            self.activity.add_read(count);
            let all = len + count;
            self.first_len = all as u8;
            if count == 0 || self.first[..all] != PREFACE[..all] {
                return Ok(false);
            }
            if all == PREFACE.len() {
                return Ok(true);
            }
        }
    }

    fn take_first(&mut self, buf: &mut ReadBuf<'_>) -> usize {
        let rest = &self.first[usize::from(self.first_at)..usize::from(self.first_len)];
        let count = rest.len().min(buf.remaining());
        buf.put_slice(&rest[..count]);
        self.first_at += count as u8;
        count
    }

    fn inner(&mut self) -> Pin<&mut (dyn AsyncRead + Send + Unpin)> {
        with_stream!(&mut self.stream, stream => Pin::new(stream))
    }

    /// The connection has to end: says so to a client whose request came too slowly, as far as that goes at once.
    fn refuse(&mut self, cx: &mut Context<'_>, reason: End) -> io::Error {
        if reason == End::SlowHead && self.activity.is_in_head() && self.ahead.is_empty() {
            with_stream!(&mut self.stream, stream => {
                let _ = Pin::new(&mut *stream).poll_write(cx, REQUEST_TIMEOUT);
                let _ = Pin::new(&mut *stream).poll_flush(cx);
                let _ = Pin::new(&mut *stream).poll_shutdown(cx);
            });
        }
        io::Error::new(io::ErrorKind::TimedOut, reason.code())
    }

    fn poll_ahead(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.ahead_at < self.ahead.len() {
            let rest = &self.ahead[self.ahead_at..];
            let count =
                ready!(with_stream!(&mut self.stream, stream => Pin::new(stream).poll_write(cx, rest)))?;
            if count == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.ahead_at += count;
        }
        self.ahead = Vec::new();
        self.ahead_at = 0;
        Poll::Ready(Ok(()))
    }

    /// After an upgrade the reading and writing tasks are not the connection's own, and have to be woken apart.
    fn ended_while_upgraded(&self, register: impl FnOnce(&Activity)) -> Option<End> {
        if !self.activity.is_upgraded() {
            return None;
        }
        register(&self.activity);
        self.activity.end()
    }
}

impl AsyncRead for Watched {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if let Some(reason) = this.activity.end() {
            return Poll::Ready(Err(this.refuse(cx, reason)));
        }
        let handed = if this.first_at < this.first_len { this.take_first(buf) } else { 0 };
        if handed > 0 && buf.remaining() == 0 {
            return Poll::Ready(Ok(()));
        }
        let before = buf.filled().len();
        match with_stream!(&mut this.stream, stream => Pin::new(stream).poll_read(cx, buf)) {
            Poll::Ready(Ok(())) => {
                this.activity.add_read(buf.filled().len() - before);
                Poll::Ready(Ok(()))
            }
            // what was read ahead goes out first; the error will be met again
            Poll::Ready(Err(_)) | Poll::Pending if handed > 0 => Poll::Ready(Ok(())),
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending => match this.ended_while_upgraded(|activity| activity.await_read(cx.waker())) {
                Some(reason) => Poll::Ready(Err(this.refuse(cx, reason))),
                None => Poll::Pending,
            },
        }
    }
}

impl Watched {
    fn wrote(
        &self,
        cx: &Context<'_>,
        offered: usize,
        outcome: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        let taken = if let Poll::Ready(Ok(count)) = outcome { count } else { 0 };
        self.activity.set_unsent(offered.saturating_sub(taken));
        match outcome {
            Poll::Ready(Ok(count)) => {
                self.activity.add_written(count);
                Poll::Ready(Ok(count))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending => match self.ended_while_upgraded(|activity| activity.await_write(cx.waker())) {
                Some(reason) => Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, reason.code()))),
                None => Poll::Pending,
            },
        }
    }
}

impl AsyncWrite for Watched {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if !this.ahead.is_empty() {
            ready!(this.poll_ahead(cx))?;
        }
        let outcome = with_stream!(&mut this.stream, stream => Pin::new(stream).poll_write(cx, buf));
        this.wrote(cx, buf.len(), outcome)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if !this.ahead.is_empty() {
            ready!(this.poll_ahead(cx))?;
        }
        let outcome =
            with_stream!(&mut this.stream, stream => Pin::new(stream).poll_write_vectored(cx, bufs));
        this.wrote(cx, bufs.iter().map(|buf| buf.len()).sum(), outcome)
    }

    fn is_write_vectored(&self) -> bool {
        with_stream!(&self.stream, stream => stream.is_write_vectored())
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        // hyper comes here only when its own buffer is empty: the place between two messages
        if this.activity.has_interim() {
            this.ahead.extend_from_slice(&this.activity.take_interim());
        }
        if !this.ahead.is_empty() {
            ready!(this.poll_ahead(cx))?;
        }
        let flushed = with_stream!(&mut this.stream, stream => Pin::new(stream).poll_flush(cx));
        // TLS has a buffer of its own
        this.activity.set_unsent(usize::from(flushed.is_pending()));
        flushed
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if !this.shut {
            ready!(with_stream!(&mut this.stream, stream => Pin::new(stream).poll_shutdown(cx)))?;
            this.shut = true;
            this.activity.begin_closing();
        }
        if this.activity.is_upgraded() || this.activity.is_hurried() {
            return Poll::Ready(Ok(()));
        }
        // Closing while the client still sends would reset the connection, and the client could lose the answer that
        // told it why. So what comes is thrown away until it closes too; the reaper bounds that.
        let mut waste = [MaybeUninit::uninit(); 4096];
        loop {
            let mut buf = ReadBuf::uninit(&mut waste);
            match this.inner().poll_read(cx, &mut buf) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Ok(())) if !buf.filled().is_empty() => {}
                Poll::Ready(Ok(()) | Err(_)) => return Poll::Ready(Ok(())),
            }
        }
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        self.activity.gone();
    }
}
