//! A server and a client with TLS and a self-signed certificate.
//!
//! `cargo run --example wss server FILE [ADDRESS]` creates a certificate for `localhost`, writes it to FILE,
//! and echoes on 127.0.0.1:9002, or on ADDRESS.
//!
//! `cargo run --example wss client FILE URI TEXT` trusts the certificate in FILE, sends TEXT to URI, and
//! prints the reply.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio_websocket_proto::proto::CloseCode;
use tokio_websocket_proto::{ClientBuilder, accept, configure_tcp, tokio_rustls};

type Result<T = (), E = Box<dyn Error + Send + Sync>> = std::result::Result<T, E>;

#[tokio::main]
async fn main() -> Result {
    // The first default stays. Without one, rustls panics if the program contains two providers.
    let _ = ring::default_provider().install_default();
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["server", file] => serve(file, "127.0.0.1:9002").await,
        ["server", file, address] => serve(file, address).await,
        ["client", file, uri, text] => send(file, uri, text).await,
        _ => Err("usage: wss server FILE [ADDRESS]\n       wss client FILE URI TEXT".into()),
    }
}

async fn serve(file: &str, address: &str) -> Result {
    let certified = rcgen::generate_simple_self_signed(["localhost".to_owned()])?;
    let certificate = certified.cert.der().clone();
    std::fs::write(file, &certificate)?;
    let key = PrivateKeyDer::try_from(certified.signing_key.serialize_der())?;
    let mut config =
        ServerConfig::builder().with_no_client_auth().with_single_cert(vec![certificate], key)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    let acceptor = TlsAcceptor::from(Arc::new(config));

    let listener = TcpListener::bind(address).await?;
    println!("listening on wss://localhost:{}/", listener.local_addr()?.port());
    loop {
        match listener.accept().await {
            Ok((tcp, peer)) => {
                let acceptor = acceptor.clone();
                tokio::spawn(async move {
                    if let Err(error) = echo(acceptor, tcp).await {
                        eprintln!("{peer}: {error}");
                    }
                });
            }
            // The process may have too many open files. The listener stays usable.
            Err(error) => {
                eprintln!("{error}");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

async fn echo(acceptor: TlsAcceptor, tcp: TcpStream) -> Result {
    configure_tcp(&tcp)?;
    // `accept` bounds the time for the opening handshake, which follows.
    let tls = tokio::time::timeout(Duration::from_secs(10), acceptor.accept(tcp)).await??;
    let mut socket = accept(tls).await?;
    while let Some(message) = socket.recv().await? {
        let message = message.into_owned();
        socket.feed(message).await?;
    }
    Ok(())
}

async fn send(file: &str, uri: &str, text: &str) -> Result {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from(std::fs::read(file)?))?;
    let config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    let client = ClientBuilder::new().with_tls(config);
    let mut socket = client.connect(uri).await?.socket;
    socket.send(text).await?;
    if let Some(message) = socket.recv().await? {
        println!("{}", message.as_text().unwrap_or("[binary]"));
    }
    socket.close(CloseCode::NORMAL).await?;
    Ok(())
}
