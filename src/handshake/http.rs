//! The types of the crate `http`, in and out. What they hold is written and parsed as any other
//! head is: there is no second grammar.

use alloc::string::String;
use alloc::vec::Vec;
use core::str;

use ::http::{HeaderMap, HeaderValue, Request, Response, Version};

use super::list::elements;
use super::{
    Acceptance, ClientHandshake, ClientRequest, Established, Field, Fields, HeadBuffer, HeadError,
    HeadWriter, RequestHead, ResponseHead, ServerHandshake, Uri,
};
use crate::SharedConfig;

impl RequestHead<'_> {
    /// This head in the types of `http`. Values keep every byte.
    ///
    /// # Errors
    ///
    /// What these types don't take: targets with some characters, or longer than 65,534 bytes.
    pub fn to_http(&self) -> Result<Request<()>, ::http::Error> {
        let mut request = Request::builder()
            .method(self.method())
            .uri(self.target())
            .version(version(self.minor_version()))
            .body(())?;
        copy_fields(self.fields(), request.headers_mut())?;
        Ok(request)
    }
}

impl ResponseHead<'_> {
    /// This head in the types of `http`, which have no reason phrase. Values keep every byte.
    ///
    /// # Errors
    ///
    /// What these types don't take.
    pub fn to_http(&self) -> Result<Response<()>, ::http::Error> {
        let version = version(self.minor_version());
        let mut response = Response::builder().status(self.status()).version(version).body(())?;
        copy_fields(self.fields(), response.headers_mut())?;
        Ok(response)
    }
}

const fn version(minor: u8) -> Version {
    if minor == 0 { Version::HTTP_10 } else { Version::HTTP_11 }
}

fn copy_fields(fields: Fields<'_>, headers: &mut HeaderMap) -> Result<(), ::http::Error> {
    for field in fields {
        let name = ::http::HeaderName::from_bytes(field.name().as_bytes())?;
        headers.try_append(name, HeaderValue::from_bytes(field.value())?)?;
    }
    Ok(())
}

/// Writes a request as a head of HTTP/1.1. Returns its length in bytes.
///
/// A server that gets its requests from another stack checks them so, and answers with what
/// [`ResponseHead::to_http`] gives:
///
/// ```
/// use websocket_proto::handshake::{
///     Acceptance, HeadLimits, RequestParser, ResponseParser, write_http_request,
/// };
///
/// # let request = http::Request::get("/chat").header("host", "example.com")
/// #     .header("connection", "Upgrade").header("upgrade", "websocket")
/// #     .header("sec-websocket-version", "13")
/// #     .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==").body(())?;
/// // let request: http::Request<_>
/// let mut head = Vec::new();
/// write_http_request(&request, &mut head)?;
/// let request = RequestParser::new(HeadLimits::DEFAULT).parse(&head)?.unwrap();
/// if let Some(upgrade) = request.upgrade()? {
///     let mut head = Vec::new();
///     upgrade.accept(&Acceptance::new(), &mut head)?;
///     let response = ResponseParser::new(HeadLimits::DEFAULT).parse(&head)?.unwrap().to_http()?;
///     assert_eq!(response.status(), 101);
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
///
/// What [`HeadWriter`] refuses.
pub fn write_http_request<'b, B>(
    request: &Request<B>,
    buffer: impl Into<HeadBuffer<'b>>,
) -> Result<usize, HeadError> {
    let uri = request.uri();
    let target = match (uri.scheme_str(), uri.authority(), uri.path_and_query()) {
        (Some(scheme), Some(authority), path) => {
            [scheme, "://", authority.as_str(), path.map_or("/", |path| path.as_str())].concat()
        }
        (None, Some(authority), None) => String::from(authority.as_str()),
        (_, _, path) => String::from(path.map_or("/", |path| path.as_str())),
    };
    let head = HeadWriter::request(buffer, request.method().as_str(), &target)?;
    finish(head, request.headers())
}

