//! TLS for clients, by rustls.

use std::io;
use std::sync::Arc;

use tokio::sync::OnceCell;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::CryptoProvider;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{ClientConfig, Error as TlsError, InvalidMessage, RootCertStore};

use crate::connect_error::ConnectError;
use crate::stream::Stream;

/// Performs the TLS handshake with `host` over `stream`. `address` names the server in errors.
pub(crate) async fn connect(
    config: Option<&Arc<ClientConfig>>,
    host: &str,
    address: &str,
    stream: Stream,
) -> Result<Stream, ConnectError> {
    let config = match config {
        Some(config) => config,
        None => default_config(address).await?,
    };
    let fail = |error| failure(address, error);
    let name = ServerName::try_from(host.to_owned());
    let name = name.map_err(|error| fail(io::Error::new(io::ErrorKind::InvalidData, error)))?;
    let tls = TlsConnector::from(config.clone()).connect(name, stream).await.map_err(fail)?;
    if tls.get_ref().1.alpn_protocol() == Some(b"h2") {
        let text = "the server chose HTTP/2; offer http/1.1 alone in the TLS configuration (ALPN)";
        return Err(fail(io::Error::new(io::ErrorKind::InvalidData, text)));
    }
    Ok(tls.into())
}

fn failure(address: &str, error: io::Error) -> ConnectError {
    let address = address.into();
    match error.get_ref().and_then(|error| error.downcast_ref()) {
        Some(TlsError::InvalidMessage(InvalidMessage::InvalidContentType)) => {
            ConnectError::PlainServer { address }
        }
        _ => ConnectError::Tls { address, error },
    }
}

/// Returns the configuration that is used if the program gives none. It is created once, since
/// reading the roots of the operating system takes milliseconds.
async fn default_config(address: &str) -> Result<&'static Arc<ClientConfig>, ConnectError> {
    static DEFAULT: OnceCell<Arc<ClientConfig>> = OnceCell::const_new();
    DEFAULT
        .get_or_try_init(async || {
            let created = tokio::task::spawn_blocking(create_config).await;
            created.map_err(|error| failure(address, io::Error::other(error)))?
        })
        .await
}

fn create_config() -> Result<Arc<ClientConfig>, ConnectError> {
    let provider = provider().ok_or(ConnectError::NoCryptography)?;
    let roots = roots();
    if roots.is_empty() {
        return Err(ConnectError::NoRoots);
    }
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|_| ConnectError::NoCryptography)?;
    let mut config = builder.with_root_certificates(roots).with_no_client_auth();
    // RFC 6455 is a protocol over HTTP/1.1.
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

fn provider() -> Option<Arc<CryptoProvider>> {
    if let Some(installed) = CryptoProvider::get_default() {
        return Some(installed.clone());
    }
    #[cfg(feature = "aws-lc-rs")]
    return Some(Arc::new(tokio_rustls::rustls::crypto::aws_lc_rs::default_provider()));
    #[cfg(all(feature = "ring", not(feature = "aws-lc-rs")))]
    return Some(Arc::new(tokio_rustls::rustls::crypto::ring::default_provider()));
    #[cfg(not(any(feature = "ring", feature = "aws-lc-rs")))]
    None
}

#[allow(unused_mut, reason = "the roots come from features")]
fn roots() -> RootCertStore {
    let mut roots = RootCertStore::empty();
    #[cfg(feature = "webpki-roots")]
    roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    // Certificates that cannot be read or parsed are skipped: the others verify most servers.
    #[cfg(feature = "native-roots")]
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    roots
}
