//! Crowd: how many connections may be open at once; one too many is closed before anything is spent on it.
//!
//! The API server keeps a few dozen. Knows nothing of what is sent over them.

use std::future::{Ready, ready};
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum_server::accept::Accept;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The most connections at once: what they hold together stays below 100 MB.
const MOST: usize = 1024;

/// Lets in as many as there is room for.
#[derive(Clone)]
pub(super) struct Crowd(Arc<Semaphore>);

impl Default for Crowd {
    fn default() -> Self {
        Self::of(MOST)
    }
}

impl Crowd {
    fn of(most: usize) -> Self {
        Self(Arc::new(Semaphore::new(most)))
    }
}

impl<S> Accept<TcpStream, S> for Crowd {
    type Stream = Counted;
    type Service = S;
    type Future = Ready<io::Result<(Counted, S)>>;

    fn accept(&self, stream: TcpStream, service: S) -> Self::Future {
        let counted = Arc::clone(&self.0)
            .try_acquire_owned()
            .map_err(|_| io::Error::other("too many connections"))
            .and_then(|place| {
                // An answer is one small packet: it must not wait for another.
                stream.set_nodelay(true)?;
                Ok(Counted {
                    stream,
                    _place: place,
                })
            });
        ready(counted.map(|stream| (stream, service)))
    }
}

/// A connection with its place, which is free again when it is closed.
pub(super) struct Counted {
    stream: TcpStream,
    _place: OwnedSemaphorePermit,
}

impl AsyncRead for Counted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Counted {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
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
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn one_connection_too_many_is_closed_and_a_closed_one_makes_room() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut clients = Vec::new();
        let mut streams = Vec::new();
        for _ in 0..3 {
            clients.push(TcpStream::connect(address).await.unwrap());
            streams.push(listener.accept().await.unwrap().0);
        }
        let crowd = Crowd::of(1);
        let mut enter = || crowd.accept(streams.pop().unwrap(), ()).into_inner();
        let first = enter().unwrap();
        assert!(enter().is_err());
        drop(first);
        assert!(enter().is_ok());
    }
}