/// Writes a response as a head of HTTP/1.1. Returns its length in bytes.
///
/// # Errors
///
/// What [`HeadWriter`] refuses.
pub fn write_http_response<'b, B>(
    response: &Response<B>,
    buffer: impl Into<HeadBuffer<'b>>,
) -> Result<usize, HeadError> {
    let status = response.status();
    let reason = status.canonical_reason().unwrap_or_default();
    finish(HeadWriter::response(buffer, status.as_u16(), reason)?, response.headers())
}

fn finish(mut head: HeadWriter<'_>, headers: &HeaderMap) -> Result<usize, HeadError> {
    headers.iter().try_for_each(|(name, value)| head.field(Field::new(name.as_str(), value)))?;
    head.finish()
}

impl ServerHandshake {
    /// [`accept`](Self::accept)s with what `response` chooses: its `Sec-WebSocket-Protocol`, its
    /// `Sec-WebSocket-Extensions`, and all fields that the handshake does not write itself.
    ///
    /// # Errors
    ///
    /// Those of [`accept`](Self::accept); [`HeadError::Status`] if the status is not 101.
    pub fn accept_http<B>(&mut self, response: &Response<B>) -> Result<Established, HeadError> {
        if response.status() != 101 {
            return Err(HeadError::Status);
        }
        let headers = response.headers();
        let chosen = |name| -> Result<Option<&str>, HeadError> {
            let value: Option<&HeaderValue> = headers.get(name);
            value.map(|value| value.to_str().map_err(|_| HeadError::FieldValue)).transpose()
        };
        let fields = own_fields(headers);
        let mut acceptance = Acceptance::new().fields(&fields);
        acceptance.subprotocol = chosen("sec-websocket-protocol")?;
        acceptance.extensions = chosen("sec-websocket-extensions")?;
        self.accept(&acceptance)
    }

    /// [`respond`](Self::respond)s with the status, the fields and the body of `response`, but for
    /// the fields that the handshake writes itself.
    ///
    /// # Errors
    ///
    /// Those of [`respond`](Self::respond).
    pub fn respond_http<B: AsRef<[u8]>>(
        &mut self,
        response: &Response<B>,
    ) -> Result<(), HeadError> {
        let fields = own_fields(response.headers());
        self.respond(response.status().as_u16(), &fields, response.body().as_ref())
    }
}

impl ClientHandshake {
    /// A handshake for `request`, whose URI is absolute, with the scheme `ws` or `wss`. Fields
    /// that the handshake writes itself are left out, but for `Sec-WebSocket-Protocol` and
    /// `Sec-WebSocket-Extensions`, which are what is offered.
    ///
    /// # Errors
    ///
    /// Those of [`new`](Self::new); [`HeadError::Target`] where the URI is no
    /// [`Uri`].
    pub fn from_http<B>(
        config: impl Into<SharedConfig>,
        request: &Request<B>,
    ) -> Result<Self, HeadError> {
        let uri = alloc::format!("{}", request.uri());
        let uri = Uri::parse(&uri).map_err(|_| HeadError::Target)?;
        let headers = request.headers();
        let values = |name| headers.get_all(name).iter().map(HeaderValue::as_bytes);
        let subprotocols = values("sec-websocket-protocol").flat_map(elements).map(str::from_utf8);
        let subprotocols: Result<Vec<&str>, _> = subprotocols.collect();
        let subprotocols = subprotocols.map_err(|_| HeadError::Subprotocol)?;
        let extensions = values("sec-websocket-extensions").collect::<Vec<_>>().join(&b", "[..]);
        let extensions = String::from_utf8(extensions).map_err(|_| HeadError::Extensions)?;
        let fields = own_fields(headers);
        let mut request = ClientRequest::new(&uri).subprotocols(&subprotocols).fields(&fields);
        request.extensions = (!extensions.is_empty()).then_some(&extensions);
        Self::new(config, &request)
    }
}

/// The fields that the handshake does not write itself.
fn own_fields(headers: &HeaderMap) -> Vec<Field<'_>> {
    let fields = headers.iter().map(|(name, value)| Field::new(name.as_str(), value));
    fields.filter(|field| !field.is_reserved()).collect()
}
