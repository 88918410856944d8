//! A listener for HTTPS with a self-signed certificate. Browsers speak HTTP/2 only over TLS.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::serve::Listener;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_websocket_proto::configure_tcp;
use tokio_websocket_proto::tokio_rustls::TlsAcceptor;
use tokio_websocket_proto::tokio_rustls::rustls::pki_types::PrivateKeyDer;
use tokio_websocket_proto::tokio_rustls::rustls::{ServerConfig, crypto::ring};
use tokio_websocket_proto::tokio_rustls::server::TlsStream;

/// The connections whose TLS handshake is complete.
pub(crate) struct TlsListener {
    address: SocketAddr,
    accepted: mpsc::Receiver<(TlsStream<TcpStream>, SocketAddr)>,
}

/// Accepts connections over TLS. Each handshake has its own task, so that none delays the others.
pub(crate) fn listen(mut listener: TcpListener) -> io::Result<TlsListener> {
    let address = listener.local_addr()?;
    let acceptor = TlsAcceptor::from(Arc::new(configuration().map_err(io::Error::other)?));
    let (sender, accepted) = mpsc::channel(64);
    tokio::spawn(async move {
        loop {
            let (socket, peer) = Listener::accept(&mut listener).await;
            let (acceptor, sender) = (acceptor.clone(), sender.clone());
            tokio::spawn(async move {
                let _ = configure_tcp(&socket);
                let accepting = timeout(Duration::from_secs(10), acceptor.accept(socket));
                if let Ok(Ok(stream)) = accepting.await {
                    let _ = sender.send((stream, peer)).await;
                }
            });
        }
    });
    Ok(TlsListener { address, accepted })
}

fn configuration() -> Result<ServerConfig, Box<dyn std::error::Error + Send + Sync>> {
    let certified = rcgen::generate_simple_self_signed(["localhost".into(), "127.0.0.1".into()])?;
    let key = PrivateKeyDer::try_from(certified.signing_key.serialize_der())?;
    let mut tls = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![certified.cert.into()], key)?;
    tls.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(tls)
}

impl Listener for TlsListener {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        match self.accepted.recv().await {
            Some(accepted) => accepted,
            None => std::future::pending().await,
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.address)
    }
}
