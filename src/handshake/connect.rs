//! CONNECT, which asks a proxy for a tunnel (RFC 9110, section 9.3.6; RFC 6455, section 4.1).

use super::write::decimal;
use super::{Field, HeadBuffer, HeadError, HeadWriter, ResponseHead, Uri};

/// Writes the request that asks a proxy for a tunnel to the host and port of `uri`. Returns its
/// length in bytes.
///
/// A proxy that knows its users wants a `Proxy-Authorization` among `fields`.
///
/// # Errors
///
/// What [`HeadWriter`] refuses, and [`HeadError::ReservedField`].
pub fn write_connect<'b>(
    uri: &Uri<'_>,
    fields: &[Field<'_>],
    buffer: impl Into<HeadBuffer<'b>>,
) -> Result<usize, HeadError> {
    let mut digits = [0; 20];
    let port = core::str::from_utf8(decimal(uri.port().into(), &mut digits)).unwrap_or_default();
    // RFC 9112, section 3.2.3: the authority form has a port always.
    let target = [uri.bracketed_host(), ":", port];
    let mut head = HeadWriter::request_in_parts(buffer.into(), "CONNECT", &target)?;
    let [host, colon, port] = target.map(str::as_bytes);
    head.parts(&[b"Host: ", host, colon, port, b"\r\n"])?;
    head.extra_fields(fields)?;
    head.finish()
}

impl ResponseHead<'_> {
    /// Whether a proxy gave the tunnel that CONNECT asked for. What comes behind such a head is
    /// the server's, whatever the head says of a body.
    #[must_use]
    pub fn is_tunnel(&self) -> bool {
        // RFC 9110, section 9.3.6: any 2xx.
        matches!(self.status(), 200..=299)
    }
}
