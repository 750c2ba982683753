//! Connections of our small HTTP servers: how many, and for how long.
//!
//! Anybody in the cluster can reach them, so nobody may keep what others need: a client that does not finish its head, or
//! takes nothing of its answer, is let go, and where there is no place left, whoever was silent for longest.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{Instant, Sleep};

/// What clients may take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Connections at a time; for a further one another is closed.
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
    let mut places: Vec<Place> = Vec::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    make_place(&mut places, limits.connections);
                    let moved = Moved::default();
                    let served = answer(stream, router.clone(), limits, moved.clone());
                    let task = connections.spawn(async move { drop(tokio::time::timeout(limits.whole, served).await) });
                    places.push(Place { task, moved });
                }
                // There are no descriptors left, say.
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

/// When something last came through a connection.
#[derive(Clone)]
struct Moved(Arc<Mutex<Instant>>);

impl Default for Moved {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(Instant::now())))
    }
}

/// A connection that is served.
struct Place {
    task: AbortHandle,
    moved: Moved,
}

/// Whoever asks now is asked by somebody else whether we live, say; whoever was silent for longest may come again.
fn make_place(places: &mut Vec<Place>, most: usize) {
    places.retain(|place| !place.task.is_finished());
    if places.len() < most {
        return;
    }
    let silent = places.iter().enumerate().min_by_key(|(_, place)| *place.moved.0.lock());
    if let Some((at, _)) = silent {
        places.swap_remove(at).task.abort();
    }
}

async fn answer(stream: TcpStream, router: Router, limits: Limits, moved: Moved) {
    let stream = Patient { stream, silence: limits.silence, since: None, moved };
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
    moved: Moved,
}

impl Patient {
    fn judged<T>(&mut self, cx: &mut Context<'_>, written: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.since = None;
            *self.moved.0.lock() = Instant::now();
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
        let read = Pin::new(&mut self.stream).poll_read(cx, buffer);
        if read.is_ready() {
            *self.moved.0.lock() = Instant::now();
        }
        read
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
    async fn whoever_comes_gets_the_place_of_who_was_silent_for_longest() -> io::Result<()> {
        let address = server(Limits { connections: 2, ..Limits::default() }).await?;
        let mut asks = TcpStream::connect(address).await?;
        let mut silent = TcpStream::connect(address).await?;
        tokio::time::sleep(Duration::from_millis(200)).await;
        // What came first has said something since.
        asks.write_all(b"GET / HTTP/1.1\r\n").await?;
        tokio::time::sleep(Duration::from_millis(200)).await;
        let began = Instant::now();
        let mut third = TcpStream::connect(address).await?;
        third.write_all(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await?;
        assert!(rest(&mut third).await > 64 << 20);
        assert_eq!(rest(&mut silent).await, 0);
        assert!(began.elapsed() < Limits::default().head, "it was let go for another reason");
        asks.write_all(b"Host: x\r\nConnection: close\r\n\r\n").await?;
        assert!(rest(&mut asks).await > 64 << 20);
        Ok(())
    }

    #[tokio::test]
    async fn who_says_nothing_or_takes_nothing_is_let_go() -> io::Result<()> {
        let short = Duration::from_millis(300);
        let limits = Limits { connections: 3, head: short, silence: short, ..Limits::default() };
        let address = server(limits).await?;
        let mut silent = TcpStream::connect(address).await?;
        let mut slow = TcpStream::connect(address).await?;
        slow.write_all(b"GET / HTTP/1.1\r\nHost: x\r\nX-").await?;
        let mut stalled = TcpStream::connect(address).await?;
        stalled.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await?;
        assert_eq!(rest(&mut silent).await, 0);
        rest(&mut slow).await;
        tokio::time::sleep(5 * short).await;
        assert!(rest(&mut stalled).await < 64 << 20);
        // Places are free again, and whoever reads gets everything.
        for _ in 0..3 {
            let mut reader = TcpStream::connect(address).await?;
            reader.write_all(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await?;
            assert!(rest(&mut reader).await > 64 << 20);
        }
        Ok(())
    }
}
