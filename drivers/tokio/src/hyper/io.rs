//! The transport of a connection that hyper upgraded.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use ::hyper::rt::{Read, ReadBuf as Uninitialized, Write};
use ::hyper::upgrade::{OnUpgrade, Upgraded};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// The transport of a connection that hyper upgraded: an HTTP/1.1 connection or an HTTP/2 stream.
#[derive(Debug)]
pub struct UpgradedIo {
    io: Upgraded,
    kind: UpgradeKind,
}

/// The kind of connection that was upgraded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum UpgradeKind {
    /// A connection of HTTP/1.1.
    Http1,
    /// A stream of HTTP/2.
    Http2,
    /// A stream of HTTP/2 whose writing direction is shut down.
    EndedHttp2,
}

/// The bytes of one write to a stream of HTTP/2. hyper copies a write of any length at once, and accepts up
/// to three before the peer reads.
const MAX_HTTP2_WRITE: usize = 64 << 10;

impl UpgradedIo {
    /// Waits until hyper has upgraded.
    pub(super) async fn once_upgraded(
        on_upgrade: OnUpgrade,
        kind: UpgradeKind,
    ) -> io::Result<Self> {
        let io = on_upgrade.await.map_err(io::Error::other)?;
        Ok(Self { io, kind })
    }

    /// Returns hyper's transport.
    #[must_use]
    pub fn upgraded(&self) -> &Upgraded {
        &self.io
    }
}

impl AsyncRead for UpgradedIo {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        // A stream needs no draining: its unread bytes do not destroy what was written, and browsers
        // may never end their direction.
        if self.kind == UpgradeKind::EndedHttp2 {
            return Poll::Ready(Ok(()));
        }
        let mut space = Uninitialized::new(buffer.initialize_unfilled());
        ready!(Pin::new(&mut self.io).poll_read(cx, space.unfilled()))?;
        let len = space.filled().len();
        buffer.advance(len);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for UpgradedIo {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let len = match self.kind {
            UpgradeKind::Http1 => bytes.len(),
            UpgradeKind::Http2 | UpgradeKind::EndedHttp2 => bytes.len().min(MAX_HTTP2_WRITE),
        };
        Pin::new(&mut self.io).poll_write(cx, &bytes[..len])
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if self.is_write_vectored() {
            return Pin::new(&mut self.io).poll_write_vectored(cx, slices);
        }
        let first = slices.iter().find(|slice| !slice.is_empty());
        self.poll_write(cx, first.map_or(&[], |slice| slice))
    }

    fn is_write_vectored(&self) -> bool {
        self.kind == UpgradeKind::Http1 && self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.kind == UpgradeKind::Http2 {
            self.kind = UpgradeKind::EndedHttp2;
        }
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}
