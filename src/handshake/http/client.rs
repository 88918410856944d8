//! Adapters of the client's side.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::str;

use ::http::{HeaderValue, Request, Response, Uri, Version};

use super::{append, append_extra, fields_of, own_fields};
use crate::SharedConfig;
use crate::handshake::fields::{HandshakeFields, elements};
use crate::handshake::request::{Choice, check_response};
use crate::handshake::{
    ClientHandshake, ClientRequest, Field, HandshakeError, InvalidHead, accept_key,
};

/// # Types of `http`
impl<'a> ClientRequest<'a> {
    /// The request of HTTP/1.1 for another stack to write. `key` is as for [`write`](Self::write).
    ///
    /// # Errors
    ///
    /// The first part of the request that is invalid.
    pub fn to_http(&self, key: [u8; 24]) -> Result<Request<()>, InvalidHead> {
        self.check()?;
        let mut request = Request::new(());
        *request.uri_mut() =
            Uri::try_from(self.target().concat()).map_err(|_| InvalidHead::Target)?;
        let headers = request.headers_mut();
        append(headers, Field::new("host", self.authority()))?;
        append(headers, Field::new("upgrade", "websocket"))?;
        append(headers, Field::new("connection", "Upgrade"))?;
        append(headers, Field::new("sec-websocket-key", &key))?;
        append(headers, Field::new("sec-websocket-version", "13"))?;
        if !self.offered_subprotocols().is_empty() {
            let list = self.offered_subprotocols().join(", ");
            append(headers, Field::new("sec-websocket-protocol", &list))?;
        }
        append_extra(headers, self.extra_fields())?;
        Ok(request)
    }

    /// Verifies a response of HTTP/1.1 that another stack parsed, as [`verify`](Self::verify) does.
    ///
    /// # Errors
    ///
    /// Those of [`verify`](Self::verify).
    pub fn verify_http<'r, B>(
        &self,
        key: &[u8; 24],
        response: &'r Response<B>,
    ) -> Result<Option<Choice<'r>>, HandshakeError> {
        let is_1_1 = response.version() == Version::HTTP_11;
        let fields = HandshakeFields::collect(fields_of(response.headers()));
        let is_offered = |one: &[u8]| self.offers(one);
        check_response(response.status().as_u16(), is_1_1, &fields, &accept_key(key), is_offered)
    }

    /// The request as an Extended CONNECT for another stack to write, as
    /// [`extended_connect`](Self::extended_connect) has it. Its `:protocol`, `websocket`, is not in the
    /// types of `http`: add it as the stack wants it.
    ///
    /// # Errors
    ///
    /// The first part of the request that is invalid.
    pub fn extended_connect_http(&self) -> Result<Request<()>, InvalidHead> {
        let target = self.target();
        let composed = target.iter().chain(self.offered_subprotocols());
        let mut buffer = alloc::vec![0; composed.map(|part| part.len() + 2).sum()];
        let mut request = Request::new(());
        let (mut scheme, mut authority, mut path) = ("", "", "");
        for field in self.extended_connect(&mut buffer)? {
            let text = field.text().unwrap_or_default();
            match field.name() {
                ":method" => *request.method_mut() = ::http::Method::CONNECT,
                ":protocol" => {}
                ":scheme" => scheme = text,
                ":authority" => authority = text,
                ":path" => path = text,
                _ => append(request.headers_mut(), field)?,
            }
        }
        let uri = Uri::try_from(format!("{scheme}://{authority}{path}"));
        *request.uri_mut() = uri.map_err(|_| InvalidHead::Target)?;
        Ok(request)
    }

    /// Verifies a response to an Extended CONNECT that another stack parsed, as
    /// [`verify_extended_connect`](Self::verify_extended_connect) does.
    ///
    /// # Errors
    ///
    /// Those of [`verify_extended_connect`](Self::verify_extended_connect).
    pub fn verify_extended_connect_http<'r, B>(
        &self,
        response: &'r Response<B>,
    ) -> Result<Option<Choice<'r>>, HandshakeError> {
        let status = response.status();
        self.check_extended_response(status.as_str().as_bytes(), &response.headers().into())
    }
}

/// # Types of `http`
impl ClientHandshake {
    /// A handshake for `request`, whose URI is absolute. Fields that the handshake writes itself are
    /// left out, except for `Sec-WebSocket-Protocol`, which lists the subprotocols to offer.
    ///
    /// # Errors
    ///
    /// Those of [`new`](Self::new); [`InvalidHead::Target`] where the URI is not one that
    /// [`Uri`](crate::handshake::Uri) accepts.
    pub fn from_http<B>(
        config: impl Into<SharedConfig>,
        request: &Request<B>,
    ) -> Result<Self, InvalidHead> {
        let uri: String = format!("{}", request.uri());
        let uri = crate::handshake::Uri::parse(&uri).map_err(|_| InvalidHead::Target)?;
        let lists = request.headers().get_all("sec-websocket-protocol").iter();
        let subprotocols = lists.map(HeaderValue::as_bytes).flat_map(elements).map(str::from_utf8);
        let subprotocols: Result<Vec<&str>, _> = subprotocols.collect();
        let subprotocols = subprotocols.map_err(|_| InvalidHead::Subprotocol)?;
        let fields = own_fields(request.headers());
        let request = ClientRequest::new(&uri).subprotocols(&subprotocols).fields(&fields);
        Self::new(config, &request)
    }
}
