//! TCP: the choice among the addresses of a server, and the options of a socket.

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::{Instant, sleep};

/// The time after which the next address is tried while the previous attempts continue (RFC 8305,
/// section 8).
const ATTEMPT_DELAY: Duration = Duration::from_millis(250);

/// The bytes that the kernel may hold before it sends them, per socket.
#[cfg(any(target_os = "linux", target_os = "android"))]
const MAX_UNSENT: u32 = 128 << 10;

/// Sets the options with which a TCP socket suits WebSocket. [`connect`](crate::connect()) calls it; a
/// server calls it for each socket that it accepts. With `axum::serve`, call it in `ListenerExt::tap_io`.
///
/// - `TCP_NODELAY`: a short message leaves at once (Nagle's algorithm is off).
/// - `TCP_NOTSENT_LOWAT` of 128 KiB, on Linux and Android: what cannot be sent yet stays in the program,
///   so that a Ping or a Close is not queued behind megabytes in the kernel.
///
/// # Errors
///
/// Returns the error of the operating system.
pub fn configure_tcp(socket: &TcpStream) -> io::Result<()> {
    socket.set_nodelay(true)?;
    #[cfg(any(target_os = "linux", target_os = "android"))]
    socket2::SockRef::from(socket).set_tcp_notsent_lowat(MAX_UNSENT)?;
    Ok(())
}

/// Connects to one of several addresses of a server: the first one that accepts (RFC 8305, section 5).
///
/// The attempts start 250 ms apart, or as soon as one has failed. Returns the error that occurred first if
/// all fail.
pub(crate) async fn connect(addresses: impl Iterator<Item = SocketAddr>) -> io::Result<TcpStream> {
    let mut addresses = alternate(addresses).into_iter();
    let mut attempts: Vec<Pin<Box<dyn Future<Output = io::Result<TcpStream>> + Send>>> = Vec::new();
    let mut first_error = None;
    let mut delay = pin!(sleep(Duration::ZERO));
    let socket = poll_fn(|cx| {
        loop {
            let mut connected = None;
            let mut has_failed = false;
            attempts.retain_mut(|attempt| match attempt.as_mut().poll(cx) {
                Poll::Pending => true,
                Poll::Ready(Ok(socket)) => {
                    connected.get_or_insert(socket);
                    false
                }
                Poll::Ready(Err(error)) => {
                    has_failed = true;
                    first_error.get_or_insert(error);
                    false
                }
            });
            if let Some(socket) = connected {
                return Poll::Ready(Ok(socket));
            }
            if addresses.len() == 0 && attempts.is_empty() {
                let error = first_error.take();
                return Poll::Ready(Err(error.unwrap_or(io::ErrorKind::NotFound.into())));
            }
            if addresses.len() == 0
                || (!attempts.is_empty() && !has_failed && delay.as_mut().poll(cx).is_pending())
            {
                return Poll::Pending;
            }
            attempts.extend(
                addresses
                    .next()
                    .map(|address| Box::pin(TcpStream::connect(address)) as Pin<Box<_>>),
            );
            delay.as_mut().reset(Instant::now() + ATTEMPT_DELAY);
        }
    })
    .await?;
    configure_tcp(&socket)?;
    Ok(socket)
}

/// Orders addresses so that IPv6 and IPv4 alternate, starting with the family that the resolver
/// prefers (RFC 8305, section 4).
fn alternate(addresses: impl Iterator<Item = SocketAddr>) -> Vec<SocketAddr> {
    let mut addresses = addresses.peekable();
    let is_ipv6_first = addresses.peek().is_some_and(SocketAddr::is_ipv6);
    let (preferred, other): (Vec<_>, Vec<_>) =
        addresses.partition(|address| address.is_ipv6() == is_ipv6_first);
    let (mut preferred, mut other) = (preferred.into_iter(), other.into_iter());
    let mut ordered = Vec::new();
    while preferred.len() + other.len() > 0 {
        ordered.extend(preferred.next());
        ordered.extend(other.next());
    }
    ordered
}

#[cfg(test)]
#[path = "../tests/common/full_listener.rs"]
mod full_listener;

#[cfg(test)]
mod tests {
    use super::full_listener::FullListener;
    use super::*;

    use tokio::net::{TcpListener, TcpSocket};

    /// Returns an address that refuses connections: nobody else gets it while the returned socket is there.
    fn refusing() -> (TcpSocket, SocketAddr) {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = socket.local_addr().unwrap();
        (socket, address)
    }

    fn addresses(texts: &[&str]) -> Vec<SocketAddr> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn address_families_alternate() {
        let given = addresses(&["[::1]:1", "[::2]:1", "[::3]:1", "1.1.1.1:1", "1.1.1.2:1"]);
        let expected = addresses(&["[::1]:1", "1.1.1.1:1", "[::2]:1", "1.1.1.2:1", "[::3]:1"]);
        assert_eq!(alternate(given.into_iter()), expected);
        let given = addresses(&["1.1.1.1:1", "1.1.1.2:1", "[::1]:1"]);
        let expected = addresses(&["1.1.1.1:1", "[::1]:1", "1.1.1.2:1"]);
        assert_eq!(alternate(given.into_iter()), expected);
    }

    #[tokio::test]
    async fn second_address_is_tried_after_the_first_refuses() {
        let (_held, refused) = refusing();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let accepting = listener.local_addr().unwrap();
        let socket = connect([refused, accepting].into_iter()).await.unwrap();
        assert_eq!(socket.peer_addr().unwrap(), accepting);
        assert!(socket.nodelay().unwrap());
        #[cfg(any(target_os = "linux", target_os = "android"))]
        assert_eq!(socket2::SockRef::from(&socket).tcp_notsent_lowat().unwrap(), MAX_UNSENT);
        let error = connect([refused, refused].into_iter()).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
        let error = connect([].into_iter()).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
    }

    #[tokio::test(start_paused = true)]
    async fn second_address_is_tried_while_the_first_does_not_answer() {
        let full = FullListener::new().await;
        let silent = full.address;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let accepting = listener.local_addr().unwrap();
        let start = Instant::now();
        let socket = connect([silent, accepting].into_iter()).await.unwrap();
        assert_eq!(socket.peer_addr().unwrap(), accepting);
        let waited = start.elapsed();
        assert!(waited >= ATTEMPT_DELAY && waited < ATTEMPT_DELAY * 2, "{waited:?}");
        // The third address does not wait after the second one has failed.
        let (_held, refused) = refusing();
        let start = Instant::now();
        let socket = connect([silent, refused, accepting].into_iter()).await.unwrap();
        assert_eq!(socket.peer_addr().unwrap(), accepting);
        let waited = start.elapsed();
        assert!(waited >= ATTEMPT_DELAY && waited < ATTEMPT_DELAY * 2, "{waited:?}");
    }
}
