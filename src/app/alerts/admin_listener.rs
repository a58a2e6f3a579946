//! Whether the admin listener answers, asked as a program of this machine would ask it.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpStream, UnixStream};

use crate::config::ready::AdminAddr;

/// How long it may take.
const MOST: Duration = Duration::from_secs(10);
const REQUEST: &[u8] = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
const ANSWER: &[u8] = b"HTTP/1.1 200";

/// Whether it does.
pub(super) async fn answers(at: &AdminAddr) -> bool {
    let asked = async {
        match at {
            AdminAddr::Tcp(addr) => ask(TcpStream::connect(addr).await?).await,
            AdminAddr::Unix(path) => ask(UnixStream::connect(path).await?).await,
        }
    };
    matches!(tokio::time::timeout(MOST, asked).await, Ok(Ok(true)))
}

async fn ask<S: AsyncRead + AsyncWrite + Unpin>(mut stream: S) -> io::Result<bool> {
    stream.write_all(REQUEST).await?;
    let mut answer = [0; ANSWER.len()];
    stream.read_exact(&mut answer).await?;
    Ok(answer == *ANSWER)
}
