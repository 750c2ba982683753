//! Connections of our small HTTP servers: how many, and for how long.
//!
//! Anybody in the cluster can reach them, so nobody may keep what others need: a client that does not finish its head, or
//! takes nothing of its answer, is let go.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::Sleep;

/// What clients may take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Connections at a time; further ones are closed.
    pub(crate) connections: usize,
    /// How long the head of a request may take, and a connection be kept without one.
    pub(crate) head: Duration,
    /// How long a client may take nothing of its answer.
    pub(crate) silence: Duration,
    /// How long a connection may last.
    pub(crate) whole: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 256,
            head: Duration::from_secs(20),
            silence: Duration::from_secs(30),
            whole: Duration::from_secs(60 * 60),
        }
    }
}

/// Answers until it is dropped.
pub(crate) async fn serve(listener: TcpListener, router: Router, limits: Limits) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) if connections.len() < limits.connections => {
                    connections.spawn(tokio::time::timeout(limits.whole, answer(stream, router.clone(), limits)));
                }
                Ok(_) => {}
                // There are no descriptors left, say.
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn answer(stream: TcpStream, router: Router, limits: Limits) {
    let stream = Patient { stream, silence: limits.silence, since: None };
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(limits.head).max_buf_size(64 << 10);
    let served = http.serve_connection(TokioIo::new(stream), TowerToHyperService::new(router)).await;
    if let Err(error) = served {
        tracing::debug!(%error, "a connection ended early");
    }
}

/// A connection whose other end has to take what is written to it.
struct Patient {
    stream: TcpStream,
    silence: Duration,
    /// Runs while nothing is taken.
    since: Option<Pin<Box<Sleep>>>,
}

impl Patient {
    fn judged<T>(&mut self, cx: &mut Context<'_>, written: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.since = None;
            return written;
        }
        let silence = self.silence;
        let since = self.since.get_or_insert_with(|| Box::pin(tokio::time::sleep(silence)));
        match since.as_mut().poll(cx) {
            Poll::Ready(()) => Poll::Ready(Err(io::ErrorKind::TimedOut.into())),
            Poll::Pending => Poll::Pending,
        }
    }
}

impl AsyncRead for Patient {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Patient {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.judged(cx, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, parts);
        self.judged(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use axum::routing::get;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    /// A server whose answer is larger than what the kernel keeps for a reader.
    async fn server(limits: Limits) -> io::Result<std::net::SocketAddr> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let router = Router::new().route("/", get(|| async { vec![b'x'; 64 << 20] }));
        tokio::spawn(serve(listener, router, limits));
        Ok(address)
    }

    /// Reads to the end; a connection that is cut off has one, too.
    async fn rest(stream: &mut TcpStream) -> usize {
        let mut bytes = Vec::new();
        let read = tokio::time::timeout(Duration::from_secs(60), stream.read_to_end(&mut bytes)).await;
        assert!(read.is_ok(), "the connection is never closed");
        bytes.len()
    }

    #[tokio::test]
    async fn who_says_nothing_takes_nothing_or_is_one_too_many_is_let_go() -> io::Result<()> {
        let short = Duration::from_millis(300);
        let limits = Limits { connections: 3, head: short, silence: short, ..Limits::default() };
        let address = server(limits).await?;
        let mut silent = TcpStream::connect(address).await?;
        let mut slow = TcpStream::connect(address).await?;
        slow.write_all(b"GET / HTTP/1.1\r\nHost: x\r\nX-").await?;
        let mut stalled = TcpStream::connect(address).await?;
        stalled.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await?;
        let mut fourth = TcpStream::connect(address).await?;
        assert_eq!(rest(&mut fourth).await, 0);
        assert_eq!(rest(&mut silent).await, 0);
        rest(&mut slow).await;
        tokio::time::sleep(5 * short).await;
        assert!(rest(&mut stalled).await < 64 << 20);
        // All places are free again, and whoever reads gets everything.
        for _ in 0..3 {
            let mut reader = TcpStream::connect(address).await?;
            reader.write_all(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await?;
            assert!(rest(&mut reader).await > 64 << 20);
        }
        Ok(())
    }
}
