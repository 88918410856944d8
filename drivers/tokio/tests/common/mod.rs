//! Servers and a proxy on loopback sockets.

#![allow(dead_code, unused_imports, reason = "each test uses a part")]

use std::io;
use std::sync::{Arc, LazyLock};

use tokio::io::{
    AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader,
    copy_bidirectional,
};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::{CryptoProvider, ring};
use tokio_rustls::rustls::pki_types::PrivateKeyDer;
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio_websocket_proto::proto::handshake::Acceptance;
use tokio_websocket_proto::{ClientBuilder, DEFAULT_CONFIG, Error, Incoming, tokio_rustls};

pub(crate) use full_listener::FullListener;
pub(crate) use pair::echo;

mod full_listener;
#[path = "../pair/mod.rs"]
mod pair;

/// A certificate for `localhost`, on both sides of TLS.
pub(crate) struct Tls {
    pub(crate) acceptor: TlsAcceptor,
    pub(crate) client: Arc<ClientConfig>,
    /// The certificate, in PEM.
    pub(crate) certificate: String,
}

pub(crate) static TLS: LazyLock<Tls> = LazyLock::new(|| Tls::new(4000));

fn parameters() -> rcgen::CertificateParams {
    rcgen::CertificateParams::new(["localhost".to_owned()]).unwrap()
}

impl Tls {
    /// A certificate that is valid until `last_year`.
    pub(crate) fn new(last_year: i32) -> Self {
        let mut parameters = parameters();
        parameters.not_after = rcgen::date_time_ymd(last_year, 1, 1);
        Self::create(parameters, false)
    }

    /// A certificate that may issue others, as `openssl req -x509` creates it.
    pub(crate) fn of_an_issuer() -> Self {
        let mut parameters = parameters();
        parameters.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        Self::create(parameters, false)
    }

    /// A server that demands a certificate of the client, and a client without one.
    pub(crate) fn with_client_certificates() -> Self {
        Self::create(parameters(), true)
    }

    fn create(parameters: rcgen::CertificateParams, demands_certificate: bool) -> Self {
        let provider: Arc<CryptoProvider> = ring::default_provider().into();
        let key = rcgen::KeyPair::generate().unwrap();
        let certificate = parameters.self_signed(&key).unwrap();
        let (pem, certificate) = (certificate.pem(), certificate.der().clone());
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let mut roots = RootCertStore::empty();
        roots.add(certificate.clone()).unwrap();
        let verifier = if demands_certificate {
            let roots = Arc::new(roots.clone());
            WebPkiClientVerifier::builder_with_provider(roots, provider.clone()).build().unwrap()
        } else {
            WebPkiClientVerifier::no_client_auth()
        };
        let server = ServerConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_client_cert_verifier(verifier)
            .with_single_cert(vec![certificate], key)
            .unwrap();
        let client = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        Self {
            acceptor: TlsAcceptor::from(Arc::new(server)),
            client: Arc::new(client),
            certificate: pem,
        }
    }
}

/// A client that trusts the certificate of [`TLS`].
pub(crate) fn client() -> ClientBuilder {
    ClientBuilder::new().with_tls(TLS.client.clone())
}

/// Listens on a port of the loopback interface. Returns the port too.
pub(crate) async fn listen() -> (TcpListener, u16) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, port)
}

/// Serves each connection with `serve` until the test ends. Returns the port.
pub(crate) async fn serve<F>(serve: impl Fn(TcpStream) -> F + Send + 'static) -> u16
where
    F: Future<Output: Send> + Send + 'static,
{
    let (listener, port) = listen().await;
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            tokio::spawn(serve(socket));
        }
    });
    port
}

/// Serves each connection with `bytes` after its first read.
pub(crate) async fn serve_bytes(bytes: impl Into<Vec<u8>>) -> u16 {
    let bytes = bytes.into();
    serve(move |mut socket| {
        let bytes = bytes.clone();
        async move {
            let read = socket.read(&mut [0; 4096]).await?;
            assert_ne!(read, 0);
            socket.write_all(&bytes).await?;
            socket.shutdown().await?;
            // Unread bytes would reset the connection.
            tokio::io::copy(&mut socket, &mut tokio::io::sink()).await
        }
    })
    .await
}

/// Accepts over any transport, with the first subprotocol that is offered, and echoes. The field
/// `X-Credentials` of the response has the names of the credential fields of the request.
pub(crate) async fn accept_and_echo<IO>(io: IO) -> Result<(), Error>
where
    IO: AsyncRead + AsyncWrite + Unpin,
{
    use tokio_websocket_proto::proto::handshake::{Field, choose_subprotocol};

    let incoming = Incoming::receive(io, &DEFAULT_CONFIG).await?;
    let request = incoming.request();
    let names: Vec<String> = request
        .fields()
        .filter(Field::is_credential)
        .map(|field| field.name().to_owned())
        .collect();
    let names = names.join(" ");
    let fields = [Field::new("X-Credentials", &names)];
    let subprotocol = choose_subprotocol(request.subprotocols(), &["chat.v2", "chat.v1"]);
    let acceptance = Acceptance::new().with_subprotocol(subprotocol).with_fields(&fields);
    let socket = incoming.accept(&acceptance).await?;
    echo(socket).await
}

pub(crate) async fn echo_server() -> u16 {
    serve(accept_and_echo).await
}

pub(crate) async fn tls_echo_server() -> u16 {
    serve(async |socket| accept_and_echo(TLS.acceptor.accept(socket).await?).await).await
}

/// An HTTP proxy that demands `credentials`, the value of `Proxy-Authorization`, and opens tunnels.
pub(crate) async fn proxy<IO>(io: IO, credentials: Option<&str>) -> io::Result<()>
where
    IO: AsyncRead + AsyncWrite + Unpin,
{
    let mut client = BufReader::new(io);
    let (mut head, mut line) = (Vec::new(), String::new());
    while line != "\r\n" {
        line.clear();
        client.read_line(&mut line).await?;
        head.push(line.clone());
    }
    let target = head[0].strip_prefix("CONNECT ").unwrap().strip_suffix(" HTTP/1.1\r\n").unwrap();
    let given = head.iter().find_map(|line| line.strip_prefix("Proxy-Authorization: "));
    if given.map(str::trim_end) != credentials {
        let rejection = b"HTTP/1.1 407 Proxy Authentication Required\r\n\
            Proxy-Authenticate: Basic\r\nContent-Length: 0\r\n\r\n";
        client.write_all(rejection).await?;
        return client.shutdown().await;
    }
    let mut server = TcpStream::connect(target).await?;
    client.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").await?;
    copy_bidirectional(&mut client, &mut server).await?;
    Ok(())
}
